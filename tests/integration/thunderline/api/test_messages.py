"""What is said to agents by REST, and what they answer."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models import Agent, Message
from tests.factories import run_ticks
from tests.integration.thunderline.api.conftest import Api, problem
from zones.models import World


@pytest.fixture
def agent(world: Any) -> Any:
    return Agent.objects.filter(world=world).first()


def test_a_message_is_sent_and_answered(api: Api, world: Any, agent: Any) -> None:
    where = f"agents/{agent.pk}/messages"
    sent = api.post(where, {"text": "What is beyond the pier?"})
    assert sent.status_code == 201 and (sent.json()["sender"], sent.json()["status"]) == ("user:operator", "waiting")
    run_ticks(world, 1)
    answer, question = api.get(where).json()["results"][:2]
    assert (question["number"], question["status"]) == (sent.json()["number"], "answered")
    assert answer["reply_to"] == question["number"] and answer["sender_id"] == str(agent.pk)
    assert answer["conversation"] == sent.json()["conversation"] and answer["text"]
    more = api.post(where, {"text": "And behind that?", "conversation": answer["conversation"]})
    assert more.json()["conversation"] == answer["conversation"]
    page, seen = f"{where}?limit=1", []
    while page:
        told = api.get(page).json()
        seen += [message["number"] for message in told["results"]]
        page = told["next"]
    assert seen == [more.json()["number"], answer["number"], question["number"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"text": ""}, 400, "invalid"),
        ({"text": "x" * 4001}, 400, "invalid"),
        ({"text": "a\0b"}, 400, "invalid"),
        ({"text": 7}, 400, "invalid"),
        ({"text": "  "}, 422, "invalid_payload"),
        ({"text": "Hi", "conversation": "ours"}, 400, "invalid"),
        ({"text": "Hi", "conversation": "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e41"}, 404, None),
    ],
)
def test_what_cannot_be_said(api: Api, agent: Any, body: Any, status: int, code: str | None) -> None:
    problem(api.post(f"agents/{agent.pk}/messages", body), status, code)
    assert not Message.objects.exists()


def test_who_does_not_see_an_agent_hears_and_says_nothing(world: Any, agent: Any, stranger: Api) -> None:
    where = f"agents/{agent.pk}/messages"
    problem(stranger.get(where), 404, "not_found")
    problem(stranger.post(where, {"text": "Hello?"}), 404, "not_found")
    assert not Message.objects.exists()
    World.objects.filter(pk=world.pk).update(access="open")
    assert stranger.post(where, {"text": "Hello?"}).status_code == 201


def test_an_archived_agent_reads_nothing(api: Api, agent: Any) -> None:
    assert api.delete(f"agents/{agent.pk}").status_code == 204
    problem(api.post(f"agents/{agent.pk}/messages", {"text": "Hello?"}), 409, "wrong_state")
