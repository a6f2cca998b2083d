from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import lexicon, question, ranking, signatures
from memory.recall.lexicon import Lexicon


@dataclass(frozen=True)
class Ranked:
    """One result."""

    place: int
    score: float
    parts: dict[str, float]


NOW = datetime(2024, 3, 13, tzinfo=UTC)
DAY_S = 86_400.0


def found(
    text: str,
    memories: list[str],
    *,
    at: list[float] | None = None,
    similarity: list[float] | None = None,
    others: Mapping[str, np.ndarray] | None = None,
    allowed: list[bool] | None = None,
    known: Lexicon = lexicon.NOTHING,
    vectors: np.ndarray | None = None,
    limit: int = 10,
) -> list[Ranked]:
    """Search memories that lie days apart, the last of them today."""
    asked = question.parse(text, now=NOW)
    signed = signatures.unpack(b"".join(map(signatures.pack, memories)))
    words = np.zeros((len(asked.words), 1), np.float32) if vectors is None else vectors
    scored = ranking.score(
        asked,
        signed,
        ranking.by_words(signed, ranking.groups(asked.words, words, known)),
        similarity=np.array(similarity or [0.0] * len(memories)),
        at=np.array(at or [NOW.timestamp() - DAY_S * back for back in reversed(range(len(memories)))]),
        now_s=NOW.timestamp(),
        others=others,
    )
    best = scored.best(limit, None if allowed is None else np.array(allowed))
    return [Ranked(place, float(scored.scores[place]), scored.explain(place)) for place in best]


def places(results: list[Ranked]) -> list[int]:
    return [result.place for result in results]


def test_by_words() -> None:
    (best, *_) = found("What about the dog?", ["The dog barked", "The cat slept", "Rain"])
    assert best.place == 0
    assert next(iter(best.parts)) == "words"


def test_by_near_words() -> None:
    known = Lexicon(["bought"], np.array([[0.6, 0.8]], np.float32))
    (best, *_) = found("buy", ["Ann bought tea", "Rain"], known=known, vectors=np.array([[1, 0]], np.float32))
    assert best.place == 0
    assert 0 < best.parts["words"] < 1


def test_by_meaning_where_no_word_is_shared() -> None:
    assert places(found("pets", ["Rain", "The dog barked", "Tea"], similarity=[0.1, 0.8, 0.2]))[0] == 1


def test_an_answer_follows_the_words_of_its_question() -> None:
    start = NOW.timestamp()
    talk = ["Ann: What is your favourite colour?", "Bob: Green.", "Rain", "Bob: Grey."]
    results = found("favourite colour", talk, at=[start - 9, start - 8, start + 7200, start + 14400])
    assert places(results)[:2] == [0, 1]
    assert results[1].parts["before"] > 0


def test_who_is_named_said_it() -> None:
    results = found("What does Bob like?", ["Ann: I like tea with Bob", "Bob: I like milk with Ann"])
    assert places(results) == [1, 0]
    assert results[0].parts["speaker"] > 0
    assert "speaker" not in results[1].parts


def test_where_all_who_speak_are_named_it_says_nothing() -> None:
    results = found("What did Ann and Bob do?", ["Ann: tea", "Bob: milk", "Rain"])
    assert all("speaker" not in result.parts for result in results)


def test_when_it_was_said() -> None:
    day = datetime(2023, 5, 10, tzinfo=UTC).timestamp()
    results = found("the dog in May", ["The dog ran"] * 3, at=[day - 90 * DAY_S, day, day + 90 * DAY_S])
    assert places(results)[0] == 1


def test_what_can_answer_goes_before_what_only_asks() -> None:
    results = found("When was the fair?", ["Was the fair good?", "The fair was good", "The fair was on Monday"])
    assert places(results) == [2, 1, 0]


def test_parts_from_elsewhere() -> None:
    results = found("dog", ["A dog"] * 3, others={"importance": np.array([0.2, 1, 0]), "graph": np.array([1.0, 0, 0])})
    assert places(results) == [0, 1, 2]


def test_of_equals_the_newer() -> None:
    assert places(found("dog", ["Rain", "A dog", "A dog", "Rain"], at=[NOW.timestamp()] * 4, limit=1)) == [2]


def test_only_what_is_allowed_is_found_but_all_are_neighbours() -> None:
    start = NOW.timestamp()
    results = found("dog", ["A dog", "Rain"], at=[start - 1, start], allowed=[False, True])
    assert places(results) == [1]
    assert results[0].parts["before"] > 0


def test_nothing_to_find() -> None:
    assert found("dog", []) == []
    assert len(found("?", ["Rain"])) == 1


@given(st.lists(st.sampled_from(["A dog", "Ann: tea?", "Rain", "dogs and tea"]), min_size=1), st.integers(1, 9))
def test_the_few_best_are_the_first_of_all(memories: list[str], limit: int) -> None:
    everything = found("Does Ann like dogs?", memories, limit=len(memories))
    assert found("Does Ann like dogs?", memories, limit=limit) == everything[:limit]
    assert sorted(places(everything)) == list(range(len(memories)))
    for result in everything:
        assert sum(result.parts.values()) == pytest.approx(result.score)
