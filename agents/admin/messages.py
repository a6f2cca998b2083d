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
from agents.models import Message
from domains.readonly import Log

STATUS_COLOURS = {"sent": "info", "waiting": "warning", "answered": "success", "read": ""}


@admin.register(Message)
class MessageAdmin(Log, ModelAdmin):
    list_display = ["number", "inserted_at", "sender", "to", "words", "shown_status", "turn", "impersonated_by"]
    list_filter = ["status"]
    search_fields = ["sender__exact"]  # which shows the box; see `get_search_results`
    search_help_text = "Who said it or whom it is for (user:<name>, agent:<name>), or a conversation's id"
    ordering = ["-number"]
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
        try:
            return queryset.filter(conversation=UUID(term)), False
        except ValueError:
            return queryset.filter(Q(sender=term) | Q(to=term)), False

    @display(description="text", ordering="text")
    def words(self, message: Message) -> str:
        """As much as a line takes."""
        return Truncator(message.text).chars(90)

    @display(description="status", ordering="status")
    def shown_status(self, message: Message) -> SafeString:
        """How far it has come, as a coloured label."""
        return label(message.get_status_display(), STATUS_COLOURS[message.status])
