"""Failed logins, which django-axes counts: forgotten a day after they have ceased to count."""

from __future__ import annotations

from django.conf import settings

from domains import sql

SWEEP = "DELETE FROM axes_accessattempt WHERE attempt_time < statement_timestamp() - make_interval(secs => %s)"
KEPT_S = 86_400


def sweep() -> int:
    """Returns how many are gone. What somebody tries under made-up names must not pile up."""
    return sql.execute(SWEEP, [settings.AXES_COOLOFF_TIME.total_seconds() + KEPT_S])
