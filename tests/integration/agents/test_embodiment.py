"""A client lives as an agent: who may, what rests meanwhile, what it can do, and how the agent is given back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client

from agents import actions
from agents.actions import embodiment
from agents.errors import AgentError, Embodied, Invalid, LeaseLost, NotFound, TooSoon, WrongState
from agents.models import Agent, Embodiment, TickLog
from domains import sql
from domains.thunderflow import queries as thunderflow
from tests.factories import make_user, make_world, run_ticks, wake_domains
from zones.errors import AccessDenied

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _awake(db: None) -> None:
    wake_domains()


@pytest.fixture
def world(operator: Any) -> Any:
    world = make_world(zones=2, agents=4)
    run_ticks(world, 1)
    return world


def agent_of(world: Any, number: int = 0) -> Agent:
    return Agent.objects.get(world=world, name=f"Agent {number}")


def enter(agent: Agent, user: Any, **more: Any) -> embodiment.Entered:
    return embodiment.enter(agent.pk, user=user, by=f"user:{user}", **more)


def fall_silent(agent: Agent) -> None:
    """As if the client had said nothing for an hour."""
    sql.execute(
        "UPDATE agent_embodiments SET entered_at = entered_at - interval '1 hour', "
        "expires_at = expires_at - interval '1 hour' WHERE agent_id = %s",
        [agent.pk],
    )


def verbs(agent: Agent) -> list[str]:
    events = thunderflow.read_stream(f"zone:{agent.zone_id}", after=0)
    return [e.topic.rsplit(".", 1)[-1] for e in events if e.payload.get("agent_id") == str(agent.pk)]


def test_its_own_ticks_rest_and_others_go_on(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    enter(agent, operator)
    assert run_ticks(world, 3) == 9  # three of four
    agent.refresh_from_db()
    assert agent.tick_number == 1
    assert agent.reasoner == "embodied"


def test_what_it_decides_is_a_tick_like_any_other(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    run_ticks(world, 1)
    facts, _ = embodiment.perceive(agent.pk, held.lease)
    assert [other.name for other in facts.near] or facts.zone.name == "Zone 0"
    log = embodiment.act(agent.pk, held.lease, by="user:operator", action="reflect", reasoning="It seemed right.")
    assert (log.action, log.reasoning, log.tick_number) == ("reflect", "It seemed right.", 2)
    assert log.decision["by"] == "user:operator"
    assert log.stat_changes["energy"] < 0
    assert TickLog.objects.filter(agent_id=agent.pk).count() == 2
    assert verbs(agent)[-3:] == ["agent_embodied", "impersonated", "agent_ticked"]


def test_once_a_world_tick(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    with pytest.raises(TooSoon, match="has acted at world tick 1"):  # by itself, before
        embodiment.act(agent.pk, held.lease, by="x", action="reflect")
    run_ticks(world, 1)
    embodiment.act(agent.pk, held.lease, by="x", action="reflect")
    with pytest.raises(TooSoon):
        embodiment.act(agent.pk, held.lease, by="x", action="reflect")
    run_ticks(world, 1)
    assert embodiment.act(agent.pk, held.lease, by="x", action="reflect").tick_number == 3


@pytest.mark.parametrize(
    ("action", "arguments", "replies", "told"),
    [
        ("fly", {}, {}, "there are .*rest"),
        ("use_tool", {"tool": "teleport"}, {}, "no such tool|lacks|has no"),
        ("reflect", {}, {12345: "hello"}, "no message 12345"),
    ],
)
def test_what_is_not_possible_is_refused_and_changes_nothing(
    world: Any, operator: Any, action: str, arguments: dict[str, Any], replies: dict[int, str], told: str
) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    run_ticks(world, 1)
    with pytest.raises(Invalid, match=told):
        embodiment.act(agent.pk, held.lease, by="x", action=action, arguments=arguments, replies=replies)
    agent.refresh_from_db()
    assert agent.tick_number == 1
    assert "impersonated" not in verbs(agent)


def test_it_hears_and_answers(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    run_ticks(world, 1)
    message = actions.send(agent.pk, "How are you?", by="user:ada")
    facts, _ = embodiment.perceive(agent.pk, held.lease)
    assert [(m.number, m.text) for m in facts.messages] == [(message.number, "How are you?")]
    embodiment.act(agent.pk, held.lease, by="x", action="reflect", replies={message.number: "Well, and you?"})
    message.refresh_from_db()
    assert message.reply.text == "Well, and you?"


def test_who_may_not_act_for_it_may_not_enter(world: Any, member: Any) -> None:
    with pytest.raises(AccessDenied, match="may not act for Agent 0"):
        enter(agent_of(world), member)
    assert agent_of(world).reasoner == "rules"


def test_its_own_key_lets_a_member_in(world: Any, member: Any) -> None:
    agent = agent_of(world)
    assert enter(agent, member, token_agent=agent.pk).name == "Agent 0"
    with pytest.raises(AccessDenied):
        enter(agent_of(world, 1), member, token_agent=agent.pk)


def test_nobody_else_while_it_holds(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    with pytest.raises(Embodied, match="is free when"):
        enter(agent, operator)
    with pytest.raises(LeaseLost):
        embodiment.perceive(agent.pk, uuid4())
    with pytest.raises(Embodied):
        actions.force_tick(agent.pk, by="user:operator")
    with pytest.raises(Embodied):
        actions.act_as(agent.pk, by="user:operator", action="reflect")
    with pytest.raises(Embodied):
        actions.edit(agent.pk, {"reasoner": "openai"}, by="user:operator")
    assert embodiment.perceive(agent.pk, held.lease)[1] >= held.expires_at


def test_given_back_it_decides_for_itself(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    embodiment.leave(agent.pk, held.lease, by="x")
    assert run_ticks(world, 1) == 4
    with pytest.raises(LeaseLost):
        embodiment.act(agent.pk, held.lease, by="x", action="reflect")
    with pytest.raises(LeaseLost):
        embodiment.leave(agent.pk, held.lease, by="x")
    assert "agent_freed" in verbs(agent)


def test_a_silent_client_loses_it(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    assert embodiment.sweep() == 0
    fall_silent(agent)
    with pytest.raises(LeaseLost):
        embodiment.perceive(agent.pk, held.lease)
    assert embodiment.sweep() == 1
    assert embodiment.sweep() == 0
    assert not Embodiment.objects.exists()
    assert run_ticks(world, 1) == 4


def test_an_operator_takes_it_back(world: Any, operator: Any, as_operator: Client) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    chosen = {"action": "give_back", "_selected_action": [str(agent.pk)]}
    assert as_operator.post("/admin/agents/embodiment/", chosen).status_code == 302
    with pytest.raises(LeaseLost):
        embodiment.perceive(agent.pk, held.lease)
    assert run_ticks(world, 1) == 4
    assert not embodiment.give_back(agent.pk, by="x")


def test_another_takes_over_from_a_silent_one(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    Agent.objects.filter(pk=agent.pk).update(reasoner="openai")
    enter(agent, operator)
    fall_silent(agent)
    second = enter(agent, operator)
    embodiment.leave(agent.pk, second.lease, by="x")
    assert agent_of(world).reasoner == "openai"  # what it was before the first


def test_a_mark_that_nobody_holds_is_taken_off(world: Any) -> None:
    agent = agent_of(world)
    Agent.objects.filter(pk=agent.pk).update(reasoner="embodied")
    assert embodiment.sweep() == 1
    assert agent_of(world).reasoner == "rules"


def test_suspended_it_can_do_nothing_and_stays_so_when_given_back(world: Any, operator: Any) -> None:
    agent = agent_of(world)
    held = enter(agent, operator)
    actions.suspend([agent.pk], by="x")
    with pytest.raises(WrongState):
        embodiment.act(agent.pk, held.lease, by="x", action="reflect")
    with pytest.raises(WrongState):
        embodiment.perceive(agent.pk, held.lease)
    embodiment.leave(agent.pk, held.lease, by="x")
    agent.refresh_from_db()
    assert (agent.lifecycle, agent.reasoner) == ("suspended", "rules")
    with pytest.raises(WrongState):
        enter(agent, operator)


def test_nobody_there(operator: Any) -> None:
    with pytest.raises(NotFound):
        embodiment.enter(uuid4(), user=operator, by="x")


@pytest.mark.parametrize("lease_s", [0, -1, 3601, float("inf")])
def test_a_lease_is_bounded(world: Any, operator: Any, lease_s: float) -> None:
    with pytest.raises(Invalid, match="lease_s"):
        enter(agent_of(world), operator, lease_s=lease_s)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each returned or raised, called in threads of their own."""
    found: list[Any] = [None] * len(calls)

    def run(place: int) -> None:
        try:
            found[place] = calls[place]()
        except AgentError as error:
            found[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_of_two_at_once_one_enters(commits: None) -> None:
    user = make_user("operator", operator=True)
    world = make_world(zones=1, agents=1)
    agent = agent_of(world)
    found = at_once(*[lambda: enter(agent, user)] * 4)
    assert sorted(type(one).__name__ for one in found) == ["Embodied"] * 3 + ["Entered"]
    lease: UUID = next(one.lease for one in found if isinstance(one, embodiment.Entered))
    run_ticks(world, 1)
    acted = at_once(*[lambda: embodiment.act(agent.pk, lease, by="x", action="reflect")] * 3)
    assert sorted(type(one).__name__ for one in acted) == ["TickLog", "TooSoon", "TooSoon"]
