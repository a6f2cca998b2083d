"""One shard at work: each event once, in the order of its stream, whatever fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from domains import sql
from domains.thunderflow import faults, queries
from domains.thunderflow.events import DeadLettered
from domains.thunderflow.faults import Failed, RetryPolicy
from domains.thunderflow.models import Breaker, Cursor, DeadLetter, ParkedStream
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers.shard import Shard
from tests.integration.thunderflow.following import (
    Effects,
    cursor,
    follow,
    follow_all,
    last_position,
    letters,
    refusing,
    settle,
    tell,
    tell_some,
    work,
)
from tests.integration.thunderflow.told import told
from tests.threads import Threads, threads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


def test_events_take_effect_in_order_and_by_batches() -> None:
    effects = Effects()
    shard = follow(effects, batch=3)
    tell_some("a", *"12345")
    tell(told("b", "else", topic="other.told"), told("b", "6"))
    work(shard)
    assert effects.calls == [["1", "2", "3"], ["4", "5", "6"]]
    assert effects.rows() == list("123456")
    assert Cursor.objects.get().handled == 6
    work(shard)
    assert effects.rows() == list("123456")


def test_it_begins_now_or_at_the_beginning() -> None:
    tell_some("a", "old")
    late, early = Effects(), Effects()
    after = follow(late, start="now")
    before = follow(early, name="other")
    tell_some("a", "new")
    work(after)
    work(before)
    assert (late.calls, early.calls) == ([["new"]], [["old", "new"]])


def test_cursor_and_effects_go_together() -> None:
    """What a handler wrote is undone with the cursor when the transaction does not come to its end."""
    effects = Effects()
    shard = follow(effects)
    tell_some("a", "1")

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    whole, shard._move = shard._move, broken  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        shard.run()
    assert (effects.rows(), cursor()) == ([], 0)
    shard._move = whole  # type: ignore[method-assign]
    work(shard)
    assert effects.rows() == ["1"]


def test_a_failing_event_holds_back_only_its_own_stream() -> None:
    effects = Effects()
    effects.fails = refusing("a2")
    shard = follow(effects, retry=RetryPolicy(attempts=9, base_s=60, cap_s=60))
    tell(*(told(stream, f"{stream}{n}") for n in range(1, 5) for stream in "ab"))
    work(shard)
    assert effects.rows("a") == ["a1"]
    assert effects.rows("b") == ["b1", "b2", "b3", "b4"]
    (parked,) = ParkedStream.objects.all()
    assert (parked.stream, parked.seq, parked.attempts, parked.error_class) == ("a", 2, 1, "transient")
    assert "Refuse: not a2" in parked.error
    tell_some("a", "a5")
    tell_some("b", "b5")
    work(shard)
    assert (effects.rows("a"), effects.rows("b")[-1]) == (["a1"], "b5")

    effects.fails = lambda event: None
    ParkedStream.objects.update(retry_at="2020-01-01T00:00Z")
    settle(shard)
    assert effects.rows("a") == ["a1", "a2", "a3", "a4", "a5"]
    assert not DeadLetter.objects.exists()


def test_what_keeps_failing_becomes_a_dead_letter_and_its_stream_goes_on() -> None:
    effects = Effects()
    effects.fails = refusing("a2")
    shard = follow(effects)
    tell_some("a", "a1", "a2", "a3")
    settle(shard)
    assert effects.rows() == ["a1", "a3"]
    (letter,) = letters()
    assert (letter.stream, letter.seq, letter.attempts, letter.status) == ("a", 2, 3, "waiting")
    assert "not a2" in letter.error and "Refuse" in letter.traceback
    event = StoredEvent.of(letter.event)
    assert event == next(e for e in queries.read(after=0, pattern="test.**")[0] if e.payload["what"] == "a2")
    (told_of,) = queries.read(after=0, pattern=DeadLettered.topic)[0]
    assert told_of.payload["event_id"] == str(event.id)
    assert told_of.causation_id == event.id


@pytest.mark.parametrize("error_class", ["validation", "permanent", "security"])
def test_what_no_second_try_helps_gets_none(error_class: str) -> None:
    effects = Effects()
    effects.fails = refusing("a1", error=lambda text: Failed(error_class, text))
    shard = follow(effects)
    tell_some("a", "a1", "a2")
    settle(shard)
    assert effects.rows() == ["a2"]
    (letter,) = letters()
    assert (letter.attempts, letter.error_class) == (1, error_class)


def test_a_handler_that_always_fails_loses_nothing() -> None:
    effects = Effects()
    effects.fails = lambda event: RuntimeError("no")
    shard = follow(effects, batch=7)
    tell(*(told(f"s{n % 4}", str(n)) for n in range(40)))
    settle(shard)
    assert effects.rows() == []
    assert sorted(int(letter.event["payload"]["what"]) for letter in letters()) == list(range(40))
    assert {letter.attempts for letter in letters()} == {3, 1}  # at last one try each


def test_an_event_of_a_stream_may_fail_while_it_is_worked_off() -> None:
    effects = Effects()
    effects.fails = refusing("a2", "a4")
    shard = follow(effects)
    tell_some("a", "a1", "a2", "a3", "a4", "a5")
    settle(shard)
    assert effects.rows() == ["a1", "a3", "a5"]
    assert [letter.seq for letter in letters()] == [2, 4]


def test_a_dead_letter_is_sent_again() -> None:
    effects = Effects()
    effects.fails = refusing("a1")
    shard = follow(effects)
    tell_some("a", "a1", "a2")
    settle(shard)
    DeadLetter.objects.update(status="retrying")
    shard._looked = float("-inf")
    work(shard)
    (letter,) = letters()
    assert (letter.status, letter.attempts) == ("waiting", 4)
    effects.fails = lambda event: None
    DeadLetter.objects.update(status="retrying")
    shard._looked = float("-inf")
    work(shard)
    (letter,) = letters()
    assert letter.status == "handled" and letter.resolved_at
    assert effects.rows() == ["a2", "a1"]
    assert effects.events[-1].redelivered and not effects.events[0].redelivered


def test_streams_are_dealt_out_to_shards_and_stay_there() -> None:
    effects = Effects()
    shards = follow_all(effects, shards=3)
    tell(*(told(f"s{n % 20}", str(n)) for n in range(100)))
    per_shard = []
    for shard in shards:
        before = len(effects.rows())
        work(shard)
        per_shard.append(len(effects.rows()) - before)
    assert sum(per_shard) == 100 and min(per_shard) > 0
    for n in range(20):
        assert [int(what) for what in effects.rows(f"s{n}")] == list(range(n, 100, 20))


def test_a_dependency_that_is_away_opens_the_breaker() -> None:
    effects = Effects()
    effects.fails = lambda event: ConnectionError("nobody there")
    shard = follow(effects, retry=RetryPolicy(attempts=3, base_s=0.001, cap_s=0.001))
    tell(*(told(f"s{n}", str(n)) for n in range(50)))
    work(shard, until=lambda: Breaker.objects.filter(name="handler:test", state="open").exists())
    calls = len(effects.calls)
    for _ in range(5):
        assert not shard.run()
    assert len(effects.calls) == calls
    (opened,) = queries.read(after=0, pattern="system.breaker_changed")[0]
    assert (opened.payload["state"], opened.payload["was"]) == ("open", "closed")
    assert "nobody there" in opened.payload["error"]

    effects.fails = lambda event: None
    Breaker.objects.update(opened_at="2020-01-01T00:00Z")
    time.sleep(0.3)
    settle(shard)
    assert sorted(effects.rows(), key=int) == [str(n) for n in range(50)]
    assert Breaker.objects.get().state == "closed"
    assert not DeadLetter.objects.exists()


def test_two_workers_at_one_shard_do_nothing_twice() -> None:
    effects = Effects()
    first = follow(effects, batch=5)
    second = follow(Effects(), batch=5)
    tell(*(told("a", str(n)) for n in range(50)))
    with transaction.atomic():
        assert first._advance(write=True) is True
        with threads(1) as started:
            assert started.start(second.run).result(10) is False  # the other one has the cursor
    work(first)
    assert effects.rows() == [str(n) for n in range(50)]


def test_a_rare_topic_does_not_keep_its_cursor_behind() -> None:
    effects = Effects()
    shard = follow(effects, pattern="test.rare")
    tell(*(told("a", str(n)) for n in range(100)))
    work(shard)
    assert cursor() >= last_position()
    tell_some("a", "more")
    work(shard)
    behind = cursor()
    tell(told("a", "rare", topic="test.rare"))
    work(shard)
    assert effects.rows() == ["rare"] and behind < cursor()


def test_what_a_handler_publishes_names_its_cause() -> None:
    from domains.thunderflow.actions import publish

    def answer(events: Sequence[StoredEvent]) -> None:
        publish(told("answers", "answer", topic="answered.told"))

    shard = follow(answer, batch=1)
    tell_some("a", "question")
    work(shard)
    (question,) = queries.read_stream("a", after=0)
    (answered,) = queries.read_stream("answers", after=0)
    assert answered.causation_id == question.id
    assert answered.correlation_id == question.correlation_id or question.correlation_id is None
    assert answered.actor == "subscriber:test"


class Hanging:
    """A handler that hangs over one event."""

    def __init__(self) -> None:
        self.release = Event()
        self.calls: list[list[str]] = []
        """Those that came to an end."""

    def __call__(self, events: Sequence[StoredEvent]) -> None:
        whats = [event.payload["what"] for event in events]
        if "hang" in whats:
            self.release.wait(60)
        self.calls.append(whats)

    def follow(self, **wanted: Any) -> list[list[str]]:
        """Follow as the watch would have it, until the event has died and the rest is handled. Returns the calls."""
        shard = follow(self, retry=RetryPolicy(attempts=2, base_s=0.01, cap_s=0.01), **wanted)
        with threads() as started:
            try:
                while not letters():
                    shard = self._until_it_hangs(shard, started) or shard
                settle(shard)
                return list(self.calls)
            finally:
                self.release.set()

    def _until_it_hangs(self, shard: Shard, started: Threads) -> Shard | None:
        running = started.start(work, shard, until=lambda: bool(letters()), seconds=60.0)
        while (overdue := shard.overdue()) is None:
            if running.done():
                running.result()
                return None
            time.sleep(0.02)
        return shard.abandon(overdue)


def test_a_handler_that_hangs_is_left_alone() -> None:
    tell_some("a", "a1", "hang", "a3")
    tell_some("b", "b1")
    calls = Hanging().follow(timeout_s=0.2)
    (letter,) = letters()
    assert (letter.event["payload"]["what"], letter.error_class, letter.attempts) == ("hang", "timeout", 2)
    assert cursor() >= last_position()
    assert sorted(what for call in calls for what in call) == ["a1", "a3", "b1"]


def test_once_it_is_known_which_event_hangs_the_others_go_by_batches() -> None:
    """It is looked for one by one. Then nothing else is slower for it."""
    tell_some("a", "hang")
    tell_some("b", *map(str, range(40)))
    calls = Hanging().follow(batch=20, timeout_s=1.0)
    assert calls == [[str(n) for n in range(20)], [str(n) for n in range(20, 40)]]


def test_outside_effects_come_at_least_once_and_in_order() -> None:
    sent: list[str] = []
    broken = {"a2"}

    def send(events: Sequence[StoredEvent]) -> None:
        assert not connection.in_atomic_block
        for event in events:
            if event.payload["what"] in broken:
                raise RuntimeError("no")
            sent.append(event.payload["what"])

    shard = follow(send, outside=True, retry=RetryPolicy(attempts=50, base_s=0.01, cap_s=0.02))
    tell(*(told(stream, f"{stream}{n}") for n in range(1, 5) for stream in "ab"))
    work(shard)
    assert [what for what in dict.fromkeys(sent) if what[0] == "b"] == ["b1", "b2", "b3", "b4"]
    assert "a3" not in sent
    broken.clear()
    settle(shard)
    assert [what for what in dict.fromkeys(sent) if what[0] == "a"] == ["a1", "a2", "a3", "a4"]


def test_classes_of_errors() -> None:
    assert faults.classify(TimeoutError()) == "timeout"
    assert faults.classify(ConnectionRefusedError()) == "dependency"
    assert faults.classify(KeyError("x")) == "transient"
    assert faults.classify(Failed("permanent", "x")) == "permanent"
    for refused in ("SELECT 1/0", "INSERT INTO event_streams (name) VALUES (NULL)"):
        with pytest.raises(psycopg.Error) as raised, transaction.atomic():
            sql.execute(refused)
        assert faults.classify(raised.value) == "permanent"
        with pytest.raises(DatabaseError) as wrapped, transaction.atomic(), connection.cursor() as cursor_:
            cursor_.execute(refused)
        assert faults.classify(wrapped.value) == "permanent"
    with pytest.raises(ValueError, match="no class of errors"):
        Failed("odd", "x")
