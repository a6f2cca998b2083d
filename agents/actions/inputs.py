"""What people and tokens push into a zone, applied in one transaction a batch under the zone's lock.

Every one is an input of the world: its event's place in the zone's stream is its place in a replay. The engine reads
agents under the same lock and writes those back whose tick number it knows; here that number is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import hypot
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from agents import converse, events, inputs
from agents.actions.locks import patiently
from agents.actions.messages import MOST_WAITING
from agents.actions.moves import MOVABLE, may_act_in
from agents.behaviours.forage import NOURISHES
from agents.engine.apply import MOST_OF_WORDS
from agents.engine.mail import Outgoing
from agents.engine.rows import Conflict
from agents.errors import AgentError, InvalidPayload, NotHere, OutOfRange, WrongState, ZoneBusy
from agents.facts import Heard
from agents.narrative import fill
from domains import sql
from domains.thunderflow.actions import NewEvent, publish_many
from domains.thunderflow.payloads import Payload
from zones.actions import clock, places
from zones.errors import AccessDenied, InsufficientResources, ZoneError
from zones.events import zone_topic
from zones.state import Happening

PRESENT = """
SELECT id, ordinal, name, lifecycle, mail, x, y, z, energy, social, mood FROM pac_agents
WHERE id = ANY(%s) AND zone_id = %s
"""

# As the engine's own UPDATE: no column of it is indexed. The zone's lock is held, and with it everybody in it.
WRITE = """
UPDATE pac_agents a SET x = u.x, y = u.y, z = u.z, energy = u.energy, social = u.social, mood = u.mood,
    updated_at = now()
FROM unnest(%b::uuid[], %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[])
     AS u (id, x, y, z, energy, social, mood)
WHERE a.id = u.id
"""


class Doing(NamedTuple):
    """What an interaction costs and does, and how those concerned notice it."""

    text: str
    energy: float
    social: float
    mood: float
    importance: float
    valence: float


# As `behaviours.socialize`, for less: nobody pushes a day's talk at once.
DOINGS: Mapping[str, Doing] = MappingProxyType(
    {
        "greet": Doing("{name} greeted {other} in {zone}.", -1.0, 1.0, 0.01, 0.1, 0.08),
        "talk": Doing("{name} talked with {other} in {zone}.", -3.0, 3.0, 0.02, 0.16, 0.12),
        "thank": Doing("{name} thanked {other}.", -1.0, 1.0, 0.03, 0.16, 0.25),
        "help": Doing("{name} lent {other} a hand in {zone}.", -5.0, 4.0, 0.05, 0.3, 0.4),
        "trade": Doing("{name} and {other} struck a bargain in {zone}.", -3.0, 2.0, 0.03, 0.2, 0.15),
    }
)


@dataclass(frozen=True, slots=True)
class Input:
    """One push. `given` is of the type that `agents.inputs.PUSHES` has for the verb."""

    verb: str
    given: Any
    agent_id: UUID | None
    """The agent that the client joined with, if it did."""
    user: Any
    """Who is signed in or whose token was shown; None: nobody is known."""
    by: str
    """As events name who it was: `user:<name>`, `agent:<name>`, …"""
    token_agent: UUID | None = None
    """The agent for which the token was made that was shown, if one was; it may act whoever holds it."""
    correlation_id: UUID | None = None
    """Of what it is a part, as one batch has pushes of many."""


@dataclass(slots=True)
class Present:
    """An agent of the zone while a batch is applied."""

    id: UUID
    ordinal: int
    name: str
    lifecycle: str
    mail: int
    x: float
    y: float
    z: float
    energy: float
    social: float
    mood: float

    def feel(self, *, energy: float = 0.0, social: float = 0.0, mood: float = 0.0) -> float:
        """Change within what is possible. Returns what was gained of energy."""
        before = self.energy
        self.energy = round(min(100.0, max(0.0, self.energy + energy)), 2)
        self.social = round(min(100.0, max(0.0, self.social + social)), 2)
        self.mood = round(min(1.0, max(-1.0, self.mood + mood)), 4)
        return round(self.energy - before, 2)


Answer = dict[str, Any]
VOICE_WEIGHT, CALL_WEIGHT = 0.16, 0.3
"""Least importance of what is said to those around, so that it is noticed; and of what is made known to all in the
zone, so that it is remembered."""
TAKING = (0.15, 0.0)
"""Importance and valence of somebody's taking what there is: just noticed."""
NO_CONVERSATION = UUID(int=0)


def apply_inputs(zone_id: UUID | str, batch: Sequence[Input], *, durable: bool = True) -> list[Answer | Exception]:
    """Apply pushes to one zone in this order, in one transaction. Returns each one's answer, or why it was refused.

    Refusals (AgentError, ZoneError, each with its `code`) are returned and change nothing; what else goes wrong
    takes everything back and is raised. Answers have `seq`, the place of the event in the zone's stream; besides
    that `position` (agent_move), `target_id` and `kind` (agent_interact), `resource_type`, `amount`, `remaining` and
    the `energy` gained (consume_resource), `event` (broadcast). At most nine queries and a COPY, whatever the number
    of inputs; five for moves alone. Not `durable`: it is part of the caller's transaction, and done when that is.
    """
    try:
        place = inputs.zone_id(zone_id)
        if not batch:
            return []
        with patiently(durable=durable):  # an answer says that it is done
            return _Batch(place, batch).apply()
    except (ZoneBusy, ZoneError) as refusal:  # of the zone as a whole: nothing was done
        return [type(refusal)(*refusal.args) for _ in batch]


@dataclass(slots=True)
class _Done:
    """What one input has come to: its answer, to which its event's `seq` is added."""

    answer: Answer
    event: NewEvent


class _Batch:
    """The inputs of one transaction, with their zone locked. Everything is changed in memory and written at the end."""

    def __init__(self, zone_id: UUID, batch: Sequence[Input]) -> None:
        self.inputs = batch
        self.row = places.lock_many([zone_id])[zone_id]
        (self.zone,), self.now = clock.look([zone_id]), datetime.now(UTC)  # as it is now that it is locked
        self.who = _read(zone_id, batch)
        self.speakers: set[Any] | None = None
        self.changed: dict[UUID, Present] = {}
        self.outgoing = Outgoing()

    def apply(self) -> list[Answer | Exception]:
        """Do all of it, and write what has changed."""
        done = [self._take(one) for one in self.inputs]
        self._write()
        told = [one.event for one in done if isinstance(one, _Done)]
        net = clock.resource_event(self.zone, self.now)
        seq = publish_many([*told, *net]).get(self.zone.stream, 0) - len(told) - len(net)
        found: list[Answer | Exception] = []
        for one in done:
            if isinstance(one, _Done):
                seq += 1
                one.answer["seq"] = seq
                found.append(one.answer)
            else:
                found.append(one)
        return found

    def _take(self, one: Input) -> _Done | Exception:
        try:
            kind, do = inputs.PUSHES.get(one.verb), DO.get(one.verb)
            if do is None or kind is None or not isinstance(one.given, kind):
                raise InvalidPayload("event", f"{one.verb[:64]!r} is none that can be applied")
            return do(self, one, self._actor(one))
        except (AgentError, ZoneError) as refusal:
            return refusal

    def _actor(self, one: Input) -> Present | None:
        """Who acts; None: the person does. Raises: AccessDenied, NotHere."""
        if self.row.closed:
            raise AccessDenied(f"{self.row.name} is closed")
        if one.agent_id is None:
            return None
        if not may_act_in(self.row, one.user, one.agent_id, one.token_agent):
            raise AccessDenied("you may not act for this agent here")
        agent = self.who.get(one.agent_id)
        if agent is None:
            raise NotHere(f"the agent is not in {self.row.name}")
        if agent.lifecycle not in MOVABLE:
            raise AccessDenied(f"{agent.name} is {agent.lifecycle}; only active and dormant agents can be made to act")
        return agent

    def check_speaker(self, one: Input) -> None:
        """Whether who sends this may speak to all in the zone; with an agent's token, as any member may.

        Raises: AccessDenied.
        """
        if self.speakers is None:
            users = {each.user.pk: each.user for each in self.inputs if each.user is not None}
            self.speakers = places.permitted(self.row, users.values(), places.Permission.BROADCAST_EVENTS)
        open_to_all = self.row.permissions & places.Permission.BROADCAST_EVENTS
        by_token = one.agent_id is not None and one.agent_id == one.token_agent
        if not (by_token and open_to_all) and (one.user is None or one.user.pk not in self.speakers):
            raise AccessDenied(f"you may not broadcast in {self.row.name}")

    def done(self, one: Input, verb: str, payload: Payload, answer: Answer) -> _Done:
        """What an input came to, with its event."""
        topic = zone_topic(self.zone.id, verb)
        return _Done(
            answer, NewEvent(self.zone.stream, topic, payload, actor=one.by, correlation_id=one.correlation_id)
        )

    def tell(self, kind: str, text: str, weight: tuple[float, float], *, by: int | None, to: int | None = None) -> None:
        """Let those present notice it next tick. `weight` is importance and valence; `by` and `to` ordinals."""
        self.zone.tell(Happening(self.zone.tick, kind, text, *weight, by, to))

    def _write(self) -> None:
        if self.changed:
            _write_agents(list(self.changed.values()))
        if self.zone.fresh or self.zone.changes:
            clock.save([(self.zone, self.zone.due_tick)])
        self.outgoing.write(self.now)


def _read(zone_id: UUID, batch: Sequence[Input]) -> dict[UUID, Present]:
    """Who of those concerned is in the zone, by id. No row locks: the zone's keeps everybody else away."""
    wanted = {one.agent_id for one in batch if one.agent_id is not None}
    wanted |= {one.given.target_id for one in batch if isinstance(one.given, inputs.AgentInteract)}
    if not wanted:
        return {}
    return {row[0]: Present(*row) for row in sql.fetch_rows(PRESENT, [sql.Ids(wanted), zone_id])}


def _write_agents(agents: Sequence[Present]) -> None:
    """Raises: Conflict."""
    columns = [
        sql.Ids(a.id for a in agents),
        *(sql.Floats(getattr(a, name) for a in agents) for name in ("x", "y", "z", "energy", "social", "mood")),
    ]
    if (written := sql.execute(WRITE, columns)) != len(agents):
        raise Conflict(f"{len(agents) - written} of {len(agents)} agents were gone although their zone was locked")


# --- One by one: each refuses before it changes anything -----------------------------------------------------


def _acting(one: Input, agent: Present | None) -> Present:
    """Raises: AccessDenied."""
    if agent is None:
        raise AccessDenied(f"{one.verb} is for agents: join with one")
    return agent


def _move(batch: _Batch, one: Input, actor: Present | None) -> _Done:
    agent, position = _acting(one, actor), one.given.position
    was = events.Place(x=agent.x, y=agent.y, z=agent.z)
    agent.x, agent.y, agent.z = position.x, position.y, position.z
    batch.changed[agent.id] = agent
    now = {"x": position.x, "y": position.y, "z": position.z}
    told = {"agent_id": agent.id, "name": agent.name, "position": now, "from": was}
    payload = events.AgentMoved(**told, tick=batch.zone.tick, timestamp=batch.now)
    return batch.done(one, "agent_moved", payload, {"position": now})


def _interact(batch: _Batch, one: Input, actor: Present | None) -> _Done:
    agent, given = _acting(one, actor), one.given
    target = _target(batch, agent, given)
    doing = DOINGS[given.kind]
    agent.feel(energy=doing.energy, social=doing.social, mood=doing.mood)
    batch.changed[agent.id] = agent
    text = fill(doing.text, {"name": agent.name, "other": target.name, "zone": batch.zone.name})
    batch.tell(given.kind, text, (doing.importance, doing.valence), by=agent.ordinal, to=target.ordinal)
    if given.text:
        target.mail += 1  # counted here only, for the bound; the barrier delivers it, and counts it in the row
        batch.outgoing.carry(
            world_id=batch.zone.world_id, tick=batch.zone.tick, sender=(agent.id, agent.name),
            to=(target.id, target.name), text=given.text,
            impersonated_by="" if one.agent_id == one.token_agent else one.by,
        )  # fmt: skip
    payload = events.AgentInteraction(
        agent_id=agent.id, name=agent.name, target_id=target.id, target_name=target.name, kind=given.kind,
        text=given.text, tick=batch.zone.tick, timestamp=batch.now,
    )  # fmt: skip
    return batch.done(one, "agent_interaction", payload, {"target_id": str(target.id), "kind": given.kind})


def _target(batch: _Batch, agent: Present, given: inputs.AgentInteract) -> Present:
    """Raises: InvalidPayload, NotHere, OutOfRange, WrongState."""
    if given.target_id == agent.id:
        raise InvalidPayload("target_id", f"{agent.name} cannot do that with itself")
    target = batch.who.get(given.target_id)
    if target is None or target.lifecycle not in MOVABLE:
        raise NotHere(f"nobody of this id is awake in {batch.zone.name}")
    distance = hypot(target.x - agent.x, target.y - agent.y)
    if distance > batch.zone.interaction_range:
        raise OutOfRange(f"{target.name} is {distance:.1f} away; {batch.zone.interaction_range:g} is the most")
    if given.text and target.mail >= MOST_WAITING:
        raise WrongState(f"{target.name} has {target.mail} messages waiting; try again when some are answered")
    return target


def _consume(batch: _Batch, one: Input, actor: Present | None) -> _Done:
    agent, given, zone = _acting(one, actor), one.given, batch.zone
    name, left = given.resource_type, zone.resources[given.resource_type]
    if left < given.amount:
        raise InsufficientResources(f"{zone.name} has {left:g} of {name}, less than {given.amount:g}")
    zone.take(name, given.amount)
    batch.tell("taking", f"{agent.name} took {given.amount:g} of {name} in {zone.name}.", TAKING, by=agent.ordinal)
    gained = agent.feel(energy=NOURISHES * given.amount) if name == "food" else 0.0
    if gained:
        batch.changed[agent.id] = agent
    remaining = zone.resources[name]
    payload = events.ResourceConsumed(
        agent_id=agent.id, name=agent.name, resource_type=name, amount=given.amount, remaining=remaining,
        energy=gained, tick=zone.tick, timestamp=batch.now,
    )  # fmt: skip
    answer = {"resource_type": name, "amount": given.amount, "remaining": remaining, "energy": gained}
    return batch.done(one, "resource_consumed", payload, answer)


def _say(batch: _Batch, one: Input, agent: Present | None) -> _Done:
    text = one.given.text
    if agent is None:  # a voice that belongs to nobody in the zone reaches all of it, as a broadcast does
        batch.check_speaker(one)
    name, ordinal = _name(one, agent)
    batch.tell("voice", f"{name} said: “{text[:MOST_OF_WORDS]}”", _weight(text, ordinal, VOICE_WEIGHT), by=ordinal)
    payload = events.Said(agent_id=agent and agent.id, name=name, text=text, tick=batch.zone.tick, timestamp=batch.now)
    return batch.done(one, "said", payload, {})


def _broadcast(batch: _Batch, one: Input, agent: Present | None) -> _Done:
    batch.check_speaker(one)
    given = one.given
    name, ordinal = _name(one, agent)
    words = f"“{given.text[:MOST_OF_WORDS]}”" if given.text else given.event
    call = f"{name} made known to all in {batch.zone.name}: {words}"
    batch.tell("call", call, _weight(given.text or "", ordinal, CALL_WEIGHT), by=ordinal)
    payload = events.Broadcast(
        agent_id=agent and agent.id, name=name, event=given.event, text=given.text, payload=given.payload,
        tick=batch.zone.tick, timestamp=batch.now,
    )  # fmt: skip
    return batch.done(one, "broadcast", payload, {"event": given.event})


def _name(one: Input, agent: Present | None) -> tuple[str, int | None]:
    """How those present know who speaks: by name, and an agent by its ordinal."""
    if agent is not None:
        return agent.name, agent.ordinal
    return one.by.partition(":")[2] or one.by, None


def _weight(text: str, ordinal: int | None, least: float) -> tuple[float, float]:
    """Importance and valence of words that are heard, as of those that come by message; `least` is the importance's."""
    importance, valence = converse.weigh(Heard(0, "", text, 0, NO_CONVERSATION, ordinal, None, "", False))
    return max(least, importance), valence


DO: Mapping[str, Callable[[_Batch, Input, Present | None], _Done]] = MappingProxyType(
    {
        "agent_move": _move,
        "agent_interact": _interact,
        "consume_resource": _consume,
        "say": _say,
        "broadcast": _broadcast,
    }
)
