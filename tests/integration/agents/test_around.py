"""Queries, partitions, tasks, the domain, and what is only looked at."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.apps import apps
from django.conf import settings

from agents import partitions, queries, tasks
from agents.engine import loop
from agents.errors import AgentError, Invalid, NotFound, WrongState
from agents.models import Agent, Lifecycle, TickLog
from domains import lifecycle, sql
from domains.lifecycle import Tick
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow.context import Context, acting, current
from tests.integration.agents.living import allow, events, live, logs, make_world, people, person
from zones.actions import clock
from zones.models import World

pytestmark = pytest.mark.django_db


# --- Queries -------------------------------------------------------------------------------------------------


def test_finding_one() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    assert queries.find("Mara") == queries.find(str(mara.pk)) == queries.find("Mara", world="World") == mara
    for missing in ("Ben", str(uuid4())):
        with pytest.raises(NotFound, match=f"there is no agent '{missing}'"):
            queries.find(missing)
    with pytest.raises(NotFound, match="in Elsewhere"):
        queries.find("Mara", world="Elsewhere")


def test_a_name_that_several_worlds_have() -> None:
    for name in ("One", "Two"):
        _, (zone,) = make_world(name=name)
        person(zone)
    with pytest.raises(NotFound, match="name the world"):
        queries.find("Mara")
    assert queries.find("Mara", world="Two").world.name == "Two"


def test_lists_cost_the_same_for_many(django_assert_num_queries: Any) -> None:
    world, (zone,) = make_world()
    for first, count in ((0, 3), (10, 30)):
        people(zone, count, first=first)
        with django_assert_num_queries(1):
            assert [(a.world.name, a.zone.name) for a in queries.agents(world_id=world.pk)]
    assert queries.agents(zone_id=zone.pk, lifecycle="dormant").count() == 0
    assert [a.name for a in queries.agents()] == sorted(a.name for a in Agent.objects.all())


def test_ticks_come_newest_first_and_by_pages() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    live(world, 7)
    assert [t.tick_number for t in queries.ticks(mara.pk, limit=3)] == [7, 6, 5]
    assert [t.tick_number for t in queries.ticks(mara.pk, limit=3, before=5)] == [4, 3, 2]
    assert str(queries.ticks(mara.pk)[0]).startswith(f"{mara.pk} tick 7: ")


def test_counts_by_state() -> None:
    world, (zone,) = make_world()
    five = people(zone, 5)
    Agent.objects.filter(pk=five[0].pk).update(lifecycle="dormant")
    expected = dict.fromkeys(Lifecycle.values, 0) | {"active": 4, "dormant": 1}
    assert queries.count_by_lifecycle(world.pk) == queries.count_by_lifecycle() == expected


def test_codes_are_stable() -> None:
    codes = [error.code for error in (AgentError, NotFound, Invalid, WrongState)]
    assert codes == ["agent_error", "agent_not_found", "invalid_payload", "wrong_state"]


# --- Partitions ----------------------------------------------------------------------------------------------


def leaves() -> list[str]:
    return [
        row[0]
        for row in sql.fetch_rows(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'tick_logs'::regclass ORDER BY 1"
        )
    ]


def test_a_week_is_there_ahead() -> None:
    now = datetime.now(UTC)
    assert partitions.ensure_ahead(now) == 0
    assert f"tick_logs_{now:%Y%m%d}" in leaves()
    assert f"tick_logs_{now + timedelta(days=7):%Y%m%d}" in leaves()


def test_missing_days_are_made_once() -> None:
    later = datetime(2044, 2, 27, 23, 59, tzinfo=UTC)
    assert partitions.ensure_ahead(later) == 8
    assert partitions.ensure_ahead(later) == 0
    assert partitions.ensure_ahead(later + timedelta(minutes=2)) == 1
    days = [leaf for leaf in leaves() if leaf.startswith("tick_logs_2044")]
    assert days[0] == "tick_logs_20440227"
    assert "tick_logs_20440229" in days  # a leap year
    assert len(days) == 9


def test_a_tick_is_unique_in_its_leaf() -> None:
    found = sql.fetch_rows(
        """SELECT count(*) FROM pg_constraint c JOIN pg_inherits i ON i.inhrelid = c.conrelid
           WHERE i.inhparent = 'tick_logs'::regclass AND c.contype = 'u'"""
    )
    assert found[0][0] == len(leaves()) >= 8


def test_days_begin_at_midnight_utc() -> None:
    partitions.ensure_ahead(datetime(2044, 2, 27, tzinfo=UTC))
    bounds = sql.fetch_rows(
        """SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'tick_logs_20440228'"""
    )
    assert "2044-02-28 00:00:00+00" in bounds[0][0]
    assert "2044-02-29 00:00:00+00" in bounds[0][0]


def test_the_domain_sees_to_its_partitions() -> None:
    domain: Any = apps.get_app_config("agents")
    assert (domain.domain, domain.depends_on) == ("thunderpac", ("thundergrid", "thundervault"))
    domain.activate(Tick(1, datetime(2045, 1, 1, tzinfo=UTC)))
    assert "tick_logs_20450101" in leaves()
    domain.on_tick(Tick(601, datetime(2046, 1, 1, tzinfo=UTC)))
    assert "tick_logs_20460101" not in leaves()
    domain.on_tick(Tick(600, datetime(2046, 1, 1, tzinfo=UTC)))
    assert "tick_logs_20460101" in leaves()


# --- Tasks ---------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would go to the broker."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.tick_zones, "apply_async", lambda *_, **options: messages.append(options))
    return messages


def active(domain: str = "thunderpac") -> None:
    from domains.thunderblock import guards

    now = datetime.now(UTC)
    ActiveDomain.objects.update_or_create(domain_name=domain, defaults={"status": "active", "updated_at": now})
    guards.forget()


def test_a_clock_that_opened_wakes_each_worker_once(
    sent: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    world, _ = make_world()
    World.objects.filter(pk=world.pk).update(status="running", rate=3)
    redis.Redis.from_url(settings.REDIS_URL).delete("ticks")  # what other tests sent, and nobody will ever take
    with django_capture_on_commit_callbacks(execute=True):
        clock.open_all(datetime.now(UTC))
    assert sent == [{"expires": 1}] * settings.CONFIG.workers
    assert World.objects.get(pk=world.pk).target_tick == 3
    assert lifecycle.clock_opened.has_listeners()


def test_a_worker_ticks_what_is_due_and_goes(sent: list[dict[str, Any]]) -> None:
    active()
    world, (zone,) = make_world()
    people(zone, 3)
    allow(world, 2)
    tasks.tick_zones(a_word_from_a_newer_version=1)
    assert len(logs(world)) == 6
    assert sent == []
    assert {e.actor for e in events(zone.pk, "agent_ticked")} == {"engine"}


def test_a_worker_that_did_not_finish_asks_for_another_turn(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    active()
    monkeypatch.setattr(tasks, "STINT_S", 0.0)
    world, (zone,) = make_world()
    people(zone, 3)
    allow(world, 2)
    tasks.tick_zones()
    assert sent == [{"expires": 1}]
    assert logs(world) == []


def test_each_world_tick_of_a_stint_has_a_correlation_of_its_own(sent: list[dict[str, Any]]) -> None:
    """The first belongs to what woke the worker."""
    active()
    world, (zone,) = make_world()
    people(zone, 3)
    allow(world, 3)
    with acting(actor="heartbeat") as heartbeat:
        tasks.tick_zones()
    ticked = events(zone.pk, "agent_ticked")
    by_tick = {tick: {e.correlation_id for e in ticked if e.payload["world_tick"] == tick} for tick in (1, 2, 3)}
    assert by_tick[1] == {heartbeat.correlation_id}
    assert [len(ids) for ids in by_tick.values()] == [1, 1, 1]
    assert len(set.union(*by_tick.values())) == 3


def test_another_turn_is_not_for_what_the_first_was_for(monkeypatch: pytest.MonkeyPatch) -> None:
    active()
    monkeypatch.setattr(tasks, "STINT_S", 0.0)
    contexts = []
    monkeypatch.setattr(tasks.tick_zones, "apply_async", lambda **_: contexts.append(current()))
    with acting(actor="heartbeat"):
        tasks.tick_zones()
    assert contexts == [Context()]


def test_nothing_ticks_while_the_domain_is_not_active(sent: list[dict[str, Any]]) -> None:
    active()
    ActiveDomain.objects.update(status="inactive")
    from domains.thunderblock import guards

    guards.forget()
    world, (zone,) = make_world()
    people(zone, 3)
    allow(world, 2)
    tasks.tick_zones()
    assert logs(world) == []
    assert sent == []


# --- Figures -------------------------------------------------------------------------------------------------


def test_metrics_count_ticks_and_chunks() -> None:
    from agents import metrics

    before = metrics.ticks._value.get()
    world, (zone,) = make_world()
    people(zone, 5)
    live(world, 2)
    assert metrics.ticks._value.get() - before == 10
    assert TickLog.objects.filter(agent__world=world).count() == 10
    assert loop.run(seconds=1, world_id=world.pk).ticks == 0
