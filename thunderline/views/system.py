"""The page of the system: what it runs on, who follows the log, what is open, how large it is, what it costs.

Each part is asked by itself, and one that does not answer is shown as that, so that the page is there when it is
needed. What a user's permissions do not open is left out and named.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from agents.minds import usage
from domains import queue
from domains.readonly import actor
from domains.thunderblock import database
from domains.thunderblock import queries as registry
from domains.thunderflow import breakers, faults
from domains.thunderflow.subscribers import actions as subscriptions
from domains.thunderflow.subscribers import queries as subscribers
from domains.thundergate.alerts import actions as alert_actions
from domains.thundergate.alerts import queries as alerts
from domains.thunderlink import heartbeat, nodes
from thunderline.embedded.places import Places
from thunderline.supervision import supervisor
from thunderline.views import live
from thunderline.views.permitted import permitted

VIEW = "thunderblock.view_activedomain"
TABLES_SHOWN = 12
TARGETS_SHOWN = 8
ALERTS_SHOWN = 20
PATIENCE_S = 0.5
"""How long the supervisor is waited for."""
_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="supervisor")


class Unreachable(Exception):
    """A part of the system does not answer; the message says which, and why if that is known."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the page. `sees` and `changes` are permissions; `ask` gives the context of its panel."""

    name: str
    title: str
    sees: str
    ask: Callable[[], dict[str, Any]]
    changes: str = ""


@permitted(VIEW)
def show(request: HttpRequest) -> HttpResponse:
    """All parts that the user may see."""
    seen = [part for part in PARTS if request.user.has_perm(part.sees)]
    panels = [live.Panel(part.name, _context(request, part)) for part in seen]
    closed = [part.title for part in PARTS if part not in seen]
    return live.respond(request, "system.html", panels, {"closed": closed})


def _context(request: HttpRequest, part: Part) -> dict[str, Any]:
    may = bool(part.changes) and request.user.has_perm(part.changes)
    try:
        return {"title": part.title, "may": may, **part.ask()}
    except (Unreachable, OSError, *faults.AWAY) as error:
        return {"title": part.title, "unreachable": f"{type(error).__name__}: {error}".splitlines()[0][:200]}


# --- Parts ---------------------------------------------------------------------------------------------------


def _alerts() -> dict[str, Any]:
    rows = list(alerts.firing()[: ALERTS_SHOWN + 1])
    shown = [(alert, alerts.sentence(alert)) for alert in rows[:ALERTS_SHOWN]]
    return {"alerts": shown, "more": len(rows) > ALERTS_SHOWN}


def _nodes() -> dict[str, Any]:
    return {"nodes": nodes.known()}


@dataclass(frozen=True, slots=True)
class Process:
    """A supervised process. `state` as the supervisor has it, in small letters; `since`: when that began."""

    name: str
    state: str
    pid: int
    since: datetime | None
    trouble: str


def _processes() -> dict[str, Any]:
    try:
        found = _pool.submit(supervisor.ask, Places.of(settings.VAR_DIR), "getAllProcessInfo").result(PATIENCE_S)
    except TooLate as error:
        raise Unreachable(f"no answer within {PATIENCE_S} s") from error
    except OSError:
        return {"processes": None}  # who runs the programs by other means has none
    return {"processes": [_process(each) for each in found]}


def _process(each: dict[str, Any]) -> Process:
    runs = each["statename"] == "RUNNING"
    began = each["start"] if runs else each["stop"] or each["start"]
    since = datetime.fromtimestamp(began, UTC) if began else None
    return Process(each["name"], each["statename"].lower(), each["pid"], since, "" if runs else each["spawnerr"])


def _queues() -> dict[str, Any]:
    heart, taken = heartbeat.current_tick(), registry.latest_acknowledged()
    context = {
        "behind": max(0, heart - taken) if taken is not None else None,
        "followers": subscribers.followers(), "reasoners": len(usage.reasoners()),
    }  # fmt: skip
    try:
        return {**context, "queues": queue.lengths([each.name for each in settings.CELERY_TASK_QUEUES])}
    except queue.RedisError as error:
        return {**context, "unreachable": f"Redis: {error}".splitlines()[0][:200]}


def _subscriptions() -> dict[str, Any]:
    return {"standings": subscribers.standings()}


def _breakers() -> dict[str, Any]:
    found = breakers.known()
    return {"breakers": [one for one in found if not one.sound], "sound": sum(one.sound for one in found)}


def _database() -> dict[str, Any]:
    tables = database.tables(TABLES_SHOWN)
    largest = max((table.bytes for table in tables), default=0)
    return {"database": database.now(), "tables": tables, "largest": largest or 1, "disk": registry.disk()}


def _costs() -> dict[str, Any]:
    return {"spent": usage.spent(days=1, scopes=("endpoint", "world"), limit=TARGETS_SHOWN)}


PARTS = (
    Part("system_alerts", "Alerts", "thundergate.view_alert", _alerts, changes="thundergate.change_alert"),
    Part("system_nodes", "Nodes", "thunderlink.view_node", _nodes),
    Part("system_queues", "Queues", VIEW, _queues),
    Part("system_processes", "Processes", VIEW, _processes),
    Part(
        "system_subscriptions", "Subscriptions", "thunderflow.view_subscription", _subscriptions,
        changes="thunderflow.change_subscription",
    ),
    Part("system_breakers", "Breakers", "thunderflow.view_breaker", _breakers, changes="thunderflow.change_breaker"),
    Part("system_database", "Database", VIEW, _database),
    Part("system_costs", "What models cost", "agents.view_spending", _costs),
)  # fmt: skip


# --- Buttons -------------------------------------------------------------------------------------------------


@require_POST
@permitted("thunderflow.change_subscription")
def pause(request: HttpRequest, name: str) -> HttpResponse:
    """Let a subscriber handle nothing until it is resumed."""
    undo = live.Undo(reverse("subscription-resume", args=[name]), "Resume")
    return _subscription(request, name, subscriptions.pause, f"{name} is paused. Nothing is lost, only later.", undo)


@require_POST
@permitted("thunderflow.change_subscription")
def resume(request: HttpRequest, name: str) -> HttpResponse:
    """Let it go on where it was."""
    return _subscription(request, name, subscriptions.resume, f"{name} goes on where it was.")


def _subscription(
    request: HttpRequest, name: str, act: Callable[..., None], done: str, undo: live.Undo | None = None
) -> HttpResponse:
    try:
        act(name, by=actor(request))
    except subscriptions.NoSuchSubscription as error:
        raise Http404 from error
    return live.notice(request, done, undo=undo)


@require_POST
@permitted("thunderflow.change_breaker")
def reset_breaker(request: HttpRequest) -> HttpResponse:
    """Close the breaker `name`: what it guards is tried again at once."""
    name = request.POST.get("name", "").replace("\0", "")
    if name not in {one.name for one in breakers.known()}:
        raise Http404
    breakers.reset(name, by=actor(request))
    return live.notice(request, f"{name} is closed: it is tried again at once.")


@require_POST
@permitted("thundergate.change_alert")
def acknowledge(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Say that somebody sees to an alert."""
    try:
        fresh = alert_actions.acknowledge([alert_id], by=actor(request), now=timezone.now())
    except alert_actions.AlertError as error:
        return live.notice(request, str(error), status=409, kind="bad")
    return live.notice(request, "You see to it." if fresh else "Somebody sees to it already.")
