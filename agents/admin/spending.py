"""Where the money goes: caps, what was spent by the hour, and every call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from agents import queries
from agents.admin.minds import Told
from agents.admin.shown import Named, document, dollars, label, names_of, plain, pretty, pretty_text, whole
from agents.errors import AgentError
from agents.models import Agent, Endpoint, ModelCall, Spending, SpendingCap
from domains import links, sql
from domains.newest import Newest
from domains.readonly import Large, Log
from domains.thunderblock.doors import Refusing
from zones import queries as zones
from zones.errors import ZoneError
from zones.of_worlds import OfWorlds

# Hours and days of UTC, as caps count them. Calls under way count with the most that they may come to.
TOTALS = """
SELECT e.name, s.target_id,
       coalesce(sum(s.calls) FILTER (WHERE s.hour = t.hour), 0)::bigint,
       coalesce(sum(s.tokens) FILTER (WHERE s.hour = t.hour), 0)::bigint,
       coalesce(sum(s.cost) FILTER (WHERE s.hour = t.hour), 0),
       sum(s.calls)::bigint, sum(s.tokens)::bigint, sum(s.cost)
FROM (SELECT date_trunc('hour', now(), 'UTC') AS hour, date_trunc('day', now(), 'UTC') AS day) AS t
JOIN mind_spending s ON s.scope = 'endpoint' AND s.hour >= t.day
LEFT JOIN mind_endpoints e ON e.id = s.target_id
GROUP BY e.name, s.target_id ORDER BY 8 DESC, 6 DESC, e.name LIMIT 50
"""


LABELS = {"agent": "agents.agent", "world": "zones.world", "endpoint": "agents.endpoint"}
"""Models of what is counted for."""


class Total(NamedTuple):
    """What one endpoint, or all of them, came to."""

    name: str
    calls: tuple[str, str]
    """This hour, today; and so on below."""
    tokens: tuple[str, str]
    cost: tuple[str, str]


def totals() -> list[Total]:
    """Of this hour and today (UTC), by endpoint, the dearest first, all of them last. One query."""
    rows = sql.fetch_rows(TOTALS)
    sums = [sum((row[i] for row in rows), Decimal(0)) for i in range(2, 8)]
    named = [(row[0] or f"gone ({row[1]})", row[2:]) for row in rows]
    return [_total(name, amounts) for name, amounts in [*named, ("All endpoints", sums)]]


def _total(name: str, amounts: Any) -> Total:
    calls, tokens, cost, calls_today, tokens_today, cost_today = amounts
    return Total(
        name,
        (whole(int(calls)), whole(int(calls_today))),
        (whole(int(tokens)), whole(int(tokens_today))),
        (dollars(cost), dollars(cost_today)),
    )


class Summed:
    """Mix into a ModelAdmin whose list begins with what was spent this hour and today."""

    list_before_template = "admin/agents/totals.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the totals."""
        return super().changelist_view(request, {**(extra_context or {}), "totals": totals()})  # type: ignore[misc]


class Targeted:
    """Mix into a ModelAdmin, first, of what is counted for agents, worlds and endpoints: those that one may see."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Operators' lists are not filtered at all."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        agents = queries.seen_by(request.user)
        if agents is None:
            return rows
        worlds = zones.worlds(request.user).order_by().values("pk")
        seen = Q(scope="agent", target_id__in=agents) | Q(scope="world", target_id__in=worlds)
        return rows.filter(seen | Q(scope="endpoint") | Q(target_id=None))


# --- Caps ----------------------------------------------------------------------------------------------------


class SpendingCapForm(forms.ModelForm):
    """A cap whose target is given by name or id."""

    target = forms.CharField(
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="The name or id of the agent, world or endpoint. Empty: each of them by itself.",
    )
    field_order = ["scope", "target", "period", "measure", "most"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        target = self.instance.target_id
        if target:
            # The id where the name would not lead back to it: an agent's may be found in several worlds.
            name = names_of([target]).get(target, "")
            self.initial["target"] = name if name and _known(self.instance.scope, name) == target else str(target)
        if self.initial.get("most") is not None:
            self.initial["most"] = plain(self.initial["most"])

    def clean(self) -> dict[str, Any]:
        """From the name to the id."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        target = cleaned.get("target", "").strip()
        self.instance.target_id = None
        if target and "scope" in cleaned:
            try:
                self.instance.target_id = _target(cleaned["scope"], target)
            except (AgentError, ZoneError, Endpoint.DoesNotExist) as error:
                self.add_error("target", str(error))
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        # So that a second cap of the same kind is refused by the form.
        return super()._get_validation_exclusions() - {"target_id"}  # type: ignore[misc]

    class Meta:
        model = SpendingCap
        fields = ["scope", "period", "measure", "most"]


def _known(scope: str, name: str) -> UUID | None:
    try:
        return _target(scope, name)
    except (AgentError, ZoneError, Endpoint.DoesNotExist):
        return None


def _target(scope: str, name_or_id: str) -> UUID:
    """Raises: AgentError, ZoneError, Endpoint.DoesNotExist."""
    try:
        wanted: UUID | None = UUID(name_or_id)
    except ValueError:
        wanted = None
    if scope == "agent":
        return _agent(name_or_id)
    if scope == "world":
        if wanted and zones.worlds().filter(pk=wanted).exists():
            return wanted
        return zones.world(name_or_id).pk
    found = Endpoint.objects.filter(Q(pk=wanted) if wanted else Q(name=name_or_id)).only("pk").first()
    if found is None:
        names = ", ".join(Endpoint.objects.values_list("name", flat=True)[:10]) or "none yet"
        raise Endpoint.DoesNotExist(f"there is no endpoint {name_or_id!r} (there is: {names})")
    return found.pk


def _agent(name_or_id: str) -> UUID:
    """By id, by name, or by “name in world” where several have it. Raises: AgentError."""
    name, found, world = name_or_id.rpartition(" in ")
    if found and not Agent.objects.filter(name=name_or_id).exists():
        return queries.find(name, world=world).pk
    return queries.find(name_or_id).pk


@admin.register(SpendingCap)
class SpendingCapAdmin(Targeted, Named, Told, Refusing, Large, ModelAdmin):
    domain = "thunderpac"
    refusals = (AgentError,)
    form = SpendingCapForm
    named = ("target_id",)
    list_display = ["shown_most", "period", "whom", "scope"]
    list_select_related = False
    list_filter = ["scope", "period", "measure"]
    fields = ["scope", "target", "period", "measure", "most"]

    def edited(self, form: Any) -> list[str]:
        """With the target, which the form knows by another name."""
        return [*form.changed_data, "target_id"]

    @display(description="for", ordering="target_id")
    def whom(self, cap: SpendingCap) -> str:
        """A name, or that it holds for each."""
        if not cap.target_id:
            return f"each {cap.scope}"
        return links.to(LABELS[cap.scope], cap.target_id, self.name_of(cap, "target_id"))

    @display(description="at most", ordering="most")
    def shown_most(self, cap: SpendingCap) -> str:
        """With its unit."""
        return dollars(cap.most) if cap.measure == "cost" else f"{whole(int(cap.most))} {cap.measure}"


# --- The record ----------------------------------------------------------------------------------------------


class HourFilter(admin.SimpleListFilter):
    """How far back to look, by hours and days of UTC as caps count them."""

    title = "when"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """From near to far."""
        return [("hour", "this hour"), ("today", "today (UTC)"), ("week", "the last seven days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Spending]) -> QuerySet[Spending]:
        """From an hour on."""
        hour = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        since: dict[str | None, datetime] = {
            "hour": hour, "today": hour.replace(hour=0), "week": hour - timedelta(days=7),
        }  # fmt: skip
        return queryset.filter(hour__gte=since[self.value()]) if self.value() in since else queryset


@admin.register(Spending)
class SpendingAdmin(Targeted, Summed, Named, Log, ModelAdmin):
    named = ("target_id",)
    list_display = ["hour", "scope", "whom", "shown_calls", "shown_tokens", "shown_cost"]
    list_filter = ["scope", HourFilter]
    sortable_by = ["hour"]
    ordering = ["-hour", "scope", "-cost", "-id"]
    fields = ["hour", "scope", "whom", "calls", "tokens", "shown_cost"]

    @display(description="for")
    def whom(self, spending: Spending) -> str:
        """What it was spent for."""
        label = LABELS[spending.scope]
        return links.to(label, spending.target_id, self.name_of(spending, "target_id"))

    @display(description="calls", ordering="calls")
    def shown_calls(self, spending: Spending) -> str:
        """Thousands set apart."""
        return whole(spending.calls)

    @display(description="tokens", ordering="tokens")
    def shown_tokens(self, spending: Spending) -> str:
        """Thousands set apart."""
        return whole(spending.tokens)

    @display(description="cost", ordering="cost")
    def shown_cost(self, spending: Spending) -> str:
        """In US dollars."""
        return dollars(spending.cost)


STATUS_COLOURS = {"open": "info", "answered": "success", "failed": "danger", "stopped": "warning", "lost": "danger"}


@admin.register(ModelCall)
class ModelCallAdmin(OfWorlds, Summed, Named, Newest, ModelAdmin):
    indexed = ("agent",)
    named = ("agent_id", "endpoint_id")
    list_display = [
        "started", "whom", "shown_endpoint", "model", "shown_status", "error_class", "tokens", "shown_cost",
        "shown_ms",
    ]  # fmt: skip
    list_filter = ["status", "endpoint"]
    sortable_by = ["started"]
    search_fields = ["request_hash"]  # which shows the box; see `get_search_results`
    search_help_text = "An agent's whole name, or the hash of a request"
    fieldsets = [
        (None, {"fields": ["whom", "shown_endpoint", "model", "shown_status", "error_class", "error"]}),
        ("What it took", {"fields": ["tokens", "shown_cost", "shown_ms", "started"]}),
        ("For which tick", {"fields": ["tick_number", "asked_tick", "attempt", "template_version", "request_hash"]}),
        ("Request", {"fields": ["shown_request"]}),
        ("Answer", {"fields": ["shown_answer"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelCall]:
        """Without what was said, which only the record itself shows."""
        return super().get_queryset(request).defer("request", "answer")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ModelCall], search_term: str
    ) -> tuple[QuerySet[ModelCall], bool]:
        """Agents first, by their index: a join with each call's agent would read all calls."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        agents = list(Agent.objects.filter(name=term).order_by().values_list("pk", flat=True)[:100])
        if not agents and len(term) == 64:
            return queryset.filter(request_hash=term.lower()), False
        return queryset.filter(agent_id__in=agents), False

    @display(description="started at", ordering="id")  # in which there is the instant, and the index
    def started(self, call: ModelCall) -> str:
        """To the second."""
        return f"{timezone.localtime(call.started_at):%-d %b %Y, %H:%M:%S}"

    @display(description="agent")
    def whom(self, call: ModelCall) -> str:
        """Who was to decide."""
        return links.to("agents.agent", call.agent_id, self.name_of(call, "agent_id"))

    @display(description="endpoint")
    def shown_endpoint(self, call: ModelCall) -> str:
        """Whom the question went to."""
        return links.to("agents.endpoint", call.endpoint_id, self.name_of(call, "endpoint_id"))

    @display(description="status", ordering="status")
    def shown_status(self, call: ModelCall) -> SafeString:
        """What became of it, as a coloured label."""
        return label(call.get_status_display(), STATUS_COLOURS[call.status])

    @display(description="tokens")
    def tokens(self, call: ModelCall) -> str:
        """Of the question and of the answer."""
        counted = call.prompt_tokens or call.completion_tokens
        return f"{whole(call.prompt_tokens)} + {whole(call.completion_tokens)}" if counted else "-"

    @display(description="cost", ordering="cost")
    def shown_cost(self, call: ModelCall) -> str:
        """In US dollars; what it may have come to at most, where nobody knows."""
        unsure = call.status in ("open", "lost") and call.cost
        return f"{'at most ' if unsure else ''}{dollars(call.cost)}"

    @display(description="ms", ordering="ms", empty_value="-")
    def shown_ms(self, call: ModelCall) -> str | None:
        """Until the answer was there."""
        return None if call.ms is None else whole(round(call.ms))

    @display(description="request")
    def shown_request(self, call: ModelCall) -> SafeString:
        """The messages as the model reads them, then the rest."""
        request = call.request if isinstance(call.request, dict) else {"request": call.request}
        messages = request.get("messages")
        parts = [
            format_html('<p class="document-title">{}</p>{}', part.get("role", ""), document(str(part.get("content"))))
            for part in (messages if isinstance(messages, list) else [])
            if isinstance(part, dict)
        ]
        rest = pretty({name: value for name, value in request.items() if name != "messages" or not parts})
        return SafeString("".join([*parts, format_html('<p class="document-title">{}</p>{}', "settings", rest)]))

    @display(description="answer")
    def shown_answer(self, call: ModelCall) -> SafeString:
        """Indented, where it is JSON."""
        return pretty_text(call.answer) if call.answer else document("none")
