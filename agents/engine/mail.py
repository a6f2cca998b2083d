"""The inbox as ticks see it: messages are read and answered by a chunk at once, and carried by the barrier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from agents import converse, events
from agents.engine.rows import Conflict
from agents.facts import AgentState, Decision, Facts, Heard, Saying
from domains import sql
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent
from memory import queries as memory
from zones.actions import clock
from zones.events import zone_stream

LIKE_ENOUGH = 0.3
"""Least similarity of a memory that an answer speaks of."""

# A few more than are read at once: an answer is for those that were in its question.
READ = """
SELECT u.id, m.number, m.sender, m.text, m.turn, m.conversation, m.ordinal, m.sender_agent_id
FROM unnest(%s::uuid[]) AS u (id), LATERAL (
    SELECT w.*, s.ordinal FROM agent_messages w LEFT JOIN pac_agents s ON s.id = w.sender_agent_id
    WHERE w.recipient_id = u.id AND w.status = 'waiting'
    ORDER BY w.arrived_tick, s.ordinal NULLS FIRST, w.number LIMIT 16
) m
"""

DONE = """
UPDATE agent_messages m SET status = u.status, done_tick = u.tick
FROM unnest(%s::int8[], %s::text[], %s::int8[]) AS u (number, status, tick)
WHERE m.number = u.number AND m.status = 'waiting'
"""

# Who is spoken to is known by id (answers) or by ordinal (first words). To a person it is read as it is written.
SAY = """
INSERT INTO agent_messages (world_id, conversation, turn, sender, sender_agent_id, recipient_id, "to", text,
                            reply_to_id, impersonated_by, status, sent_tick, inserted_at)
SELECT u.world_id, u.conversation, u.turn, u.sender, u.sender_agent_id, coalesce(u.recipient_id, r.id),
       coalesce(u.to, 'agent:' || r.name), u.text, u.reply_to, u.impersonated_by,
       CASE WHEN coalesce(u.recipient_id, r.id) IS NULL THEN 'read' ELSE 'sent' END, u.sent_tick, %s
FROM unnest(%s::uuid[], %s::uuid[], %s::int2[], %s::text[], %s::uuid[], %s::uuid[], %s::int4[], %s::text[],
            %s::text[], %s::int8[], %s::text[], %s::int8[])
     WITH ORDINALITY AS u (world_id, conversation, turn, sender, sender_agent_id, recipient_id, ordinal, "to", text,
                           reply_to, impersonated_by, sent_tick, place)
LEFT JOIN pac_agents r ON r.world_id = u.world_id AND r.ordinal = u.ordinal
WHERE u.to IS NOT NULL OR r.id IS NOT NULL
ORDER BY u.place RETURNING number, reply_to_id
"""

# With a row of nulls when something waits to be put on the blackboard: what is seldom there costs no query of its own.
ON_THE_WAY = """
SELECT m.number, a.zone_id FROM agent_messages m JOIN pac_agents a ON a.id = m.recipient_id
WHERE m.world_id = %(world)s AND m.status = 'sent' AND m.sent_tick <= %(tick)s
UNION ALL SELECT NULL, NULL WHERE EXISTS (
    SELECT FROM agent_board_writes WHERE world_id = %(world)s AND tick <= %(tick)s)
"""

READERS = """
SELECT DISTINCT a.zone_id FROM agent_messages m JOIN pac_agents a ON a.id = m.recipient_id WHERE m.number = ANY(%s)
"""

ARRIVE = """
WITH arrived AS (
    UPDATE agent_messages SET status = 'waiting', arrived_tick = %(tick)s
    WHERE number = ANY(%(numbers)s) AND status = 'sent' RETURNING *
), counted AS (
    UPDATE pac_agents a SET mail = a.mail + n.count, due_tick = least(a.due_tick, %(tick)s)
    FROM (SELECT recipient_id, count(*)::int AS count FROM arrived GROUP BY 1) n
    WHERE a.id = n.recipient_id RETURNING a.id, a.ordinal, a.name, a.zone_id, a.lifecycle
), woken AS (
    UPDATE pac_zones z SET due_tick = least(z.due_tick, %(tick)s)
    FROM (SELECT DISTINCT zone_id FROM counted WHERE lifecycle = 'active') c WHERE z.id = c.zone_id
)
SELECT m.number, c.id, c.name, c.zone_id, m.sender, m.text, m.turn, m.conversation, m.impersonated_by
FROM arrived m JOIN counted c ON c.id = m.recipient_id ORDER BY c.ordinal, m.sender, m.number
"""


def read(facts: Sequence[Facts]) -> None:
    """Let those who have mail hear it: up to four messages each, the oldest first. At most two queries."""
    having = {f.me.id: f for f in facts if f.me.mail}
    if not having:
        return
    inbox: dict[UUID, list[Heard]] = defaultdict(list)
    for agent_id, number, actor, text, turn, conversation, ordinal, sender_id in sql.fetch_rows(READ, [list(having)]):
        answerable = converse.answerable(actor, turn, by_agent=ordinal is not None)
        name = actor.partition(":")[2] or actor
        heard = Heard(number, name, text, turn, conversation, ordinal, sender_id, actor, answerable)
        inbox[agent_id].append(heard)
    for agent_id, messages in inbox.items():
        facts_of = having[agent_id]
        facts_of.messages = _those_asked(facts_of.me, messages)
    _recall([f for f in having.values() if f.messages])


def _those_asked(agent: AgentState, messages: Sequence[Heard]) -> tuple[Heard, ...]:
    """All at first; those that its model was asked about, or that an operator answers, when that is what it acts on."""
    asked = messages
    if agent.answer is not None:
        asked = [m for m in messages if m.number in agent.answer.heard]
    if agent.decided is not None:
        asked = [m for m in messages if m.number in agent.decided.replies]
    return tuple(asked[: converse.READ_AT_ONCE])


def _recall(facts: Sequence[Facts]) -> None:
    """Look up what people's words remind the agents of. Among themselves they go by what is fresh in mind."""
    asked = [(f, heard) for f in facts for heard in f.messages if heard.by_person]
    if not asked:
        return
    found = memory.nearest_many([(f.me.id, heard.text) for f, heard in asked], limit=1)
    recalled = {
        heard.number: best[0]
        for (_, heard), best in zip(asked, found, strict=True)
        if best and best[0].score >= LIKE_ENOUGH
    }
    for f in facts:
        f.messages = tuple(
            heard._replace(recalled=best.content, recalled_id=best.id)
            if (best := recalled.get(heard.number))
            else heard
            for heard in f.messages
        )


class Outgoing:
    """Words that leave with one chunk: answers to what was heard, and first words to others."""

    def __init__(self) -> None:
        self.done: list[tuple[int, str, int]] = []
        self.said: list[tuple[Any, ...]] = []

    def answer(self, facts: Facts, decision: Decision) -> None:
        """What an agent heard at this tick is done with, by an answer or by having been read."""
        for heard in facts.messages:
            words = decision.replies.get(heard.number)
            self.done.append((heard.number, "answered" if words else "read", facts.tick))
            if words:
                self._say(
                    facts, heard.conversation, heard.turn + 1, heard.sender_agent, None, heard.actor, words,
                    heard.number, decision.by,
                )  # fmt: skip

    def open(self, facts: Facts, sayings: Iterable[Saying], impersonated_by: str) -> None:
        """First words to somebody: a conversation of their own."""
        for saying in sayings:
            text = converse.storable(saying.text).strip()[: converse.MAX_REPLY]
            if text and saying.to != facts.me.ordinal:
                self._say(facts, new_id(), 0, None, saying.to, None, text, None, impersonated_by)

    def _say(self, facts: Facts, conversation: UUID, turn: int, *rest: Any) -> None:
        recipient, ordinal, to, text, reply_to, impersonated_by = rest
        me = facts.me
        self.said.append(
            (facts.zone.world_id, conversation, turn, f"agent:{me.name}", me.id, recipient, ordinal, to, text,
             reply_to, impersonated_by, facts.tick)
        )  # fmt: skip

    def carry(
        self, *, world_id: UUID, tick: int, sender: tuple[UUID, str], to: tuple[UUID, str], text: str,
        impersonated_by: str,
    ) -> None:  # fmt: skip
        """First words that a person makes an agent say between two ticks. `sender` and `to` are ids and names."""
        (sender_id, name), (recipient_id, other) = sender, to
        self.said.append(
            (world_id, new_id(), 0, f"agent:{name}", sender_id, recipient_id, None, f"agent:{other}", text,
             None, impersonated_by, tick)
        )  # fmt: skip

    def write(self, now: datetime) -> dict[int, int]:
        """Write all of it. Returns the numbers of the answers by those of the messages. Raises: Conflict."""
        if self.done and sql.execute(DONE, [list(column) for column in zip(*self.done, strict=True)]) != len(self.done):
            raise Conflict("a message had been answered already")
        if not self.said:
            return {}
        rows = sql.fetch_rows(SAY, [now, *(list(column) for column in zip(*self.said, strict=True))])
        return {reply_to: number for number, reply_to in rows if reply_to is not None}


def processed(facts: Facts, decision: Decision, answers: Mapping[int, int]) -> Iterator[NewEvent]:
    """The events of what an agent heard at a tick."""
    for heard in facts.messages:
        payload = events.MessageProcessed(
            agent_id=facts.me.id,
            name=facts.me.name,
            number=heard.number,
            sender=heard.actor,
            reply=decision.replies.get(heard.number),
            reply_number=answers.get(heard.number),
            conversation=heard.conversation,
            world_tick=facts.tick,
        )
        yield NewEvent(facts.zone.stream, f"agent.{facts.me.id}.message_processed", payload)


def received(
    zone_id: UUID, agent_id: UUID, name: str, *, number: int, sender: str, text: str, turn: int, conversation: UUID,
    impersonated_by: str, world_tick: int, actor: str | None = None,
) -> NewEvent:  # fmt: skip
    """The event of a message that came into an inbox."""
    payload = events.MessageReceived(
        agent_id=agent_id, name=name, number=number, sender=sender, text=text, turn=turn, conversation=conversation,
        impersonated_by=impersonated_by, world_tick=world_tick,
    )  # fmt: skip
    return NewEvent(zone_stream(zone_id), f"agent.{agent_id}.message_received", payload, actor=actor)


# --- Between two ticks ---------------------------------------------------------------------------------------


def on_the_way(turn: clock.Turn) -> tuple[dict[int, UUID], bool]:
    """Messages between agents that leave with this tick, each with the zone of whom it is for.

    And whether agents have put something on the blackboard.
    """
    found = dict(sql.fetch_rows(ON_THE_WAY, {"world": turn.world_id, "tick": turn.tick}))
    return {number: zone_id for number, zone_id in found.items() if number is not None}, None in found


def zones_of(numbers: Sequence[int]) -> set[UUID]:
    """Where those are for whom these messages are."""
    return {zone_id for (zone_id,) in sql.fetch_rows(READERS, [list(numbers)])}


def arrive(turn: clock.Turn, numbers: Sequence[int]) -> list[NewEvent]:
    """Put messages into the inboxes, as of the next tick, and make their readers due. Needs the zones' locks."""
    found = sql.fetch_rows(ARRIVE, {"tick": turn.tick + 1, "numbers": list(numbers)})
    return [
        received(
            zone_id, agent_id, name, number=number, sender=sender, text=text, turn=place, conversation=conversation,
            impersonated_by=impersonated_by, world_tick=turn.tick + 1, actor=sender,
        )
        for number, agent_id, name, zone_id, sender, text, place, conversation, impersonated_by in found
    ]  # fmt: skip
