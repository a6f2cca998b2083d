"""Correlation, cause and actor go with a Celery message, so that what a task does belongs to what sent it.

Headers of the message carry them; the task runs within them. A task that acts as somebody itself (`acting(actor=…)`)
keeps cause and correlation all the same. What is sent outside of any context carries nothing, and each such task gets
a correlation of its own as soon as it acts.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import orjson
from celery.signals import before_task_publish, task_postrun, task_prerun

from domains.origin import Origin
from domains.thunderflow import context

_PREFIX = "thunderline_"
_entered: dict[str, AbstractContextManager[context.Context]] = {}
"""Contexts of the tasks that run in this process, by task id."""


def connect() -> None:
    """Carry contexts from now on. Safe to call again."""
    before_task_publish.connect(_pack, dispatch_uid="thunderflow.pack")
    task_prerun.connect(_enter, dispatch_uid="thunderflow.enter")
    task_postrun.connect(_leave, dispatch_uid="thunderflow.leave")


def pack(here: context.Context) -> dict[str, str]:
    """Headers that carry a context; none for that of nobody."""
    if here.correlation_id is None:
        return {}
    carried = {"correlation_id": here.correlation_id, "causation_id": here.causation_id, "actor": here.actor}
    found = {_PREFIX + name: str(value) for name, value in carried.items() if value is not None}
    if here.origin is not None:
        found[_PREFIX + "origin"] = orjson.dumps(here.origin.plain()).decode()
    return found


def unpack(headers: Any) -> dict[str, Any] | None:
    """Arguments of `context.acting`, or None when nothing was carried. What is no UUID is left out."""
    found = {name: headers.get(_PREFIX + name) for name in ("correlation_id", "causation_id", "actor", "origin")}
    correlation_id = _uuid(found["correlation_id"])
    if correlation_id is None:
        return None
    actor = found["actor"] if isinstance(found["actor"], str) else None
    carried = {"correlation_id": correlation_id, "causation_id": _uuid(found["causation_id"]), "actor": actor}
    return carried | {"origin": _origin(found["origin"])}


def _pack(headers: Any = None, **_: Any) -> None:
    if isinstance(headers, dict):
        for name, value in pack(context.current()).items():
            headers.setdefault(name, value)


def _enter(task_id: str, task: Any, **_: Any) -> None:
    # The headers of the message lie beside the request's own fields; a task called in place (`apply`) has none.
    carried = unpack(vars(task.request)) or unpack(task.request.headers or {})
    if carried is not None:
        block = context.acting(**carried)
        block.__enter__()
        _entered[task_id] = block


def _leave(task_id: str, **_: Any) -> None:
    if (block := _entered.pop(task_id, None)) is not None:
        block.__exit__(None, None, None)


def _origin(text: object) -> Origin | None:
    try:
        return Origin.of(orjson.loads(text)) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        return None


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
