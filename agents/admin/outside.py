"""What agents wanted of outside tools, and what came of it."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.admin.shown import Named, document, label, pretty, pretty_text, whole
from agents.models import Agent, OutsideCall
from domains import links
from domains.newest import Newest
from zones.of_worlds import OfWorlds

STATUS_COLOURS = {"open": "info", "done": "success", "failed": "danger", "refused": "warning"}


@admin.register(OutsideCall)
class OutsideCallAdmin(OfWorlds, Named, Newest, ModelAdmin):
    indexed = ("agent",)
    named = ("agent_id",)
    list_display = ["started", "whom", "tool", "shown_status", "code", "attempt", "shown_ms"]
    list_filter = ["status"]
    search_fields = ["tool"]  # which shows the box; see `get_search_results`
    search_help_text = "An agent's whole name, or a tool's: <server>.<tool>"
    sortable_by = ["started"]
    fieldsets = [
        (None, {"fields": ["whom", "tool", "shown_status", "code", "error", "started", "shown_ms"]}),
        ("For which tick", {"fields": ["tick_number", "asked_tick", "attempt", "message", "expires_at"]}),
        ("Arguments", {"fields": ["shown_arguments", "about"]}),
        ("Result", {"fields": ["shown_result"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutsideCall]:
        """Without what was said, which only the record itself shows."""
        return super().get_queryset(request).defer("arguments", "result")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[OutsideCall], search_term: str
    ) -> tuple[QuerySet[OutsideCall], bool]:
        """Agents first, by their index."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        agents = list(Agent.objects.filter(name=term).order_by().values_list("pk", flat=True)[:100])
        return queryset.filter(agent_id__in=agents) if agents else queryset.filter(tool=term), False

    @display(description="wanted at", ordering="id")  # in which there is the instant, and the index
    def started(self, call: OutsideCall) -> str:
        """To the second."""
        return f"{timezone.localtime(call.started_at):%-d %b %Y, %H:%M:%S}"

    @display(description="agent")
    def whom(self, call: OutsideCall) -> SafeString | str:
        """Who wanted it."""
        return links.to("agents.agent", call.agent_id, self.name_of(call, "agent_id"))

    @display(description="status", ordering="status")
    def shown_status(self, call: OutsideCall) -> SafeString:
        """What became of it, as a coloured label."""
        return label(call.get_status_display(), STATUS_COLOURS[call.status])

    @display(description="ms", ordering="ms", empty_value="-")
    def shown_ms(self, call: OutsideCall) -> str | None:
        """Of the last try."""
        return None if call.ms is None else whole(round(call.ms))

    @display(description="arguments")
    def shown_arguments(self, call: OutsideCall) -> SafeString:
        """As they were sent, if they were."""
        return pretty(call.arguments)

    @display(description="result")
    def shown_result(self, call: OutsideCall) -> SafeString:
        """Indented, where it is JSON."""
        return pretty_text(call.result) if call.result else document("none")
