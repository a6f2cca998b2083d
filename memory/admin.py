from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from domains.readonly import Log
from memory.models import MemoryEdge, MemoryNode


@admin.register(MemoryNode)
class MemoryNodeAdmin(Log, ModelAdmin):
    list_display = ["content", "agent", "kind", "importance", "valence", "access_count", "inserted_at"]
    list_filter = ["kind"]
    list_select_related = ["agent"]
    search_fields = ["agent__name__exact"]
    search_help_text = "The whole name of an agent"
    exclude = ["embedding"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryNode]:
        """Without vectors, and with no more of the agents than their names."""
        rows = super().get_queryset(request)
        return rows.defer("embedding", "agent__working_memory", "agent__system_prompt")


@admin.register(MemoryEdge)
class MemoryEdgeAdmin(Log, ModelAdmin):
    list_display = ["source", "relation", "target", "strength"]
    list_filter = ["relation"]
    list_select_related = ["source", "target"]
    search_fields = ["source__agent__name__exact"]
    search_help_text = "The whole name of an agent"
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryEdge]:
        """Without vectors."""
        return super().get_queryset(request).defer("source__embedding", "target__embedding")
