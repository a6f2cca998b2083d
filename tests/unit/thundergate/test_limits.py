"""The arithmetic of limits: never more than a minute's worth at once, never more than the rate in the long run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.thundergate.limits.rates import MINUTE_S, SECOND_S, Rate, weigh

gaps = st.lists(st.floats(0, 30), min_size=1, max_size=300)


@given(gaps, st.integers(1, 500))
def test_the_rate_holds_over_any_stretch(gaps: list[float], most: int) -> None:
    of, now, rest_at, allowed = Rate("default", most), 0.0, 0.0, []
    for gap in gaps:
        now += gap
        rest_at, verdict = weigh(rest_at, now, of)
        if verdict.allowed:
            allowed.append(now)
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            stretch = allowed[last] - allowed[first]
            assert last - first + 1 <= most + stretch / of.interval_s + 1.01


@given(gaps, st.floats(0.5, 200), st.integers(1, 300))
def test_a_burst_comes_at_once_and_then_the_rate(gaps: list[float], most: float, burst: int) -> None:
    of, now, rest_at, allowed = Rate("message", most, SECOND_S, burst), 0.0, 0.0, []
    for gap in gaps:
        now += gap / most
        rest_at, verdict = weigh(rest_at, now, of)
        if verdict.allowed:
            allowed.append(now)
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= burst + (allowed[last] - allowed[first]) * most + 1.01


@given(st.integers(1, 1000))
def test_exactly_a_minutes_worth_comes_at_once(most: int) -> None:
    of, rest_at = Rate("default", most), 0.0
    for left in range(most - 1, -1, -1):
        rest_at, verdict = weigh(rest_at, 1000.0, of)
        assert verdict.allowed and verdict.remaining == left
    assert not weigh(rest_at, 1000.0, of)[1].allowed


@given(gaps, st.integers(1, 500))
def test_who_waits_as_told_is_let_in(gaps: list[float], most: int) -> None:
    of, now, rest_at = Rate("default", most), 0.0, 0.0
    for gap in gaps:
        now += gap / most
        rest_at, verdict = weigh(rest_at, now, of)
        if not verdict.allowed:
            assert 0 < verdict.retry_after_s <= of.interval_s + 0.01
            assert weigh(rest_at, now + verdict.retry_after_s, of)[1].allowed


def test_a_refusal_costs_nothing() -> None:
    of = Rate("heavy", 10)
    rest_at = 60.0
    assert weigh(rest_at, 0.0, of)[0] == rest_at


def test_a_clock_set_back_locks_nobody_out_for_longer_than_a_minute() -> None:
    verdict = weigh(1e9, 0.0, Rate("heavy", 10))[1]
    assert not verdict.allowed and verdict.retry_after_s <= MINUTE_S


@pytest.mark.parametrize(
    ("used", "found"),
    [
        (1, {"RateLimit-Policy": "10;w=60", "RateLimit-Limit": "10", "RateLimit-Remaining": "9",
             "RateLimit-Reset": "6"}),
        (11, {"RateLimit-Policy": "10;w=60", "RateLimit-Limit": "10", "RateLimit-Remaining": "0",
              "RateLimit-Reset": "60", "Retry-After": "6"}),
    ],
)  # fmt: skip
def test_headers(used: int, found: dict[str, str]) -> None:
    of, rest_at = Rate("heavy", 10), 0.0
    for _ in range(used):
        rest_at, verdict = weigh(rest_at, 0.0, of)
    assert verdict.headers() == found
