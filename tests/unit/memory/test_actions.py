import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.actions import worth_keeping


@pytest.mark.parametrize(
    ("importance", "valence", "kept"),
    [
        (0.3, 0.0, True),
        (0.2999999, 0.0, False),
        (0.0, 0.4, True),
        (0.0, -0.4, True),
        (0.0, 0.3999999, False),
        (0.0, -0.3999999, False),
        (0.0, 0.0, False),
        (0.2999999, -0.3999999, False),
        (1.0, 1.0, True),
    ],
)
def test_a_memory_is_formed_from_what_matters_or_is_felt(importance: float, valence: float, kept: bool) -> None:
    assert worth_keeping(importance, valence) is kept


@given(st.floats(0, 1), st.floats(-1, 1))
def test_gladness_and_sorrow_weigh_alike(importance: float, valence: float) -> None:
    assert worth_keeping(importance, valence) == worth_keeping(importance, -valence)
