"""What agents are about to put on the blackboard: there only while a world is between two ticks."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.models import BoardWrite
from domains import links
from domains.readonly import ByAgent, Log
from zones.of_worlds import OfWorlds


@admin.register(BoardWrite)
class BoardWriteAdmin(OfWorlds, ByAgent, Log, ModelAdmin):
    agent_path = "agent_id"
    list_display = ["key", "shown_agent", links.column("world"), "tick", "author"]
    list_select_related = ["world"]
    ordering = ["-id"]

    @display(description="agent")
    def shown_agent(self, row: BoardWrite) -> str:
        """As a link."""
        return links.to("agents.agent", row.agent_id)
