from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin

from domains.readonly import Log
from domains.thunderlink.models import HeartbeatTick


@admin.register(HeartbeatTick)
class HeartbeatTickAdmin(Log, ModelAdmin):
    list_display = ["number", "at", "latency_ms", "active_domains"]
    ordering = ["-number"]
