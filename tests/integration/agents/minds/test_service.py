"""A reasoner process, its database and a real HTTP server: what becomes of answers, and what of failures."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from agents import actions
from agents.engine import apply
from agents.facts import Facts
from agents.minds import calls, prompts
from agents.minds.calls import Result
from agents.minds.client import Reply
from agents.minds.endpoints import Health, Seen
from agents.minds.mind import Mind
from agents.minds.service import Service
from agents.models import Agent, Endpoint, Message, ModelCall, Spending, Thought
from domains import sql
from domains.thunderflow import breakers
from memory.models import MemoryNode
from tests import model_server as manners
from tests.integration.agents.living import events, live, logs, make_world, people, person
from tests.integration.agents.minds.thinking import MODEL, due, endpoint, think, thinker
from tests.model_server import ModelServer, model_server
from tests.tables import commits
from zones.actions import places

__all__ = ["commits"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

RULED = "; the rules decided"


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


def test_the_longest_rest_that_an_endpoint_asked_for_holds(model: ModelServer) -> None:
    endpoint(model)
    row = Endpoint.objects.get()
    patience, fault = Seen(row.pk, row.name, "429", rest_s=60.0), Seen(row.pk, row.name, "timeout", fault=True)
    Health().note([patience, fault])
    row.refresh_from_db()
    assert row.rests_until is not None and row.last_error == "timeout"
    assert 55 < (row.rests_until - timezone.now()).total_seconds() <= 60


# --- What becomes of an answer -------------------------------------------------------------------------------


def test_an_answer_is_acted_on_and_everything_is_on_record(model: ModelServer) -> None:
    endpoint(model)
    actions.set_price(MODEL, prompt=Decimal(2), completion=Decimal(10), by="test")
    model.behaviour = manners.deciding(
        action="reflect", reasoning="I am in no hurry.", remember="The tide turned early.", confidence=0.75
    )
    _, (zone,) = make_world()
    mara = thinker(zone, description="A keeper of nets.", temperature=0.3, max_tokens=200, system_prompt="Be brief.")
    due(zone.world)
    think()
    (log,) = logs(mara)
    (call,) = ModelCall.objects.all()
    assert (log.action, log.reasoning, log.confidence, log.error) == ("reflect", "I am in no hurry.", 0.75, None)
    assert log.usage["call"] == str(call.pk)
    assert (log.usage["endpoint"], log.usage["prompt_tokens"], log.usage["completion_tokens"]) == ("here", 600, 60)
    assert MemoryNode.objects.filter(agent=mara, content="The tide turned early.", kind="semantic").count() == 1
    assert (call.status, call.attempt, call.tick_number, call.template_version) == ("answered", 1, 1, 0)
    assert call.cost == Decimal("0.0018") == sum(s.cost for s in Spending.objects.filter(scope="world"))
    assert len(call.request_hash) == 64
    assert (call.request["temperature"], call.request["max_tokens"]) == (0.3, 200)
    assert {s.scope: (s.calls, s.tokens) for s in Spending.objects.all()} == dict.fromkeys(
        ("agent", "endpoint", "world"), (1, 660)
    )
    asked = model.asked[0]
    assert asked.headers["authorization"] == "Bearer sk-secret"
    assert "A keeper of nets." in asked.prompt("system")
    assert "Be brief." in asked.prompt("system")
    told = [e.topic.rpartition(".")[2] for e in events(zone.pk)][-2:]
    assert told == ["model_answered", "agent_ticked"]
    assert events(zone.pk, "model_answered")[0].payload["call_id"] == str(call.pk)


def test_what_it_remembers_and_hears_is_in_the_question(model: ModelServer) -> None:
    endpoint(model)
    _, (zone,) = make_world()
    mara = thinker(zone, goals=[{"name": "mend the bridge"}])
    from memory import actions as memory

    with transaction.atomic():
        memory.store(memory.NewMemory(mara.pk, "The bridge broke at the third pillar.", importance=0.9))
        memory.store(memory.NewMemory(mara.pk, "Somebody sang in the kitchen.", importance=0.9))
    actions.send(mara.pk, "Is the bridge safe?", by="user:ada")
    due(zone.world)
    think()
    prompt = model.asked[0].prompt()
    assert "The bridge broke at the third pillar." in prompt
    assert '"Is the bridge safe?"' in prompt
    assert '"mend the bridge": 0 %' in prompt


def test_who_thinks_stands_outside_the_barrier(model: ModelServer) -> None:
    """The world goes on while a model takes its time; the answer is an input of the first tick after it came."""
    endpoint(model)
    until = threading.Event()
    model.behaviour = manners.held(until)
    world, (zone,) = make_world()
    mara, ben = thinker(zone, tick_interval=2), person(zone, "Ben")
    live(world, 2)
    service = Service()
    thread = threading.Thread(target=lambda: asyncio.run(service.run(until_idle=True)))
    thread.start()
    try:
        while not model.asked:
            pass
        live(world, 5)
        assert len(logs(ben)) == 7
        assert not logs(mara)
    finally:
        until.set()
        thread.join(30)
    # Asked at tick 2, it acts at tick 7, is due again at 4 and so at once, and then waits for tick 9.
    assert [log.world_tick for log in logs(mara)] == [7, 7]
    mara.refresh_from_db()
    assert mara.due_tick == 9


def test_many_act_in_order_without_gap_however_many_processes_serve(model: ModelServer) -> None:
    endpoint(model)
    world, zones = make_world({}, {}, {})
    for n, zone in enumerate(zones):
        people(zone, 10, first=10 * n, reasoner="openai")
    for _ in range(3):
        live(world, 1)
        threads = [threading.Thread(target=think_alone) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    for agent in Agent.objects.all():
        assert [log.tick_number for log in logs(agent)] == [1, 2, 3]
    assert ModelCall.objects.filter(status="answered").count() == 90 == len(model.asked)


def think_alone() -> None:
    asyncio.run(Service().run(until_idle=True))


def test_a_story_in_the_model_s_words(model: ModelServer) -> None:
    endpoint(model)
    model.behaviour = manners.deciding(action="reflect", narrative="Mara looked at the sea and said nothing.")
    _, (zone,) = make_world()
    mara, ben = thinker(zone, narrator="model"), thinker(zone, "Ben")
    due(zone.world)
    think()
    assert logs(mara)[0].narrative == "Mara looked at the sea and said nothing."
    assert "sea" not in logs(ben)[0].narrative


def test_the_router_s_choice_is_in_the_log(model: ModelServer) -> None:
    endpoint(model, "small", tier="cheap")
    endpoint(model, "large", tier="expensive")
    _, (zone,) = make_world()
    calm = thinker(zone, "Calm", reasoner="router")
    asked = thinker(zone, "Asked", reasoner="router")
    actions.send(asked.pk, "Where did you hide the key to the lamp room, and why?", by="user:ada")
    due(zone.world)
    think()
    assert logs(calm)[0].usage["route"] == "rules"
    assert logs(calm)[0].error is None
    usage = logs(asked)[0].usage
    assert (usage["route"], usage["endpoint"]) == ("expensive", "large")
    assert usage["scores"].keys() == {"novelty", "stakes", "budget", "worth"}


# --- What becomes of failures --------------------------------------------------------------------------------

BAD = {
    "malformed": (manners.sending(b"{"), "validation"),
    "empty": (manners.saying(""), "validation"),
    "no decision": (manners.saying("I would rather not say."), None),
    "another action": (manners.deciding(action="open_the_vault"), None),
    "another tool": (manners.deciding(action="use_tool", arguments={"tool": "read_minds"}), None),
    "very long": (manners.long(), "transient"),
    "refused": (manners.status(401), "security"),
    "unknown": (manners.status(404), "permanent"),
    "broken": (manners.status(500), "transient"),
    "slow": (manners.delayed(5.0), "timeout"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_answer_leads_to_the_rules_and_the_log_says_why(model: ModelServer, how: str) -> None:
    model.behaviour, error_class = BAD[how]
    endpoint(model, timeout_s=0.5, max_tries=1)
    _, (zone,) = make_world()
    mara = thinker(zone)
    due(zone.world)
    think()
    (log,) = logs(mara)
    assert log.error
    assert log.error.endswith(RULED)
    assert log.action != "open_the_vault"
    (call,) = ModelCall.objects.all()
    assert (call.status, call.error_class) == (("failed", error_class) if error_class else ("answered", ""))
    (told,) = events(zone.pk, "error")
    assert told.payload["error"] == log.error


def test_one_bad_endpoint_holds_up_nobody_else(model: ModelServer) -> None:
    with model_server(manners.delayed(3.0)) as slow:
        endpoint(model, "good")
        endpoint(slow, "slow", timeout_s=2.0, max_tries=1)
        _, (zone,) = make_world()
        quick = [thinker(zone, f"Quick {n}", model="good") for n in range(5)]
        patient = thinker(zone, "Patient", model="slow")
        due(zone.world)
        think()
    order = [e.payload["agent_id"] for e in events(zone.pk, "agent_ticked")]
    assert order[-1] == str(patient.pk)
    assert set(order[:-1]) == {str(agent.pk) for agent in quick}


def test_what_may_pass_is_tried_again(model: ModelServer) -> None:
    model.then(manners.status(500), manners.status(429, retry_after="0"))
    endpoint(model, max_tries=3)
    _, (zone,) = make_world()
    mara = thinker(zone)
    due(zone.world)
    while not logs(mara):
        think_alone()
    assert [c.attempt for c in ModelCall.objects.order_by("started_at")] == [1, 2, 3]
    assert logs(mara)[0].error is None
    assert logs(mara)[0].usage["attempt"] == 3


def test_an_endpoint_that_keeps_failing_is_left_alone(model: ModelServer) -> None:
    model.behaviour = manners.status(503)
    endpoint(model, max_tries=1)
    _, (zone,) = make_world()
    for n in range(5):
        thinker(zone, f"First {n}")
        due(zone.world)
        think()
    assert breakers.states(["endpoint:here"])["endpoint:here"].state == "open"
    asked = len(model.asked)
    late = thinker(zone, "Late")
    due(zone.world)
    think()
    assert len(model.asked) == asked
    assert "left alone" in str(logs(late)[0].error)
    actions.reset_breaker(Endpoint.objects.get().pk, by="test")
    model.behaviour = manners.good
    due(zone.world)
    think()
    assert len(model.asked) > asked
    assert breakers.states(["endpoint:here"])["endpoint:here"].sound


def test_without_an_endpoint_the_rules_decide() -> None:
    from tests.factories import wake_domains

    wake_domains()
    _, (zone,) = make_world()
    mara, ben = thinker(zone), thinker(zone, "Ben", model="elsewhere")
    due(zone.world)
    think()
    assert "no endpoint that is enabled" in str(logs(mara)[0].error)
    assert "'elsewhere'" in str(logs(ben)[0].error)


def test_a_broken_template_leads_to_the_rules(model: ModelServer) -> None:
    from agents.models import PromptTemplate

    endpoint(model)
    PromptTemplate.objects.create(version=1, system="{{ nothing.like.that }}", user="x", active=True)
    _, (zone,) = make_world()
    mara = thinker(zone)
    due(zone.world)
    think()
    assert not model.asked
    assert str(logs(mara)[0].error).endswith(RULED)


def test_one_whose_question_cannot_be_put_holds_up_nobody(model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint(model)
    question = prompts.question

    def broken(facts: Facts) -> str:
        if facts.me.name == "Mara":
            raise RuntimeError("lost for words")
        return question(facts)

    monkeypatch.setattr(prompts, "question", broken)
    _, (zone,) = make_world()
    mara, ben = thinker(zone), thinker(zone, "Ben")
    due(zone.world)
    think()
    assert "lost for words; the rules decided" in str(logs(mara)[0].error)
    assert logs(ben)[0].error is None


def test_one_who_cannot_act_is_put_off_and_holds_up_nobody(model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint(model)
    remember = apply.remember

    def broken(ticked: apply.Ticked) -> None:
        if ticked.agent.name == "Mara":
            raise RuntimeError("no room in its head")
        remember(ticked)

    monkeypatch.setattr(apply, "remember", broken)
    _, (zone,) = make_world()
    mara, ben = thinker(zone, tick_interval=7), thinker(zone, "Ben", tick_interval=7)
    due(zone.world)
    think()
    assert (len(logs(mara)), len(logs(ben))) == (0, 1)
    mara.refresh_from_db()
    assert mara.due_tick == zone.world.tick + 7
    assert "no room in its head" in events(zone.pk, "tick_failed")[0].payload["error"]


# --- Money and the switch ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["agent", "world", "endpoint"])
def test_a_cap_stops_calls_before_they_are_made(model: ModelServer, scope: str) -> None:
    endpoint(model)
    _, (zone,) = make_world()
    mara = thinker(zone)
    actions.set_cap(scope, period="hour", measure="calls", most=Decimal(2), by="test")
    for _ in range(4):
        due(zone.world)
        think()
    assert len(model.asked) == 2
    errors = [str(log.error) for log in logs(mara)]
    assert errors[:2] == ["None", "None"]
    assert all("cap of 2 calls an hour is reached" in error for error in errors[2:])


def test_what_a_call_may_cost_counts_until_it_is_known(model: ModelServer) -> None:
    """Ten at once, with money for three at their dearest: three are asked, however cheap they turn out to be."""
    endpoint(model, max_tokens=1000)
    actions.set_price(MODEL, prompt=Decimal(0), completion=Decimal(1000), by="test")
    actions.set_cap("world", period="day", measure="cost", most=Decimal("3.5"), by="test")
    _, (zone,) = make_world()
    for n in range(10):
        thinker(zone, f"Mara {n}", max_tokens=1000)
    due(zone.world)
    done = Mind().round([], [])
    assert len(done.asks) == 3
    assert Spending.objects.get(scope="world").cost == Decimal(3)


def test_a_model_without_a_price_is_not_asked_under_a_cap_in_dollars(model: ModelServer) -> None:
    endpoint(model)
    actions.set_cap("agent", period="day", measure="cost", most=Decimal(1), by="test")
    _, (zone,) = make_world()
    mara = thinker(zone)
    due(zone.world)
    think()
    assert not model.asked
    assert "has no price" in str(logs(mara)[0].error)


def test_the_switch_stops_calls_under_way_too(model: ModelServer) -> None:
    endpoint(model, timeout_s=60.0)
    model.behaviour = manners.delayed(30.0)
    _, (zone,) = make_world()
    mara = thinker(zone)
    due(zone.world)
    service = Service()
    thread = threading.Thread(target=lambda: asyncio.run(service.run(until_idle=True)))
    thread.start()
    while not model.asked:
        pass
    actions.stop_calls(by="user:ada", reason="too dear")
    thread.join(20)
    assert not thread.is_alive()
    assert ModelCall.objects.get().status == "stopped"
    assert "the call was stopped" in str(logs(mara)[0].error)
    due(zone.world)
    think()
    assert "too dear" in str(logs(mara)[1].error)
    assert len(model.asked) == 1
    actions.allow_calls(by="user:ada")
    model.behaviour = manners.good
    due(zone.world)
    think()
    assert logs(mara)[2].error is None


def test_old_calls_are_forgotten_and_what_they_cost_is_not(model: ModelServer) -> None:
    endpoint(model)
    _, (zone,) = make_world()
    thinker(zone)
    due(zone.world)
    think()
    assert calls.forget(timezone.now() - timedelta(days=1)) == 0
    assert calls.forget(timezone.now() + timedelta(minutes=1)) == 1
    assert not ModelCall.objects.exists()
    assert Spending.objects.get(scope="world").calls == 1


# --- Leases --------------------------------------------------------------------------------------------------


def answer(ask: object) -> Result:
    return Result(ask, reply=Reply('{"action": "reflect"}', 10, 5, "stop", 1.0))  # type: ignore[arg-type]


def test_what_a_dead_process_was_thinking_is_asked_anew_and_its_answer_counts_for_nothing(model: ModelServer) -> None:
    endpoint(model)
    _, (zone,) = make_world()
    mara = thinker(zone, tick_interval=100)
    due(zone.world)
    dead, heir = Mind(), Mind()
    (first,) = dead.round([], []).asks
    assert heir.round([], []).asks == []
    sql.execute("UPDATE mind_thoughts SET expires_at = now() - interval '1 second'")
    heir.look_again()
    (second,) = heir.round([], []).asks
    assert second.attempt == 2
    heir.round([answer(second)], [])
    dead.round([answer(first)], [])
    dead.round([], [])
    assert [log.tick_number for log in logs(mara)] == [1]
    assert {c.pk: c.status for c in ModelCall.objects.all()} == {first.call_id: "lost", second.call_id: "answered"}
    assert Spending.objects.get(scope="agent").calls == 2
    assert not Thought.objects.exists()


def test_a_result_that_comes_twice_counts_once(model: ModelServer) -> None:
    endpoint(model)
    _, (zone,) = make_world()
    mara = thinker(zone, tick_interval=100)
    due(zone.world)
    mind = Mind()
    (ask,) = mind.round([], []).asks
    mind.round([answer(ask), answer(ask)], [])
    mind.round([answer(ask)], [])
    assert len(logs(mara)) == 1
    assert Spending.objects.get(scope="agent").tokens == 15


def test_who_is_suspended_meanwhile_does_not_act(model: ModelServer) -> None:
    endpoint(model)
    _, (zone,) = make_world()
    mara = thinker(zone)
    due(zone.world)
    mind = Mind()
    (ask,) = mind.round([], []).asks
    actions.suspend([mara.pk], by="test")
    mind.round([answer(ask)], [])
    assert not logs(mara)
    assert not Thought.objects.exists()
    assert ModelCall.objects.get().status == "answered"


def test_a_zone_that_is_locked_is_not_waited_for_and_not_forgotten(model: ModelServer) -> None:
    endpoint(model)
    _, (zone, other) = make_world({}, {})
    mara, ben = thinker(zone, tick_interval=100), thinker(other, "Ben", tick_interval=100)
    due(zone.world)
    mind = Mind()
    asks = mind.round([], []).asks
    locked, go = threading.Event(), threading.Event()

    def hold() -> None:
        from django.db import connection

        with transaction.atomic():
            places.lock_many([zone.pk])
            locked.set()
            go.wait(20)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(20)
    done = mind.round([answer(ask) for ask in asks], [])
    assert (len(logs(mara)), len(logs(ben)), done.waiting) == (0, 1, True)
    go.set()
    thread.join()
    mind.round([], [])
    assert len(logs(mara)) == 1


def test_a_process_that_ends_gives_its_agents_back(model: ModelServer) -> None:
    endpoint(model, timeout_s=60.0)
    model.behaviour = manners.delayed(30.0)
    _, (zone,) = make_world()
    thinker(zone)
    due(zone.world)
    service = Service()
    thread = threading.Thread(target=lambda: asyncio.run(service.run()))
    thread.start()
    while not model.asked:
        pass
    asyncio.run(stop(service, thread))
    (thought,) = Thought.objects.all()
    assert thought.holder is None
    assert ModelCall.objects.get().status == "stopped"
    assert Mind().round([], []).asks


async def stop(service: Service, thread: threading.Thread) -> None:
    service.stop()
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


def test_words_that_come_while_it_thinks_wait_for_the_next_question(model: ModelServer) -> None:
    endpoint(model)
    _, (zone,) = make_world()
    mara = thinker(zone, tick_interval=100)
    actions.send(mara.pk, "First?", by="user:ada")
    due(zone.world)
    mind = Mind()
    (ask,) = mind.round([], []).asks
    late = actions.send(mara.pk, "Second?", by="user:ada")
    number = Message.objects.get(text="First?").number
    text = '{"action": "reflect", "replies": [{"to": %d, "text": "Yes."}, {"to": %d, "text": "No."}]}'
    mind.round([Result(ask, reply=Reply(text % (number, late.number), 1, 1, "stop", 1.0))], [])
    assert [m.text for m in Message.objects.filter(sender_agent=mara)] == ["Yes."]
    late.refresh_from_db()
    mara.refresh_from_db()
    assert (late.status, mara.mail, mara.due_tick) == ("waiting", 1, zone.world.tick + 1)
