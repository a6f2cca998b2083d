"""`/api/v1/token…`: keys for JWTs, refreshed, revoked; what is forged, expired or replayed is told apart."""

import base64
import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from agents import actions
from domains.thunderflow import queries as log
from domains.thundergate import authentication, jwts, keys, secrets, tokens
from domains.thundergate.access import Via
from domains.thundergate.errors import GateError
from domains.thundergate.models import AccessToken, ApiKey
from tests.conftest import CountQueries
from tests.factories import make_user, make_world, wake_domains
from tests.tables import commits
from tests.threads import at_once

__all__ = ["commits"]

pytestmark = pytest.mark.django_db
KEY_ROUTE, REFRESH, REVOKE = "/api/v1/token", "/api/v1/token/refresh", "/api/v1/token/revoke"


@pytest.fixture
def ada() -> Any:
    return make_user("ada")


@pytest.fixture
def key(ada: Any) -> keys.Issued:
    return keys.issue(ada, name="robot", scopes=["agents:write", "memory:read"], by="user:ada")


def post(route: str, body: Any = None, bearer: str | None = None) -> Any:
    headers = {"authorization": f"Bearer {bearer}"} if bearer is not None else {}
    return Client(enforce_csrf_checks=True).post(route, body or {}, content_type="application/json", headers=headers)


def exchange(key: keys.Issued, **body: Any) -> dict[str, Any]:
    response = post(KEY_ROUTE, body, key.secret)
    assert response.status_code == 200, response.content
    return dict(response.json())


def code(response: Any, status: int) -> str:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status and len(problem["detail"]) > 15
    return str(problem["code"])


def refused(token: str) -> str:
    with pytest.raises(GateError) as error:
        jwts.read(token)
    return error.value.code


def test_a_key_is_exchanged_for_a_pair(ada: Any, key: keys.Issued) -> None:
    pair = exchange(key)
    assert (pair["token_type"], pair["expires_in"], pair["scopes"]) == ("Bearer", 300, ["agents:write", "memory:read"])
    who = authentication.authenticate(f"Bearer {pair['access']}")
    assert (who.user.pk, who.via, who.key_id, who.scopes) == (ada.pk, Via.JWT, key.id, ("agents:write", "memory:read"))
    assert [event.topic for event in log.read_stream("security", after=0)][-1] == "system.token_issued"


def test_less_than_the_key_may_be_asked_for_and_not_more(key: keys.Issued) -> None:
    pair = exchange(key, scopes=["agents:read"])
    who = authentication.authenticate(f"Bearer {pair['access']}")
    assert who.scopes == ("agents:read",)
    assert code(post(KEY_ROUTE, {"scopes": ["zones:act"]}, key.secret), 403) == "access_denied"
    assert code(post(KEY_ROUTE, {"scopes": ["flying"]}, key.secret), 400) == "invalid_payload"
    assert code(post(KEY_ROUTE, {"scopes": []}, key.secret), 400) == "invalid_payload"
    assert AccessToken.objects.count() == 1


def test_what_is_shown_has_to_be_a_key(ada: Any, key: keys.Issued) -> None:
    for bearer in (None, "nonsense", key.secret[:-2] + "xx"):
        response = post(KEY_ROUTE, {}, bearer)
        assert code(response, 401) in ("unauthenticated", "token_invalid", "key_invalid")
        assert response["WWW-Authenticate"].startswith('Bearer realm="thunderline"')
    pair = exchange(key)
    assert code(post(KEY_ROUTE, {}, pair["access"]), 403) == "access_denied"
    assert code(post(KEY_ROUTE, {}, tokens.issue(ada, by="user:ada")), 403) == "access_denied"
    keys.revoke([key.id], by="user:ada", reason="")
    assert code(post(KEY_ROUTE, {}, key.secret), 401) == "key_revoked"


@pytest.mark.parametrize("body", ["[]", '"x"', "{", '{"refresh": 5.5}', "{}", '{"refresh": ""}', "\xff", "null"])
def test_bodies_that_do_not_fit(body: str) -> None:
    response = Client().post(REFRESH, body, content_type="application/json")
    assert code(response, 400)


def test_other_types_and_methods() -> None:
    assert code(Client().post(REFRESH, "x", content_type="text/plain"), 415)
    assert code(Client().get(KEY_ROUTE), 405)


def test_refreshing_gives_a_new_pair_and_a_second_time_ends_the_session(key: keys.Issued) -> None:
    first = exchange(key)
    second = post(REFRESH, {"refresh": first["refresh"]}).json()
    assert jwts.read(second["access"]).scopes == ("agents:write", "memory:read")
    assert jwts.read(first["access"])  # its minutes are not over
    replayed = post(REFRESH, {"refresh": first["refresh"]})
    assert code(replayed, 401) == "token_replayed"
    assert refused(second["access"]) == refused(first["access"]) == "token_revoked"
    assert code(post(REFRESH, {"refresh": second["refresh"]}), 401) == "token_revoked"
    assert exchange(key)  # the key is good for another


def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(key: keys.Issued) -> None:
    pair = exchange(key)
    assert code(post(REFRESH, {"refresh": pair["access"]}), 401) == "token_invalid"
    assert refused(pair["refresh"]) == "token_invalid"
    assert jwts.read(pair["access"])


def forged(payload: dict[str, Any], signing: str, algorithm: str | None = "HS256", **header: Any) -> str:
    return jwt.encode(payload, signing, algorithm=algorithm, headers=header)


def test_forged_and_expired_tokens(key: keys.Issued, count_queries: CountQueries) -> None:
    good = exchange(key)["access"]
    payload = jwt.decode(good, options={"verify_signature": False})
    ours = secrets.derived("thundergate.jwts")[0].hex()
    assert jwts.read(forged(payload, ours)).key_id == key.id  # so that the rest differs in one thing only
    head, body, signature = good.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    wrong = [
        forged(payload, "k" * 64), forged(payload, ours, "HS512"), f"{none}.{body}.", f"{none}.{body}.{signature}",
        forged(payload | {"aud": "elsewhere"}, ours), forged({k: v for k, v in payload.items() if k != "aud"}, ours),
        forged(payload | {"iss": "elsewhere"}, ours), forged({k: v for k, v in payload.items() if k != "exp"}, ours),
        forged(payload | {"token_type": "refresh"}, ours), forged(payload | {"jti": "x"}, ours),
        forged({k: v for k, v in payload.items() if k != "jti"}, ours),
        forged(payload | {"nbf": time.time() + 900}, ours),
        f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}.", "a.b.c", "..", "é.é.é",
    ]  # fmt: skip
    with count_queries() as statements:
        assert [refused(token) for token in wrong] == ["token_invalid"] * len(wrong)
        assert refused(forged(payload | {"exp": int(time.time()) - 1}, ours)) == "token_expired"
    assert not statements
    unknown = forged(payload | {"jti": f"{uuid4().hex}-0-access"}, ours)
    assert refused(unknown) == "token_invalid"


def test_reading_costs_one_query(key: keys.Issued, count_queries: CountQueries) -> None:
    access = exchange(key)["access"]
    with count_queries() as statements:
        jwts.read(access)
    assert len(statements) == 1


def test_tokens_end_with_their_key_their_user_and_their_time(ada: Any, key: keys.Issued) -> None:
    other = keys.issue(ada, name="other", scopes=["agents:read"], by="user:ada")
    first, second, third = exchange(key), exchange(other), exchange(other)
    keys.revoke([key.id], by="user:ada", reason="lost")
    assert refused(first["access"]) == "token_revoked"
    assert code(post(REFRESH, {"refresh": first["refresh"]}), 401) == "token_revoked"
    tokens.revoke_all(user_id=ada.pk, by="operator", reason="left")
    assert refused(second["access"]) == refused(third["access"]) == "token_revoked"
    fourth = exchange(other)
    ApiKey.objects.filter(pk=other.id).update(
        created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1)
    )
    assert refused(fourth["access"]) == "token_expired"
    ada.is_active = False
    ada.save()
    assert refused(fourth["access"]) == "account_disabled"


def test_a_session_does_not_outlive_its_key(ada: Any) -> None:
    short = keys.issue(ada, name="short", scopes=["agents:read"], days=60 / 86_400, by="user:ada")
    pair = exchange(short)
    assert pair["expires_in"] <= 60 and pair["refresh_expires_in"] <= 60
    assert AccessToken.objects.get().expires_at <= short.expires_at


def test_revoking_by_token_and_by_jti(ada: Any, key: keys.Issued) -> None:
    by_access, by_refresh, by_jti = exchange(key), exchange(key), exchange(key)
    assert post(REVOKE, {"token": by_access["access"]}).status_code == 204
    assert post(REVOKE, {"token": by_refresh["refresh"]}).status_code == 204
    assert refused(by_access["access"]) == refused(by_refresh["access"]) == "token_revoked"
    assert post(REVOKE, {"token": "nonsense"}).status_code == 204  # RFC 7009: what is good for nothing is ended
    assert post(REVOKE, {"token": by_access["access"]}).status_code == 204
    jti = jwt.decode(by_jti["access"], options={"verify_signature": False})["jti"]
    stranger = keys.issue(make_user("eve"), name="x", scopes=["agents:read"], by="user:eve")
    assert code(post(REVOKE, {"jti": jti}), 401) == "unauthenticated"
    assert code(post(REVOKE, {"jti": jti}, stranger.secret), 404) == "token_not_found"
    assert code(post(REVOKE, {"jti": "x"}, key.secret), 401) == "token_invalid"
    assert jwts.read(by_jti["access"])
    assert post(REVOKE, {"jti": jti}, key.secret).status_code == 204
    assert refused(by_jti["access"]) == "token_revoked"
    for body in ({}, {"jti": jti, "token": "x"}, {"token": ""}):
        assert code(post(REVOKE, body, key.secret), 400)


def test_suspending_an_agent_ends_its_tokens(ada: Any) -> None:
    wake_domains()
    agent = make_world(agents=1, by=ada).agents.get()
    mine = keys.issue(ada, name="hers", scopes=["agents:act"], agent_id=agent.pk, by="user:ada")
    pair = exchange(mine)
    assert jwts.read(pair["access"]).agent_id == agent.pk
    actions.suspend([agent.pk], by="test")
    assert refused(pair["access"]) == "token_revoked"
    assert code(post(KEY_ROUTE, {}, mine.secret), 403) == "agent_suspended"


def test_a_key_has_a_bounded_number_of_sessions(key: keys.Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwts, "MOST_SESSIONS", 2)
    pairs = [exchange(key) for _ in range(4)]
    assert [refused(pair["access"]) for pair in pairs[:2]] == ["token_revoked"] * 2
    assert [bool(jwts.read(pair["access"])) for pair in pairs[2:]] == [True, True]


def test_another_signing_key_for_jwts(key: keys.Issued, settings: Any) -> None:
    before = exchange(key)["access"]
    settings.JWT_KEY = "j" * 40
    assert refused(before) == "token_invalid"
    assert jwts.read(exchange(key)["access"])


@pytest.mark.django_db(transaction=True)
def test_of_two_who_refresh_at_once_one_does_and_the_session_ends(commits: None) -> None:
    key = keys.issue(make_user("ada"), name="robot", scopes=["agents:read"], by="user:ada")
    refresh = exchange(key)["refresh"]

    def go() -> int:
        return int(post(REFRESH, {"refresh": refresh}).status_code)

    assert sorted(at_once(*[go] * 4)) == [200, 401, 401, 401]
    assert AccessToken.objects.get().revoked_at is not None
    assert AccessToken.objects.get().generation == 1
