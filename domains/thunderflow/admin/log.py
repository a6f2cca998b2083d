"""The log in the admin: read-only, paged by position, never counted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from domains.readonly import Log
from domains.thunderflow import queries
from domains.thunderflow.models import Event, Stream


class ReachFilter(admin.SimpleListFilter):
    """How far back to look: a topic has no index, so a rare one would be sought through the whole log."""

    title = "how far back"
    parameter_name = "reach"
    DEFAULT = "100000"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """From near to far."""
        return [(self.DEFAULT, "the latest 100,000 events"), ("1000000", "the latest million"), ("all", "everything")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """The latest 100,000 positions, unless something else is wished."""
        reach = self.value() or self.DEFAULT
        if not reach.isdecimal() or len(reach) > 12:
            return queryset
        return queryset.filter(position__gt=queries.settled() - int(reach))


@admin.register(Event)
class EventAdmin(Log, ModelAdmin):
    list_display = ["position", "at", "topic", "stream", "seq", "actor"]
    list_filter = [ReachFilter]
    search_fields = ["stream__exact", "topic__exact", "actor__exact"]
    search_help_text = "A whole stream (zone:<id>), a whole topic, or who acted (user:<name>)"


@admin.register(Stream)
class StreamAdmin(Log, ModelAdmin):
    list_display = ["name", "seq"]
    search_fields = ["name"]
