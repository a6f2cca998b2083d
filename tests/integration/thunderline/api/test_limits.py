"""REST is limited by who asks, and more where much is done."""

from __future__ import annotations

from typing import Any

from tests.factories import make_user
from tests.integration.thunderline.api.conftest import Api, grant, problem
from zones.models import World


def test_who_asks_too_often_is_told_when_to_come_again(settings: Any) -> None:
    settings.LIMITS = {"on": True, "default": 2, "heavy": 1}
    api, other = Api(make_user("eager")), Api(make_user("patient"))
    assert [api.get("worlds").status_code for _ in range(2)] == [200, 200]
    refused = api.get("worlds")
    problem(refused, 429, "too_many_requests")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert other.get("worlds").status_code == 200


def test_what_is_heavy_is_limited_more(settings: Any) -> None:
    world = World.objects.create(name="Mine", owner=make_user("owner"))
    api = Api(grant(world.owner, "zones.change_world"))
    settings.LIMITS = {"on": True, "default": 50, "heavy": 1}
    assert api.post(f"worlds/{world.pk}/step", {}).status_code == 202
    problem(api.post(f"worlds/{world.pk}/step", {}), 429, "too_many_requests")
    assert api.get("worlds").status_code == 200
    world.refresh_from_db()
    assert world.target_tick == 1
