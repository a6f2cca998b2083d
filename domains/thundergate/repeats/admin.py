"""Actions of the admin that are sent twice; and what was done under which key, for operators.

What was answered is not shown: it may hold what others than its user may not see.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import ActionForm

from domains import links
from domains.readonly import Log
from domains.thundergate.repeats.forms import done_once, key
from domains.thundergate.repeats.models import Repeatable


class OnceForm(ActionForm):
    """Which action, and the key of this list as it was shown."""

    once = forms.CharField(required=False, label="", initial=key, widget=forms.HiddenInput)


class Once:
    """Mix into a ModelAdmin whose actions do more when they are done twice."""

    action_form = OnceForm

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Done once for each list that was shown."""
        return done_once(request, lambda: super(Once, self).response_action(request, queryset))  # type: ignore[misc]


@admin.register(Repeatable)
class RepeatableAdmin(Log, ModelAdmin):
    list_display = ["key", links.column("user"), "status", "inserted_at", "expires_at"]
    list_select_related = ["user"]
    search_fields = ["user__username__exact"]
    search_help_text = "A user's whole name"
    fields = ["key", "user", "status", "inserted_at", "expires_at"]
    ordering = ["-id"]
    sortable_by = ()
