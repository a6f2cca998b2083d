"""Facts with messages, made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from agents.facts import Facts, Heard
from tests.unit.agents.making import facts


def heard(text: str = "How are you?", **changes: Any) -> Heard:
    """A message from a person, but for the changes; `by=3` makes it one from an agent."""
    number = changes.get("number", 1)
    by = changes.get("by")
    fields: dict[str, Any] = {
        "number": number, "sender": "ada" if by is None else f"Agent {by}", "text": text, "turn": 1,
        "conversation": UUID(int=500 + number), "by": by,
        "sender_agent": None if by is None else UUID(int=100 + by),
        "actor": "user:ada" if by is None else f"agent:Agent {by}", "answerable": True,
    }  # fmt: skip
    return Heard(**fields | changes)


def told(of: Facts | None, *messages: Heard) -> Facts:
    """The facts with messages in the inbox."""
    return replace(of or facts(), messages=messages)
