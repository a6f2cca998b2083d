from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from domains.ids import new_id
from domains.thunderflow import queries
from domains.thunderflow.actions import publish, publish_many
from domains.thunderflow.context import acting
from domains.thunderflow.models import Cursor, Subscription
from domains.thunderflow.trace import made_at, outline, position_at, trace
from tests.integration.thunderflow.told import told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]
FROM_OUTSIDE = UUID("0f0e0d0c-0b0a-4000-8000-000000000001")


def tell(what: str, cause: UUID | None = None) -> UUID:
    """Publish one event. Returns its id."""
    with transaction.atomic():
        seq = publish(told("test:1", what, topic=f"test.{what}", causation_id=cause))
    return queries.read_stream("test:1", after=seq - 1)[0].id


def a_story(correlation_id: UUID) -> None:
    """question → (answer → (thanks), echo), another; and an event of somebody else in between."""
    with acting(actor="user:ada", correlation_id=correlation_id):
        question = tell("question")
        answer = tell("answer", question)
        with acting(correlation_id=new_id()):
            tell("else")
        tell("another")
        tell("echo", question)
        tell("thanks", answer)


STORY = [(0, "question"), (1, "answer"), (2, "thanks"), (1, "echo"), (0, "another")]


@pytest.mark.parametrize("made", [new_id, lambda: FROM_OUTSIDE])
def test_effects_stand_under_their_causes(made: Callable[[], UUID]) -> None:
    correlation_id = made()
    a_story(correlation_id)
    found = trace(correlation_id, now=datetime.now(UTC))
    assert [(step.depth, step.event.payload["what"]) for step in found.steps] == STORY
    outlined = [(step.depth, step.event.position) for step in outline(correlation_id, now=datetime.now(UTC)).steps]
    assert outlined == [(step.depth, step.event.position) for step in found.steps]


def test_the_time_of_an_id_is_known_if_it_was_made_here() -> None:
    at = made_at(new_id())
    assert at is not None and abs((datetime.now(UTC) - at).total_seconds()) < 3600
    assert made_at(FROM_OUTSIDE) is None


def id_of(at: datetime) -> UUID:
    """A UUIDv7 that says it was made then."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | 1)


@pytest.mark.parametrize("ahead_s", [0.0, 59.0, 300.0, 600.0])
@pytest.mark.parametrize("later_s", [0, 3600])
def test_what_came_from_a_clock_that_is_ahead_is_found(ahead_s: float, later_s: int) -> None:
    correlation_id = id_of(datetime.now(UTC) + timedelta(seconds=ahead_s))
    a_story(correlation_id)
    found = trace(correlation_id, now=datetime.now(UTC) + timedelta(seconds=later_s))
    assert [(step.depth, step.event.payload["what"]) for step in found.steps] == STORY


def test_a_story_that_began_before_its_id_is_found_whole() -> None:
    correlation_id = id_of(datetime.now(UTC) - timedelta(hours=1))
    with acting(correlation_id=correlation_id):
        tell("first")
        move(0.1)
        tell("second")
    move(1 + 30 / 3600)
    assert [step.event.payload["what"] for step in trace(correlation_id, now=datetime.now(UTC)).steps] == [
        "first", "second",
    ]  # fmt: skip


def test_an_id_of_a_time_that_there_is_not_is_like_one_from_outside() -> None:
    correlation_id = UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")
    assert made_at(correlation_id) is None
    assert made_at(id_of(datetime(9999, 12, 31, tzinfo=UTC))) == datetime(9999, 12, 31, tzinfo=UTC)
    a_story(correlation_id)
    assert len(trace(correlation_id, now=datetime.now(UTC)).steps) == 5


def move(hours: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events SET at = at - %s", [timedelta(hours=hours)])


def test_the_place_to_begin_is_found_by_time() -> None:
    with transaction.atomic():
        publish_many([told("test:1", n) for n in range(5)])
    move(2)
    with transaction.atomic():
        publish_many([told("test:1", n) for n in range(3)])
    now = datetime.now(UTC)
    assert [position_at(now - timedelta(hours=hours)) for hours in (3, 1)] == [0, 6]
    assert queries.read(after=5)[0][0].payload == {"what": 0}
    assert position_at(now + timedelta(hours=1)) == queries.settled() + 1


def test_only_the_stretch_after_it_began_is_looked_through() -> None:
    correlation_id = FROM_OUTSIDE
    a_story(correlation_id)
    move(2)
    now = datetime.now(UTC)
    assert trace(correlation_id, now=now).steps == []
    assert len(trace(correlation_id, within_s=3 * 3600, now=now).steps) == 5


def test_the_command_shows_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    correlation_id = new_id()
    a_story(correlation_id)
    call_command("events", "trace", str(correlation_id))
    lines = capsys.readouterr().out.splitlines()
    assert ["test." + what in line for (_, what), line in zip(STORY, lines, strict=True)] == [True] * 5
    assert [line.count("└") for line in lines] == [0, 1, 1, 1, 0]
    assert all("user:ada" in line for line in lines)
    call_command("events", "trace", str(correlation_id), "--json")
    told = orjson.loads(capsys.readouterr().out)
    assert [(event["depth"], event["payload"]["what"]) for event in told["events"]] == STORY


def test_a_trace_of_nothing_says_where_it_looked() -> None:
    with pytest.raises(CommandError, match="--within looks further"):
        call_command("events", "trace", str(new_id()))


def test_stats_count_by_topic_and_stream(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = new_id(), new_id()
    with transaction.atomic():
        publish_many([told(f"zone:{z}", 1, topic=f"zone.{z}.left") for z in (one, other, one)])
        publish_many([told("system", 1, topic="system.started")])
    call_command("events", "stats", "--json")
    found = orjson.loads(capsys.readouterr().out)
    assert found["topics"] == {"zone.*.left": 3, "system.started": 1}
    assert found["streams"] == {"zone": 3, "system": 1}
    assert (found["newest"], found["settled"], found["events"]) == (4, 4, 4)
    assert found["leaves"] >= 5 and found["bytes"] > 0
    call_command("events", "stats", "--last", "1", "--json")
    assert orjson.loads(capsys.readouterr().out)["topics"] == {"system.started": 1}


def test_stats_are_readable_and_tell_of_an_empty_log_too(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("events", "stats")
    assert "position 0, settled up to 0" in capsys.readouterr().out
    tell("question")
    call_command("events", "stats")
    lines = capsys.readouterr().out.splitlines()
    assert "test.question" in " ".join(lines) and "1 events among the newest 100,000 positions" in " ".join(lines)


def test_stats_tell_how_far_subscribers_are_behind(capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(3):
        tell(f"n{n}")
    subscription = Subscription.objects.create(name="tests.behind", pattern="**", shards=1, paused=True)
    Cursor.objects.create(subscription=subscription, shard=0, position=1, handled=1)
    call_command("events", "stats", "--json")
    (standing,) = orjson.loads(capsys.readouterr().out)["subscriptions"]
    assert (standing["name"], standing["lag"], standing["handled"], standing["paused"]) == ("tests.behind", 2, 1, True)
    call_command("events", "stats")
    assert "tests.behind" in capsys.readouterr().out
