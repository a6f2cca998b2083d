"""The audit trail in the admin: found by person, object, door and time, and what changed side by side."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains import links
from domains.console import shown
from domains.newest import Newest
from domains.thundergate.access import sees_every_world
from domains.thundergate.audit import queries
from domains.thundergate.audit.models import AuditEntry

COLOURS = {"create": "success", "change": "info", "delete": "danger", "truncate": "danger"}
IN_LIST = 120
"""Characters of what changed."""
NEAR = 10_000
"""Entries between the first and the last of one cause, at most."""


class TableFilter(admin.SimpleListFilter):
    """By what sort of thing."""

    title, parameter_name = "kind of object", "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """All that is recorded."""
        return queries.tables()

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Of one table."""
        return queryset.filter(table=self.value()) if self.value() else queryset


class OfEveryWorld:
    """Mix into a ModelAdmin, first, whose rows tell of things of any world: for who sees every one."""

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Django's besides."""
        return sees_every_world(request.user) and super().has_view_permission(request, obj)  # type: ignore[misc]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """In the index, too."""
        return sees_every_world(request.user) and super().has_module_permission(request)  # type: ignore[misc]


@admin.register(AuditEntry)
class AuditEntryAdmin(OfEveryWorld, Newest, ModelAdmin):
    indexed = ("actor", "object_id", "user_id")
    list_display = ["at", "shown_action", "table", "shown_object", "actor", "door", "address", "shown_changes"]
    list_filter = ["action", "door", TableFilter, "at"]
    search_fields = ["actor"]  # which shows the box; see `get_search_results`
    sortable_by = ["at"]
    search_help_text = "A person's name, an object's whole id, an address, or a correlation id"
    readonly_fields = fields = [
        "at", "shown_action", "table", "shown_object", "shown_diff", "actor", "door", "address", "user_id", "key_id",
        "request", "shown_correlation",
    ]  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Whole values: of a column with an index that has it, else of the others."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        by_id = None
        with suppress(ValueError):
            by_id = UUID(term)
        names = [Q(object_id=term), Q(actor=f"user:{term}"), Q(actor=term)]
        indexed = [Q(object_id=term) | Q(user_id=by_id)] if by_id else names
        found = [wanted for wanted in indexed if self.model.objects.filter(wanted).exists()]
        return queryset.filter(*found[:1] or [Q(correlation_id=by_id) if by_id else Q(address=term)]), False

    @display(description="action", ordering="action", label=COLOURS)
    def shown_action(self, entry: AuditEntry) -> str:
        """As a coloured label."""
        return entry.action

    @display(description="object")
    def shown_object(self, entry: AuditEntry) -> SafeString | str:
        """Its id, and where it is if it is still there."""
        address, named = queries.address_of(entry), links.short(entry.object_id)
        return format_html('<a href="{}" class="to">{}</a>', address, named) if address else named

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
        near = {"correlation_id__exact": entry.correlation_id, "id__lt": entry.pk + NEAR}
        return links.listed("thundergate.auditentry", str(entry.correlation_id), **near)


def _cell(side: dict[str, Any] | None, name: str) -> str:
    return shown(side[name]) if side is not None and name in side else ""
