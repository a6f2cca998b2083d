"""Agents whom somebody brings into a zone: by ways, while there is room, told in both zones, beside the ticks."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from agents import actions
from agents.actions import locks
from agents.actions.moves import enter, may_act_for
from agents.engine import loop
from agents.errors import AgentError
from agents.models import Agent, Lifecycle
from domains import sql
from tests.conftest import CountQueries
from tests.factories import make_user
from tests.integration.agents.living import allow, check_counts, events, finish, live, logs, make_world, people, person
from tests.tables import commits
from tests.threads import threads, wait_for_lock
from zones.actions import clock, places
from zones.errors import ZoneError
from zones.models import Crossing, World, Zone
from zones.state import unpack

__all__ = ["commits"]

pytestmark = pytest.mark.django_db


def two(**fields: Any) -> tuple[World, Zone, Zone]:
    """A world of two zones with a way between them; `fields` are the second one's."""
    world, (one, other) = make_world({"capacity": 300}, {"capacity": 300, **fields}, ways=[(0, 1, 0.5)])
    return world, one, other


def bring(agent: Agent, zone: Zone) -> Any:
    """Bring an agent into a zone by its token; a refusal is returned."""
    try:
        return enter(zone.pk, agent.pk, user=None, by="agent:test", token_agent=agent.pk)
    except (AgentError, ZoneError) as refusal:
        return refusal


def code(answer: Any) -> str:
    return getattr(answer, "code", "ok")


def everything() -> list[Any]:
    """All that an entering could change."""
    return [list(model.objects.order_by("pk").values()) for model in (Agent, Zone, Crossing)] + [
        sql.fetch_rows("SELECT name, seq FROM event_streams ORDER BY name")
    ]


# --- Entering ------------------------------------------------------------------------------------------------


def test_an_agent_goes_from_zone_to_zone() -> None:
    world, here, there = two(active_session_count=4)
    Zone.objects.filter(pk=here.pk).update(active_session_count=3)
    mara = person(here, stats={"energy": 50})
    answer = enter(str(there.pk), mara.pk, user=make_user("root", operator=True), by="user:root")
    now = Agent.objects.get(pk=mara.pk)
    (left,), (entered,) = events(here.pk, "agent_left"), events(there.pk, "agent_entered")
    assert answer == {
        "agent_id": str(mara.pk), "zone_id": str(there.pk), "origin": str(here.pk), "moved": True,
        "position": now.position, "session_count": 4, "seq": entered.seq,
    }  # fmt: skip
    assert (now.zone_id, now.home_zone_id, now.energy) == (there.pk, here.pk, 50 - here.movement_cost)
    assert (now.x, now.y) != (mara.x, mara.y)
    assert (left.actor, entered.actor) == ("user:root", "user:root")
    assert (left.payload["destination"], left.payload["session_count"]) == (str(there.pk), 3)
    assert (entered.payload["origin"], entered.payload["session_count"]) == (str(here.pk), 4)
    (arrival,) = unpack(Zone.objects.get(pk=there.pk).happenings)
    assert (arrival.kind, arrival.text, arrival.by) == ("arrival", "Mara came to Zone 1 from Zone 0.", mara.ordinal)
    assert [z.agent_count for z in Zone.objects.order_by("ordinal")] == [0, 1]
    check_counts(world)


def test_who_is_there_already_stays_as_it_is(count_queries: CountQueries) -> None:
    _, here, _ = two()
    mara = person(here)
    before = everything()
    with count_queries() as statements:
        answer = enter(here.pk, mara.pk, user=None, by="agent:Mara", token_agent=mara.pk)
    assert len(statements) == 1
    assert (answer["moved"], answer["origin"], answer["seq"]) == (False, None, None)
    assert answer["position"] == mara.position
    assert everything() == before


def test_an_entering_costs_the_same_in_large_zones(count_queries: CountQueries) -> None:
    counts = []
    for n in (1, 150):
        _, (here, there) = make_world({"capacity": 300}, {"capacity": 300}, name=f"World {n}", ways=[(0, 1, 1.0)])
        agent, *_ = people(here, n)
        people(there, n, first=n)
        with count_queries() as statements:
            assert code(bring(agent, there)) == "ok"
        counts.append(len(statements))
    assert counts == [9, 9]  # a COPY is not counted


REFUSED: dict[str, Callable[[World, Zone, Zone, Agent], object]] = {
    "zone_full": lambda world, here, there, agent: Zone.objects.filter(pk=there.pk).update(capacity=0),
    "access_denied: Zone 1 is closed": lambda world, here, there, agent: Zone.objects.filter(pk=there.pk).update(
        closed=True
    ),
    "access_denied: no way leads from Zone 0 to Zone 1": lambda world, here, there, agent: places.cut_ways(
        [(here.pk, there.pk)]
    ),
    "access_denied: no way": lambda world, here, there, agent: places.set_ways([(here.pk, there.pk, 0.0)]),
    "on_its_way": lambda world, here, there, agent: clock.depart(
        [clock.Crosser(agent.pk, agent.ordinal, here.pk, there.pk)]
    ),
    "access_denied: Mara is suspended": lambda world, here, there, agent: actions.suspend([agent.pk], by="test"),
    "access_denied: Mara is archived": lambda world, here, there, agent: actions.archive([agent.pk], by="test"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_changes_nothing(why: str) -> None:
    world, here, there = two()
    mara = person(here)
    REFUSED[why](world, here, there, mara)
    before = everything()
    refusal = bring(mara, there)
    expected, _, message = why.partition(": ")
    assert (code(refusal), message in str(refusal)) == (expected, True)
    assert everything() == before


def test_no_way_leads_into_another_world() -> None:
    _, here, _ = two()
    _, (elsewhere,) = make_world(name="Other")
    refusal = bring(person(here), elsewhere)
    assert (code(refusal), "no way leads" in str(refusal)) == ("access_denied", True)


def test_what_is_not_there_cannot_be_entered_or_enter() -> None:
    _, here, there = two()
    mara = person(here)
    ways: list[tuple[Any, UUID, str]] = [
        (uuid4(), mara.pk, "zone_not_found"),
        ("lobby", mara.pk, "invalid_zone_id"),
        (there.pk, uuid4(), "agent_not_found"),
    ]
    for zone_id, agent_id, expected in ways:
        with pytest.raises((AgentError, ZoneError)) as refusal:
            enter(zone_id, agent_id, user=None, by="test", token_agent=agent_id)
        assert code(refusal.value) == expected


def test_a_way_may_lead_one_way_only() -> None:
    _, here, there = two()
    places.set_ways([(there.pk, here.pk, 0.0)])
    mara = person(here)
    assert [code(bring(mara, there)), code(bring(mara, here))] == ["ok", "access_denied"]


def test_a_dormant_agent_can_be_brought_and_does_not_wake_the_zone() -> None:
    _, here, there = two()
    mara = person(here)
    Agent.objects.filter(pk=mara.pk).update(lifecycle=Lifecycle.DORMANT, due_tick=0)
    Zone.objects.filter(pk=there.pk).update(due_tick=25)
    assert code(bring(mara, there)) == "ok"
    assert Zone.objects.get(pk=there.pk).due_tick == 25


# --- Who may -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zoned", [True, False])
@pytest.mark.parametrize(
    ("who", "token", "allowed"),
    [
        ("root", None, True),
        ("world owner", None, True),
        ("zone owner", None, True),
        ("member", None, False),
        ("member", "own", True),
        ("member", "other", False),
        ("disabled", None, False),
        ("disabled", "own", False),
        ("nobody", None, False),
        ("nobody", "own", True),
        ("nobody", "other", False),
    ],
)
def test_who_may_act_for_an_agent(who: str, token: str | None, allowed: bool, zoned: bool) -> None:
    cast = {
        "root": make_user("root", operator=True),
        "world owner": make_user("ada"),
        "zone owner": make_user("bo"),
        "member": make_user("cy"),
        "disabled": make_user("gone", operator=True, is_active=False),
        "nobody": None,
    }
    world, here, there = two()
    World.objects.filter(pk=world.pk).update(owner=cast["world owner"], access="open")
    Zone.objects.filter(pk=here.pk).update(owner=cast["zone owner"], permissions=15)
    mara = person(here)
    token_agent = {"own": mara.pk, "other": uuid4(), None: None}[token]
    assert may_act_for(cast[who], Agent.objects.get(pk=mara.pk), token_agent=token_agent) is allowed
    try:
        enter((there if zoned else here).pk, mara.pk, user=cast[who], by="test", token_agent=token_agent)
    except ZoneError as refusal:
        assert (refusal.code, str(refusal), allowed) == ("access_denied", "you may not act for Mara", False)
    else:
        assert allowed


# --- Beside ticks --------------------------------------------------------------------------------------------


def test_no_tick_is_lost_by_moving() -> None:
    world, here, there = two()
    crowd = people(here, 5, interval=1)
    for n in range(6):
        for agent in crowd:
            answer = bring(agent, (there, here)[n % 2])
            assert code(answer) in ("ok", "on_its_way")
        live(world)
        check_counts(world)
    for agent in crowd:
        assert [log.world_tick for log in logs(agent)] == [1, 2, 3, 4, 5, 6]


def test_who_moves_ticks_where_it_is() -> None:
    world, here, there = two()
    mara = person(here, movement_range=0)
    live(world, 2)
    bring(mara, there)
    live(world)
    assert logs(mara)[-1].zone_id == there.pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
class TestAtOnce:
    def test_two_hundred_for_a_hundred_places(self) -> None:
        world, here, there = two()
        Zone.objects.filter(pk=there.pk).update(capacity=100)
        crowd = people(here, 200)
        with threads(16) as started:
            answers = [started.start(bring, agent, there) for agent in crowd]
            went = Counter(code(answer.result(60)) for answer in answers)
        assert went == {"ok": 100, "zone_full": 100}
        assert [z.agent_count for z in Zone.objects.order_by("ordinal")] == [100, 100]
        assert len(events(there.pk, "agent_entered")) == len(events(here.pk, "agent_left")) == 100
        check_counts(world)

    def test_one_agent_that_many_bring_enters_once(self) -> None:
        world, here, there = two()
        mara = person(here)
        with threads(8) as started:
            answers = [started.start(bring, mara, there) for _ in range(24)]
            moved = [answer.result(60)["moved"] for answer in answers]
        assert moved.count(True) == 1
        assert len(events(there.pk, "agent_entered")) == 1
        check_counts(world)

    def test_who_has_gone_elsewhere_before_the_lock_goes_on_from_there(self) -> None:
        """Another zone than the one it was found in must be locked then."""
        world, (a, b, c) = make_world({}, {}, {}, ways=[(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)])
        mara = person(a)
        with threads() as started:
            with transaction.atomic():
                locks.lock([mara.pk], also=[b.pk, c.pk])
                late = started.start(bring, mara, c)
                wait_for_lock()
                assert code(bring(mara, b)) == "ok"
            assert late.result(30)["origin"] == str(b.pk)
        check_counts(world)

    def test_both_ways_at_once_while_the_world_ticks(self) -> None:
        """People bring agents to and fro, agents go by themselves, messages are sent, and the clock goes on."""
        world, (here, there) = make_world(
            {"capacity": 45, "environment_interval": 3, "entropy": 0.8},
            {"capacity": 45, "environment_interval": 2},
            ways=[(0, 1, 1.0)],
        )
        mods = [{"name": "feet", "kind": "behavior", "effects": {"action_weights": {"move_zone": 1.5}}}]
        crowd = people(here, 30, mods=mods) + people(there, 30, first=30, mods=mods)
        ends = time.monotonic() + 6
        allow(world, 1_000_000)

        def to_and_fro(seed: int) -> Counter[str]:
            chance, went = random.Random(seed), Counter[str]()
            for agent in forever(chance, crowd, ends):
                went[code(bring(agent, chance.choice((here, there))))] += 1
            return went

        def send(seed: int) -> Counter[str]:
            chance, went = random.Random(seed), Counter[str]()
            for agent in forever(chance, crowd, ends):
                try:
                    actions.send(agent.pk, "Where to?", by="user:ada", speaker_id=chance.choice(crowd).pk)
                except AgentError as refusal:
                    went[refusal.code] += 1
            return went

        def tick() -> Counter[str]:
            ticks = 0
            while time.monotonic() < ends:
                ticks += loop.run(seconds=0.5, world_id=world.pk).ticks
            return Counter(ticks=ticks)

        with threads(8) as started:
            jobs = [started.start(to_and_fro, seed) for seed in range(4)]
            jobs += [started.start(send, 99), started.start(tick), started.start(tick)]
            went = sum((job.result(120) for job in jobs), Counter[str]())
        assert set(went) <= {"ok", "zone_full", "on_its_way", "ticks", "wrong_state", "invalid_payload"}
        assert min(went["ok"], went["ticks"]) > 50
        World.objects.filter(pk=world.pk).update(target_tick=World.objects.get(pk=world.pk).tick + 2)
        finish(world)
        check_counts(world)
        balance(here, there)
        told = [t.seq for t in events(here.pk)]
        assert told == list(range(1, len(told) + 1))
        for agent in crowd:
            found = logs(agent)
            assert [log.tick_number for log in found] == list(range(1, len(found) + 1))
            assert len({log.world_tick for log in found}) == len(found), "once a tick at most"


def forever(chance: random.Random, crowd: list[Agent], ends: float) -> Iterator[Agent]:
    """Somebody, again and again."""
    while time.monotonic() < ends:
        yield chance.choice(crowd)


def balance(*zones: Zone) -> None:
    """What was told of comings and goings adds up to who is there."""
    for zone in zones:
        net = len(events(zone.pk, "agent_entered")) - len(events(zone.pk, "agent_left"))
        assert net == Zone.objects.get(pk=zone.pk).agent_count
