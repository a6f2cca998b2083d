"""What clients push into a zone: one transaction a batch, each refused by itself, beside the ticks."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from agents import actions as agents
from agents import inputs as pushes
from agents.actions import inputs
from agents.actions.inputs import Input, apply_inputs
from agents.models import Agent, Message
from agents.models.agents import Lifecycle
from agents.perceive import WORTH_NOTICING
from domains.thunderflow.payloads import typed
from tests.conftest import CountQueries
from tests.factories import make_user
from tests.integration.agents.living import events, live, logs, make_world, people, person, tick_open
from tests.integration.agents.test_turn import TICKED
from zones.models import Permission, World, Zone
from zones.state import unpack

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> Any:
    return make_user("root", operator=True)


def push(agent: Agent | None, verb: str, payload: dict[str, Any], *, user: Any = None, **fields: Any) -> Input:
    """As a socket makes it: by a user, or with the agent's own token."""
    agent_id = agent.pk if agent else None
    usual = {"by": f"user:{user.username}"} if user else {"by": f"agent:{agent}", "token_agent": agent_id}
    return Input(verb, pushes.parse(verb, payload), agent_id, user, **{**usual, **fields})


def move(agent: Agent, x: float, y: float, z: float = 0.0, **fields: Any) -> Input:
    return push(agent, "agent_move", {"position": {"x": x, "y": y, "z": z}}, **fields)


def codes(answers: Sequence[Any]) -> list[str]:
    """How each went: `ok`, or the refusal's code."""
    return [getattr(answer, "code", "ok") for answer in answers]


def one(zone: Zone, pushed: Input) -> Any:
    """The answer to a single push; a refusal is returned as well."""
    (answer,) = apply_inputs(zone.pk, [pushed])
    return answer


def happenings(zone: Zone) -> list[tuple[str, str, int | None, int | None]]:
    found = unpack(Zone.objects.get(pk=zone.pk).happenings)
    return [(h.kind, h.text, h.by, h.to) for h in found]


def place(agent: Agent) -> tuple[float, float, float]:
    return Agent.objects.values_list("x", "y", "z").get(pk=agent.pk)


# --- Moving --------------------------------------------------------------------------------------------------


def test_a_move_is_made_told_and_answered() -> None:
    _, (zone,) = make_world()
    mara = person(zone, position={"x": 1, "y": 2, "z": 3})
    answer = one(zone, move(mara, 40.5, 60, -2))
    assert place(mara) == (40.5, 60, -2)
    (told,) = events(zone.pk, "agent_moved")
    assert answer == {"position": {"x": 40.5, "y": 60.0, "z": -2.0}, "seq": told.seq}
    assert told.actor == "agent:Mara"
    assert told.payload.pop("timestamp")
    assert told.payload == {
        "agent_id": str(mara.pk), "name": "Mara", "tick": 0,
        "position": {"x": 40.5, "y": 60.0, "z": -2.0}, "from": {"x": 1.0, "y": 2.0, "z": 3.0},
    }  # fmt: skip


def test_moves_are_made_in_their_order() -> None:
    _, (zone,) = make_world()
    mara, bo = person(zone, position={"x": 1, "y": 1}), person(zone, "Bo")
    answers = apply_inputs(zone.pk, [move(mara, 2, 2), move(bo, 5, 5), move(mara, 3, 3), move(mara, 4, 4)])
    assert (place(mara), place(bo)) == ((4, 4, 0), (5, 5, 0))
    told = events(zone.pk, "agent_moved")
    assert [(t.payload["name"], t.payload["position"]["x"]) for t in told] == [
        ("Mara", 2), ("Bo", 5), ("Mara", 3), ("Mara", 4),
    ]  # fmt: skip
    assert [t.payload["from"]["x"] for t in told if t.payload["name"] == "Mara"] == [1, 2, 3]
    assert [answer["seq"] for answer in answers] == [t.seq for t in told]  # type: ignore[index, call-overload]


def test_a_refusal_changes_nothing_and_the_rest_is_done(root: Any) -> None:
    _, (zone, other) = make_world({}, {})
    mara, away = person(zone), person(other, "Bo")
    before = place(away)
    batch = [
        move(mara, 1, 1),
        move(away, 9, 9),
        push(mara, "consume_resource", {"resource_type": "food", "amount": 99}),
        Input("fly", None, mara.pk, root, "user:root"),
        Input("agent_move", {"position": {"x": 1, "y": 1}}, mara.pk, root, "user:root"),
        push(None, "agent_move", {"position": {"x": 1, "y": 1}}, user=root),
        Input("agent_move", pushes.parse("agent_move", {"position": {"x": 1, "y": 1}}), uuid4(), root, "user:root"),
        move(mara, 2, 2),
    ]
    answers = apply_inputs(zone.pk, batch)
    assert codes(answers) == [
        "ok", "not_here", "insufficient_resources", "invalid_payload", "invalid_payload", "access_denied", "not_here",
        "ok",
    ]  # fmt: skip
    assert (place(mara), place(away)) == ((2, 2, 0), before)
    assert len(events(zone.pk)) == 1 + 1 + 2  # made, born, moved twice
    assert Zone.objects.get(pk=zone.pk).food == 60


def test_a_batch_of_refusals_writes_nothing(count_queries: CountQueries) -> None:
    _, (zone, other) = make_world({}, {})
    away = person(other)
    before = Zone.objects.values().get(pk=zone.pk)
    with count_queries() as statements:
        assert codes(apply_inputs(zone.pk, [move(away, 9, 9)] * 5)) == ["not_here"] * 5
    assert len(statements) == 3  # lock, look, who
    assert Zone.objects.values().get(pk=zone.pk) == before


@pytest.mark.parametrize("state", Lifecycle.values)
def test_only_the_awake_and_the_dormant_are_moved(state: str) -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    Agent.objects.filter(pk=mara.pk).update(lifecycle=state)
    expected = "ok" if state in ("active", "dormant") else "access_denied"
    assert codes([one(zone, move(mara, 1, 1))]) == [expected]


def test_a_zone_that_is_none_refuses_everything() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    assert codes(apply_inputs(uuid4(), [move(mara, 1, 1)] * 2)) == ["zone_not_found"] * 2
    assert codes(apply_inputs("lobby", [move(mara, 1, 1)] * 2)) == ["invalid_zone_id"] * 2
    assert apply_inputs(str(zone.pk), []) == []
    assert codes(apply_inputs(str(zone.pk), [move(mara, 1, 1)])) == ["ok"]


# --- Who may -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "token", "allowed"),
    [
        ("root", False, True),
        ("world owner", False, True),
        ("zone owner", False, True),
        ("member", False, False),
        ("member", True, True),
        ("disabled", False, False),
        ("disabled", True, False),
        ("nobody", False, False),
        ("nobody", True, True),
    ],
)
def test_who_may_act_for_an_agent(who: str, token: bool, allowed: bool) -> None:
    cast = {
        "root": make_user("root", operator=True),
        "world owner": make_user("ada"),
        "zone owner": make_user("bo"),
        "member": make_user("cy"),
        "disabled": make_user("gone", operator=True, is_active=False),
        "nobody": None,
    }
    world, (zone,) = make_world()
    World.objects.filter(pk=world.pk).update(owner=cast["world owner"], access="open")
    Zone.objects.filter(pk=zone.pk).update(owner=cast["zone owner"], permissions=15)
    mara = person(zone)
    pushed = move(mara, 1, 1, user=cast[who], by="test", token_agent=mara.pk if token else None)
    assert codes([one(zone, pushed)]) == ["ok" if allowed else "access_denied"]
    assert codes([one(zone, move(mara, 1, 1, user=cast[who], by="test", token_agent=uuid4()))]) == [
        "ok" if allowed and not token else "access_denied"
    ]


def test_a_closed_zone_refuses_all(root: Any) -> None:
    _, (zone,) = make_world()
    mara, bo = person(zone), person(zone, "Bo")
    Zone.objects.filter(pk=zone.pk).update(closed=True)
    batch = [
        move(mara, 1, 1),
        move(mara, 1, 1, user=root),
        push(mara, "agent_interact", {"target_id": str(bo.pk)}),
        push(mara, "consume_resource", {"resource_type": "food", "amount": 1}),
        push(None, "say", {"text": "Hello."}, user=root),
        push(None, "broadcast", {"event": "x"}, user=root),
    ]
    assert codes(apply_inputs(zone.pk, batch)) == ["access_denied"] * 6


# --- Meeting -------------------------------------------------------------------------------------------------


def neighbours(zone: Zone, distance: float = 10.0) -> tuple[Agent, Agent]:
    return person(zone, position={"x": 10, "y": 10}), person(zone, "Bo", position={"x": 10 + distance, "y": 10})


@pytest.mark.parametrize("kind", inputs.DOINGS)
def test_an_interaction_costs_does_good_and_is_noticed(kind: str) -> None:
    world, (zone,) = make_world()
    mara, bo = neighbours(zone)
    answer = one(zone, push(mara, "agent_interact", {"target_id": str(bo.pk), "kind": kind}))
    (told,) = events(zone.pk, "agent_interaction")
    assert answer == {"target_id": str(bo.pk), "kind": kind, "seq": told.seq}
    assert (told.payload["name"], told.payload["target_name"], told.payload["text"]) == ("Mara", "Bo", None)
    now = Agent.objects.get(pk=mara.pk)
    assert (now.energy < 80, now.social > 50, now.mood > 0) == (True, True, True)
    ((noticed, text, by, to),) = happenings(zone)
    assert (noticed, by, to) == (kind, mara.ordinal, bo.ordinal)
    assert "Mara" in text
    assert "Bo" in text
    assert not Message.objects.exists()
    mood = Agent.objects.get(pk=bo.pk).mood
    live(world)
    assert Agent.objects.get(pk=bo.pk).mood != mood


def test_every_kind_of_interaction_can_be_pushed() -> None:
    kinds = pushes.AgentInteract.model_json_schema()["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(inputs.DOINGS)


@pytest.mark.parametrize(("distance", "expected"), [(30, "ok"), (30.01, "out_of_range"), (80, "out_of_range")])
def test_one_meets_those_within_reach(distance: float, expected: str) -> None:
    _, (zone,) = make_world({"interaction_range": 30.0})
    mara, bo = neighbours(zone, distance)
    assert codes([one(zone, push(mara, "agent_interact", {"target_id": str(bo.pk)}))]) == [expected]
    assert bool(events(zone.pk, "agent_interaction")) == (expected == "ok")


def test_a_move_in_the_same_batch_brings_one_near() -> None:
    _, (zone,) = make_world()
    mara, bo = neighbours(zone, 80)
    meet = push(mara, "agent_interact", {"target_id": str(bo.pk)})
    assert codes(apply_inputs(zone.pk, [meet, move(mara, 85, 10), meet])) == ["out_of_range", "ok", "ok"]


def test_with_whom_one_cannot_meet() -> None:
    _, (zone, other) = make_world({}, {})
    mara, bo = neighbours(zone)
    away = person(other, "Cy")
    agents.suspend([bo.pk], by="test")
    targets = [mara.pk, bo.pk, away.pk, uuid4()]
    batch = [push(mara, "agent_interact", {"target_id": str(target)}) for target in targets]
    assert codes(apply_inputs(zone.pk, batch)) == ["invalid_payload", "not_here", "not_here", "not_here"]


@pytest.mark.parametrize("by_token", [True, False])
def test_words_to_somebody_come_into_its_inbox_and_are_answered(by_token: bool, root: Any) -> None:
    world, (zone,) = make_world()
    mara, bo = neighbours(zone)
    words = {"target_id": str(bo.pk), "text": "How are you?"}
    one(zone, push(mara, "agent_interact", words, user=None if by_token else root))
    message = Message.objects.get()
    assert (message.sender, message.to, message.text, message.status) == (
        "agent:Mara",
        "agent:Bo",
        "How are you?",
        "sent",
    )
    assert message.impersonated_by == ("" if by_token else "user:root")
    live(world)
    (received,) = [e for e in events(zone.pk) if e.topic == f"agent.{bo.pk}.message_received"]
    assert (received.payload["text"], received.payload["number"]) == ("How are you?", message.number)
    live(world)
    message.refresh_from_db()
    assert message.status == "answered"
    assert Message.objects.get(reply_to=message).recipient_id == mara.pk


def test_a_full_inbox_takes_no_more() -> None:
    _, (zone,) = make_world()
    mara, bo = neighbours(zone)
    Agent.objects.filter(pk=bo.pk).update(mail=98)
    words = push(mara, "agent_interact", {"target_id": str(bo.pk), "text": "And then?"})
    wordless = push(mara, "agent_interact", {"target_id": str(bo.pk)})
    answers = apply_inputs(zone.pk, [words, words, words, wordless])
    assert codes(answers) == ["ok", "ok", "wrong_state", "ok"]
    assert Message.objects.count() == 2


# --- Taking --------------------------------------------------------------------------------------------------


def take(agent: Agent, resource: str, amount: float) -> Input:
    return push(agent, "consume_resource", {"resource_type": resource, "amount": amount})


def test_food_is_taken_exactly_and_feeds() -> None:
    _, (zone,) = make_world({"food": 10.0})
    mara = person(zone, stats={"energy": 20})
    answer = one(zone, take(mara, "food", 2.5))
    assert answer == {"resource_type": "food", "amount": 2.5, "remaining": 7.5, "energy": 5.5, "seq": answer["seq"]}
    assert Zone.objects.get(pk=zone.pk).food == 7.5
    assert Agent.objects.get(pk=mara.pk).energy == 25.5
    (told,) = events(zone.pk, "resource_consumed")
    assert (told.seq, told.payload["amount"], told.payload["remaining"]) == (answer["seq"], 2.5, 7.5)


def test_others_notice_what_is_taken() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    one(zone, take(mara, "materials", 2.5))
    assert happenings(zone) == [("taking", "Mara took 2.5 of materials in Zone 0.", mara.ordinal, None)]
    (seen,) = unpack(Zone.objects.get(pk=zone.pk).happenings)
    assert seen.importance >= WORTH_NOTICING


@pytest.mark.parametrize("resource", ["materials", "energy", "knowledge"])
def test_only_food_feeds(resource: str) -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    before = Agent.objects.values().get(pk=mara.pk)
    assert one(zone, take(mara, resource, 5))["remaining"] == 55
    assert Agent.objects.values().get(pk=mara.pk) == before
    assert getattr(Zone.objects.get(pk=zone.pk), resource) == 55


def test_there_is_never_less_than_nothing() -> None:
    _, (zone,) = make_world({"food": 1.0})
    mara = person(zone, stats={"energy": 0})
    answers = apply_inputs(zone.pk, [take(mara, "food", n) for n in (0.7, 0.4, 0.3, 0.0001)])
    assert codes(answers) == ["ok", "insufficient_resources", "ok", "insufficient_resources"]
    assert Zone.objects.get(pk=zone.pk).food == 0
    assert Agent.objects.get(pk=mara.pk).energy == 2.2


def test_what_changed_of_resources_is_told_once_a_batch() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    batch = [take(mara, "food", 1), take(mara, "energy", 2), move(mara, 1, 1), take(mara, "food", 3)]
    assert codes(apply_inputs(zone.pk, batch)) == ["ok"] * 4
    (told,) = events(zone.pk, "resource_changed")
    assert told.payload["changes"] == {"food": -4.0, "energy": -2.0}
    assert told.payload["new_resources"] == {"food": 56, "materials": 60, "energy": 58, "knowledge": 60}
    assert events(zone.pk)[-1].seq == told.seq


# --- Speaking ------------------------------------------------------------------------------------------------


def test_what_an_agent_says_is_heard_by_the_others() -> None:
    world, (zone,) = make_world()
    mara, _ = neighbours(zone)
    answer = one(zone, push(mara, "say", {"text": "The bridge is open, dear friends, thank you all!"}))
    (told,) = events(zone.pk, "said")
    assert (answer, told.payload["name"]) == ({"seq": told.seq}, "Mara")
    assert told.payload["agent_id"] == str(mara.pk)
    ((kind, text, by, to),) = happenings(zone)
    assert (kind, by, to) == ("voice", mara.ordinal, None)
    assert text == "Mara said: “The bridge is open, dear friends, thank you all!”"
    live(world)
    heard = {a.name: any("The bridge is open" in m[1] for m in a.working_memory) for a in Agent.objects.all()}
    assert heard == {"Mara": False, "Bo": True}


def test_a_single_word_is_noticed() -> None:
    _, (zone,) = make_world()
    mara, _ = neighbours(zone)
    one(zone, push(mara, "say", {"text": "Hm."}))
    (heard,) = unpack(Zone.objects.get(pk=zone.pk).happenings)
    assert heard.importance >= WORTH_NOTICING


def test_a_broadcast_reaches_clients_and_agents(root: Any) -> None:
    world, (zone,) = make_world()
    mara, _ = neighbours(zone)
    call = {"event": "market.open", "text": "Come to the quay.", "payload": {"stalls": [1, {"fish": True}]}}
    answer = one(zone, push(None, "broadcast", call, user=root))
    (told,) = events(zone.pk, "broadcast")
    assert answer == {"event": "market.open", "seq": told.seq}
    assert told.actor == "user:root"
    assert {key: told.payload[key] for key in ("agent_id", "name", "event", "text", "payload")} == {
        "agent_id": None, "name": "root", **call,
    }  # fmt: skip
    assert happenings(zone) == [("call", "root made known to all in Zone 0: “Come to the quay.”", None, None)]
    live(world)
    assert any("Come to the quay." in memory[1] for memory in Agent.objects.get(pk=mara.pk).working_memory)


@pytest.mark.parametrize("verb", ["say", "broadcast"])
@pytest.mark.parametrize(
    ("who", "bits", "allowed"),
    [
        ("root", 0, True),
        ("owner", 0, True),
        ("member", Permission.BROADCAST_EVENTS, True),
        ("member", 15 & ~Permission.BROADCAST_EVENTS, False),
        ("stranger", 15, False),
        ("disabled", 15, False),
        ("nobody", 15, False),
    ],
)
def test_who_may_speak_to_all(verb: str, who: str, bits: int, allowed: bool) -> None:
    cast = {
        "root": make_user("root", operator=True),
        "owner": make_user("owner"),
        "member": make_user("member"),
        "stranger": make_user("stranger"),
        "disabled": make_user("gone", is_active=False),
        "nobody": None,
    }
    world, (zone,) = make_world()
    World.objects.filter(pk=world.pk).update(owner=cast["owner"], access="shared")
    world.members.add(cast["member"], cast["disabled"])
    Zone.objects.filter(pk=zone.pk).update(permissions=bits)
    payload = {"say": {"text": "Hello."}, "broadcast": {"event": "x"}}[verb]
    pushed = push(None, verb, payload, user=cast[who], by="test", token_agent=None)
    assert codes([one(zone, pushed)]) == ["ok" if allowed else "access_denied"]
    assert len(happenings(zone)) == allowed


def test_an_agent_s_token_speaks_to_all_where_members_may() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    speech = push(mara, "broadcast", {"event": "x"})
    assert codes([one(zone, speech)]) == ["ok"]
    Zone.objects.filter(pk=zone.pk).update(permissions=15 & ~Permission.BROADCAST_EVENTS)
    assert codes([one(zone, speech)]) == ["access_denied"]
    assert codes([one(zone, push(mara, "say", {"text": "Hello."}))]) == ["ok"], "to those around it it may talk"


# --- One transaction -----------------------------------------------------------------------------------------


def test_a_fault_takes_the_whole_batch_back(monkeypatch: pytest.MonkeyPatch) -> None:
    _, (zone,) = make_world()
    mara = person(zone, position={"x": 1, "y": 1})
    before, told = Zone.objects.values().get(pk=zone.pk), len(events(zone.pk))

    def broken(*_: Any) -> None:
        raise RuntimeError("no paper")

    monkeypatch.setattr(inputs, "publish_many", broken)
    with pytest.raises(RuntimeError, match="no paper"):
        apply_inputs(zone.pk, [move(mara, 9, 9), take(mara, "food", 3), push(mara, "say", {"text": "Hm."})])
    assert place(mara) == (1, 1, 0)
    assert Zone.objects.values().get(pk=zone.pk) == before
    assert len(events(zone.pk)) == told


def test_an_answer_is_given_after_the_commit() -> None:
    """In a larger transaction it might be taken back."""
    _, (zone,) = make_world()
    mara = person(zone)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        apply_inputs(zone.pk, [move(mara, 1, 1)])


def everything(crowd: Sequence[Agent], users: Sequence[Any]) -> list[Input]:
    """Of each verb one by each agent, by its token and by users."""
    target = {"target_id": str(crowd[0].pk), "kind": "talk", "text": "Well?"}
    found = []
    for n, agent in enumerate(crowd[1:]):
        found += [
            move(agent, 50, 50), take(agent, "food", 0.1), push(agent, "say", {"text": "Hm."}),
            push(agent, "agent_interact", target), push(agent, "broadcast", {"event": "x"}),
            push(None, "broadcast", {"event": "x"}, user=users[n]),
        ]  # fmt: skip
    return found


def test_a_batch_costs_the_same_few_statements_for_two_and_for_many(count_queries: CountQueries) -> None:
    counts = []
    for n in (2, 16):
        world, (zone,) = make_world(name=f"World {n}")
        World.objects.filter(pk=world.pk).update(access="shared")
        users = [make_user(f"user {n} {i}") for i in range(n)]
        world.members.add(*users)
        crowd = people(zone, n + 1, position={"x": 50, "y": 50})
        moves = [move(agent, 1, 1) for agent in crowd]
        with count_queries() as few:
            assert set(codes(apply_inputs(zone.pk, moves))) == {"ok"}
        apply_inputs(zone.pk, [move(agent, 50, 50) for agent in crowd])
        batch = everything(crowd, users)
        with count_queries() as many:
            assert codes(apply_inputs(zone.pk, batch)) == ["ok"] * len(batch)
        counts.append((len(few), len(many)))
    # The zone's lock, the zone, who is there, agents back, counter of the stream; and a COPY that is not counted.
    # With everything also the world, its members, the zone back, messages.
    assert counts == [(5, 9)] * 2


# --- Beside ticks --------------------------------------------------------------------------------------------


def test_only_columns_without_an_index_are_written() -> None:
    written = {
        word for word in inputs.WRITE.split("SET")[1].split("FROM")[0].replace(",", " ").split() if word.isidentifier()
    }
    assert written <= TICKED
    assert "tick_number" not in written


def test_updates_by_inputs_are_hot() -> None:
    """On a server of its own, as `test_turn.test_updates_of_agents_are_hot`."""
    words = ["-m", "thunderline.embedded", "run", "--fast", sys.executable, "-m", "tests.integration.agents.hot_inputs"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("TEST_")}
    done = subprocess.run([sys.executable, *words], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["refused"] == 0
    assert figures["updates"] >= 60 * 50 + 60 * 30, "pushes and ticks"
    assert figures["hot"] / figures["updates"] >= 0.95, figures


def test_a_tick_goes_on_from_where_a_push_put_the_agent() -> None:
    world, (zone,) = make_world()
    crowd = people(zone, 6)
    for n in range(5):
        assert codes(apply_inputs(zone.pk, [move(agent, 10 + n, 20) for agent in crowd])) == ["ok"] * 6
        live(world)
    assert [log.tick_number for log in logs(crowd[0])] == [1, 2, 3, 4, 5]
    told = events(zone.pk, "agent_ticked")
    stayed = [t for t in told if t.payload["action"] != "explore"]
    assert {t.payload["y"] for t in stayed if t.payload["world_tick"] == 1} == {20}


def test_what_is_pushed_in_the_middle_of_a_tick_is_noticed_at_the_next() -> None:
    world, (zone,) = make_world()
    mara, bo = neighbours(zone)
    live(world)
    tick_open(world)
    one(zone, push(mara, "agent_interact", {"target_id": str(bo.pk), "kind": "help"}))
    live(world)
    (told,) = events(zone.pk, "agent_interaction")
    memories = Agent.objects.get(pk=bo.pk).working_memory
    assert [m[0] for m in memories if "lent Bo a hand" in m[1]] == [told.payload["tick"] + 1]


def test_every_event_is_as_declared_and_read_again(root: Any) -> None:
    _, (zone,) = make_world()
    crowd = people(zone, 3, position={"x": 50, "y": 50})
    Agent.objects.filter(pk=crowd[1].pk).update(z=5000)
    apply_inputs(zone.pk, everything(crowd, [root] * 3))
    verbs = {"agent_moved", "agent_interaction", "resource_consumed", "said", "broadcast", "resource_changed"}
    read = [typed(e) for e in events(zone.pk) if e.topic.rpartition(".")[2] in verbs]
    assert {kind.topic.rpartition(".")[2] for kind in read} == verbs
    assert all(UUID(str(e.id)) for e in events(zone.pk))
