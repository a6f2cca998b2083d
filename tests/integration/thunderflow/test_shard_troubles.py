"""Handlers that do what they should not, and things that come at the wrong moment: no event is lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from domains import sql
from domains.ids import new_id
from domains.thunderflow import breakers, payloads, queries
from domains.thunderflow.actions import NewEvent
from domains.thunderflow.faults import Failed, RetryPolicy
from domains.thunderflow.models import Breaker, DeadLetter, Lease, ParkedStream, Subscription
from domains.thunderflow.payloads import Payload, Upcasts
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers import Subscriber, actions, leases
from domains.thunderflow.subscribers.replay import replay
from domains.thunderflow.subscribers.shard import Shard
from tests.integration.thunderflow.following import (
    QUICK,
    Effects,
    cursor,
    follow,
    last_position,
    letters,
    refusing,
    settle,
    tell,
    tell_some,
    work,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

PATIENT = RetryPolicy(attempts=9, base_s=60, cap_s=60)


def swallow() -> None:
    with suppress(IntegrityError):
        Breaker.objects.create(name="same")


def swallow_raw() -> None:
    with pytest.raises(Exception, match="duplicate key"):
        sql.execute("INSERT INTO circuit_breakers (name, state, failures, successes, last_error, updated_at)"
                    " VALUES ('same', 'closed', 0, 0, '', now())")  # fmt: skip


def undo_all() -> None:
    with suppress(KeyError), transaction.atomic(savepoint=False):
        raise KeyError


@pytest.mark.parametrize("breaks", [swallow, swallow_raw, undo_all])
@pytest.mark.parametrize("company", [True, False])
def test_a_handler_that_leaves_its_transaction_broken_has_failed(breaks: Callable[[], None], company: bool) -> None:
    effects = Effects()
    Breaker.objects.create(name="same")

    def handle(events: Sequence[StoredEvent]) -> None:
        effects(events)
        if any(event.payload["what"] == "bad" for event in events):
            breaks()

    shard = follow(handle)
    tell_some("a", "bad", "a2")
    if company:
        tell_some("b", "b1")
    settle(shard)
    assert sorted(effects.rows()) == ["a2", "b1"][: 1 + company]
    (letter,) = letters()
    assert "left its transaction broken" in letter.error


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit()])
def test_a_handler_that_wants_to_exit_has_failed(error: BaseException) -> None:
    effects = Effects()
    effects.fails = lambda event: error if event.payload["what"] == "bad" else None  # type: ignore[return-value]
    shard = follow(effects, retry=QUICK)
    tell_some("a", "bad", "a2")
    settle(shard)
    assert effects.rows() == ["a2"]
    assert letters()[0].error.startswith(type(error).__name__)


def test_a_handler_that_ends_its_session_has_had_a_try() -> None:
    calls: list[str] = []

    def handle(events: Sequence[StoredEvent]) -> None:
        for event in events:
            calls.append(event.payload["what"])
            if event.payload["what"] == "bad":
                connection.close()

    shard = follow(handle, retry=RetryPolicy(attempts=2, base_s=0.001, cap_s=0.001))
    tell_some("a", "bad")
    tell_some("b", "b1")
    deadline = time.monotonic() + 20
    while not letters() or cursor() < last_position():
        assert time.monotonic() < deadline
        try:
            shard.run()
        except Exception:
            connection.close()
    assert "b1" in calls
    assert [letter.event["payload"]["what"] for letter in letters()] == ["bad"]


def test_an_error_that_cannot_be_printed() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    effects = Effects()
    effects.fails = lambda event: Odd() if event.payload["what"] == "bad" else None
    shard = follow(effects)
    tell_some("a", "bad")
    tell_some("b", "b1")
    settle(shard)
    assert effects.rows() == ["b1"]
    assert letters()[0].error == "Odd"


def test_a_breaker_whose_error_cannot_be_stored_as_it_is() -> None:
    effects = Effects()
    effects.fails = lambda event: ConnectionError("a\0b \ud800")
    shard = follow(effects, retry=QUICK)
    tell_some("a", "1")
    shard.run()
    assert Breaker.objects.get().last_error == "ConnectionError: ab "


def test_a_call_that_ended_just_before_it_was_given_up_counts_as_what_it_was() -> None:
    effects, overdue = Effects(), []
    shard = follow(effects, timeout_s=0.0001)

    def late(event: StoredEvent) -> None:
        time.sleep(0.01)
        overdue.append(shard.overdue())

    effects.fails = late  # type: ignore[assignment]
    tell_some("a", "1")
    work(shard)
    assert effects.rows() == ["1"]
    successor = shard.abandon(overdue[0]._replace(backend=0))
    effects.fails = lambda event: None
    settle(successor)
    assert effects.rows() == ["1"]
    assert not ParkedStream.objects.exists()


def test_a_rewind_holds_for_a_follower_that_goes_on() -> None:
    effects = Effects()
    shard = follow(effects)
    tell_some("a", "1", "2")
    work(shard)
    work(shard)
    actions.pause("test", by="user:ann")
    tell_some("a", "3")
    assert not shard.run()
    actions.rewind("test", to=0, by="user:ann")
    assert not shard.run()
    actions.resume("test", by="user:ann")
    work(shard)
    assert effects.rows() == ["1", "2", "1", "2", "3"]


def test_a_rewind_leaves_what_was_held_back_before() -> None:
    effects = Effects()
    effects.fails = refusing("a1")
    shard = follow(effects, retry=PATIENT)
    tell_some("a", "a1", "a2")
    tell_some("b", "b1", "b2")
    work(shard)
    assert effects.rows() == ["b1", "b2"]
    first = queries.read_stream("b", after=0)[0]
    actions.pause("test", by="user:ann")
    actions.rewind("test", to=first.position, by="user:ann")
    actions.resume("test", by="user:ann")
    effects.fails = lambda event: None
    ParkedStream.objects.update(retry_at="2020-01-01T00:00Z")
    settle(shard)
    assert effects.rows("a") == ["a1", "a2"]
    assert effects.rows("b") == ["b1", "b2", "b2"]


def test_two_who_send_outside_at_once_skip_nothing() -> None:
    seen: list[str] = []
    state = {"fails": True, "other": False}

    def send(events: Sequence[StoredEvent]) -> None:
        if state["fails"]:
            raise RuntimeError("no")
        if state["other"]:
            state["other"] = False
            while second._resume():
                pass
        seen.extend(event.payload["what"] for event in events)

    first, second = follow(send, outside=True), follow(send, outside=True)
    tell_some("s", "s1")
    first.run()
    assert ParkedStream.objects.get().stream == "s"
    time.sleep(0.05)
    state.update(fails=False, other=True)
    tell_some("s", "s2")
    tell_some("t", "t1")
    first._advance(write=True)
    settle(second)
    assert {"s1", "s2", "t1"} <= set(seen)
    assert seen.index("s1") < seen.index("s2")


def test_a_dead_letter_for_outside_is_sent_again_in_no_transaction() -> None:
    within: list[bool] = []

    def send(events: Sequence[StoredEvent]) -> None:
        within.append(connection.in_atomic_block)
        if len(within) == 1:
            raise Failed("permanent", "no")

    shard = follow(send, outside=True)
    tell_some("a", "1")
    work(shard)
    send_again(shard)
    assert within == [False, False]
    assert letters(status="handled")


def test_a_kept_event_of_another_shape_is_read_all_the_same() -> None:
    effects = Effects()
    effects.fails = refusing("a1", error=lambda text: Failed("permanent", text))
    shard = follow(effects)
    tell_some("a", "a1")
    work(shard)
    letter = DeadLetter.objects.get()
    letter.event = {**letter.event, "colour": "red"}
    del letter.event["redelivered"]
    letter.save(update_fields=["event"])
    effects.fails = lambda event: None
    send_again(shard)
    assert letters(status="handled")


def send_again(shard: Shard) -> None:
    DeadLetter.objects.update(status="retrying")
    shard._looked = float("-inf")
    work(shard)


def test_what_no_code_declares_any_more_holds_up_nothing() -> None:
    follow(Effects())
    a_minute_later()
    follow(Effects(), name="other")
    assert dict(Subscription.objects.values_list("name", "declared")) == {"test": False, "other": True}
    a_minute_later()
    leases.declare([])
    assert not Subscription.objects.filter(declared=True).exists()


def a_minute_later() -> None:
    Lease.objects.update(expires_at=F("expires_at") - timedelta(minutes=1))


def test_what_other_code_declares_and_works_at_stays_declared() -> None:
    """Two versions of the code run at once: the older one knows a subscriber that the newer one does not."""
    follow(Effects())
    a_minute_later()
    older = new_id()
    assert leases.turn(older, ["test"])
    leases.declare([])
    assert Subscription.objects.get().declared
    leases.leave(older)
    leases.declare([])
    assert Subscription.objects.get().declared, "it may be between two processes"
    a_minute_later()
    leases.declare([])
    assert not Subscription.objects.get().declared


# --- Payloads of other versions ----------------------------------------------------------------------------------


@pytest.fixture
def moved() -> Iterator[StoredEvent]:
    """An event of version 1 of what is at version 2 by now."""
    before = dict(payloads._declared)

    class MovedOnce(Payload):
        topic: ClassVar[str] = "test.moved"
        what: str

    tell(NewEvent("a", "test.moved", MovedOnce(what="a1")))

    class Moved(Payload):
        topic: ClassVar[str] = "test.moved"
        version: ClassVar[int] = 2
        upcasts: ClassVar[Upcasts] = {1: lambda data: {"what": data["what"], "steps": len(data.pop("what"))}}
        what: str
        steps: int

    (event,) = queries.read_stream("a", after=0)
    yield event.with_payload({"what": "a1", "steps": 2}, version=2)
    payloads._declared.clear()
    payloads._declared.update(before)


def test_a_handler_has_payload_and_version_of_today(moved: StoredEvent) -> None:
    effects = Effects()
    work(follow(effects))
    assert effects.events == [moved]
    assert payloads.typed(effects.events[0]).model_dump() == moved.payload
    replay(Subscriber("again", "test.**", effects), first=1, last=queries.settled(), done=lambda *_: None)
    assert effects.events[1] == replace(moved, redelivered=True)


def test_a_dead_letter_is_kept_and_sent_again_as_it_would_be_today(moved: StoredEvent) -> None:
    effects = Effects()
    effects.fails = lambda event: Failed("permanent", "no")
    shard = follow(effects)
    work(shard)
    letter = DeadLetter.objects.get()
    assert (letter.event["payload"], letter.event["event_version"]) == (moved.payload, 2)
    effects.fails = lambda event: None
    letter.event |= {"payload": {"what": "a1"}, "event_version": 1}  # as it was buried before there was version 2
    letter.save(update_fields=["event"])
    send_again(shard)
    assert effects.events[-1] == replace(moved, redelivered=True)
    assert letters(status="handled")


def test_a_dead_letter_that_no_code_can_read_waits_on(moved: StoredEvent) -> None:
    effects = Effects()
    effects.fails = lambda event: Failed("permanent", "no")
    shard = follow(effects)
    work(shard)
    letter = DeadLetter.objects.get()
    letter.event |= {"event_version": 3}
    letter.save(update_fields=["event"])
    send_again(shard)
    (letter,) = letters(status="waiting")
    assert (letter.attempts, "knows no version 3" in letter.error) == (2, True)


@pytest.fixture
def from_newer_code(moved: StoredEvent) -> Iterator[StoredEvent]:
    """An event of version 3 in the stream `a`, of what is at version 2 here."""
    here = payloads._declared.pop("test.moved")

    class MovedLater(Payload):
        topic: ClassVar[str] = "test.moved"
        version: ClassVar[int] = 3
        what: str

    tell(NewEvent("a", "test.moved", MovedLater(what="a2")))
    payloads._declared["test.moved"] = here
    yield queries.read_stream("a", after=1)[0]


def test_an_event_of_newer_code_holds_back_its_own_stream_until_that_code_comes(from_newer_code: StoredEvent) -> None:
    """An older process beside newer ones: it buries nothing, and leaves the breaker that all share alone."""
    effects = Effects()
    shard = follow(effects, retry=RetryPolicy(attempts=1, base_s=0.001, cap_s=0.001))
    tell_some("a", "a3")
    tell_some("b", *"123456")
    often = ParkedStream.objects.filter(attempts__gt=breakers.FAILURES)
    work(shard, until=lambda: often.exists() and cursor() >= last_position())
    assert (effects.rows("a"), effects.rows("b")) == (["a1"], list("123456"))
    (parked,) = ParkedStream.objects.all()
    assert (parked.stream, parked.seq, parked.error_class) == ("a", 2, "dependency")
    assert "knows no version 3" in parked.error
    assert not letters()
    assert not Breaker.objects.exists()
    payloads._declared["test.moved"].version = 3
    settle(shard)
    assert effects.rows("a") == ["a1", "a2", "a3"]


def test_an_upcast_that_fails_is_the_fault_of_its_event_alone(moved: StoredEvent) -> None:
    payloads._declared["test.moved"].upcasts = {1: lambda data: {"what": data["missing"]}}
    effects = Effects()
    shard = follow(effects)
    tell_some("a", "a2")
    tell_some("b", "b1")
    settle(shard)
    assert sorted(effects.rows()) == ["a2", "b1"]
    (letter,) = letters()
    assert (letter.seq, letter.event["payload"]) == (1, {"what": "a1"}), "kept as it was stored"
    assert "KeyError" in letter.error


# --- A replay ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("breaks", [swallow, swallow_raw, undo_all])
def test_a_replay_to_a_handler_that_leaves_its_transaction_broken_fails(breaks: Callable[[], None]) -> None:
    effects = Effects()
    Breaker.objects.create(name="same")

    def handle(events: Sequence[StoredEvent]) -> None:
        effects(events)
        breaks()

    tell_some("a", "a1")
    with pytest.raises(Failed, match="left its transaction broken"):
        replay(Subscriber("again", "test.**", handle), first=1, last=queries.settled(), done=lambda *_: None)
    assert effects.rows() == []
