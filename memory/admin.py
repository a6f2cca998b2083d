from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin

from domains.readonly import Log
from memory.models import MemoryEdge, MemoryNode


@admin.register(MemoryNode)
class MemoryNodeAdmin(Log, ModelAdmin):
    list_display = ["content", "agent", "kind", "importance", "valence", "inserted_at"]
    list_filter = ["kind"]
    list_select_related = ["agent"]
    search_fields = ["agent__name__exact"]
    search_help_text = "The whole name of an agent"
    exclude = ["embedding"]


@admin.register(MemoryEdge)
class MemoryEdgeAdmin(Log, ModelAdmin):
    list_display = ["source", "relation", "target", "strength"]
    list_filter = ["relation"]
    list_select_related = ["source", "target"]
