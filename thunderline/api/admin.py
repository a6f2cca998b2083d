"""Creates that may be asked for again, in the admin: that they are kept, and until when.

What was answered is not shown: the answer to who made a key has the key in it.
"""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin

from domains import links
from domains.readonly import Log
from thunderline.api.models import Repeatable


@admin.register(Repeatable)
class RepeatableAdmin(Log, ModelAdmin):
    list_display = ["key", links.column("user"), "status", "inserted_at", "expires_at"]
    list_select_related = ["user"]
    search_fields = ["user__username__exact"]
    search_help_text = "A user's whole name"
    fields = ["key", "user", "status", "inserted_at", "expires_at"]
    ordering = ["-id"]
    sortable_by = ()
