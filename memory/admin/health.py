"""How well memories serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import F, FloatField, Q, QuerySet
from django.db.models.functions import Cast, NullIf
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains import links
from domains.readonly import Log
from memory import queries, readers
from memory.admin.shared import OF_AGENT, OfAgents, without
from memory.health.rates import Rates
from memory.models import MemoryHealth, MemoryRecall, WorldMemoryHealth


def _by(part: Any, whole: str) -> Any:
    """A rate to sort by; rows without anything to speak of come last."""
    return (Cast(part, FloatField()) / NullIf(Cast(F(whole), FloatField()), 0.0)).asc(nulls_last=True)


def _rate(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.0%}"


class Rated:
    """The three rates as columns."""

    @display(description="junk", ordering=_by(F("junk"), "memories"))
    def shown_junk(self, row: Rates) -> str:
        """In percent."""
        return _rate(row.junk_rate)

    @display(description="duplicates", ordering=_by(F("merged") + F("near_duplicates"), "stored"))
    def shown_duplicates(self, row: Rates) -> str:
        """In percent."""
        return _rate(row.duplicate_rate)

    @display(description="hits", ordering=_by(F("hits"), "recalls"))
    def shown_hits(self, row: Rates) -> str:
        """In percent."""
        return _rate(row.hit_rate)


RATES = ("shown_junk", "shown_duplicates", "shown_hits")
COUNTS = ("memories", "stored", "merged", "near_duplicates", "junk", "recalls", "hits", "refreshed_at")


class WorstFilter(admin.SimpleListFilter):
    """Those whose memories serve badly."""

    title = "worst"
    parameter_name = "worst"
    CHOICES: Mapping[str, tuple[str, Q]] = {
        "junk": ("more than half is junk", Q(junk__gt=F("memories") / 2, memories__gt=0)),
        "duplicates": (
            "more than a quarter repeats",
            Q(stored__gt=0, stored__lt=4 * (F("merged") + F("near_duplicates"))),
        ),
        "hits": ("fewer than half of the recalls help", Q(recalls__gt=2 * F("hits"))),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """By what."""
        return [(key, title) for key, (title, _) in self.CHOICES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows that are as bad as is chosen."""
        chosen = self.CHOICES.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


@admin.register(MemoryHealth)
class MemoryHealthAdmin(Rated, OfAgents, ModelAdmin):
    list_display = [links.column("agent", ordered=False), *RATES, "memories", "recalls", "refreshed_at"]
    list_display_links = ["memories"]
    list_filter = [WorstFilter]
    list_select_related = ["agent"]
    ordering = ["agent_id"]
    fields = ["agent", *RATES, *COUNTS]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryHealth]:
        """With no more of the agents than their names."""
        return super().get_queryset(request).defer(*without("agent", OF_AGENT))


@admin.register(WorldMemoryHealth)
class WorldMemoryHealthAdmin(Rated, Log, ModelAdmin):
    list_display = [links.column("world"), *RATES, "memories", "recalls", "refreshed_at"]
    list_display_links = ["memories"]
    list_filter = [WorstFilter]
    list_select_related = ["world"]
    search_fields = ["world__name"]
    search_help_text = "Part of a world's name"
    ordering = ["world__name"]
    fields = ["world", *RATES, *COUNTS]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorldMemoryHealth]:
        """Of worlds with an agent that one may see. Operators' lists are not filtered at all."""
        rows, agents = super().get_queryset(request), readers.rule().seen(request.user)
        return rows if agents is None else rows.filter(world__agents__in=agents).distinct()


@admin.register(MemoryRecall)
class MemoryRecallAdmin(OfAgents, ModelAdmin):
    list_display = [links.column("agent", ordered=False), "recalls", "hits", "last_at"]
    list_display_links = ["recalls"]
    list_select_related = ["agent"]
    ordering = ["agent_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryRecall]:
        """With no more of the agents than their names."""
        return super().get_queryset(request).defer(*without("agent", OF_AGENT))


def told(found: queries.Health) -> str:
    """The figures in a line, for the page of whom they are of."""
    if found.refreshed_at is None:
        return "not counted yet"
    rates = f"{_rate(found.junk_rate)} junk, {_rate(found.duplicate_rate)} duplicates, {_rate(found.hit_rate)} hits"
    counts = f"{found.memories:,} memories, {found.recalls:,} recalls"
    return f"{rates}; {counts}, as of {timezone.localtime(found.refreshed_at):%Y-%m-%d %H:%M}"
