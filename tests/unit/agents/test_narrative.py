"""Stories: every slot filled, braces of people left alone, varied, the same each time."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import behaviours, narrative
from agents.behaviours import all_behaviours
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance
from tests.unit.agents.making import Happening, agent, facts, way, zone


def tell(of: Facts, outcome: Outcome, slots: dict[str, str]) -> str:
    return narrative.tell(of, outcome, slots, Chance(of.seed, of.me.ordinal, of.me.tick_number, "narrative"))


HOSTILE = ["{zone}", "{name}", "%s", "%(name)s", 'O\'Brien "the" \\1', "🦊🔥", "x" * 100, "{}", "{0}", "<b>Mara</b>"]
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=100)


@given(st.dictionaries(st.sampled_from(["name", "zone", "other"]), PRINTABLE))
def test_slots_are_put_in_once_and_never_looked_into(slots: dict[str, str]) -> None:
    """Whatever a name looks like, it comes out as it went in."""
    template = "{name} met {other} in {zone}. {unknown}"
    filled = narrative.fill(template, slots)
    assert filled.startswith(slots.get("name", "{name}") + " met " + slots.get("other", "{other}"))
    assert filled.endswith("{unknown}")


def outcomes(name: str, place_name: str, other: str) -> list[tuple[Any, Outcome]]:
    """What each behaviour comes to for an agent who can do all of them, over some seeds."""
    done = []
    for behaviour in all_behaviours():
        if behaviour.name == "use_tool":
            continue
        for seed in range(12):
            me = agent(
                name=name, energy=60, goals=[{"name": "find {zone}", "progress": 0.995 if seed % 3 else 0.1}],
                memories=[[3, "Saw {name} in {zone}.", 0.5, 0.1]] if seed % 2 else [],
            )  # fmt: skip
            place = zone(name=place_name, ways=[way("Mill %s {x}")], happenings=[Happening(9, "glitch", "x", 0.4)])
            of = facts(me, place, near=(other,), seed=seed)
            chance = Chance(seed, 0, 5, "act")
            arguments = behaviour.arguments(of, chance)
            done.append((of, behaviour.act(of, Decision(behaviour.name, arguments), chance)))
    return done


SLOT = re.compile(r"\{(\w+)\}")


def test_every_template_finds_its_slots() -> None:
    """No story and no impression of a shipped behaviour names a slot that its outcome does not fill."""
    for of, outcome in outcomes("Mara", "Harbour", "Ben"):
        slots = {"name", "zone", *outcome.slots}
        for template in (*outcome.stories, outcome.impression):
            assert set(SLOT.findall(template)) <= slots, template
        assert outcome.stories
        assert of.zone.name == "Harbour"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_come_out_as_they_are(name: str) -> None:
    for of, outcome in outcomes(name, "Harbour", "Ben"):
        slots = {"name": of.me.name, "zone": of.zone.name, **outcome.slots}
        for template in outcome.stories:
            told = narrative.fill(template, slots)
            assert name in told or "{name}" not in template
        assert "{other}" not in narrative.fill(outcome.impression, slots)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_remembered_of_a_talk_has_the_right_names(name: str) -> None:
    """Once the names were put in first and filled as if they were templates: {zone} became the harbour."""
    talks = [pair for pair in outcomes(name, "Harbour", "Ben") if pair[1].activity == "talking with Ben"]
    assert talks
    for of, outcome in talks:
        slots = {"name": of.me.name, "zone": of.zone.name, **outcome.slots}
        said = narrative.fill(outcome.impression, slots)
        assert said.startswith(f"{name} talked with Ben") or said.startswith(f"{name} quarrelled with Ben")
        assert of.zone.fresh[-1].text == said


def test_a_story_is_the_same_each_time_and_begins_with_a_capital() -> None:
    behaviour = behaviours.get("rest")
    assert behaviour
    of = facts(agent(name="mara", energy=10))
    outcome = behaviour.act(of, Decision("rest"), Chance(1, 1, 1, "act"))
    told = {tell(of, outcome, {"name": "mara", "zone": "Harbour"}) for _ in range(5)}
    assert len(told) == 1
    assert told.pop()[0].isupper()


@pytest.mark.parametrize(
    ("me", "place", "colours"),
    [
        ({"energy": 10}, {}, narrative._WORN),
        ({}, {"entropy": 0.7}, narrative._ODD),
        ({"mood": 0.5}, {}, narrative._HIGH),
        ({"mood": -0.5}, {}, narrative._LOW),
    ],
)
def test_now_and_then_it_tells_how_it_felt(me: dict[str, Any], place: dict[str, Any], colours: tuple[str, ...]) -> None:
    outcome = Outcome(("{name} sat.",), "Sat.")
    told = [tell(facts(agent(**me), zone(**place), seed=s), outcome, {"name": "Mara"}) for s in range(200)]
    coloured = [text for text in told if text != "Mara sat."]
    assert 20 < len(coloured) < 100
    assert {text.removeprefix("Mara sat. ") for text in coloured} == set(colours)


def test_an_even_mood_adds_nothing() -> None:
    outcome = Outcome(("{name} sat.",), "Sat.")
    assert {tell(facts(seed=s), outcome, {"name": "Mara"}) for s in range(50)} == {"Mara sat."}
