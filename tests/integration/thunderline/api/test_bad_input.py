"""What does not fit is refused with the right status and a sentence, in one shape, and changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from domains.thunderblock import actions as registry
from domains.thunderblock import guards
from domains.thundergate import tokens
from domains.thundergate.models import AccessToken
from tests.factories import make_user
from tests.integration.thunderline.api.conftest import Api, grant, problem
from zones.models import World, Zone


def _counts() -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for table in ("worlds", "pac_zones", "pac_agents", "memory_nodes", "blackboard_entries", "pac_mods"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = cursor.fetchone()[0]
    return found


# --- Who asks ------------------------------------------------------------------------------------------------


def test_nobody_is_let_in_without_showing_who_he_is(world: Any) -> None:
    for path in ("worlds", "agents", "events", "health", f"worlds/{world.pk}", "/api/schema"):
        refused = Api().get(path)
        problem(refused, 401)
        assert refused["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "shown", ["Bearer", "Bearer nonsense", "Bearer " + "x" * 5000, "Basic YWRhOmFkYQ==", "Bearer a.b.c", "Bearer ü"]
)
def test_what_is_no_token_lets_nobody_in(shown: str) -> None:
    refused = Api().get("worlds", Authorization=shown)
    problem(refused, 401)
    assert refused["WWW-Authenticate"].startswith("Bearer")


def test_forged_expired_and_revoked_tokens_say_so(operator: Any) -> None:
    good = tokens.issue(operator, by="tests")
    forged = good[:-1] + ("a" if good[-1] != "a" else "b")
    problem(Api(token=forged).get("worlds"), 401, "token_invalid")
    past = timezone.now() - timedelta(hours=2)
    AccessToken.objects.update(issued_at=past, expires_at=past + timedelta(hours=1))
    problem(Api(token=good).get("worlds"), 401, "token_expired")
    ended = tokens.issue(operator, by="tests")
    tokens.revoke([tokens.id_of(ended)], by="tests", reason="lost")
    problem(Api(token=ended).get("worlds"), 401, "token_revoked")
    left = tokens.issue(operator, by="tests")
    type(operator).objects.update(is_active=False)
    problem(Api(token=left).get("worlds"), 401, "account_disabled")


def test_a_browser_needs_its_csrf_token_to_change_anything(operator: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    assert browser.get("/api/v1/worlds").status_code == 200
    problem(browser.post("/api/v1/worlds", {"name": "Forged"}, content_type="application/json"), 403, "access_denied")
    assert not World.objects.exists()
    browser.get("/api/docs")
    shown = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    made = browser.post("/api/v1/worlds", {"name": "Mine"}, content_type="application/json", headers=shown)
    assert made.status_code == 201 and World.objects.get().owner == operator


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "worlds", {"name": "Mine"}),
        ("GET", "dead-letters", None),
        ("GET", "blackboard", None),
        ("PUT", "blackboard/a.b", {"value": 1}),
        ("GET", "nodes", None),
        ("GET", "domains", None),
        ("POST", "domains/thundervault/off", {"reason": "because"}),
    ],
)
def test_what_is_not_granted_is_denied(stranger: Api, method: str, path: str, body: Any) -> None:
    before = _counts()
    said = problem(stranger(method, path, body), 403, "access_denied")
    assert "is not granted" in said["detail"]
    assert _counts() == before


# --- Addresses and methods -----------------------------------------------------------------------------------


def test_addresses_that_there_are_not(api: Api) -> None:
    for path in ("", "nothing", "agents/not-an-id", "agents/", f"agents/{uuid4()}/nothing", "/api/v2/agents", "/api"):
        problem(api.get(path), 404, "not_found")
    for kind in ("worlds", "zones", "agents", "dead-letters"):
        problem(api.get(f"{kind}/{uuid4()}"), 404, "not_found")


def test_methods_that_there_are_not(api: Api) -> None:
    for method in ("DELETE", "PUT", "OPTIONS", "TRACE"):
        refused = api(method, "worlds")
        problem(refused, 405, "method_not_allowed")
        assert refused["Allow"] == "GET, POST, HEAD"


# --- Bodies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "name"),
        (b"{", 400, ""),
        (b"[]", 400, ""),
        (b'"name"', 400, ""),
        (b"\xff\xfe{\x00}\x00", 400, ""),
        (b'{"name": "\xff"}', 400, ""),
        (b'{"name": "\\ud800"}', 400, ""),
        (b'{"name": "a\\u0000b"}', 400, "name"),
        (b'{"name": ""}', 400, "name"),
        (b'{"name": 7}', 400, "name"),
        (b'{"name": "A", "name_": 1}', 400, "name_"),
        (b'{"name": "A", "seed": "7"}', 400, "seed"),
        (b'{"name": "A", "seed": 7.5}', 400, "seed"),
        (b'{"name": "A", "seed": -1}', 400, "seed"),
        (b'{"name": "A", "seed": 99999999999999999999999}', 400, "seed"),
        (b'{"name": "A", "rate": NaN}', 400, "rate"),
        (b'{"name": "A", "rate": 0}', 400, "rate"),
        (b'{"name": "A", "access": "public"}', 400, "access"),
        (b"[" * 100_000, 400, ""),
    ],
)
def test_bodies_that_do_not_fit(api: Api, body: bytes, status: int, field: str) -> None:
    said = problem(api.post("worlds", body), status)
    assert [error["field"] for error in said["errors"]] == [field]
    assert not World.objects.exists()


def test_a_whole_number_may_be_written_with_a_point(api: Api) -> None:
    assert api.post("worlds", b'{"name": "A", "seed": 7.0}').json()["seed"] == 7


def test_bodies_that_are_too_large(api: Api) -> None:
    content = b'{"name": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
    problem(api.post("worlds", content), 413, "too_large")
    assert not World.objects.exists()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/json; charset=latin-1", "multipart/form-data"]
)
def test_bodies_of_other_kinds(api: Api, kind: str) -> None:
    problem(api.post("worlds", {"name": "A"}, Content_Type=kind), 415, "unsupported_media_type")
    assert not World.objects.exists()


def test_only_json_is_answered(api: Api) -> None:
    problem(api.get("worlds", Accept="text/html"), 406, "not_acceptable")


# --- Queries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("agents?limit=0", 400, "limit"),
        ("agents?limit=501", 400, "limit"),
        ("agents?limit=ten", 400, "limit"),
        ("agents?limit=1.0", 400, "limit"),
        ("agents?limit=", 400, "limit"),
        ("agents?limit=5&limit=6", 400, "limit"),
        ("agents?world=harbour", 400, "world"),
        ("agents?lifecycle=asleep", 400, "lifecycle"),
        ("agents?name=%00", 400, "name"),
        ("agents?colour=red", 400, "colour"),
        ("agents?cursor=%00", 400, "cursor"),
        ("agents?cursor=nonsense", 422, "cursor"),
        ("agents?cursor=WzEsMl0", 422, "cursor"),
        ("agents/ticks", 404, None),
        ("events?pattern=a..b", 422, "pattern"),
        ("events?since=-1", 400, "since"),
        ("events?since=9223372036854775808", 400, "since"),
        ("worlds?cursor=WyJcdTAwMDAiXQ", 422, "cursor"),
        ("dead-letters?subscription=nobody", 404, None),
        ("health?deep=1", 400, "deep"),
    ],
)
def test_queries_that_do_not_fit(api: Api, path: str, status: int, field: str | None) -> None:
    said = problem(api.get(path), status)
    assert [error["field"] for error in said["errors"]] == ([field] if field else [])


# --- Others' things, and doors that are shut -----------------------------------------------------------------


def test_nothing_of_other_people_can_be_changed(world: Any) -> None:
    agent = Agent.objects.filter(world=world).first()
    assert agent is not None
    zone = Zone.objects.get(pk=agent.zone_id)
    granted = (
        "zones.change_world", "zones.add_zone", "zones.change_zone", "agents.change_agent",
        "agents.delete_agent", "memory.add_memorynode", "memory.delete_memorynode",
    )  # fmt: skip
    visitor, before = Api(grant(make_user("visitor"), *granted)), _counts()
    new = {"zone_id": str(zone.pk), "name": "Cuckoo"}
    asked = [
        visitor.post(f"worlds/{world.pk}/pause"), visitor.patch(f"worlds/{world.pk}", {"rate": 2}, If_Match="*"),
        visitor.post("zones", {"world_id": str(world.pk), "name": "Den"}), visitor.delete(f"zones/{zone.pk}"),
        visitor.patch(f"zones/{zone.pk}", {"capacity": 1}, If_Match="*"), visitor.post("agents", new),
        visitor.post("agents/bulk", {"agents": [new]}), visitor.post(f"agents/{agent.pk}/tick"),
        visitor.post(f"agents/{agent.pk}/suspend", {}), visitor.delete(f"agents/{agent.pk}"),
        visitor.patch(f"agents/{agent.pk}", {"openness": 0.1}, If_Match="*"),
        visitor.post(f"agents/{agent.pk}/memories", {"content": "I was never here."}),
        visitor.post(f"agents/{agent.pk}/mods", {"name": "fog", "kind": "skill"}),
    ]  # fmt: skip
    for response in asked:
        problem(response, 404, "not_found")
    assert _counts() == before
    agent.refresh_from_db()
    assert agent.lifecycle == "active" and agent.tick_number == 0


def test_a_shut_domain_answers_with_its_reason(api: Api, world: Any) -> None:
    registry.switch_off("thunderpac", reason="being mended", now=timezone.now())
    guards.forget()
    refused = api.get("agents")
    assert "being mended" in problem(refused, 503, "domain_inactive")["detail"]
    assert refused["Retry-After"] == "5"
    assert api.get("worlds").status_code == 200


def test_a_fault_is_told_in_the_same_shape(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA_UPLOAD_MAX_MEMORY_SIZE", "many")  # nobody foresaw that
    api.client.raise_request_exception = False
    said = problem(api.post("worlds", {"name": "Harbour"}), 500, "fault")
    assert "many" not in said["detail"]
    assert not World.objects.exists()


def test_a_host_that_this_is_none_of_is_refused_in_the_same_shape(api: Api) -> None:
    problem(api.get("worlds", Host="elsewhere.example"), 400, "invalid")
