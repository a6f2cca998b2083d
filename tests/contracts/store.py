"""What the store of memories keeps to, whatever the embedder. Subclass `StoreContract` and set the embedder up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from memory import actions, queries
from memory.actions import NewMemory, NoSuchMemory
from memory.models import MemoryEdge, MemoryNode
from tests.factories.worlds import make_world

LIFE = [
    "Ada picked blackberries and ate them.",
    "A storm tore the roof off the boathouse.",
    "Bo taught her how to tie a bowline knot.",
    "She felt lonely at the lighthouse.",
    "The market had fresh bread in the morning.",
]
MAY = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def found(agent_id: UUID, text: str, **how: Any) -> list[str]:
    return [one.content for one in queries.search(agent_id, text, **how)]


def node(node_id: UUID | None) -> MemoryNode:
    return MemoryNode.objects.get(pk=node_id)


class StoreContract:
    """Tests shared by all embedders. They run in a transaction."""

    @pytest.fixture
    def agents(self) -> list[UUID]:
        return list(make_world(agents=3).agents.order_by("ordinal").values_list("pk", flat=True))

    @pytest.fixture
    def ada(self, agents: list[UUID]) -> UUID:
        return agents[0]

    @pytest.fixture
    def bo(self, agents: list[UUID]) -> UUID:
        return agents[1]

    def ready(self) -> None:
        """Whatever is to happen between storing and searching."""

    # --- Stored is found ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize("count", [1, 5, 40])
    def test_what_is_stored_is_found(self, ada: UUID, count: int) -> None:
        texts = [f"{LIFE[n % 5]} That was on day {n}." for n in range(count)]
        ids = actions.store_many([NewMemory(ada, text) for text in texts])
        self.ready()
        assert len(set(ids)) == count == queries.count(ada)
        for text, node_id in zip(texts, ids, strict=True):
            best = queries.search(ada, text, limit=1)[0]
            assert (best.content, best.id) == (text, node_id)

    def test_it_can_be_stored_in_words(self, ada: UUID) -> None:
        node_id = actions.store(ada, LIFE[0], kind="semantic", importance=0.9, tags=("food",))
        one = node(node_id)
        assert (one.content, one.kind, one.importance, one.tags) == (LIFE[0], "semantic", 0.9, ["food"])

    def test_several_questions_are_answered_as_each_by_itself(self, ada: UUID, bo: UUID) -> None:
        for agent_id in (ada, bo):
            actions.store_many([NewMemory(agent_id, text) for text in LIFE])
        self.ready()
        asked = [(ada, "fresh bread"), (bo, "a storm"), (ada, "a knot")]
        now = datetime.now(UTC)
        together = queries.search_many(asked, limit=2, as_of=now)
        assert together == [queries.search(*one, limit=2, as_of=now) for one in asked]
        assert all(together)

    # --- Nobody else sees it -----------------------------------------------------------------------------------

    def test_no_agent_sees_another_s(self, agents: list[UUID]) -> None:
        for n, agent_id in enumerate(agents):
            actions.store_many([NewMemory(agent_id, f"{text} So said agent {n}.") for text in LIFE])
        self.ready()
        for n, agent_id in enumerate(agents):
            for question in (*LIFE, "So said agent 0", "agent 1", "agent 2"):
                assert all(one.endswith(f"agent {n}.") for one in found(agent_id, question, limit=100))
                many = queries.search_many([(other, question) for other in agents], limit=100)
                assert all(one.content.endswith(f"agent {n}.") for one in many[n])
        assert found(uuid4(), LIFE[0]) == []

    def test_equal_texts_of_two_agents_stay_two(self, ada: UUID, bo: UUID) -> None:
        one, other = actions.store_many([NewMemory(ada, LIFE[0]), NewMemory(bo, LIFE[0])])
        assert one != other
        assert (node(one).agent_id, node(other).agent_id) == (ada, bo)
        actions.forget(ada, [one], by="tests", reason="asked")  # type: ignore[list-item]
        self.ready()
        assert (found(ada, LIFE[0]), found(bo, LIFE[0])) == ([], [LIFE[0]])

    def test_nobody_forgets_or_closes_another_s(self, ada: UUID, bo: UUID) -> None:
        mine = actions.store(ada, LIFE[0])
        assert mine
        with pytest.raises(NoSuchMemory):
            actions.forget(bo, [mine], by="tests", reason="asked")
        assert actions.close(bo, [mine], at=datetime.now(UTC)) == 0
        assert node(mine).valid_to is None

    # --- Forgotten is not found --------------------------------------------------------------------------------

    def test_what_is_forgotten_is_not_found(self, ada: UUID) -> None:
        ids = [node_id for node_id in actions.store_many([NewMemory(ada, text) for text in LIFE]) if node_id]
        MemoryEdge.objects.create(source_id=ids[0], target_id=ids[1], relation="temporal")
        MemoryEdge.objects.create(source_id=ids[2], target_id=ids[0], relation="temporal")
        self.ready()
        assert actions.forget(ada, ids[:1], by="tests", reason="asked") == 1
        assert LIFE[0] not in found(ada, LIFE[0])
        assert queries.count(ada) == 4
        assert not MemoryEdge.objects.exists()

    def test_all_that_is_to_be_forgotten_is_there_or_nothing_goes(self, ada: UUID) -> None:
        (mine,) = actions.store_many([NewMemory(ada, LIFE[0])])
        assert mine
        with pytest.raises(NoSuchMemory):
            actions.forget(ada, [mine, uuid4()], by="tests", reason="asked")
        assert queries.count(ada) == 1
        assert actions.forget(ada, [], by="tests", reason="asked") == 0

    def test_what_is_forgotten_can_be_learnt_anew(self, ada: UUID) -> None:
        first = actions.store(ada, LIFE[0])
        assert first
        actions.forget(ada, [first], by="tests", reason="asked")
        second = actions.store(ada, LIFE[0])
        self.ready()
        assert second != first
        assert (node(second).seen_count, found(ada, LIFE[0])) == (1, [LIFE[0]])

    # --- Equal ones merge --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("others", [0, 20])
    @pytest.mark.parametrize("apart", [False, True])
    def test_equal_texts_become_one(self, ada: UUID, apart: bool, others: int) -> None:
        """At once or one after the other, among few or many."""
        more = [NewMemory(ada, f"Something else, number {n}.") for n in range(others)]
        equal = [
            NewMemory(ada, LIFE[0], importance=0.4, valence=0.1, tags=("a",), source={"tick": 1}, at=MAY),
            NewMemory(ada, f"  {LIFE[0].upper()}", importance=0.9, valence=-0.8, tags=("a", "b"), source={"tick": 2},
                      summary="Berries.", at=MAY + DAY),
            NewMemory(ada, LIFE[0].rstrip("."), importance=0.2, tags=("c",), at=MAY - DAY),
        ]  # fmt: skip
        if apart:
            ids = [actions.store_many([one, *more])[0] for one in equal]
        else:
            ids = actions.store_many([*equal, *more])[:3]
        assert len(set(ids)) == 1
        one = node(ids[0])
        assert (one.content, one.seen_count) == (LIFE[0], 3)
        assert (one.importance, one.valence, one.tags) == (0.9, -0.8, ["a", "b", "c"])
        assert one.all_sources == [{"tick": 1}, {"tick": 2}]
        assert (one.inserted_at, one.last_seen_at) == (MAY - DAY, MAY + DAY)
        if apart:
            assert one.summary == "Berries."
        assert queries.count(ada) == 1 + others
        self.ready()
        assert found(ada, LIFE[0], limit=50).count(LIFE[0]) == 1

    @pytest.mark.parametrize("other", ["Ada picked blackberries and ate it.", "Ada picked blackberries and ate them?"])
    def test_unlike_texts_stay_two(self, ada: UUID, other: str) -> None:
        ids = actions.store_many([NewMemory(ada, LIFE[0]), NewMemory(ada, other)])
        assert len(set(ids)) == 2

    @pytest.mark.parametrize("together", [False, True])
    def test_sources_are_bounded(self, ada: UUID, together: bool) -> None:
        memories = [NewMemory(ada, LIFE[0], source={"tick": n}) for n in range(60)]
        for batch in [memories] if together else [[one] for one in memories]:
            actions.store_many(batch)
        one = MemoryNode.objects.get()
        assert one.seen_count == 60
        assert one.all_sources == [{"tick": 0}, *({"tick": n} for n in range(40, 60))]

    def test_tags_are_bounded(self, ada: UUID) -> None:
        for start in (0, 40, 80):
            actions.store(ada, LIFE[0], tags=tuple(f"tag {n}" for n in range(start, start + 40)))
        assert node(MemoryNode.objects.get().pk).tags == [f"tag {n}" for n in range(50)]

    # --- Echoes ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "echo",
        [
            LIFE[0],
            LIFE[0].upper(),
            f"I remember that {LIFE[0]}",
            f"Bo said: “{LIFE[0]}”",
            f"Bo of the harbour told me that Ada remembered: {LIFE[0]}",
        ],
    )
    @pytest.mark.parametrize("by_id", [False, True])
    def test_what_was_just_recalled_is_not_stored_again(self, ada: UUID, bo: UUID, echo: str, by_id: bool) -> None:
        known = actions.store(ada, LIFE[0])
        assert known
        recalled: dict[UUID, list[UUID | str]] = {ada: [known if by_id else LIFE[0]]}
        wanted = [NewMemory(ada, echo), NewMemory(ada, LIFE[1]), NewMemory(bo, echo)]
        ids = actions.store_many(wanted, recalled=recalled)
        assert [node_id is None for node_id in ids] == [True, False, False]
        assert node(known).seen_count == 1
        assert queries.count(ada) == 2
        assert actions.store(ada, echo, recalled=recalled[ada]) is None

    def test_another_s_memories_are_nobody_s_echoes(self, ada: UUID, bo: UUID) -> None:
        theirs = actions.store(bo, LIFE[0])
        assert theirs
        assert actions.store(ada, LIFE[0], recalled=[theirs]) is not None

    # --- Validity ----------------------------------------------------------------------------------------------

    def test_what_holds_is_found_as_of_any_time(self, ada: UUID) -> None:
        actions.store(ada, "Ann lives in Paris.", at=MAY, valid_to=MAY + 10 * DAY)
        actions.store(ada, "Ann lives in Rome.", at=MAY + 20 * DAY, valid_from=MAY + 10 * DAY)
        actions.store(ada, "Ann lives in Oslo.", valid_from=datetime.now(UTC) + DAY)
        self.ready()
        for days, city in {-1: None, 0: "Paris", 9: "Paris", 10: "Rome", 15: "Rome", 30: "Rome"}.items():
            expected = [f"Ann lives in {city}."] if city else []
            assert found(ada, "Where does Ann lives in", as_of=MAY + days * DAY) == expected
            many = queries.search_many([(ada, "Ann lives in")] * 2, limit=5, as_of=MAY + days * DAY)
            assert [[one.content for one in each] for each in many] == [expected] * 2
        assert found(ada, "Ann lives in") == ["Ann lives in Rome."]

    def test_what_is_closed_is_found_as_of_before(self, ada: UUID) -> None:
        held = actions.store(ada, "Ann lives in Paris.", at=MAY)
        assert held
        assert actions.close(ada, [held], at=MAY + DAY) == 1
        assert actions.close(ada, [held], at=MAY + 2 * DAY) == 0, "it has ended"
        self.ready()
        assert found(ada, "Ann lives in Paris") == []
        assert found(ada, "Ann lives in Paris", as_of=MAY) == ["Ann lives in Paris."]

    def test_what_was_closed_and_is_so_again_is_another_memory(self, ada: UUID) -> None:
        first = actions.store(ada, "Ann lives in Paris.", at=MAY)
        assert first
        actions.close(ada, [first], at=MAY + DAY)
        second = actions.store(ada, "Ann lives in Paris.", at=MAY + 5 * DAY)
        assert second
        assert second != first
        assert actions.store(ada, "Ann lives in Paris.") == second
        assert actions.close(ada, [second], at=MAY + 6 * DAY) == 1
        self.ready()
        for days, count in {0: 1, 2: 0, 5: 1, 7: 0}.items():
            assert len(found(ada, "Ann lives in Paris", as_of=MAY + days * DAY)) == count

    def test_two_of_one_text_can_be_closed_at_one_instant(self, ada: UUID) -> None:
        for _ in range(3):
            held = actions.store(ada, "Ann lives in Paris.", at=MAY)
            assert held
            assert actions.close(ada, [held], at=MAY + DAY) == 1
        assert MemoryNode.objects.values("valid_to").distinct().count() == 3
