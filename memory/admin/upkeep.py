"""What waits for the vault's upkeep."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains import links
from domains.newest import Newest
from memory.admin.shared import OfAgents
from memory.models import AgentUpkeep, MemoryForm, UnlinkedMemory


@admin.register(AgentUpkeep)
class AgentUpkeepAdmin(OfAgents, ModelAdmin):
    agent_path = "agent_id"
    list_display = ["shown_agent", "due_at", "looked_after_at", "settled_at", "leased_until", "over_budget"]
    list_display_links = ["due_at"]
    ordering = ["due_at", "agent_id"]
    sortable_by = ["due_at"]

    @display(description="agent")
    def shown_agent(self, upkeep: AgentUpkeep) -> str:
        """Who is gone leaves a row until that is found out."""
        return links.to("agents.agent", upkeep.agent_id)


@admin.register(UnlinkedMemory)
class UnlinkedMemoryAdmin(Newest, ModelAdmin):
    """What waits for the graph: ids only."""

    by = "memory_id"
    list_display = ["shown_memory"]
    list_display_links = None
    search_fields = ["memory_id__exact"]
    search_help_text = "The whole id of a memory"

    @display(description="memory", ordering="memory_id")
    def shown_memory(self, row: UnlinkedMemory) -> str:
        """As a link."""
        return links.to("memory.memorynode", row.pk)


class ComparedFilter(admin.SimpleListFilter):
    """Whether upkeep has come to a memory."""

    title = "compared"
    parameter_name = "compared"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Yes and no."""
        return [("1", "Yes"), ("0", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MemoryForm]) -> QuerySet[MemoryForm]:
        """Those."""
        if (asked := self.value()) not in ("0", "1"):
            return queryset
        return queryset.filter(form__isnull=asked == "0")


@admin.register(MemoryForm)
class MemoryFormAdmin(OfAgents, Newest, ModelAdmin):
    """Which memories have been compared with others: no words of theirs."""

    by = "memory_id"
    indexed = ("agent_id",)
    agent_path = "agent_id"
    list_display = ["shown_memory", "shown_agent", "compared"]
    list_display_links = None
    list_filter = [ComparedFilter]
    sortable_by = ()

    @display(description="memory")
    def shown_memory(self, row: MemoryForm) -> str:
        """As a link."""
        return links.to("memory.memorynode", row.memory_id)

    @display(description="agent")
    def shown_agent(self, row: MemoryForm) -> str:
        """As a link."""
        return links.to("agents.agent", row.agent_id)

    @display(description="compared", boolean=True)
    def compared(self, row: MemoryForm) -> bool:
        """Whether upkeep has come to it."""
        return row.form is not None
