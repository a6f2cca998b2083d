"""Rules that are looked at over real metrics and the real log; what is raised, told, acknowledged and over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from prometheus_client.core import GaugeMetricFamily, Metric

from domains.thunderflow import queries as log
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.models import Breaker
from domains.thundergate import events
from domains.thundergate.alerts import actions, queries, sources
from domains.thundergate.models import Alert, AlertRule
from domains.thunderlink.events import NodeDied
from tests.factories import beat, make_user, wake_domains
from tests.tables import commits
from tests.threads import at_once

__all__ = ["commits"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
usual = import_module("domains.thundergate.migrations.0006_usual_alerts").RULES
values: dict[str, float] = {}


def gauge() -> Iterator[Metric]:
    found = GaugeMetricFamily("tests_level", "Of a tank", labels=["tank"])
    for tank, value in values.items():
        found.add_metric([tank], value)
    yield found


@pytest.fixture(autouse=True)
def tanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_sources", {"tests": gauge, **sources._sources})
    AlertRule.objects.all().delete()
    values.clear()


def rule(**fields: Any) -> AlertRule:
    shown = {"name": "Tank full", "metric": "tests_level", "threshold": 10.0, "hint": "Open the tap."}
    return AlertRule.objects.create(**{**shown, **fields})


def look(seconds: float = 0) -> actions.Outcome | None:
    return actions.evaluate(now=NOW + timedelta(seconds=seconds))


def told() -> list[tuple[str, Any]]:
    return [(event.topic, event.payload) for event in log.read_stream("gate", after=0)]


def died() -> None:
    from domains.ids import new_id

    payload = NodeDied(node_id=new_id(), name="n", address="ws://n", pid=1)
    with transaction.atomic():
        publish(NewEvent("system", NodeDied.topic, payload))


def test_an_alert_is_raised_told_and_over() -> None:
    rule()
    values["north"] = 11
    assert look() == actions.Outcome(raised=1, resolved=0, firing=1)
    (alert,) = queries.firing()
    assert (alert.key, alert.state, alert.details["value"]) == ("tank=north", "firing", 11)
    assert queries.sentence(alert) == "Tank full (tank=north): 11. Open the tap."
    values["north"] = 12
    assert look(10) == actions.Outcome(raised=0, resolved=0, firing=1)
    alert.refresh_from_db()
    assert alert.details["value"] == 12 and alert.since == NOW
    values["north"] = 3
    assert look(20) == actions.Outcome(raised=0, resolved=1, firing=0)
    alert.refresh_from_db()
    assert (alert.state, alert.resolved_at) == ("resolved", NOW + timedelta(seconds=20))
    assert [(topic, payload["rule"], payload["key"]) for topic, payload in told()] == [
        ("gate.alert_raised", "Tank full", "tank=north"), ("gate.alert_resolved", "Tank full", "tank=north"),
    ]  # fmt: skip
    for topic, payload in told():
        kind = events.AlertRaised if topic == "gate.alert_raised" else events.AlertResolved
        kind.model_validate(payload)


def test_it_has_to_last() -> None:
    rule(seconds=60)
    values["north"] = 11
    look()
    assert Alert.objects.get().state == "pending" and told() == []
    look(59)
    assert Alert.objects.get().state == "pending"
    assert look(60) == actions.Outcome(raised=1, resolved=0, firing=1)
    values["south"] = 11
    look(70)
    del values["south"]
    look(80)
    assert list(Alert.objects.values_list("key", flat=True)) == ["tank=north"], "what did not last leaves nothing"


def test_events_are_counted_within_their_window() -> None:
    rule(kind="event", metric="", topic="system.*", count=2, seconds=3600)
    died()
    now = datetime.now(UTC)
    assert actions.evaluate(now=now) == actions.Outcome(0, 0, 0), "what was before the first look does not count"
    died()
    assert actions.evaluate(now=now) == actions.Outcome(0, 0, 0)
    died()
    assert actions.evaluate(now=now) == actions.Outcome(1, 0, 1)
    assert actions.evaluate(now=now + timedelta(hours=2)) == actions.Outcome(0, 1, 0)


def test_alerts_raise_no_alerts() -> None:
    rule(kind="event", metric="", name="Everything", topic="**", count=1, seconds=3600)
    now = datetime.now(UTC)
    actions.evaluate(now=now)
    died()
    assert actions.evaluate(now=now) == actions.Outcome(1, 0, 1)
    later = now + timedelta(hours=2)
    assert actions.evaluate(now=later) == actions.Outcome(0, 1, 0)
    assert actions.evaluate(now=later) == actions.Outcome(0, 0, 0)


def test_a_rule_that_cannot_be_looked_at_stops_no_other() -> None:
    rule()
    rule(name="Wrong labels", labels=[1])
    rule(name="Wrong topic", kind="event", metric="", topic="a..b", seconds=5)
    values["north"] = 11
    assert look() == actions.Outcome(1, 0, 1)


def test_two_at_once_raise_it_once() -> None:
    rule()
    values["north"] = 11
    at_once(*[look] * 4)
    assert [topic for topic, _ in told()] == ["gate.alert_raised"]


def test_a_rule_that_is_switched_off_or_deleted_leaves_nothing_firing() -> None:
    one = rule()
    values["north"] = 11
    look()
    AlertRule.objects.update(enabled=False)
    assert look(10) == actions.Outcome(0, 1, 0)
    AlertRule.objects.update(enabled=True)
    look(20)
    one.delete()
    assert look(30) == actions.Outcome(0, 0, 0)
    assert not Alert.objects.exists()


def test_as_many_queries_for_many_rules_and_alerts(count_queries: Any) -> None:
    def cost(seconds: float) -> int:
        with count_queries() as statements:
            look(seconds)
        return len(statements)

    rule()
    values["north"] = 11
    look()
    few = cost(10)
    for n in range(20):
        rule(name=f"rule {n}", threshold=5.0)
        values[f"tank {n}"] = 11
    look(20)
    assert Alert.objects.filter(state="firing").count() == 21 * 21
    assert cost(30) <= few + 1


def test_old_ones_are_forgotten() -> None:
    rule()
    values["north"] = 11
    look()
    values["north"] = 1
    look(10)
    assert Alert.objects.count() == 1
    actions.evaluate(now=NOW + actions.KEPT + timedelta(minutes=1))
    assert Alert.objects.count() == 0


def test_acknowledging() -> None:
    rule()
    values["north"] = values["south"] = 11
    look()
    first, second = queries.firing()
    assert actions.acknowledge([first.pk], by="user:ann", now=NOW) == 1
    assert actions.acknowledge([first.pk, second.pk], by="user:bo", now=NOW) == 1
    first.refresh_from_db()
    assert first.acknowledged_by == "user:ann"
    assert [topic for topic, _ in told()][-2:] == ["gate.alert_acknowledged"] * 2
    values.clear()
    look(10)
    with pytest.raises(actions.NothingToAcknowledge):
        actions.acknowledge([first.pk], by="user:ann", now=NOW)
    with pytest.raises(actions.NoSuchAlert):
        actions.acknowledge([first.pk, 0], by="user:ann", now=NOW)


@pytest.mark.parametrize(
    "wrong", [{"metric": ""}, {"kind": "event", "topic": ""}, {"kind": "event", "topic": "a", "seconds": 0},
              {"severity": "loud"}, {"comparison": "beside"}, {"count": 0}, {"name": ""}, {"seconds": 90_000}],
)  # fmt: skip
def test_what_is_no_rule_cannot_be_stored(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        rule(**wrong)


def test_the_usual_rules_look_at_metrics_that_there_are() -> None:
    wake_domains()
    beat()
    Breaker.objects.create(name="endpoint:local", state="open")
    for fields in usual:
        AlertRule(**fields).full_clean()
        AlertRule.objects.create(**fields)
    names = {fields["metric"] for fields in usual if fields.get("metric")}
    # Of subscribers, and of a disk, there may be none here.
    found = {sample.name for sample in sources.read(names)}
    assert names - found <= {"thunderline_dead_letters_waiting", "thunderline_parked_streams", "thunderline_disk_level"}
    look()
    look(61)
    assert [alert.rule.name for alert in queries.firing()] == ["A breaker is open"]


# --- Doors ---------------------------------------------------------------------------------------------------


def run(*words: str) -> str:
    out = StringIO()
    call_command("alerts", *words, stdout=out)
    return out.getvalue()


def test_the_command() -> None:
    assert run() == "Nothing fires.\n"
    rule()
    values["north"] = 11
    assert json.loads(run("check", "--json"))["raised"] == 1
    (found,) = json.loads(run("--json"))
    assert (found["rule"], found["state"], found["says"]) == (
        "Tank full",
        "firing",
        "Tank full (tank=north): 11. Open the tap.",
    )
    assert "Tank full" in run("list", "--all") and "Tank full" in run("rules")
    assert json.loads(run("rules", "--json"))[0]["metric"] == "tests_level"
    assert run("ack", str(found["id"])) == "1 acknowledged.\n"
    with pytest.raises(CommandError, match="not_found"):
        run("ack", "999999")


def test_the_admin_shows_and_acknowledges(as_operator: Client) -> None:
    rule()
    values["north"] = 11
    look()
    (alert,) = queries.firing()
    address = reverse("admin:thundergate_alert_changelist")
    assert "tank=north" in as_operator.get(address).content.decode()
    data = {"action": "acknowledge", "_selected_action": [str(alert.pk)]}
    as_operator.post(address, data)
    alert.refresh_from_db()
    assert alert.acknowledged_by == "user:operator"


def form(**fields: Any) -> dict[str, Any]:
    return {"name": "Mine", "enabled": "on", "severity": "warning", "kind": "metric", "metric": "x", "labels": "{}",
            "comparison": "above", "threshold": "1", "topic": "", "count": "1", "seconds": "0", "hint": "",
            **fields}  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"metric": ""}, {"metric": "a b"}, {"labels": "[1]"}, {"labels": '{"a": 1}'}, {"labels": "{"},
              {"kind": "event"}, {"kind": "event", "topic": "a..b", "seconds": "5"}, {"kind": "event", "topic": "a"},
              {"threshold": "many"}, {"count": "0"}, {"name": ""}],
)  # fmt: skip
def test_a_wrong_rule_is_refused_in_the_form(as_operator: Client, wrong: dict[str, Any]) -> None:
    answer = as_operator.post(reverse("admin:thundergate_alertrule_add"), form(**wrong))
    assert answer.status_code == 200 and answer.context["adminform"].form.errors
    assert not AlertRule.objects.exists()


def test_a_rule_of_ones_own(as_operator: Client) -> None:
    as_operator.post(reverse("admin:thundergate_alertrule_add"), form(metric="tests_level", labels='{"tank": "north"}'))
    values["north"] = values["south"] = 2
    look()
    assert [alert.key for alert in queries.firing()] == ["tank=north"]


def test_it_is_on_the_first_page_for_who_may_see_it(as_operator: Client) -> None:
    rule()
    values["north"] = 11
    look()
    assert "Tank full (tank=north)" in as_operator.get("/").content.decode()
    other = Client()
    other.force_login(make_user("ann"))
    assert "Tank full" not in other.get("/").content.decode()
    (alert,) = queries.firing()
    actions.acknowledge([alert.pk], by="user:ann", now=NOW)
    assert "Tank full" not in as_operator.get("/").content.decode()
