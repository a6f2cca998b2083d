"""How the agents of worlds did, heartbeat by heartbeat."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.models import WorldPulse
from domains import links
from domains.newest import Newest
from zones.admin import WorldFilter
from zones.of_worlds import OfWorlds


@admin.register(WorldPulse)
class WorldPulseAdmin(OfWorlds, Newest, ModelAdmin):
    list_display = ["at", links.column("world"), "world_tick", "agents", "ticks", "shown_took", "shown_mood",
                    "shown_energy"]  # fmt: skip
    list_filter = [WorldFilter]
    list_select_related = ["world"]
    sortable_by = ()

    @display(description="a tick took", empty_value=links.NONE)
    def shown_took(self, pulse: WorldPulse) -> str | None:
        """From due to done."""
        return None if pulse.took_ms is None else f"{pulse.took_ms:,.0f} ms"

    @display(description="mood")
    def shown_mood(self, pulse: WorldPulse) -> str:
        """Two digits are plenty."""
        return f"{pulse.mood:+.2f}"

    @display(description="energy")
    def shown_energy(self, pulse: WorldPulse) -> str:
        """0–100; whole numbers are plenty."""
        return f"{pulse.energy:.0f}"
