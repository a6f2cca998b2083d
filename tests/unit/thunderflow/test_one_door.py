"""Nothing writes event rows but `thunderflow.actions`: who looks for another way is found here."""

import re
from pathlib import Path

import pytest

from thunderline.config import BASE_DIR

DOOR = BASE_DIR / "domains/thunderflow/actions.py"
PACKAGES = ("thunderline", "agents", "zones", "memory", "domains", "mcp")
WRITES = re.compile(
    r"""\b(insert\s+into|update|delete\s+from|copy|truncate)\s+(only\s+)?["']?(events|event_streams)\b
      | \bcopy(_encoded)?\(\s*["']events["']
      | \b(Event|Stream)\.objects\.(\w+\([^)]*\)\.)*(create|bulk_create|get_or_create|update|update_or_create|delete)\(
    """,
    re.IGNORECASE | re.VERBOSE,
)


def sources() -> list[Path]:
    return [
        path
        for package in PACKAGES
        for path in (BASE_DIR / package).rglob("*.py")
        if "migrations" not in path.parts and path != DOOR
    ]


def test_nothing_else_writes_event_rows() -> None:
    found = {
        str(path.relative_to(BASE_DIR)): match[0] for path in sources() if (match := WRITES.search(path.read_text()))
    }
    assert found == {}
    assert len(sources()) > 100
    assert WRITES.search(DOOR.read_text()), "the door itself is seen"


@pytest.mark.parametrize(
    "text",
    [
        'execute("INSERT INTO events (seq) VALUES (1)")',
        "insert  into\n events SELECT",
        'sql.copy("events", {})',
        'sql.copy_encoded(\n    "events", [])',
        "UPDATE event_streams SET seq = 0",
        "DELETE FROM events WHERE position < 5",
        "Event.objects.create(seq=1)",
        "Event.objects.filter(stream='a').delete()",
    ],
)
def test_each_way_around_it_would_be_found(text: str) -> None:
    assert WRITES.search(text)


@pytest.mark.parametrize(
    "text",
    ["SELECT * FROM events", "Event.objects.filter(a=1)", "COPY limit_events (a)", "INSERT INTO event_cursors"],
)
def test_reading_and_other_tables_are_let_be(text: str) -> None:
    assert not WRITES.search(text)
