import io
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from domains.thunderflow import queries
from domains.thunderflow.actions import publish_many
from domains.thunderflow.management.commands.events import describe
from tests.integration.thunderflow.told import told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


@pytest.fixture(autouse=True)
def history(commits: None) -> None:
    """Five events."""
    topics = ["zone.1.left", "agent.1.changed", "system.started", "zone.2.left", "other"]
    with transaction.atomic():
        publish_many([told("test:1", n, topic=topic) for n, topic in enumerate(topics)])


def tail(*words: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    call_command("events", "tail", *words)
    return capsys.readouterr().out.splitlines()


def test_the_newest_are_shown_first_and_then_what_comes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = tail("--last", "2", "--count", "2", capsys=capsys)
    assert ["zone.2.left" in lines[0], "other" in lines[1]] == [True, True]
    assert len(lines) == 2


def test_lines_say_when_where_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = tail("system.*", "--count", "1", capsys=capsys)
    event = queries.latest(pattern="system.*")[0]
    assert line.split() == [f"{event.at:%H:%M:%S}", str(event.position), "system.started", "what=2"]


def test_only_topics_of_the_pattern_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    lines = tail("zone.**", "--since", "0", "--count", "2", capsys=capsys)
    assert [line.split()[2] for line in lines] == ["zone.1.left", "zone.2.left"]


def test_it_can_begin_after_a_position(capsys: pytest.CaptureFixture[str]) -> None:
    third = queries.read(after=0)[0][2].position
    lines = tail("--since", str(third), "--count", "2", capsys=capsys)
    assert [line.split()[2] for line in lines] == ["zone.2.left", "other"]


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = tail("--since", "0", "--count", "5", "--json", capsys=capsys)
    events = [orjson.loads(line) for line in lines]
    assert [event["payload"]["what"] for event in events] == [0, 1, 2, 3, 4]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert {"position", "id", "stream", "topic", "actor", "node", "at", "correlation_id"} <= set(events[0])


def test_what_is_no_pattern_is_refused_with_a_hint() -> None:
    with pytest.raises(CommandError, match="tokens are words"):
        call_command("events", "tail", "zone*")


@pytest.mark.parametrize(
    "words",
    [
        ("tail", "--last", "-1"),
        ("tail", "--last", "5001"),
        ("tail", "--count", "0"),
        ("tail", "--since", "-1"),
        ("tail", "--since", "9" * 30),
        ("replay", "--from", "9" * 30),
        ("replay", "--from", "1", "--to", "-1"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="is not a number from"):
        call_command("events", *words)


def test_what_is_committed_while_it_looks_back_is_shown_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = queries.latest

    def and_then(**wanted: Any) -> list[queries.StoredEvent]:
        with transaction.atomic():
            publish_many([told("test:1", "meanwhile", topic="zone.3.left")])
        return latest(**wanted)

    monkeypatch.setattr(queries, "latest", and_then)
    assert [line.split()[2] for line in tail("zone.**", "--count", "3", capsys=capsys)] == [
        "zone.1.left", "zone.2.left", "zone.3.left",
    ]  # fmt: skip


def test_help_says_how_a_replay_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("events", "replay", "--help")
    assert "one JSON object a line; with --subscriber, one in all" in " ".join(capsys.readouterr().out.split())


def test_ctrl_c_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def write(self, text: str) -> int:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdout", Terminal())
    call_command("events", "tail", "--since", "0", "--json")


def test_from_now_on_waits_for_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--last 0` the past is left out; the first event comes while it waits."""
    lines = []

    class Terminal(io.StringIO):
        def write(self, text: str) -> int:
            lines.append(orjson.loads(text))
            return len(text)

    def publish_once(_seconds: float) -> None:
        with transaction.atomic():
            publish_many([told("test:1", "new")])

    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setattr(queries.time, "sleep", publish_once)
    call_command("events", "tail", "--last", "0", "--count", "1", "--json")
    assert [line["payload"] for line in lines] == [{"what": "new"}]


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        ({"narrative": "It rained.", "tick": 3}, "It rained."),
        ({"name": "Ada", "tick": 3, "reason": "", "origin": None, "tags": [], "more": {}}, "name=Ada tick=3"),
        ({"count": 0, "closed": False}, "count=0 closed=False"),
        ({}, ""),
    ],
)
def test_a_payload_is_told_by_its_story_or_its_fields(payload: dict[str, Any], line: str) -> None:
    assert describe(payload) == line
