"""Agents in the admin: edits and changes of state go through `agents.actions`; what ticks change is only shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from pydantic import ValidationError
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from agents import actions, reasoners, rules
from agents.admin.shown import LONG
from agents.errors import AgentError, Invalid
from agents.models import STATS, TRAITS, Agent, Mod
from agents.specs import AgentSpec, ModSpec
from domains import links
from domains.readonly import ByAgent, Large, Lasting, actor
from domains.thunderblock.doors import Refusing
from domains.thundergate.repeats.admin import Once
from memory import queries as memory
from memory.admin import told as memory_told
from zones.admin import WorldAdmin, WorldFilter
from zones.errors import ZoneError
from zones.events import zone_stream
from zones.of_worlds import OfWorlds

MOST_FORCED = 100
"""Agents that one click may force to tick: each is a transaction of its own."""
LIFECYCLE_COLOURS = {"active": "success", "suspended": "warning", "dormant": "info", "archived": "danger"}


# A world's page is of an app that knows nothing of memories, as memories know nothing of worlds.
WorldAdmin.told_elsewhere["memory"] = lambda world_id: memory_told(memory.health(world_id=world_id))


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
class AgentAdmin(Once, OfWorlds, Refusing, Large, Lasting, ModelAdmin):
    domain = "thunderpac"
    refusals = (AgentError, ZoneError)
    list_display = [
        "name", links.column("world", ordered=False), links.column("zone", ordered=False), "shown_lifecycle",
        "reasoner", "shown_energy", "shown_mood", "activity", "shown_ticks", "due_tick",
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
        now = [name for name in self.LIVING if name != "working_memory" or self._remembers(request, obj)]
        return [(None, {"fields": ["elsewhere"]}), *given, ("Now", {"fields": ["world", *now, "memory"]})]

    @staticmethod
    def _remembers(request: HttpRequest, agent: Agent) -> bool:
        """Whether one may read what it remembers; that one did is told, where it is not one's own: once a request."""
        known: dict[UUID, bool] = request.__dict__.setdefault("reads_memories", {})
        if agent.pk not in known:
            readable = rules.remembered_by(request.user)
            known[agent.pk] = readable is None or readable.filter(pk=agent.pk).exists()
            if known[agent.pk]:
                rules.tell_read(request, [agent.pk])
        return known[agent.pk]

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> list[str]:
        """Ticks and actions change the rest."""
        return ["elsewhere", "name", "zone", "world", "memory", *self.LIVING] if obj else []

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

    @display(description="energy", ordering="energy")
    def shown_energy(self, agent: Agent) -> str:
        """0–100; whole numbers are plenty."""
        return f"{agent.energy:.0f}"

    @display(description="ticks", ordering="tick_number")
    def shown_ticks(self, agent: Agent) -> str:
        """How many it has had, with the way to them."""
        return links.listed("agents.ticklog", f"{agent.tick_number:,}", agent__id__exact=agent.pk)

    @display(description="elsewhere")
    def elsewhere(self, agent: Agent) -> str:
        """Where else the agent is shown."""
        of = {"agent__id__exact": agent.pk}
        return links.line([
            links.page("agent", "its page", agent.pk),
            links.listed("agents.ticklog", "ticks", **of),
            links.listed("memory.memorynode", "memories", **of),
            links.listed("memory.memoryfact", "facts", **of),
            links.listed("memory.memoryentity", "names", **of),
            links.listed("agents.mod", "mods", **of),
            links.listed("agents.message", "messages", q=agent.pk),
            links.listed("agents.modelcall", "model calls", **of),
            links.listed("thunderflow.event", "events of its zone", stream__exact=zone_stream(agent.zone_id)),
        ])  # fmt: skip

    @display(description="memory")
    def memory(self, agent: Agent) -> str:
        """How well its memories serve, as last counted."""
        return memory_told(memory.health(agent.pk))

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
        obj.pk = actions.create(
            spec, world_id=obj.zone.world_id, zone_id=obj.zone_id, by=actor(request), user=request.user
        ).pk

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
        ids = list(self.governed(request, queryset).order_by().values_list("pk", flat=True))
        done = f"{len(ids)} agent{'s' if len(ids) != 1 else ''} now {state}."
        self.tell(request, done, lambda: act(ids, by=actor(request)))

    @admin.action(description="Force a tick", permissions=["change"])
    def force_tick(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Make active agents tick now."""
        chosen = list(self.governed(request, queryset).values_list("pk", "name")[: MOST_FORCED + 1])
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
class ModAdmin(OfWorlds, Refusing, ByAgent, Large, Lasting, ModelAdmin):
    world_path = "agent__world"
    domain = "thunderpac"
    refusals = (AgentError, ZoneError)
    form = ModForm
    list_display = ["name", links.column("agent"), "kind", "applied_tick", "expires_tick", "active"]
    list_filter = ["kind", "active"]
    list_select_related = ["agent"]
    search_help_text = "A mod's or agent's whole name, or an agent's id"
    ordering = ["-id"]
    autocomplete_fields = ["agent"]
    actions = ["remove"]

    def found(self, rows: QuerySet[Mod], term: str) -> QuerySet[Mod]:
        """By its own name, too."""
        return rows.filter(Q(agent__in=self.agents(term)) | Q(name=term))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mod]:
        """The agents' names, not their memory."""
        return super().get_queryset(request).defer(*LONG)

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
        self.require_governed(request, obj.agent.world_id)
        given = {name: form.cleaned_data[name] for name in ("name", "kind", "effects", "duration")}
        obj.pk = actions.apply_mod(obj.agent_id, _checked(ModSpec, given), by=actor(request)).pk

    @admin.action(description="Take off", permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Mod]) -> None:
        """End mods that are in force."""
        for agent_id, name in self.governed(request, queryset).filter(active=True).values_list("agent_id", "name"):
            remove = partial(actions.remove_mod, agent_id, name, by=actor(request))
            self.tell(request, f"{name} taken off.", remove)
