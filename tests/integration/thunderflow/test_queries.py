import pytest
from django.db import transaction

from domains.thunderflow import queries
from domains.thunderflow.actions import publish_many
from domains.thunderflow.patterns import BadPattern, matches
from tests.integration.thunderflow.told import told
from tests.threads import threads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

TOPICS = [
    "zone.1.left",
    "zone.1.entered",
    "zone.2.left",
    "system.started",
    "agent.1.a.b",
    "status",
    "a+b.(c).[d",
    "ä.\\d",
]
PATTERNS = ["**", "*", "zone.*.left", "zone.**", "**.left", "*.started", "status", "a+b.(c).*", "ä.\\d", "**.b", "x.**"]


def write(*topics: str) -> None:
    with transaction.atomic():
        publish_many([told("test:1", topic, topic=topic) for topic in topics])


def topics(events: list[queries.StoredEvent]) -> list[str]:
    return [event.topic for event in events]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_database_reads_a_pattern_as_python_does(pattern: str) -> None:
    write(*TOPICS)
    events, _ = queries.read(after=0, pattern=pattern)
    assert topics(events) == [topic for topic in TOPICS if matches(pattern, topic)]


def test_reading_goes_on_from_the_cursor_and_past_what_did_not_match() -> None:
    write("a", "b", "a", "b", "b")
    head = queries.settled()
    one, cursor = queries.read(after=0, pattern="a", limit=1)
    two, cursor = queries.read(after=cursor, pattern="a", limit=1)
    assert topics(one + two) == ["a", "a"]
    assert one[0].position < two[0].position == cursor
    none, cursor = queries.read(after=cursor, pattern="a", limit=1)
    assert (none, cursor) == ([], head)
    write("a")
    assert topics(queries.read(after=cursor, pattern="a")[0]) == ["a"]


def test_a_cursor_never_goes_back() -> None:
    write("a")
    assert queries.read(after=10**6) == ([], 10**6)


def test_a_stream_is_read_by_its_own_numbers() -> None:
    with transaction.atomic():
        publish_many([told(f"test:{n % 2}", n) for n in range(6)])
    events = queries.read_stream("test:0", after=1, limit=1)
    assert [(event.seq, event.payload["what"]) for event in events] == [(2, 2)]
    assert [event.seq for event in queries.read_stream("test:0", after=1)] == [2, 3]
    assert queries.read_stream("test:9", after=0) == []


def test_the_latest_come_newest_first_from_among_the_last_positions() -> None:
    write("old", "a", "b", "a", "c")
    assert topics(queries.latest(limit=2)) == ["c", "a"]
    assert topics(queries.latest(pattern="a")) == ["a", "a"]
    assert topics(queries.latest(pattern="old", within=4)) == []
    assert topics(queries.latest(pattern="old", within=5)) == ["old"]


def test_an_empty_log_is_settled_at_0() -> None:
    assert queries.settled() == 0
    assert queries.read(after=0) == ([], 0)
    assert queries.latest() == []


@pytest.mark.parametrize("ask", [queries.read, queries.latest])
def test_what_is_no_pattern_is_refused(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadPattern):
        ask(pattern="a*", **({"after": 0} if ask is queries.read else {}))


def test_following_from_a_position_yields_old_and_new_in_order() -> None:
    write("a.1", "b.1", "a.2")
    follower = queries.follow(pattern="a.*", after=0)
    assert topics([next(follower), next(follower)]) == ["a.1", "a.2"]
    with threads() as started:
        coming = started.start(next, follower)
        write("b.2", "a.3")
        assert coming.result(30).topic == "a.3"


def test_following_from_now_leaves_the_past_out() -> None:
    write("a.1")
    begun = queries.settled()
    asked = []

    def stop() -> bool:
        """The first question comes once the place to begin at is known."""
        if not asked:
            write("a.2")
        asked.append(True)
        return False

    assert next(queries.follow(stop=stop)).topic == "a.2"
    assert begun == 1


def test_following_ends_when_it_is_told_to() -> None:
    write("a.1", "a.2")
    seen: list[str] = []
    for event in queries.follow(after=0, stop=lambda: len(seen) == 2):
        seen.append(event.topic)
    assert seen == ["a.1", "a.2"]
    assert list(queries.follow(stop=lambda: True)) == []
