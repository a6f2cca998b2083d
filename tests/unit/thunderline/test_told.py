"""Events in a line, and the part of a tree that is shown; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domains.ids import new_id
from domains.thunderflow.queries import StoredEvent
from domains.thunderflow.trace import tree
from thunderline.views import told
from thunderline.views.events import around

ZONE = UUID("0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e11")


def event(topic: str = "system.told", cause: UUID | None = None, stream: str = "system", **payload: Any) -> StoredEvent:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return StoredEvent(1, 1, at, new_id(), None, cause, 1, 0, stream, topic, "tests", "here", payload)


@pytest.mark.parametrize(
    ("topic", "verb"),
    [
        (f"zone.{ZONE}.agent_ticked", "agent ticked"),
        ("system.domain_activated", "domain activated"),
        ("blackboard.weather.to_day", "weather.to_day"),
        (f"agent.{ZONE}", f"agent.{ZONE}"),
        ("status", "status"),
    ],
)
def test_a_topic_is_told_without_whose_it_is(topic: str, verb: str) -> None:
    assert told.verb(topic) == verb


def test_a_story_is_told_as_it_is_and_else_names_and_values() -> None:
    assert told.summary({"name": "Ada", "narrative": "Ada rests.", "mood": 0.5}) == "Ada rests."
    payload = {
        "name": "Ada", "what": "ways_changed", "agent_id": str(ZONE), "origin": str(ZONE), "session_count": 3,
        "share": 0.123456, "whole": True, "note": None, "changes": {"food": -1.5, "energy": 2}, "tags": ["a", "b"],
        "timestamp": "x", "text": "one\n two",
    }  # fmt: skip
    parts = ["Ada", "ways changed", "session count 3", "share 0.1235", "whole yes", "changes food -1.5, energy 2",
             "tags a, b", "text one two"]  # fmt: skip
    assert told.summary(payload) == " · ".join(parts)


def test_what_is_long_is_cut() -> None:
    assert len(told.summary({"text": "x" * 10_000})) == told.LONGEST


def test_what_happens_in_zones_has_words_of_its_own() -> None:
    other = str(new_id())
    came = event(f"zone.{ZONE}.agent_entered", stream=f"zone:{ZONE}", agent_id=other, name="Ada", origin=str(ZONE))
    odd = event(f"zone.{ZONE}.unheard_of", stream=f"zone:{ZONE}", count=3)
    rows = told.told([came, odd], {ZONE: "Harbour"})
    assert [row.text for row in rows] == ["Ada came from Harbour", "count 3"]
    assert told.zones_named([came]) == {ZONE}


def test_only_events_of_zones_stand_in_one() -> None:
    of_zone, *others = [event(stream=stream) for stream in (f"zone:{ZONE}", "zone:x", f"world:{ZONE}", "system")]
    rows = told.told([of_zone, *others], {ZONE: "Harbour"})
    assert [(row.zone_id, row.zone) for row in rows] == [(ZONE, "Harbour"), *[(None, "")] * 3]
    assert told.told([of_zone], {})[0].zone == ""


def test_of_a_large_tree_what_led_to_an_event_and_what_it_led_to_are_shown_first() -> None:
    root = event()
    before = [event(cause=root.id) for _ in range(30)]
    middle = event(cause=before[-1].id)
    effects = [event(cause=middle.id) for _ in range(5)]
    later = [event(cause=root.id) for _ in range(30)]
    steps = tree([root, *before, middle, *effects, *later])
    shown = [step.event.id for step in around(steps, middle.id, most=10)]
    assert len(shown) == 10
    assert {root.id, before[-1].id, middle.id, *(one.id for one in effects)} <= set(shown)
    assert shown == [step.event.id for step in steps if step.event.id in shown]
    assert around(steps, middle.id, most=100) == steps
    assert len(around(steps, new_id(), most=10)) == 10
