"""The log under writers that never rest: every committed event once, in order, and nothing that was rolled back."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable
from threading import Event as Flag

import pytest
from django.db import connection, transaction

from domains import sql
from domains.thunderflow import queries
from domains.thunderflow.actions import NewEvent, publish, publish_many
from domains.thunderflow.queries import StoredEvent
from tests.integration.thunderflow.told import Told, told
from tests.threads import threads, wait_for_lock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

WRITERS = 4
TRANSACTIONS = 150
STREAMS = [f"zone:{n}" for n in range(6)]


class Rollback(Exception):
    pass


def write(writer: int) -> list[str]:
    """Transactions of a few events over several streams, one in five rolled back. Returns what was committed."""
    chance = random.Random(writer)
    committed = []
    for number in range(TRANSACTIONS):
        streams = chance.choices(STREAMS, k=chance.randint(1, 6))
        batch = [told(stream, f"{writer}.{number}.{i}") for i, stream in enumerate(streams)]
        try:
            with transaction.atomic():
                publish_many(batch)
                if chance.random() < 0.2:
                    raise Rollback
        except Rollback:
            continue
        committed += [event.payload.what for event in batch]
    return committed


def read_until(done: Flag) -> list[StoredEvent]:
    """Follow by position until the writers are done and nothing is left."""
    seen: list[StoredEvent] = []
    cursor = 0
    while True:
        last_round = done.is_set()
        events, cursor = queries.read(after=cursor, limit=100)
        seen += events
        if last_round and not events:
            return seen


def wait_for_events(count: int) -> None:
    while sql.fetch_rows("SELECT count(*) FROM events")[0][0] < count:
        pass


def check_order(seen: Iterable[StoredEvent]) -> None:
    """Positions go up; each stream counts 1, 2, 3, … in the order of positions."""
    seen = list(seen)
    assert all(a.position < b.position for a, b in itertools.pairwise(seen))
    numbers = defaultdict(list)
    for event in seen:
        numbers[event.stream].append(event.seq)
    for stream, seqs in numbers.items():
        assert seqs == list(range(1, len(seqs) + 1)), stream


def test_a_reader_sees_every_committed_event_once_and_in_order() -> None:
    """Four writers at full speed over the same streams, and one transaction that has published and stays open."""
    done, release = Flag(), Flag()

    def hold() -> None:
        with transaction.atomic():
            publish(told("held", "held"))
            publish(told("held", "held too"))
            assert release.wait(30)

    with threads() as started:
        reader = started.start(read_until, done)
        writers = [started.start(write, n) for n in range(WRITERS)]
        try:
            wait_for_events(100)
            holder = started.start(hold)
            committed = [what for writer in writers for what in writer.result(60)]
        finally:
            release.set()
            holder.result(60)
            done.set()
        seen = reader.result(60)

    whats = [event.payload["what"] for event in seen]
    assert len(whats) == len(set(whats))
    assert set(whats) == {*committed, "held", "held too"}
    check_order(seen)


def test_a_transaction_held_open_delays_and_loses_nothing() -> None:
    with transaction.atomic():
        publish(told("early", "before"))
    before = queries.settled()
    with threads() as started:
        release, published = Flag(), Flag()

        def hold() -> None:
            with transaction.atomic():
                publish(told("held", "held"))
                published.set()
                assert release.wait(30)

        holder = started.start(hold)
        assert published.wait(30)
        with transaction.atomic():
            publish_many([told("late", "after")] * 3)
        held_back, cursor = queries.read(after=before)
        waiting = queries.latest()
        assert sql.fetch_rows("SELECT count(*) FROM events")[0][0] == 4, "the writer did not wait"
        release.set()
        holder.result(60)
    assert (held_back, cursor) == ([], before)
    assert [event.stream for event in waiting] == ["early"], "nothing unsettled is shown"
    now, _ = queries.read(after=cursor)
    assert [event.stream for event in now] == ["held", "late", "late", "late"]


def test_a_long_transaction_that_publishes_nothing_delays_nobody() -> None:
    begun, release = Flag(), Flag()

    def long() -> None:
        with transaction.atomic():
            sql.execute("SELECT txid_current()")
            sql.execute("LOCK TABLE worlds IN ROW EXCLUSIVE MODE")
            begun.set()
            assert release.wait(30)

    with threads() as started:
        other = started.start(long)
        assert begun.wait(30)
        with transaction.atomic():
            publish(told("zone:1", "now"))
        seen, _ = queries.read(after=0)
        release.set()
        other.result(60)
    assert [event.payload["what"] for event in seen] == ["now"]


def test_another_transaction_of_the_same_stream_waits_its_turn() -> None:
    """The counter's lock is what keeps `seq` from having gaps; a rollback hands its number on."""
    with threads() as started:
        published, release = Flag(), Flag()

        def roll_back() -> None:
            with pytest.raises(Rollback), transaction.atomic():
                publish(told("zone:1", "never"))
                published.set()
                assert release.wait(30)
                raise Rollback

        def second() -> int:
            with transaction.atomic():
                return publish(told("zone:1", "second"))

        first = started.start(roll_back)
        assert published.wait(30)
        other = started.start(second)
        wait_for_lock()
        assert not other.done()
        release.set()
        first.result(60)
        assert other.result(60) == 1
    check_order(queries.read(after=0)[0])


def test_a_rollback_leaves_no_gap() -> None:
    for what in ("one", "never", "two", "never", "never", "three"):
        try:
            with transaction.atomic():
                publish_many([told("zone:1", what), told("zone:2", what)])
                if what == "never":
                    raise Rollback
        except Rollback:
            pass
    for stream in ("zone:1", "zone:2"):
        events = queries.read_stream(stream, after=0)
        assert [(event.seq, event.payload["what"]) for event in events] == [(1, "one"), (2, "two"), (3, "three")]
    check_order(queries.read(after=0)[0])


def test_a_savepoint_that_is_rolled_back_leaves_no_gap_either() -> None:
    with transaction.atomic():
        publish(told("zone:1", "one"))
        with pytest.raises(Rollback), transaction.atomic():
            publish(told("zone:1", "never"))
            raise Rollback
        assert publish(told("zone:1", "two")) == 2
    assert [event.seq for event in queries.read_stream("zone:1", after=0)] == [1, 2]


def test_publishing_in_opposite_orders_does_not_deadlock() -> None:
    """Both have to wait for `m` in the middle: were the counters locked as they come, each would hold what the other
    needs."""
    published, release = Flag(), Flag()

    def hold() -> None:
        with transaction.atomic():
            publish(told("m", "held"))
            published.set()
            assert release.wait(30)

    def write_all(streams: str) -> None:
        with transaction.atomic():
            publish_many([told(stream, "x") for stream in streams])

    with threads() as started:
        holder = started.start(hold)
        assert published.wait(30)
        writers = [started.start(write_all, streams) for streams in ("amz", "zma")]
        wait_for_lock(2)
        release.set()
        for each in (holder, *writers):
            each.result(30)
    assert [len(queries.read_stream(stream, after=0)) for stream in "amz"] == [2, 3, 2]


def test_publishing_outside_of_a_transaction_is_refused() -> None:
    with pytest.raises(sql.NoTransaction, match="publish needs an open transaction"):
        publish(told("zone:1", "x"))
    with pytest.raises(sql.NoTransaction):
        publish_many([])
    assert queries.read(after=0)[0] == []


def test_an_event_is_visible_only_once_it_is_committed() -> None:
    with threads() as started, transaction.atomic():
        publish(told("zone:1", "x"))
        others = started.start(lambda: queries.read_stream("zone:1", after=0)).result(60)
        assert others == []
    assert len(queries.read_stream("zone:1", after=0)) == 1


def test_a_write_that_fails_in_the_middle_leaves_nothing() -> None:
    class Unfit(Told):
        pass

    broken = Unfit.model_construct(what=object())
    with pytest.raises(TypeError, match="not JSON serializable"), transaction.atomic():
        publish_many([told("zone:1", "x"), NewEvent("zone:1", "test.told", broken)])
    assert queries.read(after=0)[0] == []
    with transaction.atomic():
        assert publish(told("zone:1", "y")) == 1


def test_a_session_that_is_cut_off_holds_nobody_up() -> None:
    """What a killed writer leaves behind: its lock goes with its session."""
    with threads() as started:
        pids, release = [], Flag()

        def writer() -> None:
            with transaction.atomic():
                publish(told("zone:1", "never"))
                pids.append(connection.connection.info.backend_pid)
                published.set()
                assert release.wait(30)
                sql.execute("SELECT 1")

        published = Flag()
        cut = started.start(writer)
        assert published.wait(30)
        sql.fetch_rows("SELECT pg_terminate_backend(%s, 10000)", [pids[0]])
        with transaction.atomic():
            assert publish(told("zone:1", "first")) == 1
        release.set()
        assert cut.exception(60) is not None
    assert [event.payload["what"] for event in queries.read(after=0)[0]] == ["first"]
