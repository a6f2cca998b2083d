"""Worlds and zones in the admin: every write goes through `zones.actions`; what ticks change is only shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from domains import links
from domains.readonly import Large, Lasting, Log
from domains.thunderblock.doors import Refusing
from domains.thundergate.repeats.admin import Once
from zones import queries
from zones.actions import places, worlds
from zones.errors import ZoneError
from zones.events import world_stream, zone_stream
from zones.models import PROPERTIES, RESOURCES, Crossing, Neighbour, Notice, Permission, World, WorldSource, Zone
from zones.of_worlds import OfWorlds

STATUS_COLOURS = {"running": "success", "paused": "warning"}


class WorldFilter(admin.SimpleListFilter):
    """By world, for any model that has a `world`; loads names only."""

    title = "world"
    parameter_name = "world"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every world that one may see."""
        return [
            (str(pk), name)
            for pk, name in queries.worlds(request.user).order_by("name").values_list("pk", "name")[:200]
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What belongs to the chosen one; nothing when there is no such world."""
        if self.value() is None:
            return queryset
        try:
            return queryset.filter(world_id=UUID(self.value()))
        except ValueError:
            return queryset.none()


@admin.register(World)
class WorldAdmin(Once, OfWorlds, Refusing, Large, Lasting, ModelAdmin):
    world_path = "pk"
    domain = "thundergrid"
    refusals = (ZoneError,)
    list_display = ["name", "shown_status", "tick", "target_tick", "rate", "access", links.column("owner"), "zones_of"]
    list_filter = ["status", "access"]
    list_select_related = ["owner"]
    search_fields = ["name", "description"]
    search_help_text = "Part of a name or description"
    autocomplete_fields = ["owner", "members"]
    actions = ["pause", "resume", "step_once", "step_ten"]
    fieldsets = [
        (None, {"fields": ["name", "description", "seed"]}),
        ("Who may see it", {"fields": ["owner", "access", "members"]}),
        ("Clock", {"fields": ["rate", "status", "tick", "target_tick", "inserted_at", "updated_at"]}),
    ]
    EDITABLE = ("name", "description", "owner", "access", "rate")
    told_elsewhere: ClassVar[dict[str, Callable[[UUID], str]]] = {}
    """Lines that other apps have to say of a world, by what they are about."""

    def get_fieldsets(self, request: HttpRequest, obj: World | None = None) -> Any:
        """What others know of it is there once the world is."""
        return [("Elsewhere", {"fields": ["elsewhere"]}), *self.fieldsets] if obj else self.fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: World | None = None) -> list[str]:
        """The clock is moved by actions; the seed is given once."""
        fixed = ["status", "tick", "target_tick", "inserted_at", "updated_at", "elsewhere"]
        return ["seed", *fixed] if obj else fixed

    @display(description="elsewhere")
    def elsewhere(self, world: World) -> SafeString:
        """Its parts, and a line of each app that has one to say."""
        parts = links.line([
            links.page("world", "its page", world.pk),
            links.listed("zones.zone", "zones", world=world.pk),
            links.listed("agents.agent", "agents", world=world.pk),
            links.listed("agents.message", "messages", world=world.pk),
            links.listed("thunderflow.event", "events of its stream", stream__exact=world_stream(world.pk)),
            links.listed("zones.crossing", "on the way", world=world.pk),
        ])  # fmt: skip
        lines = ((f"{about}: {tell(world.pk)}",) for about, tell in sorted(self.told_elsewhere.items()))
        return format_html_join("", "<div>{}</div>", [(parts,), *lines])

    @display(description="in it")
    def zones_of(self, world: World) -> SafeString:
        """The way to its zones and agents."""
        zones, agents = (links.listed(f"{name}", name.split(".")[1] + "s", world=world.pk)
                         for name in ("zones.zone", "agents.agent"))  # fmt: skip
        return links.line([zones, agents])

    @display(description="status", ordering="status", label=STATUS_COLOURS)
    def shown_status(self, world: World) -> str:
        """The status as a coloured label."""
        return world.status

    def save_model(self, request: HttpRequest, obj: World, form: forms.ModelForm[World], change: bool) -> None:
        """Make or edit by the actions, so that ticks under way keep what they changed."""
        if not change:
            given = {name: form.cleaned_data[name] for name in ("name", "seed", "description", "access", "rate")}
            obj.pk = worlds.create(by=obj.owner or request.user, **given).pk
            return
        changes = {name: form.cleaned_data[name] for name in self.EDITABLE if name in form.changed_data}
        if changes:
            with transaction.atomic():
                world = worlds.lock(form.initial["name"])
                if world is not None:
                    worlds.edit(world, **changes)

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[World]) -> None:
        """Stop the clocks after the tick under way."""
        self._each(request, queryset, worlds.pause, "paused")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[World]) -> None:
        """Let heartbeats move the clocks again."""
        self._each(request, queryset, worlds.resume, "running")

    @admin.action(description="Go on by one tick", permissions=["change"])
    def step_once(self, request: HttpRequest, queryset: QuerySet[World]) -> None:
        """One tick, paused or not."""
        self._each(request, queryset, worlds.step, "going on by one tick")

    @admin.action(description="Go on by ten ticks", permissions=["change"])
    def step_ten(self, request: HttpRequest, queryset: QuerySet[World]) -> None:
        """Ten ticks, paused or not."""
        self._each(request, queryset, lambda pk: worlds.step(pk, ticks=10), "going on by ten ticks")

    def _each(self, request: HttpRequest, queryset: QuerySet[World], act: Callable[[UUID], object], done: str) -> None:
        for pk, name in self.governed(request, queryset).values_list("pk", "name"):
            self.tell(request, f"{name} is {done}.", partial(act, pk))


@admin.register(WorldSource)
class WorldSourceAdmin(OfWorlds, Log, ModelAdmin):
    list_display = ["__str__", links.column("world")]
    list_select_related = ["world"]
    search_fields = ["world__name"]
    search_help_text = "Part of a world's name"
    ordering = ["world__name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorldSource]:
        """Without the files themselves, which may be megabytes; a single one is read when it is shown."""
        return super().get_queryset(request).defer("content")


def _rounded(name: str) -> Callable[[Zone], str]:
    """A column of a figure, without digits that nobody reads."""

    @display(description=name, ordering=name)
    def shown(zone: Zone) -> str:
        value = getattr(zone, name)
        return f"{value:.0f}" if name in RESOURCES else f"{value:.2f}"

    shown.__name__ = name
    return shown


class ZoneForm(forms.ModelForm):
    """The permission bits as boxes to tick."""

    permissions = forms.TypedMultipleChoiceField(
        choices=[(bit.value, bit.name.lower().replace("_", " ")) for bit in Permission],
        coerce=int,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What an ordinary member of the world may do here.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        bits = self.instance.permissions
        self.initial["permissions"] = [bit.value for bit in Permission if bits & bit]

    def clean_permissions(self) -> int:
        """The bits again."""
        return sum(cast("list[int]", self.cleaned_data["permissions"]))

    class Meta:
        model = Zone
        fields = ["world", "name", "description", "capacity", "closed", "permissions"]


@admin.register(Zone)
class ZoneAdmin(OfWorlds, Refusing, Large, Lasting, ModelAdmin):
    domain = "thundergrid"
    refusals = (ZoneError,)
    form = ZoneForm
    list_display = [
        "name", links.column("world"), "people", "capacity", *map(_rounded, (*RESOURCES, "entropy")), "due_tick",
        "closed",
    ]  # fmt: skip
    list_filter = [WorldFilter, "closed"]
    list_select_related = ["world"]
    search_fields = ["name"]
    search_help_text = "Part of a name"
    ordering = ["world_id", "ordinal"]
    autocomplete_fields = ["world"]
    RULES = ("movement_cost", "interaction_range", "regeneration", "spawning", "environment_interval")
    EDITABLE = ("description", "capacity", "closed", "permissions", *RULES)
    LIVING = (
        *PROPERTIES, *RESOURCES, "entropy", "thermal", "agent_count", "active_session_count", "environment_due",
        "due_tick", "happenings", "assigned_server", "inserted_at", "updated_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Zone]:
        """Without what no list shows."""
        return super().get_queryset(request).defer("happenings")

    def get_fieldsets(self, request: HttpRequest, obj: Zone | None = None) -> Any:
        """What lives is there once the zone is."""
        given = [
            (None, {"fields": ["world", "name", "description"]}),
            ("Who may do what", {"fields": ["capacity", "closed", "permissions"]}),
            ("Rules", {"fields": list(self.RULES)}),
        ]
        lives = [("Now", {"fields": list(self.LIVING)}), ("Events in the last hour", {"fields": ["activity"]})]
        return [(None, {"fields": ["elsewhere"]}), *given, *lives] if obj else given

    def get_readonly_fields(self, request: HttpRequest, obj: Zone | None = None) -> list[str]:
        """Ticks change what lives; world and name are given once."""
        return ["world", "name", "elsewhere", "activity", *self.LIVING] if obj else []

    @display(description="agents", ordering="agent_count")
    def people(self, zone: Zone) -> SafeString | str:
        """How many stand in it, with the way to them."""
        return links.listed("agents.agent", f"{zone.agent_count:,}", zone__id__exact=zone.pk)

    @display(description="elsewhere")
    def elsewhere(self, zone: Zone) -> SafeString:
        """What it has to do with."""
        return links.line([
            links.page("zone", "its page", zone.pk),
            links.listed("agents.agent", "agents in it", zone__id__exact=zone.pk),
            links.listed("agents.ticklog", "ticks in it", zone__id__exact=zone.pk),
            links.listed("thunderflow.event", "events of its stream", stream__exact=zone_stream(zone.pk)),
            links.listed("zones.neighbour", "ways out", zone__id__exact=zone.pk),
            links.listed("zones.notice", "notices", zone__id__exact=zone.pk),
        ])  # fmt: skip

    @display(description="by type and time")
    def activity(self, zone: Zone) -> SafeString:
        """A row for each five minutes, a column for each type of event."""
        return render_to_string("admin/zones/activity.html", _activity(zone.pk))

    def save_model(self, request: HttpRequest, obj: Zone, form: forms.ModelForm[Zone], change: bool) -> None:
        """Make or edit by the actions, under the zone's lock."""
        with transaction.atomic():
            if change:
                changes = {name: form.cleaned_data[name] for name in self.EDITABLE if name in form.changed_data}
                places.edit_many({obj.pk: changes}, user=request.user)
            else:
                self.require_governed(request, obj.world_id)
                given = {name: form.cleaned_data[name] for name in ("name", *self.EDITABLE)}
                obj.pk = places.create_many(obj.world, [given])[0].pk


def _activity(zone_id: UUID) -> dict[str, Any]:
    found = queries.activity(zone_id)
    verbs = sorted({verb for counts in found.values() for verb in counts})
    rows = [(since, [counts.get(verb, 0) for verb in verbs]) for since, counts in sorted(found.items(), reverse=True)]
    return {"verbs": [verb.replace("_", " ") for verb in verbs], "rows": rows}


@admin.register(Neighbour)
class NeighbourAdmin(OfWorlds, Large, ModelAdmin):
    world_path = "zone__world"
    list_display = ["__str__", links.column("zone"), links.column("other"), "permeability"]
    list_select_related = ["zone", "other"]
    search_fields = ["zone__name", "other__name"]
    search_help_text = "Part of the name of a zone at either end"
    autocomplete_fields = ["zone", "other"]
    fields = ["zone", "other", "permeability"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Neighbour]:
        """Names of the zones, not their stories."""
        return super().get_queryset(request).defer("zone__happenings", "other__happenings")

    def get_readonly_fields(self, request: HttpRequest, obj: Neighbour | None = None) -> list[str]:
        """A way leads where it leads."""
        return ["zone", "other"] if obj else []

    def save_model(self, request: HttpRequest, obj: Neighbour, form: Any, change: bool) -> None:
        """Both directions at once."""
        self.require_governed(request, obj.zone.world_id, obj.other.world_id)
        places.connect([(obj.zone_id, obj.other_id, obj.permeability)])
        obj.pk = Neighbour.objects.values_list("pk", flat=True).get(zone_id=obj.zone_id, other_id=obj.other_id)

    def delete_model(self, request: HttpRequest, obj: Neighbour) -> None:
        """Both directions at once."""
        places.cut_ways([(obj.zone_id, obj.other_id), (obj.other_id, obj.zone_id)])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Neighbour]) -> None:
        """Both directions at once."""
        pairs = list(queryset.values_list("zone_id", "other_id"))
        places.cut_ways([*pairs, *((other, one) for one, other in pairs)])


@admin.register(Crossing)
class CrossingAdmin(OfWorlds, Log, ModelAdmin):
    list_display = ["shown_agent", *map(links.column, ("world", "origin", "destination")), "leave_tick"]
    list_display_links = ["leave_tick"]
    list_filter = [WorldFilter]
    list_select_related = ["world", "origin", "destination"]
    search_fields = ["origin__name", "destination__name"]
    search_help_text = "Part of the name of a zone at either end"

    @display(description="agent")
    def shown_agent(self, crossing: Crossing) -> SafeString | str:
        """As a link."""
        return links.to("agents.agent", crossing.agent_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Crossing]:
        """Names of world and zones only."""
        return super().get_queryset(request).defer("origin__happenings", "destination__happenings")


@admin.register(Notice)
class NoticeAdmin(OfWorlds, Log, ModelAdmin):
    world_path = "zone__world"
    list_display = ["text", "author", links.column("zone"), "world_tick", "inserted_at"]
    list_select_related = ["zone"]
    search_fields = ["author__exact", "zone__name__exact"]
    search_help_text = "The whole name of an author or a zone"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        """Names of the zones, not their stories."""
        return super().get_queryset(request).defer("zone__happenings")
