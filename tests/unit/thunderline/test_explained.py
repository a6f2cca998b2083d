import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall.fuse import Weights
from thunderline.views.explained import REASONS, TOLD, explain, favour

PARTS = st.dictionaries(st.sampled_from([*REASONS, "another_one"]), st.floats(-2, 2).filter(bool))


def test_every_part_of_a_score_has_words() -> None:
    assert set(Weights.__dataclass_fields__) == set(REASONS)


def test_reasons_come_by_their_effect_and_lie_side_by_side() -> None:
    why = explain({"recency": 0.01, "words": 1.0, "asks": -0.1, "speaker": 0.5}, best=2.0)
    assert [reason.part for reason in why.reasons] == ["words", "speaker", "asks", "recency"]
    assert [(bar.part, bar.x, bar.width) for bar in why.bars] == [
        ("words", 0, 50), ("speaker", 50, 25), ("recency", 75, 0.5),
    ]  # fmt: skip
    assert [reason.text for reason in why.told] == ["says the same words", "by the person asked about"]
    assert why.score == pytest.approx(1.41)


def test_a_part_without_words_is_told_by_its_name() -> None:
    assert explain({"another_one": 1.0}, 1.0).told[0].text == "another one"


def test_what_speaks_against_a_memory_has_other_words_and_no_bar() -> None:
    why = explain({"meaning": -0.2, "asks": -0.1}, 1.0)
    assert [reason.text for reason in why.told] == ["means something else", "only asks itself"]
    assert why.bars == []


def test_nothing_is_explained_by_nothing() -> None:
    why = explain({}, 1.0)
    assert (why.score, why.reasons, why.bars, why.told) == (0, [], [], [])


@given(PARTS)
def test_bars_fit_and_reasons_add_up(parts: dict[str, float]) -> None:
    why = explain(parts, max(1.0, favour(parts)))
    assert sum(reason.value for reason in why.reasons) == pytest.approx(why.score)
    assert all(reason.x >= 0 and reason.x + reason.width <= 100.1 for reason in why.reasons)
    assert len(why.told) <= TOLD
