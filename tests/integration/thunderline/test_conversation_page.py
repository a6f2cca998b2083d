"""Talking to an agent on its page: who may, in whose voice, what is refused, what is shown, and what it costs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents import actions, mailbox
from domains.ids import new_id
from domains.thunderblock import guards
from domains.thunderblock.models import ActiveDomain
from tests.conftest import CountQueries
from tests.factories import beat, make_user, make_world, run_ticks, wake_domains
from zones.actions import places
from zones.models import Permission

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()
    beat()


@pytest.fixture
def world() -> Any:
    world = make_world(agents=4)
    run_ticks(world, 2)
    world.refresh_from_db()
    return world


@pytest.fixture
def agent(world: Any) -> Any:
    return world.agents.get(name="Agent 0")


def page(agent: Any, name: str = "agent") -> str:
    return reverse(name, args=[agent.pk])


def shown(client: Client, agent: Any) -> str:
    response = client.get(page(agent))
    assert response.status_code == 200
    return response.content.decode()


def say(client: Client, agent: Any, text: str, *, voice: str = "own", **fields: Any) -> Any:
    return client.post(page(agent, "agent-say"), {"text": text, "voice": voice, **fields}, headers=HTMX)


def notice(response: Any) -> str:
    found = re.search(r'<div id="notice"[^>]*>(.*?)</div>', response.content.decode(), re.DOTALL)
    assert found
    return found[1]


def heard() -> list[tuple[str, str, str]]:
    """All messages: sender, whom it is for, text."""
    return list(apps.get_model("agents.Message").objects.order_by("number").values_list("sender", "to", "text"))


# --- Who may -------------------------------------------------------------------------------------------------


def test_who_is_not_signed_in_is_asked_to(client: Client, agent: Any) -> None:
    assert say(client, agent, "Hello").headers.get("HX-Redirect") or say(client, agent, "Hello").status_code == 302
    assert client.get(page(agent, "agent-messages"), {"before": "9"}).status_code == 302
    assert heard() == []


def test_strangers_find_nobody_to_talk_to(client: Client, member: Any, agent: Any) -> None:
    client.force_login(member)
    assert say(client, agent, "Hello").status_code == 404
    assert client.get(page(agent, "agent-messages"), {"before": "9"}).status_code == 404
    assert heard() == []


def test_who_may_see_the_world_may_talk_but_not_decide(client: Client, member: Any, agent: Any) -> None:
    agent.world.access = "open"
    agent.world.save(update_fields=["access"])
    client.force_login(member)
    html = shown(client, agent)
    assert 'id="say"' in html
    assert "answer at once" not in html
    assert "voice-agent" not in html
    response = say(client, agent, "Hello")
    assert notice(response) == "Agent 0 hears it at the next tick of its world."
    assert response.headers["HX-Trigger"] == "refresh"
    number = apps.get_model("agents.Message").objects.get().number
    for fields in ({"voice": "agent", "number": number}, {"now": "on"}):
        refused = say(client, agent, "Mine", **fields)
        assert refused.status_code == 403
        assert notice(refused) == "You may talk to Agent 0, not decide for it."
    assert heard() == [("user:member", "agent:Agent 0", "Hello")]
    agent.refresh_from_db()
    assert (agent.tick_number, agent.mail) == (2, 1)


@pytest.mark.parametrize("by", ["owner", "granted"])
def test_owners_and_those_whom_they_let_may_decide(client: Client, member: Any, agent: Any, by: str) -> None:
    if by == "owner":
        agent.world.owner = member
    else:
        agent.world.access = "open"
        places.grant_permission(agent.zone_id, Permission.MODIFY_ZONE, by=make_user("root", operator=True))
    agent.world.save(update_fields=["owner", "access"])
    client.force_login(member)
    assert "answer at once" in shown(client, agent)
    assert notice(say(client, agent, "How are you?", now="on")) == "Agent 0 heard you."
    assert len(heard()) == 2


def test_saying_needs_a_post_with_its_token(operator: Any, agent: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)
    assert strict.get(page(agent, "agent-say")).status_code == 405
    assert say(strict, agent, "Hello").status_code == 403
    assert heard() == []


def test_nothing_is_said_while_the_domain_rests(as_operator: Client, agent: Any) -> None:
    ActiveDomain.objects.filter(domain_name="thunderpac").update(status="inactive", reason="a test")
    guards.forget()
    response = say(as_operator, agent, "Hello")
    assert response.status_code == 503
    assert "thunderpac is not active" in notice(response)
    assert heard() == []


# --- Saying --------------------------------------------------------------------------------------------------


def test_what_is_said_waits_and_is_answered(as_operator: Client, world: Any, agent: Any) -> None:
    assert "Nobody has talked to Agent 0 yet." in shown(as_operator, agent)
    say(as_operator, agent, " Hello\r\nthere ")
    html = shown(as_operator, agent)
    assert "Hello\nthere" in html
    assert "not read yet" in html
    run_ticks(world, 1)
    html = shown(as_operator, agent)
    assert "not read yet" not in html
    (_, _, _), (sender, to, answer) = heard()
    assert (sender, to) == ("agent:Agent 0", "user:operator")
    assert html.index("Hello\nthere") < html.index(answer.replace("'", "&#x27;"))


def test_an_answer_at_once_is_there_at_once(as_operator: Client, agent: Any) -> None:
    assert notice(say(as_operator, agent, "How are you?", now="on")) == "Agent 0 heard you."
    assert [to for _, to, _ in heard()] == ["agent:Agent 0", "user:operator"]


def test_an_agent_that_thinks_with_a_model_is_asked_now(as_operator: Client, agent: Any) -> None:
    type(agent).objects.filter(pk=agent.pk).update(reasoner="openai")
    assert notice(say(as_operator, agent, "How are you?", now="on")) == "Agent 0 is thinking about it."
    agent.refresh_from_db()
    assert agent.due_tick <= agent.world.tick


def test_who_rests_hears_it_later_and_cannot_answer_at_once(as_operator: Client, agent: Any) -> None:
    actions.suspend([agent.pk], by="test")
    refused = say(as_operator, agent, "Wake up", now="on")
    assert refused.status_code == 409
    assert "only active agents tick" in notice(refused)
    assert heard() == []  # nothing is half done
    assert notice(say(as_operator, agent, "Wake up")) == "Agent 0 is suspended and hears it once it is awake."
    actions.archive([agent.pk], by="test")
    assert "Agent 0 is archived and hears nothing." in shown(as_operator, agent)
    refused = say(as_operator, agent, "Hello?")
    assert (refused.status_code, notice(refused)) == (409, "Agent 0 is archived and reads nothing")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "say something"), (" \r\n ", "say something"), ("x" * 4001, "4,001 characters"), ("a\0b", "NUL")],
)
def test_what_cannot_be_said_is_refused(as_operator: Client, agent: Any, text: str, reason: str) -> None:
    refused = say(as_operator, agent, text)
    assert refused.status_code == 409
    assert reason in notice(refused)
    assert heard() == []


def test_the_longest_message_may_have_lines(as_operator: Client, agent: Any) -> None:
    assert say(as_operator, agent, "x\r\n" * 1999 + "xx").status_code == 200
    assert len(heard()[0][2]) == 4000


def test_a_full_inbox_says_so(as_operator: Client, agent: Any) -> None:
    type(agent).objects.filter(pk=agent.pk).update(mail=100)
    refused = say(as_operator, agent, "Hello")
    assert (refused.status_code, "100 messages waiting" in notice(refused)) == (409, True)


# --- In its place --------------------------------------------------------------------------------------------


def test_an_operator_answers_in_its_place(as_operator: Client, agent: Any) -> None:
    assert "Agent 0 has nothing to answer just now." in shown(as_operator, agent)
    first = actions.send(agent.pk, "Who are you?", by="user:bob")
    actions.send(agent.pk, "And why?", by="user:eve")
    html = shown(as_operator, agent)
    assert f'name="number" value="{first.number}"' in html
    assert "answers bob, “Who are you?”" in html
    response = say(as_operator, agent, "Nobody.", voice="agent", number=first.number)
    assert notice(response) == "You answered in place of Agent 0."
    assert ("agent:Agent 0", "user:bob", "Nobody.") in heard()
    html = shown(as_operator, agent)
    assert "spoken by user:operator in its place" in html
    assert "Decided by" in html


def test_what_is_answered_already_is_not_answered_twice(as_operator: Client, world: Any, agent: Any) -> None:
    first = actions.send(agent.pk, "Who are you?", by="user:bob")
    run_ticks(world, 1)
    before = heard()
    for number in (first.number, "", "x", "9" * 30):
        refused = say(as_operator, agent, "Nobody.", voice="agent", number=number)
        assert refused.status_code == 409
    # The page's choice is shut by then, and what is sent says nothing of a voice.
    refused = say(as_operator, agent, "Nobody.", voice="")
    assert notice(refused) == "Nothing waits for an answer of Agent 0; nothing was said."
    assert heard() == before


def test_an_answer_is_never_empty_and_never_cut(as_operator: Client, agent: Any) -> None:
    first = actions.send(agent.pk, "Who are you?", by="user:bob")
    for text, reason in (("", "say something"), ("x" * 1001, "1,000 at most")):
        refused = say(as_operator, agent, text, voice="agent", number=first.number)
        assert refused.status_code == 409
        assert reason in notice(refused)
    assert len(heard()) == 1


def test_only_what_is_read_next_and_wants_an_answer_can_be_answered(world: Any, agent: Any) -> None:
    other = world.agents.get(name="Agent 1")
    assert mailbox.to_answer(agent.pk) is None
    said = actions.send(agent.pk, "The last word", by="user:ada", speaker_id=other.pk)
    apps.get_model("agents.Message").objects.filter(pk=said.pk).update(turn=3)
    assert mailbox.to_answer(agent.pk) is None
    asked = actions.send(agent.pk, "A question", by="user:bob")
    found = mailbox.to_answer(agent.pk)
    assert found is not None
    assert found.number == asked.number
    # People are heard before agents of the same tick, as the engine reads.
    assert [one.number for one in mailbox.waiting(agent.pk)] == [asked.number, said.number]


# --- What is shown -------------------------------------------------------------------------------------------


def test_what_people_write_is_escaped(as_operator: Client, agent: Any) -> None:
    say(as_operator, agent, "<script>alert(1)</script> & <img src=x onerror=alert(1)>")
    html = shown(as_operator, agent)
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;img" in html


def test_names_are_escaped(as_operator: Client) -> None:
    world = make_world("Elsewhere", agents=1, spec={"name": "<i>Eve</i>"})
    eve = world.agents.get()
    actions.send(eve.pk, "Hello", by="user:<b>bob</b>")
    html = shown(as_operator, eve)
    assert "<i>Eve" not in html
    assert "<b>bob" not in html


def test_who_said_what_to_whom(as_operator: Client, world: Any, agent: Any) -> None:
    other = world.agents.get(name="Agent 1")
    actions.send(agent.pk, "About the ropes", by="user:ada", speaker_id=other.pk)
    html = shown(as_operator, agent)
    assert f'<a href="{page(other)}">Agent 1</a>' in html
    assert "spoken by user:ada in its place" in html
    theirs = shown(as_operator, other)
    assert "About the ropes" in theirs
    assert f'<a href="{page(agent)}">Agent 0</a>' in theirs
    assert 'class="own"' in theirs


def test_older_messages_are_fetched_page_by_page(as_operator: Client, agent: Any) -> None:
    for i in range(45):
        actions.send(agent.pk, f"Word {i}.", by="user:bob")
    html = shown(as_operator, agent)
    seen: list[str] = []
    while True:
        seen = re.findall(r"Word (\d+)\.</p>", html) + seen
        older = re.search(r"/messages/\?before=(\d+)", html)
        if not older:
            break
        html = as_operator.get(page(agent, "agent-messages"), {"before": older[1]}).content.decode()
    assert seen == [str(i) for i in range(45)]
    for wrong in ("x", "", "9" * 30, "-1"):
        assert as_operator.get(page(agent, "agent-messages"), {"before": wrong}).status_code == 404
    assert as_operator.get(reverse("agent-messages", args=[new_id()]), {"before": "9"}).status_code == 404


def test_a_poll_brings_what_was_said_and_nothing_else(as_operator: Client, agent: Any) -> None:
    seen = dict(re.findall(r'class="seen" name="(\w+)" value="(\w+)"', shown(as_operator, agent)))
    assert as_operator.get(page(agent), seen, headers=HTMX).status_code == 204
    actions.send(agent.pk, "Hello", by="user:bob")
    html = as_operator.get(page(agent), seen, headers=HTMX).content.decode()
    assert set(re.findall(r'class="seen" name="(\w+)"', html)) >= {"agent_talk", "agent_voice"}
    assert "say-text" not in html  # what is being typed is no part of it


def test_a_model_agents_page_says_since_when_it_thinks(as_operator: Client, agent: Any) -> None:
    type(agent).objects.filter(pk=agent.pk).update(reasoner="openai", narrator="model")
    assert "thinking since" not in shown(as_operator, agent)
    apps.get_model("agents.Thought").objects.create(
        agent=agent, asked_tick=1234, attempt=2, expires_at=timezone.now(), last_error="503 <busy>"
    )
    html = shown(as_operator, agent)
    assert "thinking since world tick 1\u202f234" in html
    assert "try 2" in html
    assert "503 &lt;busy&gt;" in html
    assert "its model" in html


USAGE = """
UPDATE tick_logs SET error = %s, usage = '{"call": "c", "endpoint": "local", "model": "qwen", "attempt": 2,
    "route": "cheap", "scores": {"novelty": 0.6, "worth": 0.41}, "prompt_tokens": 1812, "completion_tokens": 64,
    "ms": 812.4, "cost": 0.000214}'
WHERE agent_id = %s AND tick_number = 2
"""


def test_a_tick_tells_what_its_model_took(as_operator: Client, agent: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(USAGE, ["local (timeout): no answer", agent.pk])
    html = shown(as_operator, agent)
    line = "local (qwen) · 1\u202f812 + 64 tokens · 812 ms · $0.000214 · route: cheap · try 2"
    assert line in html
    assert html.index(line) < html.index("local (timeout): no answer")
    assert "novelty 0.60" in html


# --- Cost ----------------------------------------------------------------------------------------------------


def test_a_conversation_costs_the_same_whether_short_or_long(
    as_operator: Client, world: Any, agent: Any, count_queries: CountQueries
) -> None:
    other = world.agents.get(name="Agent 1")
    thinker = world.agents.get(name="Agent 2")
    type(thinker).objects.filter(pk=thinker.pk).update(reasoner="openai")

    def costs() -> list[int]:
        found = []
        for one in (agent, thinker):
            as_operator.get(page(one))
            guards.require("thunderpac")
            with count_queries() as statements:
                as_operator.get(page(one))
            found.append(len(statements))
        for read in (lambda: mailbox.conversation(agent.pk, 20), lambda: mailbox.waiting(agent.pk)):
            with count_queries() as statements:
                read()
            found.append(len(statements))
        return found

    actions.send(agent.pk, "Hello", by="user:bob")
    actions.send(thinker.pk, "Hello", by="user:bob")
    few = costs()
    for i in range(40):
        actions.send(agent.pk, f"Word {i}", by="user:ada", speaker_id=other.pk)
        actions.send(thinker.pk, f"Word {i}", by=f"user:u{i}")
    assert costs() == few == [12, 14, 1, 1]
