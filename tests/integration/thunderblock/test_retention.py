"""What is too old or too much goes by whole leaves, unless somebody has not read it, and whoever is killed where."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from domains import leaves, sql
from domains.lifecycle import Tick, domain
from domains.retention import Busy, Gone, Limits, stores
from domains.thunderblock import queries, retention
from domains.thunderblock.models import RetentionPolicy
from domains.thunderblock.retention import RetentionError
from domains.thunderflow import partitions
from domains.thunderflow import queries as log
from domains.thunderflow.actions import publish_many
from domains.thunderflow.models import Cursor, Lease, ParkedStream, Subscription
from domains.thunderflow.subscribers import Subscriber
from domains.thunderflow.subscribers import actions as subscribers
from domains.thunderflow.subscribers.replay import replay
from tests.installation import eventually
from tests.integration.thunderflow.told import told as told_event
from tests.leaves import attached, fill, small_leaves
from tests.threads import at_once, threads, wait_for_lock

__all__ = ["small_leaves"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small_leaves")]

AGE = timedelta(days=31)


@pytest.fixture(autouse=True)
def policies(small_leaves: None) -> None:
    """Today's leaf of the tick log is needed by other tests: `later` it would go."""
    retention.sync()
    retention.set_policy("tick_logs", by="operator", enabled=False)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE events, event_streams; ALTER SEQUENCE event_position_seq RESTART")


def later() -> datetime:
    """When all that has happened until now is too old."""
    return timezone.now() + AGE


def told(verb: str) -> list[dict[str, Any]]:
    found = log.read_stream("system", after=0)
    return [event.payload for event in found if event.topic == f"system.retention_{verb}"]


def subscriber(name: str, position: int, **fields: Any) -> Subscription:
    found = Subscription.objects.create(name=name, pattern="**", shards=1, **fields)
    Cursor.objects.create(subscription=found, shard=0, position=position)
    return found


# --- Events --------------------------------------------------------------------------------------------------


def test_leaves_that_are_too_old_go_and_the_one_in_use_stays() -> None:
    fill(250)
    gone = retention.run(now=later())
    assert [what.name for what in gone] == ["events_p0", "events_p100"]
    assert attached()[0] == "events_p200"
    assert partitions.oldest() == 200
    assert [(one["what"], one["reason"], one["store"]) for one in told("applied")] == [
        ("events_p0", "age", "events"),
        ("events_p100", "age", "events"),
    ]
    assert all(one["bytes"] > 0 for one in told("applied"))


def test_what_is_young_stays() -> None:
    fill(250)
    assert retention.run(now=timezone.now() + timedelta(days=29)) == []
    assert partitions.oldest() == 1


def test_a_leaf_goes_by_its_newest_event() -> None:
    fill(250)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events SET at = at - interval '40 days' WHERE position < 90")
    assert retention.run(now=timezone.now()) == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events SET at = at - interval '40 days' WHERE position BETWEEN 90 AND 99")
    assert [what.name for what in retention.run(now=timezone.now())] == ["events_p0"]


def test_the_oldest_go_while_there_is_more_than_the_ceiling() -> None:
    fill(350)
    store = stores()["events"]
    sizes = {leaf.name: leaf.bytes for leaf in leaves.attached("events")}
    limits = Limits(None, sum(sizes.values()) - sizes["events_p0"] - 1)
    assert [(p.name, p.reason) for p in store.due(limits, timezone.now())] == [
        ("events_p0", "size"),
        ("events_p100", "size"),
    ]
    assert store.due(Limits(None, sum(sizes.values())), timezone.now()) == []
    assert [p.name for p in store.due(Limits(None, 1), timezone.now())] == ["events_p0", "events_p100", "events_p200"]


def test_a_ceiling_is_held_by_the_policy() -> None:
    retention.set_policy("events", by="operator", keep_days=None, max_bytes=1_000_000)
    fill(250)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events SET payload = jsonb_build_object('what', md5(position::text) || repeat(' ', 9000))"
        )
        cursor.execute("ALTER TABLE events_p0 ALTER COLUMN payload SET STORAGE EXTERNAL")
        cursor.execute("UPDATE events_p0 SET payload = jsonb_build_object('what', repeat('x', 9500))")
    assert [(what.name, what.reason) for what in retention.run(now=timezone.now())] == [("events_p0", "size")]


def test_a_policy_that_is_off_lets_nothing_go() -> None:
    retention.set_policy("events", by="operator", enabled=False)
    fill(250)
    assert retention.run(now=later()) == []


@pytest.mark.parametrize("fields", [{"declared": True}, {"declared": False, "paused": True}])
def test_a_subscriber_holds_what_it_has_not_passed(fields: dict[str, bool]) -> None:
    fill(350)
    subscriber("slow", 198, **fields)
    assert [what.name for what in retention.run(now=later())] == ["events_p0"]
    assert attached()[0] == "events_p100"
    Cursor.objects.update(position=199)
    assert [what.name for what in retention.run(now=later())] == ["events_p100"]


def test_one_that_nobody_declares_any_more_holds_nothing() -> None:
    fill(250)
    subscriber("gone", 5, declared=False)
    assert len(retention.run(now=later())) == 2


def test_one_at_which_somebody_works_holds_whatever_others_declare() -> None:
    fill(250)
    newer = subscriber("newer", 5, declared=False)
    lease = Lease.objects.create(subscription=newer, shard=0, holder=uuid4(), expires_at=timezone.now())
    for ago in (timedelta(), timedelta(hours=23)):
        lease.expires_at = timezone.now() - ago
        lease.save(update_fields=["expires_at"])
        assert retention.run(now=later()) == [], "its machine may be away for a while"
    lease.expires_at = timezone.now() - timedelta(days=1)
    lease.save(update_fields=["expires_at"])
    assert len(retention.run(now=later())) == 2


def after_a_leaf(act: Callable[[], object]) -> Callable[[], float]:
    """A clock that stands still, and acts when it is looked at after the first leaf has gone."""
    looks = iter(range(1000))

    def clock() -> float:
        if next(looks) == 3:  # what is unfinished of the audit trail and of the log comes first
            act()
        return 0.0

    return clock


def test_who_is_set_back_while_leaves_go_holds_the_next_one() -> None:
    fill(450)
    subscriber("slow", 450)

    def set_back() -> None:
        subscribers.pause("slow", by="operator")
        subscribers.rewind("slow", to=150, by="operator")

    assert [what.name for what in retention.run(now=later(), clock=after_a_leaf(set_back))] == ["events_p0"]
    assert partitions.oldest() == 100


def test_who_is_set_back_elsewhere_while_leaves_go_waits_until_they_are_gone() -> None:
    """Otherwise it might be set back to what goes in the next moment, unread."""
    fill(450)
    subscriber("slow", 450, paused=True)
    waiting: list[Future[None]] = []
    with threads(1) as started:

        def set_back() -> None:
            waiting.append(started.start(lambda: subscribers.rewind("slow", to=150, by="operator")))
            wait_for_lock()

        assert len(retention.run(now=later(), clock=after_a_leaf(set_back))) == 4
        with pytest.raises(subscribers.SubscriptionError, match="the log begins at position 400"):
            waiting[0].result(30)
    assert Cursor.objects.get().position == 450


def test_a_policy_that_changes_while_leaves_go_holds_for_the_next_one() -> None:
    fill(450)

    def keep() -> None:
        retention.set_policy("events", by="operator", enabled=False)

    assert [what.name for what in retention.run(now=later(), clock=after_a_leaf(keep))] == ["events_p0"]


def test_nobody_goes_back_to_what_is_gone() -> None:
    fill(250)
    subscriber("slow", 250, paused=True)
    retention.run(now=later())
    with pytest.raises(subscribers.SubscriptionError, match="the log begins at position 200, so it goes back to 199"):
        subscribers.rewind("slow", to=198, by="operator")
    subscribers.rewind("slow", to=199, by="operator")
    nothing = Subscriber("none", "test.**", lambda events: None)
    with pytest.raises(subscribers.SubscriptionError, match="before position 200 is gone"):
        replay(nothing, first=199, last=250, done=lambda *_: None)
    assert replay(nothing, first=200, last=250, done=lambda *_: None) == 51
    with pytest.raises(CommandError, match=r"--from 1 --to 25\d names nothing: the log goes from 200 to 25\d"):
        call_command("events", "replay", "--from", "1")


def test_the_slowest_of_all_shards_counts() -> None:
    fill(250)
    found = subscriber("wide", 250)
    Cursor.objects.create(subscription=found, shard=1, position=120)
    assert [what.name for what in retention.run(now=later())] == ["events_p0"]


def test_a_stream_that_is_parked_holds_its_event() -> None:
    fill(250)
    found = subscriber("careful", 250)
    parked = ParkedStream.objects.create(
        subscription=found, shard=0, stream="test:1", seq=50, position=50, attempts=1, error_class="transient",
        error="no", first_failed_at=timezone.now(), retry_at=timezone.now(),
    )  # fmt: skip
    assert retention.run(now=later()) == []
    parked.delete()
    assert len(retention.run(now=later())) == 2


def test_who_holds_up_what_should_go_is_told_once_each_time() -> None:
    fill(250)
    subscriber("slow", 49)
    for _ in range(3):
        assert retention.run(now=later()) == []
    (blocked,) = told("blocked")
    assert (blocked["subscription"], blocked["what"], blocked["reason"]) == ("slow", "events_p0", "age")
    assert blocked["behind"] == 201
    assert RetentionPolicy.objects.get(store="events").held_by == ["slow"]
    Cursor.objects.update(position=250)
    assert len(retention.run(now=later())) == 2
    assert RetentionPolicy.objects.get(store="events").held_by == []


def test_events_after_a_drop_are_published_and_read_and_streams_count_on() -> None:
    fill(250)
    retention.run(now=later())
    fill(300)
    events, _ = log.read(after=0, pattern="test.**", limit=1000)
    assert [event.seq for event in events] == list(range(200, 551))
    assert log.read_stream("test:1", after=0, limit=1)[0].seq == 200


def test_an_open_publisher_keeps_the_leaf_that_it_may_have_written_to() -> None:
    fill(99)
    with threads() as started:
        begun, release = Flag(), Flag()

        def hold() -> None:
            with transaction.atomic():
                publish_many([told_event("test:2", 1)])
                begun.set()
                assert release.wait(30)

        holding = started.start(hold)
        try:
            assert begun.wait(30)
            fill(60, "test:3")
            assert stores()["events"].due(Limits(1, None), later()) == []
        finally:
            release.set()
        holding.result(30)
    assert [piece.name for piece in stores()["events"].due(Limits(1, None), later())] == ["events_p0"]


# --- Killed anywhere -----------------------------------------------------------------------------------------


def test_killed_between_detach_and_drop_the_next_run_drops_it() -> None:
    fill(250)
    leaves.detach("events", "events_p0", reason="age")
    assert leaves.detached("events") == [("events_p0", "age")]
    assert [what.name for what in retention.run(now=timezone.now())] == ["events_p0"]
    assert leaves.detached("events") == []
    assert [one["reason"] for one in told("applied")] == ["age"]


def test_killed_in_the_drop_neither_the_drop_nor_its_event_is_there() -> None:
    fill(250)
    (piece, *_) = stores()["events"].due(Limits(30, None), later())

    def die(what: Gone) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stores()["events"].let_go(piece, die)
    assert leaves.detached("events") == [("events_p0", "age")]
    assert told("applied") == []
    retention.run(now=timezone.now())
    assert len(told("applied")) == 1


def test_a_detach_that_is_pending_is_finalised() -> None:
    """A reader holds the table for longer than anybody waits; writers and other readers go on meanwhile."""
    fill(250)
    with threads() as started:
        begun, release = Flag(), Flag()

        def hold() -> None:
            with transaction.atomic():
                sql.fetch_rows("SELECT count(*) FROM events")
                begun.set()
                assert release.wait(30)

        reading = started.start(hold)
        try:
            assert begun.wait(30)
            assert retention.run(now=later()) == []
            assert [leaf.name for leaf in leaves.attached("events") if leaf.pending] == ["events_p0"]
            assert partitions.oldest() == 100
            fill(10)
            assert retention.run(now=later()) == [], "still held"
        finally:
            release.set()
        reading.result(30)
    assert [what.name for what in retention.run(now=later())] == ["events_p0", "events_p100"]


def test_a_table_that_an_operator_detached_stays() -> None:
    fill(250)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events DETACH PARTITION events_p0")
    try:
        retention.run(now=later())
        assert sql.fetch_rows("SELECT count(*) FROM events_p0") == [(99,)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE events_p0")


def held_off(*, by: str, during: Callable[[], None]) -> None:
    """Do something while another session is in a transaction that has done this."""
    begun, release = Flag(), Flag()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(by)
            begun.set()
            assert release.wait(30)

    with threads(1) as started:
        holding = started.start(hold)
        try:
            assert begun.wait(30)
            during()
        finally:
            release.set()
        holding.result(30)


LOCKED = "LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE"


def test_a_leaf_that_could_not_be_detached_is_not_marked_any_more() -> None:
    """An operator who then detaches it by hand keeps it."""
    fill(250)

    def try_it() -> None:
        said: list[str] = []
        assert retention.run(now=later(), busy=said.append) == []
        assert said[0].startswith("events: tried again later: ")

    held_off(by=LOCKED, during=try_it)
    assert marks() == []


def test_a_mark_is_taken_off_when_whoever_set_it_died_before_the_detach() -> None:
    fill(250)
    with connection.cursor() as cursor:
        cursor.execute("COMMENT ON TABLE events_p0 IS 'let go from events: age'")
        cursor.execute("COMMENT ON TABLE events_p100 IS 'let go on by hand'")
    retention.run(now=timezone.now())
    assert marks() == [("events_p100", "let go on by hand")]


def marks() -> list[tuple[str, str]]:
    return sql.fetch_rows(
        "SELECT relname::text, obj_description(oid, 'pg_class') FROM pg_class"
        " WHERE relname LIKE 'events_p%%' AND obj_description(oid, 'pg_class') IS NOT NULL"
    )


def test_a_task_s_time_that_is_over_leaves_no_lock_and_no_setting() -> None:
    class Over(Exception):
        pass

    def ring(*_: object) -> None:
        raise Over

    def run() -> None:
        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            with pytest.raises(Over):
                retention.run(now=later())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    fill(250)
    settings = sql.fetch_rows("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
    held_off(by="SELECT count(*) FROM events", during=run)
    assert sql.fetch_rows("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')") == settings
    held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 3 AND objsubid = 2"
    eventually(lambda: not sql.fetch_rows(held), seconds=10)  # a session that was given up ends a moment later
    assert len(retention.run(now=later())) == 2


def test_two_at_once_do_it_once() -> None:
    fill(450)
    now = later()
    gone = [what.name for found in at_once(*[lambda: retention.run(now=now)] * 3) for what in found]
    assert sorted(gone) == ["events_p0", "events_p100", "events_p200", "events_p300"]
    assert len(told("applied")) == 4


def test_session_settings_are_as_they_were() -> None:
    before = sql.fetch_rows("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
    fill(250)
    retention.run(now=later())
    assert sql.fetch_rows("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')") == before


def test_what_there_is_no_time_for_is_left_for_the_next_time() -> None:
    fill(450)
    seconds = iter(range(0, 1000, 2))
    assert len(retention.run(now=later(), budget_s=7.0, clock=lambda: float(next(seconds)))) < 4
    assert attached()[0] in ("events_p100", "events_p200", "events_p300")


def test_a_store_that_is_busy_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(250)

    class Stuck(type(stores()["model_calls"])):  # type: ignore[misc]
        def finish(self, tell: Any) -> None:
            raise Busy("locked")

    monkeypatch.setitem(retention.stores.__globals__["_stores"], "model_calls", Stuck())
    assert len(retention.run(now=later())) == 2


# --- The heartbeat -------------------------------------------------------------------------------------------


def test_a_heartbeat_carries_policies_out_once_a_minute(count_queries: Any) -> None:
    fill(250)
    now = later()
    domain("thunderblock").on_tick(Tick(10, now))
    assert len(told("applied")) == 2
    fill(200)
    with count_queries() as statements:
        assert retention.run_due(now=now + timedelta(seconds=30)) == []
    assert len(statements) == 1
    assert len(retention.run_due(now=now + timedelta(seconds=60))) == 2


def test_a_domain_that_activates_gives_every_store_a_policy() -> None:
    RetentionPolicy.objects.all().delete()
    domain("thunderblock").activate(Tick(1, timezone.now()))
    found = {row.store: (row.keep_days, row.max_bytes) for row in RetentionPolicy.objects.all()}
    assert found == {
        "events": (30, 10_000_000_000),
        "audit": (730, 10_000_000_000),
        "model_calls": (30, 2_000_000_000),
        "outside_calls": (30, 1_000_000_000),
        "tick_logs": (30, 10_000_000_000),
    }
    RetentionPolicy.objects.filter(store="events").update(keep_days=7)
    domain("thunderblock").activate(Tick(2, timezone.now()))
    assert RetentionPolicy.objects.get(store="events").keep_days == 7


# --- Policies ------------------------------------------------------------------------------------------------


def test_a_change_is_told_with_who_made_it() -> None:
    retention.set_policy("events", by="user:ada", keep_days=7, max_bytes=None)
    retention.set_policy("events", by="user:ada", keep_days=7)
    (event,) = [e for e in log.read_stream("system", after=0) if e.topic == "system.retention_changed"]
    assert event.actor == "user:ada"
    assert event.payload == {"store": "events", "enabled": True, "keep_days": 7, "max_bytes": None}


@pytest.mark.parametrize("change", [{"keep_days": 0}, {"keep_days": 36_501}, {"max_bytes": 999_999}])
def test_what_makes_no_sense_is_refused_here_and_in_the_database(change: dict[str, int]) -> None:
    with pytest.raises(RetentionError):
        retention.set_policy("events", by="operator", **change)
    with pytest.raises(IntegrityError):
        RetentionPolicy.objects.filter(store="events").update(**change)
    assert told("changed") == []


def test_a_store_that_is_not_there_is_named_with_those_that_are() -> None:
    known = "audit, events, model_calls, outside_calls, tick_logs"
    with pytest.raises(RetentionError, match=f"nothing called 'event' is kept; there is {known}"):
        retention.set_policy("event", by="operator", keep_days=1)


def test_what_is_kept_can_be_asked() -> None:
    fill(250)
    subscriber("slow", 49)
    events = next(row for row in queries.kept(later()) if row.store == "events")
    assert events.size_bytes == stores()["events"].size_bytes() > 0
    assert events.oldest_at is not None
    assert [piece.name for piece in events.goes] == ["events_p0", "events_p100"]
    assert [holder.name for holder in events.goes[0].held_by] == ["slow"]
    assert queries.store_sizes().keys() == {"audit", "events", "model_calls", "outside_calls", "tick_logs"}


# --- Tick logs -----------------------------------------------------------------------------------------------


def test_whole_days_of_tick_logs_go_and_never_today_s() -> None:
    now = datetime(2031, 5, 20, 12, tzinfo=UTC)
    store = stores()["tick_logs"]
    before = set(attached("tick_logs"))
    sql.fetch_rows("SELECT tick_log_ensure_leaves(%s::timestamptz, 4)", [now - timedelta(days=3)])
    made = sorted(set(attached("tick_logs")) - before)
    assert made == [f"tick_logs_203105{day}" for day in (17, 18, 19, 20, 21)]
    try:
        due = [piece for piece in store.due(Limits(1, None), now) if piece.name in made]
        assert [piece.name for piece in due] == ["tick_logs_20310517", "tick_logs_20310518"]
        most = [piece.name for piece in store.due(Limits(None, 1), now) if piece.name in made]
        assert most == ["tick_logs_20310517", "tick_logs_20310518", "tick_logs_20310519"]
        at_midnight = datetime(2031, 5, 20, 0, 30, tzinfo=UTC)
        assert "tick_logs_20310519" not in [piece.name for piece in store.due(Limits(None, 1), at_midnight)]
        gone: list[Gone] = []
        store.let_go(due[0], gone.append)
        assert [what.name for what in gone] == ["tick_logs_20310517"]
        assert "tick_logs_20310517" not in attached("tick_logs")
    finally:
        with connection.cursor() as cursor:
            for name in set(attached("tick_logs")) - before:
                cursor.execute(f"DROP TABLE {name}")


# --- Model calls ---------------------------------------------------------------------------------------------

CALL = """
INSERT INTO mind_calls (id, agent_id, world_id, endpoint_id, model, tick_number, asked_tick, attempt, template_version,
    request_hash, request, answer, status, error_class, error, prompt_tokens, completion_tokens, cost, started_at)
SELECT (lpad(to_hex((extract(epoch FROM %(at)s::timestamptz) * 1000)::bigint), 12, '0')
            || lpad(to_hex(n), 20, '0'))::uuid,
    gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'm', 1, 1, 1, 0, '', '{}', repeat('x', 500), %(status)s,
    '', '', 0, 0, 0, %(at)s
FROM generate_series(1, %(count)s) AS n
"""


def calls(at: datetime, count: int, status: str = "answered") -> None:
    with connection.cursor() as cursor:
        cursor.execute(CALL, {"at": at, "count": count, "status": status})
        cursor.execute("SELECT pg_stat_force_next_flush()")


def call_count() -> int:
    return int(sql.fetch_rows("SELECT count(*) FROM mind_calls")[0][0])


def test_old_model_calls_go_in_batches_and_those_under_way_stay() -> None:
    now = timezone.now()
    calls(now - timedelta(days=40), 6000)
    calls(now - timedelta(days=41), 3, "open")
    calls(now, 10)
    gone = retention.run(now=now)
    assert [(what.rows, what.reason) for what in gone] == [(5000, "age"), (1000, "age")]
    assert call_count() == 13
    assert retention.run(now=now) == []


def test_the_oldest_model_calls_go_above_the_ceiling() -> None:
    now = timezone.now()
    calls(now - timedelta(hours=2), 1200)
    calls(now - timedelta(hours=1), 300)
    retention.set_policy("model_calls", by="operator", keep_days=None, max_bytes=1_000_000)
    sql.fetch_rows("SELECT pg_stat_force_next_flush()")
    (gone,) = retention.run(now=now)
    assert gone.reason == "size"
    assert 300 < call_count() < 1200
    assert call_count() == 1500 - gone.rows
