"""Applying answers: agents whose model has answered tick, under the same locks and by the same engine as all others."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.db import transaction

from agents import events
from agents.engine import chunk, rows, turn
from agents.engine.chunk import Visit
from agents.engine.faults import AWAY
from agents.facts import AgentState
from agents.minds import budget, thoughts
from agents.minds.asking import Prepared, Ready
from agents.minds.budget import Spent
from domains import sql
from domains.thunderflow.actions import NewEvent, publish
from zones.actions import clock
from zones.events import zone_topic
from zones.state import ZoneState

logger = logging.getLogger(__name__)

MOST_PATIENT = 20
"""Rounds in which a zone is found locked, until it is waited for."""
TOLD_ANSWER = 16_000
"""Characters of an answer that its event carries."""

# Those who are active and still ours, with the lease held until the end. With the setting, the commit of this
# transaction waits for the disk, whatever the connection is set to.
MINE = """
SELECT a.id, a.zone_id, set_config('synchronous_commit', 'on', true)
FROM pac_agents a JOIN mind_thoughts t ON t.agent_id = a.id AND t.holder = %s
WHERE a.id = ANY(%s) AND a.lifecycle = 'active' FOR UPDATE OF t
"""

ThinkOn = Callable[[Sequence[Visit]], Prepared]
"""Takes up those who are due again at once, within the transaction in which they acted."""
Note = Callable[[], list[Spent]]
"""Writes down what goes with the answers, within the same transaction. Returns what is to be counted."""


@dataclass(slots=True)
class Applied:
    """What came of applying answers."""

    left: list[Ready]
    """Those whose zones were locked."""
    prepared: Prepared = field(default_factory=Prepared)
    """What is to be asked next for those who were due again at once."""


def apply(batch: Sequence[Ready], holder: UUID, note: Note, think_on: ThinkOn, *, wait: bool = False) -> Applied:
    """Let agents act on their answers, those in zones that are free now; with that, `note` what led to them.

    One that somebody else has taken over meanwhile is dropped, and so is one whose agent is no longer active.
    """
    try:
        return _together(batch, holder, note, think_on, wait=wait)
    except AWAY:
        raise
    except Exception as error:
        logger.warning("%d answers are applied one by one, for %r", len(batch), error)
    with transaction.atomic():
        budget.count(note())
    for single in batch:
        _alone(single, holder)
    return Applied([])


def _together(batch: Sequence[Ready], holder: UUID, note: Note, think_on: ThinkOn, *, wait: bool) -> Applied:
    with transaction.atomic():
        where = _mine([one.agent_id for one in batch], holder)
        free = _lock(sorted(set(where.values())), wait=wait)
        visits = _tick([one for one in batch if where.get(one.agent_id) in free], where, free)
        chunk.moved(visits)
        again = [replace(v, agents=[a for a in v.agents if a.due_tick <= v.zone.tick]) for v in visits]
        prepared = think_on([visit for visit in again if visit.agents])
        left = [one for one in batch if one.agent_id in where and where[one.agent_id] not in free]
        going_on = {*prepared.kept, *(one.agent_id for one in left)}
        thoughts.finish(holder, [one.agent_id for one in batch if one.agent_id not in going_on])
        budget.count([*note(), *prepared.set_aside])
    return Applied(left, prepared)


def _mine(agent_ids: Sequence[UUID], holder: UUID) -> dict[UUID, UUID]:
    """The zones of those who are active and still ours. What this transaction does is for good from here on."""
    return {row[0]: row[1] for row in sql.fetch_rows(MINE, [holder, list(agent_ids)])}


def _lock(zone_ids: Sequence[UUID], *, wait: bool) -> dict[UUID, ZoneState]:
    """Those zones that are free; or, to wait for it, the first one."""
    if not zone_ids:
        return {}
    zones = [clock.lock(zone_ids[0])] if wait else clock.lock_free(zone_ids)
    return {zone.id: zone for zone in zones if zone is not None}


def _tick(ready: Sequence[Ready], where: Mapping[UUID, UUID], zones: Mapping[UUID, ZoneState]) -> list[Visit]:
    answers = {one.agent_id: one for one in ready}
    present = rows.read_many([(agent_id, where[agent_id]) for agent_id in answers])
    visits, causes = [], []
    for zone_id, agents in present.items():
        for agent in agents:
            agent.answer = answers[agent.id].answer
            causes.append(_cause(zones[zone_id], agent, answers[agent.id]))
        visits.append(Visit(zones[zone_id], agents, finish=False))
    if visits:
        turn.run(visits, before=causes)
    return visits


def _cause(zone: ZoneState, agent: AgentState, ready: Ready) -> NewEvent:
    answer = ready.answer
    payload = events.ModelAnswered(
        agent_id=agent.id, name=agent.name, world_tick=zone.tick, asked_tick=answer.asked_tick,
        answer=answer.text[:TOLD_ANSWER], error=answer.error, call_id=ready.call_id, heard=sorted(answer.heard),
    )  # fmt: skip
    return NewEvent(zone.stream, zone_topic(zone.id, "model_answered"), payload, actor=f"agent:{agent.name}")


def _alone(ready: Ready, holder: UUID) -> None:
    """Apply one answer by itself. When even that fails, its agent's tick is put off by its interval."""
    try:
        _together([ready], holder, list, lambda visits: Prepared(), wait=True)
        return
    except AWAY:
        raise
    except Exception as error:
        logger.exception("the tick of agent %s failed and is put off", ready.agent_id)
        reason = f"{type(error).__name__}: {error}"[:500]
    with transaction.atomic():
        where = _mine([ready.agent_id], holder)
        thoughts.finish(holder, [ready.agent_id])
        zone = clock.lock(where[ready.agent_id]) if where else None
        if zone is None:
            return
        for agent in rows.read_many([(ready.agent_id, zone.id)])[zone.id]:
            rows.put_off(agent.id, zone.tick + agent.tick_interval)
            payload = events.TickFailed(agent_id=agent.id, name=agent.name, world_tick=zone.tick, error=reason)
            publish(NewEvent(zone.stream, zone_topic(zone.id, "tick_failed"), payload))


class Queue:
    """Answers that wait for their zones, with how long they have."""

    def __init__(self) -> None:
        self.ready: list[Ready] = []
        self._rounds: dict[UUID, int] = defaultdict(int)

    def add(self, ready: Sequence[Ready]) -> None:
        """Answers that have come."""
        self.ready += ready

    def work(self, fresh: Sequence[Ready], holder: UUID, note: Note, think_on: ThinkOn, *, most: int) -> Prepared:
        """Apply up to `most`, those that wait longest first. A zone that is always locked is waited for in the end.

        `fresh` are answers that have just come; they are here once `note` is committed.
        """
        everything = [*self.ready, *fresh]
        if not everything:
            return Prepared()
        batch, rest = everything[:most], everything[most:]
        wait = self._rounds[batch[0].agent_id] >= MOST_PATIENT
        applied = apply(batch[:1] if wait else batch, holder, note, think_on, wait=wait)
        if wait:
            rest = batch[1:] + rest
        for one in applied.left:
            self._rounds[one.agent_id] += 1
        self.ready = [*applied.left, *rest, *applied.prepared.ready]
        self._rounds = defaultdict(int, {one.agent_id: self._rounds[one.agent_id] for one in self.ready})
        return applied.prepared
