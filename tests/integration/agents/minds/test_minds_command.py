"""`manage.py minds` and `manage.py reasoner --once`: what an operator does about models, from the shell."""

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.minds import endpoints
from agents.models import Endpoint, ModelCall, SpendingCap, Thought
from tests.factories import wake_domains
from tests.integration.agents.living import logs, make_world
from tests.integration.agents.minds.thinking import due, think, thinker
from tests.model_server import ModelServer, model_server
from tests.tables import commits

__all__ = ["commits"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


@pytest.fixture
def model() -> Iterator[ModelServer]:
    wake_domains()
    with model_server() as server:
        yield server


def minds(*words: str) -> str:
    out = io.StringIO()
    call_command("minds", *words, stdout=out)
    return out.getvalue()


def as_json(*words: str) -> Any:
    return json.loads(minds(*words, "--json"))


def test_from_an_address_to_a_bill(model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-from-the-environment")
    said = minds(
        "add", "local", "--url", model.base_url, "--model", "clever", "--key-env", "MY_KEY", "--max-tries", "2"
    )
    assert "local can be asked" in said
    assert "1.5 and 6 US dollars" in minds("price", "clever", "1.5", "6")
    _, (zone,) = make_world()
    mara = thinker(zone, model="local")
    due(zone.world)
    think()
    assert model.asked[0].headers["authorization"] == "Bearer sk-from-the-environment"
    usage = as_json("usage")
    assert [(row["name"], row["calls"], row["tokens"]) for row in usage["agent"]] == [("Mara", 1, 660)]
    assert Decimal(usage["endpoint"][0]["cost"]) == Decimal("0.00126")
    assert usage["world"][0]["name"] == "World"
    assert "Mara" in minds("usage", "--by", "agent")
    assert "by endpoint" not in minds("usage", "--by", "agent")
    (call,) = as_json("calls", "--agent", "Mara")
    assert (call["status"], call["agent"]) == ("answered", "Mara")
    assert "answered" in minds("calls")
    status = as_json("status")
    assert status["endpoints"][0]["price"] == "1.5 / 6"
    assert "sk-from" not in minds("status") + json.dumps(status)
    assert logs(mara)[0].error is None


def test_caps_are_set_and_taken_away(model: ModelServer) -> None:
    minds("add", "local", "--url", model.base_url, "--model", "clever")
    make_world()
    assert "each agent: at most 0.5 US dollars a day" in minds("cap", "agent", "0.5")
    minds("cap", "world", "100", "--name", "World", "--of", "calls", "--per", "hour")
    minds("cap", "endpoint", "9", "--name", "local", "--of", "tokens")
    minds("cap", "endpoint", "10", "--name", "local", "--of", "tokens")
    assert sorted(str(cap.most.normalize()) for cap in SpendingCap.objects.all()) == ["0.5", "1E+1", "1E+2"]
    assert "no such cap any more" in minds("cap", "agent", "none")
    assert SpendingCap.objects.count() == 2


def test_the_switch(model: ModelServer) -> None:
    minds("stop", "--reason", "too dear")
    assert "too dear" in minds("status")
    assert "too dear" in endpoints.read().stopped
    minds("start")
    assert not endpoints.read().stopped


def test_an_endpoint_is_forgotten(model: ModelServer) -> None:
    minds("add", "local", "--url", model.base_url, "--model", "clever")
    minds("remove", "local")
    assert not Endpoint.objects.exists()


WRONG = {
    ("add", "x", "--url", "ftp://host/v1", "--model", "m"): "does not look like",
    ("add", "x", "--url", "http://ada:pw@host/v1", "--model", "m"): "the key has its own place",
    ("add", "a,b", "--url", "http://host/v1", "--model", "m"): "endpoint_name_fits",
    ("add", "x", "--url", "http://host/v1", "--model", "m", "--key-env", "NO_SUCH_KEY"): "there is no NO_SUCH_KEY",
    ("remove", "nowhere"): "there is no endpoint 'nowhere'; there are: none yet",
    ("price", "m", "cheap", "1"): "no amount",
    ("cap", "agent", "1", "--name", "Nobody"): "there is no agent 'Nobody'",
    ("calls", "--agent", "Nobody"): "there is no agent 'Nobody'",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=WRONG[words]):
        minds(*words)
    assert not Endpoint.objects.exists()


def test_once_serves_who_is_due_and_ends(model: ModelServer) -> None:
    minds("add", "local", "--url", model.base_url, "--model", "clever")
    _, (zone,) = make_world()
    mara = thinker(zone)
    due(zone.world)
    call_command("reasoner", "--once")
    assert len(logs(mara)) == 1
    assert ModelCall.objects.get().status == "answered"
    assert not Thought.objects.exists()
