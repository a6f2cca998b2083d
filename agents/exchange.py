"""Speaking with an agent and waiting for its answer: for commands, and for whoever else has the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from agents import actions
from agents.models import Message

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was said, and what came back; `reply` is None when the agent read it and said nothing, or not yet."""

    message: Message
    reply: Message | None
    ms: float

    @property
    def read(self) -> bool:
        """Whether the agent has dealt with it."""
        return self.message.status in (Message.Status.ANSWERED, Message.Status.READ)


def ask(
    agent_id: UUID,
    text: str,
    *,
    by: str,
    now: bool = False,
    timeout_s: float = 60.0,
    conversation: UUID | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Exchange:
    """Send a message and wait for the answer, at most `timeout_s`. `now` makes the agent tick at once.

    `meanwhile` is called between two looks. Raises what `actions.send` and, with `now`, `actions.force_tick` raise.
    """
    started = time.perf_counter()
    message = actions.send(agent_id, text, by=by, conversation=conversation)
    if now:
        actions.force_tick(agent_id, by=by)
    while True:
        exchange = look(message.number, started)
        if exchange.read or time.perf_counter() - started > timeout_s:
            return exchange
        meanwhile()
        time.sleep(POLL_S)


def look(number: int, started: float) -> Exchange:
    """How far a message has come. One query."""
    message = Message.objects.select_related("reply").get(number=number)
    reply = getattr(message, "reply", None)
    return Exchange(message, reply, round((time.perf_counter() - started) * 1000, 1))
