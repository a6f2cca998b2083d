"""Between two ticks of a world: who was on the way arrives, climates mix, and the clock goes on. One transaction.

Only one worker at a time does this for a world, and only when none of its zones has anything left to do; so it may
lock zones freely (by id) and the order in which agents arrive (by ordinal) is the same in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction

from agents import events
from agents.engine import board, mail
from domains import sql
from domains.chance import Chance
from domains.thunderflow.actions import NewEvent, publish_many
from zones import events as zone_events
from zones.actions import clock, places
from zones.state import Happening

# Who moves is put down at a place that follows from its ordinal and the tick.
ARRIVE = """
UPDATE pac_agents a SET zone_id = u.zone_id, x = u.x, y = u.y, updated_at = now()
FROM unnest(%s::uuid[], %s::uuid[], %s::float8[], %s::float8[]) AS u (id, zone_id, x, y) WHERE a.id = u.id
"""
WHO = "SELECT id, name, due_tick, zone_id FROM pac_agents WHERE id = ANY(%s)"


TRIES = 10


class _Moved(Exception):
    """Somebody to whom a message comes went elsewhere before its zone was locked."""


def advance(world_id: UUID | None = None) -> bool:
    """Let one world (any, or this one) go on by a tick. Returns False when there is none that can just now."""
    for _ in range(TRIES):
        try:
            return _advance(world_id)
        except _Moved:  # and the locks are let go: taken afterwards, another zone's would be out of order
            continue
    return False


def _advance(world_id: UUID | None) -> bool:
    """Raises: _Moved."""
    with transaction.atomic():
        turn = clock.take_turn(world_id)
        if turn is None:
            return False
        messages, writes = mail.on_the_way(turn)
        on_the_way, stirs = clock.lock_touched(turn, also=messages.values())
        if messages and not mail.zones_of(list(messages)) <= set(messages.values()):
            raise _Moved
        crossers = clock.take_crossings(on_the_way)
        told = mail.arrive(turn, list(messages)) if messages else []
        told += _arrive(turn, crossers) if crossers else []
        told += clock.spread_climate(turn) if stirs else []
        clock.go_on(turn)
        told += board.put(turn) if writes else []
        publish_many(told)
    return True


def _arrive(turn: clock.Turn, crossers: Sequence[clock.Crosser]) -> list[NewEvent]:
    """Move everybody who finds a place, in order; turn the others back. Returns the events of both zones."""
    arrivals = Arrivals(turn, crossers)
    for crosser in crossers:
        arrivals.take(crosser)
    arrivals.write()
    return arrivals.told


class Arrivals:
    """The moves of one tick of one world, with all zones concerned locked."""

    def __init__(self, turn: clock.Turn, crossers: Sequence[clock.Crosser]) -> None:
        self.turn, self.now = turn, datetime.now(UTC)
        self.zones = places.lock_many({z for c in crossers for z in (c.origin, c.destination)})
        self.who = {row[0]: row[1:] for row in sql.fetch_rows(WHO, [[c.agent_id for c in crossers]])}
        self.moved: list[tuple[UUID, UUID, float, float]] = []
        self.changes: dict[UUID, clock.Settled] = {}
        self.told: list[NewEvent] = []

    def take(self, crosser: clock.Crosser) -> None:
        """Let one agent arrive or turn back."""
        name, due_tick, zone_id = self.who.get(crosser.agent_id, (None, 0, None))
        if zone_id != crosser.origin:
            return  # deleted, or set down elsewhere meanwhile
        origin, destination = self._change(crosser.origin), self._change(crosser.destination)
        there = self.zones[crosser.destination]
        if there.closed or there.agent_count + destination.count >= there.capacity:
            self._refuse(crosser, name)
            return
        origin.count -= 1
        destination.count += 1
        destination.due_tick = min(destination.due_tick, due_tick)
        text = f"{name} came to {there.name} from {self.zones[crosser.origin].name}."
        destination.happenings.append(Happening(self.turn.tick, "arrival", text, 0.16, 0.05, crosser.ordinal))
        chance = Chance(self.turn.seed, crosser.ordinal, self.turn.tick, "arrive")
        self.moved.append(
            (
                crosser.agent_id,
                crosser.destination,
                round(chance.between(0, 100), 3),
                round(chance.between(0, 100), 3),
            )
        )
        self._tell_move(crosser, name)

    def _change(self, zone_id: UUID) -> clock.Settled:
        return self.changes.setdefault(zone_id, clock.Settled(zone_id))

    def _refuse(self, crosser: clock.Crosser, name: str) -> None:
        payload = events.MoveRefused(
            agent_id=crosser.agent_id, name=name, destination=crosser.destination, tick=self.turn.tick
        )
        topic = zone_events.zone_topic(crosser.origin, "move_refused")
        self.told.append(NewEvent(zone_events.zone_stream(crosser.origin), topic, payload))

    def _tell_move(self, crosser: clock.Crosser, name: str) -> None:
        for zone_id, verb, kind, other in (
            (crosser.origin, "agent_left", zone_events.AgentLeft, {"destination": crosser.destination}),
            (crosser.destination, "agent_entered", zone_events.AgentEntered, {"origin": crosser.origin}),
        ):
            payload = kind(
                agent_id=crosser.agent_id,
                name=name,
                session_count=self.zones[zone_id].active_session_count,
                tick=self.turn.tick,
                timestamp=self.now,
                **other,
            )
            self.told.append(NewEvent(zone_events.zone_stream(zone_id), zone_events.zone_topic(zone_id, verb), payload))

    def write(self) -> None:
        """Move the rows and settle the zones."""
        if self.moved:
            sql.execute(ARRIVE, [list(column) for column in zip(*self.moved, strict=True)])
            clock.settle(self.changes.values())
