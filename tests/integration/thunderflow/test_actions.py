from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import transaction
from pydantic import BaseModel

from domains.thunderflow import context, queries
from domains.thunderflow.actions import NewEvent, publish, publish_many
from domains.thunderflow.context import acting
from domains.thunderflow.models import Event, Stream
from domains.thunderflow.queries import StoredEvent
from tests.integration.thunderflow.told import Told, told

pytestmark = pytest.mark.django_db
ONE, TWO = UUID(int=1), UUID(int=2)


def stored(stream: str) -> list[StoredEvent]:
    return queries.read_stream(stream, after=0)


def test_an_event_keeps_all_that_it_was_given() -> None:
    with acting(actor="user:ada", correlation_id=ONE, causation_id=TWO):
        assert publish(told("test:1", "a story", priority=3)) == 1
    (event,) = stored("test:1")
    assert (event.stream, event.seq, event.topic, event.payload) == ("test:1", 1, "test.told", {"what": "a story"})
    assert (event.correlation_id, event.causation_id, event.actor) == (ONE, TWO, "user:ada")
    assert (event.priority, event.event_version, event.node) == (3, 1, context.node())
    assert event.id.version == 7
    assert event.at.tzinfo is not None
    assert abs((datetime.now(UTC) - event.at).total_seconds()) < 3600


def test_what_one_request_sets_off_has_one_correlation() -> None:
    with acting(actor="user:ada"):
        publish(told("test:1", 1))
        with acting(actor="domain:zones"):
            publish(told("test:2", 2))
    with acting(actor="user:bo"):
        publish(told("test:3", 3))
    (one,), (two,), (three,) = stored("test:1"), stored("test:2"), stored("test:3")
    assert one.correlation_id == two.correlation_id != three.correlation_id
    assert (one.actor, two.actor, three.actor) == ("user:ada", "domain:zones", "user:bo")


def test_an_answer_names_its_cause() -> None:
    publish(told("test:1", "question"))
    cause = stored("test:1")[0].id
    with acting(causation_id=cause):
        publish(told("test:1", "answer"))
    assert [event.causation_id for event in stored("test:1")] == [None, cause]


def test_an_event_s_own_actor_and_cause_win_over_the_context() -> None:
    with acting(actor="engine", causation_id=ONE):
        publish(told("test:1", "x", actor="agent:ada", causation_id=TWO))
    (event,) = stored("test:1")
    assert (event.actor, event.causation_id) == ("agent:ada", TWO)


def test_the_version_of_the_payload_is_kept() -> None:
    class Newer(Told):
        version = 4

    publish(NewEvent("test:1", "test.told", Newer(what=1)))
    assert stored("test:1")[0].event_version == 4


def test_many_are_numbered_in_their_order_within_each_stream() -> None:
    publish(told("test:a", 0))
    last = publish_many([told("test:b", 1), told("test:a", 2), told("test:b", 3), told("test:c", 4)])
    assert last == {"test:a": 2, "test:b": 2, "test:c": 1}
    numbered = [(event.seq, event.payload["what"]) for name in "abc" for event in stored(f"test:{name}")]
    assert numbered == [(1, 0), (2, 2), (1, 1), (2, 3), (1, 4)]
    positions = [event.position for name in "aba" for event in stored(f"test:{name}")]
    assert len(set(positions)) == 4
    whole = Event.objects.filter(stream__startswith="test:").order_by("position")
    assert [event.payload["what"] for event in whole] == [0, 1, 2, 3, 4]


def test_nothing_to_publish_is_nothing() -> None:
    assert publish_many([]) == {}


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes to the database from here on, seen at psycopg's cursors."""
    seen: list[str] = []
    for name in ("execute", "copy"):
        real = getattr(psycopg.Cursor, name)

        def spy(cursor: Any, query: Any, *args: Any, real: Any = real, **options: Any) -> Any:
            seen.append(str(query))
            return real(cursor, query, *args, **options)

        monkeypatch.setattr(psycopg.Cursor, name, spy)
    return seen


@pytest.mark.parametrize("count", [1, 100])
def test_publishing_takes_two_statements_however_many_there_are(count: int, statements: list[str]) -> None:
    publish_many([told(f"test:{n % 7}", n) for n in range(count)])
    assert len(statements) == 2


def test_what_takes_several_statements_is_one_row_of_events() -> None:
    publish_many([told(f"test:{n % 2}", n) for n in range(1001)])
    for stream in range(2):
        events = queries.read_stream(f"test:{stream}", after=0, limit=1001)
        assert [event.payload["what"] for event in events] == list(range(stream, 1001, 2))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert sorted(event.at for event in events) == [event.at for event in events]


def test_a_late_event_that_cannot_be_written_leaves_none_behind() -> None:
    events = [told("test:1", n) for n in range(400)]
    events[399] = told("test:1", object())
    with pytest.raises(TypeError), transaction.atomic():
        publish_many(events)
    assert stored("test:1") == []
    assert publish(told("test:1", "after")) == 1


def test_payloads_of_every_json_kind_come_back() -> None:
    class Inner(BaseModel):
        deep: list[int]

    what = {
        "text": 'quotes " and \\ and \n and 橋 🌉',
        "numbers": [0, -1, 2**53, 1.5, 1e-300],
        "nothing": None,
        "id": ONE,
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "model": Inner(deep=[1, 2]),
    }
    publish(told("test:1", what))
    assert stored("test:1")[0].payload["what"] == {
        **what, "id": str(ONE), "at": "2026-01-02T03:04:05+00:00", "model": {"deep": [1, 2]},
    }  # fmt: skip


def test_the_models_read_the_same_log() -> None:
    publish_many([told("test:1", 1), told("test:1", 2)])
    newest = Event.objects.filter(stream="test:1")[0]
    assert newest.payload == {"what": 2}
    assert str(newest) == f"{newest.position} test.told"
    assert str(Stream.objects.get(name="test:1")) == "test:1 at 2"
