"""The page of the domains: what it shows, its switches, and who may use them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from domains.thunderblock import actions, queries
from domains.thunderblock.models import ActiveDomain
from domains.thundergate.audit.models import AuditEntry
from tests.conftest import CountQueries
from tests.factories import beat, make_user, wake_domains

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()
    beat()


def state(name: str) -> tuple[str, bool]:
    row = ActiveDomain.objects.get(domain_name=name)
    return row.status, row.enabled


def test_strangers_sign_in_and_members_are_refused(client: Client, member: Any) -> None:
    assert client.get("/domains/").headers["Location"] == "/login/?next=/domains/"
    client.force_login(member)
    assert client.get("/domains/").status_code == 403
    home = client.get("/").content.decode()
    assert 'href="/domains/"' not in home
    assert 'href="/events/"' in home


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_who_may_look_does_not_switch(client: Client, role: str) -> None:
    client.force_login(make_user(role, role=role))
    html = client.get("/domains/").content.decode()
    assert "thundervault" in html
    assert "Switch off" not in html
    assert client.get("/domains/thundervault/off/", headers=HTMX).status_code == 403
    for verb in ("switch-off", "switch-on"):
        refused = client.post(f"/domains/thundervault/{verb}/", headers=HTMX)
        assert refused.status_code == 403
        assert "not yours to do" in refused.content.decode()
    assert state("thundervault") == ("active", True)


def test_admins_who_are_no_superusers_switch(client: Client) -> None:
    client.force_login(make_user("grace", role="admin"))
    assert client.post("/domains/thundermcp/switch-off/", headers=HTMX).status_code == 200
    assert state("thundermcp") == ("inactive", False)


def test_every_domain_is_drawn_and_listed_with_what_it_needs(as_operator: Client) -> None:
    ActiveDomain.objects.filter(domain_name="thundervault").update(
        status="crashed", reason="no <disk>", failures=3, retry_at=timezone.now()
    )
    html = as_operator.get("/domains/").content.decode()
    for name, needed in queries.needs().items():
        assert f'id="d-{name}"' in html
        assert f'href="#d-{name}"' in html
        for other in needed:
            assert f'<a href="#d-{other}">{other}</a>' in html
    assert html.count("<path class=") == sum(map(len, queries.needs().values()))
    assert 'aria-label="thundervault, crashed"' in html
    assert "Crashed: no &lt;disk&gt;." in html
    assert "Failed in a row" in html


def test_the_history_leaves_out_what_is_no_change_of_a_domain(as_operator: Client) -> None:
    actions.switch_off("thundermcp", reason="for a while", now=timezone.now())
    with_others = queries.activation_history(limit=1000)
    assert with_others[0].payload["domain"] == "thundermcp"
    assert {event.topic for event in with_others} == {"system.domain_activated", "system.domain_deactivated"}
    html = as_operator.get("/domains/").content.decode()
    assert "For a while" in html
    assert f'href="/events/{with_others[0].position}/"' in html


def test_what_falls_with_a_domain_is_said_before_it_is_switched_off(as_operator: Client) -> None:
    asked = as_operator.get("/domains/thunderlink/off/", headers=HTMX).content.decode()
    for name in ("thundergrid", "thunderpac", "thundermcp"):
        assert name in asked
    for name in ("thundervault", "thundergate"):
        assert name not in asked
    assert "3 others need it" in asked
    assert "No other domain needs it" in as_operator.get("/domains/thundermcp/off/").content.decode()
    assert as_operator.get("/domains/nowhere/off/").status_code == 404
    assert state("thunderlink") == ("active", True)


def test_switching_off_and_on_is_told_and_recorded(as_operator: Client) -> None:
    off = as_operator.post("/domains/thundermcp/switch-off/", {"reason": "  spring cleaning "}, headers=HTMX)
    assert "thundermcp is switched off" in off.content.decode()
    assert off.headers["HX-Trigger"] == "refresh"
    row = ActiveDomain.objects.get(domain_name="thundermcp")
    assert (row.status, row.enabled) == ("inactive", False)
    assert row.reason == "switched off by operator: spring cleaning"
    entry = AuditEntry.objects.filter(table="active_domain_registry").latest("id")
    assert (entry.actor, entry.door) == ("user:operator", "page")
    assert queries.activation_history(limit=1)[0].actor == "user:operator"

    on = as_operator.post("/domains/thundermcp/switch-on/", headers=HTMX)
    assert "starts at the next heartbeat" in on.content.decode()
    assert state("thundermcp") == ("waiting", True)


def test_one_that_waits_for_another_says_so(as_operator: Client) -> None:
    for name in ("thundergrid", "thunderpac"):
        as_operator.post(f"/domains/{name}/switch-off/", headers=HTMX)
    on = as_operator.post("/domains/thunderpac/switch-on/", headers=HTMX).content.decode()
    assert "once thundergrid is active" in on


def test_reasons_fit(as_operator: Client) -> None:
    refused = as_operator.post("/domains/thundermcp/switch-off/", {"reason": "x" * 401}, headers=HTMX)
    assert refused.status_code == 400
    assert state("thundermcp") == ("active", True)
    odd = {"reason": "x\0y" * 100}
    assert as_operator.post("/domains/thundermcp/switch-off/", odd, headers=HTMX).status_code == 200
    assert as_operator.post("/domains/nowhere/switch-off/", headers=HTMX).status_code == 404
    assert as_operator.post("/domains/nowhere/switch-on/", headers=HTMX).status_code == 404


def test_switches_need_a_post_with_its_token(operator: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)
    for verb in ("switch-off", "switch-on"):
        assert strict.get(f"/domains/thundermcp/{verb}/").status_code == 405
        assert strict.post(f"/domains/thundermcp/{verb}/").status_code == 403
    assert state("thundermcp") == ("active", True)


def test_the_page_is_there_while_everything_rests(as_operator: Client) -> None:
    ActiveDomain.objects.update(status="inactive", enabled=False, reason="at rest")
    html = as_operator.get("/domains/").content.decode()
    assert html.count("At rest.") == len(queries.needs())
    assert as_operator.get("/events/").status_code == 503


def test_before_the_first_start_it_says_what_to_run(as_operator: Client) -> None:
    ActiveDomain.objects.all().delete()
    assert "make run" in as_operator.get("/domains/").content.decode()


def test_it_costs_the_same_whatever_has_happened(as_operator: Client, count_queries: CountQueries) -> None:
    def cost() -> int:
        with count_queries() as statements:
            assert as_operator.get("/domains/").status_code == 200
        return len(statements)

    as_operator.get("/domains/")
    few = cost()
    for _ in range(15):
        actions.switch_off("thundermcp", reason="x", now=timezone.now())
        actions.switch_on("thundermcp", now=timezone.now())
    assert few == cost() == 5
