"""What was said to agents and by them. People talk to an agent on its page."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.admin.shown import label
from agents.models import Agent, Message
from domains import links
from domains.newest import Newest
from zones import queries as zones
from zones.admin import WorldFilter
from zones.of_worlds import OfWorlds

STATUS_COLOURS = {"sent": "info", "waiting": "warning", "answered": "success", "read": ""}


@admin.register(Message)
class MessageAdmin(OfWorlds, Newest, ModelAdmin):
    by = "number"
    indexed = ("sender_agent", "recipient")
    list_display = ["number", "inserted_at", "said_by", "said_to", "words", "shown_status", "turn", "impersonated_by"]
    list_filter = ["status", WorldFilter]
    list_select_related = ["sender_agent", "recipient"]
    sortable_by = ["number"]
    search_fields = ["sender__exact"]  # which shows the box; see `get_search_results`
    search_help_text = (
        "Who said it or whom it is for (user:<name>, an agent's name), or an agent's or conversation's id"
    )
    fieldsets = [
        (None, {"fields": ["sender", "to", "text", "shown_status", "impersonated_by", "inserted_at"]}),
        ("Conversation", {"fields": ["conversation", "turn", "reply_to"]}),
        ("World", {"fields": ["world", "sent_tick", "arrived_tick", "done_tick"]}),
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        """Names are names as a whole, with their blanks."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        by_id = zones.as_id(term)
        agents = list(Agent.objects.filter(pk=by_id) if by_id else Agent.objects.filter(name=term)[:100])
        if agents:
            return queryset.filter(Q(sender_agent__in=agents) | Q(recipient__in=agents)), False
        return queryset.filter(Q(conversation=by_id) if by_id else Q(sender=term) | Q(to=term)), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Of the agents only their names."""
        names = ("working_memory", "system_prompt", "goals")
        ends = (f"{end}__{name}" for end in ("sender_agent", "recipient") for name in names)
        return super().get_queryset(request).defer(*ends)

    @display(description="from", ordering="sender")
    def said_by(self, message: Message) -> SafeString | str:
        """As a link, where it is an agent."""
        return _end(message.sender_agent_id, message.sender)

    @display(description="to", ordering="to")
    def said_to(self, message: Message) -> SafeString | str:
        """The same."""
        return _end(message.recipient_id, message.to)

    @display(description="text", ordering="text")
    def words(self, message: Message) -> str:
        """As much as a line takes."""
        return Truncator(message.text).chars(90)

    @display(description="status", ordering="status")
    def shown_status(self, message: Message) -> SafeString:
        """How far it has come, as a coloured label."""
        return label(message.get_status_display(), STATUS_COLOURS[message.status])


def _end(agent_id: UUID | None, name: str) -> SafeString | str:
    return links.to("agents.agent", agent_id, name) if agent_id else name
