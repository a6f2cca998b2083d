from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains import links
from domains.readonly import Log
from domains.thunderlink.models import Heart, HeartbeatTick, Node

STATUS_COLOURS = {"live": "success", "left": "info", "dead": "danger"}


@admin.register(Heart)
class HeartAdmin(Log, ModelAdmin):
    list_display = ["__str__", "beat_at", "started_at"]


@admin.register(HeartbeatTick)
class HeartbeatTickAdmin(Log, ModelAdmin):
    list_display = ["number", "at", "shown_latency", "active_domains"]
    sortable_by = ["number"]
    ordering = ["-number"]
    search_fields = ["number__exact"]
    search_help_text = "The number of a heartbeat"

    @display(description="latency", ordering="latency_ms")
    def shown_latency(self, beat: HeartbeatTick) -> str:
        """From the count to the last domain's message."""
        return f"{beat.latency_ms:.1f} ms"


@admin.register(Node)
class NodeAdmin(Log, ModelAdmin):
    list_display = ["name", "address", "pid", "shown_status", "sessions", "shown_cpu", "shown_memory", "started_at",
                    "seen_at", "zones"]  # fmt: skip
    list_filter = ["status"]
    ordering = ["-seen_at"]
    search_fields = ["name", "address"]
    search_help_text = "Part of a name or address"

    @display(description="cpu", ordering="cpu")
    def shown_cpu(self, node: Node) -> str:
        """Of one processor."""
        return f"{node.cpu:.0%}"

    @display(description="memory", ordering="memory_mb")
    def shown_memory(self, node: Node) -> str:
        """As it said last."""
        return f"{node.memory_mb:.0f} MB"

    @display(description="zones")
    def zones(self, node: Node) -> str:
        """The way to those that it serves."""
        return links.listed("zones.zone", "its zones", assigned_server__exact=node.pk)

    @display(description="status", ordering="status", label=STATUS_COLOURS)
    def shown_status(self, node: Node) -> str:
        """As it was told last, as a coloured label."""
        return node.status
