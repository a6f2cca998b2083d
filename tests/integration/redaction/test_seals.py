"""What is altered by hand is told from what was redacted."""

from __future__ import annotations

from typing import Any

import pytest

from domains import sql
from domains.thunderflow import queries as thunderflow
from domains.thunderflow import seals
from domains.thundergate import redactions
from tests.integration.redaction.planting import FIRST, NAME, plant
from tests.tables import commits  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


@pytest.fixture
def redacted() -> int:
    """A log in which somebody was forgotten. The position of an event that was redacted."""
    plant()
    row = redactions.request(redactions.person([NAME, FIRST]), by="operator", reason="asked")
    assert redactions.run(row.pk, patience_s=0).status == "done"
    seals.seal()
    report = redactions.verify()
    assert (report.problems, report.unsealed) == ([], 0)
    assert report.redactions == {row.pk}
    assert report.redacted > 3
    assert report.events == sql.fetch_rows("SELECT count(*) FROM events")[0][0]
    return int(sql.fetch_rows("SELECT min(key::bigint) FROM redacted_rows WHERE log = 'events'")[0][0])


UNTOUCHED = "SELECT min(position) FROM events WHERE position::text NOT IN (SELECT key FROM redacted_rows)"


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (f"UPDATE events SET payload = '{{}}' WHERE position = ({UNTOUCHED})", "altered otherwise than by a redaction"),
        (f"UPDATE events SET at = at + interval '1 us' WHERE position = ({UNTOUCHED})", "altered otherwise"),
        (f"UPDATE events SET actor = 'nobody' WHERE position = ({UNTOUCHED})", "altered otherwise"),
        (f"DELETE FROM events WHERE position = ({UNTOUCHED})", "there were"),
        ("DELETE FROM events WHERE position = {redacted}", "there were"),
        ("UPDATE events SET payload = '{{}}' WHERE position = {redacted}", "altered after it was redacted"),
        ("DELETE FROM redacted_rows WHERE key = '{redacted}'", "altered otherwise"),
        ("UPDATE redacted_rows SET was = now WHERE key = '{redacted}'", "record of its redaction was altered"),
        ("UPDATE redacted_rows SET redaction_id = gen_random_uuid() WHERE key = '{redacted}'", "was altered"),
        ("UPDATE event_seals SET events = events + 1", "seal itself was altered"),
        ("UPDATE event_seals SET digest = sha256('x')", "seal itself was altered"),
        ("DELETE FROM event_seals WHERE number = 1", "a seal before it is missing"),
        ("UPDATE event_streams SET seq = seq - 1 WHERE name = 'system'", "stream system"),
        ("UPDATE tick_logs SET narrative = 'x' WHERE narrative = '[redacted]'", "altered after it was redacted"),
        ("UPDATE tick_logs SET state_hash = 'x' WHERE narrative = '[redacted]'", "altered after it was redacted"),
        ("DELETE FROM redactions", "there is no record of redaction"),
    ],
)
def test_what_was_altered_by_hand_is_found(redacted: int, statement: str, problem: str) -> None:
    if "tick_logs" in statement:
        assert sql.fetch_rows("SELECT count(*) FROM tick_logs WHERE narrative = '[redacted]'")[0][0]
    sql.execute(statement.format(redacted=redacted) if "{redacted}" in statement else statement)
    problems = redactions.verify().problems
    assert any(problem in one for one in problems), problems


def test_a_row_that_is_redacted_twice_is_still_known(redacted: int) -> None:
    row = redactions.request(redactions.person(["Harbour"]), by="operator", reason="asked again")
    assert redactions.run(row.pk, patience_s=0).status == "done"
    report = redactions.verify()
    assert (report.problems, len(report.redactions)) == ([], 2)


def test_the_latest_seals_are_missed_by_who_noted_them(redacted: int) -> None:
    head = redactions.verify().head
    assert redactions.verify(expect=head).problems == []
    sql.execute("DELETE FROM event_seals WHERE number = (SELECT max(number) FROM event_seals)")
    assert redactions.verify().problems == []
    assert [head in one for one in redactions.verify(expect=head).problems] == [True]


def test_another_key_can_say_nothing_and_says_so(redacted: int, settings: Any) -> None:
    settings.SECRET_KEY = "another"
    problems = redactions.verify().problems
    assert problems and all("another THUNDERLINE_SECRET_KEY" in one for one in problems)


def test_what_is_not_settled_has_no_seal_yet() -> None:
    plant()
    assert redactions.verify().unsealed == thunderflow.settled() > 0
    sealed = seals.seal()
    assert sealed == sql.fetch_rows("SELECT count(*) FROM events")[0][0]
    assert (seals.sealed_upto(), seals.seal()) == (thunderflow.settled(), 0)


def test_blocks_go_on_from_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    plant()
    monkeypatch.setattr(seals, "BLOCK", 7)
    monkeypatch.setattr(seals, "READ", seals.READ.replace("LIMIT 5000", "LIMIT 7"))
    seals.seal()
    report = redactions.verify()
    assert report.seals > 5
    assert report.problems == []


def test_seals_of_partitions_that_went_are_passed_over(redacted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domains.thunderflow.partitions.oldest", lambda: seals.sealed_upto() + 1)
    sql.execute("DELETE FROM events")
    report = redactions.verify()
    assert (report.problems, report.gone, report.events) == ([], report.seals, 0)
