"""Which node is chosen: by weights, and by nothing else but the draw."""

from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domains.thunderlink.nodes import LiveNode
from zones.assignment import choose, weight

NOW = datetime(2026, 1, 1, tzinfo=UTC)
sessions = st.integers(0, 1200)


def nodes_with(counts: list[int]) -> list[LiveNode]:
    return [LiveNode(UUID(int=i), "host", f"ws://host:{i}", i, NOW, NOW, 0.0, 0.0, n) for i, n in enumerate(counts)]


class Drawing(Random):
    """Draws what it is told to."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def random(self) -> float:
        return self.share


@given(sessions, sessions)
def test_more_sessions_never_weigh_more(one: int, other: int) -> None:
    assert weight(min(one, other)) >= weight(max(one, other)) >= 1


@given(sessions)
def test_the_three_weights(n: int) -> None:
    assert weight(n) == (500 if n < 300 else 50 if n < 600 else 1)


@given(st.lists(sessions, min_size=1, max_size=20), st.floats(0, 1, exclude_max=True))
def test_each_node_is_drawn_by_its_share_of_all_weights(counts: list[int], share: float) -> None:
    live = nodes_with(counts)
    (chosen,) = choose(live, 1, Drawing(share))
    weights = [weight(n) for n in counts]
    below = sum(weights[: chosen.pid])
    assert below <= share * sum(weights) <= below + weights[chosen.pid]


@given(st.lists(sessions, min_size=1, max_size=5), st.integers(0, 50), st.integers())
def test_the_same_draws_choose_the_same_nodes(counts: list[int], count: int, seed: int) -> None:
    live = nodes_with(counts)
    chosen = choose(live, count, Random(seed))
    assert len(chosen) == count
    assert set(chosen) <= set(live)
    assert chosen == choose(live, count, Random(seed))


def test_many_zones_go_where_there_is_room() -> None:
    live = nodes_with([10, 400, 900])
    chosen: list[Any] = choose(live, 55_100, Random(7))
    counts = [chosen.count(node) for node in live]
    assert 49_000 < counts[0] < 51_000
    assert 4_700 < counts[1] < 5_300
    assert 60 < counts[2] < 150
