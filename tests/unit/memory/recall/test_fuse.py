import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import fuse

PART = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(np.array)


@given(st.dictionaries(st.sampled_from(["words", "meaning", "asks", "graph"]), PART, min_size=1))
def test_the_parts_add_up_to_the_score(parts: dict[str, np.ndarray]) -> None:
    shares = fuse.fuse(parts, fuse.Weights())
    for place, score in enumerate(fuse.total(shares)):
        told = fuse.explain(shares, place)
        assert sum(told.values()) == pytest.approx(score, abs=1e-9)
        assert all(told.values())
        assert [abs(share) for share in told.values()] == sorted(map(abs, told.values()), reverse=True)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(KeyError, match="luck"):
        fuse.fuse({"luck": np.ones(1)}, fuse.Weights())
