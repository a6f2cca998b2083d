"""The inbox: what is said arrives, is read at the next tick, answered once, and remembered where it matters."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents import actions, converse, exchange, review
from agents.errors import Invalid, NotFound, WrongState
from agents.models import Agent, Message
from domains import tools
from domains.ids import new_id
from domains.thunderflow.queries import StoredEvent
from memory.models import MemoryNode
from tests.integration.agents.living import events, live, logs, make_world, people, person
from tests.tables import commits

__all__ = ["commits"]

pytestmark = pytest.mark.django_db

SILENT = {"name": "silence", "kind": "behavior", "effects": {"action_weights": {"socialize": -100.0}}}


def replies(to: Message) -> list[str]:
    return list(Message.objects.filter(reply_to=to).values_list("text", flat=True))


def told(zone_id: Any, verb: str) -> list[StoredEvent]:
    return events(zone_id, verb)


# --- From people ---------------------------------------------------------------------------------------------


def test_a_message_makes_its_reader_due_and_is_answered_once() -> None:
    world, (zone,) = make_world()
    mara = person(zone, tick_interval=50)
    live(world, 2)
    before = len(logs(mara))
    message = actions.send(mara.pk, "How are you today, Mara?", by="user:ada")
    assert (message.status, message.sender, message.to) == ("waiting", "user:ada", "agent:Mara")
    live(world, 1)
    message.refresh_from_db()
    mara.refresh_from_db()
    assert (message.status, mara.mail, message.done_tick) == ("answered", 0, world.tick)
    (text,) = replies(message)
    log = logs(mara)[-1]
    assert len(logs(mara)) == before + 1
    assert log.decision["heard"] == [["ada", "How are you today, Mara?", text]]
    assert log.narrative.startswith(f"“How are you today, Mara?” said ada. “{text[:100]}")
    live(world, 3)
    assert replies(message) == [text]
    answer = Message.objects.get(reply_to=message)
    assert (answer.sender, answer.to, answer.recipient, answer.turn) == ("agent:Mara", "user:ada", None, 1)
    assert answer.conversation == message.conversation


def test_what_came_and_what_became_of_it_is_told() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    message = actions.send(mara.pk, "Is the tide in?", by="user:ada")
    live(world, 1)
    (came,), (done,) = told(zone.pk, "message_received"), told(zone.pk, "message_processed")
    assert came.topic == f"agent.{mara.pk}.message_received"
    assert (came.actor, came.payload["text"], came.payload["number"]) == ("user:ada", "Is the tide in?", message.number)
    assert came.seq < done.seq
    assert (done.payload["reply"], done.payload["number"]) == (replies(message)[0], message.number)


def test_four_at_a_tick_and_none_is_lost() -> None:
    world, (zone,) = make_world()
    mara = person(zone, tick_interval=50)
    sent = [actions.send(mara.pk, f"Question {n}?", by="user:ada") for n in range(10)]
    live(world, 3)
    done = [Message.objects.get(pk=m.pk).done_tick for m in sent]
    assert done == [1] * 4 + [2] * 4 + [3] * 2
    assert all(len(replies(m)) == 1 for m in sent)


def test_what_matters_is_remembered_and_small_talk_is_not() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    actions.send(mara.pk, "Hi.", by="user:ada")
    actions.send(mara.pk, "Could you keep the spare key to the lamp room until I am back?", by="user:ada")
    live(world, 1)
    kept = [m.content for m in MemoryNode.objects.filter(agent=mara) if "ada said" in m.content]
    assert len(kept) == 1
    assert "spare key" in kept[0]
    assert "The answer: “" in kept[0]


def test_an_answer_speaks_of_what_is_remembered() -> None:
    from memory import actions as memory

    world, (zone,) = make_world()
    mara = person(zone)
    with transaction.atomic():
        memory.store(memory.NewMemory(mara.pk, "The old bridge broke at the third pillar.", importance=0.9))
    message = actions.send(mara.pk, "What do you know about the bridge and its pillar?", by="user:ada")
    live(world, 1)
    assert "The old bridge broke at the third pillar." in replies(message)[0]


def test_who_rests_reads_it_when_woken() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    actions.suspend([mara.pk], by="test")
    message = actions.send(mara.pk, "Are you asleep?", by="user:ada")
    live(world, 3)
    message.refresh_from_db()
    assert message.status == "waiting"
    actions.activate([mara.pk], by="test")
    live(world, 1)
    assert len(replies(message)) == 1


REFUSED = {
    "": (Invalid, "say something"),
    "   ": (Invalid, "say something"),
    "x" * 4001: (Invalid, "4,001 characters are too many"),
    "a\0b": (Invalid, "cannot be stored"),
    "a\ud800b": (Invalid, "cannot be stored"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_said_is_refused_and_changes_nothing(text: str) -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    kind, words = REFUSED[text]
    with pytest.raises(kind, match=words):
        actions.send(mara.pk, text, by="user:ada")
    mara.refresh_from_db()
    assert mara.mail == Message.objects.count() == 0


def test_who_reads_nothing_is_not_written_to() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    with pytest.raises(NotFound):
        actions.send(new_id(), "Hello?", by="user:ada")
    with pytest.raises(NotFound, match="no conversation"):
        actions.send(mara.pk, "Hello?", by="user:ada", conversation=new_id())
    Agent.objects.filter(pk=mara.pk).update(mail=100)
    with pytest.raises(WrongState, match="100 messages waiting"):
        actions.send(mara.pk, "Hello?", by="user:ada")
    actions.archive([mara.pk], by="test")
    with pytest.raises(WrongState, match="archived and reads nothing"):
        actions.send(mara.pk, "Hello?", by="user:ada")


def test_a_conversation_goes_on() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    first = actions.send(mara.pk, "Hello, Mara.", by="user:ada")
    live(world, 1)
    second = actions.send(mara.pk, "And the bridge?", by="user:ada", conversation=first.conversation)
    live(world, 1)
    assert [m.conversation for m in Message.objects.all()] == [first.conversation] * 4
    assert len(replies(second)) == 1


def test_the_database_lets_no_message_be_answered_twice() -> None:
    world, (zone,) = make_world()
    mara = person(zone)
    message = actions.send(mara.pk, "Hello?", by="user:ada")
    live(world, 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(
            world=world, sender="agent:Mara", to="user:ada", text="Again.", reply_to=message, status="read",
            sent_tick=1, inserted_at=timezone.now(),
        )  # fmt: skip


def test_the_cost_does_not_depend_on_how_much_is_said(count_queries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.insights.ENOUGH", 100.0)  # what insights cost is looked at by itself
    world, (zone,) = make_world({"capacity": 100})
    everybody = people(zone, 40, mods=[SILENT])
    counts = []
    for some in (40, 3, 40):  # at first there is nothing to be reminded of
        for agent in everybody[:some]:
            actions.send(agent.pk, "What is new?", by="user:ada")
        with count_queries() as statements:
            live(world, 1)
        counts.append(len(statements))
    assert counts[1] == counts[2]


# --- At once, in another's place, through doors --------------------------------------------------------------


def test_a_forced_tick_answers_within_the_action() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    found = exchange.ask(mara.pk, "How are you?", by="user:ada", now=True, timeout_s=0)
    assert found.read
    assert found.reply is not None
    assert found.reply.text


def test_an_operator_answers_in_its_place_and_is_named() -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    first = actions.send(mara.pk, "Who are you?", by="user:ada")
    second = actions.send(mara.pk, "And where?", by="user:ada")
    actions.act_as(mara.pk, by="user:root", action="reflect", replies={first.number: "I am nobody, and glad of it."})
    answer = Message.objects.get(reply_to=first)
    assert (answer.text, answer.sender, answer.impersonated_by) == (
        "I am nobody, and glad of it.", "agent:Mara", "user:root"
    )  # fmt: skip
    (log,) = logs(mara)
    assert (log.action, log.decision["by"]) == ("reflect", "user:root")
    (cause,) = told(zone.pk, "impersonated")
    assert (cause.actor, cause.payload["action"]) == ("user:root", "reflect")
    second.refresh_from_db()
    assert second.status == "waiting"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"action": "fly"}, "there is no 'fly'"),
        ({"action": "socialize"}, "cannot socialize now: nobody is near"),
        ({"replies": {999: "Yes."}}, "no message 999"),
    ],
)
def test_an_operator_can_do_no_more_than_the_agent(how: Any, words: str) -> None:
    _, (zone,) = make_world()
    mara = person(zone)
    with pytest.raises(Invalid, match=words):
        actions.act_as(mara.pk, by="user:root", **how)
    assert not logs(mara)


def test_an_operator_speaks_as_an_agent_and_is_named() -> None:
    world, (zone,) = make_world()
    mara, ben = person(zone), person(zone, "Ben")
    message = actions.send(ben.pk, "Meet me at the mill.", by="user:root", speaker_id=mara.pk)
    assert (message.sender, message.impersonated_by) == ("agent:Mara", "user:root")
    (came,) = told(zone.pk, "message_received")
    assert (came.actor, came.payload["impersonated_by"]) == ("user:root", "user:root")
    live(world, 2)
    assert Message.objects.get(reply_to=message).recipient_id == mara.pk
    with pytest.raises(Invalid, match="cannot write to itself"):
        actions.send(mara.pk, "Hello me.", by="user:root", speaker_id=mara.pk)


def test_what_the_review_denies_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "review", lambda decision, facts: review.Verdict(review.DENY, decision, "no"))
    world, (zone,) = make_world()
    mara = person(zone)
    message = actions.send(mara.pk, "How are you?", by="user:ada")
    live(world, 1)
    message.refresh_from_db()
    assert (message.status, replies(message)) == ("read", [])


def test_the_tool_sends_words_far_and_wide() -> None:
    world, (zone, far) = make_world({}, {})
    mara, ben = person(zone), person(far, "Ben")
    tool = tools.get("send_message")
    person_calls = tools.Caller("user:ada", frozenset({"send_messages"}))
    sent = tool.call({"to": "Ben", "text": "Hello from the shore."}, person_calls)
    assert Message.objects.get(number=sent.number).sender == "user:ada"  # type: ignore[attr-defined]
    agent_calls = tools.Caller("agent:Mara", frozenset({"send_messages"}), agent_id=mara.pk, zone_id=zone.pk)
    words = tool.call({"to": "Ben", "text": "Is there wood with you?"}, agent_calls)
    assert [s.to for s in words.says] == [ben.ordinal]  # type: ignore[attr-defined]
    for to in ("Nobody", "Mara"):
        with pytest.raises(tools.ToolError):
            tool.call({"to": to, "text": "Hello."}, agent_calls)
    assert world.name


# --- Among agents --------------------------------------------------------------------------------------------


def test_agents_have_words_and_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said among them arrives with the next tick and is answered at it; no conversation goes on for ever."""
    monkeypatch.setattr("agents.behaviours.socialize.SPOKEN", 1.0)
    world, (zone,) = make_world()
    people(zone, 8, interval=2)
    live(world, 20)
    monkeypatch.setattr("agents.behaviours.socialize.SPOKEN", 0.0)
    live(world, 10)
    said = list(Message.objects.all())
    assert len(said) > 20
    assert {m.status for m in said} == {"answered", "read"}
    assert max(m.turn for m in said) == converse.TURN_LIMIT - 1
    assert all((m.arrived_tick, m.done_tick) == (m.sent_tick + 1,) * 2 for m in said)
    assert all(m.turn == 0 or m.reply_to_id for m in said)
    assert len({m.reply_to_id for m in said if m.reply_to_id}) == sum(m.turn > 0 for m in said)
    assert set(Agent.objects.values_list("mail", flat=True)) == {0}
    texts = {m.text for m in said}
    assert len(texts) > len(said) / 4
    assert not [text for text in texts if "{" in text]


def test_words_follow_who_has_moved() -> None:
    world, (zone, far) = make_world({}, {}, ways=[(0, 1, 1.0)])
    mara, ben = person(zone, mods=[SILENT]), person(zone, "Ben", mods=[SILENT])
    actions.send(ben.pk, "Where do you go?", by="user:root", speaker_id=mara.pk)
    Agent.objects.filter(pk=mara.pk).update(zone=far)
    zone.world.zones.filter(pk=zone.pk).update(agent_count=1)
    zone.world.zones.filter(pk=far.pk).update(agent_count=1)
    live(world, 3)
    reply = Message.objects.get(sender_agent=ben, turn=1)
    assert (reply.recipient_id, reply.status) == (mara.pk, "answered")
    assert f"agent.{mara.pk}.message_received" in [e.topic for e in events(far.pk)]


# --- Commands ------------------------------------------------------------------------------------------------


def command(*words: str) -> str:
    out = io.StringIO()
    call_command("agents", *words, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_the_command_says_it_and_waits() -> None:
    _, (zone,) = make_world()
    mara, _ben = person(zone), person(zone, "Ben")
    assert command("message", "Mara", "How are you?", "--now").startswith("Mara: ")
    found = json.loads(command("message", "Mara", "And now?", "--now", "--json"))
    assert found.keys() == {"number", "reply", "ms"}
    assert found["reply"]
    assert "said that to Ben" in command("message", "Ben", "Come here.", "--as", "Mara")
    with pytest.raises(CommandError, match=r"no answer within 0 s; the message waits. The world World is paused"):
        command("message", "Mara", "Anybody there?", "--timeout", "0")
    assert "“No.” Mara answered." in command("act", "Mara", "reflect", "--reply", "No.")
    with pytest.raises(CommandError, match="that waits for an answer"):
        command("act", "Mara", "reflect", "--reply", "No.")
    with pytest.raises(CommandError, match="cannot"):
        command("act", "Mara", "use_tool")
    actions.archive([mara.pk], by="test")
    with pytest.raises(CommandError, match="reads nothing"):
        command("message", "Mara", "Hello?")
    connection.close()
