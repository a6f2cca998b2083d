"""Those who follow the log, and what they could not handle."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from domains.readonly import Lasting, Log, actor
from domains.thunderflow.models import Breaker, DeadLetter, Follower, ParkedStream, Subscription
from domains.thunderflow.subscribers import actions, queries


class RewindForm(ActionForm):
    """Where "rewind" goes to."""

    position = forms.IntegerField(required=False, min_value=0, label="Position (for rewind)")


@admin.register(Subscription)
class SubscriptionAdmin(Log, ModelAdmin):
    """How far each has come; pausing, resuming and setting back."""

    list_display = ["name", "pattern", "state", "lag", "handled", "parked", "dead_letters", "breaker", "moved_at"]
    list_filter = ["paused", "declared"]
    search_fields = ["name", "pattern"]
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

    @admin.display(description="state")
    def state(self, row: Subscription) -> str:
        """In words."""
        one = self._of(row)
        if row.paused:
            return f"paused by {row.paused_by}"
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

    @admin.display(description="streams held back")
    def parked(self, row: Subscription) -> int | None:
        """Streams that wait for another try."""
        one = self._of(row)
        return one.parked if one else None

    @admin.display(description="dead letters")
    def dead_letters(self, row: Subscription) -> str:
        """With the way to them."""
        one = self._of(row)
        if not one or not one.dead_letters:
            return "0"
        link = f"../deadletter/?subscription__id__exact={row.pk}&status__exact=waiting"
        return format_html('<a href="{}">{}</a>', link, one.dead_letters)

    @admin.display
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
class DeadLetterAdmin(Log, ModelAdmin):
    """Sending again, and letting go."""

    list_display = ["failed_at", "subscription", "topic", "error_class", "short_error", "attempts", "status"]
    list_filter = ["status", "subscription", "error_class"]
    list_select_related = ["subscription"]
    search_fields = ["topic__startswith", "stream__exact", "error"]
    search_help_text = "The beginning of a topic, a whole stream, or words of the error"
    exclude = ["event"]
    readonly_fields = ["whole_event"]
    actions = ["retry", "discard"]

    @admin.display(description="error")
    def short_error(self, row: DeadLetter) -> str:
        """The beginning of it."""
        return row.error[:120]

    @admin.display(description="event")
    def whole_event(self, row: DeadLetter) -> str:
        """As JSON."""
        return format_html("<pre>{}</pre>", json.dumps(row.event, indent=2, ensure_ascii=False))

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
class ParkedStreamAdmin(Log, ModelAdmin):
    """Streams that wait for another try."""

    list_display = ["subscription", "stream", "seq", "attempts", "error_class", "short_error", "retry_at"]
    list_filter = ["subscription", "error_class"]
    list_select_related = ["subscription"]
    search_fields = ["stream__exact"]

    @admin.display(description="error")
    def short_error(self, row: ParkedStream) -> str:
        """The beginning of it."""
        return row.error[:120]


@admin.register(Breaker)
class BreakerAdmin(Log, ModelAdmin):
    """Circuit breakers of handlers and of outside services."""

    list_display = ["name", "state", "failures", "opened_at", "last_error", "updated_at"]
    list_filter = ["state"]
    search_fields = ["name"]


@admin.register(Follower)
class FollowerAdmin(Log, Lasting, ModelAdmin):
    """Processes that let subscribers have their events."""

    list_display = ["node", "pid", "seen_at"]
