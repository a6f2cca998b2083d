"""Reading the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model, QuerySet
from django.urls import NoReverseMatch, reverse

from domains.thundergate.audit.models import AuditEntry


def entries(
    *,
    actor: str = "",
    table: str = "",
    object_id: str = "",
    door: str = "",
    correlation_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEntry]:
    """Those that match all that is given, newest first. `actor` is as events have it, or a bare user's name."""
    rows = AuditEntry.objects.all()
    if actor:
        rows = rows.filter(actor__in=[actor, f"user:{actor}"])
    exact = {"table": table, "object_id": object_id, "door": door, "correlation_id": correlation_id}
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if since:
        rows = rows.filter(at__gte=since)
    if until:
        rows = rows.filter(at__lt=until)
    return rows


def plain(entry: AuditEntry) -> dict[str, Any]:
    """For `--json` and the like."""
    names = [field.attname for field in AuditEntry._meta.concrete_fields]
    return {name: getattr(entry, name) for name in names}


def model_of(table: str) -> type[Model] | None:
    """The model of a table; None when it has none."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table == table:
            return model
    return None


def address_of(entry: AuditEntry) -> str:
    """The object's page in the admin; empty when there is none."""
    model = model_of(entry.table)
    if model is None or entry.action in (AuditEntry.Action.DELETE, AuditEntry.Action.TRUNCATE):
        return ""
    try:
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[entry.object_id])
    except NoReverseMatch:
        return ""


def tables() -> Sequence[tuple[str, str]]:
    """What is recorded, with names for people."""
    from domains.audit import watched

    found = []
    for table in watched():
        model = model_of(table)
        found.append((table, str(model._meta.verbose_name_plural) if model else table))
    return sorted(found, key=lambda pair: pair[1].lower())
