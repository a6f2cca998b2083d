"""The audit trail in the admin: found by person, object, door and time, and what changed side by side."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains.console import shown
from domains.readonly import Log
from domains.thundergate.audit import queries
from domains.thundergate.audit.models import AuditEntry

COLOURS = {"create": "success", "change": "info", "delete": "danger", "truncate": "danger"}
IN_LIST = 120
"""Characters of what changed."""


class TableFilter(admin.SimpleListFilter):
    """By what sort of thing."""

    title, parameter_name = "kind of object", "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """All that is recorded."""
        return queries.tables()

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Of one table."""
        return queryset.filter(table=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(Log, ModelAdmin):
    list_display = ["at", "shown_action", "table", "shown_object", "actor", "door", "address", "shown_changes"]
    list_filter = ["action", "door", TableFilter, "at"]
    search_fields = ["actor"]
    search_help_text = "A person's name, an object's whole id, an address, or a correlation id"
    readonly_fields = fields = [
        "at", "shown_action", "table", "shown_object", "shown_diff", "actor", "door", "address", "user_id", "key_id",
        "request", "shown_correlation",
    ]  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Whole values only, which indexes serve."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = queryset.filter(actor__in=[term, f"user:{term}"]) | queryset.filter(object_id=term)
        found |= queryset.filter(address=term)
        with suppress(ValueError):
            found |= queryset.filter(correlation_id=UUID(term)) | queryset.filter(user_id=UUID(term))
        return found, False

    @display(description="action", ordering="action", label=COLOURS)
    def shown_action(self, entry: AuditEntry) -> str:
        """As a coloured label."""
        return entry.action

    @display(description="object")
    def shown_object(self, entry: AuditEntry) -> SafeString | str:
        """Its id, and where it is if it is still there."""
        address = queries.address_of(entry)
        return format_html('<a href="{}">{}</a>', address, entry.object_id) if address else entry.object_id

    @display(description="what")
    def shown_changes(self, entry: AuditEntry) -> str:
        """In a line: `energy 1 → 2`."""
        parts = []
        for name, before, after in entry.changes():
            match entry.action:
                case "change":
                    parts.append(f"{name} {shown(before)} → {shown(after)}")
                case _:
                    parts.append(f"{name} {shown(after if entry.action == 'create' else before)}")
        return Truncator("; ".join(parts)).chars(IN_LIST)

    @display(description="before and after")
    def shown_diff(self, entry: AuditEntry) -> SafeString:
        """One line a column."""
        rows = format_html_join(
            "", '<tr><th scope="row">{}</th><td><del>{}</del></td><td><ins>{}</ins></td></tr>',
            ((name, _cell(entry.before, name), _cell(entry.after, name)) for name, _, _ in entry.changes()),
        )  # fmt: skip
        head = SafeString("<thead><tr><th>column</th><th>before</th><th>after</th></tr></thead>")
        return format_html('<table class="audit-diff">{}<tbody>{}</tbody></table>', head, rows)

    @display(description="correlation")
    def shown_correlation(self, entry: AuditEntry) -> SafeString | str:
        """All else that was done for the same cause."""
        if entry.correlation_id is None:
            return "—"
        address = reverse("admin:thundergate_auditentry_changelist") + f"?q={entry.correlation_id}"
        return format_html('<a href="{}">{}</a>', address, entry.correlation_id)


def _cell(side: dict[str, Any] | None, name: str) -> str:
    return shown(side[name]) if side is not None and name in side else ""
