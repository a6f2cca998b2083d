"""Accounts, tokens, sessions, the admin's log, and what is recorded of redactions themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session

from domains import sql
from domains.redaction import Holding, Note, Stage, Step, Subject, harmless, register
from domains.redaction.rules import BLANK, INNER, JSONB, LABEL, NAMED, TEXT, UNIQUE
from domains.redaction.tables import Table
from domains.thundergate import keys, tokens
from domains.thundergate.models import User

LOGGED_IN = "_auth_user_id"
SESSIONS_AT_ONCE = 500
LAST = 100
"""What redaction changes elsewhere is recorded here, as it was before."""
KEPT = ("lifecycle", "reasoner", "narrator", "password")
"""Of their own, what says nothing about them."""
BY_REDACTION = "SELECT set_config('thunderline.audit_hand', 'redaction', true)"
DONE = "SELECT set_config('thunderline.audit_hand', '', true)"


class Accounts(Table):
    """The account itself: it stays, as a number that can do nothing, for what refers to it. Others are left alone."""

    def __init__(self) -> None:
        super().__init__(
            "users", key={"id": "uuid"}, own="t.id = %(user)s::uuid", where="t.id = %(user)s::uuid",
            columns={"username": UNIQUE, "first_name": BLANK, "last_name": BLANK, "email": BLANK}, secret=["password"],
        )  # fmt: skip

    def prepare(self, subject: Subject, by: str) -> None:
        """Nobody signs in with it any more, and what is signed in is out within a second."""
        if subject.user_id is not None:
            User.objects.filter(pk=subject.user_id).update(is_active=False, password=make_password(None))
        if subject.user_id is not None or subject.agent_id is not None:
            who = {"user_id": subject.user_id, "agent_id": subject.agent_id}
            tokens.revoke_all(**who, by=by, reason="to be forgotten")
        if subject.user_id is not None:
            keys.revoke_all(user_id=subject.user_id, by=by, reason="to be forgotten")


class Trail(Table):
    """The audit trail: words go, nothing else; its trigger refuses everybody who does not say that they redact."""

    def _update(self, leaf: str, found: Sequence[Any], note: Note) -> None:
        sql.fetch_rows(BY_REDACTION)
        super()._update(leaf, found, note)
        sql.fetch_rows(DONE)


class Doings(Trail):
    """What somebody did to others: from where goes, and what names them."""

    def __init__(self) -> None:
        super().__init__("audit_log", key={"id": "bigint"}, columns={"address": BLANK, "request": NAMED},
                         own="t.user_id = %(user)s::uuid", stage=Stage.COPY, order=LAST)  # fmt: skip
        self.name = "audit_log.doings"


class Sessions(Holding):
    """Signed-in browsers: the account's own, and those whose data names the subject. They sign in again."""

    name = "django_session"
    claims = {"django_session": frozenset({"session_key", "session_data"})}

    def step(self, subject: Subject, after: dict[str, Any] | None, note: Note, *, dry: bool = False) -> Step:
        """The next few hundred."""
        last = after["key"] if after else ""
        some = list(Session.objects.filter(pk__gt=last).order_by("pk")[:SESSIONS_AT_ONCE])
        theirs = [session.pk for session in some if _concerned(session, subject)]
        if theirs and not dry:
            sql.execute("DELETE FROM django_session WHERE session_key = ANY(%s)", [theirs])
        more = {"key": some[-1].pk} if len(some) == SESSIONS_AT_ONCE else None
        return Step(more, seen=len(some), removed=len(theirs))

    def rows(self, subject: Subject) -> Iterator[dict[str, Any]]:
        """When they end; what is in them is technical and secret."""
        for session in Session.objects.order_by("pk").iterator():
            if _concerned(session, subject):
                yield {"expire_date": session.expire_date}


def _concerned(session: Session, subject: Subject) -> bool:
    data = session.get_decoded()
    if subject.user_id is not None and data.get(LOGGED_IN) == str(subject.user_id):
        return True
    return subject.words.found(orjson.dumps(data, default=str).decode())


register(
    Accounts(),
    Sessions(),
    Table(
        "access_tokens", key={"id": "uuid"}, columns={"revoked_by": LABEL, "reason": TEXT},
        own="t.user_id = %(user)s::uuid OR t.agent_id = %(agent)s::uuid",
    ),
    Table(
        "api_keys", key={"id": "uuid"}, columns={"name": TEXT, "revoked_by": LABEL, "reason": TEXT}, secret=["digest"],
        own="t.owner_id = %(user)s::uuid OR t.agent_id = %(agent)s::uuid",
    ),
    Table(
        "memory_grants", key={"id": "uuid"}, columns={"granted_by": LABEL}, removes="own",
        own="t.user_id = %(user)s::uuid OR t.agent_id = %(agent)s::uuid",
    ),
    # Failed logins: a name that was tried, and from where. They are of no use after a while.
    Table(
        "axes_accessattempt", key={"id": "integer"}, removes="concerned",
        columns={"username": TEXT, "get_data": TEXT, "post_data": TEXT, "user_agent": TEXT},
    ),
    Table(
        "django_admin_log", key={"id": "integer"}, columns={"object_repr": TEXT, "change_message": TEXT},
        own="t.object_id IN (%(user)s::uuid::text, %(agent)s::uuid::text)",
    ),
    Trail(
        "audit_log", key={"id": "bigint"}, stage=Stage.COPY, order=LAST,
        columns={"object_id": NAMED, "actor": LABEL, "before": JSONB, "after": JSONB}, kept=KEPT,
        own="t.object_table IN ('users', 'pac_agents')"
        " AND t.object_id IN (%(user)s::uuid::text, %(agent)s::uuid::text)",
    ),
    Doings(),
    Table("alert_rules", key={"id": "uuid"}, columns={"name": INNER, "topic": INNER, "hint": TEXT, "labels": JSONB}),
    Table(
        "alerts", key={"id": "bigint"}, stage=Stage.COPY,
        columns={"key": INNER, "details": JSONB, "acknowledged_by": LABEL},
    ),
    # Answers that are kept for a day for who asks again: those of or about the subject go.
    Table(
        "repeatable_requests", key={"id": "bigint"}, columns={"key": TEXT, "body": TEXT}, removes="concerned",
        own="t.user_id = %(user)s::uuid",
    ),
    Table("redactions", key={"id": "uuid"}, columns={"by": LABEL, "reason": TEXT}, secret=["subject"]),
)  # fmt: skip
harmless("audit_log", "action", "object_table", "door", "key_id")
harmless("alert_rules", "severity", "kind", "metric", "comparison", "hits")
harmless("alerts", "state", "severity")
harmless("repeatable_requests", "fingerprint", "headers")
harmless("redactions", "kind", "status", "holding", "after", "counts", "waits_for")
harmless("django_admin_log", "object_id")
harmless("access_tokens", "scopes")
harmless("api_keys", "prefix", "scopes")
harmless("axes_accessattempt", "http_accept", "path_info")
# Not written: switched off in the settings.
harmless("axes_accesslog", "username", "user_agent", "http_accept", "path_info", "session_hash")
harmless("axes_accessfailurelog", "username", "user_agent", "http_accept", "path_info")
# What Django and its apps keep about themselves.
harmless("auth_group", "name")
harmless("auth_permission", "name", "codename")
harmless("django_content_type", "app_label", "model")
harmless("django_migrations", "app", "name")
harmless(
    "django_celery_beat_crontabschedule", "minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone"
)
harmless("django_celery_beat_intervalschedule", "period")
harmless("django_celery_beat_solarschedule", "event")
harmless(
    "django_celery_beat_periodictask",
    *("name", "task", "args", "kwargs", "queue", "exchange", "routing_key", "description", "headers"),
)
