"""One call of a tool: validated, authorised, limited, run, audited, timed and counted; whatever door it came by.

What is refused is told in a sentence that helps and has changed nothing. Runs in a thread; touches no event loop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
from django.db import transaction

from agents.errors import AgentError
from domains import tools
from domains.thunderblock import guards
from domains.thunderflow.actions import NewEvent, publish, publish_many
from domains.thunderflow.context import acting
from domains.thunderflow.faults import AWAY, storable
from domains.thundergate import limits, repeats
from domains.thundergate.errors import GateError
from domains.thundergate.repeats import Answer
from domains.tools import Caller, Tool, ToolError
from mcp_server import events, metrics, switches
from mcp_server.access import Who
from mcp_server.outside.client import KEY
from memory.errors import VaultError
from zones.errors import ZoneError

logger = logging.getLogger(__name__)
DOMAIN = "thundermcp"
DONE, FAILED, UNKNOWN, REPEATED, CANCELLED = "done", "failed", "unknown", "repeated", "cancelled"
REFUSALS = (ToolError, AgentError, ZoneError, VaultError, GateError, guards.DomainInactive)
"""What tools and doors refuse with; each has a `code`."""
ABOUT = ("agent", "agent_id", "zone", "world", "name", "event", "action")
"""Arguments that name what a call is about; these are audited, and no others."""
Progress = Callable[[float, float | None, str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call. `code` is `done`, or why not; `data` is the tool's output as plain JSON."""

    code: str
    text: str
    data: dict[str, Any] | None = None
    repeated: bool = False
    """It came of an earlier call under the same key, and nothing was done now."""

    @property
    def done(self) -> bool:
        """Whether it was done."""
        return self.code == DONE


def offered(who: Who) -> list[Tool]:
    """The tools that somebody may call, by name: their scopes cover them, and they are on for them."""
    covered = [tool for tool in tools.all_for_people() if tool.capability in who.scopes]
    on = switches.allowed([tool.name for tool in covered], who.user)
    return [tool for tool in covered if tool.name in on]


def run(who: Who, name: str, arguments: Mapping[str, Any], progress: Progress, key: object = None) -> Outcome:
    """Call a tool; with a `key`, once only. Never raises: what goes wrong is an outcome."""
    started = time.perf_counter()
    tool = tools.get_for_people(name)
    with acting(actor=who.actor, origin=who.origin(name)):
        try:
            found = _run(who, name, tool, dict(arguments), progress, key, started)
        except REFUSALS as error:
            found = Outcome(error.code, str(error))
        except AWAY:
            logger.warning("the call of %s was undone: the database is away", name)
            found = Outcome(
                "unavailable", "the database is away or undid it: nothing was changed. Try again in a moment"
            )
        except Exception:
            logger.exception("the tool %s failed", name)
            found = Outcome(FAILED, f"{name} failed by a mistake of ours; it is logged. Try something else")
        if not found.done or found.repeated:
            _audit(who, name, arguments, REPEATED if found.repeated else found.code, started)
    _count(tool, found.code, started)
    return found


def _run(
    who: Who, name: str, tool: Tool | None, arguments: dict[str, Any], progress: Progress, key: object, started: float
) -> Outcome:
    """Raises: what is in `REFUSALS` and `AWAY`, and whatever a broken tool raises."""
    tool = _checked(who, name, tool)
    parsed = tool.parse(arguments)
    caller = Caller(
        actor=who.actor,
        capabilities=who.scopes,
        user=who.user,
        token_agent=who.agent_id,
        identity=who.known,
        progress=progress,
    )
    waits = tool.conduct is not None and tool.conduct.waits

    def act() -> Outcome:
        if waits:
            result = tool.handler(parsed, caller)
            publish_now(_told(who, name, arguments, DONE, started))
        else:
            with transaction.atomic():
                result = tool.handler(parsed, caller)
                publish_many([*caller.events, _told(who, name, arguments, DONE, started)])
        return Outcome(DONE, result.model_dump_json(), result.model_dump(mode="json"))

    if key is None or (tool.conduct is not None and tool.conduct.read_only):
        return act()
    return _once(who, _key(key), name, arguments, act, waits=waits)


def _key(key: object) -> str:
    """Raises: ToolError."""
    if not isinstance(key, str) or not repeats.is_key(key):
        raise ToolError("invalid_arguments", f"{KEY}: a string of 1 to 255 printable ASCII characters without blanks")
    return key


def _once(
    who: Who, key: str, name: str, arguments: Mapping[str, Any], act: Callable[[], Outcome], *, waits: bool
) -> Outcome:
    """What speaks for one agent is not told what its owner did. Raises: what `act` does, and GateError."""
    asked = repeats.fingerprint(name, who.agent_id, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS))
    if not waits:
        return repeats.once(who.user.pk, key, asked, act, keep=_kept, again=_again)  # type: ignore[attr-defined]
    return repeats.once_begun(who.user.pk, key, asked, partial(_ended, act), keep=_kept, again=_again)  # type: ignore[attr-defined]


def _ended(act: Callable[[], Outcome]) -> Outcome:
    """What it refused is what came of it, as it may have done something before. Raises: ToolError for who went away."""
    try:
        return act()
    except REFUSALS as error:
        if error.code == CANCELLED:
            raise
        return Outcome(error.code, str(error))


def _kept(outcome: Outcome) -> Answer:
    return Answer(body=outcome.text, headers={"code": outcome.code})


def _again(answer: Answer) -> Outcome:
    outcome = Outcome(answer.headers["code"], answer.body, repeated=True)
    return replace(outcome, data=orjson.loads(answer.body)) if outcome.done else outcome


def _checked(who: Who, name: str, tool: Tool | None) -> Tool:
    """The tool, if it may be called now. Raises: ToolError, DomainInactive."""
    guards.require(DOMAIN)
    if tool is None or not switches.allowed([name], who.user):
        known = ", ".join(each.name for each in offered(who))
        raise ToolError("unknown_tool", f"there is no tool {storable(name)[:100]!r} for you; there are {known}")
    if tool.capability not in who.scopes:
        raise ToolError("insufficient_scope", f"{name} needs the scope {tool.capability}; ask for a key that has it")
    check_rate(who, "heavy" if tool.conduct and tool.conduct.heavy else "default")
    return tool


def check_rate(who: Who, kind: str = "default") -> None:
    """Count one request of somebody, together with those by other doors. Raises: ToolError."""
    verdict = limits.take(limits.of(who.known), kind)
    if not verdict.allowed:
        raise ToolError("rate_limited", verdict.sentence)


def _told(who: Who, name: str, arguments: Mapping[str, Any], outcome: str, started: float) -> NewEvent:
    about = {key: storable(str(arguments[key]))[:100] for key in ABOUT if isinstance(arguments.get(key), str)}
    payload = events.ToolCalled(
        tool=storable(name)[:100], outcome=outcome, ms=round((time.perf_counter() - started) * 1000, 2),
        user_id=who.user.pk, agent_id=who.agent_id, door=who.door, address=who.address, about=about,  # type: ignore[attr-defined]
    )  # fmt: skip
    return NewEvent(events.STREAM, payload.topic, payload, actor=who.actor)


def publish_now(event: NewEvent) -> None:
    """In a transaction of its own."""
    with transaction.atomic():
        publish(event)


def _audit(who: Who, name: str, arguments: Mapping[str, Any], code: str, started: float) -> None:
    """Best effort: nothing was changed, and whoever asked is told in any case."""
    try:
        publish_now(_told(who, name, arguments, code, started))
    except AWAY:
        logger.warning("that %s was asked for could not be audited: the database is away", storable(name)[:100])


def _count(tool: Tool | None, outcome: str, started: float) -> None:
    label = tool.name if tool else UNKNOWN
    metrics.calls.labels(label, outcome).inc()
    metrics.call_seconds.labels(label).observe(time.perf_counter() - started)
