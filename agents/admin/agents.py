"""Agents in the admin: edits and changes of state go through `agents.actions`; what ticks change is only shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from pydantic import ValidationError
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from agents import actions, reasoners
from agents.errors import AgentError, Invalid
from agents.models import STATS, TRAITS, Agent, Mod, TickLog
from agents.specs import AgentSpec, ModSpec
from domains.readonly import Large, Lasting, Log, actor
from domains.thunderblock.doors import Refusing
from zones.admin import WorldFilter
from zones.errors import ZoneError

MOST_FORCED = 100
"""Agents that one click may force to tick: each is a transaction of its own."""
LIFECYCLE_COLOURS = {"active": "success", "suspended": "warning", "dormant": "info", "archived": "danger"}


class ReasonerFilter(admin.SimpleListFilter):
    """By reasoner, of the kinds that are registered: the table is not searched for others."""

    title = "reasoner"
    parameter_name = "reasoner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All kinds."""
        return [(kind, kind) for kind in reasoners.kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        """Agents that the chosen kind decides for."""
        return queryset.filter(reasoner=self.value()) if self.value() else queryset


class ModInline(TabularInline):
    """The mods of an agent, in force and past."""

    model = Mod
    fields = readonly_fields = ["name", "kind", "effects", "applied_tick", "expires_tick", "active"]
    extra = 0
    can_delete = False
    show_change_link = True
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Mods are applied by their own form."""
        return False


@admin.register(Agent)
class AgentAdmin(Refusing, Large, Lasting, ModelAdmin):
    domain = "thunderpac"
    refusals = (AgentError, ZoneError)
    list_display = [
        "name", "world", "zone", "shown_lifecycle", "reasoner", "energy", "shown_mood", "activity", "tick_number",
        "due_tick",
    ]  # fmt: skip
    list_filter = ["lifecycle", WorldFilter, ReasonerFilter]
    list_select_related = ["world", "zone"]
    search_fields = ["name"]
    search_help_text = "Part of a name"
    # The unique index on (world, name) has them in this order.
    ordering = ["world_id", "name"]
    autocomplete_fields = ["zone"]
    inlines = [ModInline]
    actions = ["activate", "suspend", "archive", "unarchive", "force_tick"]
    REASONING = ("reasoner", "model", "temperature", "max_tokens", "system_prompt", "narrator")
    LIVING = (
        "lifecycle", *STATS, "mood", "activity", "current_focus", "goals", "working_memory", "recent_actions", "x", "y",
        "z",
        "tick_number", "last_tick", "due_tick", "home_zone", "ordinal", "inserted_at", "updated_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Without the long fields, which no list shows."""
        rows = super().get_queryset(request)
        return rows.defer("working_memory", "goals", "system_prompt", "zone__happenings")

    def get_fieldsets(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        """What lives is there once the agent is."""
        given = [
            (None, {"fields": ["name", "description", "zone", "tick_interval", "movement_range", "capabilities"]}),
            ("Traits", {"fields": list(TRAITS)}),
            ("Reasoning", {"fields": list(self.REASONING)}),
        ]
        if obj is None:
            return given
        links = (None, {"fields": ["elsewhere"]})
        return [links, *given, ("Now", {"fields": ["world", *self.LIVING]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> list[str]:
        """Ticks and actions change the rest."""
        return ["elsewhere", "name", "zone", "world", *self.LIVING] if obj else []

    def get_inlines(self, request: HttpRequest, obj: Agent | None) -> list[type[TabularInline]]:
        """A new agent has no mods to show."""
        return [ModInline] if obj else []

    @display(description="lifecycle", ordering="lifecycle", label=LIFECYCLE_COLOURS)
    def shown_lifecycle(self, agent: Agent) -> str:
        """The state as a coloured label."""
        return agent.lifecycle

    @display(description="mood", ordering="mood")
    def shown_mood(self, agent: Agent) -> str:
        """Two digits are plenty."""
        return f"{agent.mood:+.2f}"

    @display(description="elsewhere")
    def elsewhere(self, agent: Agent) -> str:
        """Where else the agent is shown."""
        found = f"?agent__id__exact={agent.pk}"
        return format_html(
            '<a href="{}">its page</a> · <a href="{}{}">its ticks</a> · <a href="{}{}">its memories</a>',
            reverse("agent", args=[agent.pk]),
            reverse("admin:agents_ticklog_changelist"),
            found,
            reverse("admin:memory_memorynode_changelist"),
            found,
        )

    def save_model(self, request: HttpRequest, obj: Agent, form: forms.ModelForm[Agent], change: bool) -> None:
        """Make or edit by the actions, under the zone's lock."""
        if change:
            editable = [name for name in form.changed_data if name in AgentSpec.EDITABLE]
            if editable:
                actions.edit(obj.pk, {name: form.cleaned_data[name] for name in editable}, by=actor(request))
            return
        given = {name: form.cleaned_data[name] for name in ("name", *AgentSpec.EDITABLE)}
        given["traits"] = {name: given.pop(name) for name in TRAITS}
        spec = _checked(AgentSpec, given)
        obj.pk = actions.create(spec, world_id=obj.zone.world_id, zone_id=obj.zone_id, by=actor(request)).pk

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Let dormant and suspended agents tick."""
        self._move(request, queryset, actions.activate, "active")

    @admin.action(description="Suspend", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Stop active agents where they are."""
        self._move(request, queryset, actions.suspend, "suspended")

    @admin.action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Take agents out of their zones."""
        self._move(request, queryset, actions.archive, "archived")

    @admin.action(description="Bring back from the archive", permissions=["change"])
    def unarchive(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Put archived agents back, dormant."""
        self._move(request, queryset, actions.unarchive, "dormant")

    def _move(
        self, request: HttpRequest, queryset: QuerySet[Agent], act: Callable[..., Sequence[Agent]], state: str
    ) -> None:
        ids = list(queryset.order_by().values_list("pk", flat=True))
        done = f"{len(ids)} agent{'s' if len(ids) != 1 else ''} now {state}."
        self.tell(request, done, lambda: act(ids, by=actor(request)))

    @admin.action(description="Force a tick", permissions=["change"])
    def force_tick(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Make active agents tick now."""
        chosen = list(queryset.values_list("pk", "name")[: MOST_FORCED + 1])
        if len(chosen) > MOST_FORCED:
            messages.error(request, f"At most {MOST_FORCED} at once; step the world to make all tick.")
            return
        for pk, name in chosen:
            self.tell(request, f"{name} ticked.", partial(actions.force_tick, pk, by=actor(request)))


def _checked(kind: Any, values: dict[str, Any]) -> Any:
    """The spec that these values make. Raises: Invalid."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


class ModForm(forms.ModelForm):
    """A mod to apply."""

    duration = forms.IntegerField(min_value=1, required=False, help_text="World ticks; empty: for good.")

    class Meta:
        model = Mod
        fields = ["agent", "name", "kind", "effects"]


@admin.register(Mod)
class ModAdmin(Refusing, Large, Lasting, ModelAdmin):
    domain = "thunderpac"
    refusals = (AgentError, ZoneError)
    form = ModForm
    list_display = ["name", "agent", "kind", "applied_tick", "expires_tick", "active"]
    list_filter = ["kind", "active"]
    list_select_related = ["agent"]
    search_fields = ["name", "agent__name__exact"]
    search_help_text = "Part of a mod's name, or an agent's whole name"
    ordering = ["-id"]
    autocomplete_fields = ["agent"]
    actions = ["remove"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mod]:
        """The agents' names, not their memory."""
        return super().get_queryset(request).defer("agent__working_memory", "agent__system_prompt")

    def get_fieldsets(self, request: HttpRequest, obj: Mod | None = None) -> Any:
        """A new one takes a duration; one in force shows when it ends."""
        times = ["applied_tick", "expires_tick", "active"] if obj else ["duration"]
        return [(None, {"fields": ["agent", "name", "kind", "effects", *times]})]

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never: another mod of the same name takes its place."""
        return False

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Whoever may change mods."""
        return request.user.has_perm("agents.change_mod")

    def save_model(self, request: HttpRequest, obj: Mod, form: forms.ModelForm[Mod], change: bool) -> None:
        """Apply it."""
        given = {name: form.cleaned_data[name] for name in ("name", "kind", "effects", "duration")}
        obj.pk = actions.apply_mod(obj.agent_id, _checked(ModSpec, given), by=actor(request)).pk

    @admin.action(description="Take off", permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Mod]) -> None:
        """End mods that are in force."""
        for agent_id, name in queryset.filter(active=True).values_list("agent_id", "name"):
            remove = partial(actions.remove_mod, agent_id, name, by=actor(request))
            self.tell(request, f"{name} taken off.", remove)


class SinceFilter(admin.SimpleListFilter):
    """How far back to look. A leaf of the log is a day, so what is further back is not even opened."""

    title = "when"
    parameter_name = "since"
    CHOICES = {"10": "last ten minutes", "60": "last hour", "1440": "last day", "all": "everything"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """From near to far."""
        return list(self.CHOICES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[TickLog]) -> QuerySet[TickLog]:
        """The last ten minutes, unless something else is wished or one agent's ticks are looked at."""
        chosen = self.value() or ("all" if "agent__id__exact" in request.GET else "10")
        if not chosen.isdecimal():
            return queryset
        oldest = timezone.now() - timedelta(minutes=min(int(chosen), 100_000))
        return queryset.filter(inserted_at__gte=oldest, id__gte=_first_id_of(oldest.timestamp()))


def _first_id_of(seconds: float) -> UUID:
    """The least UUIDv7 of an instant (Unix seconds): the log's block ranges are searched by it."""
    return UUID(int=int(seconds * 1000) << 80)


@admin.register(TickLog)
class TickLogAdmin(Log, ModelAdmin):
    list_display = ["narrative", "agent", "zone", "tick_number", "action", "confidence", "inserted_at"]
    list_filter = [SinceFilter]
    list_select_related = ["agent", "zone"]
    search_fields = ["agent__name__exact", "action__exact"]
    search_help_text = "An agent's whole name, or an action"
    ordering = ["-id"]
    exclude = ["state_hash"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TickLog]:
        """The agents' and zones' names, not all they are."""
        return super().get_queryset(request).defer("agent__working_memory", "agent__system_prompt", "zone__happenings")
