"""What is stored is found, by its agent and by nobody else; exactly, and without a vector index."""

from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pgvector import HalfVector

from domains import sql
from domains.sql import NoTransaction
from memory import actions, queries, search, vectors
from memory.actions import InvalidMemory, NewMemory, storing
from memory.embedders import embedder
from memory.models import MemoryEdge, MemoryNode
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def agents() -> list[UUID]:
    """Two agents."""
    return list(make_world(agents=2).agents.order_by("ordinal").values_list("pk", flat=True))


@pytest.fixture
def ada(agents: list[UUID]) -> UUID:
    return agents[0]


@pytest.fixture
def bo(agents: list[UUID]) -> UUID:
    return agents[1]


LIFE = [
    "Ada picked blackberries and ate them.",
    "A storm tore the roof off the boathouse.",
    "Bo taught her how to tie a bowline knot.",
    "She felt lonely at the lighthouse.",
    "The market had fresh bread in the morning.",
]


def remember(agent_id: UUID, *contents: str, **fields: Any) -> list[UUID]:
    return actions.store_many([NewMemory(agent_id, content, **fields) for content in contents])


def found(agent_id: UUID, text: str, **fields: Any) -> list[str]:
    return [each.content for each in queries.search(agent_id, text, **fields)]


# --- Storing -------------------------------------------------------------------------------------------------


def test_a_memory_keeps_all_that_it_was_given(ada: UUID) -> None:
    given_id = actions.store(
        NewMemory(
            ada, LIFE[0], kind="emotional", importance=0.8, valence=-0.25, summary="Berries.",
            tags=("food", "glad"), source={"tick": 12},
        )
    )  # fmt: skip
    node = MemoryNode.objects.get(pk=given_id)
    assert node.agent_id == ada
    assert (node.content, node.kind, node.importance, node.valence) == (LIFE[0], "emotional", 0.8, -0.25)
    assert (node.summary, node.tags, node.source) == ("Berries.", ["food", "glad"], {"tick": 12})
    assert (node.access_count, node.last_accessed_at) == (0, None)
    assert node.inserted_at == node.updated_at
    assert str(node) == LIFE[0]


def test_what_is_left_out_is_usual(ada: UUID) -> None:
    node = MemoryNode.objects.get(pk=actions.store(NewMemory(ada, "x")))
    assert (node.kind, node.importance, node.valence, node.summary, node.tags, node.source) == (
        "episodic", 0.5, 0.0, "", [], {},
    )  # fmt: skip


def test_ids_come_back_in_order_and_nothing_is_nothing(ada: UUID) -> None:
    ids = remember(ada, *LIFE)
    assert [MemoryNode.objects.get(pk=each).content for each in ids] == LIFE
    assert actions.store_many([]) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"content": ""}, "content: 1 to 10,000 characters"),
        ({"content": "x" * 10_001}, "content: 1 to 10,000 characters"),
        ({"content": "a\x00b"}, "no NUL characters"),
        ({"content": "a\ud800"}, "no lone surrogates"),
        ({"summary": "x" * 501}, "summary: at most 500"),
        ({"summary": "\x00"}, "no NUL characters"),
        ({"importance": 1.01}, "importance is 0 to 1"),
        ({"importance": -0.01}, "importance is 0 to 1"),
        ({"importance": float("nan")}, "importance is 0 to 1"),
        ({"valence": 1.01}, "valence -1 to 1"),
        ({"valence": -1.01}, "valence -1 to 1"),
        ({"valence": float("nan")}, "valence -1 to 1"),
        ({"kind": "imagined"}, "kind: one of episodic, semantic, procedural, emotional"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_stored(ada: UUID, fields: dict[str, Any], says: str) -> None:
    good = NewMemory(ada, LIFE[0])
    with pytest.raises(InvalidMemory, match=says) as refusal:
        actions.store_many([good, NewMemory(**{"agent_id": ada, "content": "x", **fields}), good])
    assert refusal.value.code == "invalid_memory"
    assert queries.count(ada) == 0


def test_the_longest_is_stored(ada: UUID) -> None:
    remember(ada, "x" * 10_000, summary="y" * 500, importance=1.0, valence=-1.0)
    assert queries.count(ada) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_storing_needs_a_transaction_and_goes_with_it(agents: list[UUID]) -> None:
    with pytest.raises(NoTransaction, match="storing memories"):
        actions.store(NewMemory(agents[0], "x"))
    with pytest.raises(KeyError), transaction.atomic():
        actions.store(NewMemory(agents[0], "x"))
        raise KeyError
    assert queries.count(agents[0]) == 0


# --- Finding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", LIFE)
def test_what_is_stored_is_found_by_its_own_words(ada: UUID, content: str) -> None:
    remember(ada, *LIFE)
    first = queries.search(ada, content, explain=True)[0]
    assert first.content == content
    assert first.parts["words"] > 0.9
    assert first.score == pytest.approx(sum(first.parts.values()))
    ((nearest,),) = queries.nearest_many([(ada, content)], limit=1)
    assert nearest.content == content
    assert nearest.score == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("question", "content"),
    [
        ("something to eat from the bushes", LIFE[0]),
        ("bad weather destroyed a building", LIFE[1]),
        ("learning to tie a rope", LIFE[2]),
    ],
)
def test_meaning_is_found_in_other_words(ada: UUID, question: str, content: str) -> None:
    remember(ada, *LIFE)
    assert found(ada, question, limit=1) == [content]


def test_the_memories_of_others_are_never_found(ada: UUID, bo: UUID) -> None:
    remember(ada, *LIFE[:2])
    remember(bo, *LIFE)
    for text in LIFE:
        assert set(found(ada, text)) == set(LIFE[:2])
        assert set(found(bo, text)) == set(LIFE)
    assert queries.search(uuid4(), LIFE[0]) == []
    assert (queries.count(ada), queries.count(bo)) == (2, 5)


def test_the_best_come_first_and_no_more_than_asked_for(ada: UUID) -> None:
    remember(ada, *LIFE)
    scores = [each.score for each in queries.search(ada, "bread and berries")]
    assert scores == sorted(scores, reverse=True)
    assert len(queries.search(ada, "bread", limit=2)) == 2
    (nearest,) = queries.nearest_many([(ada, "bread and berries")], limit=9)
    assert [each.score for each in nearest] == sorted((each.score for each in nearest), reverse=True)
    assert all(-1.001 <= each.score <= 1.001 for each in nearest)


def test_equally_near_ones_come_by_their_text(ada: UUID) -> None:
    """And not by their ids, which follow from the wall clock."""
    remember(ada, "bread fresh", "fresh bread")
    (nearest,) = queries.nearest_many([(ada, "fresh bread")], limit=9)
    assert [each.content for each in nearest] == ["bread fresh", "fresh bread"]


def test_a_question_without_words_brings_the_latest(ada: UUID) -> None:
    remember(ada, *LIFE)
    for text in ("", "…"):
        results = queries.search(ada, text, explain=True)
        assert [each.content for each in results] == LIFE[::-1]
        assert all(each.parts.keys() == {"importance", "recency"} for each in results)
    assert [each.score for each in queries.nearest_many([(ada, "")], limit=9)[0]] == [0] * 5


def test_what_is_found_comes_whole(ada: UUID) -> None:
    remember(ada, LIFE[0], kind="semantic", importance=0.9, valence=0.5, source={"tick": 3})
    (one,) = queries.search(ada, "berries")
    assert (one.kind, one.importance, one.valence, one.source) == ("semantic", 0.9, 0.5, {"tick": 3})
    assert one.inserted_at == MemoryNode.objects.get().inserted_at


def test_the_newest_come_first_without_their_vectors(ada: UUID, bo: UUID) -> None:
    remember(bo, "not mine")
    for content in LIFE:
        remember(ada, content)
    newest = queries.latest(ada, limit=3)
    assert [node.content for node in newest] == LIFE[:1:-1]
    assert "embedding" in newest[0].get_deferred_fields()


def test_a_search_is_four_queries_however_many_memories_and_questions_there_are(ada: UUID, count_queries: Any) -> None:
    queries.search(ada, "warm up: the type's numbers are asked once a process")
    for _ in range(2):
        remember(ada, *LIFE * 4)
        with count_queries() as statements:
            queries.search_many([(ada, "bread")] * 3, limit=2)
        assert len(statements) == 4
        with count_queries() as statements:
            queries.nearest_many([(ada, "bread")] * 3, limit=2)
        assert len(statements) == 1


# --- Exact ---------------------------------------------------------------------------------------------------


def random_memories(agents: list[UUID], each: int) -> np.ndarray:
    """Random unit vectors for each agent, written straight to the table. Returns those of the first, `[each, 256]`."""
    chance = np.random.default_rng(5)
    made = []
    vectors.register()
    for agent_id in agents:
        matrix = chance.normal(size=(each, embedder().dimensions)).astype(np.float32)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        nodes = [
            MemoryNode(agent_id=agent_id, content=str(n), embedding=row.tolist(), embedder=embedder().key)
            for n, row in enumerate(matrix)
        ]
        MemoryNode.objects.bulk_create(nodes)
        made.append(matrix.astype(np.float16).astype(np.float32))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # an index cannot be made while some are pending
    return made[0]


@pytest.mark.parametrize("index", [None, "hnsw", "ivfflat"])
def test_a_search_finds_what_comparing_with_every_memory_finds(
    agents: list[UUID], index: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a vector index at hand, and the planner pushed towards it, too."""
    mine = random_memories(agents, 300)
    if index:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE INDEX tempting ON memory_nodes USING {index} (({VECTOR}) halfvec_cosine_ops)")
            cursor.execute("ANALYZE memory_nodes")
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    for question in LIFE:
        asked = vectors.halves(embedder().embed([question]))[0].astype(np.float32)
        scores = mine @ asked / np.linalg.norm(mine, axis=1) / np.linalg.norm(asked)
        (results,) = queries.nearest_many([(agents[0], question)], limit=10)
        assert [int(each.content) for each in results] == list(np.argsort(-scores, kind="stable")[:10])
        assert [each.score for each in results] == pytest.approx(sorted(scores, reverse=True)[:10], abs=1e-4)
        best = queries.search(agents[0], question, limit=1, explain=True)[0]
        assert best.parts["meaning"] >= max(scores) / 2 - 0.2
    assert "CTE Scan on mine" in explain(agents[0])
    assert "tempting" not in explain(agents[0])
    assert "tempting" not in explain(agents[0], search.SCAN)


VECTOR = "embedding::halfvec(256)"
"""The column has no dimensions of its own; an index needs some."""


def explain(agent_id: UUID, statement: str = queries.NEAREST) -> str:
    """The plan of a search, as text."""
    vectors.register()
    asked = {
        "agents": sql.Ids([agent_id]), "vectors": [HalfVector(vectors.halves(embedder().embed(["bread"]))[0])],
        "limit": 10, "embedder": embedder().key, "at": timezone.now(),
    }  # fmt: skip
    return "\n".join(row[0] for row in sql.fetch_rows("EXPLAIN " + statement, asked))


def test_the_index_would_be_taken_without_the_fence(agents: list[UUID]) -> None:
    """That the test above can fail: the same search unfenced walks the index."""
    random_memories(agents, 300)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX tempting ON memory_nodes USING hnsw (({VECTOR}) halfvec_cosine_ops)")
        cursor.execute("ANALYZE memory_nodes; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off; DROP INDEX memory_nodes_agent_newest")
        cursor.execute(
            """EXPLAIN SELECT id FROM memory_nodes WHERE agent_id = %s
               ORDER BY embedding::halfvec(256) <=> (SELECT embedding::halfvec(256) FROM memory_nodes LIMIT 1)
               LIMIT 10""",
            [agents[0]],
        )
        assert "tempting" in str(cursor.fetchall())


# --- Vectors -------------------------------------------------------------------------------------------------


def test_vectors_come_back_as_they_were_halved(ada: UUID) -> None:
    remember(ada, *LIFE)
    expected = vectors.halves(embedder().embed(LIFE))
    stored = sql.fetch_rows("SELECT embedding FROM memory_nodes ORDER BY id")
    got = np.array([row[0].to_numpy() for row in stored])
    assert got.dtype == np.float16
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1 / 3, 2**-24, 6.1e-5, 0.99951])
def test_the_wire_keeps_every_half(value: float) -> None:
    vectors.register()
    sent = queries.HalfVector(np.full(4, value, dtype=np.float16))
    ((back,),) = sql.fetch_rows("SELECT %s::halfvec", [sent])
    assert np.array_equal(back.to_numpy(), np.full(4, value, dtype=np.float16))


def test_a_connection_learns_the_type_once(monkeypatch: pytest.MonkeyPatch) -> None:
    registered = []
    real = vectors.register_halfvec_info
    monkeypatch.setattr(vectors, "register_halfvec_info", lambda *args: registered.append(args) or real(*args))
    connection.connection.adapters.types  # noqa: B018
    for _ in range(3):
        vectors.register()
    assert len(registered) <= 1
    ((back,),) = sql.fetch_rows("SELECT '[1,2]'::halfvec")
    assert back.to_list() == [1, 2]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_a_new_connection_learns_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    registered = []
    real = vectors.register_halfvec_info
    monkeypatch.setattr(vectors, "register_halfvec_info", lambda *args: registered.append(args) or real(*args))
    for expected in (1, 2):
        connection.close()
        for _ in range(3):
            vectors.register()
        assert len(registered) == expected
        ((back,),) = sql.fetch_rows("SELECT '[1,2]'::halfvec")
        assert back.to_list() == [1, 2]


def test_vectors_lie_in_their_rows() -> None:
    ((storage,),) = sql.fetch_rows(
        "SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'memory_nodes'::regclass AND attname = 'embedding'"
    )
    assert storage == "p"


# --- The tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("content = ''", "memory_content_given"),
        ("importance = -0.01", "memory_importance_range"),
        ("importance = 1.01", "memory_importance_range"),
        ("importance = 'NaN'", "memory_importance_range"),
        ("valence = -1.01", "memory_valence_range"),
        ("valence = 1.01", "memory_valence_range"),
        ("kind = 'imagined'", "memory_kind_known"),
        ("access_count = -1", "memory_access_count_positive"),
    ],
)
def test_the_database_refuses_memories_that_cannot_be(ada: UUID, change: str, constraint: str) -> None:
    remember(ada, "x")
    with pytest.raises(IntegrityError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE memory_nodes SET {change}")
    assert refusal.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({}, "memory_edge_unique"),
        ({"relation": "causal", "strength": 1.01}, "memory_edge_strength_range"),
        ({"relation": "causal", "strength": -0.01}, "memory_edge_strength_range"),
        ({"relation": "causal", "itself": True}, "memory_edge_not_itself"),
    ],
)
def test_the_database_refuses_edges_that_cannot_be(ada: UUID, fields: dict[str, Any], constraint: str) -> None:
    one, other = remember(ada, "x", "y")
    edge = MemoryEdge.objects.create(source_id=one, target_id=other, relation="temporal")
    assert str(edge) == f"{one} temporal {other}"
    MemoryEdge.objects.create(source_id=one, target_id=other, relation="causal", strength=1).delete()
    target = one if fields.pop("itself", False) else other
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        MemoryEdge.objects.create(**{"source_id": one, "target_id": target, "relation": "temporal", **fields})
    assert refusal.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


@given(st.text(min_size=1, max_size=50))
def test_any_text_can_be_judged(text: str) -> None:
    """Whatever a model may write is stored or refused, and never breaks."""
    storable = "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
    assert storing._storable(text) is storable
