"""The demo world comes once, and never to somebody who has a world."""

import pytest

from agents import queries
from thunderline import demo
from zones import queries as zones
from zones.actions import worlds

pytestmark = pytest.mark.django_db


def test_it_is_loaded_once() -> None:
    assert demo.ensure() is True
    assert queries.count_by_lifecycle(zones.worlds().get().pk)["active"] == 30
    assert demo.ensure() is False


def test_a_world_of_ones_own_is_left_alone() -> None:
    worlds.create(name="Mine")
    assert demo.ensure() is False
    assert zones.worlds().count() == 1
