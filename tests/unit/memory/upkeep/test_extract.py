"""A summary without a model: what it takes, what it leaves out, and that it is always the same."""

from hypothesis import given
from hypothesis import strategies as st

from memory.upkeep import extract
from memory.upkeep.extract import Said, summary

DAY = [
    "Ann met Bo at the old harbour.",
    "It rained.",
    "Ann and Bo repaired the old boat at the harbour.",
    "Bo repaired the old boat with Ann at the harbour.",
    "Bo sang.",
    "The lighthouse keeper warned everybody of a storm.",
    "Ann and Bo sailed the repaired boat home before the storm.",
    "They slept.",
]


def test_it_takes_what_says_most_in_the_order_of_the_day() -> None:
    found = summary([Said(text) for text in DAY])
    taken = [text for text in DAY if text in found]
    assert " ".join(taken) == found
    assert len(taken) == extract.FEWEST
    assert DAY[1] not in taken and DAY[4] not in taken and DAY[7] not in taken


def test_what_says_the_same_is_not_taken_twice() -> None:
    found = summary([Said(text) for text in DAY])
    assert not (DAY[2] in found and DAY[3] in found)


def test_what_is_important_is_taken() -> None:
    said = [Said("Bo walked along the beach and looked at boats.", 0.3) for _ in range(6)]
    said.insert(2, Said("Ann died.", 1.0))
    assert "Ann died." in summary(said)


TOLD = ["Ann came at 3.5 hours.", "Bo left!", "“Why?”", "Cy asked.", "Dee slept."]


def test_sentences_are_told_apart_and_end() -> None:
    found = summary([Said("Ann came at 3.5 hours. Bo left! “Why?” Cy asked"), Said("Dee slept")])
    assert found in {f"{one} {other}" for n, one in enumerate(TOLD) for other in TOLD[n + 1 :]}


def test_nothing_and_what_has_no_words() -> None:
    assert summary([]) == ""
    assert summary([Said("!!!"), Said("…")]) == ""
    assert summary([Said("the and of")]) == "the and of."


def test_long_texts_are_cut_and_few() -> None:
    found = summary([Said("word " * 2000), Said("x" * 9000)])
    assert len(found) <= 2 * (extract.LONGEST_SENTENCE + 1)
    many = [Said(f"Ann saw boat number {n}.", n / 5000) for n in range(5000)]
    assert len(summary(many)) <= extract.MOST * extract.LONGEST_SENTENCE


@given(st.lists(st.tuples(st.sampled_from(DAY) | st.text(max_size=40), st.floats(0, 1)), max_size=12))
def test_it_is_made_of_what_was_said_and_always_the_same(memories: list[tuple[str, float]]) -> None:
    said = [Said(*one) for one in memories]
    found = summary(said)
    assert found == summary(list(said))
    plain = {word for text, _ in memories for word in text.split()}
    assert all(word in plain or word.rstrip(".") in plain for word in found.split())
