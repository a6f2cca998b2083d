"""How many lists an index should have, and the statement that builds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.across import index

LEAST = 50_000


@pytest.mark.parametrize(
    ("rows", "lists"), [(2_000, 8), (50_000, 100), (1_000_000, 2000), (2_000_000, 2828), (4_000_000, 4000)]
)
def test_five_hundred_rows_a_list_up_to_a_million_then_twice_the_square_root(rows: int, lists: int) -> None:
    assert index.lists_for(rows, dimensions=256, memory_mb=4096) == lists


@given(st.integers(0, 10**9), st.integers(1, 4000), st.integers(128, 4096))
def test_the_build_stays_within_its_memory(rows: int, dimensions: int, memory_mb: int) -> None:
    lists = index.lists_for(rows, dimensions=dimensions, memory_mb=memory_mb)
    assert 8 <= lists <= max(8, rows // 500)
    floats = 50 * lists * lists  # the greatest part: a bound for each sample and list
    assert lists == 8 or 4 * floats < memory_mb << 20


@pytest.mark.parametrize(
    ("rows", "lists", "wanted"),
    [
        (0, None, 0),
        (49_999, None, 0),
        (50_000, None, 100),
        (49_999, 100, 100),  # one that is there stays a while
        (25_000, 100, 100),
        (24_999, 100, 0),
        (99_999, 100, 100),
        (100_000, 100, 200),
        (200_000, 1000, 1000),
        (125_000, 1000, 250),
        (500_000, 100, 1000),
    ],
)
def test_it_is_built_anew_when_rows_have_doubled_or_are_a_quarter(rows: int, lists: int | None, wanted: int) -> None:
    fitting = index.lists_for(rows, dimensions=256, memory_mb=512)
    assert index.lists_wanted(rows, lists, least=LEAST, fitting=fitting) == wanted


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_it_comes_to_rest(before: int, now: int) -> None:
    """What was just built is not built again."""
    fitting = index.lists_for(now, dimensions=256, memory_mb=512)
    lists = index.lists_for(before, dimensions=256, memory_mb=512) if before >= LEAST else None
    wanted = index.lists_wanted(now, lists, least=LEAST, fitting=fitting)
    assert index.lists_wanted(now, wanted or None, least=LEAST, fitting=fitting) == wanted


def test_names_tell_embedders_apart() -> None:
    one, other = index.stem("openai:m/512"), index.stem("openai:m/256")
    assert one != other
    assert index.free_name("openai:m/512", []) == f"{one}1"
    assert index.free_name("openai:m/512", [f"{one}1", f"{other}2"]) == f"{one}2"
    assert index.free_name("openai:m/512", [f"{one}2"]) == f"{one}1"
    assert len(index.free_name("x" * 160, [])) < 63


def test_beginnings_are_indexed_and_what_is_shorter_whole() -> None:
    assert index.beginning("v", 1536) == "subvector(v, 1, 128)::halfvec(128)"
    assert index.beginning("v", 64) == "subvector(v, 1, 64)::halfvec(64)"
    assert index.lists_for(10**6, dimensions=8000, memory_mb=1024) == index.lists_for(
        10**6, dimensions=128, memory_mb=1024
    )


def test_a_model_may_have_any_name() -> None:
    assert "WHERE embedder = 'openai:it''s; \"x\"/8'" in index.statement(
        "n", 'openai:it\'s; "x"/8', dimensions=8, lists=8
    )
