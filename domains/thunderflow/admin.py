"""The log in the admin: read-only, paged by position, never counted."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin

from domains.readonly import Log
from domains.thunderflow.models import Event, Stream


@admin.register(Event)
class EventAdmin(Log, ModelAdmin):
    list_display = ["position", "at", "topic", "stream", "seq", "actor"]
    search_fields = ["stream__exact", "topic__exact"]
    search_help_text = "A whole stream (zone:<id>) or a whole topic"


@admin.register(Stream)
class StreamAdmin(Log, ModelAdmin):
    list_display = ["name", "seq"]
    search_fields = ["name"]
