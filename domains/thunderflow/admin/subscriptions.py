"""Those who follow the log, and what they could not handle."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from domains import links
from domains.newest import Newest
from domains.readonly import Lasting, Log, actor
from domains.thunderflow import faults
from domains.thunderflow.admin.log import document, stream_links
from domains.thunderflow.models import Breaker, Cursor, DeadLetter, Follower, Lease, ParkedStream, Subscription
from domains.thunderflow.readers import OfStreams
from domains.thunderflow.subscribers import actions, queries

STATES = {"running": "success", "paused": "warning", "waits for a follower": "danger", "no code declares it": ""}
BREAKERS = {"closed": "success", "half-open": "warning", "open": "danger"}
LETTERS = {"waiting": "danger", "retrying": "warning", "handled": "success", "discarded": ""}


class FaultFilter(admin.SimpleListFilter):
    """By class of error, of those that there are: the table is not searched for others."""

    title, parameter_name = "error class", "error_class__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All classes."""
        return [(name, name) for name in faults.CLASSES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the chosen one."""
        return queryset.filter(error_class=self.value()) if self.value() else queryset


class _Shards(TabularInline):
    """One row a shard, only shown."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False


class CursorInline(_Shards):
    """How far each shard has come."""

    model = Cursor
    fields = readonly_fields = ["shard", "position", "handled", "updated_at"]


class LeaseInline(_Shards):
    """Who works at it."""

    model = Lease
    fields = readonly_fields = ["shard", "holder", "expires_at"]


class RewindForm(ActionForm):
    """Where "rewind" goes to."""

    position = forms.IntegerField(required=False, min_value=0, label="Position (for rewind)")


@admin.register(Subscription)
class SubscriptionAdmin(Log, ModelAdmin):
    """How far each has come; pausing, resuming and setting back."""

    list_display = ["name", "pattern", "state", "lag", "handled", "parked", "dead_letters", "breaker", "moved_at"]
    list_filter = ["paused", "declared"]
    search_fields = ["name", "pattern"]
    search_help_text = "Part of a name or pattern"
    inlines = [CursorInline, LeaseInline]
    action_form = RewindForm
    actions = ["pause", "resume", "rewind"]
    # A log cannot be changed, and actions are offered to those who may view it only if they say so.
    _standing: dict[str, queries.Standing]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """With how all of them stand, by two queries."""
        self._standing = {one.name: one for one in queries.standings()}
        return super().get_queryset(request)

    def _of(self, row: Subscription) -> queries.Standing | None:
        return self._standing.get(row.name)

    @display(description="state", label=STATES)
    def state(self, row: Subscription) -> str | tuple[str, str]:
        """In words, as a coloured label."""
        one = self._of(row)
        if row.paused:
            return "paused", f"paused by {row.paused_by}"
        if not row.declared:
            return "no code declares it"
        return "running" if one and one.held == one.shards else "waits for a follower"

    @admin.display(description="behind by")
    def lag(self, row: Subscription) -> int | None:
        """Positions of the log."""
        one = self._of(row)
        return one.lag if one else None

    @admin.display
    def handled(self, row: Subscription) -> int | None:
        """Events that took effect."""
        one = self._of(row)
        return one.handled if one else None

    @admin.display(description="held back")
    def parked(self, row: Subscription) -> str:
        """Streams that wait for another try, with the way to them."""
        one = self._of(row)
        if not one or not one.parked:
            return "0"
        return links.listed("thunderflow.parkedstream", str(one.parked), subscription__id__exact=row.pk)

    @admin.display(description="dead letters")
    def dead_letters(self, row: Subscription) -> str:
        """With the way to them."""
        one = self._of(row)
        if not one or not one.dead_letters:
            return "0"
        by = {"subscription__id__exact": row.pk, "status__exact": "waiting"}
        return links.listed("thunderflow.deadletter", str(one.dead_letters), **by)

    @display(label=BREAKERS)
    def breaker(self, row: Subscription) -> str:
        """Of its handler."""
        one = self._of(row)
        return one.breaker if one else ""

    @admin.display(description="moved")
    def moved_at(self, row: Subscription) -> Any:
        """When a cursor moved last."""
        one = self._of(row)
        return one.moved_at if one else None

    @admin.action(description="Pause: handle nothing until resumed", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Nothing is lost meanwhile."""
        for row in queryset:
            actions.pause(row.name, by=actor(request))

    @admin.action(description="Resume: go on where it was", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Also after a rewind."""
        for row in queryset:
            actions.resume(row.name, by=actor(request))

    @admin.action(
        description="Rewind to the position given beside: handle again what came after", permissions=["operate"]
    )
    def rewind(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Only of those that are paused."""
        text = request.POST.get("position", "")
        if not text.isdecimal():
            self.message_user(request, "Give the position to rewind to, beside the action.", messages.ERROR)
            return
        for row in queryset:
            try:
                actions.rewind(row.name, to=int(text), by=actor(request))
            except actions.SubscriptionError as error:
                self.message_user(request, str(error), messages.ERROR)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change subscriptions, though not row by row."""
        return request.user.has_perm("thunderflow.change_subscription")


@admin.register(DeadLetter)
class DeadLetterAdmin(OfStreams, Newest, ModelAdmin):
    """Sending again, and letting go."""

    list_display = [
        "failed_at", links.column("subscription"), "shown_topic", "error_class", "short_error", "attempts",
        "shown_status",
    ]  # fmt: skip
    list_filter = ["status", "subscription", FaultFilter]
    list_select_related = ["subscription"]
    search_fields = ["topic__startswith", "stream__exact"]
    search_help_text = "The beginning of a topic, or a whole stream"
    fieldsets = [
        (None, {"fields": ["subscription", "shown_status", "topic", "stream", "elsewhere"]}),
        ("What went wrong", {"fields": ["error_class", "error", "shown_traceback", "attempts", "first_failed_at",
                                        "failed_at", "resolved_at", "resolved_by"]}),
        ("The event", {"fields": ["shard", "seq", "position", "whole_event"]}),
    ]  # fmt: skip
    sortable_by = ["failed_at"]
    actions = ["retry", "discard"]

    @admin.display(description="error")
    def short_error(self, row: DeadLetter) -> str:
        """The beginning of it."""
        return row.error[:120]

    @admin.display(description="event")
    def whole_event(self, row: DeadLetter) -> str:
        """As JSON."""
        return document(row.event)

    @display(description="topic", ordering="topic")
    def shown_topic(self, row: DeadLetter) -> str:
        """With ids as short as they can be told apart."""
        return links.short(row.topic)

    @display(description="status", ordering="status", label=LETTERS)
    def shown_status(self, row: DeadLetter) -> str:
        """As a coloured label."""
        return row.status

    @display(description="traceback")
    def shown_traceback(self, row: DeadLetter) -> str:
        """Line by line."""
        return format_html('<pre class="document" tabindex="0">{}</pre>', row.traceback) if row.traceback else "–"

    @display(description="elsewhere")
    def elsewhere(self, row: DeadLetter) -> str:
        """Its event, as long as the log has it, and what that is of."""
        return links.line([links.to("thunderflow.event", row.position, "the event"), stream_links(row.stream)])

    @admin.action(description="Retry: send to the subscriber again", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Out of order, and marked so."""
        self.message_user(request, f"{actions.retry(queryset, by=actor(request))} sent again.")

    @admin.action(description="Discard: let go for good", permissions=["operate"])
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """The rows stay."""
        self.message_user(request, f"{actions.discard(queryset, by=actor(request))} discarded.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change dead letters, though not row by row."""
        return request.user.has_perm("thunderflow.change_deadletter")


@admin.register(ParkedStream)
class ParkedStreamAdmin(OfStreams, Log, ModelAdmin):
    """Streams that wait for another try."""

    list_display = ["stream", links.column("subscription"), "seq", "attempts", "error_class", "short_error",
                    "retry_at", "elsewhere"]  # fmt: skip
    list_filter = ["subscription", FaultFilter]
    list_select_related = ["subscription"]
    search_fields = ["stream__exact"]
    search_help_text = "A whole stream"

    @display(description="elsewhere")
    def elsewhere(self, row: ParkedStream) -> str:
        """What fails, and what it is of."""
        return links.line([links.to("thunderflow.event", row.position, "the event"), stream_links(row.stream)])

    @admin.display(description="error")
    def short_error(self, row: ParkedStream) -> str:
        """The beginning of it."""
        return row.error[:120]


@admin.register(Breaker)
class BreakerAdmin(Log, ModelAdmin):
    """Circuit breakers of handlers and of outside services."""

    list_display = ["name", "shown_state", "failures", "opened_at", "last_error", "updated_at"]
    list_filter = ["state"]
    search_fields = ["name"]
    search_help_text = "Part of a name"

    @display(description="state", ordering="state", label=BREAKERS)
    def shown_state(self, row: Breaker) -> str:
        """As a coloured label."""
        return row.state


@admin.register(Follower)
class FollowerAdmin(Log, Lasting, ModelAdmin):
    """Processes that let subscribers have their events."""

    list_display = ["__str__", "node", "pid", "serves", "seen_at"]
    search_fields = ["node"]
    search_help_text = "Part of a node's name"


@admin.register(Cursor)
class CursorAdmin(Log, ModelAdmin):
    """How far each shard of each subscription has come."""

    list_display = ["__str__", links.column("subscription"), "shard", "position", "handled", "updated_at"]
    list_select_related = ["subscription"]
    list_filter = ["subscription"]


@admin.register(Lease)
class LeaseAdmin(Log, ModelAdmin):
    """Which process works at which shard."""

    list_display = ["__str__", links.column("subscription"), "shard", "holder", "expires_at"]
    list_select_related = ["subscription"]
    list_filter = ["subscription"]
    ordering = ["subscription", "shard"]
