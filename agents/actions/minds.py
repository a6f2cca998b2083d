"""Changes of how models are asked: the words, the switch that stops all calls, an endpoint that rests.

Each is told in the stream `system`, and reasoner processes are woken once it is committed: they read all of it anew.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from agents import events
from agents.converse import storable
from agents.errors import Invalid, NotFound
from agents.minds import hints, prompts
from agents.minds.endpoints import breaker_name
from agents.models import Endpoint, PromptTemplate, Switch
from domains import sql
from domains.thunderflow import breakers
from domains.thunderflow.actions import NewEvent, publish

MAX_NOTE = 200
"""Characters of a note or a reason."""
_MAX_BY = 150

# Versions count up by one, and one of them is in use: who writes them does so one after the other. Reads go on.
ONE_BY_ONE = "LOCK TABLE mind_prompt_templates IN SHARE ROW EXCLUSIVE MODE"


def write_prompt(system: str, user: str, *, by: str, note: str = "") -> PromptTemplate:
    """Add a version of the words that models are asked with, and use it from now on. Returns it.

    Raises: Invalid when a template cannot be read, or does not come out for an agent that has some of everything.
    """
    system, user, note = (_lines(text) for text in (system, user, note))
    if len(note) > MAX_NOTE:
        raise Invalid(f"note: {len(note)} characters are too many; {MAX_NOTE} is the most")
    try:
        prompts.check(system, user)
    except prompts.BadTemplate as error:
        raise Invalid(str(error)) from error
    with transaction.atomic():
        sql.execute(ONE_BY_ONE)
        version = (PromptTemplate.objects.aggregate(latest=Max("version"))["latest"] or 0) + 1
        PromptTemplate.objects.filter(active=True).update(active=False, updated_at=timezone.now())
        written = PromptTemplate.objects.create(
            version=version, system=system, user=user, active=True, author=by[:_MAX_BY], note=note
        )
        tell_change("prompt_written", f"version {version}{': ' if note else ''}{note}", by=by)
    return written


def use_prompt(version: int, *, by: str) -> None:
    """Use a version of the words from now on; 0 is the shipped one. Raises: NotFound."""
    with transaction.atomic():
        sql.execute(ONE_BY_ONE)
        PromptTemplate.objects.filter(active=True).update(active=False, updated_at=timezone.now())
        chosen = PromptTemplate.objects.filter(version=version)
        if version and not chosen.update(active=True, updated_at=timezone.now()):
            raise NotFound(f"there is no version {version} of the words for models")
        tell_change("prompt_used", f"version {version}", by=by)


def stop_calls(*, by: str, reason: str) -> None:
    """Let no model be called until it is allowed again; calls under way end at once. Raises: Invalid."""
    why = _lines(reason)
    if not why:
        raise Invalid("reason: say why the calls are stopped")
    if len(why) > MAX_NOTE:
        raise Invalid(f"reason: {len(why)} characters are too many; {MAX_NOTE} is the most")
    _switch(allowed=False, by=by, reason=why)


def allow_calls(*, by: str) -> None:
    """Let models be called again."""
    _switch(allowed=True, by=by, reason="")


def _switch(*, allowed: bool, by: str, reason: str) -> None:
    with transaction.atomic():
        values = {"calls_allowed": allowed, "by": by[:_MAX_BY], "reason": reason}
        Switch.objects.update_or_create(pk=1, defaults=values)
        tell_change("calls_allowed" if allowed else "calls_stopped", reason, by=by)


def reset_breaker(endpoint_id: UUID, *, by: str) -> None:
    """Forget an endpoint's failures, so that it is asked again at once. Raises: NotFound."""
    with transaction.atomic():
        endpoint = Endpoint.objects.filter(pk=endpoint_id).select_for_update(no_key=True).only("name").first()
        if endpoint is None:
            raise NotFound(f"there is no endpoint {endpoint_id}")
        # Not `updated_at`: nobody has edited it.
        Endpoint.objects.filter(pk=endpoint_id).update(rests_until=None)
        breakers.reset(breaker_name(endpoint.name), by=by)
        tell_change("breaker_reset", endpoint.name, by=by)


def tell_change(what: str, detail: str, *, by: str) -> None:
    """Tell of a change that is made in the same transaction, and wake the reasoners when it is committed."""
    payload = events.MindsChanged(what=what, detail=detail[:500])
    publish(NewEvent("system", "system.minds_changed", payload, actor=by))
    transaction.on_commit(hints.wake)


def _lines(text: str) -> str:
    """Text as it is kept: browsers end lines with two characters."""
    return storable(text.replace("\r\n", "\n")).strip()
