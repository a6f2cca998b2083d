"""Circuit breakers in rows: shared, told as events, and longer at rest with each failed trial."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.thunderflow import breakers, queries
from domains.thunderflow.breakers import FAILURES, LONGEST_REST_S, REST_S, Guard, State
from domains.thunderflow.models import Breaker
from tests.tables import commits

__all__ = ["commits"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

NAME = "endpoint:there"


class Away(Exception):
    """The service did not answer."""


def fail(times: int = 1) -> None:
    """Each by a process of its own."""
    for _ in range(times):
        Guard(NAME).note(Away("nobody listens"))


def state() -> State:
    return breakers.states([NAME])[NAME]


def rest() -> float:
    opened, until = Breaker.objects.get(name=NAME).opened_at, state().rests_until
    return (until - opened).total_seconds() if opened and until else 0.0


def wait_out() -> None:
    """As if the rest were over."""
    Breaker.objects.filter(name=NAME).update(opened_at=timezone.now() - timedelta(seconds=2 * LONGEST_REST_S))


def told() -> list[tuple[str, str]]:
    return [(e.payload["was"], e.payload["state"]) for e in queries.read(after=0, pattern="system.breaker_changed")[0]]


def test_failures_of_several_processes_open_it() -> None:
    assert state() == State()
    fail(FAILURES - 1)
    assert (state().state, state().failures, state().sound) == ("closed", FAILURES - 1, False)
    assert not Guard(NAME).resting()
    fail()
    assert state().state == "open"
    assert Guard(NAME).resting()
    assert told() == [("closed", "open")]


def test_a_success_between_failures_begins_the_count_anew() -> None:
    fail(FAILURES - 1)
    Guard(NAME).note(None)
    assert state().sound
    fail(FAILURES - 1)
    assert state().state == "closed"


def test_failures_of_calls_that_were_under_way_when_it_opened_say_nothing_new() -> None:
    fail(FAILURES + 3)
    assert rest() == REST_S
    assert told() == [("closed", "open")]


def test_each_failed_trial_doubles_the_rest_up_to_the_longest() -> None:
    fail(FAILURES)
    rests = [rest()]
    for _ in range(8):
        wait_out()
        assert not Guard(NAME).resting()
        fail()
        rests.append(rest())
    assert rests == [min(LONGEST_REST_S, REST_S * 2**n) for n in range(9)]


def test_a_trial_that_comes_off_closes_it() -> None:
    fail(FAILURES)
    wait_out()
    Guard(NAME).note(None)
    assert state() == State()
    assert told() == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]


def test_an_operator_closes_it() -> None:
    breakers.reset(NAME, by="user:ada")
    assert told() == []
    fail(FAILURES)
    breakers.reset(NAME, by="user:ada")
    assert state() == State()
    assert not Guard(NAME).resting()
    assert told()[-1] == ("open", "closed")


def test_operators_see_it_in_the_admin_and_in_metrics(as_operator: Client) -> None:
    fail(FAILURES)
    page = as_operator.get(reverse("admin:thunderflow_breaker_changelist")).content.decode()
    assert NAME in page and "Away: nobody listens" in page
    told = f'thunderline_breaker_open{{breaker="{NAME}"}}'
    assert f"{told} 1.0" in as_operator.get("/metrics").content.decode()
    breakers.reset(NAME, by="user:ada")
    assert f"{told} 0.0" in as_operator.get("/metrics").content.decode()


def test_one_that_notices_what_another_process_did_counts_on() -> None:
    """It opened, and was closed by the other one while this one looked elsewhere."""
    one, other = Guard(NAME), Guard(NAME)
    fail(FAILURES)
    wait(one, other)
    other.note(Away("still open"))
    wait_out()
    wait(one, other)
    one.note(None)
    for _ in range(FAILURES - 1):
        one.note(Away("nobody listens"))
    assert (state().state, state().failures) == ("closed", FAILURES - 1)
    wait(one, other)
    other.note(Away("nobody listens"))
    assert state().state == "open"


def wait(*guards: Guard) -> None:
    """As if what they have read were old."""
    for guard in guards:
        guard._rows._read_at = float("-inf")
