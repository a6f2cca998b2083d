"""Who works at what: rows of real leases, dealt out among followers that do not all know the same subscribers."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains import sql
from domains.ids import new_id
from domains.thunderflow import queries
from domains.thunderflow.models import Follower, Lease, Subscription
from domains.thunderflow.subscribers import Subscriber, leases
from tests.tables import commits

__all__ = ["commits"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

LEASE_S = leases.LEASE_S
LONG_S = 600.0
SHARDS = {"old": 4, "new": 4, "plugged": 1, "small": 3}


@pytest.fixture(autouse=True)
def long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes here only when a test says so."""
    monkeypatch.setattr(leases, "LEASE_S", LONG_S)


def known(*names: str) -> None:
    leases.declare([Subscriber(name, "test.**", lambda events: None, shards=SHARDS[name]) for name in names])


def turns(followers: dict[UUID, Sequence[str]], rounds: int = 3) -> dict[str, Counter[UUID]]:
    """A few turns of each. Returns how many shards of each subscription each of them holds."""
    for _ in range(rounds):
        for holder, names in followers.items():
            leases.turn(holder, names)
    held: dict[str, Counter[UUID]] = defaultdict(Counter)
    for name, holder in Lease.objects.values_list("subscription__name", "holder"):
        held[name][holder] += 1
    return held


def seconds_later(seconds: float, *holders: UUID) -> None:
    """As if these had kept silent for so long."""
    params = [seconds, list(holders)]
    sql.execute("UPDATE event_leases SET expires_at = expires_at - make_interval(secs => %s) WHERE holder = ANY(%s)",
                params)  # fmt: skip
    sql.execute("UPDATE event_followers SET seen_at = seen_at - make_interval(secs => %s) WHERE id = ANY(%s)", params)


def test_a_follower_of_an_older_release_leaves_no_shard_unserved() -> None:
    """It lives and serves what it knows; of the new subscriber's shards none waits for it."""
    known("old")
    older, newer = new_id(), new_id()
    assert turns({older: ["old"]})["old"] == {older: 4}
    known("old", "new")
    held = turns({older: ["old"], newer: ["old", "new"]})
    assert held == {"old": {older: 2, newer: 2}, "new": {newer: 4}}
    assert turns({newer: ["old", "new"], older: ["old"]}) == held, "and so it stays"


def test_it_is_no_matter_who_comes_first() -> None:
    known("old", "new")
    older, newer = new_id(), new_id()
    assert turns({newer: ["old", "new"]}) == {"old": {newer: 4}, "new": {newer: 4}}
    assert turns({newer: ["old", "new"], older: ["old"]}) == {"old": {older: 2, newer: 2}, "new": {newer: 4}}


def test_one_that_says_nothing_of_whom_it_serves_is_not_reckoned_with() -> None:
    """As followers did before they named their subscribers."""
    known("old")
    sql.execute("INSERT INTO event_followers (id, node, pid, seen_at) VALUES (%s, 'there', 1, now())", [new_id()])
    assert Follower.objects.get().serves == []
    newer = new_id()
    assert turns({newer: ["old"]})["old"] == {newer: 4}


def test_the_shards_of_one_that_died_are_another_s_within_five_seconds() -> None:
    """Its lease ends, and by then everybody has had a turn."""
    known("old", "small")
    first, second = new_id(), new_id()
    names = ["old", "small"]
    turns({first: names, second: names})
    seconds_later(LONG_S / 2, first)
    leases.turn(second, names)
    assert Lease.objects.filter(holder=first).count() in (3, 4), "it may only be slow"
    seconds_later(LONG_S / 2, first)
    held = leases.turn(second, names)
    assert len(held) == 7
    assert LEASE_S + leases.RENEW_S <= 4.5, "some time is left for the turn itself"


def test_one_that_takes_all_keeps_it() -> None:
    known("old")
    first, greedy = new_id(), new_id()
    turns({first: ["old"]})
    assert leases.turn(greedy, ["old"], greedy=True) == []
    assert len(leases.turn(first, ["old"])) == 2
    assert len(leases.turn(greedy, ["old"], greedy=True)) == 2
    leases.leave(first)
    assert len(leases.turn(greedy, ["old"], greedy=True)) == 4


def test_one_that_ends_keeps_what_is_under_way_and_no_more() -> None:
    known("old")
    first, second = new_id(), new_id()
    kept, *_ = leases.turn(first, ["old"])
    leases.leave(first, but={(kept.subscription_id, kept.shard)})
    assert not Follower.objects.filter(pk=first).exists()
    assert len(leases.turn(second, ["old"])) == 3
    leases.leave(first)
    assert len(leases.turn(second, ["old"])) == 4


def test_what_a_follower_that_lives_serves_stays_declared() -> None:
    known("plugged")
    Lease.objects.update(expires_at="2020-01-01T00:00Z")
    other = new_id()
    sql.execute(leases.HERE, [other, "there", 1, ["plugged"]])
    leases.declare([])
    assert Subscription.objects.get().declared
    seconds_later(61, other)
    leases.declare([])
    assert not Subscription.objects.get().declared
    known("plugged")
    told = [e.payload["what"] for e in queries.read(after=0, pattern="system.subscription_changed")[0]]
    assert told == ["declared", "undeclared", "declared"]


names = st.sets(st.sampled_from(sorted(SHARDS)), min_size=1).map(sorted)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(names, min_size=1, max_size=5), st.data())
def test_each_shard_that_somebody_knows_is_served_and_equals_share_equally(
    crowd: list[list[str]], data: st.DataObject
) -> None:
    """Followers that know this or that come, have turns in any order, and some of them go."""
    Follower.objects.all().delete()
    known(*SHARDS)
    Lease.objects.update(holder=None)
    followers = {new_id(): names for names in crowd}
    for holder in data.draw(st.lists(st.sampled_from(list(followers)), max_size=12)):
        leases.turn(holder, followers[holder])
    for holder in data.draw(st.sets(st.sampled_from(list(followers)), max_size=len(followers) - 1)):
        seconds_later(LONG_S, holder)
        del followers[holder]
    held = turns(followers)
    alike: dict[frozenset[UUID], list[str]] = defaultdict(list)
    for name in SHARDS:
        alike[frozenset(holder for holder, names in followers.items() if name in names)].append(name)
    for able, together in alike.items():
        if not able:
            continue
        each = Counter[UUID]()
        for name in together:
            each += held[name]
        assert each.keys() <= able, "held by who does not know it, or by nobody"
        assert sum(each.values()) == sum(SHARDS[name] for name in together)
        assert max(each.values()) <= math.ceil(sum(each.values()) / len(able))
