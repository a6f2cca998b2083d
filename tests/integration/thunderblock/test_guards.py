"""Shut doors. What was read a moment ago is believed for a second; tests forget it first."""

import orjson
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from domains.thunderblock import actions, guards
from domains.thunderblock.guards import DomainInactive, door, require
from domains.thunderblock.models import ActiveDomain
from tests.apps import Install, install

__all__ = ["install"]
pytestmark = pytest.mark.django_db


@door("probe_a")
def page(request: HttpRequest, name: str = "you") -> HttpResponse:
    """Greets."""
    return HttpResponse(f"hello {name}")


@pytest.fixture(autouse=True)
def probe(install: Install) -> None:
    """`probe_a`, waiting."""
    install("a")
    actions.start_all(now=timezone.now())
    guards.forget()


def activate() -> None:
    ActiveDomain.objects.filter(domain_name="probe_a").update(status="active", reason="")
    guards.forget()


def test_an_active_domain_s_door_is_open() -> None:
    activate()
    require("probe_a")
    assert page(RequestFactory().get("/"), name="ada").content == b"hello ada"


def test_a_shut_door_answers_503_with_the_reason() -> None:
    response = page(RequestFactory().get("/"))
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert orjson.loads(response.content) == {
        "code": "domain_inactive",
        "domain": "probe_a",
        "detail": "probe_a is not active: waiting for a heartbeat",
    }


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "crashed", "reason": "activate: OSError: no disk"}, "activate: OSError: no disk"),
        ({"status": "inactive", "reason": "moving house"}, "moving house"),
        ({"status": "restarting", "reason": ""}, "restarting"),
    ],
)
def test_whatever_it_is_but_active_it_says_why(fields: dict[str, str], reason: str) -> None:
    ActiveDomain.objects.filter(domain_name="probe_a").update(**fields)
    with pytest.raises(DomainInactive) as refusal:
        require("probe_a")
    assert (refusal.value.domain, refusal.value.reason, refusal.value.code) == ("probe_a", reason, "domain_inactive")


def test_a_domain_that_is_not_there_is_shut() -> None:
    with pytest.raises(DomainInactive, match="nobody is not active: unknown domain"):
        require("nobody")


def test_a_view_keeps_its_name_for_django_s_tools() -> None:
    assert (page.__name__, page.__doc__) == ("page", "Greets.")


def test_the_state_is_read_once_a_second_and_process(count_queries, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    activate()
    monkeypatch.setattr(guards, "_FRESH_S", 1.0)  # counting stops the clock for what is not tested here
    clock = iter([1000.0, 1000.0, 1000.5, 1000.9])
    with monkeypatch.context() as stopped:
        stopped.setattr(guards.time, "monotonic", lambda: next(clock))
        with count_queries() as statements:
            for _ in range(3):
                require("probe_a")
        assert len(statements) == 1
    ActiveDomain.objects.filter(domain_name="probe_a").update(status="inactive")
    clock = iter([1001.1, 1001.1])
    monkeypatch.setattr(guards.time, "monotonic", lambda: next(clock))
    with pytest.raises(DomainInactive):
        require("probe_a")


def test_a_page_waits_for_the_domain_and_opens_by_itself() -> None:
    assert page(RequestFactory().get("/")).status_code == 503
    activate()
    assert page(RequestFactory().get("/")).status_code == 200
