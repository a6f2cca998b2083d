"""Faces follow from character and name, and from nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from thunderline.views.portrait import WORDS, portrait

TRAITS = st.fixed_dictionaries({trait: st.floats(0, 1) for trait in WORDS})


@given(TRAITS, st.text(min_size=1, max_size=100))
def test_the_same_character_and_name_have_the_same_face(traits: dict[str, float], name: str) -> None:
    face = portrait(traits, name)
    assert face == portrait(traits, name)
    assert 0 <= face.cheek <= 1 and 0 < face.eye < 6 and 0 <= face.paper < 360
    assert face.left < 50 < face.right


def test_traits_show() -> None:
    even = dict.fromkeys(WORDS, 0.5)
    plain = portrait(even, "Mara")
    assert plain.words == "even-tempered"
    for trait in WORDS:
        other = portrait({**even, trait: 1.0}, "Mara")
        assert other != plain and other.words == WORDS[trait][1]
        assert (other.skin, other.paper) == (plain.skin, plain.paper)
