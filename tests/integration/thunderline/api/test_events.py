from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from agents.models import Agent
from domains.thunderflow.blackboard import actions as blackboard
from domains.thundergate import keys
from tests.factories import make_user, make_world
from tests.integration.thunderline.api.conftest import Api, grant, problem
from tests.tables import commits
from zones.models import World

__all__ = ["commits"]
# What is not committed is not settled, and not told.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


def _all(api: Api, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while address:
        page = api.get(address).json()
        found += page["results"]
        address = page["next"]
    return found


def test_the_log_is_read_in_order_and_gone_on_with(api: Api, world: Any) -> None:
    events = _all(api, "events?limit=3")
    assert [event["position"] for event in events] == sorted({event["position"] for event in events})
    entered = _all(api, "events?pattern=zone.*.agent_entered&limit=1")
    assert {event["payload"]["name"] for event in entered} == {f"Agent {i}" for i in range(4)} and len(entered) == 4
    last = api.get("events?limit=500").json()
    assert last["next"] is None
    nothing = api.get(f"events?since={last['position']}").json()
    assert nothing == {"results": [], "next": None, "position": last["position"]}
    api.post(f"worlds/{world.pk}/pause")
    (paused,) = api.get(f"events?since={last['position']}&pattern=world.*.changed").json()["results"]
    assert paused["payload"]["what"] == "paused"


def test_one_stream_has_no_gap(api: Api, world: Any) -> None:
    agent = Agent.objects.filter(world=world).first()
    assert agent is not None
    events = _all(api, f"events?stream=zone:{agent.zone_id}&limit=2")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)) and events


def test_what_happens_where_one_may_not_look_is_not_told(api: Api, world: Any, stranger: Api) -> None:
    blackboard.put("secrets.one", 1, by="user:operator")
    assert _all(api, "events") and _all(stranger, "events") == []
    open_world = make_world("Open", zones=1, agents=1, access="open")
    streams = {event["stream"].partition(":")[0] for event in _all(stranger, "events")}
    assert streams == {"zone", "world"}
    ids = {event["stream"].partition(":")[2] for event in _all(stranger, "events")}
    assert ids == {str(open_world.pk), str(Agent.objects.get(world=open_world).zone_id)}
    granted = Api(grant(make_user("viewer"), "thunderblock.view_activedomain", "thunderflow.view_entry"))
    kinds = {event["stream"].partition(":")[0] for event in _all(granted, "events")}
    assert kinds == {"zone", "world", "system", "blackboard"}
    keys.issue(make_user("guardian", operator=True), name="mine", scopes=["events:read"], by="user:guardian")
    told = {event["topic"] for event in _all(granted, "events?pattern=system.**")}
    assert told and "system.key_issued" not in told
    assert "system.key_issued" in {event["topic"] for event in _all(api, "events?pattern=system.**")}


def test_what_a_request_set_off_is_traced(api: Api, world: Any, stranger: Api) -> None:
    agent = Agent.objects.filter(world=world).first()
    assert agent is not None
    ticked = api.post(f"agents/{agent.pk}/tick")
    correlation_id = UUID(ticked["X-Correlation-ID"])
    trace = api.get(f"events/trace/{correlation_id}").json()
    topics = [step["event"]["topic"].rpartition(".")[2] for step in trace["steps"]]
    assert topics[0] == "tick_forced" and "agent_ticked" in topics
    assert {step["event"]["actor"] for step in trace["steps"][:1]} == {"user:operator"}
    assert stranger.get(f"events/trace/{correlation_id}").json()["steps"] == []


def test_events_name_who_did_it(api: Api) -> None:
    made = api.post("worlds", {"name": "Harbour"}).json()
    assert World.objects.get(pk=made["id"]).owner.username == "operator"  # type: ignore[union-attr]
    (event,) = _all(api, f"events?stream=world:{made['id']}")
    assert event["actor"] == "user:operator"
    problem(api.get("events?pattern=**.x**"), 422, "invalid_payload")
