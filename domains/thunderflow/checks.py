"""System checks: what can be known of the declared payloads before anything is read."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from domains.thunderflow.payloads import declared


@register(Tags.compatibility)
def payloads_can_be_brought_up_to_date(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Each declared payload says for each older version how it becomes the next."""
    return [
        Error(
            f"{kind.__name__} is at version {kind.version} and does not say how version {version} becomes the next.",
            hint=f"Add {version} to its `upcasts`: the log still holds events of that version.",
            obj=kind,
            id="thunderflow.E001",
        )
        for kind in declared().values()
        for version in range(1, kind.version)
        if version not in kind.upcasts
    ]
