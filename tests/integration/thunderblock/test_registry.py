"""Domains go from state to state, as operators, heartbeats and their own failures will have it."""

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from domains.lifecycle import Tick, Unhealthy
from domains.thunderblock import actions, events, queries
from domains.thunderblock.actions import UnknownDomain, retry_delay
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow import queries as log
from tests.apps import Install, Probe, install

__all__ = ["install"]
pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def tick(number: int, seconds: float | None = None) -> Tick:
    """Heartbeat `number`, a second after the one before unless told otherwise."""
    return Tick(number, NOW + timedelta(seconds=number if seconds is None else seconds))


def row(name: str) -> ActiveDomain:
    return ActiveDomain.objects.get(domain_name=f"probe_{name}")


def state(name: str) -> str:
    return row(name).status


def told(name: str) -> list[tuple[str, str, str]]:
    """(topic, state before, state after) of each change of a domain, oldest first."""
    changes = [event for event in log.read_stream(events.STREAM, after=0) if event.payload["domain"] == f"probe_{name}"]
    return [(event.topic, event.payload["was"], event.payload["status"]) for event in changes]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Failures are meant here."""
    caplog.set_level(logging.CRITICAL, "domains.thunderblock.actions")


# --- The start -----------------------------------------------------------------------------------------------


def test_at_the_start_every_domain_waits(install: Install) -> None:
    install("a")
    actions.start_all(now=NOW)
    assert {status.status for status in queries.domains()} == {"waiting"}
    assert {status.reason for status in queries.domains()} == {"waiting for a heartbeat"}
    assert len(queries.waiting()) == len(queries.domains()) >= 8
    assert queries.active_domains() == []
    assert queries.active_count() == 0


def test_domains_become_active_on_a_tick_after_those_they_depend_on(install: Install) -> None:
    install("a", depends_on=("b",))
    install("b")
    actions.start_all(now=NOW)
    assert not actions.activate("probe_a", tick(1))
    assert (state("a"), row("a").reason) == ("waiting", "waiting for probe_b")
    assert actions.activate("probe_b", tick(1))
    assert actions.activate("probe_a", tick(2))
    assert queries.active_domains() == ["probe_a", "probe_b"]
    assert row("a").activated_at == tick(2).at
    assert row("a").reason == ""
    assert queries.is_active("probe_a")
    assert queries.active_count() == 2


def test_all_shipped_domains_become_active_within_as_many_ticks_as_they_are_deep() -> None:
    actions.start_all(now=NOW)
    for number in range(1, 6):
        for name in queries.waiting():
            actions.activate(name, tick(number))
    assert {status.status for status in queries.domains()} == {"active"}


def test_an_eager_start_activates_all_at_once_in_their_order(install: Install) -> None:
    probes = [install("a", depends_on=("b",)), install("b", depends_on=("c",)), install("c")]
    actions.start_all(now=NOW, eager=True)
    assert {status.status for status in queries.domains()} == {"active"}
    assert [probe.calls for probe in probes] == [["activate 0"]] * 3


def test_an_eager_start_goes_round_a_domain_that_fails(install: Install) -> None:
    install("a", depends_on=("b",))
    install("b").failures["activate"] = RuntimeError("no")
    actions.start_all(now=NOW, eager=True)
    assert (state("a"), state("b")) == ("waiting", "crashed")
    assert queries.is_active("thunderpac")


def test_each_start_begins_anew_and_says_so(install: Install) -> None:
    probe = install("a")
    crashing = install("b")
    crashing.failures["activate"] = RuntimeError("no")
    actions.start_all(now=NOW, eager=True)
    actions.start_all(now=NOW + timedelta(hours=1))
    assert (state("a"), state("b")) == ("waiting", "waiting")
    assert (row("b").failures, row("b").retry_at) == (0, None)
    assert row("a").waiting_since == NOW + timedelta(hours=1)
    assert probe.calls == ["activate 0"]
    assert told("a")[-1] == ("system.domain_waiting", "active", "waiting")
    before = len(told("a"))
    actions.start_all(now=NOW + timedelta(hours=2))
    assert len(told("a")) == before, "waiting still is no change"


def test_new_domains_are_entered_and_those_that_are_gone_forgotten(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("a")
    with monkeypatch.context() as while_installed:
        while_installed.setitem(apps.app_configs, "probe_b", Probe("b"))
        actions.start_all(now=NOW)
        assert (state("a"), state("b")) == ("waiting", "waiting")
    actions.activate("probe_a", tick(1))
    actions.sync(now=NOW)
    assert not ActiveDomain.objects.filter(domain_name="probe_b").exists()
    assert state("a") == "active", "the others stay as they are"
    install("c")
    actions.sync(now=NOW)
    assert state("c") == "waiting"


# --- Crashes -------------------------------------------------------------------------------------------------


def test_a_domain_that_cannot_activate_is_crashed_and_the_others_go_on(install: Install) -> None:
    install("a").failures["activate"] = OSError("no disk")
    install("b")
    actions.start_all(now=NOW)
    assert not actions.activate("probe_a", tick(1))
    assert actions.activate("probe_b", tick(1))
    assert (state("a"), row("a").reason) == ("crashed", "activate: OSError: no disk")
    assert (row("a").failures, row("a").retry_at) == (1, tick(1).at + timedelta(seconds=2))
    assert told("a") == [("system.domain_crashed", "waiting", "crashed")]


def test_what_a_failed_activation_wrote_is_undone(install: Install) -> None:
    probe = install("a")
    probe.during["activate"] = lambda: ActiveDomain.objects.create(domain_name="debris")  # type: ignore[assignment]
    probe.failures["activate"] = RuntimeError("no")
    actions.start_all(now=NOW)
    actions.activate("probe_a", tick(1))
    assert state("a") == "crashed"
    assert not ActiveDomain.objects.filter(domain_name="debris").exists()


def test_an_activation_that_breaks_the_transaction_is_a_crash_too(install: Install) -> None:
    def break_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")

    install("a").during["activate"] = break_it
    actions.start_all(now=NOW)
    assert not actions.activate("probe_a", tick(1))
    assert "division by zero" in row("a").reason


def test_a_crashed_domain_is_tried_again_after_delays_that_grow(install: Install) -> None:
    probe = install("a")
    probe.failures["activate"] = RuntimeError("not yet")
    actions.start_all(now=NOW)
    at, waits = 1.0, []
    actions.activate("probe_a", tick(1, at))
    for _ in range(10):
        delay = (row("a").retry_at - tick(1, at).at).total_seconds()  # type: ignore[operator]
        waits.append(delay)
        assert actions.restart_due(tick(2, at + delay - 0.001)) == []
        assert queries.waiting().count("probe_a") == 0
        at += delay
        assert actions.restart_due(tick(2, at)) == ["probe_a"]
        assert state("a") == "restarting"
        assert "probe_a" in queries.waiting()
        assert not actions.activate("probe_a", tick(2, at))
        assert state("a") == "crashed"
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert row("a").failures == 11
    del probe.failures["activate"]
    actions.restart_due(tick(3, at + 300))
    assert actions.activate("probe_a", tick(3, at + 300))
    assert (state("a"), row("a").failures, row("a").retry_at, row("a").reason) == ("active", 0, None, "")
    assert [change[2] for change in told("a")][-3:] == ["crashed", "restarting", "active"]


@given(st.integers(1, 10_000))
def test_the_delay_never_shrinks_and_is_never_above_five_minutes(failures: int) -> None:
    assert timedelta(seconds=2) <= retry_delay(failures) <= retry_delay(failures + 1) <= timedelta(minutes=5)


def test_a_long_complaint_is_cut_to_fit(install: Install) -> None:
    install("a").failures["activate"] = RuntimeError("x" * 2000)
    actions.start_all(now=NOW)
    actions.activate("probe_a", tick(1))
    assert len(row("a").reason) == 500


# --- Ticks ---------------------------------------------------------------------------------------------------


def test_a_tick_runs_once_however_often_it_is_delivered(install: Install) -> None:
    probe = install("a")
    actions.start_all(now=NOW, eager=True)
    assert actions.run_tick("probe_a", tick(5))
    assert not actions.run_tick("probe_a", tick(5))
    assert not actions.run_tick("probe_a", tick(4)), "one that comes late is over"
    assert actions.run_tick("probe_a", tick(6))
    assert probe.calls == ["activate 0", "on_tick 5", "on_tick 6"]
    assert (row("a").tick_count, row("a").last_tick, row("a").ticked_at) == (2, 6, tick(6).at)


@pytest.mark.parametrize("status", ["waiting", "inactive", "crashed", "restarting"])
def test_a_domain_that_is_not_active_gets_no_ticks(install: Install, status: str) -> None:
    probe = install("a")
    actions.start_all(now=NOW)
    ActiveDomain.objects.filter(domain_name="probe_a").update(status=status)
    assert not actions.run_tick("probe_a", tick(1))
    assert probe.calls == []
    assert row("a").tick_count == 0


def test_a_tick_that_raises_is_not_counted_and_the_domain_goes_on(install: Install) -> None:
    probe = install("a")
    actions.start_all(now=NOW, eager=True)
    probe.failures["on_tick"] = RuntimeError("no")
    assert not actions.run_tick("probe_a", tick(1))
    assert (state("a"), row("a").tick_count, row("a").metadata) == ("active", 0, {"last_error_tick": 1})
    del probe.failures["on_tick"]
    assert actions.run_tick("probe_a", tick(2))
    assert row("a").tick_count == 1


# --- Health --------------------------------------------------------------------------------------------------


def test_the_figures_of_a_healthy_domain_are_kept(install: Install) -> None:
    install("a")
    actions.start_all(now=NOW, eager=True)
    assert actions.check_health("probe_a", tick(10))
    assert row("a").metadata == {"asked": 2}


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Unhealthy("the log is full"), "health: the log is full"), (KeyError("x"), "health: KeyError: 'x'")],
)
def test_a_domain_whose_health_fails_is_crashed(install: Install, error: Exception, reason: str) -> None:
    probe = install("a")
    install("b", depends_on=("a",))
    actions.start_all(now=NOW, eager=True)
    probe.failures["health"] = error
    assert not actions.check_health("probe_a", tick(10))
    assert (state("a"), row("a").reason, row("a").failures) == ("crashed", reason, 1)
    status = queries.domain_status("probe_a")
    assert status is not None and status.fault == f"crashed: {reason}"
    assert told("a")[-1] == ("system.domain_crashed", "active", "crashed")


def test_bad_health_that_comes_too_late_changes_nothing(install: Install) -> None:
    """It was switched off while it was asked."""
    probe = install("a")
    actions.start_all(now=NOW, eager=True)
    probe.during["health"] = lambda: actions.switch_off("probe_a", reason="rest", now=NOW) and None
    probe.failures["health"] = Unhealthy("gone")
    assert not actions.check_health("probe_a", tick(10))
    assert (state("a"), row("a").reason) == ("inactive", "rest")


# --- Operators -----------------------------------------------------------------------------------------------


def test_what_is_switched_off_stays_off_over_restarts(install: Install) -> None:
    probe = install("a")
    actions.start_all(now=NOW, eager=True)
    off = actions.switch_off("probe_a", reason="moving house", now=NOW)
    assert (off.status, off.enabled, off.reason) == ("inactive", False, "moving house")
    assert probe.calls == ["activate 0", "deactivate moving house"]
    actions.start_all(now=NOW, eager=True)
    assert (state("a"), row("a").enabled, row("a").reason) == ("inactive", False, "moving house")
    assert not actions.activate("probe_a", tick(1))
    assert "probe_a" not in queries.waiting()
    assert probe.calls == ["activate 0", "deactivate moving house"]
    assert told("a") == [
        ("system.domain_activated", "waiting", "active"),
        ("system.domain_deactivated", "active", "inactive"),
    ]


def test_what_is_switched_on_waits_for_the_next_heartbeat(install: Install) -> None:
    probe = install("a")
    actions.start_all(now=NOW, eager=True)
    actions.switch_off("probe_a", reason="rest", now=NOW)
    on = actions.switch_on("probe_a", now=NOW + timedelta(hours=1))
    assert (on.status, on.enabled, on.waiting_since) == ("waiting", True, NOW + timedelta(hours=1))
    assert actions.activate("probe_a", tick(1))
    assert probe.calls[-1] == "activate 1"


def test_a_crashed_domain_that_is_switched_off_is_not_tried_again(install: Install) -> None:
    install("a").failures["activate"] = RuntimeError("no")
    actions.start_all(now=NOW)
    actions.activate("probe_a", tick(1))
    actions.switch_off("probe_a", reason="enough", now=NOW)
    assert actions.restart_due(tick(999)) == []
    assert state("a") == "inactive"


def test_switching_twice_is_switching_once(install: Install) -> None:
    probe = install("a")
    actions.start_all(now=NOW, eager=True)
    actions.switch_on("probe_a", now=NOW)
    assert state("a") == "active"
    for _ in range(2):
        actions.switch_off("probe_a", reason="rest", now=NOW)
    assert len(told("a")) == 2
    assert probe.calls[0] == "activate 0"


def test_a_domain_that_cannot_let_go_is_off_all_the_same(install: Install) -> None:
    install("a").failures["deactivate"] = RuntimeError("stuck")
    actions.start_all(now=NOW, eager=True)
    assert actions.switch_off("probe_a", reason="rest", now=NOW).status == "inactive"


@pytest.mark.parametrize("switch", [actions.switch_on, lambda name, now: actions.switch_off(name, reason="", now=now)])
def test_an_unknown_domain_cannot_be_switched(switch) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnknownDomain, match="'nobody'"):
        switch("nobody", now=NOW)


# --- What can be asked ---------------------------------------------------------------------------------------


def test_nobody_knows_a_domain_that_is_not_installed() -> None:
    assert queries.domain_status("nobody") is None
    assert not queries.is_active("nobody")


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"status": "waiting", "waiting_since": 29}, None),
        ({"status": "waiting", "waiting_since": 45}, "has waited 45 s for a heartbeat"),
        ({"status": "waiting", "waiting_since": 86_400 + 45}, "has waited 86445 s for a heartbeat"),
        ({"status": "active", "ticked_at": 29}, None),
        ({"status": "active", "ticked_at": 45}, "has had no tick for 45 s"),
        ({"status": "crashed", "reason": "no disk"}, "crashed: no disk"),
        ({"status": "inactive", "waiting_since": 999, "ticked_at": 999}, None),
        ({"status": "restarting"}, None),
    ],
)
def test_what_needs_a_person_is_a_fault(fields: dict[str, object], fault: str | None) -> None:
    ago = {name: NOW - timedelta(seconds=value) for name, value in fields.items() if isinstance(value, int)}
    status = queries._status(ActiveDomain(domain_name="x", **{**fields, **ago}), NOW)
    assert status.fault == fault


def test_a_domain_that_has_waited_too_long_is_shown_as_a_fault(install: Install) -> None:
    install("a")
    actions.start_all(now=NOW - timedelta(days=1))
    status = queries.domain_status("probe_a")
    assert status is not None and status.fault is not None and status.fault.startswith("has waited ")


# --- The table -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'asleep'", "domain_status_known"),
        ("tick_count = -1", "domain_counts_positive"),
        ("failures = -1", "domain_counts_positive"),
        ("domain_name = 'thunderflow'", "active_domain_registry_domain_name_"),
    ],
)
def test_the_database_refuses_what_cannot_be(install: Install, change: str, constraint: str) -> None:
    install("a")
    actions.start_all(now=NOW)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE active_domain_registry SET {change} WHERE domain_name = 'probe_a'")


def test_a_row_says_what_it_is() -> None:
    assert str(ActiveDomain(domain_name="thunderflow", status="active")) == "thunderflow (active)"


def test_every_change_tells_one_event_that_continues_the_last(install: Install) -> None:
    probe = install("a")
    actions.start_all(now=NOW, eager=True)
    probe.failures["health"] = Unhealthy("tired")
    actions.check_health("probe_a", tick(1))
    actions.restart_due(tick(2, 100))
    actions.activate("probe_a", tick(2, 100))
    actions.switch_off("probe_a", reason="rest", now=NOW)
    actions.switch_on("probe_a", now=NOW)
    changes = told("a")
    assert [change[2] for change in changes] == ["active", "crashed", "restarting", "active", "inactive", "waiting"]
    assert all(earlier[2] == later[1] for earlier, later in pairwise(changes))
