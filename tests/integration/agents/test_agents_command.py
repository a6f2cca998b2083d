"""`manage.py agents` from outside."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from tests.integration.agents.living import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def zone() -> Any:
    _, [zone] = make_world({"name": "Quay", "capacity": 3}, name="Harbour")
    return zone


def agents(*arguments: str) -> str:
    out = StringIO()
    call_command("agents", *arguments, stdout=out)
    return out.getvalue()


def create(name: str = "Ada", *options: str) -> dict[str, Any]:
    return json.loads(agents("create", name, "--world", "Harbour", "--zone", "Quay", "--json", *options))


def test_create_makes_an_active_agent_with_what_was_said() -> None:
    made = create("Ada", "--goal", "see the sea", "--set", "openness=0.9", "--set", "energy=40", "--tick-interval", "5")
    assert (made["lifecycle"], made["zone"], made["tick_interval"]) == ("active", "Quay", 5)
    assert (made["traits"]["openness"], made["stats"]["energy"]) == (0.9, 40)
    assert made["state"]["goals"] == [{"name": "see the sea", "progress": 0.0}]
    assert Agent.objects.get().name == "Ada"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "opennes=1"), r"did you mean openness\?"),
        (("--set", "openness=2"), r"traits.openness: must be less than or equal to 1 \(it is '2'\)"),
        (("--set", "energy"), r"stats.energy"),
        (("--reasoner", "ruls"), r"there is no reasoner of kind 'ruls'; did you mean rules\?"),
        (("--tick-interval", "0"), r"tick_interval: must be greater than or equal to 1"),
        (("--zone", "Quai"), r"there is no zone 'Quai' in Harbour; did you mean Quay\?"),
        (("--world", "Moon"), r"there is no world called 'Moon'"),
    ],
)
def test_a_wrong_value_is_named(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        create("Ada", *options)
    assert not Agent.objects.exists()


def test_a_name_is_taken_once_and_a_zone_fills_up() -> None:
    create()
    with pytest.raises(CommandError, match="Ada is taken"):
        create()
    create("Bo")
    create("Cy")
    with pytest.raises(CommandError, match="place for 0 more"):
        create("Dee")


def test_tick_and_show() -> None:
    create("Ada", "--goal", "see the sea")
    assert [log["tick_number"] for log in json.loads(agents("tick", "Ada", "--times", "3", "--json"))] == [1, 2, 3]
    assert "Ada" in agents("tick", "Ada")
    shown = json.loads(agents("show", "Ada", "--latest", "2", "--json"))
    assert (shown["tick_number"], [log["tick_number"] for log in shown["ticks"]]) == (4, [4, 3])
    portrait = agents("show", "Ada", "--world", "Harbour")
    for word in ("Ada active, in Quay (Harbour)", "openness", "█", "see the sea", "mood", "latest ticks"):
        assert word in portrait
    assert agents("show", str(Agent.objects.get().pk)) == portrait
    with pytest.raises(CommandError, match="--times"):
        agents("tick", "Ada", "--times", "0")


def test_a_life_is_led_by_commands() -> None:
    create()
    create("Bo")
    assert "2 agents are suspended now." in agents("suspend", "Ada", "Bo", "--reason", "dinner")
    with pytest.raises(CommandError, match="only active agents tick"):
        agents("tick", "Ada")
    assert "Ada is active now." in agents("wake", "Ada")
    assert json.loads(agents("archive", "Ada", "Bo", "--json"))[0]["lifecycle"] == "archived"
    assert "Bo is dormant now." in agents("unarchive", "Bo")
    assert "Bo is active now." in agents("activate", "Bo")
    assert [a["name"] for a in json.loads(agents("list", "--lifecycle", "active", "--json"))] == ["Bo"]


def test_all_or_none_are_moved() -> None:
    create()
    create("Bo")
    agents("suspend", "Bo")
    with pytest.raises(CommandError, match="Bo is suspended"):
        agents("suspend", "Ada", "Bo")
    assert Agent.objects.get(name="Ada").lifecycle == "active"


def test_lists_are_cut_and_say_so() -> None:
    for name in ("Ada", "Bo", "Cy"):
        create(name)
    text = agents("list", "--world", "Harbour", "--zone", "Quay", "--limit", "2")
    assert "Ada" in text
    assert "Cy" not in text
    assert "1 more" in text
    assert json.loads(agents("list", "--zone", "Elsewhere", "--json")) == []


def test_unknown_and_ambiguous_names_say_what_to_do() -> None:
    create("Ada Brink")
    with pytest.raises(CommandError, match=r"did you mean Ada Brink\?"):
        agents("show", "Ada Brin")
    with pytest.raises(CommandError, match="there is no agent"):
        agents("show", "0198c0de-0000-7000-8000-000000000000")
    make_world({"name": "Quay"}, name="Other")
    call_command("agents", "create", "Ada Brink", "--world", "Other", "--zone", "Quay", stdout=StringIO())
    with pytest.raises(CommandError, match="name the world"):
        agents("show", "Ada Brink")
    assert json.loads(agents("show", "Ada Brink", "--world", "Other", "--json"))["world"] == "Other"
