"""What agents say by rule: to the point, from what they know, never the same words for all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import converse
from agents.converse import MAX_REPLY
from agents.facts import Facts
from domains.chance import Chance
from tests.unit.agents.making import agent, facts, zone
from tests.unit.agents.minds.making import heard, told

SEEDS = range(40)
KINDS = {
    "farewell": "Goodbye then.",
    "feeling": "How are you?",
    "doing": "What are you doing?",
    "goal": "What are your plans?",
    "place": "Where are you?",
    "self": "Who are you?",
    "thanks": "Thank you!",
    "greeting": "Hello!",
    "question": "Is the sea salt?",
    "statement": "The sea is salt.",
}
SLOT = re.compile(r"\{\w+\}")
words = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
"""As rows have them."""
BRACES = ["{name}", "{sender} {zone} {memory}", "{}", "{{goal}}", "{0.__class__}", "%s", "\\1", "{focus"]


def ordinary(seed: int = 7, **changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "goals": [{"name": "mend the bridge", "progress": 0.4}], "activity": "mending a net",
        "current_focus": "the storm", "memories": [[3, "Ben lent a rope", 0.5, 0.2]],
    }  # fmt: skip
    near = changes.pop("near", ("Ben", "Cato"))
    return facts(agent(**fields | changes), zone(), near=near, seed=seed)


def answers(text: str, *, by: int | None = None, **changes: Any) -> set[str]:
    """All that is answered over many seeds."""
    return {converse.reply(ordinary(seed, **changes), heard(text, by=by)) for seed in SEEDS}


@pytest.mark.parametrize(("kind", "text"), KINDS.items())
def test_a_text_is_taken_for_what_it_is(kind: str, text: str) -> None:
    assert converse.kind_of(text) == kind
    assert converse.kind_of(text.upper()) == kind


@pytest.mark.parametrize("text", ["", " ", "…", "?!", "\0", "🦊", "x" * 10_000, "how" * 3000, "\n" * 5000, "a " * 5000])
def test_any_text_is_of_some_kind(text: str) -> None:
    assert converse.kind_of(text) in KINDS
    assert converse.reply(ordinary(), heard(text))


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("by", [None, 3], ids=["a person", "an agent"])
def test_every_kind_of_text_has_several_answers(text: str, by: int | None) -> None:
    assert len(answers(text, by=by)) >= 2


def test_answers_differ_with_what_is_asked() -> None:
    seen = [answers(text) for text in KINDS.values()]
    for i, some in enumerate(seen):
        assert all(some.isdisjoint(others) for others in seen[i + 1 :])


def test_answers_differ_with_the_agents_state() -> None:
    glad, sad = answers("How are you?", mood=0.9, energy=95), answers("How are you?", mood=-0.9, energy=5)
    assert glad.isdisjoint(sad)


@pytest.mark.parametrize("text", [*KINDS.values(), "Do you remember the rope?"])
@pytest.mark.parametrize("by", [None, 3])
@pytest.mark.parametrize("bare", [False, True], ids=["much to tell", "nothing to tell"])
def test_no_slot_of_ours_is_left_open(text: str, by: int | None, bare: bool) -> None:
    nothing: dict[str, Any] = {"goals": [], "activity": "", "current_focus": "", "memories": [], "near": ()}
    for words in answers(text, by=by, **nothing if bare else {}):
        assert not SLOT.search(words)
        assert "  " not in words
        assert words == words.strip() != ""
        assert "None" not in words


def test_every_template_can_be_filled() -> None:
    slots = converse._slots(ordinary(), "ada").keys() | {"memory"}
    chat = slots | {"memory_or_need"}
    for known, templates in (
        (slots, [words for each in converse._ANSWERS.values() for words in each]),
        (chat, [words for each in converse._CHAT.values() for words in each]),
        (slots | {"other", "topic"}, [words for each in converse._OPENERS.values() for words in each]),
    ):
        for words in templates:
            assert {slot[1:-1] for slot in SLOT.findall(words)} <= known, words


def test_only_what_has_a_memory_speaks_of_it() -> None:
    """A template with a memory in it is used when there is one; else the sentence would have a hole."""
    for kind, each in converse._ANSWERS.items():
        assert kind == "memory" or not any("{memory" in words for words in each), kind


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_one_speaks_only_of_what_one_knows(text: str) -> None:
    """Take away what an agent has, and no answer has it any more."""
    whole, bare = answers(text), answers(text, goals=[], activity="", current_focus="", memories=[], near=())
    for known in ("mend the bridge", "mending a net", "Mending a net", "the storm", "Ben", "Cato"):
        assert not any(known in words for words in bare)
    known_words = {"ada", "Mara", "Harbour", "Ben", "Cato"}
    for words in whole | bare:
        inner = re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", words)
        assert set(inner) <= known_words | {"I"}, words


def test_what_was_asked_after_is_told() -> None:
    assert all("mend the bridge" in words for words in answers("What are your plans?"))
    assert all("ending a net" in words for words in answers("What are you doing?"))
    assert all("Harbour" in words for words in answers("Where are you?"))
    assert all("Mara" in words for words in answers("Who are you?"))


def test_a_memory_that_is_touched_is_told() -> None:
    assert all("Ben lent a rope." in words for words in answers("Is there a rope?"))
    found = heard("Is the sea salt?", recalled="The sea was rough")
    assert "The sea was rough." in converse.reply(ordinary(), found), "the one that was searched out"
    assert converse.recollection(ordinary(), heard("Is the sea salt?")) == ""


def test_words_that_everybody_uses_touch_nothing() -> None:
    of = ordinary(memories=[[3, "They have been there with them", 0.5, 0.2]])
    assert converse.recollection(of, heard("Have they been with them there?")) in (
        "",
        "They have been there with them.",
    )
    assert converse.recollection(of, heard("What would they have there?")) == ""


def test_friends_and_others_get_other_answers() -> None:
    warm = answers("The sea is salt.", by=3, agreeableness=1.0, mood=1.0)
    cold = answers("The sea is salt.", by=3, agreeableness=0.0, mood=-1.0)
    assert warm.isdisjoint(cold)


def test_the_same_is_always_answered_the_same() -> None:
    for text in KINDS.values():
        assert converse.reply(ordinary(), heard(text)) == converse.reply(ordinary(), heard(text))


def test_it_makes_no_difference_when_a_message_is_read() -> None:
    """Its number and conversation follow from how things were run, not from the world."""
    one, two = heard(number=1), heard(number=99)
    assert converse.reply(ordinary(), one) == converse.reply(ordinary(), two)


def test_the_facts_are_left_as_they_are() -> None:
    of = told(ordinary(), *(heard(text) for text in KINDS.values()))
    converse.replies(of, {})
    assert of == told(ordinary(), *(heard(text) for text in KINDS.values()))


@pytest.mark.parametrize("braces", BRACES)
@pytest.mark.parametrize("by", [None, 3])
def test_braces_of_agents_and_people_are_left_as_they_are(braces: str, by: int | None) -> None:
    """What is put into a template is not a template."""
    plain, odd = "Qwertz", f"Qw{braces}ertz"
    for text in [*KINDS.values(), "Do you remember the Qwertz?"]:
        for seed in SEEDS:
            said = []
            for word in (plain, odd):
                of = ordinary(
                    seed, name=word, activity=word, current_focus=word, goals=[{"name": word, "progress": 0.1}],
                    memories=[[1, f"Qwertz {word}", 0.1, 0.0]], near=(word,),
                )  # fmt: skip
                said.append(converse.reply(of, heard(text, by=by, sender=word)))
            usual, strange = said
            for capital in (plain.capitalize(), plain):
                usual = usual.replace(f"Qwertz {capital}", "M").replace(capital, "X")
            for capital in (odd.capitalize(), odd):
                strange = strange.replace(f"Qwertz {capital}", "M").replace(capital, "X")
            assert strange == usual


@given(words, words, words, st.sampled_from([None, 3]))
def test_any_words_are_answered_in_one_line_that_can_be_stored(
    text: str, name: str, memory: str, by: int | None
) -> None:
    of = told(ordinary(name=name or "x", memories=[[1, memory, 0.1, 0.0]]), heard(text, by=by, sender=name or "x"))
    (words,) = converse.replies(of, {}).values()
    assert 0 < len(words) <= MAX_REPLY
    assert len(words.splitlines()) == 1
    assert "\0" not in words
    words.encode()


def test_openers_speak_of_their_topic() -> None:
    for warm in (True, False):
        said = {
            converse.opener(ordinary(seed), "Ben", "the {zone} rope", warm=warm, chance=Chance(seed, 0, 1, "x"))
            for seed in SEEDS
        }
        assert len(said) >= 3
        assert all("Ben" in words and "the {zone} rope" in words for words in said)
        assert not any(SLOT.search(words.replace("{zone}", "")) for words in said)


class TestReplies:
    def test_each_message_that_wants_one_gets_one(self) -> None:
        of = told(ordinary(), heard(number=1), heard("Hello", number=2, by=3), heard(number=3, answerable=False))
        assert converse.replies(of, {}).keys() == {1, 2}
        assert converse.replies(ordinary(), {}) == {}

    def test_what_the_model_said_comes_first(self) -> None:
        of = told(ordinary(), heard(number=1), heard(number=2))
        assert converse.replies(of, {1: " Well. "}) == {1: "Well.", 2: converse.reply(of, of.messages[1])}

    @pytest.mark.parametrize("given", ["", "  \n", "\0", "\ud800", "\0 \ud800"])
    def test_an_empty_answer_is_none(self, given: str) -> None:
        of = told(ordinary(), heard(number=1))
        assert converse.replies(of, {1: given}) == {1: converse.reply(of, of.messages[0])}

    def test_answers_to_others_are_left_out(self) -> None:
        of = told(ordinary(), heard(number=1), heard(number=3, answerable=False))
        assert converse.replies(of, {1: "Well.", 2: "Psst.", 3: "Psst."}) == {1: "Well."}

    def test_they_are_bounded_and_can_be_stored(self) -> None:
        of = told(ordinary(), heard(number=1))
        assert converse.replies(of, {1: "x" * 5000}) == {1: "x" * MAX_REPLY}
        assert converse.replies(of, {1: "a\0b\ud800c"}) == {1: "abc"}
        long = told(ordinary(memories=[[1, "rope " * 1000, 0.1, 0.0]], activity="y" * 3000), heard("rope?" * 500))
        assert len(converse.replies(long, {})[1]) <= MAX_REPLY

    def test_braces_of_a_model_are_left_as_they_are(self) -> None:
        assert converse.replies(told(ordinary(), heard(number=1)), {1: "{name}"}) == {1: "{name}"}


class TestWeighing:
    @given(st.text(), st.sampled_from([None, 3]))
    def test_it_stays_within_bounds(self, text: str, by: int | None) -> None:
        importance, valence = converse.weigh(heard(text, by=by))
        assert 0 <= importance <= 1
        assert -1 <= valence <= 1

    def test_a_question_by_a_person_weighs_more(self) -> None:
        assert converse.weigh(heard("Salt?"))[0] > converse.weigh(heard("Salt."))[0]
        assert converse.weigh(heard("Salt."))[0] > converse.weigh(heard("Salt.", by=3))[0]
        assert converse.weigh(heard("Salt in the sea"))[0] > converse.weigh(heard("Salt"))[0]

    def test_kind_and_unkind_words_are_felt(self) -> None:
        assert converse.weigh(heard("Thank you, dear friend"))[1] > 0
        assert converse.weigh(heard("You liar, you awful fool"))[1] < 0
        assert converse.weigh(heard("The sea is salt"))[1] == 0


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_what_is_storable_is_stored_as_it_is(text: str) -> None:
    kept = converse.storable(text)
    kept.encode()
    assert "\0" not in kept
    assert converse.storable(kept) == kept
    if not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        assert kept == text
