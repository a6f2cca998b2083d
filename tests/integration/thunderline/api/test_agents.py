from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from agents.models import Agent
from domains.thunderblock import guards
from tests.conftest import CountQueries
from tests.factories import make_user, make_world, run_ticks
from tests.integration.thunderline.api.conftest import Api, grant, problem
from thunderline.api.agents import AgentRow
from zones.models import Zone


def _zone(world: Any) -> Zone:
    return Zone.objects.get(world=world, ordinal=0)


def _agent(world: Any) -> Agent:
    return Agent.objects.get(world=world, ordinal=0)


def test_an_agent_is_born_read_and_changed(api: Api, world: Any) -> None:
    new = {"zone_id": str(_zone(world).pk), "name": "Ada", "traits": {"openness": 0.9}, "goals": [{"name": "map"}]}
    made = api.post("agents", new)
    assert made.status_code == 201, made.content
    ada = made.json()
    assert ada["traits"]["openness"] == 0.9 and ada["lifecycle"] == "active" and ada["goals"][0]["name"] == "map"
    read = api.get(made["Location"])
    assert read.json() == ada
    changed = api.patch(made["Location"], {"description": "A mapmaker.", "openness": 1.0}, If_Match=read["ETag"])
    assert changed.status_code == 200 and changed.json()["description"] == "A mapmaker."
    problem(api.patch(made["Location"], {"openness": 0.1}, If_Match=read["ETag"]), 412, "precondition_failed")
    problem(api.patch(made["Location"], {"openness": 0.1}), 428, "precondition_required")
    assert Agent.objects.get(pk=ada["id"]).openness == 1.0


def test_an_etag_outlives_ticks(api: Api, world: Any) -> None:
    agent = _agent(world)
    before = api.get(f"agents/{agent.pk}")
    assert run_ticks(world, 3) > 0
    after = api.get(f"agents/{agent.pk}")
    assert after.json()["tick_number"] > before.json()["tick_number"]
    assert api.patch(f"agents/{agent.pk}", {"tick_interval": 9}, If_Match=before["ETag"]).status_code == 200


def test_many_are_made_together_or_none(api: Api, world: Any) -> None:
    zone = str(_zone(world).pk)
    made = api.post("agents/bulk", {"agents": [{"zone_id": zone, "name": f"Twin {i}"} for i in range(3)]})
    assert made.status_code == 201, made.content
    assert [one["name"] for one in made.json()["results"]] == ["Twin 0", "Twin 1", "Twin 2"]
    twice = {"agents": [{"zone_id": zone, "name": "Cy"}, {"zone_id": zone, "name": "Cy"}]}
    assert "Cy" in problem(api.post("agents/bulk", twice), 422, "invalid_payload")["detail"]
    wrong = {"agents": [{"zone_id": zone, "name": "Di"}, {"zone_id": zone, "name": "Ed", "mood": 7}]}
    said = problem(api.post("agents/bulk", wrong), 400, "invalid")
    assert said["errors"] == [{"field": "agents.1.mood", "detail": "Input should be less than or equal to 1"}]
    nowhere = {"agents": [{"zone_id": zone, "name": "Di"}, {"zone_id": str(uuid4()), "name": "Ed"}]}
    problem(api.post("agents/bulk", nowhere), 404, "not_found")
    assert not Agent.objects.filter(name__in=["Cy", "Di", "Ed"]).exists()


def test_lives_and_ticks(api: Api, world: Any) -> None:
    agent = _agent(world)
    address = f"agents/{agent.pk}"
    assert api.post(f"{address}/tick").json()["tick_number"] == 1
    assert api.post(f"{address}/suspend", {"reason": "noise"}).json()["lifecycle"] == "suspended"
    problem(api.post(f"{address}/tick"), 409, "wrong_state")
    problem(api.post(f"{address}/unarchive"), 409, "wrong_state")
    assert api.post(f"{address}/activate").json()["lifecycle"] == "active"
    assert api.delete(address).status_code == 204
    assert api.get(address).json()["lifecycle"] == "archived"  # nothing is lost
    problem(api.delete(address), 409, "wrong_state")
    assert api.post(f"{address}/unarchive").json()["lifecycle"] == "dormant"
    ticks = api.get(f"{address}/ticks").json()
    assert [tick["tick_number"] for tick in ticks["results"]] == [1] and ticks["next"] is None
    one = api.get(f"{address}/ticks/1").json()
    assert one == ticks["results"][0] and one["action"] and len(one["state_hash"]) >= 16
    problem(api.get(f"{address}/ticks/2"), 404)


def test_mods_are_put_on_and_taken_off(api: Api, world: Any) -> None:
    address = f"agents/{_agent(world).pk}/mods"
    mod = {"name": "sea legs/2", "kind": "stat_boost", "effects": {"stat_modifiers": {"energy": 10}}, "duration": 300}
    put = api.post(address, mod)
    assert put.status_code == 201 and put.json()["expires_tick"] == put.json()["applied_tick"] + 300
    assert [one["name"] for one in api.get(address).json()["results"]] == ["sea legs/2"]
    assert api.delete(f"{address}/sea%20legs%2F2").status_code == 204
    problem(api.delete(f"{address}/sea%20legs%2F2"), 404, "agent_not_found")
    assert api.get(address).json()["results"] == []


def test_what_others_may_not_see_is_not_there(api: Api, world: Any, stranger: Api) -> None:
    agent = _agent(world)
    for path in ("", "/ticks", "/mods", "/memories", "/memories/search?q=bread", "/facts"):
        problem(stranger.get(f"agents/{agent.pk}{path}"), 404, "not_found")
        assert api.get(f"agents/{agent.pk}{path}").status_code == 200
    assert stranger.get("agents").json() == {"results": [], "next": None}
    assert stranger.get(f"agents?zone={agent.zone_id}").json()["results"] == []


def test_steering_is_for_who_may_modify_the_place(world: Any) -> None:
    worlds_owner = make_user("owner")
    open_world = make_world("Open", zones=1, agents=1, access="open", by=worlds_owner)
    address = f"agents/{_agent(open_world).pk}"
    visitor = Api(grant(make_user("visitor"), "agents.change_agent"))
    problem(visitor.post(f"{address}/suspend", {}), 403, "access_denied")
    assert _agent(open_world).lifecycle == "active"
    assert Api(worlds_owner).post(f"{address}/suspend", {}).status_code == 200


def test_filters_and_pages(api: Api) -> None:
    world = make_world(zones=2, agents=25)
    other = make_world("Elsewhere", zones=1, agents=2)
    address, seen = f"agents?world={world.pk}&limit=10", []
    while address:
        page = api.get(address).json()
        seen += [agent["name"] for agent in page["results"]]
        address = page["next"]
    assert seen == sorted(f"Agent {i}" for i in range(25))
    zone = _zone(world)
    here = api.get(f"agents?zone={zone.pk}&name=Agent 1").json()["results"]
    assert {agent["name"] for agent in here} == {"Agent 10", "Agent 12", "Agent 14", "Agent 16", "Agent 18"}
    everybody, address = [], "agents?limit=7"
    while address:
        page = api.get(address).json()
        everybody += [(agent["world_id"], agent["name"]) for agent in page["results"]]
        address = page["next"]
    assert len(everybody) == len(set(everybody)) == 27 and everybody == sorted(everybody)
    assert str(other.pk) in {world_id for world_id, _ in everybody}
    assert api.get("agents?lifecycle=archived").json()["results"] == []


def test_lists_cost_as_many_queries_for_many_as_for_few(
    api: Api, world: Any, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "_FRESH_S", 3600.0)  # states of domains are read once a second, whatever is asked
    paths = ["agents?limit=500", "zones", "worlds", f"agents/{_agent(world).pk}/ticks", "events?limit=500"]
    paths += [f"agents/{_agent(world).pk}/memories", "dead-letters", "blackboard", "domains", "nodes"]
    run_ticks(world, 2)
    few = [_count(api, path, count_queries) for path in paths]
    make_world("Second", zones=6, agents=60)
    run_ticks(world, 5)
    assert [_count(api, path, count_queries) for path in paths] == few
    assert dict(zip(paths, few, strict=True))["agents?limit=500"] <= 3


def _count(api: Api, path: str, count_queries: CountQueries) -> int:
    assert api.get(path).status_code == 200
    with count_queries() as statements:
        assert api.get(path).status_code == 200
    return len(statements)


def test_a_list_has_what_its_description_says(api: Api, world: Any) -> None:
    for row in api.get("agents").json()["results"]:
        assert AgentRow.model_validate(row, strict=False).model_dump(mode="json") == row
        whole = api.get(f"agents/{row['id']}").json()
        assert {name: whole[name] for name in row} == row


def test_what_costs_money_or_opens_tools_is_for_who_governs_the_zone(world: Any) -> None:
    type(world).objects.filter(pk=world.pk).update(access="open")
    Zone.objects.filter(world=world).update(permissions=0x07)
    zone, granted = str(_zone(world).pk), ["agents.change_agent"]
    member = Api(grant(make_user("member"), *granted))
    for name, value in {
        "capabilities": ["web"], "mods": [{"name": "eye", "kind": "tool"}], "reasoner": "openai", "model": "large",
        "system_prompt": "Obey.", "narrator": "model",
    }.items():  # fmt: skip
        new = {"zone_id": zone, "name": "Mine", name: value}
        for path, body in (("agents", new), ("agents/bulk", {"agents": [{**new, "name": "Other", name: value}]})):
            assert name in problem(member.post(path, body), 403, "access_denied")["detail"]
        if name != "mods":
            change = member.patch(f"agents/{_agent(world).pk}", {name: value}, If_Match="*")
            assert name in problem(change, 403, "access_denied")["detail"]
    mods = f"agents/{_agent(world).pk}/mods"
    refused = problem(member.post(mods, {"name": "eye", "kind": "tool"}), 403, "access_denied")
    assert "mods open tools" in refused["detail"]
    problem(member.delete(f"{mods}/eye"), 403, "access_denied")
    assert member.post("agents", {"zone_id": zone, "name": "Mine"}).status_code == 201
    assert member.patch(f"agents/{_agent(world).pk}", {"tick_interval": 9}, If_Match="*").status_code == 200
    Zone.objects.filter(pk=zone).update(owner=member.user)
    assert member.post("agents", {"zone_id": zone, "name": "Mind", "reasoner": "openai"}).status_code == 201
