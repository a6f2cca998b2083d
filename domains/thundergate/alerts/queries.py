"""Which alerts there are."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from domains.thundergate.alerts.models import Alert, AlertRule


def firing() -> QuerySet[Alert]:
    """Those that fire, the critical and then the oldest first. One query."""
    rows = Alert.objects.filter(state=Alert.State.FIRING).select_related("rule")
    return rows.order_by("severity", "since", "id")  # critical is before warning


def alerts(*, over: bool = False) -> QuerySet[Alert]:
    """Firing ones, and with `over` pending and resolved ones too, newest first."""
    rows = Alert.objects.select_related("rule")
    return rows if over else rows.filter(state=Alert.State.FIRING)


def sentence(alert: Alert) -> str:
    """For people: `Breaker open (breaker=handler:teller): 1. Look at the service.`"""
    where = f" ({alert.key})" if alert.key else ""
    details = alert.details
    found = details.get("value", details.get("events", "missing" if "missing" in details else None))
    shown = f": {found:,g}" if isinstance(found, (int, float)) else f": {found}" if found is not None else ""
    if "events" in details:
        shown += " events"
    hint = f". {alert.rule.hint}" if alert.rule.hint else "."
    return f"{alert.rule.name}{where}{shown}{hint}"


def plain(alert: Alert) -> dict[str, Any]:
    """For `--json` and the like."""
    names = ("id", "key", "state", "severity", "since", "fired_at", "resolved_at", "details", "acknowledged_by",
             "acknowledged_at")  # fmt: skip
    return {"rule": alert.rule.name, **{name: getattr(alert, name) for name in names}, "says": sentence(alert)}


def rules() -> QuerySet[AlertRule]:
    """All by name."""
    return AlertRule.objects.all()


def rule_plain(rule: AlertRule) -> dict[str, Any]:
    """For `--json`."""
    names = ("name", "enabled", "severity", "kind", "metric", "labels", "comparison", "threshold", "topic", "count",
             "seconds", "hint")  # fmt: skip
    return {name: getattr(rule, name) for name in names}
