"""The heart: it counts each interval once, for ever, and hands every active domain its tick."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import redis
from celery.utils.nodenames import anon_nodename
from celery.worker.request import Request
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from kombu.message import Message

from domains import queue
from domains.lifecycle import Tick
from domains.thunderblock import actions as thunderblock
from domains.thunderblock import queries as registry
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow import queries as log
from domains.thunderlink import actions, heartbeat, tasks
from domains.thunderlink.models import Heart, HeartbeatTick
from tests.apps import Install, install
from tests.threads import at_once
from thunderline.celery import app

__all__ = ["install"]
pytestmark = pytest.mark.django_db


def let_pass(seconds: float) -> None:
    """Time goes by: the last beat and the instants of all earlier ones lie further back."""
    ago = timedelta(seconds=seconds)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE heart SET beat_at = beat_at - %s, started_at = started_at - %s", [ago, ago])
        cursor.execute("UPDATE heartbeat_ticks SET at = at - %s", [ago])


def beat(*, after: float = 1.0) -> Tick | None:
    let_pass(after)
    return actions.beat(interval_s=1.0)


@pytest.fixture(autouse=True)
def messages() -> Iterator[Any]:
    """Reads and takes away what this process put into the workers' queue for the domains of tests."""
    broker = redis.Redis.from_url(settings.REDIS_URL)

    def take() -> list[dict[str, Any]]:
        found = []
        for raw in broker.lrange("work", 0, -1):
            message = orjson.loads(raw)
            if message["headers"]["origin"] == anon_nodename():
                broker.lrem("work", 1, raw)
                if "probe_" in message["headers"]["argsrepr"]:
                    found.append(message)
        return [{**message["headers"], "queue": message["properties"]["delivery_info"]} for message in found[::-1]]

    if broker.llen("work") >= actions.MOST_WAITING / 2:
        broker.delete("work")  # what other tests sent, and nobody will ever take
    take()
    yield take
    take()
    broker.close()


@pytest.fixture
def workers_at_once() -> Iterator[None]:
    """Messages are worked off as they are sent."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


# --- Counting ------------------------------------------------------------------------------------------------


def test_before_the_first_beat_nothing_is_known() -> None:
    assert heartbeat.current_tick() == 0
    stats = heartbeat.stats()
    assert (stats.tick_count, stats.age_s, stats.beating, stats.active_domains) == (0, None, False, 0)
    assert heartbeat.recent() == []


def test_beats_are_counted_from_one() -> None:
    assert [tick.number for tick in (beat(), beat(), beat()) if tick] == [1, 2, 3]
    assert heartbeat.current_tick() == 3


def test_a_second_beat_within_half_an_interval_is_none() -> None:
    assert beat() is not None
    assert beat(after=0.0) is None
    assert beat(after=0.4) is None
    assert heartbeat.current_tick() == 1
    assert beat(after=0.2) is not None, "0.6 of an interval by now"
    assert heartbeat.current_tick() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_two_beats_at_once_make_one_tick() -> None:
    """Two beat processes, by mistake or while one takes over from the other."""
    for expected in (1, 2, 3):
        let_pass(1)
        ticks = at_once(*[lambda: actions.beat(interval_s=1.0)] * 4)
        assert [tick.number for tick in ticks if tick] == [expected]
    assert [each.number for each in heartbeat.recent()] == [1, 2, 3]


def test_counting_goes_on_after_a_restart() -> None:
    for _ in range(3):
        beat()
    thunderblock.start_all(now=datetime.now(UTC))
    tick = beat(after=3600)
    assert tick is not None and tick.number == 4
    assert {row.number for row in HeartbeatTick.objects.all()} == {1, 2, 3, 4}


def test_the_tick_knows_its_instant() -> None:
    tick = beat()
    assert tick is not None
    assert tick.at == Heart.objects.get().beat_at
    assert tick.at.tzinfo is not None


# --- What can be asked ---------------------------------------------------------------------------------------


def test_stats_are_over_the_last_minute_of_beats() -> None:
    for _ in range(5):
        beat(after=1.0)
    stats = heartbeat.stats()
    assert stats.tick_count == 5
    assert stats.beating
    assert stats.active_domains == 0
    assert stats.interval_ms == pytest.approx(1000, rel=0.5)
    assert stats.uptime_seconds == pytest.approx(4, rel=0.5)
    assert stats.latency > 0
    assert stats.age_s is not None and stats.age_s >= 0


def test_silence_is_noticed_after_five_seconds() -> None:
    beat()
    last = Heart.objects.get().beat_at
    assert last is not None
    assert heartbeat.stats(now=last + timedelta(seconds=4.9)).beating
    stopped = heartbeat.stats(now=last + timedelta(seconds=5))
    assert not stopped.beating
    assert stopped.age_s == 5


def test_uptime_begins_anew_after_a_silence_of_more_than_ten_seconds() -> None:
    for seconds in (1, 1, 9, 1):
        beat(after=seconds)
    assert heartbeat.stats().uptime_seconds == pytest.approx(11, rel=0.3)
    beat(after=11)
    assert heartbeat.stats().uptime_seconds == 0
    assert heartbeat.current_tick() == 5


def test_the_latest_beats_come_oldest_first() -> None:
    for _ in range(4):
        beat()
    assert [each.number for each in heartbeat.recent(limit=3)] == [2, 3, 4]
    assert str(heartbeat.recent(limit=1)[0]) == "heartbeat 4"
    assert str(Heart.objects.get()) == "tick 4"


def test_beats_are_kept_in_a_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeartbeatTick, "RING", 5)
    for _ in range(13):
        beat()
    assert [each.number for each in heartbeat.recent()] == [9, 10, 11, 12, 13]
    assert sorted(HeartbeatTick.objects.values_list("slot", flat=True)) == [0, 1, 2, 3, 4]


def test_there_is_only_one_heart() -> None:
    beat()
    with pytest.raises(IntegrityError, match="heart_only_one"), transaction.atomic():
        Heart.objects.create(id=2)


# --- What it sends -------------------------------------------------------------------------------------------


def test_active_domains_get_their_tick_and_waiting_ones_are_activated(install: Install, messages: Any) -> None:
    install("a")
    install("b")
    install("c")
    thunderblock.start_all(now=datetime.now(UTC))
    ActiveDomain.objects.filter(domain_name="probe_a").update(status="active")
    ActiveDomain.objects.filter(domain_name="probe_c").update(status="inactive", enabled=False)
    tick = beat()
    assert tick is not None
    sent = messages()
    assert [(m["task"], m["argsrepr"]) for m in sent] == [
        ("thunderblock.on_tick", "('probe_a',)"),
        ("thunderblock.activate", "('probe_b',)"),
    ]
    for message in sent:
        assert message["queue"]["routing_key"] == "work"
        assert eval(message["kwargsrepr"]) == {"number": tick.number, "at": tick.at.isoformat()}


def test_a_message_that_no_worker_takes_in_time_expires(install: Install, messages: Any) -> None:
    """Rows are the queue; ticks that nobody took are not made up for, so nothing piles up."""
    install("a")
    thunderblock.start_all(now=datetime.now(UTC), eager=True)
    for interval_s, expected in ((1.0, 1), (0.05, 1), (5.0, 5)):
        let_pass(60)
        tick = actions.beat(interval_s=interval_s)
        assert tick is not None
        (message,) = messages()
        life = datetime.fromisoformat(message["expires"]) - tick.at
        assert timedelta(seconds=expected) <= life < timedelta(seconds=expected + 30)
        assert message["ignore_result"] is True
        assert message["retries"] == 0


def test_workers_that_come_back_find_no_backlog(install: Install, messages: Any) -> None:
    """What lay there too long is thrown away unread; the next tick runs."""
    probe = install("a")
    thunderblock.start_all(now=datetime.now(UTC), eager=True)
    for _ in range(5):
        beat()
    sent = messages()
    assert len(sent) == 5
    task = app.tasks["thunderblock.on_tick"]
    for message in sent:
        request = celery_request(message, expired=message is not sent[-1])
        if not request.revoked():
            task(*eval(message["argsrepr"]), **eval(message["kwargsrepr"]))
    assert probe.calls == ["activate 0", "on_tick 5"]
    assert ActiveDomain.objects.get(domain_name="probe_a").tick_count == 1


def celery_request(message: dict[str, Any], *, expired: bool) -> Any:
    """A message as a worker sees it when it takes it, a minute later or at once."""
    expires = datetime.fromisoformat(message["expires"]) - timedelta(minutes=expired)
    headers = {**message, "expires": expires.isoformat()}
    body = ((), {}, {})
    return Request(
        Message(body=body, headers=headers, delivery_info={}), app=app, decoded=True, task=app.tasks[message["task"]]
    )


@pytest.mark.usefixtures("workers_at_once")
def test_a_domain_that_raises_holds_up_no_other(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    broken, well = install("a"), install("b")
    broken.failures["on_tick"] = RuntimeError("no")
    thunderblock.start_all(now=datetime.now(UTC), eager=True)
    for _ in range(2):
        assert beat() is not None
    assert well.calls == ["activate 0", "on_tick 1", "on_tick 2"]
    assert broken.calls == ["activate 0", "on_tick 1", "on_tick 2"]
    counts = dict(ActiveDomain.objects.values_list("domain_name", "tick_count"))
    assert (counts["probe_a"], counts["probe_b"], counts["thundergrid"]) == (0, 2, 2)
    assert heartbeat.current_tick() == 2


@pytest.mark.usefixtures("workers_at_once")
def test_heartbeats_alone_bring_all_domains_up(install: Install) -> None:
    probes = [install("a", depends_on=("b",)), install("b")]
    thunderblock.start_all(now=datetime.now(UTC))
    for _ in range(6):
        beat()
    assert {status.status for status in registry.domains()} == {"active"}
    assert HeartbeatTick.objects.get(number=6).active_domains == len(registry.domains())
    assert probes[0].calls[0].startswith("activate")
    numbers = [int(call.split()[1]) for call in probes[0].calls]
    assert numbers == list(range(numbers[0], 7)), "activated at one tick, then each one after it"


@pytest.mark.usefixtures("workers_at_once")
def test_a_crashed_domain_comes_back_by_heartbeats(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    probe = install("a")
    probe.failures["activate"] = RuntimeError("not yet")
    thunderblock.start_all(now=datetime.now(UTC))
    beat()
    assert ActiveDomain.objects.get(domain_name="probe_a").status == "crashed"
    del probe.failures["activate"]
    beat(after=1)
    assert probe.calls == ["activate 1"], "its delay is not over"
    ActiveDomain.objects.filter(domain_name="probe_a").update(retry_at=datetime.now(UTC) - timedelta(seconds=1))
    beat(after=1)
    assert ActiveDomain.objects.get(domain_name="probe_a").status == "active"


def test_a_domain_that_is_installed_while_it_beats_is_found_within_a_minute(install: Install) -> None:
    beat()
    install("late")
    Heart.objects.update(tick_number=59)
    beat()
    assert registry.domain_status("probe_late") is None
    beat()
    status = registry.domain_status("probe_late")
    assert status is not None and status.status == "waiting"


def test_the_task_beats_at_the_interval_of_the_settings_and_acts_as_the_heartbeat(install: Install) -> None:
    probe = install("a")
    probe.failures["activate"] = RuntimeError("no")
    thunderblock.start_all(now=datetime.now(UTC))
    ActiveDomain.objects.filter(domain_name="probe_a").update(
        status="crashed", retry_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    tasks.heartbeat(something_new=True)
    assert heartbeat.current_tick() == 1
    tasks.heartbeat()
    assert heartbeat.current_tick() == 1, "too soon"
    event = log.read_stream("system", after=0)[-1]
    assert (event.topic, event.actor) == ("system.domain_restarting", "heartbeat")


def test_the_schedule_beats_in_a_queue_of_its_own_and_never_piles_up() -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["heartbeat"]
    assert entry["task"] == tasks.heartbeat.name
    assert entry["options"]["expires"] == settings.HEARTBEAT_S
    assert settings.CELERY_TASK_ROUTES[tasks.heartbeat.name]["queue"] == "heartbeat"
    assert not app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.task_ignore_result


def test_a_stopped_worker_makes_no_backlog(messages: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    thunderblock.start_all(now=datetime.now(UTC), eager=True)
    before = queue.waiting("work")
    for _ in range(60):
        assert beat() is not None
    assert before < queue.waiting("work") < actions.MOST_WAITING + 10
