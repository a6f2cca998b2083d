from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin

from domains.readonly import Log
from domains.thunderlink.models import Heart, HeartbeatTick


@admin.register(Heart)
class HeartAdmin(Log, ModelAdmin):
    list_display = ["__str__", "beat_at", "started_at"]


@admin.register(HeartbeatTick)
class HeartbeatTickAdmin(Log, ModelAdmin):
    list_display = ["number", "at", "latency_ms", "active_domains"]
    list_filter = ["active_domains"]
    ordering = ["-number"]
    search_fields = ["number__exact"]
    search_help_text = "The number of a heartbeat"
