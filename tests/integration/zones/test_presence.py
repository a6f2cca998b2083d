"""How many are in a zone: what zones say follows what Redis says, and stays as it is while that cannot be asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from django.apps import apps
from django.conf import settings as django_settings
from django.db import transaction

from domains.lifecycle import Tick
from domains.thunderlink.presence import Away, Presences, direct
from domains.thunderlink.presence.scripts import PREFIX
from tests.conftest import CountQueries
from tests.factories.worlds import make_world
from tests.threads import threads
from zones import presence
from zones.models import Zone

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _known_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' Redis has just begun; it is not to be waited for."""
    monkeypatch.setattr(direct, "YOUNG_MS", 0)


@pytest.fixture
def zones() -> Iterator[list[Any]]:
    """Three zones; nobody is left in them afterwards."""
    made = [*make_world(zones=3, agents=0).zones.order_by("ordinal")]
    with redis.Redis.from_url(django_settings.REDIS_URL) as store:
        yield made
        for zone in made:
            store.zrem(f"{PREFIX}:topics", presence.topic(zone.pk))
            store.delete(*store.keys(f"{PREFIX}:*:zone:{zone.pk}"), "none")


def expire(store: redis.Redis, zone: Any) -> None:
    """As if nobody in the zone had renewed for long."""
    name = f"{PREFIX}:expiries:{presence.topic(zone.pk)}"
    for session in store.zrange(name, 0, -1):
        store.zadd(name, {session: 0})


def stored(zones: list[Any]) -> list[int]:
    counts = dict(Zone.objects.values_list("id", "active_session_count"))
    return [counts[zone.pk] for zone in zones]


def test_who_is_in_a_zone(zones: list[Any]) -> None:
    meta = presence.track(zones[0].pk, "agent-1", "s1", {"activity": "walking"})
    presence.track(zones[0].pk, "agent-2", "s2", {})
    assert presence.list(zones[0].pk)["agent-1"] == {"metas": [meta]}
    assert presence.count([zone.pk for zone in zones]) == {zones[0].pk: 2, zones[1].pk: 0, zones[2].pk: 0}
    presence.untrack(zones[0].pk, "s2")
    assert list(presence.list(zones[0].pk)) == ["agent-1"]
    assert presence.topic(zones[0].pk) == f"zone:{zones[0].pk}"


def test_zones_follow_what_redis_says_by_themselves(zones: list[Any]) -> None:
    presence.track(zones[0].pk, "a", "s1", {})
    presence.track(zones[0].pk, "a", "s2", {})
    presence.track(zones[1].pk, "a", "s3", {})
    Zone.objects.filter(pk=zones[2].pk).update(active_session_count=9)
    assert presence.follow_counts() == 3
    assert stored(zones) == [2, 1, 0]
    presence.untrack(zones[0].pk, "s1")
    presence.untrack(zones[1].pk, "s3")
    assert presence.follow_counts([zones[0].pk]) == 2
    assert stored(zones) == [1, 0, 0]
    assert presence.follow_counts([uuid4()]) == 0, "no such zone"


def test_counts_fall_at_a_heartbeat_when_all_web_processes_died(zones: list[Any]) -> None:
    presence.track(zones[0].pk, "a", "s1", {})
    presence.track(zones[1].pk, "a", "s2", {})
    beat()
    assert stored(zones) == [1, 1, 0]
    with redis.Redis.from_url(django_settings.REDIS_URL) as store:
        expire(store, zones[0])
        beat()
        assert stored(zones) == [0, 1, 0]
        assert store.keys(f"*{zones[0].pk}*") == [], "and nothing of it is left"


def beat() -> None:
    apps.get_app_config("zones").on_tick(Tick(1, datetime.now(UTC)))  # type: ignore[attr-defined]


def test_nothing_is_written_while_nothing_changes(zones: list[Any], count_queries: CountQueries) -> None:
    presence.track(zones[0].pk, "a", "s1", {})
    with count_queries() as statements:
        assert presence.follow_counts() == 1
    assert len(statements) == 2
    presence.track(zones[1].pk, "a", "s2", {})
    presence.track(zones[2].pk, "a", "s3", {})
    with count_queries() as statements:
        assert presence.follow_counts() == 2
    assert len(statements) == 2, "for as many zones as there are"
    with count_queries() as statements:
        assert presence.follow_counts() == 0
    assert len(statements) == 1


def test_counts_stay_while_redis_cannot_be_asked(zones: list[Any], settings: Any, tmp_path: Path) -> None:
    Zone.objects.filter(pk=zones[0].pk).update(active_session_count=5)
    settings.REDIS_URL = f"unix://{tmp_path}/nobody"
    assert presence.follow_counts([zones[1].pk]) == 0
    beat()
    assert stored(zones) == [5, 0, 0]
    with pytest.raises(Away):
        presence.count([zones[0].pk])


def test_counts_stay_while_redis_has_not_heard_of_everybody(zones: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "YOUNG_MS", 1 << 60)
    Zone.objects.filter(pk=zones[0].pk).update(active_session_count=5)
    assert presence.follow_counts() == 0
    assert stored(zones) == [5, 0, 0]


def test_a_topic_that_is_no_zone_s_is_passed_over(zones: list[Any]) -> None:
    direct.track("zone:nowhere", "a", "s1", {})
    presence.track(zones[0].pk, "a", "s1", {})
    assert presence.follow_counts() == 1
    direct.untrack("zone:nowhere", "s1")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_a_zone_that_somebody_holds_is_left_for_the_next_time() -> None:
    zones = [*make_world(zones=2, agents=0).zones.order_by("ordinal")]
    Zone.objects.update(active_session_count=3)
    with threads(1) as others, transaction.atomic():
        Zone.objects.select_for_update(no_key=True).get(pk=zones[0].pk)
        assert others.start(presence.follow_counts).result(timeout=10) == 1
    assert stored(zones) == [3, 0]
    assert presence.follow_counts() == 1
    assert stored(zones) == [0, 0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_sockets_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    zones = [*make_world(zones=2, agents=0).zones.order_by("ordinal")]
    assert asyncio.run(_through_sockets(zones[0].pk)) == {"ada": 3}
    assert presence.follow_counts() == 1, "they have left"
    assert stored(zones) == [0, 0]
    assert not caplog.records


async def _through_sockets(zone_id: UUID) -> dict[str, int]:
    async with Presences() as presences:
        for number in range(3):
            await presences.track(presence.topic(zone_id), "ada", f"socket-{number}", {})
        assert await asyncio.to_thread(_followed) == 1
        return {key: len(each["metas"]) for key, each in (await presences.list(presence.topic(zone_id))).items()}


def _followed() -> int:
    with threads(1) as others:
        return int(others.start(presence.follow_counts).result())
