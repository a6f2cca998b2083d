from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from domains import lifecycle
from domains.thunderflow import queries as log
from tests.factories import make_user
from tests.factories.worlds import make_world
from zones import queries
from zones.actions import clock, places, worlds
from zones.errors import Invalid, NotFound
from zones.models import World

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture
def world() -> Any:
    return make_world(zones=1, agents=0, status="running")


@pytest.fixture
def woken() -> Iterator[list[None]]:
    """One entry each time the workers are woken."""
    calls: list[None] = []

    def receive(**_: Any) -> None:
        calls.append(None)

    lifecycle.clock_opened.connect(receive)
    yield calls
    lifecycle.clock_opened.disconnect(receive)


def read(world: Any) -> World:
    return World.objects.get(pk=world.pk)


def told(world: Any) -> list[tuple[str, str]]:
    """(what, detail) of the world's own events."""
    return [(event.payload["what"], event.payload["detail"]) for event in log.read_stream(f"world:{world.pk}", after=0)]


# --- Making and finding --------------------------------------------------------------------------------------


def test_a_new_world_runs_from_tick_0_and_tells_of_itself() -> None:
    ada = make_user("ada")
    world = worlds.create(name="Reef", by=ada, seed=12, description="Wet.")
    assert (world.status, world.tick, world.target_tick, world.rate) == ("running", 0, 0, 1.0)
    assert (world.owner, world.seed, world.access) == (ada, 12, "private")
    (event,) = log.read_stream(f"world:{world.pk}", after=0)
    assert event.topic == f"world.{world.pk}.changed"
    assert event.payload == {"name": "Reef", "what": "created", "tick": 0, "detail": ""}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "Harbour"}, "there is one already"),
        ({"name": ""}, "it breaks world_name_given"),
        ({"name": "Reef", "rate": 0}, "it breaks world_rate_range"),
        ({"name": "Reef", "seed": -1}, "it breaks world_seed_positive"),
    ],
)
def test_a_world_that_cannot_be_is_refused_and_nothing_is_left(world: Any, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as refusal:
        worlds.create(**fields)
    assert refusal.value.code == "invalid_payload"
    assert World.objects.count() == 1


def test_a_world_is_found_by_its_name(world: Any) -> None:
    assert queries.world("Harbour") == world
    with pytest.raises(NotFound, match=r"no world called 'Harbor' \(there is: Harbour\)"):
        queries.world("Harbor")


def test_who_may_see_which_world() -> None:
    cast = {name: make_user(name) for name in ("owner", "member", "stranger")} | {
        "root": make_user("root", operator=True)
    }
    made = {
        access: worlds.create(name=access, by=cast["owner"], access=access) for access in ("private", "shared", "open")
    }
    made["nobody's"] = worlds.create(name="nobody's")
    for world in made.values():
        world.members.add(cast["member"])
    seen = {name: {world.name for world in queries.worlds(user)} for name, user in cast.items()}
    assert seen == {
        "owner": {"private", "shared", "open"},
        "member": {"shared", "open"},
        "stranger": {"open"},
        "root": {"private", "shared", "open", "nobody's"},
    }
    assert queries.worlds().count() == 4
    for name, user in cast.items():
        assert {world.name for world in made.values() if places.may_see(world, user)} == seen[name]
        user.is_active = False
        assert not any(places.may_see(world, user) for world in made.values())
    assert not places.may_see(made["open"], None)


def test_deleting_takes_the_zones_and_tells(world: Any) -> None:
    worlds.delete(world.pk)
    assert not World.objects.exists()
    assert told(world)[-1] == ("deleted", "")


def test_ordinals_are_given_out_once(world: Any) -> None:
    with transaction.atomic():
        assert worlds.take_ordinals(world.pk, 3) == (0, 0, 7)
        assert worlds.take_ordinals(world.pk, 2) == (3, 0, 7)
    assert read(world).next_ordinal == 5


def test_a_world_that_is_not_there_is_not_found() -> None:
    for steer in (
        worlds.pause, worlds.resume, worlds.step, worlds.delete,
        lambda world_id: worlds.set_rate(world_id, 1), lambda world_id: worlds.take_ordinals(world_id, 1),
    ):  # fmt: skip
        with pytest.raises(NotFound) as refusal:
            steer(uuid4())
        assert refusal.value.code == "zone_not_found"


# --- The clock as people steer it ----------------------------------------------------------------------------


def beat_and_tick(world: Any) -> int:
    """A heartbeat, and as many world ticks as it allows. Returns the clock."""
    clock.open_all(NOW)
    return tick(world)


def tick(world: Any) -> int:
    """As many world ticks as the clock may do. Returns the clock."""
    while True:
        with transaction.atomic():
            if zones := clock.claim(world.pk, most=5):
                clock.save([(zone, zone.tick + 1) for zone in zones])
                continue
            turn = clock.take_turn(world.pk)
            if turn is None:
                return read(world).tick
            clock.go_on(turn)


@pytest.mark.parametrize(
    ("rate", "clocks"),
    [
        (1.0, [1, 2, 3, 4, 5, 6]),
        (3.0, [3, 6, 9, 12, 15, 18]),
        (0.5, [0, 1, 1, 2, 2, 3]),
        (0.25, [0, 0, 0, 1, 1, 1]),
        (1.5, [1, 3, 4, 6, 7, 9]),
        (1000.0, [1000, 2000]),
    ],
)
def test_the_rate_is_world_ticks_a_heartbeat(world: Any, rate: float, clocks: list[int]) -> None:
    worlds.set_rate(world.pk, rate)
    if rate == 1000:
        for expected in clocks:
            clock.open_all(NOW)
            assert read(world).target_tick == expected
            World.objects.filter(pk=world.pk).update(tick=expected)
        return
    assert [beat_and_tick(world) for _ in clocks] == clocks


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7, 2.6])
def test_parts_of_ticks_are_never_lost(world: Any, rate: float) -> None:
    worlds.set_rate(world.pk, rate)
    for _ in range(100):
        clock.open_all(NOW)
        World.objects.filter(pk=world.pk).update(tick=read(world).target_tick)
    assert read(world).tick == pytest.approx(100 * rate, abs=1)


def test_a_world_that_is_behind_gets_no_backlog(world: Any) -> None:
    worlds.set_rate(world.pk, 3)
    for _ in range(10):
        clock.open_all(NOW)
    assert (read(world).tick, read(world).target_tick) == (0, 3)
    assert beat_and_tick(world) == 3


@pytest.mark.parametrize("rate", [0, -1, 1000.5, float("nan"), float("inf")])
def test_a_rate_out_of_range_is_refused(world: Any, rate: float) -> None:
    with pytest.raises(Invalid, match="above 0 and at most 1000"):
        worlds.set_rate(world.pk, rate)
    assert read(world).rate == 1
    assert told(world) == [("created", "")]


def test_a_paused_world_stands_still_through_heartbeats(world: Any) -> None:
    assert beat_and_tick(world) == 1
    clock.open_all(NOW)
    paused = worlds.pause(world.pk)
    assert (paused.status, paused.tick, paused.target_tick) == ("paused", 1, 1)
    assert [beat_and_tick(world) for _ in range(3)] == [1, 1, 1]
    assert worlds.resume(world.pk).status == "running"
    assert beat_and_tick(world) == 2
    assert told(world) == [("created", ""), ("paused", ""), ("resumed", "")]


def test_steps_move_a_paused_world_by_just_that_much(world: Any) -> None:
    worlds.pause(world.pk)
    worlds.step(world.pk, ticks=3)
    assert [beat_and_tick(world) for _ in range(2)] == [3, 3]
    assert told(world)[-1] == ("stepped", "3")


def test_a_step_that_follows_at_once_is_not_swallowed(world: Any) -> None:
    worlds.pause(world.pk)
    worlds.step(world.pk)
    worlds.step(world.pk)
    assert beat_and_tick(world) == 2


def test_a_step_in_a_running_world_comes_on_top(world: Any) -> None:
    clock.open_all(NOW)
    worlds.step(world.pk, ticks=2)
    assert read(world).target_tick == 3


@pytest.mark.parametrize("ticks", [0, -1, 1_000_001])
def test_a_step_out_of_range_is_refused(world: Any, ticks: int) -> None:
    with pytest.raises(Invalid, match="from 1 to 1000000"):
        worlds.step(world.pk, ticks=ticks)
    assert read(world).target_tick == 0


def test_workers_are_woken_once_a_change_is_committed(
    world: Any, woken: list[None], django_capture_on_commit_callbacks
) -> None:  # type: ignore[no-untyped-def]
    for steer in (worlds.step, worlds.resume, lambda _id: clock.open_all(NOW)):
        woken.clear()
        with django_capture_on_commit_callbacks() as callbacks:
            steer(world.pk)
        assert woken == [], "not before the commit"
        for callback in callbacks:
            callback()
        assert woken == [None]


def test_a_world_that_has_not_reached_its_target_is_lagging(world: Any) -> None:
    assert queries.lagging() == []
    clock.open_all(NOW)
    assert queries.lagging() == [{"name": "Harbour", "tick": 0, "target_tick": 1}]
    World.objects.update(status="paused")
    assert queries.lagging() == []


# --- How long ticks take -------------------------------------------------------------------------------------

LATE = NOW - timedelta(seconds=20)
"""A heartbeat of a while ago."""


def test_a_tick_is_timed_from_the_heartbeat_until_nothing_of_it_is_due(world: Any) -> None:
    clock.open_all(LATE)
    assert (read(world).timed_tick, read(world).timed_from) == (1, LATE)
    turn = clock.take_turn(world.pk)
    assert turn
    clock.go_on(turn)
    clock.note_done()  # the clock is there, and the zone still due
    assert (read(world).tick, read(world).timed_from, read(world).took_ms) == (1, LATE, None)
    assert tick(world) == 1
    clock.note_done()
    assert read(world).timed_from is None
    assert read(world).took_ms >= 20_000


def test_who_has_no_time_to_rest_learns_it_as_the_clock_goes_on(world: Any) -> None:
    clock.open_all(LATE)
    tick(world)
    clock.open_all(NOW)  # before anybody noted that it was done
    assert (read(world).timed_tick, read(world).timed_from) == (1, LATE)
    assert tick(world) == 2
    assert read(world).timed_from is None
    assert read(world).took_ms >= 20_000


def test_a_tick_that_takes_long_is_timed_on_through_later_heartbeats(world: Any) -> None:
    for seconds in range(5):
        clock.open_all(LATE + timedelta(seconds=seconds))
    assert (read(world).timed_tick, read(world).timed_from) == (1, LATE)


def test_where_no_tick_is_due_none_is_timed(world: Any) -> None:
    worlds.set_rate(world.pk, 0.5)
    clock.open_all(LATE)
    assert read(world).timed_from is None
    clock.open_all(NOW)
    assert (read(world).timed_tick, read(world).timed_from) == (1, NOW)


def test_a_clock_that_is_set_back_is_timed_anew(world: Any) -> None:
    worlds.set_rate(world.pk, 9)
    clock.open_all(LATE)
    worlds.pause(world.pk)
    worlds.set_rate(world.pk, 1)
    worlds.resume(world.pk)
    clock.open_all(NOW)
    assert (read(world).timed_tick, read(world).timed_from) == (1, NOW)
