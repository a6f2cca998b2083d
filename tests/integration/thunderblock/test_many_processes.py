"""Domains while several workers, heartbeats and operators move them at once."""

from datetime import UTC, datetime
from threading import Event as Flag

import pytest

from domains.lifecycle import Tick
from domains.thunderblock import actions, queries
from domains.thunderblock.models import ActiveDomain
from tests.apps import Install, install
from tests.threads import at_once, threads, wait_for_lock

__all__ = ["install"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_two_activations_at_once_activate_once(install: Install) -> None:
    """The second comes while the first is still in `activate`: it does not wait, and does nothing."""
    probe = install("a")
    actions.start_all(now=NOW)
    begun, release = Flag(), Flag()

    def hold() -> None:
        begun.set()
        assert release.wait(30)

    probe.during["activate"] = hold
    with threads() as started:
        first = started.start(actions.activate, "probe_a", Tick(1, NOW))
        assert begun.wait(30)
        assert not actions.activate("probe_a", Tick(2, NOW))
        release.set()
        assert first.result(30)
    assert probe.calls == ["activate 1"]
    assert actions.activate("probe_a", Tick(3, NOW)), "it is active already"
    assert probe.calls == ["activate 1"]


def test_a_tick_delivered_to_many_workers_runs_once(install: Install) -> None:
    probe = install("a")
    actions.start_all(now=NOW, eager=True)
    ran = at_once(*[lambda: actions.run_tick("probe_a", Tick(1, NOW))] * 4)
    assert sorted(ran) == [False, False, False, True]
    assert probe.calls == ["activate 0", "on_tick 1"]
    assert ActiveDomain.objects.get(domain_name="probe_a").tick_count == 1


def test_an_operator_s_wish_waits_for_an_activation_under_way_and_wins(install: Install) -> None:
    probe = install("a")
    actions.start_all(now=NOW)
    begun, release = Flag(), Flag()

    def hold() -> None:
        begun.set()
        assert release.wait(30)

    probe.during["activate"] = hold
    with threads() as started:
        activation = started.start(actions.activate, "probe_a", Tick(1, NOW))
        assert begun.wait(30)
        off = started.start(lambda: actions.switch_off("probe_a", reason="rest", now=NOW))
        wait_for_lock()
        release.set()
        assert activation.result(30)
        assert off.result(30).status == "inactive"
    assert probe.calls == ["activate 1", "deactivate rest"]


def test_heartbeats_at_once_restart_a_domain_once(install: Install) -> None:
    install("a").failures["activate"] = RuntimeError("no")
    actions.start_all(now=NOW)
    actions.activate("probe_a", Tick(1, NOW))
    later = Tick(2, datetime(2026, 1, 2, tzinfo=UTC))
    restarted = at_once(*[lambda: actions.restart_due(later)] * 3)
    assert sorted(restarted) == [[], [], ["probe_a"]]


def test_processes_that_start_at_once_enter_each_domain_once(install: Install) -> None:
    install("a")
    at_once(*[lambda: actions.sync(now=NOW)] * 4)
    assert ActiveDomain.objects.filter(domain_name="probe_a").count() == 1


def test_the_history_of_activations_is_newest_first(install: Install) -> None:
    install("a")
    actions.start_all(now=NOW, eager=True)
    actions.switch_off("probe_a", reason="rest", now=NOW)
    newest, *others = queries.activation_history()
    assert (newest.topic, newest.payload["domain"]) == ("system.domain_deactivated", "probe_a")
    assert {event.topic for event in others} == {"system.domain_activated"}
    assert len(queries.activation_history(limit=3)) == 3
