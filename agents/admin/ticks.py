"""The record of every tick. It may have millions of rows a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
from agents.models import TickLog
from domains import links
from domains.newest import Newest, NewestList
from domains.readonly import ByAgent
from zones import queries as zones
from zones.events import zone_stream
from zones.of_worlds import OfWorlds


class StartFilter(admin.SimpleListFilter):
    """From when on to look back: the id that an instant would have, as the list's own addresses say it."""

    title = "back from"
    parameter_name = "id__lt"
    AGO = {timedelta(hours=1): "an hour ago", timedelta(days=1): "a day ago", timedelta(days=7): "a week ago"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """From near to far, to the minute, so that what was chosen is known again."""
        now = timezone.now().replace(second=0, microsecond=0)
        return [(str(_first_id_of(now - ago)), name) for ago, name in self.AGO.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TickLog]) -> QuerySet[TickLog]:
        """What was done before."""
        bound = zones.as_id(self.value() or "")
        return queryset.filter(id__lt=bound) if bound else queryset

    def choices(self, changelist: Any) -> Any:
        """What is shown unless something else is wished is not all."""
        first, *rest = super().choices(changelist)
        return [{**first, "display": "now"}, *rest]


class TickList(NewestList):
    """One agent's ticks by their number, along its index; those of many by their ids.

    Nothing has the log in that order but its leaves, of a day each, and the ranges of its blocks: so a stretch of time
    is read whole and sorted. It is the shortest that has enough for some pages, or as much as may be looked through.
    """

    REACH = 20_000  # rows are wide, and read whole
    SPANS_S = (4, 16, 64, 256, 1024, 4096, 16_384, 65_536)
    ENOUGH = 500
    """Rows."""

    def led(self, rows: QuerySet[TickLog]) -> bool:
        """Only of one agent."""
        return self.by == "tick_number"

    def within_reach(self, request: HttpRequest, rows: QuerySet[TickLog]) -> QuerySet[TickLog]:
        """Those of the latest stretch before now, or before where the address begins."""
        bound = zones.as_id(self.params.get(self.beyond, ""))
        start = _instant_of(bound) if bound else timezone.now()
        everything = TickLog.objects.filter(id__lt=bound) if bound else TickLog.objects.all()
        picked = not super().led(rows)
        for seconds in self.SPANS_S:
            since = start - timedelta(seconds=seconds)
            if _has(_between(rows, since, start), self.ENOUGH):
                break
            if picked and _has(_between(everything, since, start), self.REACH):
                break
        first = _first_id_of(since)
        if TickLog.objects.filter(id__lt=first).exists():
            self.until = first
        return _between(rows, since, start)

    @property
    def told(self) -> str:
        """The stretch, where it is not all."""
        return f"since {timezone.localtime(_instant_of(self.until)):%-d %b, %H:%M:%S}" if self.until else super().told


SLACK = timedelta(minutes=1)
"""By how much the instant in an id may differ from the one in its row, which chooses the leaf."""


def _between(rows: QuerySet[TickLog], since: datetime, until: datetime) -> QuerySet[TickLog]:
    """Those of a stretch, by their ids; leaves of other days are not even opened."""
    return rows.filter(id__gte=_first_id_of(since), inserted_at__gte=since - SLACK, inserted_at__lte=until + SLACK)


def _has(rows: QuerySet[TickLog], count: int) -> bool:
    return len(rows.order_by().values_list("pk")[:count]) == count


def _first_id_of(instant: datetime) -> UUID:
    """The least UUIDv7 of an instant: the log's block ranges are searched by it."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)


def _instant_of(tick_id: UUID) -> datetime:
    return datetime.fromtimestamp((tick_id.int >> 80) / 1000, UTC)


@admin.register(TickLog)
class TickLogAdmin(OfWorlds, ByAgent, Newest, ModelAdmin):
    world_path = "agent__world"
    list_display = [
        "story", links.column("agent", ordered=False), links.column("zone", ordered=False), "tick_number", "action",
        "shown_confidence", "inserted_at",
    ]  # fmt: skip
    list_filter = [StartFilter]
    list_select_related = ["agent", "zone"]
    search_help_text = "An agent's whole name or id, or an action"
    sortable_by = ()
    fieldsets = [
        (None, {"fields": ["narrative", "agent", "zone", "tick_number", "world_tick", "inserted_at", "elsewhere"]}),
        (
            "Why",
            {"fields": ["action", "reasoning", "confidence", *(f"{name}_shown" for name in ("decision", "review"))]},
        ),
        ("What changed", {"fields": ["stat_changes_shown", "state_changes_shown", "formed", "error"]}),
        ("What it took", {"fields": ["processing_time", "stage_ms_shown", "usage_shown"]}),
    ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NewestList]:
        """By stretches of time."""
        return TickList

    def order(self, request: HttpRequest) -> str:
        """One agent's by its index."""
        named = request.GET.get("q", "").strip().replace("\0", "")
        found = zones.as_id(request.GET.get("agent__id__exact", ""))
        return "tick_number" if found or (named and len(self.agents(named)) == 1) else "id"

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
