"""The log in the admin: read-only, paged by position, never counted."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains import links
from domains.newest import Newest
from domains.readonly import Log
from domains.thunderflow.models import Event, RedactedRow, Seal, Stream
from domains.thunderflow.readers import OfStreams

ONE_STREAM = "stream__exact"
KINDS = {"zone": "zones.zone", "world": "zones.world"}
"""What streams are named after, by the beginning of their names."""


def stream_links(name: str) -> SafeString | str:
    """The stream's events, and what it is the stream of."""
    kind, _, pk = name.partition(":")
    events = links.listed("thunderflow.event", "its events", **{ONE_STREAM: name})
    return links.line([events, *([links.to(KINDS[kind], pk, f"its {kind}")] if kind in KINDS else [])])


@admin.register(Event)
class EventAdmin(OfStreams, Newest, ModelAdmin):
    by = "position"
    list_display = ["position", "at", "shown_topic", "shown_stream", "seq", "actor"]
    search_fields = ["pk"]  # which shows the box
    search_help_text = "A position, a whole topic, a whole stream (zone:<id>), or who acted (user:<name>)"
    sortable_by = ["position"]
    fieldsets = [
        (None, {"fields": ["topic", "at", "actor", "node", "elsewhere"]}),
        ("Place", {"fields": ["position", "stream", "seq", "id", "correlation_id", "causation_id"]}),
        ("Payload", {"fields": ["event_version", "priority", "shown_payload"]}),
    ]

    def order(self, request: HttpRequest) -> str:
        """Of one stream by `seq`, along its index; else by position. Both are the order in which things happened."""
        return "seq" if self._one_stream(request) else "position"

    def walked(self, request: HttpRequest) -> QuerySet[Event]:
        """One stream, or all."""
        rows, one = super().walked(request), self._one_stream(request)
        return rows.filter(stream=one) if one else rows

    @staticmethod
    def _one_stream(request: HttpRequest) -> str:
        term = request.GET.get("q", "").strip().replace("\0", "")
        named = ":" in term and Stream.objects.filter(name=term).exists()
        return term if named else request.GET.get(ONE_STREAM, "").replace("\0", "")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Whole values: of one column, as an index, or the stretch that is looked through, serves only one."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        if term.isdecimal():
            return queryset.filter(position=int(term) if len(term) < 19 else 0), False
        if ":" not in term:
            return queryset.filter(topic=term), False
        return queryset.filter(**{"stream" if self._one_stream(request) == term else "actor": term}), False

    @display(description="topic", ordering="topic")
    def shown_topic(self, event: Event) -> SafeString | str:
        """With ids as short as they can be told apart."""
        return links.short(event.topic)

    @display(description="stream", ordering="stream")
    def shown_stream(self, event: Event) -> SafeString:
        """With the way to all of it."""
        return links.listed("thunderflow.event", links.short(event.stream), **{ONE_STREAM: event.stream})

    @display(description="elsewhere")
    def elsewhere(self, event: Event) -> SafeString | str:
        """What it is of."""
        return stream_links(event.stream)

    @display(description="payload")
    def shown_payload(self, event: Event) -> SafeString:
        """As JSON."""
        return document(event.payload)


def document(value: Any) -> SafeString:
    """JSON, indented, in a box of its own."""
    return format_html('<pre class="document" tabindex="0">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


@admin.register(Stream)
class StreamAdmin(OfStreams, Log, ModelAdmin):
    stream_path = "name"
    list_display = ["name", "seq", "elsewhere"]
    search_fields = ["name__startswith"]
    search_help_text = "How streams begin (zone:, world:, blackboard:…)"
    fields = ["name", "seq", "elsewhere"]
    ordering = ["name"]

    @display(description="elsewhere")
    def elsewhere(self, stream: Stream) -> SafeString | str:
        """Its events, and what it is the stream of."""
        return stream_links(stream.name)


@admin.register(Seal)
class SealAdmin(Log, ModelAdmin):
    """Digests are for `manage.py redact verify`."""

    list_display = ["number", "first", "last", "events", "sealed_at"]
    search_fields = ["number__exact"]
    search_help_text = "The number of a seal"
    exclude = ["digest", "chain", "key_id"]
    ordering = ["-number"]


@admin.register(RedactedRow)
class RedactedRowAdmin(Log, ModelAdmin):
    list_display = ["log", "key", "shown_redaction"]
    search_fields = ["redaction_id__exact"]
    search_help_text = "The id of a redaction"
    exclude = ["was", "now", "proof", "key_id"]
    ordering = ["-id"]

    @display(description="redaction", ordering="redaction_id")
    def shown_redaction(self, row: RedactedRow) -> SafeString | str:
        """As a link."""
        return links.to("thundergate.redaction", row.redaction_id)
