"""Which tools AI clients may call, and who of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains import tools
from domains.readonly import Large, Lasting, actor
from mcp_server import switches
from mcp_server.models import ToolSetting


@admin.register(ToolSetting)
class ToolSettingAdmin(Large, Lasting, ModelAdmin):
    """A row a tool; each is made when it is first looked at."""

    list_display = ["name", "title", "enabled", "shown_roles", "scope", "shown_conduct"]
    list_filter = ["enabled", "roles"]
    search_fields = ["name"]
    search_help_text = "Part of a tool's name"
    filter_horizontal = ["roles"]
    fields = ["name", "title", "description", "scope", "enabled", "roles"]
    readonly_fields = ["name", "title", "description", "scope"]
    actions = ["switch_on", "switch_off"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolSetting]:
        """Those that are registered, with their roles."""
        names = [tool.name for tool in tools.all_for_people()]
        ToolSetting.objects.bulk_create([ToolSetting(name=name) for name in names], ignore_conflicts=True)
        return super().get_queryset(request).filter(name__in=names).prefetch_related("roles")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tools are declared in code."""
        return False

    @display(description="what it does")
    def title(self, row: ToolSetting) -> str:
        """For people."""
        tool = tools.get_for_people(row.name)
        return tool.conduct.title if tool and tool.conduct else ""

    @display(description="as models are told")
    def description(self, row: ToolSetting) -> str:
        """For models."""
        tool = tools.get_for_people(row.name)
        return tool.description if tool else ""

    @display(description="scope")
    def scope(self, row: ToolSetting) -> str:
        """That a key needs for it."""
        tool = tools.get_for_people(row.name)
        return tool.capability if tool else ""

    @display(description="for")
    def shown_roles(self, row: ToolSetting) -> str:
        """Whom it is for."""
        return ", ".join(role.name for role in row.roles.all()) or "all"

    @display(description="it")
    def shown_conduct(self, row: ToolSetting) -> str:
        """What clients are told of it."""
        tool = tools.get_for_people(row.name)
        conduct = tool.conduct if tool else None
        if conduct is None:
            return ""
        said = {"only reads": conduct.read_only, "destroys": conduct.destructive, "waits": conduct.waits}
        return ", ".join(name for name, so in said.items() if so) or "writes"

    def save_model(self, request: HttpRequest, obj: ToolSetting, form: Any, change: bool) -> None:
        """By the action, which tells its event."""
        given = form.cleaned_data
        switches.set_switch(obj.name, enabled=given["enabled"], roles=list(given["roles"]), by=actor(request))

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[ToolSetting]) -> None:
        """For whom they are meant."""
        self._switch(request, rows, enabled=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[ToolSetting]) -> None:
        """For everybody."""
        self._switch(request, rows, enabled=False)

    def _switch(self, request: HttpRequest, rows: QuerySet[ToolSetting], *, enabled: bool) -> None:
        for row in rows:
            switches.set_switch(row.name, enabled=enabled, roles=list(row.roles.all()), by=actor(request))
        messages.success(request, f"{len(rows)} tools are {'on' if enabled else 'off'}.")
