from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains.readonly import Large, Lasting, Log, actor
from domains.thunderblock import actions, retention
from domains.thunderblock.doors import Refusing
from domains.thunderblock.models import ActiveDomain, Disk, RetentionPolicy

STATUS_COLOURS = {"active": "success", "crashed": "danger", "waiting": "warning", "restarting": "warning"}


@admin.register(ActiveDomain)
class ActiveDomainAdmin(Log, ModelAdmin):
    list_display = ["domain_name", "shown_status", "enabled", "tick_count", "last_tick", "activated_at", "reason"]
    list_filter = ["status", "enabled"]
    search_fields = ["domain_name"]
    search_help_text = "Part of a domain's name"
    actions = ["switch_on", "switch_off"]

    @display(description="status", ordering="status", label=STATUS_COLOURS)
    def shown_status(self, domain: ActiveDomain) -> str:
        """The state as a coloured label."""
        return domain.status

    @admin.action(description="Switch on", permissions=["operate"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[ActiveDomain]) -> None:
        """Let the chosen domains wait for the next heartbeat."""
        for row in queryset:
            actions.switch_on(row.domain_name, now=timezone.now())
        messages.success(request, f"{len(queryset)} will be active at the next heartbeat.")

    @admin.action(description="Switch off", permissions=["operate"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[ActiveDomain]) -> None:
        """Make the chosen domains rest until they are switched on."""
        reason = f"switched off by {request.user.get_username()}"
        for row in queryset:
            actions.switch_off(row.domain_name, reason=reason, now=timezone.now())
        messages.success(request, f"{len(queryset)} switched off.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whoever may change domains may switch them."""
        return request.user.has_perm("thunderblock.change_activedomain")


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(Refusing, Large, Lasting, ModelAdmin):
    """How much is kept; rows come with the stores and stay."""

    domain = "thunderblock"
    refusals = (retention.RetentionError,)
    list_display = ["store", "enabled", "keep_days", "shown_most", "shown_held_by", "looked_at"]
    fields = ["store", "enabled", "keep_days", "max_bytes", "shown_held_by", "looked_at"]
    readonly_fields = ["store", "shown_held_by", "looked_at"]

    @display(description="at most", ordering="max_bytes")
    def shown_most(self, policy: RetentionPolicy) -> str:
        """As people say it."""
        return filesizeformat(policy.max_bytes) if policy.max_bytes else "–"

    @display(description="held up by")
    def shown_held_by(self, policy: RetentionPolicy) -> str:
        """Subscribers that have not read what should go."""
        return ", ".join(policy.held_by)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def save_model(self, request: HttpRequest, obj: RetentionPolicy, form: Any, change: bool) -> None:
        """Only what was edited is written, and told."""
        retention.set_policy(
            obj.store, by=actor(request), **{name: form.cleaned_data[name] for name in form.changed_data}
        )


@admin.register(Disk)
class DiskAdmin(Log, ModelAdmin):
    list_display = ["shown_level", "free", "total", "looked_at"]

    @display(description="level", ordering="level", label={"ok": "success", "low": "warning", "critical": "danger"})
    def shown_level(self, disk: Disk) -> str:
        """As a coloured label."""
        return disk.level

    @display(description="free", ordering="free_bytes")
    def free(self, disk: Disk) -> str:
        """As people say it."""
        return filesizeformat(disk.free_bytes)

    @display(description="of", ordering="total_bytes")
    def total(self, disk: Disk) -> str:
        """The same."""
        return filesizeformat(disk.total_bytes)
