"""Presence over several processes' worth of `Presences`, on a Redis of its own that is emptied, stopped and frozen."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from domains.thunderlink.presence import Away, Diff, NotTracked, Presences, State, direct
from domains.thunderlink.presence.entries import Entry, change, state
from domains.thunderlink.presence.scripts import KEPT, LOOK, PREFIX
from tests.own_redis import own_redis
from thunderline import embedded
from thunderline.embedded.places import SOURCE
from thunderline.embedded.redis import Redis

META = {"joined_at": "2030-01-01T00:00:00Z", "activity": "walking", "position": {"x": 1.5, "y": 2}}


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with own_redis() as made:
        yield made


@pytest.fixture
def url(server: Redis) -> Iterator[str]:
    """An empty Redis."""
    if not server.ready():
        server.start()
    address = embedded.redis_url(server.places.var)
    with redis.Redis.from_url(address) as client:
        client.flushall()
    yield address


@pytest.fixture
def store(url: str) -> Iterator[redis.Redis]:
    """To look into it."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


@pytest.fixture
def topic() -> str:
    return f"zone:{uuid4()}"


@asynccontextmanager
async def processes(url: str, count: int = 2) -> AsyncIterator[list[Presences]]:
    """Some `Presences` that know of each other through Redis only; ready, and past the hints of their beginning."""
    made = [Presences(url) for _ in range(count)]
    for each in made:
        await each.start()
    try:
        yield made
    finally:
        await asyncio.gather(*(each.close() for each in made))


async def eventually(true: Callable[[], Any], *, within_s: float = 5.0) -> float:
    """Seconds until it was true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within_s, "it never came true"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def refs(shown: State) -> set[str]:
    return {meta["phx_ref"] for each in shown.values() for meta in each["metas"]}


class Watcher:
    """A client: what Phoenix's JS makes of the state and the diffs, and strict about what may be in them."""

    def __init__(self) -> None:
        self.state: State = {}
        self.diffs: list[Diff] = []

    async def watch(self, presences: Presences, topic: str) -> Watcher:
        shown = await presences.watch(topic, self.told)
        self.state = {key: {"metas": [*each["metas"]]} for key, each in shown.items()}
        return self

    def told(self, diff: Diff) -> None:
        self.diffs.append(diff)
        assert diff["joins"] or diff["leaves"]
        for key, left in diff["leaves"].items():
            for meta in left["metas"]:
                assert meta in self.state[key]["metas"], "only what was there leaves"
        assert not refs(diff["joins"]) & refs(self.state), "nobody joins twice"
        self.sync(diff)

    def sync(self, diff: Diff) -> None:
        """As `Presence.syncDiff`: first those who join, behind those who are there; then those who leave."""
        for key, joined in diff["joins"].items():
            self.state.setdefault(key, {"metas": []})["metas"].extend(joined["metas"])
        for key, left in diff["leaves"].items():
            gone = {meta["phx_ref"] for meta in left["metas"]}
            self.state[key]["metas"] = [meta for meta in self.state[key]["metas"] if meta["phx_ref"] not in gone]
            if not self.state[key]["metas"]:
                del self.state[key]

    @property
    def keys(self) -> list[str]:
        return sorted(self.state)


# --- Tracking and looking ------------------------------------------------------------------------------------


async def test_who_is_there_by_key_with_all_their_sessions(url: str, topic: str) -> None:
    async with processes(url) as (one, other):
        first = await one.track(topic, "agent-1", "s1", META)
        second = await other.track(topic, "agent-1", "s2", {})
        third = await other.track(topic, "agent-0", "s3", {"activity": "idle"})
        assert first == {**META, "phx_ref": first["phx_ref"]}
        expected = {"agent-0": {"metas": [third]}, "agent-1": {"metas": [first, second]}}
        assert await one.list(topic) == await other.list(topic) == expected
        assert list(await one.list(topic)) == ["agent-0", "agent-1"]
        assert await one.list("zone:empty") == {}


async def test_an_update_has_a_new_ref_and_says_the_old(url: str, topic: str) -> None:
    async with processes(url, 1) as (one,):
        before = await one.track(topic, "a", "s", META)
        after = await one.update(topic, "s", {"activity": "resting"})
        assert after == {"activity": "resting", "phx_ref": after["phx_ref"], "phx_ref_prev": before["phx_ref"]}
        assert after["phx_ref"] > before["phx_ref"]
        assert await one.list(topic) == {"a": {"metas": [after]}}


async def test_who_leaves_is_gone_and_nothing_remains(url: str, topic: str, store: redis.Redis) -> None:
    async with processes(url) as (one, other):
        await one.track(topic, "a", "s1", META)
        await other.track(topic, "a", "s2", META)
        await one.untrack(topic, "s1")
        assert len((await other.list(topic))["a"]["metas"]) == 1
        await one.untrack(topic, "s1")
        await one.untrack(topic, "s2")
        assert len((await other.list(topic))["a"]["metas"]) == 1, "only its own process takes a session out"
        await other.untrack(topic, "s2")
        assert await one.list(topic) == {}
        assert store.keys("*") == [PREFIX]


async def test_what_does_not_fit_is_refused(url: str, topic: str) -> None:
    async with processes(url, 1) as (one,):
        for key, session, meta in [
            ("a", "s", {"text": "x" * 2048}), ("a", "s", {"what": object()}), ("", "s", {}), ("a", "", {}),
            ("a" * 201, "s", {}), ("a", "s" * 201, {}), ("a", "\ud800", {}),
        ]:  # fmt: skip
            with pytest.raises(ValueError):
                await one.track(topic, key, session, meta)
        with pytest.raises(ValueError):
            await one.watch("", lambda diff: None)
        with pytest.raises(NotTracked):
            await one.update(topic, "s", {})
        assert await one.list(topic) == {}
        await one.track(topic, "ä" * 200, "s" * 200, {"text": "x" * 2036})


async def test_a_caller_that_is_cancelled_leaves_nothing_undone(url: str, topic: str, store: redis.Redis) -> None:
    """A socket that breaks while it joins: `untrack` after that has the last word."""
    async with processes(url, 1) as (one,):
        for number in range(20):
            joining = asyncio.create_task(one.track(topic, "a", f"s{number}", META))
            await asyncio.sleep(0)
            joining.cancel()
            await one.untrack(topic, f"s{number}")
        assert store.keys("*") == [PREFIX]


async def test_a_closed_process_takes_its_sessions_with_it(url: str, topic: str, store: redis.Redis) -> None:
    async with processes(url, 1) as (one,):
        watcher = await Watcher().watch(one, topic)
        async with Presences(url) as other:
            await asyncio.gather(*(other.track(topic, "b", f"s{number}", META) for number in range(500)))
            await eventually(lambda: watcher.keys == ["b"] and len(watcher.state["b"]["metas"]) == 500)
        await eventually(lambda: watcher.state == {})
    assert store.keys("*") == [PREFIX]


async def test_run_lasts_until_it_is_cancelled(url: str, topic: str, store: redis.Redis) -> None:
    presences = Presences(url)
    running = asyncio.create_task(presences.run())
    await presences.track(topic, "a", "s", META)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert store.keys("*") == [PREFIX]


# --- Watching ------------------------------------------------------------------------------------------------


async def test_a_change_in_another_process_arrives_well_within_a_second(url: str, topic: str) -> None:
    async with processes(url) as (one, other):
        watcher = await Watcher().watch(one, topic)
        await asyncio.sleep(0.3)
        await other.track(topic, "a", "s", META)
        assert await eventually(lambda: watcher.keys == ["a"]) < 0.5
        before = watcher.state["a"]["metas"][0]
        after = await other.update(topic, "s", {"activity": "resting"})
        await eventually(lambda: len(watcher.diffs) == 2)
        assert watcher.diffs[1] == {"joins": {"a": {"metas": [after]}}, "leaves": {"a": {"metas": [before]}}}
        await other.untrack(topic, "s")
        await eventually(lambda: len(watcher.diffs) == 3)
        assert watcher.diffs[2] == {"joins": {}, "leaves": {"a": {"metas": [after]}}}
        assert watcher.state == {}


async def test_without_hints_it_is_found_by_looking(url: str, topic: str) -> None:
    async with processes(url) as (one, other):
        watcher = await Watcher().watch(one, topic)
        one._tasks[2].cancel()
        await asyncio.sleep(0.2)
        await other.track(topic, "a", "s", META)
        assert await eventually(lambda: watcher.keys == ["a"]) < 1.5


async def test_watchers_of_a_process_share_one_reading(url: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with processes(url) as (one, other):
        await other.track(topic, "a", "s", META)
        looked = looks(one, monkeypatch)
        watchers = await asyncio.gather(*(Watcher().watch(one, topic) for _ in range(50)))
        assert len(looked) <= 2
        assert all(watcher.keys == ["a"] for watcher in watchers)
        await other.untrack(topic, "s")
        await eventually(lambda: all(watcher.state == {} for watcher in watchers))
        assert all(watcher.diffs[0] is watchers[0].diffs[0] for watcher in watchers)


async def test_what_nobody_watches_is_not_read(url: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with processes(url) as (one, other):
        watcher, second = await Watcher().watch(one, topic), await Watcher().watch(one, topic)
        one.unwatch(topic, second.told)
        await other.track(topic, "a", "s", META)
        await eventually(lambda: watcher.keys == ["a"])
        assert second.diffs == []
        one.unwatch(topic, watcher.told)
        one.unwatch(topic, watcher.told)
        one.unwatch("zone:unknown", watcher.told)
        await asyncio.sleep(0.2)
        looked = looks(one, monkeypatch)
        await other.untrack(topic, "s")
        await asyncio.sleep(1.5)
        assert looked == []
        assert len(watcher.diffs) == 1
        assert await one.watch(topic, watcher.told) == {}, "who comes back starts from what is"


async def test_a_topic_is_read_ten_times_a_second_at_most(
    url: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with processes(url) as (one, other):
        watcher = await Watcher().watch(one, topic)
        looked = looks(one, monkeypatch)
        began = time.monotonic()
        for number in range(200):
            await other.track(topic, "a", f"s{number % 20}", {"n": number})
            await asyncio.sleep(0.005)
        took = time.monotonic() - began
        assert 3 <= len(looked) <= took * 10 + 2
        truth = await other.list(topic)
        await eventually(lambda: watcher.state == truth)


async def test_a_watcher_that_fails_harms_no_other(url: str, topic: str, caplog: pytest.LogCaptureFixture) -> None:
    def failing(diff: Diff) -> None:
        raise RuntimeError("no")

    caplog.set_level(logging.CRITICAL)
    async with processes(url) as (one, other):
        await one.watch(topic, failing)
        watcher = await Watcher().watch(one, topic)
        await other.track(topic, "a", "s1", META)
        await eventually(lambda: watcher.keys == ["a"])
        await other.track(topic, "b", "s2", META)
        await eventually(lambda: watcher.keys == ["a", "b"])


async def test_what_somebody_else_wrote_there_harms_nobody(
    url: str, topic: str, store: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with processes(url) as (one, other):
        await other.track(topic, "a", "s1", META)
        store.hset(f"{PREFIX}:entries:{topic}", "strange", "no entry at all")
        watcher = await Watcher().watch(one, topic)
        assert watcher.keys == ["a"]
        assert list(await one.list(topic)) == ["a"]


def looks(presences: Presences, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The readings that a process makes from now on."""
    seen: list[Any] = []
    send = presences._link.send

    async def sending(calls: Any) -> Any:
        seen.extend(call for call in calls if call.script is LOOK)
        return await send(calls)

    monkeypatch.setattr(presences._link, "send", sending)
    return seen


STEP = st.one_of(
    st.tuples(
        st.sampled_from(["track", "update", "untrack", "expire"]),
        st.integers(0, 1),
        st.integers(0, 3),
        st.sampled_from(["ada", "bea"]),
    ),
    st.just(("pause", 0, 0, "")),
)


@hypothesis_settings(max_examples=25)
@given(steps=st.lists(STEP, max_size=25), joins=st.integers(0, 25))
def test_state_and_diffs_are_always_the_truth(server: Redis, steps: list[Any], joins: int) -> None:
    if not server.ready():
        server.start()
    asyncio.run(_live_through(embedded.redis_url(server.places.var), steps, joins))


async def _live_through(url: str, steps: list[Any], joins: int) -> None:
    """Whatever happens in two processes, watchers in both of them, from the start or from later on, know it all."""
    topic, there = f"zone:{uuid4()}", dict[str, Any]()
    store = redis.asyncio.Redis.from_url(url)
    async with processes(url) as made:
        watchers = [await Watcher().watch(made[0], topic)]
        for number, (what, process, place, key) in enumerate(steps):
            if number == joins:
                watchers.append(await Watcher().watch(made[1], topic))
            await _step(made[process], store, topic, there, what, f"{process}-{place}", key, number)
        watchers.append(await Watcher().watch(made[1], topic))
        assert _shown(await made[0].list(topic)) == sorted(there.values())
        truth = await made[1].list(topic)
        for watcher in watchers:
            await eventually(lambda watcher=watcher: watcher.state == truth, within_s=12)  # type: ignore[misc]
    await store.aclose()


async def _step(
    presences: Presences, store: Any, topic: str, there: dict[str, Any], what: str, session: str, key: str, number: int
) -> None:
    if what == "pause":
        await asyncio.sleep(0.11)
    elif what == "track":
        await presences.track(topic, key, session, {"n": number})
        there[session] = (key, number)
    elif session not in there:
        return
    elif what == "update":
        await presences.update(topic, session, {"n": number})
        there[session] = (there[session][0], number)
    elif what == "untrack":
        await presences.untrack(topic, session)
        del there[session]
    else:
        forget(presences, topic, session)
        await store.zadd(f"{PREFIX}:expiries:{topic}", {session: 0}, xx=True)
        del there[session]


def forget(presences: Presences, topic: str, session: str) -> None:
    """As when the process had died."""
    own = presences._tracking._own
    del own[topic][session]
    if not own[topic]:
        del own[topic]


def _shown(shown: State) -> list[tuple[str, int]]:
    return sorted((key, meta["n"]) for key, each in shown.items() for meta in each["metas"])


def test_nothing_is_told_when_nothing_changed() -> None:
    entry = Entry.make("a", META)
    known = {"s": entry}
    assert change(known, {"s": entry, "t": None}) is None
    assert Entry.decode(entry.encode()) == entry
    assert change(known, {"s": Entry.make("b", {})}) == {
        "joins": state(known.values()),
        "leaves": state([entry]),
    }, "a session that is somebody else's now"


# --- Many sessions -------------------------------------------------------------------------------------------


async def test_of_a_thousand_sessions_only_the_changed_one_is_read(url: str, topic: str, store: redis.Redis) -> None:
    async with processes(url) as (one, other):
        await asyncio.gather(*(other.track(topic, f"k{number}", f"s{number}", META) for number in range(1000)))
        watcher = await Watcher().watch(one, topic)
        assert len(watcher.state) == 1000
        await asyncio.sleep(1.2)
        before = sent(store)
        for number in range(5):
            await other.update(topic, "s77", {**META, "n": number})
            seen = len(watcher.diffs)
            assert await eventually(lambda seen=seen: len(watcher.diffs) > seen) < 0.5  # type: ignore[misc]
        assert sent(store) - before < 20_000, "all of it would be five times 150,000 bytes"
        assert watcher.state == await other.list(topic)


async def test_who_is_too_far_behind_reads_all_of_it(url: str, topic: str, store: redis.Redis) -> None:
    async with processes(url) as (one, other):
        await other.track(topic, "old", "old", META)
        watcher = await Watcher().watch(one, topic)
        async with one._watching._reading:
            await asyncio.gather(*(other.track(topic, "k", f"s{number}", META) for number in range(KEPT + 100)))
            await other.untrack(topic, "old")
            for number in range(0, KEPT, 2):
                await other.untrack(topic, f"s{number}")
            assert store.zcard(f"{PREFIX}:log:{topic}") == KEPT + 1
        await eventually(lambda: bool(watcher.diffs))
        assert watcher.state == await other.list(topic)
        assert len(watcher.diffs) == 1


async def test_a_topic_that_was_empty_for_a_moment_is_read_anew(url: str, topic: str) -> None:
    """Its log went with its last session."""
    async with processes(url) as (one, other):
        await other.track(topic, "before", "s1", META)
        watcher = await Watcher().watch(one, topic)
        async with one._watching._reading:
            await other.untrack(topic, "s1")
            await other.track(topic, "after", "s2", META)
        await eventually(lambda: watcher.keys == ["after"])
        assert len(watcher.diffs) == 1


async def test_a_storm_of_leavers_leaves_nothing_behind(url: str, store: redis.Redis) -> None:
    topics = [f"zone:{uuid4()}" for _ in range(20)]
    async with processes(url, 3) as made:
        watcher = await Watcher().watch(made[0], topics[0])
        places = [(each, topics[n % 20], f"s{n}") for each in made for n in range(400)]
        await asyncio.gather(
            *(each.track(topic, session, f"{id(each)}{session}", META) for each, topic, session in places)
        )
        assert len(store.keys("*")) == 2 + 3 * 20
        await asyncio.gather(*(each.untrack(topic, f"{id(each)}{session}") for each, topic, session in places))
        assert store.keys("*") == [PREFIX]
        await eventually(lambda: watcher.state == {})
        assert made[0]._tracking._own == {} and made[0]._tracking._behind == {}


def sent(store: redis.Redis) -> int:
    """Bytes that Redis has sent to anybody."""
    figures: Any = store.info("stats")
    return int(figures["total_net_output_bytes"])


# --- Processes that die --------------------------------------------------------------------------------------

CHILD = """
import asyncio, sys
from domains.thunderlink.presence import Presences

async def main():
    async with Presences(sys.argv[1]) as presences:
        await presences.track(sys.argv[2], "child", "child", {})
        for number in range(30):
            await presences.track(f"unwatched:{number}", "child", "child", {})
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_killed_process_is_gone_within_ten_seconds(url: str, topic: str, store: redis.Redis) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, url, topic, cwd=SOURCE, stdout=subprocess.PIPE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "thunderline.settings"},
    )  # fmt: skip
    try:
        async with processes(url, 1) as (one,):
            watcher = await Watcher().watch(one, topic)
            assert child.stdout is not None and await child.stdout.readline() == b"ready\n"
            await eventually(lambda: watcher.keys == ["child"])
            await one.track(topic, "here", "here", META)
            await asyncio.sleep(9)
            assert watcher.keys == ["child", "here"], "it lives for as long as it renews"
            child.kill()
            took = await eventually(lambda: watcher.keys == ["here"], within_s=20)
            assert 4 < took < 10
            await eventually(lambda: not store.keys("*unwatched*"), within_s=5)
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()
    assert store.keys("*") == [PREFIX]


# --- A Redis that forgets, or is away ------------------------------------------------------------------------


async def test_an_emptied_redis_is_told_again_and_watchers_do_not_notice(
    url: str, topic: str, store: redis.Redis
) -> None:
    async with processes(url, 3) as made:
        for number, each in enumerate(made):
            await each.track(topic, "a", f"s{number}", META)
        watchers = [await Watcher().watch(each, topic) for each in made[:2]]
        truth = await made[2].list(topic)
        await asyncio.sleep(0.5)
        store.flushdb()
        await asyncio.sleep(4)
        assert [watcher.diffs for watcher in watchers] == [[], []]
        assert await made[2].list(topic) == watchers[0].state == watchers[1].state == truth
        await made[2].untrack(topic, "s2")
        await eventually(lambda: all(len(watcher.state["a"]["metas"]) == 2 for watcher in watchers), within_s=2)


async def test_who_went_while_redis_was_emptied_is_told_as_gone(url: str, topic: str, store: redis.Redis) -> None:
    async with processes(url) as (one, other):
        await one.track(topic, "a", "s1", META)
        await other.track(topic, "b", "s2", META)
        watcher = await Watcher().watch(one, topic)
        store.flushdb()
        forget(other, topic, "s2")
        await eventually(lambda: watcher.keys == ["a"])
        assert len(watcher.diffs) == 1


async def test_redis_may_be_down_for_a_while(
    url: str, topic: str, server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with processes(url) as (one, other):
        await one.track(topic, "stays", "s1", META)
        await one.track(topic, "leaves", "s2", META)
        await other.track(topic, "moves", "s3", META)
        watchers = [await Watcher().watch(each, topic) for each in (one, other)]
        await asyncio.to_thread(server.stop)
        began = time.monotonic()
        await one.track(topic, "comes", "s4", META)
        await one.untrack(topic, "s2")
        await other.update(topic, "s3", {"activity": "resting"})
        assert list(await one.list(topic)) == ["leaves", "moves", "stays"], "as last read"
        assert list(await one.list("zone:other")) == []
        late = await Watcher().watch(one, "zone:other")
        await one.track("zone:other", "comes", "s5", META)
        assert time.monotonic() - began < 1
        await asyncio.sleep(3)
        assert [watcher.diffs for watcher in watchers] == [[], []]
        assert watchers[0].keys == ["leaves", "moves", "stays"]
        await asyncio.to_thread(server.start)
        await eventually(lambda: all(watcher.keys == ["comes", "moves", "stays"] for watcher in watchers))
        truth = await one.list(topic)
        await eventually(lambda: late.keys == ["comes"], within_s=2)
        assert [len(watcher.diffs) for watcher in watchers] == [1, 1]
        assert [watcher.state for watcher in watchers] == [truth, truth]
    said = [record.message for record in caplog.records]
    assert sum("away" in line for line in said) == 2, "once a process"
    assert sum("back" in line for line in said) == 2
    assert all(record.exc_info is None for record in caplog.records)


async def test_who_starts_without_redis_sees_others_once_it_is_there(url: str, topic: str, server: Redis) -> None:
    await asyncio.to_thread(server.stop)
    async with processes(url) as (one, other):
        await one.track(topic, "a", "s1", META)
        await other.track(topic, "b", "s2", META)
        watcher = await Watcher().watch(one, topic)
        assert watcher.keys == ["a"], "its own at least"
        assert list(await one.list(topic)) == ["a"]
        await asyncio.to_thread(server.start)
        await eventually(lambda: watcher.keys == ["a", "b"])


async def test_a_redis_that_froze_for_longer_than_sessions_live(url: str, topic: str, server: Redis) -> None:
    async with processes(url) as (one, other):
        await one.track(topic, "a", "s1", META)
        await other.track(topic, "b", "s2", META)
        watcher = await Watcher().watch(one, topic)
        process = server.process()
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.wait_for(one.track(topic, "c", "s3", META), 3)
            await asyncio.sleep(9)
        finally:
            process.send_signal(signal.SIGCONT)
        await eventually(lambda: watcher.keys == ["a", "b", "c"])
        await asyncio.sleep(1)
        assert [(*diff["joins"], *diff["leaves"]) for diff in watcher.diffs] == [("c",)]
        assert watcher.state == await other.list(topic)


async def test_what_a_long_absence_gathers_is_bounded(url: str, topic: str, server: Redis) -> None:
    await asyncio.to_thread(server.stop)
    async with processes(url, 1) as (one,):
        for number in range(100):
            await one.track(topic, "a", f"s{number}", META)
            await one.untrack(topic, f"s{number}")
        await one.track(topic, "a", "stays", META)
        await eventually(lambda: one._link.away)
        one._tracking._behind = {place: at - 10 for place, at in one._tracking._behind.items()}
        await eventually(lambda: [*one._tracking._behind] == [(topic, "stays")], within_s=2)


async def test_a_redis_that_goes_back_to_an_old_state(url: str, topic: str, store: redis.Redis) -> None:
    """A snapshot that it loaded knows sessions as they were, under the generation that all know."""
    async with processes(url) as (one, other):
        await one.track(topic, "a", "s1", META)
        watcher = await Watcher().watch(other, topic)
        kept = dump(store)
        after = await one.update(topic, "s1", {"activity": "resting"})
        await eventually(lambda: len(watcher.diffs) == 1)
        restore(store, kept)
        for client in store.client_list(_type="pubsub"):
            store.client_kill_filter(_id=client["id"])
        await asyncio.sleep(4)
        assert watcher.state == await one.list(topic) == {"a": {"metas": [after]}}
        assert len(watcher.diffs) == 1
        await one.untrack(topic, "s1")
        await eventually(lambda: watcher.state == {})


def dump(store: redis.Redis) -> dict[str, bytes]:
    with redis.Redis(connection_pool=raw_pool(store)) as client:
        return {key.decode(): client.dump(key) for key in client.keys("*")}  # type: ignore[misc]


def restore(store: redis.Redis, kept: dict[str, bytes]) -> None:
    with redis.Redis(connection_pool=raw_pool(store)) as client, client.pipeline() as pipe:
        pipe.flushdb()
        for key, value in kept.items():
            pipe.restore(key, 0, value)
        pipe.execute()


def raw_pool(store: redis.Redis) -> redis.ConnectionPool:
    """Bytes as they are."""
    settings = {**store.connection_pool.connection_kwargs, "decode_responses": False}
    return redis.ConnectionPool(connection_class=store.connection_pool.connection_class, **settings)


# --- Outside an event loop -----------------------------------------------------------------------------------


@pytest.fixture
def here(url: str, settings: Any) -> None:
    settings.REDIS_URL = url


@pytest.mark.usefixtures("here")
def test_the_same_said_again_is_no_change(topic: str, store: redis.Redis) -> None:
    first = direct.track(topic, "a", "s", META)
    assert direct.track(topic, "a", "s", META) == first
    assert direct.list(topic) == {"a": {"metas": [first]}}
    other = direct.track(topic, "a", "s", {}, hold_s=0.1)
    assert other["phx_ref"] > first["phx_ref"]
    assert direct.topics() == [topic]
    time.sleep(0.15)
    assert direct.list(topic) == {}
    assert store.keys("*") == [PREFIX]


@pytest.mark.usefixtures("here")
def test_sessions_are_counted_once_redis_has_heard_of_all(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    direct.track(topic, "a", "s1", META)
    direct.track(topic, "a", "s2", META)
    with pytest.raises(Away, match="lost"):
        direct.count([topic])
    monkeypatch.setattr(direct, "YOUNG_MS", 0)
    assert direct.count([topic, "zone:empty", topic]) == {topic: 2, "zone:empty": 0}
    direct.untrack(topic, "s1")
    assert direct.count([topic]) == {topic: 1}
    assert direct.count([]) == {}


@pytest.mark.parametrize(
    "call",
    [
        lambda: direct.track("zone:x", "a", "s", {}),
        lambda: direct.untrack("zone:x", "s"),
        lambda: direct.list("zone:x"),
        lambda: direct.count(["zone:x"]),
        direct.topics,
    ],
)
def test_without_redis_each_call_says_so(call: Callable[[], Any], settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody"
    with pytest.raises(Away):
        call()


async def test_both_ways_see_each_other(url: str, topic: str, settings: Any) -> None:
    settings.REDIS_URL = url
    async with Presences() as one:
        watcher = await Watcher().watch(one, topic)
        mine = await one.track(topic, "a", "s1", META)
        other = await asyncio.to_thread(direct.track, topic, "b", "s2", META)
        await eventually(lambda: watcher.keys == ["a", "b"])
        assert await asyncio.to_thread(direct.list, topic) == {"a": {"metas": [mine]}, "b": {"metas": [other]}}
        await asyncio.to_thread(direct.untrack, topic, "s2")
        await eventually(lambda: watcher.keys == ["a"])
