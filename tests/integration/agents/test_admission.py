"""Who may still watch: asked for all who watch at once, however many they are."""

from __future__ import annotations

from typing import Any

import pytest

from agents.channels import admission
from tests.conftest import CountQueries
from tests.factories import make_user, make_world
from zones.models import World, Zone

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(db: None) -> dict[str, Any]:
    """The cast, by name."""
    return {"root": make_user("root", operator=True), **{name: make_user(name) for name in ("ada", "bo", "cy")}}


@pytest.fixture
def zones(people: dict[str, Any]) -> list[Any]:
    """One of a private world of ada's, one of a world that she shares with bo, one of an open world."""
    worlds = [make_world(access, zones=1, agents=0, by=people["ada"], access=access) for access in World.Access.values]
    worlds[1].members.add(people["bo"])
    return [world.zones.get() for world in worlds]


def seeing(user: Any, zones: list[Any]) -> list[bool]:
    """Of each zone whether the person may watch it."""
    watchers = [(user.pk, zone.pk) for zone in zones]
    _, found = admission._see(watchers)
    return [watcher in found for watcher in watchers]


def test_each_may_watch_what_it_may_see(people: dict[str, Any], zones: list[Any]) -> None:
    assert {name: seeing(user, zones) for name, user in people.items()} == {
        "root": [True, True, True], "ada": [True, True, True], "bo": [False, True, True], "cy": [False, False, True],
    }  # fmt: skip


def test_who_is_disabled_and_what_is_gone(people: dict[str, Any], zones: list[Any]) -> None:
    ada = people["ada"]
    Zone.objects.filter(pk=zones[0].pk).delete()
    assert seeing(ada, zones) == [False, True, True]
    type(ada).objects.filter(pk=ada.pk).update(is_active=False)
    assert seeing(ada, zones) == [False] * 3


def test_accounts_come_as_they_are_now(people: dict[str, Any], zones: list[Any]) -> None:
    root = people["root"]
    type(root).objects.filter(pk=root.pk).update(is_superuser=False)
    users, _ = admission._see([(root.pk, zones[0].pk)])
    assert users[root.pk].is_superuser is False
    assert seeing(root, zones) == [False, False, True]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_many_cost_as_many_queries_as_one(zones: list[Any], place: int, count_queries: CountQueries) -> None:
    users = [make_user(f"user {n}") for n in range(30)]
    counts = []
    for some in (users[:1], users):
        with count_queries() as statements:
            admission._see([(user.pk, zones[place].pk) for user in some])
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 5
