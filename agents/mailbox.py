"""Reads of what was said to agents and by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from agents import converse
from agents.converse import READ_AT_ONCE
from agents.models.messages import MAX_TEXT
from domains import sql

LONGEST = MAX_TEXT
"""Characters of one message."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message as an agent's page tells it. `at` is aware UTC."""

    number: int
    text: str
    at: datetime
    status: str
    turn: int
    conversation: UUID
    reply_to: int | None
    sender: str
    """`user:<name>`, `agent:<name>`, …; `to` likewise."""
    sender_id: UUID | None
    """The agent who said it; None: a person or the system did."""
    to: str
    recipient_id: UUID | None
    impersonated_by: str
    """The operator who spoke as the sender; else empty."""

    @property
    def who(self) -> str:
        """The sender's name."""
        return _name(self.sender)

    @property
    def whom(self) -> str:
        """The name of whom it is for."""
        return _name(self.to)

    @property
    def answerable(self) -> bool:
        """Whether an answer is expected: agents stop talking to each other after some turns."""
        return converse.answerable(self.sender, self.turn, by_agent=self.sender_id is not None)


_SAID = """
m.number, m.text, m.inserted_at, m.status, m.turn, m.conversation, m.reply_to_id, m.sender, m.sender_agent_id, m.to,
m.recipient_id, m.impersonated_by
"""

# Each half by its own index, so that it costs what is shown. Nobody writes to himself: no row is in both.
CONVERSATION = f"""
SELECT {_SAID} FROM (
    (SELECT * FROM agent_messages WHERE recipient_id = %(agent)s AND number < %(before)s
     ORDER BY number DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT * FROM agent_messages WHERE sender_agent_id = %(agent)s AND number < %(before)s
     ORDER BY number DESC LIMIT %(limit)s)
) m ORDER BY m.number DESC LIMIT %(limit)s
"""
_LAST = 2**63 - 1

# As the agent will read them (`agents.engine.mail.READ`).
WAITING = f"""
SELECT {_SAID} FROM agent_messages m LEFT JOIN pac_agents s ON s.id = m.sender_agent_id
WHERE m.recipient_id = %s AND m.status = 'waiting'
ORDER BY m.arrived_tick, s.ordinal NULLS FIRST, m.number LIMIT %s
"""


def conversation(agent_id: UUID, limit: int, before: int | None = None) -> list[Said]:
    """The latest messages to an agent and by it, oldest first; of those below a number, when it is given. One query."""
    found = {"agent": agent_id, "limit": limit, "before": _LAST if before is None else before}
    return [Said(*row) for row in reversed(sql.fetch_rows(CONVERSATION, found))]


def waiting(agent_id: UUID, limit: int = 100) -> list[Said]:
    """What an agent has not read yet, in the order in which it will. One query."""
    return [Said(*row) for row in sql.fetch_rows(WAITING, [agent_id, limit])]


def to_answer(agent_id: UUID) -> Said | None:
    """The message that its next tick answers first, if that answers any. One query."""
    return next((said for said in waiting(agent_id, READ_AT_ONCE) if said.answerable), None)


def _name(actor: str) -> str:
    return actor.partition(":")[2] or actor
