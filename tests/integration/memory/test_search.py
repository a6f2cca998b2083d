"""What is asked for is found: by words, names, dates, kinds, ties; and each result says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import actions, queries, search
from memory.actions import NewMemory
from memory.embedders import embedder
from memory.errors import InvalidQuestion
from memory.graph import actions as graph
from memory.graph.actions import NewEdge
from memory.models import MemoryNode
from memory.recall import meaning, question, ranking, signatures
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db

MAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TALK = [
    "Ann: I went to the lake on Sunday.",
    "Bo: I bought a red bicycle.",
    "Ann: My sister sings in a choir.",
    "Bo: Which songs do they sing?",
    "Ann: Old ones, mostly about the sea.",
    "Cy: The mill is closed for repairs.",
]


@pytest.fixture
def agents() -> list[UUID]:
    return list(make_world(agents=2).agents.order_by("ordinal").values_list("pk", flat=True))


@pytest.fixture
def ada(agents: list[UUID]) -> UUID:
    return agents[0]


def remember(agent_id: UUID, *texts: str, every: timedelta = DAY, **fields: Any) -> list[UUID]:
    """In this order, the first in May."""
    memories = [NewMemory(agent_id, text, at=MAY + every * n, **fields) for n, text in enumerate(texts)]
    return [node_id for node_id in actions.store_many(memories) if node_id]


def first(agent_id: UUID, text: str, **how: Any) -> str:
    return queries.search(agent_id, text, limit=1, **how)[0].content


# --- What questions understand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What did Bo buy?", TALK[1]),
        ("Who has purchased a bike?", TALK[1]),
        ("Does Ann's sister sing?", TALK[2]),
        ("why is the mill shut", TALK[5]),
        ("What did Ann say on May 1?", TALK[0]),
    ],
)
def test_names_words_like_theirs_and_dates(ada: UUID, text: str, answer: str) -> None:
    remember(ada, *TALK)
    assert first(ada, text, as_of=MAY + 20 * DAY) == answer


def test_last_week_is_seen_from_then(ada: UUID) -> None:
    remember(ada, *["The ferry was late."] * 2, "The ferry was early.", every=14 * DAY)
    texts = [f"The ferry came at {n}." for n in range(4)]
    remember(ada, *texts, every=14 * DAY)
    for n, text in enumerate(texts):
        as_of = MAY + 14 * DAY * n + 6 * DAY
        assert first(ada, "When did the ferry come last week?", as_of=as_of) == text


def test_an_answer_that_shares_no_word_follows_what_does(ada: UUID) -> None:
    remember(ada, *TALK, every=timedelta(minutes=1))
    found = queries.search(ada, "Which songs does the choir sing?", explain=True, as_of=MAY + DAY)
    best = {one.content: one.parts for one in found[:3]}
    assert best[TALK[4]]["before"] > 0.2


def test_each_result_says_why(ada: UUID) -> None:
    remember(ada, *TALK)
    for one in queries.search(ada, "What did Bo buy in May?", explain=True):
        assert sum(one.parts.values()) == pytest.approx(one.score)
        assert list(one.parts.values()) == sorted(one.parts.values(), key=lambda share: -abs(share))
    assert all(one.parts == {} for one in queries.search(ada, "Bo"))
    assert queries.search(ada, "What did Bo buy?", explain=True)[0].parts.keys() >= {"words", "meaning", "speaker"}


# --- What may be found -----------------------------------------------------------------------------------------


def test_kinds_and_tags(ada: UUID) -> None:
    remember(ada, "Tea is hot.", kind="semantic", tags=("drinks", "heat"))
    remember(ada, "I drank hot tea.", tags=("drinks",))
    remember(ada, "Hot tea made me glad.", kind="emotional", tags=("heat",))

    def found(**how: Any) -> set[str]:
        return {one.content for one in queries.search(ada, "hot tea", **how)}

    assert found(kinds=["semantic"]) == {"Tea is hot."}
    assert found(kinds=["semantic", "emotional"]) == {"Tea is hot.", "Hot tea made me glad."}
    assert found(tags=["drinks"]) == {"Tea is hot.", "I drank hot tea."}
    assert found(tags=["drinks", "heat"]) == {"Tea is hot."}
    assert found(kinds=["emotional"], tags=["drinks"]) == set()
    assert len(found(kinds=[], tags=[])) == 3


def test_what_may_not_be_found_is_a_neighbour_still(ada: UUID) -> None:
    remember(ada, "Ann: Which songs does the choir sing?", every=HOUR)
    actions.store(ada, "Old ones.", kind="semantic", at=MAY + timedelta(minutes=1))
    (one,) = queries.search(ada, "songs of the choir", kinds=["semantic"], explain=True, as_of=MAY + DAY)
    assert one.parts["before"] > 0.2


def test_as_of_an_instant(ada: UUID) -> None:
    old, _ = remember(ada, "The bridge is shut.", "The bridge is open.")
    actions.close(ada, [old], at=MAY + DAY)
    assert first(ada, "bridge", as_of=MAY + HOUR) == "The bridge is shut."
    assert [one.content for one in queries.search(ada, "bridge")] == ["The bridge is open."]
    assert queries.search(ada, "bridge", as_of=MAY - HOUR) == []


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"limit": 0}, "limit: 1 to 1,000"),
        ({"limit": 1001}, "limit: 1 to 1,000"),
        ({"kinds": ["episodic", "imagined"]}, "kinds: 'imagined' is none of episodic, semantic"),
        ({"as_of": datetime(2026, 5, 1)}, "as_of: an instant needs its time zone"),
        ({"text": "x" * 10_001}, "a question has at most 10,000 characters"),
    ],
)
def test_what_is_not_understood_is_refused(ada: UUID, how: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidQuestion, match=says):
        queries.search(ada, **{"text": "bridge", **how})


@pytest.mark.parametrize(
    "text", ["\0", "'; DROP TABLE memory_nodes; --", "%s %b {held}", "橋", "a" * 10_000, "𝕏\u202e?"]
)
def test_strange_questions_do_no_harm(ada: UUID, text: str) -> None:
    remember(ada, *TALK)
    assert len(queries.search(ada, text)) == 6


def test_nothing_is_written_by_a_search(ada: UUID) -> None:
    remember(ada, *TALK)
    before = list(MemoryNode.objects.values())
    queries.search(ada, "What did Bo buy?")
    assert list(MemoryNode.objects.values()) == before


# --- Ties ------------------------------------------------------------------------------------------------------


def test_what_is_tied_to_the_best_comes_before_what_is_not(ada: UUID) -> None:
    ids = remember(ada, "The mill is closed.", "Nothing of note.", "Nothing to tell.")
    graph.link([NewEdge(ids[0], ids[1], "causal", 1.0)])
    found = queries.search(ada, "mill", explain=True)
    assert [one.content for one in found] == ["The mill is closed.", "Nothing of note.", "Nothing to tell."]
    assert found[1].parts["graph"] == pytest.approx(0.1, abs=0.01)
    assert "graph" not in found[2].parts


def test_ties_lead_to_nobody_else_s_memories(agents: list[UUID]) -> None:
    mine, theirs = remember(agents[0], "The mill is closed."), remember(agents[1], "The mill is a secret.")
    with connection.cursor() as cursor:  # which nothing of ours would make
        cursor.execute(
            "INSERT INTO memory_edges (id, source_id, target_id, relation, strength) VALUES (%s, %s, %s, 'causal', 1)",
            [mine[0], mine[0], theirs[0]],
        )
    assert [one.content for one in queries.search(agents[0], "mill")] == ["The mill is closed."]


# --- All of it is looked at ------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_order_is_that_of_the_functions_over_all_rows(ada: UUID, data: st.DataObject) -> None:
    """Whatever order the table has them in, and at whatever instants they were."""
    words = st.sampled_from(["Ann", "Bo", "choir", "sea", "mill", "sings?", "bought", "tea", "lake", "1904", "today"])
    sentence = st.lists(words, min_size=1, max_size=6).map(" ".join)
    texts = data.draw(st.lists(sentence, min_size=1, max_size=12, unique=True))
    minutes = data.draw(st.lists(st.integers(0, 300), min_size=len(texts), max_size=len(texts)))
    text = data.draw(st.lists(words, min_size=1, max_size=3).map(" ".join))
    now = MAY + 10 * DAY
    with transaction.atomic():
        actions.store_many(
            [NewMemory(ada, one, at=MAY + timedelta(minutes=n)) for one, n in zip(texts, minutes, strict=True)]
        )
        found = queries.search(ada, text, as_of=now, limit=20)
        rows = sorted(MemoryNode.objects.all(), key=lambda node: (node.inserted_at, node.pk))
        transaction.set_rollback(True)
    asked = question.parse(text, now=now)
    signed = signatures.unpack(b"".join(signatures.pack(row.content) for row in rows))
    words_of = embedder().embed(asked.words)
    worded = ranking.by_words(signed, ranking.groups(asked.words, words_of, embedder().lexicon))
    direction = meaning.direction(words_of, worded.rarities).astype(np.float16).astype(np.float64)
    scored = ranking.score(
        asked, signed, worded, similarity=np.array([np.array(row.embedding) @ direction for row in rows]),
        at=np.array([row.inserted_at.timestamp() for row in rows]), now_s=now.timestamp(),
        others={"importance": np.array([row.importance for row in rows])},
    )  # fmt: skip
    assert {one.id: pytest.approx(one.score, abs=2e-3) for one in found} == {
        row.pk: score for row, score in zip(rows, scored.scores, strict=True)
    }


def test_a_place_is_found_by_its_id_alone() -> None:
    """An id that begins within another's bytes is none."""
    one, two = UUID(int=0x0102030405060708090A0B0C0D0E0F10), UUID(int=0x1112131415161718191A1B1C1D1E1F20)
    across = UUID(bytes=(one.bytes + two.bytes)[8:24])
    looked = search._Looked(one.bytes + two.bytes, *[np.zeros(2)] * 3, signatures.unpack(bytes(8)), None)
    assert (looked.place_of(one), looked.place_of(two), looked.place_of(across)) == (0, 1, None)


def test_questions_of_several_agents_come_back_in_their_order(agents: list[UUID]) -> None:
    for n, agent_id in enumerate(agents):
        remember(agent_id, *(f"Agent {n} {text}" for text in TALK))
    now = timezone.now()
    asked = [(agents[n % 2], text) for n, text in enumerate(TALK)]
    for (agent_id, text), found in zip(asked, queries.search_many(asked, limit=3, as_of=now), strict=True):
        assert found == queries.search(agent_id, text, limit=3, as_of=now)
        assert all(one.content.startswith(f"Agent {agents.index(agent_id)} ") for one in found)
