"""Outside servers: named here, asked by `manage.py outside`; and their tools, off until somebody has looked at them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanSwitchWidget

from agents.admin.shown import document, label, pretty
from domains.readonly import Large, Lasting, actor
from domains.thunderblock.doors import Refusing
from domains.thunderflow import breakers
from mcp_server.models import OutsideServer, OutsideTool
from mcp_server.outside import actions, addresses
from mcp_server.outside.errors import OutsideError


def tool_state(tool: OutsideTool) -> SafeString:
    """Whether a tool may be used, and if not, why."""
    if not tool.present:
        return label("gone", "danger")
    if tool.unfit:
        return label("cannot be used", "danger")
    return label("on", "success") if tool.enabled else label("off", "")


class ServerForm(forms.ModelForm):
    """A server whose token goes in and never comes out."""

    # Not named as its column: the model's own cleaning would make text of a secret that it does not know.
    key = forms.CharField(
        label="Token",
        required=False,
        max_length=4000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    forget_key = forms.BooleanField(label="Remove the token", required=False, widget=UnfoldBooleanSwitchWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "key" in self.fields:
            kept = "There is a token. Leave this empty to keep it." if self.instance.token else "There is none yet."
            self.fields["key"].help_text = f"{kept} Kept encrypted; never shown again."

    def clean_url(self) -> str:
        """Where an outside server may be."""
        try:
            return addresses.check(self.cleaned_data["url"])
        except (ValueError, addresses.Forbidden) as error:
            raise forms.ValidationError(f"{error}.") from error

    def clean(self) -> dict[str, Any]:
        """One token at most, of characters that a header can have."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        key = cleaned.get("key") or ""
        if key and cleaned.get("forget_key"):
            self.add_error("forget_key", "Give a new token or remove the old one, not both.")
        if not key.isascii() or not key.isprintable() or " " in key:
            self.add_error("key", "It has characters that no token has.")
        return cleaned

    class Meta:
        model = OutsideServer
        fields = ["name", "url", "enabled", "timeout_s", "calls_per_minute", "agent_calls_per_minute", "max_in_flight"]


class ToolInline(TabularInline):
    """What a server has; each is looked at and switched on its own page."""

    model = OutsideTool
    extra = 0
    fields = ["name", "title", "state", "changed_at"]
    readonly_fields = ["name", "title", "state", "changed_at"]
    show_change_link = True
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutsideTool]:
        """With their server, by which they call themselves."""
        return super().get_queryset(request).select_related("server")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """They are found."""
        return False

    @display(description="state")
    def state(self, tool: OutsideTool) -> SafeString:
        """As a coloured label."""
        return tool_state(tool)


class Faring(ChangeList):
    """Servers of a page, each with what its breaker says: one query for all."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Raises: IncorrectLookupParameters."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        states = breakers.states([actions.breaker_name(server.name) for server in self.result_list])
        for server in self.result_list:
            server.breaker = states[actions.breaker_name(server.name)]


@admin.register(OutsideServer)
class OutsideServerAdmin(Refusing, Large, ModelAdmin):
    domain = "thundermcp"
    refusals = (OutsideError,)
    form = ServerForm
    list_display = ["name", "url", "shown_state", "shown_tools", "looked_at", "latest_error"]
    list_filter = ["enabled"]
    search_fields = ["name", "url"]
    search_help_text = "Part of a name or address"
    actions = ["look_again"]
    inlines = [ToolInline]
    STATE = ("shown_state", "last_error", "looked_at", "look_at", "inserted_at", "updated_at")

    def get_fieldsets(self, request: HttpRequest, obj: OutsideServer | None = None) -> Any:
        """How it fares is there once it is."""
        limits = ["timeout_s", "calls_per_minute", "agent_calls_per_minute", "max_in_flight"]
        given = [
            (None, {"fields": ["name", "url", "key", *(["forget_key"] if obj else []), "enabled"]}),
            ("Limits", {"fields": limits}),
        ]
        return [*given, ("How it fares", {"fields": list(self.STATE)})] if obj else given

    def get_readonly_fields(self, request: HttpRequest, obj: OutsideServer | None = None) -> list[str]:
        """Mods name its tools by its name."""
        return ["name", *self.STATE] if obj else []

    def get_inlines(self, request: HttpRequest, obj: OutsideServer | None = None) -> list[Any]:
        """Its tools, once there is a server to have some."""
        return self.inlines if obj else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutsideServer]:
        """With how many tools it has, and how many of them are on."""
        there = Q(tools__present=True)
        return (
            super()
            .get_queryset(request)
            .annotate(tool_count=Count("tools", filter=there), on_count=Count("tools", filter=Q(tools__enabled=True)))
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """With what breakers say."""
        return Faring

    def save_model(self, request: HttpRequest, obj: OutsideServer, form: Any, change: bool) -> None:
        """By the action, which tells its event; the token is put in here, where it is encrypted at once."""
        if form.cleaned_data.get("key") or form.cleaned_data.get("forget_key"):
            obj.token = form.cleaned_data["key"]
        actions.save(obj, what="changed" if change else "added", by=actor(request))

    def delete_model(self, request: HttpRequest, obj: OutsideServer) -> None:
        """By the action, which tells its event."""
        actions.remove(obj.pk, by=actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[OutsideServer]) -> None:
        """Likewise."""
        for pk in queryset.values_list("pk", flat=True):
            actions.remove(pk, by=actor(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its tools go along, which nobody takes away by themselves."""
        deleted, counts, _, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, set(), protected

    @display(description="state")
    def shown_state(self, server: OutsideServer) -> SafeString:
        """What the breaker says, as a coloured label."""
        name = actions.breaker_name(server.name)
        breaker = getattr(server, "breaker", None) or breakers.states([name])[name]
        if not server.enabled:
            return label("off", "")
        if breaker.rests_until and timezone.now() < breaker.rests_until:
            return label(f"resting until {timezone.localtime(breaker.rests_until):%H:%M:%S}", "warning")
        if breaker.state != breakers.CLOSED:
            return label("to be tried by one call", "info")
        if server.last_error:
            return label("does not answer", "danger")
        return label("ok", "success") if server.looked_at else label("not asked yet", "info")

    @display(description="tools on")
    def shown_tools(self, server: Any) -> str:
        """Of those that it has."""
        return f"{server.on_count} of {server.tool_count}"

    @display(description="last error")
    def latest_error(self, server: OutsideServer) -> str:
        """As much of it as a list takes."""
        return Truncator(server.last_error).chars(60)

    @admin.action(description="Ask for its tools now", permissions=["change"])
    def look_again(self, request: HttpRequest, queryset: QuerySet[OutsideServer]) -> None:
        """Within a moment; failures are forgotten."""
        for pk, name in queryset.values_list("pk", "name"):
            self.tell(request, f"{name} is being asked.", partial(actions.look_again, [pk], by=actor(request)))


@admin.register(OutsideTool)
class OutsideToolAdmin(Refusing, Large, Lasting, ModelAdmin):
    domain = "thundermcp"
    refusals = (OutsideError,)
    list_display = ["full_name", "title", "shown_state", "shown_where", "changed_at"]
    list_filter = ["enabled", "present", "server"]
    list_select_related = ["server"]
    search_fields = ["name", "server__name"]
    search_help_text = "Part of a tool's or server's name"
    filter_horizontal = ["roles", "worlds"]
    fieldsets = [
        (None, {"fields": ["full_name", "title", "shown_state", "unfit", "changed_at"]}),
        ("Who may use it", {"fields": ["enabled", "roles", "worlds"]}),
        ("What its server says of it", {"fields": ["shown_description", "read_only", "idempotent"]}),
        ("What it takes", {"fields": ["shown_input"]}),
        ("What it gives", {"fields": ["shown_output"]}),
    ]
    readonly_fields = [
        "full_name", "title", "shown_state", "unfit", "changed_at", "shown_description", "read_only", "idempotent",
        "shown_input", "shown_output",
    ]  # fmt: skip
    actions = ["switch_on", "switch_off"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They are found."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutsideTool]:
        """With where they may be used."""
        return super().get_queryset(request).select_related("server").prefetch_related("roles", "worlds")

    def save_model(self, request: HttpRequest, obj: OutsideTool, form: Any, change: bool) -> None:
        """By the action, which tells its event."""
        given = form.cleaned_data
        actions.set_tool(
            obj.pk,
            enabled=given["enabled"],
            roles=list(given["roles"]),
            worlds=list(given["worlds"]),
            by=actor(request),
        )

    @display(description="name", ordering="name")
    def full_name(self, tool: OutsideTool) -> str:
        """As mods name it."""
        return tool.full_name

    @display(description="state", ordering="enabled")
    def shown_state(self, tool: OutsideTool) -> SafeString:
        """As a coloured label."""
        return tool_state(tool)

    @display(description="where")
    def shown_where(self, tool: OutsideTool) -> str:
        """Whose worlds, and which."""
        roles, worlds = [role.name for role in tool.roles.all()], [world.name for world in tool.worlds.all()]
        parts = [f"owners: {', '.join(roles)}" if roles else "", f"worlds: {', '.join(worlds)}" if worlds else ""]
        return Truncator("; ".join(part for part in parts if part) or "everywhere").chars(80)

    @display(description="description")
    def shown_description(self, tool: OutsideTool) -> SafeString:
        """Models read this: look whether it tells them anything that it should not."""
        return document(tool.description or "none")

    @display(description="arguments")
    def shown_input(self, tool: OutsideTool) -> SafeString:
        """JSON Schema."""
        return pretty(tool.input_schema)

    @display(description="result")
    def shown_output(self, tool: OutsideTool) -> SafeString:
        """JSON Schema."""
        return pretty(tool.output_schema) if tool.output_schema else document("words, or anything")

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[OutsideTool]) -> None:
        """For agents whose mods give it to them, where it may be used."""
        self._switch(request, rows, enabled=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[OutsideTool]) -> None:
        """For everybody."""
        self._switch(request, rows, enabled=False)

    def _switch(self, request: HttpRequest, rows: QuerySet[OutsideTool], *, enabled: bool) -> None:
        for row in rows:
            switch = partial(actions.set_tool, row.pk, enabled=enabled, by=actor(request))
            self.tell(request, f"{row.full_name} is {'on' if enabled else 'off'}.", switch)
