"""The record of every tick. It may have millions of rows a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.admin.shown import LONG, pretty_of
from agents.models import Agent, TickLog
from domains import links
from domains.readonly import ByAgent, Log
from zones import queries as zones
from zones.events import zone_stream
from zones.of_worlds import OfWorlds


class SinceFilter(admin.SimpleListFilter):
    """How far back to look. A leaf of the log is a day, so what is further back is not even opened.

    Nothing has the log in order but its leaves, so that a stretch is read whole and sorted. Unless something else is
    wished, it is the shortest that has enough for some pages: seconds where thousands tick each second.
    """

    SPANS_S = (10, 60, 600, 3600, 86_400)
    ENOUGH = 500
    """Rows."""
    title = "when"
    parameter_name = "since"
    CHOICES = {"10": "last ten minutes", "60": "last hour", "1440": "last day", "all": "everything"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """From near to far."""
        return list(self.CHOICES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[TickLog]) -> QuerySet[TickLog]:
        """The latest, unless something else is wished or one agent's ticks are looked at, which have an index."""
        chosen = self.value() or ("all" if self._of_one(request) else "")
        if chosen.isdecimal():
            return self._within(queryset, 60 * min(int(chosen), 100_000))
        return queryset if chosen else self._latest(queryset, zones.as_id(request.GET.get("zone__id__exact", "")))

    def choices(self, changelist: Any) -> Any:
        """What is shown unless something else is wished is not all."""
        first, *rest = super().choices(changelist)
        return [{**first, "display": "the latest"}, *rest]

    @staticmethod
    def _of_one(request: HttpRequest) -> bool:
        named = request.GET.get("q", "").strip().replace("\0", "")
        return "agent__id__exact" in request.GET or bool(
            named and (zones.as_id(named) or Agent.objects.filter(name=named).exists())
        )

    def _latest(self, rows: QuerySet[TickLog], zone: UUID | None) -> QuerySet[TickLog]:
        for seconds in self.SPANS_S:
            found = self._within(rows, seconds)
            asked = found.filter(zone_id=zone) if zone else found
            if len(asked.order_by().values_list("pk")[: self.ENOUGH]) == self.ENOUGH:
                break
        return found

    @staticmethod
    def _within(rows: QuerySet[TickLog], seconds: int) -> QuerySet[TickLog]:
        oldest = timezone.now() - timedelta(seconds=seconds)
        return rows.filter(inserted_at__gte=oldest, id__gte=_first_id_of(oldest.timestamp()))


def _first_id_of(seconds: float) -> UUID:
    """The least UUIDv7 of an instant (Unix seconds): the log's block ranges are searched by it."""
    return UUID(int=int(seconds * 1000) << 80)


@admin.register(TickLog)
class TickLogAdmin(OfWorlds, ByAgent, Log, ModelAdmin):
    world_path = "agent__world"
    list_display = [
        "story", links.column("agent", ordered=False), links.column("zone", ordered=False), "tick_number", "action",
        "shown_confidence", "inserted_at",
    ]  # fmt: skip
    list_filter = [SinceFilter]
    list_select_related = ["agent", "zone"]
    search_help_text = "An agent's whole name or id, or an action"
    ordering = ["-id"]
    sortable_by = ["inserted_at"]
    fieldsets = [
        (None, {"fields": ["narrative", "agent", "zone", "tick_number", "world_tick", "inserted_at", "elsewhere"]}),
        (
            "Why",
            {"fields": ["action", "reasoning", "confidence", *(f"{name}_shown" for name in ("decision", "review"))]},
        ),
        ("What changed", {"fields": ["stat_changes_shown", "state_changes_shown", "formed", "error"]}),
        ("What it took", {"fields": ["processing_time", "stage_ms_shown", "usage_shown"]}),
    ]

    def found(self, rows: QuerySet[TickLog], term: str) -> QuerySet[TickLog]:
        """An action of the time that is looked at, or an agent."""
        agents = self.agents(term)
        return rows.filter(agent__in=agents) if agents else rows.filter(action=term)

    @display(description="narrative", ordering="id")
    def story(self, tick: TickLog) -> str:
        """As much as a line takes."""
        return Truncator(tick.narrative).chars(110)

    @display(description="confidence")
    def shown_confidence(self, tick: TickLog) -> str:
        """In percent."""
        return f"{tick.confidence:.0%}"

    @display(description="elsewhere")
    def elsewhere(self, tick: TickLog) -> str:
        """Where it belongs."""
        return links.line([
            links.page("agent", "the agent's page", tick.agent_id),
            links.listed("agents.ticklog", "all ticks of the agent", agent__id__exact=tick.agent_id),
            links.listed("memory.memorynode", "its memories", agent__id__exact=tick.agent_id),
            links.listed("thunderflow.event", "events of the zone", stream__exact=zone_stream(tick.zone_id)),
        ])  # fmt: skip

    @display(description="memories formed")
    def formed(self, tick: TickLog) -> str:
        """As links; what was forgotten since leads nowhere."""
        return links.line([links.to("memory.memorynode", pk) for pk in tick.memories or []]) or links.NONE

    decision_shown, review_shown = pretty_of("decision"), pretty_of("review")
    stat_changes_shown, state_changes_shown = pretty_of("stat_changes"), pretty_of("state_changes")
    stage_ms_shown, usage_shown = pretty_of("stage_ms"), pretty_of("usage")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TickLog]:
        """The agents' and zones' names, not all they are."""
        return super().get_queryset(request).defer(*LONG, "zone__happenings")
