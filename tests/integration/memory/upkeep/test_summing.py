"""Old episodes become semantic memories, each once, tied to what they stand for."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domains import sql
from memory.models import MemoryEdge, MemoryNode
from memory.upkeep import stints, summarisers, summing
from memory.upkeep.limits import EPISODES
from memory.upkeep.summarisers import Told
from tests.integration.memory.graph.making import NOW, link_all, make_agents
from tests.integration.memory.upkeep.living import DAY, MINUTE, OUTING, care, parts, remember_all, summaries
from tests.tables import commits
from tests.threads import at_once

__all__ = ["commits"]

pytestmark = pytest.mark.django_db

LONG_AGO = NOW - 10 * DAY


@pytest.fixture
def ada() -> UUID:
    return make_agents(1)[0]


def test_an_old_episode_is_summed_up_once(ada: UUID) -> None:
    ids = remember_all(ada, OUTING, at=LONG_AGO, valence=0.5)
    MemoryNode.objects.filter(pk=ids[2]).update(importance=0.8, valence=-0.7)
    assert care(ada).summaries == 1
    (node,) = summaries(ada)
    assert node.content.startswith("21 April 2026, 12:00 to 12:05: ")
    told = node.content.partition(": ")[2]
    assert [text for text in OUTING if text in told] and all(part in " ".join(OUTING) for part in told.split(". "))
    assert (node.kind, node.importance, node.tags) == ("semantic", 0.8, ["summary"])
    assert node.valence == pytest.approx(0.3)
    assert (node.valid_from, node.inserted_at) == (LONG_AGO, LONG_AGO + 5 * MINUTE)
    assert node.source == {"summary_of": [str(one) for one in ids], "by": "extract"}
    assert parts(node.pk) == set(ids)
    assert set(MemoryEdge.objects.filter(relation="hierarchical").values_list("strength", flat=True)) == {1.0}
    assert care(ada, NOW + DAY).summaries == 0
    assert MemoryNode.objects.filter(pk__in=ids).count() == len(ids), "what it stands for stays while there is room"


def test_young_and_short_episodes_and_other_kinds_are_left(ada: UUID) -> None:
    remember_all(ada, OUTING, at=NOW - DAY)
    remember_all(ada, [f"{text} Again." for text in OUTING[:4]], at=LONG_AGO)
    remember_all(ada, [f"It is known: {text}" for text in OUTING], at=LONG_AGO, kind="semantic")
    assert care(ada).summaries == 0
    assert care(ada, NOW + 7 * DAY).summaries == 1


def test_the_age_is_a_setting(ada: UUID, settings: Any) -> None:
    settings.MEMORY = {**settings.MEMORY, "summarise_after_days": 0.5}
    remember_all(ada, OUTING, at=NOW - DAY)
    assert care(ada).summaries == 1


def test_many_episodes_take_several_visits(ada: UUID) -> None:
    for n in range(EPISODES + 2):
        remember_all(ada, [f"Day {n}: {text}" for text in OUTING], at=LONG_AGO - n * DAY)
    link_all()
    first = stints.visit(ada, now=NOW)
    assert (first.summaries, first.more) == (EPISODES, True)
    assert care(ada).summaries == 2
    assert len({node.content for node in summaries(ada)}) == EPISODES + 2


def test_what_changed_meanwhile_is_left_for_the_next_time(ada: UUID) -> None:
    ids = remember_all(ada, OUTING, at=LONG_AGO)
    due, _ = summing.find(ada, now=NOW, after=timedelta(0))
    MemoryNode.objects.filter(pk=ids[0]).delete()
    link_all()
    assert summing.write(ada, [(due[0], Told("They sailed."))]) == 0
    assert not summaries(ada)
    assert care(ada).summaries == 1
    assert parts(summaries(ada)[0].pk) == set(ids[1:])


def test_a_summary_forgotten_lets_its_episode_be_summed_up_again(ada: UUID) -> None:
    remember_all(ada, OUTING, at=LONG_AGO)
    care(ada)
    MemoryNode.objects.filter(pk=summaries(ada)[0].pk).delete()
    assert care(ada).summaries == 1


class Later:
    """One whose model is away."""

    def summarise(self, agent_id: UUID, episodes: Any) -> list[Told | None]:
        return [Told(later=True) for _ in episodes]


class Foreign:
    """One that does every other episode in words of its own."""

    def summarise(self, agent_id: UUID, episodes: Any) -> list[Told | None]:
        return [Told("They were out all day.", by="foreign") if n % 2 == 0 else None for n in range(len(episodes))]


@pytest.fixture
def registered() -> Any:
    before = list(summarisers._registered)
    yield summarisers.register
    summarisers._registered[:] = before


def test_another_summariser_may_do_it_or_leave_it_or_put_it_off(ada: UUID, registered: Any) -> None:
    remember_all(ada, OUTING, at=LONG_AGO)
    remember_all(ada, [f"{text} Again." for text in OUTING], at=LONG_AGO + DAY)
    registered(Later())
    done = care(ada)
    assert (done.summaries, done.put_off) == (0, 2)
    registered(Foreign())
    assert care(ada).summaries == 2
    first, second = summaries(ada)
    assert first.content.endswith(": They were out all day.") and first.source["by"] == "foreign"
    assert second.source["by"] == "extract"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_two_at_once_sum_up_once() -> None:
    (ada,) = make_agents(1)
    remember_all(ada, OUTING, at=LONG_AGO)
    link_all()
    due, _ = summing.find(ada, now=NOW, after=timedelta(0))
    told = [(due[0], Told("They sailed."))]
    found = at_once(*[lambda: summing.write(ada, told, wait=True)] * 3)
    assert sorted(found) == [0, 0, 1]
    assert len(summaries(ada)) == 1
    assert sql.fetch_rows("SELECT count(*) FROM memory_edges WHERE relation = 'hierarchical'")[0][0] == len(OUTING)
