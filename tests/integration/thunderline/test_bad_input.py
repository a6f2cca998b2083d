"""What does not fit is refused by every page with the right status and a sentence, and changes nothing."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from domains.thundergate import keys, tokens
from tests.factories import beat, make_world, run_ticks, wake_domains
from tests.unchanged import unchanged
from zones.models import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]
BUTTONS = ("agent-say", "agent-force-tick", "agent-suspend", "agent-wake")
WORDS = {"text": "Hello", "voice": "own"}


@pytest.fixture(autouse=True)
def _alive(commits: None) -> None:
    wake_domains()
    beat()


@pytest.fixture
def agent() -> Any:
    world = make_world(agents=2)
    run_ticks(world, 1)
    return world.agents.order_by("ordinal").first()


def sentence(response: Any) -> str:
    """What a page says in words."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


@pytest.mark.parametrize(
    "path",
    [
        "/agents/7/", "/agents/not-an-id/say/", "/agents/{nobody}/", "/agents/{agent}x/", "/zones/{agent}/",
        "/worlds/%00/", "/agents/%FF/", "/agents/{agent}/ticks/?before=-1", "/agents/{agent}/ticks/?before=x",
        "/agents/{agent}/ticks/?before=99999999999999999999", "/agents/{agent}/messages/?before=%00",
        "/agents/{agent}/memories/{nobody}/", "/agents/{agent}/memories/{nobody}/graph/?depth=99",
    ],
)  # fmt: skip
def test_ids_and_numbers_that_there_are_not(as_operator: Client, agent: Any, path: str) -> None:
    with unchanged():
        response = as_operator.get(path.format(agent=agent.pk, nobody=uuid4()))
        assert response.status_code == 404
        assert len(sentence(response)) > 20


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({}, "say something"),
        ({"text": " \n "}, "say something"),
        ({"text": "x" * 4001}, "too many"),
        ({"text": "a\0b"}, "cannot be stored"),
        ({"text": "Hello", "voice": "god"}, "nothing was said"),
        ({"text": "Hello", "voice": "agent", "number": "-1"}, "Nothing waits"),
        ({"text": "Hello", "voice": "agent", "number": "9" * 30}, "Nothing waits"),
        ({"text": "Hello", "voice": "agent", "number": "7"}, ""),
    ],
)
def test_forms_that_do_not_fit(as_operator: Client, agent: Any, form: Any, told: str) -> None:
    with unchanged():
        response = as_operator.post(reverse("agent-say", args=[agent.pk]), {"voice": "own", **form})
        assert response.status_code == 409
        assert told in sentence(response) and len(sentence(response)) > 12


def test_a_form_that_is_too_large(as_operator: Client, agent: Any) -> None:
    as_operator.raise_request_exception = False
    with unchanged():
        form = {"text": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1), "voice": "own"}
        response = as_operator.post(reverse("agent-say", args=[agent.pk]), form, "application/x-www-form-urlencoded")
        assert response.status_code in (400, 413)


@pytest.mark.parametrize("button", BUTTONS)
def test_what_is_other_peoples(client: Client, member: Any, agent: Any, button: str) -> None:
    client.force_login(member)
    where = reverse(button, args=[agent.pk])
    with unchanged():
        response = client.post(where, WORDS)
        assert response.status_code == 404 and len(sentence(response)) > 20
    World.objects.filter(pk=agent.world_id).update(access="open")
    if button != "agent-say":  # whoever sees an agent may talk to it
        with unchanged():
            response = client.post(where, WORDS)
            assert response.status_code == 403 and "not change" in sentence(response)


def _no_session(client: Client, user: Any) -> None:
    """Nothing is shown."""


def _forged_session(client: Client, user: Any) -> None:
    client.cookies[settings.SESSION_COOKIE_NAME] = "x" * 32


def _expired_session(client: Client, user: Any) -> None:
    client.force_login(user)
    Session.objects.update(expire_date="2020-01-01T00:00Z")


def _session_of_before_signing_out(client: Client, user: Any) -> None:
    """Somebody kept the cookie, and shows it again."""
    client.force_login(user)
    kept = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post(reverse("logout"))
    client.cookies[settings.SESSION_COOKIE_NAME] = kept


def _disabled_account(client: Client, user: Any) -> None:
    client.force_login(user)
    type(user).objects.filter(pk=user.pk).update(is_active=False)


def _tokens_and_keys(client: Client, user: Any) -> None:
    """They are for programs: pages take sessions."""
    key = keys.issue(user, name="robot", scopes=["agents:write"], by="tests").secret
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    client.cookies[settings.SESSION_COOKIE_NAME] = tokens.issue(user, by="tests")


@pytest.mark.parametrize(
    "shows",
    [_no_session, _forged_session, _expired_session, _session_of_before_signing_out, _disabled_account,
     _tokens_and_keys],
)  # fmt: skip
def test_who_is_nobody_is_asked_to_sign_in(client: Client, operator: Any, agent: Any, shows: Any) -> None:
    shows(client, operator)
    with unchanged():
        for button in BUTTONS:
            response = client.post(reverse(button, args=[agent.pk]), WORDS)
            assert response.status_code == 302 and response["Location"].startswith("/login/")
        assert client.get(reverse("agent", args=[agent.pk])).status_code == 302


@pytest.mark.parametrize("shown", [{}, {"csrfmiddlewaretoken": "x" * 64}, {"csrfmiddlewaretoken": "a" * 32}])
def test_forms_of_other_peoples_pages(operator: Any, agent: Any, shown: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    browser.get(reverse("agent", args=[agent.pk]))  # it has the cookie, which goes along with whatever page asks
    with unchanged():
        for button in BUTTONS:
            response = browser.post(reverse(button, args=[agent.pk]), {**WORDS, **shown})
            assert response.status_code == 403 and len(sentence(response)) > 20
