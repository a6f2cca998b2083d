"""Looking after agents: who comes when, two at once, a process that dies, and ticks beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from domains import sql
from memory.graph import locks
from memory.models import AgentUpkeep, MemoryNode
from memory.upkeep import doubles, state, stints
from tests.factories.worlds import make_world, run_ticks
from tests.integration.memory.graph.making import NOW, link_all, make_agents, one_number
from tests.integration.memory.upkeep.living import (
    DAY,
    OUTING,
    care,
    contents,
    forgotten,
    overdue,
    remember_all,
    summaries,
)  # fmt: skip
from tests.tables import commits
from tests.threads import at_once, threads, wait_for_lock

__all__ = ["commits"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

SECONDS = 30.0
LOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def live_through(agent_id: UUID) -> None:
    """Something for every step."""
    remember_all(agent_id, OUTING, at=NOW - 10 * DAY)
    remember_all(agent_id, ["The bridge is shut.", "A bridge is shut."], at=NOW - 5 * DAY)
    remember_all(agent_id, ["It rained once."], at=NOW - 200 * DAY)


def test_a_stint_does_all_that_is_due_and_the_next_finds_nothing() -> None:
    agents = make_agents(3)
    for one in agents:
        live_through(one)
    assert stints.waiting()
    link_all()
    overdue()
    done = stints.run(now=NOW, seconds=SECONDS)
    assert (done.agents, done.compared, done.merged, done.summaries, done.faded) == (3, 27, 3, 3, 3)
    again = stints.run(now=NOW, seconds=SECONDS)
    assert (again.linked, again.agents) == (3, 0), "the summaries are memories too, and are compared in a while"
    assert not stints.waiting()
    for row in AgentUpkeep.objects.all():
        assert row.leased_until is None and row.settled_at is not None
        assert timezone.now() < row.due_at <= timezone.now() + timedelta(hours=1)


def test_new_memories_make_an_agent_due_within_a_minute() -> None:
    ada, bo = make_agents(2)
    remember_all(ada, ["It rained."])
    care(ada)
    assert AgentUpkeep.objects.get().due_at > timezone.now() + timedelta(minutes=59)
    remember_all(ada, ["It snowed."])
    remember_all(bo, ["It hailed."])
    stints.run(now=NOW, seconds=SECONDS)
    assert AgentUpkeep.objects.count() == 2
    for row in AgentUpkeep.objects.all():
        assert timezone.now() < row.due_at <= timezone.now() + timedelta(minutes=1)


def test_who_has_waited_longest_comes_first_and_a_large_one_goes_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.upkeep.doubles.COMPARED", 4)
    monkeypatch.setattr("memory.upkeep.stints.COMPARED", 4)
    large, small, last = make_agents(3)
    for one, many in ((large, 10), (small, 1), (last, 1)):
        remember_all(one, [f"Boat {n} leaks." for n in range(many)])
    link_all()
    for n, one in enumerate((large, small, last)):
        AgentUpkeep.objects.filter(pk=one).update(due_at=NOW + n * DAY)
    visited = []
    while claimed := state.claim(timedelta(hours=1)):
        visited.append(claimed[0])
        stints.visit(claimed[0], now=NOW, settle=claimed[1])
    assert visited == [large, small, last, large, large]


def test_a_stint_ends_in_time_and_says_that_there_is_more() -> None:
    agents = make_agents(3)
    for one in agents:
        remember_all(one, ["It rained."])
    link_all()
    overdue()
    seconds = count()
    done = stints.run(now=NOW, seconds=4, clock=lambda: float(next(seconds)))
    assert 0 < done.agents < 3 and done.more
    assert stints.run(now=NOW, seconds=SECONDS).agents == 3 - done.agents


def test_agents_and_memories_that_are_gone_are_no_trouble() -> None:
    ada, bo = make_agents(2)
    remember_all(ada, ["It rained."])
    remember_all(bo, ["It rained.", "The rain."])
    link_all()
    MemoryNode.objects.filter(agent=ada).delete()
    overdue()
    assert stints.run(now=NOW, seconds=SECONDS).agents == 2
    assert list(AgentUpkeep.objects.values_list("pk", flat=True)) == [bo]


def test_several_processes_at_once_do_everything_once() -> None:
    agents = make_agents(6)
    for one in agents:
        live_through(one)
    link_all()
    overdue()
    done = at_once(*[lambda: stints.run(now=NOW, seconds=SECONDS)] * 4)
    assert sum(one.agents for one in done) == 6
    assert [sum(getattr(one, name) for one in done) for name in ("merged", "summaries", "faded")] == [6, 6, 6]
    assert sorted(len(gone) for _, gone in forgotten()) == [1] * 12
    assert all((len(contents(one)), len(summaries(one))) == (8, 1) for one in agents)


def test_one_agent_in_two_hands_is_done_once() -> None:
    (ada,) = make_agents(1)
    live_through(ada)
    link_all()
    done = at_once(*[lambda: stints.visit(ada, now=NOW, wait=True)] * 3)
    assert [sum(getattr(one, name) for one in done) for name in ("merged", "summaries", "faded")] == [1, 1, 1]
    with threads(1) as started, transaction.atomic():
        sql.execute(state.HOLD, [ada])
        assert started.start(lambda: stints.visit(ada, now=NOW)).result(timeout=30).elsewhere == 1


DYING = """
import os, sys, uuid
os.environ["DJANGO_SETTINGS_MODULE"] = "thunderline.settings"
import django
django.setup()
from django.conf import settings
from django.db import connection
from datetime import UTC, datetime
connection.settings_dict["NAME"] = sys.argv[1]
from memory.upkeep import stints
print("ready", flush=True)
stints.run(now=datetime(2026, 5, 1, 12, tzinfo=UTC), seconds=30)
print("done", flush=True)
"""


@pytest.mark.parametrize("step", ["merging", "writing", "pruning"])
def test_a_process_that_is_killed_has_done_a_step_or_not_begun(step: str) -> None:
    """Killed with kill -9 while it waits with its locks and changes at the end of a step; another goes on."""
    (ada,) = make_agents(1)
    live_through(ada)
    link_all()
    if step != "merging":
        with transaction.atomic(), state.held(ada):
            doubles.merge_new(ada)
    overdue()
    told, were = len(forgotten()), contents(ada)
    with transaction.atomic():
        # Events come last in a step; a summary has none, and waits for its graph.
        if step == "writing":
            locks.hold([ada])
        else:
            sql.execute("SELECT * FROM event_begin(ARRAY['memory'], ARRAY[1]::bigint[])")
        _kill_when_it_waits()
        transaction.set_rollback(True)
    assert len(forgotten()) == told and set(contents(ada)) >= set(were)
    assert len(summaries(ada)) == (step == "pruning")
    assert state.claim(timedelta(hours=1)) is None, "its lease goes on"
    AgentUpkeep.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    stints.run(now=NOW, seconds=SECONDS)
    assert len(forgotten()) == 2 and len(summaries(ada)) == 1 and len(contents(ada)) == 8


def _kill_when_it_waits() -> None:
    name = connection.settings_dict["NAME"]
    with subprocess.Popen([sys.executable, "-c", DYING, str(name)], stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == "ready\n"
        try:
            wait_for_lock()
        finally:
            os.kill(dying.pid, signal.SIGKILL)
        dying.wait(30)
    # Until PostgreSQL has noticed that nobody is there, which a session that waits for a lock does not.
    ending = LOCKED.replace("count(*)", "count(pg_terminate_backend(pid, 10000))")
    while one_number(ending):
        sql.fetch_rows("SELECT pg_stat_clear_snapshot()")


def test_ticks_beside_upkeep_do_not_wait_for_it(settings: Any) -> None:
    """Upkeep stands still with all its locks; the ticks of its very agents go on, and store."""
    settings.MEMORY = {**settings.MEMORY, "budget": 3}
    world = make_world(agents=4)
    agents = list(world.agents.values_list("pk", flat=True))
    for one in agents:
        live_through(one)
    link_all()
    overdue()
    with threads(2) as started:
        with transaction.atomic():
            sql.execute("SELECT * FROM event_begin(ARRAY['memory'], ARRAY[1]::bigint[])")
            caring = started.start(lambda: stints.run(now=NOW, seconds=SECONDS))
            wait_for_lock()
            stored = MemoryNode.objects.count()
            ticked = started.start(_tick, world).result(timeout=60)
            assert MemoryNode.objects.count() > stored, "they stored what they lived through"
            assert not caring.done() and one_number(LOCKED) == 1
            transaction.set_rollback(True)
        assert ticked == 40
        assert caring.result(timeout=60).agents >= 4


def _tick(world: Any) -> int:
    """With a limit on every lock, so that whoever waited for one would fail."""
    sql.execute("SET lock_timeout = '2s'")
    return run_ticks(world, 10)


def test_a_visit_with_nothing_to_do_is_few_statements(count_queries: Any) -> None:
    (ada,) = make_agents(1)
    remember_all(ada, ["It rained."])
    care(ada)
    with count_queries() as statements:
        stints.visit(ada, now=NOW, settle=False)
    assert len(statements) == 4
    with count_queries() as statements:
        stints.visit(ada, now=NOW)
    assert len(statements) == 10
