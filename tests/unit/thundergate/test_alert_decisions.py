"""What follows from samples and events: pure, so that every case is tried without a clock or a table."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.thundergate.alerts.decide import MOST_KEYS, Intents, Open, Rule, decide
from domains.thundergate.alerts.sources import Sample

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ID = UUID(int=1)


def rule(**fields: Any) -> Rule:
    usual: dict[str, Any] = {
        "kind": "metric", "metric": "lag", "labels": {}, "comparison": "above", "threshold": 10.0, "count": 1,
        "seconds": 0,
    }  # fmt: skip
    return Rule(ID, **{**usual, **fields})


def sample(value: float, **labels: str) -> Sample:
    return Sample("lag", labels, value)


def opened(key: str = "", *, firing: bool = True, ago: float = 0, pk: int = 7) -> Open:
    return Open(pk, ID, key, firing, NOW - timedelta(seconds=ago))


def test_what_is_not_so_is_nothing() -> None:
    assert decide([rule()], [sample(10.0)], [], now=NOW) == Intents()


@pytest.mark.parametrize(("comparison", "value", "holds"), [("above", 11, True), ("above", 10, False),
                                                            ("below", 9, True), ("below", 10, False)])  # fmt: skip
def test_comparisons(comparison: str, value: float, holds: bool) -> None:
    assert bool(decide([rule(comparison=comparison)], [sample(value)], [], now=NOW).begun) == holds


def test_each_set_of_labels_is_an_alert_of_its_own() -> None:
    found = decide([rule()], [sample(11, a="x"), sample(12, a="y"), sample(1, a="z")], [], now=NOW)
    assert [(key, at_once) for _, key, at_once, _ in found.begun] == [("a=x", True), ("a=y", True)]


def test_labels_choose() -> None:
    found = decide([rule(labels={"a": "x"})], [sample(11, a="x", b="1"), sample(11, a="y")], [], now=NOW)
    assert [key for _, key, _, _ in found.begun] == ["a=x,b=1"]


def test_it_has_to_be_so_for_long_enough() -> None:
    one = rule(seconds=60)
    assert [at_once for _, _, at_once, _ in decide([one], [sample(11)], [], now=NOW).begun] == [False]
    assert decide([one], [sample(11)], [opened(firing=False, ago=59)], now=NOW) == Intents()
    assert [pk for pk, _ in decide([one], [sample(11)], [opened(firing=False, ago=60)], now=NOW).fire] == [7]
    assert decide([one], [sample(1)], [opened(firing=False, ago=59)], now=NOW).drop == [7]


def test_what_is_so_no_more_is_over() -> None:
    assert decide([rule()], [sample(1)], [opened()], now=NOW).resolve == [7]
    assert decide([rule()], [], [opened()], now=NOW).resolve == [7], "nor when nobody tells of it"
    assert decide([], [sample(11)], [opened()], now=NOW).resolve == [7], "nor when its rule is off"


def test_what_goes_on_is_told_once() -> None:
    found = decide([rule()], [sample(12)], [opened()], now=NOW)
    assert found.note == [(7, {"value": 12.0, "labels": {}})]
    assert not found.begun and not found.fire and not found.resolve


def test_missing() -> None:
    one = rule(comparison="missing")
    assert [details for _, _, _, details in decide([one], [], [], now=NOW).begun] == [{"missing": "lag"}]
    assert decide([one], [sample(0)], [], now=NOW) == Intents()


def test_events_within_a_window() -> None:
    hits = [NOW - timedelta(seconds=ago) for ago in (61, 30, 10)]
    assert decide([rule(kind="event", count=3, seconds=60, hits=hits)], [], [], now=NOW) == Intents()
    found = decide([rule(kind="event", count=2, seconds=60, hits=hits)], [], [], now=NOW)
    assert [(key, at_once, details["events"]) for _, key, at_once, details in found.begun] == [("", True, 2)]


def test_numbers_that_are_none() -> None:
    assert decide([rule()], [sample(float("nan"))], [], now=NOW) == Intents()
    assert decide([rule()], [sample(float("inf"))], [], now=NOW).begun[0][3]["value"] == "inf"


def test_a_rule_that_holds_everywhere_is_bounded() -> None:
    found = decide([rule()], [sample(11, a=f"{n:04}") for n in range(1000)], [], now=NOW)
    assert len(found.begun) == MOST_KEYS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(allow_nan=False)), max_size=20),
       st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), unique_by=lambda pair: pair[0]))  # fmt: skip
def test_each_open_alert_has_one_fate_and_none_begins_twice(
    values: list[tuple[str, float]], there: list[tuple[str, bool]]
) -> None:
    known = [opened(f"a={key}", firing=firing, pk=n) for n, (key, firing) in enumerate(there)]
    found = decide([rule()], [sample(value, a=key) for key, value in values], known, now=NOW)
    fates = [*found.resolve, *found.drop, *(pk for pk, _ in [*found.fire, *found.note])]
    assert sorted(fates) == list(range(len(known)))
    begun = [key for _, key, _, _ in found.begun]
    assert len(begun) == len(set(begun)) and not {one.key for one in known} & set(begun)
