"""Where models are and what they cost, who is being asked just now, and the switch that stops all of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from agents import actions
from agents.actions.minds import tell_change
from agents.admin.shown import LONG, dollars, label, plain
from agents.errors import AgentError
from agents.minds import endpoints
from agents.minds.thoughts import LEASE_S
from agents.models import Endpoint, ModelCall, Price, ReasonerProcess, Switch, Thought
from domains import links
from domains.readonly import ByAgent, Large, Lasting, Log, actor
from domains.thunderblock.doors import Refusing
from domains.thunderflow.breakers import CLOSED
from zones.of_worlds import OfWorlds


class Told:
    """Mix into a ModelAdmin of settings: reasoners hear at once of what is saved or deleted."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Only what was edited is written: the rest may have changed since the form was opened."""
        named = {field.name for field in obj._meta.concrete_fields}
        edited = [name for name in self.edited(form) if name in named]
        with transaction.atomic():
            obj.save(**({"update_fields": [*edited, "updated_at"]} if change else {}))
            self._tell(request, "changed" if change else "added", obj)

    def edited(self, form: Any) -> list[str]:
        """Columns that a form has changed."""
        return list(form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Told before it is gone."""
        with transaction.atomic():
            self._tell(request, "removed", obj)
            obj.delete()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Each by itself: there are few."""
        for row in queryset:
            self.delete_model(request, row)

    @staticmethod
    def _tell(request: HttpRequest, done: str, obj: Any) -> None:
        tell_change(f"{obj._meta.verbose_name.replace(' ', '_')}_{done}", str(obj), by=actor(request))


# --- Endpoints -----------------------------------------------------------------------------------------------


class EndpointForm(forms.ModelForm):
    """An endpoint whose key goes in and never comes out."""

    base_url = forms.CharField(
        label="Base URL",
        max_length=500,
        help_text="With its path, such as http://127.0.0.1:11434/v1",
        widget=UnfoldAdminTextInputWidget,
    )
    # Not named as its column: the model's own cleaning would make text of a secret that it does not know.
    key = forms.CharField(
        label="API key",
        required=False,
        max_length=4000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    forget_key = forms.BooleanField(label="Remove the key", required=False, widget=UnfoldBooleanSwitchWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "key" in self.fields:
            kept = "There is a key. Leave this empty to keep it." if self.instance.api_key else "There is none yet."
            self.fields["key"].help_text = f"{kept} Kept encrypted; never shown again."

    def clean_name(self) -> str:
        """Agents of the router name two endpoints, with a comma between them."""
        name: str = self.cleaned_data["name"]
        if "," in name:
            raise forms.ValidationError("No comma: agents may name two endpoints with one between them.")
        return name

    def clean_base_url(self) -> str:
        """An address of the web, of a host that may have no dot: that is how containers call each other."""
        address: str = self.cleaned_data["base_url"]
        try:
            parts = urlsplit(address)
            fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            fits = False
        if not fits or any(c.isspace() for c in address):
            raise forms.ValidationError("Enter an address that begins with http:// or https://.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise forms.ValidationError("Leave out names, passwords, queries and fragments; the key has its own place.")
        return address.rstrip("/")

    def clean(self) -> dict[str, Any]:
        """One key at most."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("key") and cleaned.get("forget_key"):
            self.add_error("forget_key", "Give a new key or remove the old one, not both.")
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        # Checked above, and more kindly.
        return super()._get_validation_exclusions() | {"base_url"}  # type: ignore[misc]

    class Meta:
        model = Endpoint
        fields = [
            "name", "base_url", "model", "tier", "structured", "enabled", "timeout_s", "max_tries", "max_in_flight",
            "max_tokens",
        ]  # fmt: skip


class Faring(ChangeList):
    """Endpoints of a page, each with how it fares: one query for all."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Raises: IncorrectLookupParameters."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        fare = endpoints.standing(self.result_list)
        for endpoint in self.result_list:
            endpoint.fare = fare[endpoint.name]


@admin.register(Endpoint)
class EndpointAdmin(Told, Refusing, Large, Lasting, ModelAdmin):
    domain = "thunderpac"
    refusals = (AgentError,)
    form = EndpointForm
    list_display = ["name", "model", "tier", "base_url", "shown_state", "latest_error", "calls"]
    list_filter = ["tier", "enabled"]
    search_fields = ["name", "model", "base_url"]
    search_help_text = "Part of a name, model or address"
    actions = ["try_again"]
    STATE = ("shown_state", "last_error", "inserted_at", "updated_at")

    def get_fieldsets(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:
        """How it fares is there once it is."""
        given = [
            (None, {"fields": ["name", "base_url", "model", "key", *(["forget_key"] if obj else [])]}),
            ("How it is used", {"fields": ["enabled", "tier", "structured"]}),
            ("Limits", {"fields": ["timeout_s", "max_tries", "max_in_flight", "max_tokens"]}),
        ]
        return [*given, ("How it fares", {"fields": list(self.STATE)})] if obj else given

    def get_readonly_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> list[str]:
        """The breaker is moved by calls."""
        return list(self.STATE) if obj else []

    def edited(self, form: Any) -> list[str]:
        """With the key, when one was given or the old one removed."""
        cleaned = form.cleaned_data
        return [*form.changed_data, *(["api_key"] if cleaned.get("key") or cleaned.get("forget_key") else [])]

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        """The key is put in here, where it is encrypted at once."""
        if form.cleaned_data.get("key") or form.cleaned_data.get("forget_key"):
            obj.api_key = form.cleaned_data["key"]
        super().save_model(request, obj, form, change)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """With what breakers say."""
        return Faring

    @display(description="state", ordering="rests_until")
    def shown_state(self, endpoint: Endpoint) -> SafeString:
        """What the breaker says, as a coloured label."""
        breaker, until = getattr(endpoint, "fare", None) or endpoints.standing([endpoint])[endpoint.name]
        if not endpoint.enabled:
            return label("off", "")
        if until and timezone.now() < until:
            return label(f"resting until {timezone.localtime(until):%H:%M:%S}", "warning")
        if breaker.state != CLOSED:
            return label("to be tried by one call", "info")
        return label("ok", "success")

    @display(description="calls")
    def calls(self, endpoint: Endpoint) -> SafeString:
        """The way to them."""
        return links.listed("agents.modelcall", "its calls", endpoint__id__exact=endpoint.pk)

    @display(description="last error")
    def latest_error(self, endpoint: Endpoint) -> str:
        """As much of it as a list takes."""
        return Truncator(endpoint.last_error).chars(60)

    @admin.action(description="Try again now", permissions=["change"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        """Forget failures, so that the endpoint is asked again at once."""
        for pk, name in queryset.values_list("pk", "name"):
            reset = partial(actions.reset_breaker, pk, by=actor(request))
            self.tell(request, f"{name} is asked again from now on.", reset)


class PriceForm(forms.ModelForm):
    """Prices without the zeros that their columns add."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("prompt", "completion"):
            if self.initial.get(name) is not None:
                self.initial[name] = plain(self.initial[name])

    class Meta:
        model = Price
        fields = ["model", "prompt", "completion"]


@admin.register(Price)
class PriceAdmin(Told, Refusing, Large, ModelAdmin):
    domain = "thunderpac"
    refusals = (AgentError,)
    form = PriceForm
    list_display = ["model", "of_question", "of_answer", "updated_at"]
    search_fields = ["model"]
    search_help_text = "Part of a model's name"
    fields = ["model", "prompt", "completion"]

    @display(description="a million tokens of the question", ordering="prompt")
    def of_question(self, price: Price) -> str:
        """In US dollars."""
        return dollars(price.prompt)

    @display(description="a million tokens of the answer", ordering="completion")
    def of_answer(self, price: Price) -> str:
        """In US dollars."""
        return dollars(price.completion)


# --- What goes on --------------------------------------------------------------------------------------------


@admin.register(Thought)
class ThoughtAdmin(OfWorlds, ByAgent, Log, ModelAdmin):
    world_path = "agent__world"
    list_display = [
        links.column("agent", ordered=False),
        "asked_tick",
        "since",
        "attempt",
        "process",
        "expires_at",
        "last_error",
    ]
    list_select_related = ["agent"]
    list_display_links = ["asked_tick"]
    ordering = ["asked_tick", "agent_id"]
    fields = ["agent", "asked_tick", "since", "attempt", "process", "expires_at", "call_id", "last_error"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Thought]:
        """With when the call began and who makes it; of the agents only their names."""
        call = ModelCall.objects.filter(pk=OuterRef("call_id")).values("started_at")
        where = Concat("node", Value(":"), Cast("pid", CharField()), output_field=CharField())
        holder = ReasonerProcess.objects.filter(pk=OuterRef("holder")).annotate(where=where).values("where")
        rows = super().get_queryset(request).annotate(called_at=Subquery(call[:1]), held_by=Subquery(holder[:1]))
        return rows.defer(*LONG)

    @display(description="asked since", ordering="called_at", empty_value="not yet")
    def since(self, thought: Any) -> Any:
        """When the call under way began."""
        return thought.called_at

    @display(description="lease", ordering="holder", empty_value="nobody")
    def process(self, thought: Any) -> str | None:
        """The process that asks."""
        return thought.held_by or (f"gone ({thought.holder})" if thought.holder else None)


@admin.register(ReasonerProcess)
class ReasonerProcessAdmin(Log, ModelAdmin):
    list_display = ["node", "pid", "shown_state", "in_flight", "seen_at"]
    search_fields = ["node"]
    search_help_text = "Part of a node's name"
    fields = ["node", "pid", "shown_state", "in_flight", "seen_at"]

    @display(description="state", ordering="-seen_at")
    def shown_state(self, process: ReasonerProcess) -> SafeString:
        """Whether it was heard of within a lease."""
        silent = (timezone.now() - process.seen_at).total_seconds() > LEASE_S
        return label("silent", "warning") if silent else label("alive", "success")


@admin.register(Switch)
class SwitchAdmin(Log, ModelAdmin):
    """The list is a page with the switch on it. It works whatever state the domain is in: one must be able to stop."""

    list_display = ["__str__", "by", "updated_at"]
    change_list_template = "admin/agents/switch_page.html"
    actions = None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the state as people say it, and who may change it."""
        more = {
            "title": "Model calls",
            "subtitle": "",
            "switch": Switch.objects.first() or Switch(),
            "may_switch": self._may_switch(request),
        }
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def get_urls(self) -> list[Any]:
        """What the buttons ask for."""
        wrap = self.admin_site.admin_view
        return [
            path("stop/", wrap(require_POST(self.stop)), name="agents_switch_stop"),
            path("allow/", wrap(require_POST(self.allow)), name="agents_switch_allow"),
            *super().get_urls(),
        ]

    def stop(self, request: HttpRequest) -> HttpResponse:
        """Stop all calls, with a reason."""
        reason = request.POST.get("reason", "")
        return self._act(request, "No model is called from now on.", partial(actions.stop_calls, reason=reason))

    def allow(self, request: HttpRequest) -> HttpResponse:
        """Allow calls again."""
        return self._act(request, "Models may be called again.", actions.allow_calls)

    def _act(self, request: HttpRequest, done: str, act: Callable[..., None]) -> HttpResponse:
        if not self._may_switch(request):
            raise PermissionDenied
        try:
            act(by=actor(request))
        except AgentError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done)
        return HttpResponseRedirect(reverse("admin:agents_switch_changelist"))

    @staticmethod
    def _may_switch(request: HttpRequest) -> bool:
        return request.user.has_perm("agents.change_switch")
