"""The contract of the store with each embedder, and what happens when there are two at once or none to be had."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.db import transaction

from domains import sql
from domains.thunderflow import breakers
from domains.thunderflow import queries as events
from memory import actions, embedders, embedding, queries
from memory.actions import InvalidMemory, NewMemory, storing, upkeep
from memory.embedders import EmbeddingFailed, embedder
from memory.embedders.openai import OpenAIEmbedder
from memory.models import MemoryNode
from tests import embedding_server as behaving
from tests.contracts.store import LIFE, StoreContract, found
from tests.embedding_server import EmbeddingServer, embedding_server
from tests.factories.worlds import make_world
from tests.threads import at_once, threads, wait_for_lock

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingServer]:
    """An endpoint, which is the embedder."""
    monkeypatch.setattr("memory.embedders.openai.BACK_OFF_S", 0.01)
    with embedding_server() as running:
        settings.EMBEDDER = {"kind": "openai", "url": running.base_url, "key": "k", "model": "m", "dimensions": 96}
        made = embedder()
        yield running
        made.close()  # type: ignore[attr-defined]
        embedders._made.cache_clear()


class TestLocal(StoreContract):
    """Vectors come along."""


class TestShorter(StoreContract):
    """The local model, cut."""

    @pytest.fixture(autouse=True)
    def _set(self, settings: Any) -> None:
        settings.EMBEDDER = {"kind": "local", "dimensions": 64}


class TestRemote(StoreContract):
    """Vectors come later, and questions within a transaction have none: all is found by its words."""

    @pytest.fixture(autouse=True)
    def _set(self, server: EmbeddingServer) -> None:
        self.server = server

    def ready(self) -> None:
        assert not self.server.asked


class TestRemoteEmbedded(StoreContract):
    """The vectors have come."""

    @pytest.fixture(autouse=True)
    def _set(self, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(upkeep, "_outside", lambda: None)  # the test's transaction is no other one's business
        monkeypatch.setattr(embedding, "of_questions", embedding._embedded)

    def ready(self) -> None:
        actions.embed_waiting()
        assert not upkeep.waiting()


class TestBroken(StoreContract):
    """The local embedder fails: nothing is lost."""

    @pytest.fixture(autouse=True)
    def _set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise MemoryError("no room")

        monkeypatch.setattr(type(embedder()), "embed", fail)


# --- Limits ----------------------------------------------------------------------------------------------------


@pytest.fixture
def ada() -> UUID:
    return UUID(str(make_world(agents=1).agents.get().pk))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"content": " \n"}, "content: .*not only white space"),
        ({"tags": ("",)}, "tags: at most 50, of 1 to 100"),
        ({"tags": ("x" * 101,)}, "tags: at most 50, of 1 to 100"),
        ({"tags": tuple("abc" * 17)}, "tags: at most 50"),
        ({"tags": (1,)}, "tags: at most 50"),
        ({"tags": ("\0",)}, "tags: no NUL"),
        ({"source": {"x": "y" * 2001}}, "source: at most 2,000 bytes"),
        ({"source": {"x": "\0"}}, "source: .*without NUL"),
        ({"source": {1: 2}}, "source: it is no JSON"),
        ({"at": datetime(2026, 1, 1)}, "at: an instant needs its time zone"),
        ({"at": "2026-01-01"}, "at: an instant needs its time zone"),
        ({"valid_to": datetime(2020, 1, 1, tzinfo=UTC)}, "valid_to: it must be after valid_from, which is now"),
        ({"content": None}, "content and summary: they are texts"),
        ({"content": b"bytes"}, "content and summary: they are texts"),
        ({"importance": "high"}, "importance and valence: they are numbers"),
        ({"valence": None}, "importance and valence: they are numbers"),
        ({"kind": ["semantic"]}, "kind: one of episodic"),
        ({"tags": "food"}, "tags: a list of texts"),
        ({"source": ["tick", 1]}, "source: it is no JSON object"),
    ],
)
def test_what_cannot_be_stored_is_refused(ada: UUID, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidMemory, match=says):
        actions.store_many([NewMemory(ada, "good"), NewMemory(**{"agent_id": ada, "content": "x", **fields})])
    assert queries.count(ada) == 0


def test_removals_are_told_with_their_reason(ada: UUID) -> None:
    node_id = actions.store(ada, LIFE[0])
    assert node_id
    actions.forget(ada, [node_id], by="user:ada", reason="asked")
    (told,) = events.read_stream("memory", after=0, limit=10)
    assert (told.topic, told.actor) == ("memory.forgotten", "user:ada")
    assert told.payload == {"agent_id": str(ada), "memories": [str(node_id)], "reason": "asked"}
    assert LIFE[0] not in str(told)


@pytest.mark.parametrize("count", [1, 8, 9, 300])
def test_storing_costs_the_same_few_statements(ada: UUID, count: int, count_queries: Any) -> None:
    actions.store(ada, "warm up")
    memories = [NewMemory(ada, f"number {n}") for n in range(count)]
    with count_queries() as statements:
        actions.store_many(memories)
    assert len(statements) == 1, "an INSERT, or a look before a COPY, which is not counted"
    with count_queries() as statements:
        actions.store_many([*memories, NewMemory(ada, "new")], recalled={ada: [memories[0].id]})
    assert len(statements) == (3 if count > 1 else 2), "what was recalled; as before; what merges"


# --- Two at once -----------------------------------------------------------------------------------------------

committing = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


class TestAtOnce:
    pytestmark = committing

    @pytest.mark.parametrize("others", [0, 30])
    def test_two_that_store_the_same_make_one(self, ada: UUID, others: int) -> None:
        """However their transactions lie: by one INSERT, by COPY, or by a COPY that meets what just came."""

        def storing_it(n: int) -> list[UUID | None]:
            more = [NewMemory(ada, f"{n}: {i}") for i in range(others)]
            with transaction.atomic():
                return actions.store_many([NewMemory(ada, LIFE[0], source={"tick": n}), *more])[:1]

        for _ in range(3):
            MemoryNode.objects.all().delete()
            ids = at_once(*(lambda n=n: storing_it(n) for n in range(4)))
            assert len({one[0] for one in ids}) == 1
            one = MemoryNode.objects.get(content=LIFE[0])
            assert one.seen_count == 4
            assert sorted(source["tick"] for source in one.all_sources) == [0, 1, 2, 3]
            assert queries.count(ada) == 1 + 4 * others

    def test_a_copy_that_meets_what_just_came_merges(self, ada: UUID) -> None:
        """The first has looked, found nothing, and waits; the second is quicker."""
        mine = [NewMemory(ada, f"number {n}", source={"by": "first"}) for n in range(20)]
        theirs = [NewMemory(ada, f"number {n}", source={"by": "second"}) for n in range(10, 30)]

        def second() -> None:
            with transaction.atomic():
                actions.store_many(theirs)

        with threads(2) as started:
            with transaction.atomic():
                actions.store_many(mine)
                other = started.start(second)
                wait_for_lock()
            other.result(timeout=30)
        counts = dict(MemoryNode.objects.values_list("content", "seen_count"))
        assert counts == {f"number {n}": 2 if 10 <= n < 20 else 1 for n in range(30)}

    def test_many_that_store_the_same_in_any_order_never_block_each_other(self, ada: UUID) -> None:
        def some(n: int) -> None:
            chance = np.random.default_rng(n)
            for _ in range(15):
                texts = [f"number {i}" for i in chance.permutation(40)[:25]]
                with transaction.atomic():
                    actions.store_many([NewMemory(ada, text) for text in texts])

        at_once(*(lambda n=n: some(n) for n in range(4)))
        assert sum(MemoryNode.objects.values_list("seen_count", flat=True)) == 4 * 15 * 25
        assert queries.count(ada) == 40

    def test_what_is_undone_leaves_nothing(self, ada: UUID) -> None:
        with transaction.atomic():
            actions.store(ada, LIFE[0])
        with pytest.raises(KeyError), transaction.atomic():
            actions.store_many([NewMemory(ada, text) for text in LIFE * 3])
            raise KeyError
        assert list(MemoryNode.objects.values_list("content", "seen_count")) == [(LIFE[0], 1)]


# --- Embedding later -------------------------------------------------------------------------------------------


def store(ada: UUID, *texts: str) -> None:
    with transaction.atomic():
        actions.store_many([NewMemory(ada, text) for text in texts])


class TestLater:
    pytestmark = committing

    def test_what_waits_is_found_by_words_and_later_by_meaning(self, ada: UUID, server: EmbeddingServer) -> None:
        store(ada, *LIFE)
        assert not server.asked, "nothing goes over a network while something is stored"
        assert upkeep.waiting()
        assert queries.stats(ada)["waiting"] == 5
        with transaction.atomic():
            assert found(ada, "bread", limit=1) == [LIFE[4]]
        assert actions.embed_waiting() == 5
        assert not upkeep.waiting()
        assert queries.stats(ada)["by_embedder"] == {"openai:m/96": 5}
        assert found(ada, "she ate berries", limit=1) == [LIFE[0]]
        assert actions.embed_waiting() == 0

    def test_an_endpoint_that_is_away_loses_nothing(self, ada: UUID, server: EmbeddingServer) -> None:
        store(ada, *LIFE)
        server.behaviour = behaving.status(500)
        assert actions.embed_waiting() == 0
        assert found(ada, "bread", limit=1) == [LIFE[4]], "by words"
        asked = len(server.asked)
        server.behaviour = behaving.good
        assert actions.embed_waiting() == 0
        assert len(server.asked) == asked, "its breaker rests"
        breakers.reset("embedder:openai:m", by="tests")
        time.sleep(breakers.FRESH_S)
        assert actions.embed_waiting() == 5

    def test_a_text_that_is_refused_holds_up_no_other(self, ada: UUID, server: EmbeddingServer) -> None:
        store(ada, *LIFE)
        server.behaviour = behaving.not_of("storm")
        assert actions.embed_waiting() == 4
        assert actions.embed_waiting() == 0
        stats = queries.stats(ada)
        assert (stats["waiting"], stats["refused"]) == (0, 1)
        assert stats["by_embedder"] == {"openai:m/96": 4, "refused:openai:m/96": 1}

    def test_an_endpoint_that_refuses_everything_refuses_no_text(self, ada: UUID, server: EmbeddingServer) -> None:
        store(ada, *LIFE)
        server.behaviour = behaving.status(400)
        assert actions.embed_waiting() == 0
        assert queries.stats(ada)["waiting"] == 5

    def test_only_so_many_and_only_so_long(self, ada: UUID, server: EmbeddingServer) -> None:
        store(ada, *(f"number {n}" for n in range(600)))
        assert actions.embed_waiting(10) == 10
        assert actions.embed_waiting(seconds=0) == 0
        assert actions.embed_waiting() == 590

    def test_one_process_at_a_time(self, ada: UUID, server: EmbeddingServer) -> None:
        store(ada, *LIFE)
        server.behaviour = behaving.slow(0.3)
        done = at_once(*[actions.embed_waiting] * 3)
        assert sorted(done) == [0, 0, 5]
        assert len(server.asked) == 1

    def test_a_remote_one_is_never_asked_within_a_transaction(self, ada: UUID, server: EmbeddingServer) -> None:
        store(ada, *LIFE)
        for call in (actions.embed_waiting, actions.reembed):
            with pytest.raises(transaction.TransactionManagementError), transaction.atomic():
                call()
        with transaction.atomic():
            assert embedding.of_questions(["x"]) is None
        assert not server.asked


def near(agent_id: UUID) -> set[str]:
    """What a search compares by vectors."""
    results = queries.search(agent_id, "anything at all that happened", explain=True)
    (nearest,) = queries.nearest_many([(agent_id, "anything at all that happened")], limit=10)
    assert {one.content for one in nearest} == {one.content for one in results if "meaning" in one.parts}
    return {one.content for one in nearest}


# --- Another embedder ------------------------------------------------------------------------------------------


class TestReembed:
    pytestmark = committing

    def test_models_are_never_mixed(self, ada: UUID, server: EmbeddingServer, settings: Any) -> None:
        remote, settings.EMBEDDER = settings.EMBEDDER, {"kind": "local", "dimensions": 64}
        store(ada, *LIFE[:3])
        settings.EMBEDDER = {"kind": "local", "dimensions": None}
        store(ada, *LIFE[3:])
        assert near(ada) == set(LIFE[3:])
        assert set(found(ada, "anything", limit=10)) == set(LIFE)
        progress: list[tuple[int, int]] = []
        done = actions.reembed(batch=2, tell=lambda p: progress.append((p.done, p.left)))
        assert (done.done, done.left) == (3, 0)
        assert progress == [(0, 3), (2, 1), (3, 0)]
        assert near(ada) == set(LIFE)
        assert actions.reembed().done == 0
        settings.EMBEDDER = remote
        assert actions.reembed().done == 5
        assert queries.stats()["by_embedder"] == {"openai:m/96": 5}
        widths = {row[0] for row in sql.fetch_rows("SELECT vector_dims(embedding) FROM memory_nodes")}
        assert widths == {96}

    def test_it_goes_on_where_it_was_broken_off(self, ada: UUID, server: EmbeddingServer, settings: Any) -> None:
        remote, settings.EMBEDDER = settings.EMBEDDER, {"kind": "local", "dimensions": None}
        store(ada, *(f"number {n}" for n in range(50)))
        settings.EMBEDDER = remote
        server.then(behaving.good, behaving.good)
        server.behaviour = behaving.status(401)
        with pytest.raises(EmbeddingFailed):
            actions.reembed(batch=10)
        assert queries.stats()["by_embedder"]["openai:m/96"] == 20
        server.behaviour = behaving.good
        assert actions.reembed(batch=10).done == 30
        assert sum(len(body["input"]) for body in server.asked) == 50 + 10

    def test_it_goes_on_while_others_store(self, ada: UUID, settings: Any) -> None:
        """Ticks merge into rows that are being switched; nobody waits in a circle, and nothing is left behind."""
        settings.EMBEDDER = {"kind": "local", "dimensions": 64}
        store(ada, *(f"number {n}" for n in range(400)))

        def ticking() -> None:
            chance = np.random.default_rng(1)
            for _ in range(30):
                store(ada, *(f"number {n}" for n in chance.permutation(450)[:60]))

        settings.EMBEDDER = {"kind": "local", "dimensions": None}
        done, *_ = at_once(lambda: actions.reembed(batch=20), ticking, ticking)
        assert done.done == 400
        stats = queries.stats()
        assert stats["by_embedder"] == {embedder().key: stats["memories"]}
        assert stats["stored"] == 400 + 2 * 30 * 60

    def test_rows_that_are_locked_are_passed_over_and_done_later(self, ada: UUID, settings: Any) -> None:
        settings.EMBEDDER = {"kind": "local", "dimensions": 64}
        store(ada, *LIFE)
        settings.EMBEDDER = {"kind": "local", "dimensions": None}
        with threads(1) as started:
            with transaction.atomic():
                actions.store_many([NewMemory(ada, LIFE[0])])
                going = started.start(lambda: actions.reembed(batch=2))
                while queries.stats()["by_embedder"].get(embedder().key) != 4:
                    pass
                assert not going.done()
            assert going.result(timeout=30).done == 5

    def test_texts_that_were_refused_are_tried_with_another_one(
        self, ada: UUID, server: EmbeddingServer, settings: Any
    ) -> None:
        store(ada, *LIFE)
        server.behaviour = behaving.not_of("storm")
        done = actions.reembed()
        assert (done.done, done.refused, done.left) == (4, 1, 0)
        settings.EMBEDDER = {"kind": "local", "dimensions": None}
        assert actions.reembed().done == 5


def test_a_wrong_dimension_is_told(server: EmbeddingServer) -> None:
    server.behaviour = behaving.of_dimensions(1536)
    one = embedder()
    assert isinstance(one, OpenAIEmbedder)
    with pytest.raises(EmbeddingFailed, match="1536 dimensions, and 96 are set"):
        one.embed(["a"])


def test_few_and_many_write_the_same(ada: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """One INSERT and a COPY leave equal rows."""
    memories = [NewMemory(ada, text, tags=("a",), source={"tick": 1}, summary="s", valence=0.5) for text in LIFE]
    seen = []
    for few in (0, 100):
        monkeypatch.setattr(storing, "FEW", few)
        MemoryNode.objects.all().delete()
        actions.store_many(memories)
        names = [f.attname for f in MemoryNode._meta.concrete_fields if f.name not in ("embedding", "updated_at")]
        names = [name for name in names if not name.endswith("_at")]
        seen.append(sorted(MemoryNode.objects.values_list(*names), key=repr))
    assert seen[0] == seen[1]
