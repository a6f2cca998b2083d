"""Who is meant by a name."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.graph.directory import Directory, Entity, known_names, lookups
from memory.graph.names import PERSON, PLACE, THING, Name


def directory(*entities: tuple[str, str], known: dict[str, str] | None = None) -> Directory:
    """Entities by one name and kind each."""
    rows = {name.casefold(): Entity(uuid4(), name, kind) for name, kind in entities}
    return Directory(rows, known_names(known or {}))


def test_a_new_name_makes_an_entity_and_the_same_one_finds_it() -> None:
    names = directory()
    first = names.meant(Name("Ann", PERSON))
    assert first is not None
    assert (first.name, first.kind, first.fresh) == ("Ann", PERSON, True)
    assert names.meant(Name("ANN")) is first
    assert names.new_aliases == {"ann": first}


def test_the_first_word_of_a_sentence_counts_only_for_who_is_known() -> None:
    names = directory(("Ann", PERSON), known={"Harbour": PLACE})
    assert names.meant(Name("Bread", sure=False)) is None
    assert names.meant(Name("Ann", sure=False)) is names.entities["ann"]
    harbour = names.meant(Name("Harbour", sure=False))
    assert harbour is not None
    assert (harbour.kind, harbour.fresh) == (PLACE, True)


def test_a_part_of_one_persons_name_means_that_person() -> None:
    names = directory(("Ann Smith", PERSON))
    assert names.meant(Name("Ann")) is names.entities["ann smith"]
    assert names.new_aliases == {"ann": names.entities["ann smith"]}


def test_a_part_of_two_persons_names_means_somebody_else() -> None:
    names = directory(("Ann Smith", PERSON), ("Ann Jones", PERSON))
    ann = names.meant(Name("Ann"))
    assert ann is not None
    assert ann.fresh


def test_a_part_of_a_places_name_means_nothing_of_it() -> None:
    golden = directory(("Golden Gate", PLACE)).meant(Name("Golden"))
    assert golden is not None
    assert golden.fresh


def test_a_longer_name_means_the_person_that_was_known_by_the_first() -> None:
    names = directory(("Ann", PERSON))
    ann = names.meant(Name("Ann Smith", PERSON))
    assert ann is names.entities["ann"]
    assert (ann.name, ann.changed) == ("Ann Smith", True)
    other = names.meant(Name("Ann Jones", PERSON))
    assert other is not ann


def test_a_nickname_means_the_one_person_whose_name_begins_so() -> None:
    names = directory(("Melanie", PERSON), ("Caroline", PERSON))
    assert names.meant(Name("Mel")) is names.entities["melanie"]
    me = names.meant(Name("Me"))
    assert me is not None
    assert me.fresh, "two letters are too few"


def test_two_who_speak_are_two() -> None:
    names = directory(("Samantha", PERSON))
    sam = names.meant(Name("Sam", PERSON))
    assert sam is not None
    assert sam.fresh


def test_of_whom_only_a_nickname_was_known_gets_the_full_name() -> None:
    names = directory(("Mel", THING))
    melanie = names.meant(Name("Melanie", PERSON))
    assert melanie is names.entities["mel"]
    assert (melanie.name, melanie.kind, melanie.changed) == ("Melanie", PERSON, True)


def test_kinds_become_more_certain_and_never_less() -> None:
    names = directory(("Ann", THING), ("Bo", PERSON), known={"Bo": PLACE})
    ann = names.meant(Name("Ann", PERSON))
    assert ann is not None
    assert (ann.kind, ann.changed) == (PERSON, True)
    assert names.meant(Name("Ann", PLACE)) is ann
    assert ann.kind == PERSON
    assert names.entities["bo"].kind == PERSON


def test_a_text_names_each_once_and_no_parts() -> None:
    names = directory(("Ann Smith", PERSON))
    found = names.all_meant([Name("Ann Smith", sure=False), Name("Smith"), Name("Bo"), Name("BO")])
    assert [entity.name for entity in found] == ["Ann Smith", "Bo"]


def test_what_is_looked_up() -> None:
    asked = dict(lookups([Name("Ann Smith"), Name("Bread", sure=False), Name("Melanie", PERSON)]))
    assert asked == {
        "ann smith": True, "ann": True, "bread": False, "melanie": True,
        "mel": False, "mela": False, "melan": False, "melani": False,
    }  # fmt: skip


any_names = st.lists(
    st.builds(
        Name,
        st.text("abAB c", min_size=2, max_size=6).filter(lambda t: bool(Name(t).key)),
        st.sampled_from([PERSON, PLACE, THING]),
        st.booleans(),
    ),
    max_size=12,
)


@given(any_names)
def test_a_name_always_means_the_same_one(given_names: list[Name]) -> None:
    """Whatever came before, and however the entity grew meanwhile."""
    names = directory()
    meant: dict[str, UUID] = {}
    for name in given_names:
        entity = names.meant(name)
        if entity is None:
            assert not name.sure
            continue
        assert meant.setdefault(name.key, entity.id) == entity.id
    fresh = {entity.id for entity in names.new_aliases.values() if entity.fresh}
    assert fresh == {entity.id for entity in names.entities.values()}


@pytest.mark.parametrize("text", ["", "!!"])
def test_known_names_without_letters_are_none(text: str) -> None:
    assert known_names({text: PERSON, "Ann": PERSON}) == {"ann": ("Ann", PERSON)}
