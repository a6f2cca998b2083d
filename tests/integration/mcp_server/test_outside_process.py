"""The process that calls outside tools is stopped and killed: no call is lost, none is answered twice, redo is bounded.

And what comes from outside is an input: a world that is given the same again is the same again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.actions import outside
from agents.actions.outside import Came
from agents.models import Agent, Message, OutsideCall
from domains.ids import new_id
from domains.thunderflow.actions import NewEvent
from mcp_server import events
from mcp_server.outside import desk, offers
from tests.factories import wake_domains
from tests.integration.agents import history
from tests.integration.agents.living import TRAITS, check_counts, live, make_world
from tests.integration.mcp_server.outside_world import calls, inbox, known, outcomes, seeker, serve, switch
from tests.outside_server import NOTHING, OutsideServer, echo, failing, giving, outside_server, slow
from thunderline.config import BASE_DIR
from zones.models import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

SEED = int(os.environ.get("OUTSIDE_SEED", random.randrange(1_000_000)))


@pytest.fixture(autouse=True)
def _awake(db: None, settings: Any) -> None:
    settings.OUTSIDE_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.LIMITS = {**settings.LIMITS, "on": False}
    wake_domains()
    offers.forget()


@pytest.fixture
def server() -> Iterator[OutsideServer]:
    with outside_server() as made:
        made.has("echo", echo)
        yield made


Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes on the test's database; what still runs in the end is killed."""
    url = urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}"))
    env = os.environ | {
        "DATABASE_URL": url, "THUNDERLINE_OUTSIDE_NETWORKS": "127.0.0.0/8", "THUNDERLINE_LIMITS": "off",
    }  # fmt: skip
    started: list[subprocess.Popen[bytes]] = []

    def one() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, str(BASE_DIR / "manage.py"), "outside"], env=env))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.wait()


def eventually(found: Callable[[], Any], seconds: float = 60) -> Any:
    until = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)
    return value


def leases_run_out() -> None:
    """As they do by themselves after a while."""
    OutsideCall.objects.filter(status="open").update(expires_at=timezone.now() - timedelta(seconds=1))


def test_killed_in_the_middle_of_a_call(server: OutsideServer, start: Start) -> None:
    world, (zone,) = make_world()
    known(server)
    switch("town.echo")
    mara = seeker(zone)
    server.has("echo", slow(60))
    live(world)
    process = start()
    eventually(lambda: server.called)
    process.kill()
    process.wait()
    (call,) = calls()
    assert (call.status, call.attempt, call.holder is not None, inbox(mara)) == ("open", 1, True, [])
    assert call.expires_at > timezone.now()

    server.has("echo", echo)
    leases_run_out()
    start()
    eventually(lambda: inbox(mara))
    (call,) = calls()
    assert (call.status, call.attempt) == ("done", 2)
    assert len(inbox(mara)) == 1
    keys = [called.meta["thunderline/idempotency-key"] for called in server.called]
    assert keys == [str(call.pk)] * 2
    check_counts(world)


def test_what_kills_whoever_calls_it_is_given_up(server: OutsideServer, start: Start) -> None:
    world, (zone,) = make_world()
    known(server)
    switch("town.echo")
    mara = seeker(zone)
    server.has("echo", slow(60))
    live(world)
    for tries in range(1, desk.MOST_TRIES + 1):
        process = start()
        eventually(lambda tries=tries: len(server.called) == tries)
        process.kill()
        process.wait()
        leases_run_out()
    start()
    eventually(lambda: inbox(mara))
    assert (outcomes(), len(server.called)) == ([("refused", "lost")], desk.MOST_TRIES)


def test_killed_again_and_again(server: OutsideServer, start: Start) -> None:
    print(f"OUTSIDE_SEED={SEED}")  # noqa: T201 - to repeat a failure
    chance = random.Random(SEED)
    world, (zone,) = make_world({"capacity": 40})
    known(server, max_in_flight=6)
    switch("town.echo")
    server.has("echo", slow(0.3))
    people = [seeker(zone, f"Agent {number}") for number in range(12)]
    live(world, 2)
    processes = [start(), start()]
    eventually(lambda: server.called)
    for _ in range(3):
        time.sleep(chance.uniform(0.1, 0.6))
        victim = processes.pop(0)
        victim.kill()
        victim.wait()
        leases_run_out()  # of whoever is killed, and of who lives too: it may be taken from under its hands
        processes.append(start())
    eventually(lambda: leases_run_out() or not calls(status="open"), 90)
    assert {status for status, _ in outcomes()} <= {"done", "refused"}
    assert {code for _, code in outcomes()} <= {"", "lost"}
    told = Counter(Message.objects.filter(sender="tool:town.echo").values_list("recipient_id", flat=True))
    assert told == {person.pk: 2 for person in people}
    made = Counter(called.meta["thunderline/idempotency-key"] for called in server.called)
    assert made.keys() <= {str(call.pk) for call in calls()}
    assert max(made.values()) <= desk.MOST_TRIES
    assert all(made[str(call.pk)] for call in calls(status="done"))
    live(world)
    check_counts(world)


def test_stopped_in_the_middle_of_a_call(server: OutsideServer, start: Start) -> None:
    """What is soon over is waited for, and the rest is given back at once."""
    world, (zone,) = make_world()
    known(server)
    server.has("long", slow(60))
    switch("town.echo")
    server.has("echo", slow(1))
    known(server, "city")
    switch("city.long")
    mara, ben = seeker(zone, "Mara"), seeker(zone, "Ben", "city.long")
    live(world)
    process = start()
    eventually(lambda: len(server.called) == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert [status for _, _, status in inbox(mara)] == ["waiting"]
    (call,) = calls(agent=ben)
    assert (call.status, call.holder) == ("open", None)
    assert call.expires_at <= timezone.now()


# --- The same again -----------------------------------------------------------------------------------------------


def world_of(name: str) -> World:
    """Two zones, eight people who reach outside now and then, and talk."""
    world, zones = make_world({}, {}, name=name, seed=4711, ways=[(0, 1, 0.5)])
    for number in range(8):
        traits = {trait: (number * (37 + 11 * n) % 101) / 100 for n, trait in enumerate(TRAITS)}
        effects = {"tool_access": ["town.echo", "town.news", "town.rude"], "action_weights": {"use_tool": 1.5}}
        mods = [{"name": "reach", "kind": "tool", "effects": effects}]
        seeker(zones[number % 2], f"Agent {number}", mods=mods, traits=traits, tick_interval=1 + number % 3)
    return world


Given = list[tuple[int, int, str, str, str]]


def test_the_same_inputs_make_the_same_world(server: OutsideServer) -> None:
    server.has("news", giving(None, "The ferry from the island is late. Will you wait for it tonight?"), takes=NOTHING)
    server.has("rude", failing("the well is dry"), takes=NOTHING)
    known(server, max_in_flight=100)
    for name in ("echo", "news", "rude"):
        switch(f"town.{name}")
    one, rounds = world_of("one"), []
    for number in range(8):
        if number == 4:
            switch("town.echo", on=False)  # what operators do changes what comes, and no tick
        live(one, 4)
        serve()
        rounds.append(recorded(one, number * 4))
    assert {outcome[3] for given in rounds for outcome in given} == {"done", "failed", "refused"}

    offers.forget()
    server.wrong = None
    for name in ("echo", "news", "rude"):
        switch(f"town.{name}", on=False)
    asked = len(server.called)
    two = world_of("two")
    for given in rounds:
        live(two, 4)
        replay(two, given)
    assert len(server.called) == asked
    assert history.of(two) == history.of(one)


def recorded(world: World, since: int) -> Given:
    """What came of the calls of these ticks, in the order in which agents were told: what a log of inputs has."""
    rows = OutsideCall.objects.filter(world=world, asked_tick__gt=since).order_by("message")
    ordinals = dict(Agent.objects.filter(world=world).values_list("pk", "ordinal"))
    return [
        (ordinals[row.agent_id], row.tick_number, row.tool, row.status, row.result or row.error) for row in rows
    ]  # fmt: skip


def replay(world: World, given: Given) -> None:
    """Tell agents the same again, asking nobody."""
    me = new_id()
    ordinals: dict[UUID, int] = dict(Agent.objects.filter(world=world).values_list("pk", "ordinal"))
    numbers = dict(OutsideCall.objects.filter(world=world).values_list("pk", "tick_number"))
    taken = {(ordinals[call.agent_id], numbers[call.id], call.tool): call for call in outside.take(me, 1000)}
    assert taken.keys() == {one[:3] for one in given}
    for *key, status, text in given:
        call = taken[tuple(key)]  # type: ignore[index]

        def told(reached: bool, call: outside.Taken = call) -> NewEvent:
            payload = events.OutsideCalled(
                call_id=call.id, tool=call.tool, outcome="again", ms=None, attempt=1, agent_id=call.agent_id,
                world_id=call.world_id, told=reached,
            )  # fmt: skip
            return NewEvent(events.STREAM, payload.topic, payload)

        assert outside.end(call, Came(status, "", text), holder=me, told=told)
