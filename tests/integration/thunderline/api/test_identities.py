"""Keys and JWTs at REST: for what they are for, and memories for whom they are."""

from __future__ import annotations

from typing import Any

import pytest

from agents import actions
from agents.models import Agent
from domains.thunderflow import queries as log
from domains.thunderflow.blackboard import actions as blackboard
from domains.thundergate import authentication, grants, jwts, keys, tokens
from memory import queries
from tests.factories import make_user, make_world, wake_domains
from tests.integration.thunderline.api.conftest import Api, grant, problem
from tests.tables import commits
from zones.models import World

__all__ = ["commits"]


def shown(user: Any, *scopes: str, **fields: Any) -> str:
    return keys.issue(user, name="robot", scopes=scopes, by="tests", **fields).secret


def jwt_of(key: str) -> str:
    claims = authentication.identify(key).claims
    assert claims is not None
    return jwts.exchange(claims, by="tests").access


@pytest.fixture
def agent(world: Any) -> Any:
    return Agent.objects.filter(world=world).first()


def test_a_key_and_its_jwt_do_what_they_are_for(operator: Any, world: Any, agent: Any) -> None:
    key = shown(operator, "agents:read", "worlds:read")
    for credential in (key, jwt_of(key)):
        api = Api(token=credential)
        assert api.get("worlds").json()["results"][0]["id"] == str(world.pk)
        assert api.get(f"agents/{agent.pk}").status_code == 200
        for refused in (api.post(f"agents/{agent.pk}/suspend"), api.get("zones"), api.get("health"),
                        api.get(f"agents/{agent.pk}/memories"), api.post("worlds", {"name": "Mine"})):  # fmt: skip
            assert "this needs the scope" in problem(refused, 403, "access_denied")["detail"]
            assert (
                'error="insufficient_scope"' in refused["WWW-Authenticate"] and "scope=" in refused["WWW-Authenticate"]
            )
    assert Agent.objects.get(pk=agent.pk).lifecycle == "active"


def test_a_key_widens_nothing(world: Any, agent: Any) -> None:
    World.objects.filter(pk=world.pk).update(access="private")
    api = Api(token=shown(make_user("ada"), "agents:write", "worlds:write"))
    problem(api.get(f"agents/{agent.pk}"), 404, "not_found")
    assert "not granted" in problem(api.post("worlds", {"name": "Mine"}), 403, "access_denied")["detail"]


def test_keys_that_have_ended_or_are_none(operator: Any) -> None:
    made = keys.issue(operator, name="robot", scopes=["worlds:read"], by="tests")
    assert Api(token=made.secret).get("worlds").status_code == 200
    keys.revoke([made.id], by="tests", reason="")
    for credential, code in ((made.secret, "key_revoked"), (made.secret[:-3] + "xyz", "key_invalid")):
        refused = Api(token=credential).get("worlds")
        problem(refused, 401, code)
        assert 'error="invalid_token"' in refused["WWW-Authenticate"]


def test_memories_of_others_take_a_grant_and_are_told_of(world: Any, agent: Any) -> None:
    World.objects.filter(pk=world.pk).update(access="open")
    ada = grant(make_user("ada"), "memory.add_memorynode")
    api = Api(ada)
    routes = [f"agents/{agent.pk}/memories", f"agents/{agent.pk}/memories/search?q=storm", f"agents/{agent.pk}/facts"]
    for route in routes:
        problem(api.get(route), 403, "access_denied")
    assert read() == []
    grants.grant(ada, agent.pk, by="operator")
    for route in routes:
        assert api.get(route).status_code == 200
    assert read() == [("user:ada", "grant", "rest")] * 3


def read() -> list[tuple[str, str, str]]:
    told = [event for event in log.read_stream("security", after=0) if event.topic == "system.memories_read"]
    return [(event.actor, event.payload["why"], event.payload["door"]) for event in told]


# --- What speaks for one agent -------------------------------------------------------------------------------

FOR_AN_AGENT = ("worlds:read", "zones:read", "agents:read", "agents:act", "memory:read", "memory:write", "events:read")


@pytest.fixture
def others(world: Any, agent: Any) -> Any:
    return Agent.objects.filter(world=world).exclude(pk=agent.pk).first()


@pytest.fixture(params=["key", "jwt", "signed token"])
def of_the_agent(request: Any, world: Any, agent: Any) -> Api:
    """What speaks for the agent, of somebody who may see its world and nothing more."""
    World.objects.filter(pk=world.pk).update(access="open")
    ada = make_user("ada")
    if request.param == "signed token":
        return Api(token=tokens.issue(ada, agent_id=agent.pk, by="tests"))
    key = shown(ada, *FOR_AN_AGENT, agent_id=agent.pk)
    return Api(token=key if request.param == "key" else jwt_of(key))


def test_what_speaks_for_an_agent_reads_it_and_remembers_for_it(of_the_agent: Api, agent: Any) -> None:
    mine = f"agents/{agent.pk}"
    parts = ("", "/ticks", "/mods", "/messages", "/memories", "/facts", "/memories/search?q=storm")
    for route in (*(f"{mine}{part}" for part in parts), "agents", "worlds", f"zones/{agent.zone_id}", "events"):
        assert of_the_agent.get(route).status_code == 200, route
    stored = of_the_agent.post(f"{mine}/memories", {"content": "The tide took my boat.", "importance": 0.9})
    assert stored.status_code == 201
    assert of_the_agent.delete(stored["Location"]).status_code == 204
    said = of_the_agent.post(f"{mine}/messages", {"text": "Mind the tide."})
    assert said.status_code == 201 and said.json()["sender"] == "user:ada"
    assert read() == []  # its own memories


def test_what_speaks_for_an_agent_is_for_no_other(of_the_agent: Api, others: Any) -> None:
    theirs, before = f"agents/{others.pk}", state_of(others)
    for response in (
        of_the_agent.get(f"{theirs}/memories"), of_the_agent.get(f"{theirs}/memories/search?q=storm"),
        of_the_agent.get(f"{theirs}/facts"), of_the_agent.post(f"{theirs}/memories", {"content": "Planted."}),
        of_the_agent.post(f"{theirs}/messages", {"text": "I am ada."}),
    ):  # fmt: skip
        problem(response, 403, "access_denied")
    assert state_of(others) == before and read() == []


def test_what_speaks_for_an_agent_does_not_what_its_owner_may(operator: Any, world: Any, agent: Any) -> None:
    """An operator may do everything; what she gave a program for one agent may not."""
    api, before = Api(token=tokens.issue(operator, agent_id=agent.pk, by="tests")), state_of(agent)
    asked = [
        api.post("worlds", {"name": "Mine"}), api.post(f"worlds/{world.pk}/pause"), api.get("blackboard"),
        api.delete(f"zones/{agent.zone_id}"), api.post("agents", {"zone_id": str(agent.zone_id), "name": "Cuckoo"}),
        api.patch(f"agents/{agent.pk}", {"openness": 0.1}, If_Match="*"), api.post(f"agents/{agent.pk}/tick"),
        api.post(f"agents/{agent.pk}/suspend"), api.delete(f"agents/{agent.pk}"), api.get("domains"),
        api.post("domains/thundervault/off", {"reason": "because"}), api.get("dead-letters"),
        api.put("blackboard/a.b", {"value": 1}), api.get("nodes"),
    ]  # fmt: skip
    for response in asked:
        assert "speaks for one agent" in problem(response, 403, "access_denied")["detail"]
    assert state_of(agent) == before and World.objects.get().status == world.status


def state_of(agent: Any) -> Any:
    row = Agent.objects.values("lifecycle", "tick_number", "openness", "mail").get(pk=agent.pk)
    return row, agent.heard.count(), queries.count(agent.pk)


def test_what_was_done_under_a_key_is_not_told_to_what_speaks_for_an_agent(operator: Any, agent: Any) -> None:
    api, mine = Api(operator), Api(token=tokens.issue(operator, agent_id=agent.pk, by="tests"))
    words, where = {"text": "Hello"}, f"agents/{agent.pk}/messages"
    assert api.post(where, words, Idempotency_Key="k1").status_code == 201
    problem(mine.post(where, words, Idempotency_Key="k1"), 422, "key_reused")


def test_suspending_the_agent_ends_what_speaks_for_it(of_the_agent: Api, agent: Any) -> None:
    assert of_the_agent.get("agents").status_code == 200
    actions.suspend([agent.pk], by="tests")
    refused = of_the_agent.get("agents")
    assert problem(refused, refused.status_code)["code"] in ("token_revoked", "agent_suspended")
    assert refused.status_code in (401, 403)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_what_is_for_events_reads_those_of_worlds_only() -> None:
    """What else its owner may read takes the scopes for it, and no token of an agent."""
    wake_domains()
    operator: Any = make_user("operator", operator=True)
    agent = make_world(agents=1).agents.get()
    blackboard.put("harbour.weather", 1, by="user:operator")
    speaks = tokens.issue(operator, agent_id=agent.pk, by="tests")
    all_kinds = {"zone", "world", "system", "blackboard"}
    assert kinds_of_events(tokens.issue(operator, by="tests")) >= all_kinds
    for credential in (speaks, shown(operator, "events:read")):
        assert kinds_of_events(credential) == {"zone", "world"}
    assert kinds_of_events(shown(operator, "events:read", "system:read")) == {"zone", "world", "system"}
    assert kinds_of_events(shown(operator, "events:read", "system:read", "blackboard:read")) >= all_kinds


def kinds_of_events(credential: str) -> set[str]:
    events = Api(token=credential).get("events?limit=500").json()["results"]
    return {event["stream"].partition(":")[0] for event in events}
