from itertools import pairwise

import pytest
from django.db import connection, transaction
from psycopg.errors import LockNotAvailable

from domains.lifecycle import Tick, domain
from domains.thunderflow import partitions, queries
from domains.thunderflow.actions import publish_many
from domains.thunderflow.partitions import AHEAD
from tests.integration.thunderflow.told import told
from tests.threads import at_once, threads, wait_for_lock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

LEAF_SIZE = 1_000_000
"""As the settings have it unless told otherwise."""


def leaf(number: int) -> str:
    return f"events_p{number * LEAF_SIZE}"


def leaves() -> list[int]:
    """Which leaves are attached, counted from 0; they are called after their first position."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass")
        return sorted(int(name.removeprefix("events_p")) // LEAF_SIZE for (name,) in cursor.fetchall())


@pytest.fixture(autouse=True)
def first_leaves(commits: None) -> None:
    """The leaves of a new installation: those that another test made are dropped."""
    with connection.cursor() as cursor:
        for number in leaves():
            if number > AHEAD:
                cursor.execute(f"DROP TABLE {leaf(number)}")
    assert leaves() == list(range(AHEAD + 1))


def go_to(position: int) -> None:
    """The next event gets the position after this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('event_position_seq', %s)", [position])


def leaf_counts() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text, count(*) FROM events GROUP BY 1")
        return dict(cursor.fetchall())


def test_a_new_installation_has_the_leaf_in_use_and_four_ahead() -> None:
    assert partitions.ensure_ahead() == 0


def test_leaves_are_made_before_they_are_needed() -> None:
    go_to(2 * LEAF_SIZE + 5)
    assert partitions.ensure_ahead() == 2
    assert leaves() == list(range(2 + AHEAD + 1))
    assert partitions.ensure_ahead() == 0


def test_writers_cross_from_one_leaf_to_the_next_without_a_gap() -> None:
    go_to(LEAF_SIZE - 3)
    with transaction.atomic():
        publish_many([told("test:1", n) for n in range(5)])
    assert leaf_counts() == {leaf(0): 2, leaf(1): 3}
    assert [event.seq for event in queries.read_stream("test:1", after=0)] == [1, 2, 3, 4, 5]
    events, cursor = queries.read(after=LEAF_SIZE - 3)
    assert [event.payload["what"] for event in events] == [0, 1, 2, 3, 4]
    assert cursor == LEAF_SIZE + 2


def test_the_last_leaf_ahead_can_be_crossed_once_more_are_made() -> None:
    """Each heartbeat of the domain sees to it."""
    end = (AHEAD + 1) * LEAF_SIZE
    go_to(end - 2)
    domain("thunderflow").on_tick(Tick(1, None))  # type: ignore[arg-type]
    with transaction.atomic():
        publish_many([told("test:1", n) for n in range(3)])
    assert leaf_counts() == {leaf(AHEAD): 1, leaf(AHEAD + 1): 2}


def test_a_stream_s_number_cannot_come_twice_in_a_leaf() -> None:
    with connection.cursor() as cursor:
        for number in leaves():
            cursor.execute(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'u'",
                [leaf(number)],
            )
            assert cursor.fetchone() == ("UNIQUE (stream, seq)",)


def test_processes_that_make_leaves_at_once_make_each_once() -> None:
    go_to(LEAF_SIZE)
    assert sorted(at_once(*[partitions.ensure_ahead] * 4)) == [0, 0, 0, 1]
    assert leaves() == list(range(AHEAD + 2))


def test_leaves_are_made_while_writers_and_readers_go_on() -> None:
    """A transaction that has written lets the leaf be attached; nobody waits for the other."""
    go_to(LEAF_SIZE)
    with threads() as started, transaction.atomic():
        publish_many([told("test:1", 1)])
        made = started.start(partitions.ensure_ahead)
        assert made.result(30) == 1


def test_a_lock_that_does_not_come_is_given_up_and_tried_again() -> None:
    """Somebody holds the whole table; attaching would queue, and all writers behind it."""
    go_to(LEAF_SIZE)
    with threads() as started:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
            waiting = started.start(partitions.ensure_ahead)
            wait_for_lock()
            with pytest.raises(LockNotAvailable):
                waiting.result(30)
        assert leaves() == list(range(AHEAD + 1))
    assert partitions.ensure_ahead() == 1


def test_the_domain_is_well_when_the_log_can_be_read() -> None:
    flow = domain("thunderflow")
    flow.activate(Tick(1, None))  # type: ignore[arg-type]
    assert flow.health() == {"settled": 0}


def bounds() -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT low, high FROM event_leaf_bounds() ORDER BY low")
        return cursor.fetchall()


def test_leaves_of_another_size_go_on_from_the_highest_bound() -> None:
    end = (AHEAD + 1) * LEAF_SIZE
    go_to(end - LEAF_SIZE // 2)
    assert partitions.ensure_ahead(3 * LEAF_SIZE) == AHEAD
    try:
        found = bounds()
        assert found[AHEAD + 1] == (end, end + 3 * LEAF_SIZE)
        assert all(high == low for (_, high), (low, _) in pairwise(found))
        go_to(end + LEAF_SIZE)
        assert partitions.ensure_ahead(100) == 1
        assert bounds()[-1] == (found[-1][1], found[-1][1] + 100)
    finally:
        drop_above(end)


def test_a_sequence_past_all_leaves_gets_one_that_has_its_last_value() -> None:
    far = 100 * LEAF_SIZE + 7
    go_to(far)
    try:
        assert partitions.ensure_ahead() == AHEAD + 1
        assert (100 * LEAF_SIZE, 101 * LEAF_SIZE) in bounds()
        with transaction.atomic():
            publish_many([told("test:1", 1)])
        assert leaf_counts() == {leaf(100): 1}
    finally:
        drop_above((AHEAD + 1) * LEAF_SIZE)


def test_the_oldest_position_is_the_first_leaf_s() -> None:
    assert partitions.oldest() == 1


def drop_above(position: int) -> None:
    with connection.cursor() as cursor:
        for low, _ in bounds():
            if low >= position:
                cursor.execute(f"DROP TABLE events_p{low}")
