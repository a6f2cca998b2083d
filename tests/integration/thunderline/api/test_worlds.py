from __future__ import annotations

from typing import Any

from tests.factories import make_user, make_world
from tests.integration.thunderline.api.conftest import Api, grant, problem
from zones import queries


def test_a_world_is_made_read_and_changed(api: Api) -> None:
    made = api.post("worlds", {"name": "Harbour", "access": "shared", "seed": 7})
    assert made.status_code == 201
    assert made["Location"] == f"/api/v1/worlds/{made.json()['id']}"
    assert made.json()["owner"] == "operator" and made.json()["seed"] == 7
    read = api.get(made["Location"])
    assert read.json() == made.json() and read["ETag"] == made["ETag"]
    changed = api.patch(made["Location"], {"rate": 2.5, "access": "open"}, If_Match=read["ETag"])
    assert changed.status_code == 200 and changed.json()["rate"] == 2.5 and changed.json()["access"] == "open"
    assert changed["ETag"] != read["ETag"]


def test_a_name_that_is_taken_is_refused(api: Api, world: Any) -> None:
    problem(api.post("worlds", {"name": world.name}), 422, "invalid_payload")
    assert queries.worlds().count() == 1


def test_clocks_are_paused_stepped_and_resumed(api: Api, world: Any) -> None:
    address = f"worlds/{world.pk}"
    assert api.post(f"{address}/resume").json()["status"] == "running"
    assert api.post(f"{address}/pause").json()["status"] == "paused"
    stepped = api.post(f"{address}/step", {"ticks": 3})
    assert stepped.status_code == 202 and stepped.json()["target_tick"] == world.target_tick + 3
    problem(api.post(f"{address}/step", {"ticks": 0}), 400, "invalid")


def test_lists_hold_what_one_may_see() -> None:
    owner = make_user("owner")
    make_world("Mine", zones=1, agents=0, by=owner)
    make_world("Open", zones=1, agents=0, access="open")
    make_world("Hidden", zones=1, agents=0)
    assert [w["name"] for w in Api(owner).get("worlds").json()["results"]] == ["Mine", "Open"]


def test_only_who_governs_a_world_changes_it() -> None:
    owner, other = make_user("owner"), make_user("other")
    world = make_world("Open", zones=1, agents=0, access="open", by=owner)
    address = f"worlds/{world.pk}"
    assert Api(owner).post(f"{address}/pause").status_code == 200
    problem(Api(grant(other, "zones.change_world")).post(f"{address}/resume"), 403, "access_denied")
    assert queries.world("Open").status == "paused"


def test_pages_follow_one_another(api: Api) -> None:
    for name in ("A", "B", "C", "D", "E"):
        make_world(name, zones=1, agents=0)
    address, seen = "worlds?limit=2", []
    while address:
        page = api.get(address).json()
        seen.append([world["name"] for world in page["results"]])
        address = page["next"]
    assert seen == [["A", "B"], ["C", "D"], ["E"]]
