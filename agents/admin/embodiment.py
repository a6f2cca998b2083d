"""Which agents clients live as just now."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.actions import embodiment
from agents.admin.shown import LONG
from agents.errors import AgentError
from agents.models import Embodiment
from domains import links
from domains.readonly import ByAgent, Log, actor
from domains.thunderblock.doors import Refusing
from zones.of_worlds import OfWorlds


@admin.register(Embodiment)
class EmbodimentAdmin(OfWorlds, Refusing, ByAgent, Log, ModelAdmin):
    """A lease ends by itself when its client falls silent; an operator can end it at once."""

    domain = "thunderpac"
    refusals = (AgentError,)
    world_path = "agent__world"
    list_display = [links.column("agent"), "holder", "entered_at", "expires_at", "reasoner"]
    list_display_links = ["entered_at"]
    list_select_related = ["agent"]
    fields = ["agent", "holder", "entered_at", "expires_at", "lease_s", "reasoner"]
    ordering = ["-entered_at"]
    actions = ["give_back"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Embodiment]:
        """Of the agents only their names."""
        return super().get_queryset(request).defer(*LONG)

    @display(description="client of", ordering="holder_id")
    def holder(self, row: Embodiment) -> str:
        """The user whose client it is."""
        return links.to("thundergate.user", row.holder_id)

    def has_give_back_permission(self, request: HttpRequest) -> bool:
        """Whoever may change them could decide in the agents' place anyway."""
        return request.user.has_perm("agents.change_agent")

    @admin.action(description="Give the agent back", permissions=["give_back"])
    def give_back(self, request: HttpRequest, rows: QuerySet[Embodiment]) -> None:
        """It decides for itself from the next world tick on."""

        def act() -> None:
            for agent_id in list(rows.values_list("pk", flat=True)):
                embodiment.give_back(agent_id, by=actor(request))

        self.tell(request, "The agents decide for themselves again.", act)
