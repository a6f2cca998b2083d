import logging
from datetime import UTC, datetime

import pytest

from domains.lifecycle import Unhealthy
from domains.thunderblock import actions, tasks
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow import queries as log
from domains.thunderflow.context import current
from tests.apps import Install, Probe, install

__all__ = ["install"]
pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = NOW.isoformat()


@pytest.fixture
def probe(install: Install) -> Probe:
    """`probe_a`, waiting."""
    probe = install("a")
    actions.start_all(now=NOW)
    return probe


def test_activating_acts_as_the_domain(probe: Probe) -> None:
    actors = []
    probe.during["activate"] = lambda: actors.append(current().actor)
    tasks.activate("probe_a", 7, AT)
    assert probe.calls == ["activate 7"]
    assert actors == ["domain:probe_a"]
    assert log.read_stream("system", after=0)[-1].actor == "domain:probe_a"
    assert ActiveDomain.objects.get(domain_name="probe_a").activated_at == NOW


def test_a_tick_acts_as_the_domain_and_knows_its_instant(probe: Probe) -> None:
    tasks.activate("probe_a", 1, AT)
    actors = []
    probe.during["on_tick"] = lambda: actors.append(current().actor)
    tasks.on_tick("probe_a", 2, AT)
    assert probe.calls == ["activate 1", "on_tick 2"]
    assert actors == ["domain:probe_a"]
    assert ActiveDomain.objects.get(domain_name="probe_a").ticked_at == NOW


def test_health_is_looked_at_each_ten_heartbeats(probe: Probe) -> None:
    tasks.activate("probe_a", 1, AT)
    for number in range(2, 22):
        tasks.on_tick("probe_a", number, AT)
    asked = [i for i, call in enumerate(probe.calls) if call.startswith("health")]
    assert [probe.calls[i - 1] for i in asked] == ["on_tick 10", "on_tick 20"]


def test_bad_health_at_a_heartbeat_crashes_the_domain(probe: Probe, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "domains.thunderblock.actions")
    tasks.activate("probe_a", 1, AT)
    probe.failures["health"] = Unhealthy("full")
    tasks.on_tick("probe_a", 10, AT)
    assert ActiveDomain.objects.get(domain_name="probe_a").status == "crashed"
    tasks.on_tick("probe_a", 11, AT)
    assert "on_tick 11" not in probe.calls


def test_a_message_of_a_newer_version_is_understood(probe: Probe) -> None:
    tasks.activate("probe_a", 1, AT, something_new=True)
    tasks.on_tick("probe_a", 2, AT, something_new=True)
    assert probe.calls == ["activate 1", "on_tick 2"]


def test_each_task_has_a_time_limit() -> None:
    assert tasks.activate.soft_time_limit == 20
    assert tasks.on_tick.soft_time_limit == 10
