"""Where episodes begin and end, which of them are due, and what waits."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from memory.upkeep.episodes import GAP, When, find, heading
from memory.upkeep.limits import LEAST_OF_EPISODE, MOST_OF_EPISODE

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
MINUTE = timedelta(minutes=1)


def run(count: int, ends_at: datetime, *, first: int = 0, apart: timedelta = MINUTE) -> list[When]:
    return [(UUID(int=first + n), ends_at - (count - 1 - n) * apart) for n in range(count)]


def ids(memories: list[When]) -> list[UUID]:
    return [memory_id for memory_id, _ in memories]


def test_half_an_hour_of_silence_ends_an_episode() -> None:
    one = run(5, NOW - WEEK - timedelta(hours=1), apart=GAP)
    other = run(6, NOW - WEEK, first=100)
    found = find(one + other, now=NOW, after=WEEK)
    assert found.due == [ids(one), ids(other)]
    assert not found.awaiting


def test_young_episodes_wait_and_short_ones_do_not() -> None:
    short = run(LEAST_OF_EPISODE - 1, NOW - WEEK - timedelta(hours=9))
    young = run(LEAST_OF_EPISODE, NOW - timedelta(days=6), first=100)
    found = find(short + young, now=NOW, after=WEEK)
    assert not found.due and found.awaiting == set(ids(young))


def test_what_goes_on_waits_but_for_its_full_parts() -> None:
    going_on = run(MOST_OF_EPISODE + 2, NOW)
    found = find(going_on, now=NOW, after=timedelta(0))
    assert found.due == [ids(going_on)[:MOST_OF_EPISODE]]
    assert found.awaiting == set(ids(going_on)[MOST_OF_EPISODE:])


def test_a_long_one_is_cut_into_parts_of_one_size() -> None:
    long = run(MOST_OF_EPISODE + 2, NOW - WEEK)
    assert [len(part) for part in find(long, now=NOW, after=WEEK).due] == [13, 13]
    assert find([], now=NOW, after=WEEK).due == []


@given(st.lists(st.integers(0, 3600), max_size=120), st.integers(0, 10))
def test_each_memory_is_in_one_episode_at_most(gaps: list[int], days: int) -> None:
    at, memories = NOW - timedelta(days=8), []
    for n, gap in enumerate(gaps):
        at += timedelta(seconds=gap)
        memories.append((UUID(int=n), min(at, NOW)))
    found = find(memories, now=NOW, after=timedelta(days=days))
    due = [one for part in found.due for one in part]
    assert len(due) == len(set(due)) and not found.awaiting.intersection(due)
    when = dict(memories)
    for part in found.due:
        assert LEAST_OF_EPISODE <= len(part) <= MOST_OF_EPISODE
        assert all(when[other] - when[one] <= GAP for one, other in pairwise(part))
        assert when[part[-1]] <= NOW - timedelta(days=days)


def test_headings_say_when() -> None:
    start = datetime(2026, 5, 1, 9, 10, tzinfo=UTC)
    assert heading(start, start + timedelta(minutes=30)) == "1 May 2026, 09:10 to 09:40"
    assert heading(start, start + timedelta(hours=20)) == "1 May 2026, 09:10 to 2 May 2026, 05:10"
