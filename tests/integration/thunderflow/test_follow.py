"""Follower processes: threads for shards, leases, hints, and what operators do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from domains.lifecycle import Tick, domain
from domains.thunderflow import queries
from domains.thunderflow.models import Cursor, DeadLetter, Follower, Lease, Subscription
from domains.thunderflow.patterns import BadPattern
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.subscribers import RetryPolicy, Subscriber, actions, leases
from domains.thunderflow.subscribers import declared as registry
from domains.thunderflow.subscribers import process as process_module
from domains.thunderflow.subscribers import queries as standing
from domains.thunderflow.subscribers.process import Process, TooManyHung
from domains.thunderflow.subscribers.replay import replay
from tests.integration.thunderflow.following import QUICK, tell, tell_some
from tests.integration.thunderflow.told import told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


class Seen:
    """A handler that only remembers."""

    def __init__(self, slow_s: float = 0.0) -> None:
        self.whats: list[Any] = []
        self.at: list[float] = []
        self.slow_s = slow_s

    def __call__(self, events: Sequence[StoredEvent]) -> None:
        time.sleep(self.slow_s)
        self.whats += [event.payload["what"] for event in events]
        self.at += [time.time() for _ in events]


def declared(handle: Callable[[Sequence[StoredEvent]], object], name: str = "test", **wanted: Any) -> Subscriber:
    fields: dict[str, Any] = {"pattern": "test.**", "retry": QUICK, "start": "beginning"} | wanted
    return Subscriber(name=name, handle=handle, **fields)


@contextmanager
def running(*subscribers: Subscriber) -> Iterator[Process]:
    process = Process(subscribers)
    thread = threading.Thread(target=lambda: (process.run(), connections.close_all()))
    thread.start()
    try:
        yield process
    finally:
        process.stop()
        thread.join(30)
        assert not thread.is_alive()


def eventually(holds: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.005)


def test_what_is_committed_is_followed_within_a_moment() -> None:
    seen = Seen()
    with running(declared(seen)) as process:
        eventually(lambda: process.workers)
        for n in range(20):
            tell_some("a", str(n))
            time.sleep(0.01)
        eventually(lambda: len(seen.whats) == 20)
    assert seen.whats == [str(n) for n in range(20)]
    stored = [event.at.timestamp() for event in queries.read(after=0, pattern="test.**")[0]]
    delays = sorted(there - here for there, here in zip(seen.at, stored, strict=True))
    assert delays[10] < 0.9  # by hints, and not by the look each second
    assert not Follower.objects.exists()
    assert not Lease.objects.filter(holder__isnull=False).exists()


def test_a_slow_handler_does_not_hold_up_others() -> None:
    quick, slow = Seen(), Seen(slow_s=0.5)
    with running(declared(slow, "slow", batch=1), declared(quick, "quick")):
        tell(*(told("a", str(n)) for n in range(50)))
        eventually(lambda: len(quick.whats) == 50)
        assert len(slow.whats) < 25


def test_processes_share_the_shards_and_take_over_from_those_that_are_gone() -> None:
    seen = Seen()
    one = declared(seen, shards=4)
    with running(one) as first:
        eventually(lambda: len(first.workers) == 4)
        with running(one) as second:
            eventually(lambda: len(second.workers) == 2 and len(first.workers) == 2)
            tell(*(told(f"s{n}", str(n)) for n in range(40)))
            eventually(lambda: len(seen.whats) == 40)
        eventually(lambda: len(first.workers) == 4, seconds=leases.LEASE_S + 5)
    assert sorted(seen.whats, key=int) == [str(n) for n in range(40)]


def test_beside_a_process_of_other_code_every_subscriber_has_its_events() -> None:
    old, new = Seen(), Seen()
    tell(*(told(f"s{n}", str(n)) for n in range(40)))
    with (
        running(declared(old, "old", shards=4)),
        running(declared(old, "old", shards=4), declared(new, "new", shards=4)),
    ):
        eventually(lambda: len(new.whats) == 40 and len(old.whats) == 40)
    assert sorted(old.whats) == sorted(new.whats)


class Stuck:
    """A handler that does not return until it is let go."""

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()

    def __call__(self, events: Sequence[StoredEvent]) -> None:
        self.entered.set()
        self.release.wait(60)


def held() -> set[str]:
    return set(Lease.objects.filter(holder__isnull=False).values_list("subscription__name", flat=True))


def test_a_process_that_ends_lets_others_have_what_is_not_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "STOP_S", 60.0)
    stuck = Stuck()
    tell_some("a", "1")
    with running(declared(Seen(), "quick", shards=3), declared(stuck, "slow")) as process:
        try:
            assert stuck.entered.wait(30)
            eventually(lambda: held() == {"quick", "slow"}, 30)
            process.stop()
            eventually(lambda: held() == {"slow"}, 30)
            assert not Follower.objects.exists()
            assert Cursor.objects.get(subscription__name="slow").position == 0
        finally:
            stuck.release.set()
    assert held() == set()
    assert Cursor.objects.get(subscription__name="slow").handled == 1


def test_a_process_in_which_too_much_hangs_ends_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "MOST_HUNG", 1)
    monkeypatch.setattr(process_module, "STOP_S", 1.0)
    stuck = Stuck()
    patient = RetryPolicy(attempts=9, base_s=0.01, cap_s=0.01)
    tell_some("a", "1")
    process = Process([declared(stuck, "slow", timeout_s=0.1, retry=patient), declared(Seen(), "quick")])
    try:
        with pytest.raises(TooManyHung, match="2 handlers hang"):
            process.run()
        assert held() == set()
        assert not Follower.objects.exists()
        assert Cursor.objects.get(subscription__name="slow").handled == 0
    finally:
        stuck.release.set()
        for worker in (*process.hung, *process.workers.values()):
            worker.join(30)


def test_until_everything_is_handled() -> None:
    seen = Seen()
    tell(*(told("a", str(n)) for n in range(500)))
    Process([declared(seen, batch=20)]).run(until_done=True)
    assert seen.whats == [str(n) for n in range(500)]


def test_while_it_may_not_work_all_of_them_rest() -> None:
    seen, allowed = Seen(), [False]
    tell_some("a", "1")
    process = Process([declared(seen)], may_work=lambda: allowed[0])
    process.run(until_done=True)
    assert seen.whats == []
    allowed[0] = True
    Process([declared(seen)], may_work=lambda: allowed[0]).run(until_done=True)
    assert seen.whats == ["1"]


def test_the_number_of_shards_stays() -> None:
    Process([declared(Seen(), shards=2)]).run(until_done=True)
    process = Process([declared(Seen(), shards=5)])
    process.run(until_done=True)
    assert process.subscribers["test"].shards == 2
    assert Cursor.objects.count() == 2


def test_a_process_says_again_what_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domains.thunderflow.subscribers.process.DECLARE_S", 0.0)
    with running(declared(Seen())):
        eventually(Subscription.objects.exists)
        Subscription.objects.update(declared=False)
        eventually(lambda: Subscription.objects.get().declared)


def test_pause_resume_and_rewind() -> None:
    seen = Seen()
    one = declared(seen)
    tell_some("a", "1", "2", "3")
    Process([one]).run(until_done=True)
    with pytest.raises(actions.SubscriptionError, match="pause it first"):
        actions.rewind("test", to=0, by="user:ann")
    actions.pause("test", by="user:ann")
    actions.pause("test", by="user:ann")
    assert Subscription.objects.get().paused_by == "user:ann"
    tell_some("a", "4")
    Process([one]).run(until_done=True)
    assert seen.whats == ["1", "2", "3"]
    (row,) = standing.standings()
    assert row.paused and row.lag > 0 and row.handled == 3
    second = queries.read_stream("a", after=1)[0]
    actions.rewind("test", to=second.position, by="user:ann")
    with pytest.raises(actions.SubscriptionError, match="is not in the log"):
        actions.rewind("test", to=10**12, by="user:ann")
    actions.resume("test", by="user:ann")
    Process([one]).run(until_done=True)
    assert seen.whats == ["1", "2", "3", "3", "4"]
    told_of = queries.read(after=0, pattern="system.subscription_changed")[0]
    assert [event.payload["what"] for event in told_of] == ["declared", "paused", "rewound", "resumed"]
    assert {event.actor for event in told_of[1:]} == {"user:ann"}
    with pytest.raises(actions.NoSuchSubscription, match="there are: test"):
        actions.pause("other", by="user:ann")


def test_history_is_sent_again() -> None:
    seen = Seen()
    one = declared(seen, batch=10)
    tell(*(told("a", str(n)) for n in range(35)), told("a", "else", topic="other.told"))
    done: list[tuple[int, int]] = []
    assert replay(one, first=6, last=30, done=lambda count, position: done.append((count, position))) == 25
    assert seen.whats == [str(n) for n in range(5, 30)]
    assert done[-1][1] == 30
    assert not Subscription.objects.exists()
    with pytest.raises(BadPattern):
        replay(one, first=1, last=9, pattern="a..b", done=lambda *_: None)


def many_dead(count: int) -> None:
    def refuse(events: Sequence[StoredEvent]) -> None:
        raise ValueError(f"not {events[0].payload['what']}")

    tell(*(told(f"s{n}", str(n), topic=f"test.told.{n % 2}") for n in range(count)))
    eventually_dead = declared(refuse, "dead")
    with running(eventually_dead):
        eventually(lambda: DeadLetter.objects.count() == count)


def test_dead_letters_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    many_dead(6)
    call_command("deadletters", "list")
    assert capsys.readouterr().out.count("dead") >= 6
    call_command("deadletters", "list", "--json", "--pattern", "test.told.1", "--limit", "2")
    assert capsys.readouterr().out.count('"id"') == 2
    letter = DeadLetter.objects.first()
    assert letter
    call_command("deadletters", "show", str(letter.pk))
    assert "ValueError: not" in capsys.readouterr().out
    with pytest.raises(CommandError, match="name some"):
        call_command("deadletters", "discard")
    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("deadletters", "discard", str(letter.pk), "0192f0c1-2d3e-7000-8000-000000000000")
    call_command("deadletters", "discard", str(letter.pk))
    call_command("deadletters", "retry", "--subscriber", "dead", "--pattern", "test.told.0", "--json")
    counts = {status: DeadLetter.objects.filter(status=status).count() for status in DeadLetter.Status.values}
    assert counts["discarded"] == 1 and counts["retrying"] in (2, 3) and counts["waiting"] in (2, 3)
    with pytest.raises(CommandError, match="there is no subscription 'nobody'"):
        call_command("deadletters", "list", "--subscriber", "nobody")


def test_many_dead_letters_are_told_of_once() -> None:
    many_dead(5)
    assert actions.watch_piles(most=5) == 0
    assert actions.watch_piles(most=4) == 1
    assert actions.watch_piles(most=4) == 0
    (alert,) = queries.read(after=0, pattern="system.dead_letters_pile_up")[0]
    assert alert.payload == {"subscription": "dead", "waiting": 5, "threshold": 4}
    actions.discard(DeadLetter.objects.all(), by="user:ann")
    actions.watch_piles(most=4)
    assert not Subscription.objects.get().alerted


def test_a_heartbeat_tells_of_more_than_is_set(settings: Any) -> None:
    many_dead(3)
    for most in (3, 2):
        settings.CONFIG = settings.CONFIG.model_copy(update={"dead_letters": most})
        domain("thunderflow").on_tick(Tick(1, timezone.now()))
        assert Subscription.objects.get().alerted is (most == 2)


def test_the_command_shows_history_and_sends_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    monkeypatch.setitem(registry._declared, "test", declared(seen, batch=2))
    tell(*(told("a", str(n)) for n in range(5)))
    call_command("events", "replay", "--from", "2", "--to", "4", "--json")
    assert [json.loads(line)["payload"]["what"] for line in capsys.readouterr().out.splitlines()] == ["1", "2", "3"]
    call_command("events", "replay", "--from", "2", "--subscriber", "test")
    assert "4 events sent to test again." in capsys.readouterr().out
    assert seen.whats == ["1", "2", "3", "4"]
    with pytest.raises(CommandError, match="names nothing: the log goes from 1 to 5"):
        call_command("events", "replay", "--from", "9")
    with pytest.raises(CommandError, match="no code declares a subscriber 'nobody'"):
        call_command("events", "replay", "--from", "1", "--subscriber", "nobody")

    def refuse(events: Sequence[StoredEvent]) -> None:
        if events[0].payload["what"] == "2":
            raise RuntimeError("no")

    monkeypatch.setitem(registry._declared, "test", declared(refuse, batch=2))
    with pytest.raises(CommandError, match=r"RuntimeError\('no'\); .* go on with --from 3"):
        call_command("events", "replay", "--from", "1", "--subscriber", "test")
