"""Events of zones in words, and what charts draw of logs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.queries import Changed
from domains.thunderflow.queries import StoredEvent
from thunderline.views import charted, happened

NOW = datetime(2026, 5, 31, 12, 20, 30, tzinfo=UTC)
MARA, PIER = UUID(int=1), UUID(int=2)


def event(verb: str, actor: str = "", **payload: Any) -> StoredEvent:
    return StoredEvent(
        position=9, seq=4, at=NOW, id=UUID(int=3), correlation_id=None, causation_id=None, event_version=1, priority=0,
        stream=f"zone:{PIER}", topic=f"zone.{PIER}.{verb}", actor=actor, node="n", payload=payload,
    )  # fmt: skip


MARAS = {"agent_id": str(MARA), "name": "Mara"}


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (event("agent_entered", **MARAS, origin=str(PIER)), "came from Pier"),
        (event("agent_entered", **MARAS, origin=str(MARA)), "came from elsewhere"),
        (event("agent_left", **MARAS, destination=None), "was archived"),
        (event("agent_left", **MARAS, destination=str(PIER)), "went to Pier"),
        (event("changed", **MARAS, what="lifecycle", was="active", now="suspended", reason="noise"),
         "is suspended now, was active (noise)"),
        (event("changed", name="Pier", what="created", changes={}), "The zone came into being"),
        (event("changed", name="Pier", what="ways_changed", changes={"to": "Mill", "permeability": 0.5}),
         "The way to Mill is 50% open"),
        (event("broadcast", agent_id=None, name="ada", event="bell", text="Ding."), "ada made known: “Ding.”"),
        (event("environment_tick", narrative="Fog came in."), "Fog came in."),
        (event("resource_changed", changes={"food": -2.0}), "Stores changed: food −2.0"),
        (event("agent_left"), "was archived"),
        (event("resource_changed"), "resource changed"),  # of a version that nobody here knows
        (event("lantern_lit", text="at dusk"), "lantern lit: at dusk"),
    ],
)  # fmt: skip
def test_events_are_told_in_words(told: StoredEvent, text: str) -> None:
    line = happened.line(told, {str(PIER): "Pier"})
    assert line.text == text
    assert (line.name, line.agent_id) == (("Mara", MARA) if "agent_id" in told.payload and text[0].islower()
                                          and told.payload["agent_id"] else ("", None))  # fmt: skip


def test_who_did_it_is_named_when_it_was_a_person() -> None:
    assert happened.line(event("changed", "user:ada", **MARAS, what="edited"), {}).by == "ada"
    assert happened.line(event("changed", "system", **MARAS, what="edited"), {}).by == ""


@given(st.lists(st.integers(-60, 60), max_size=20))
def test_values_are_reckoned_back_and_stay_within_their_range(steps: list[int]) -> None:
    changes = [Changed(NOW - timedelta(seconds=i), 50 - i, {"energy": float(step)}) for i, step in enumerate(steps)]
    told = charted.values({"energy": 50.0, "mood": 0.1}, changes)
    assert told["ticks"] == sorted(told["ticks"]) and told["at"] == sorted(told["at"])
    assert all(0 <= value <= 100 for value in told["values"]["energy"])
    assert [values[-1:] for values in told["values"].values()] == ([[50.0], [0.1]] if steps else [[], []])


def test_minutes_without_events_are_none_and_the_one_under_way_is_left_out() -> None:
    minute = NOW.replace(second=0)
    told = {minute - timedelta(minutes=3): {"agent_ticked": 7, "changed": 2}, minute: {"agent_ticked": 9}}
    found = charted.per_minute(told, now=NOW, minutes=5, most=1000)
    assert found["values"] == {"ticks": [0, 0, 7, 0, 0], "other": [0, 0, 2, 0, 0]}
    cut = charted.per_minute(told, now=NOW, minutes=5, most=18)
    assert cut["values"]["ticks"] == [0, 0]  # what lies before the latest so many events is not known
