"""Memories, the ties between them, and who and what they name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains import links
from memory.admin.shared import LONG, OF_AGENT, Remembered, rounded, without
from memory.models import MemoryEdge, MemoryEntity, MemoryEntityAlias, MemoryFact, MemoryNode, UnlinkedMemory


@admin.register(MemoryNode)
class MemoryNodeAdmin(Remembered, ModelAdmin):
    list_display = ["shown_content", links.column("agent"), "kind", rounded("importance"), rounded("valence"),
                    "access_count", "inserted_at"]  # fmt: skip
    list_filter = ["kind"]
    list_select_related = ["agent"]
    search_help_text = "An agent's whole name, or the id of an agent or memory"
    sortable_by = ["inserted_at"]
    exclude = LONG
    readonly_fields = ["elsewhere", "mentions", "in_graph"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryNode]:
        """Without vectors, and with no more of the agents than their names."""
        return super().get_queryset(request).defer(*LONG, *without("agent", OF_AGENT))

    def found(self, rows: QuerySet[MemoryNode], term: str) -> QuerySet[MemoryNode]:
        """An id may be a memory's own."""
        agents = self.agents(term)
        return rows.filter(Q(agent__in=agents) | Q(pk__in=agents)) if _is_id(term) else rows.filter(agent__in=agents)

    @display(description="content", ordering="id")
    def shown_content(self, memory: MemoryNode) -> str:
        """As much as a line takes."""
        return Truncator(memory.content).chars(110)

    @display(description="elsewhere")
    def elsewhere(self, memory: MemoryNode) -> str:
        """What it is tied to."""
        return links.line([
            links.page("agent-memory", "around it", memory.agent_id, memory.pk),
            links.listed("memory.memoryedge", "ties from it", source__id__exact=memory.pk),
            links.listed("memory.memoryedge", "ties to it", target__id__exact=memory.pk),
            links.listed("memory.memorynode", "all memories of the agent", agent__id__exact=memory.agent_id),
        ])  # fmt: skip

    @display(description="names in it")
    def mentions(self, memory: MemoryNode) -> str:
        """The people, places and things that it names."""
        rows = MemoryEntity.objects.filter(mentions__memory_id=memory.pk).order_by("name")[:SHOWN]
        return links.line([links.to("memory.memoryentity", row.pk, row.name) for row in rows]) or links.NONE

    @display(description="taken into the graph")
    def in_graph(self, memory: MemoryNode) -> str:
        """Whether its ties have been looked for."""
        return "not yet" if UnlinkedMemory.objects.filter(pk=memory.pk).exists() else "yes"


SHOWN = 50
"""Names and spellings on one page."""


def _is_id(term: str) -> bool:
    try:
        UUID(term)
    except ValueError:
        return False
    return True


@admin.register(MemoryEdge)
class MemoryEdgeAdmin(Remembered, ModelAdmin):
    agent_path = "source__agent"
    list_display = [links.column("source", ordered=False), "relation", links.column("target", ordered=False),
                    rounded("strength"), "inserted_at"]  # fmt: skip
    list_display_links = ["relation"]
    indexed = ("agent", "source", "target")
    list_filter = ["relation"]
    list_select_related = ["source", "target"]
    search_help_text = "An agent's whole name, or the id of an agent or memory"
    sortable_by = ["inserted_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryEdge]:
        """Without vectors."""
        return super().get_queryset(request).defer(*without("source", LONG), *without("target", LONG))

    def found(self, rows: QuerySet[MemoryEdge], term: str) -> QuerySet[MemoryEdge]:
        """An id may be of a memory at either end."""
        if _is_id(term) and MemoryNode.objects.filter(pk=UUID(term)).exists():
            return rows.filter(Q(source=UUID(term)) | Q(target=UUID(term)))
        return super().found(rows, term)

    @staticmethod
    def agent_id(row: MemoryEdge) -> UUID:
        """Both ends are one agent's."""
        return row.source.agent_id


@admin.register(MemoryEntity)
class MemoryEntityAdmin(Remembered, ModelAdmin):
    list_display = ["name", links.column("agent"), "kind", "inserted_at"]
    list_filter = ["kind"]
    list_select_related = ["agent"]
    sortable_by = ["inserted_at"]
    readonly_fields = ["spellings", "named_in"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryEntity]:
        """With no more of the agents than their names."""
        return super().get_queryset(request).defer(*without("agent", OF_AGENT))

    @display(description="spellings")
    def spellings(self, entity: MemoryEntity) -> str:
        """In the form in which names are compared."""
        rows = MemoryEntityAlias.objects.filter(entity=entity).order_by("alias")
        return ", ".join(rows.values_list("alias", flat=True)[:SHOWN]) or links.NONE

    @display(description="named in")
    def named_in(self, entity: MemoryEntity) -> str:
        """The newest memories that name it."""
        rows = MemoryNode.objects.filter(mentions__entity=entity).order_by("-id").values_list("pk", "content")[:10]
        found = [links.to("memory.memorynode", pk, Truncator(text).chars(90)) for pk, text in rows]
        return format_html_join("", "<div>{}</div>", ((one,) for one in found)) or links.NONE


class HoldsFilter(admin.SimpleListFilter):
    """By whether it is so still."""

    title, parameter_name = "when", "holds"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Now, or once."""
        return [("now", "holds now"), ("once", "held once")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MemoryFact]) -> QuerySet[MemoryFact]:
        """Facts that are as was chosen."""
        return queryset.filter(valid_to__isnull=self.value() == "now") if self.value() else queryset


@admin.register(MemoryFact)
class MemoryFactAdmin(Remembered, ModelAdmin):
    list_display = ["subject", "relation", "value", links.column("agent"), links.column("memory", title="known from"),
                    "valid_from", "valid_to"]  # fmt: skip
    list_filter = [HoldsFilter]
    list_select_related = ["agent", "memory"]
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryFact]:
        """With no more of the agents than their names, and of memories than their words."""
        return super().get_queryset(request).defer(*without("agent", OF_AGENT), *without("memory", LONG))
