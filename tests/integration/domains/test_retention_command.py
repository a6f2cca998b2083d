"""`manage.py retention`, as people and as programs use it."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import orjson
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from domains import sql
from domains.thunderblock import retention
from domains.thunderblock.models import RetentionPolicy
from domains.thunderflow.models import Cursor, Subscription
from tests.leaves import attached, fill, small_leaves

__all__ = ["small_leaves"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small_leaves")]


def said(*words: str) -> str:
    out = StringIO()
    call_command("retention", *words, stdout=out)
    return out.getvalue()


def read(*words: str) -> Any:
    return orjson.loads(said(*words, "--json"))


def long_ago() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events SET at = at - interval '40 days'")


def test_it_lists_stores_with_what_would_go() -> None:
    fill(250)
    long_ago()
    found = {row["store"]: row for row in read("list")}
    assert found.keys() == {"audit", "events", "model_calls", "outside_calls", "tick_logs"}
    assert [piece["name"] for piece in found["events"]["goes"]] == ["events_p0", "events_p100"]
    assert "events_p100" in said()
    assert orjson.loads(said("--json", "list")) == read("list")


def test_it_names_who_holds_something_up() -> None:
    retention.sync()
    RetentionPolicy.objects.filter(store="tick_logs").update(enabled=False)
    fill(250)
    long_ago()
    slow = Subscription.objects.create(name="slow", pattern="**", shards=1)
    Cursor.objects.create(subscription=slow, shard=0, position=49)
    assert "events: held up by slow, which has 201 events to read" in said("list")
    assert said("run") == "Nothing went.\n"


def test_it_changes_a_policy() -> None:
    (row,) = read("set", "events", "--keep-days", "7", "--max-bytes", "500MB")
    assert (row["keep_days"], row["max_bytes"], row["enabled"]) == (7, 500_000_000, True)
    (row,) = read("set", "events", "--keep-days", "forever", "--max-bytes", "none", "--off")
    assert (row["keep_days"], row["max_bytes"], row["enabled"]) == (None, None, False)
    assert "switched off" in said("list")
    said("set", "events", "--on")
    assert RetentionPolicy.objects.get(store="events").enabled


def test_it_carries_them_out() -> None:
    retention.sync()
    retention.set_policy("tick_logs", by="operator", enabled=False)
    fill(250)
    long_ago()
    assert "events_p0: about" in said("run")
    assert attached()[0] == "events_p200"
    assert read("run") == []


def test_it_says_when_another_process_is_at_it(capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(sql.raw().info.dsn, password=sql.raw().info.password) as other:
        other.execute("SELECT pg_advisory_lock(1163284301, 3)")
        assert said("run") == ""
        assert capsys.readouterr().err == "Not now: another process is at it\n"
        assert read("run") == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["set", "event", "--keep-days", "3"], "nothing called 'event'"),
        (["set", "events"], "set what"),
        (["set", "events", "--keep-days", "0"], "'0' is neither"),
        (["set", "events", "--max-bytes", "much"], "'much' is neither"),
        (["set", "events", "--max-bytes", "9" * 400], "more than any disk has"),
        (["set", "events", "--max-bytes", "9223373TB"], "more than any disk has"),
        (["set", "events", "--max-bytes", "5kB"], "greater than or equal to 1000000"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        said(*words)


def test_policies_change_in_the_admin_with_who_did_it(as_operator: Any) -> None:
    from domains.thunderblock import guards
    from domains.thunderflow import queries as log
    from tests.factories import wake_domains

    wake_domains()
    guards.forget()
    retention.sync()
    row = RetentionPolicy.objects.get(store="events")
    page = f"/admin/thunderblock/retentionpolicy/{row.pk}/change/"
    assert as_operator.get("/admin/thunderblock/retentionpolicy/").status_code == 200
    assert as_operator.get("/admin/thunderblock/retentionpolicy/add/").status_code == 403
    assert as_operator.get(page).status_code == 200
    assert as_operator.post(page, {"enabled": "on", "keep_days": "14", "max_bytes": ""}).status_code == 302
    row.refresh_from_db()
    assert (row.keep_days, row.max_bytes, row.enabled) == (14, None, True)
    (event,) = [e for e in log.read_stream("system", after=0) if e.topic == "system.retention_changed"]
    assert event.actor == "user:operator"
    refused = as_operator.post(page, {"enabled": "on", "keep_days": "0", "max_bytes": "5"})
    assert refused.status_code == 200
    assert b"greater than or equal to 1" in refused.content
    row.refresh_from_db()
    assert row.keep_days == 14
    assert row.looked_at is None or row.looked_at < timezone.now() + timedelta(days=1)
