"""How much a memory matters, and what changes that. The same in SQL: see the integration tests."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.upkeep.salience import salience

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


def of(importance: float = 0.8, days: float = 0, **fields: object) -> float:
    return salience(
        importance,
        now=NOW,
        half_life=MONTH,
        last_seen_at=NOW - timedelta(days=days),
        **fields,  # type: ignore[arg-type]
    )


def test_it_begins_at_the_importance_and_halves() -> None:
    assert of() == 0.8
    assert of(days=30) == pytest.approx(0.4)
    assert of(days=60) == pytest.approx(0.2)
    assert of(0.0) == 0.0


def test_being_stored_or_recalled_again_lets_it_last() -> None:
    assert of(days=60, seen_count=2) == pytest.approx(0.4)
    assert of(days=60, access_count=1) == pytest.approx(0.4)
    assert of(days=90, seen_count=2, access_count=2) == pytest.approx(0.4)
    assert of(days=60, last_accessed_at=NOW - timedelta(days=30)) == pytest.approx(0.4)
    assert of(days=30, last_accessed_at=NOW - timedelta(days=90)) == pytest.approx(0.4)


def test_a_clock_that_went_back_and_an_age_without_end() -> None:
    assert of(days=-5) == 0.8
    assert 0 <= of(days=300_000) < 1e-200


@given(st.floats(0, 1), st.floats(0, 10_000), st.floats(0, 10_000), st.integers(1, 10**6), st.integers(0, 10**6))
def test_it_never_grows_by_waiting_nor_falls_by_use(
    importance: float, days: float, more: float, seen: int, recalled: int
) -> None:
    now = of(importance, days, seen_count=seen, access_count=recalled)
    assert 0 <= now <= importance
    assert of(importance, days + more, seen_count=seen, access_count=recalled) <= now
    assert of(importance, days, seen_count=seen + 1, access_count=recalled) >= now
    assert of(importance, days, seen_count=seen, access_count=recalled + 1) >= now
