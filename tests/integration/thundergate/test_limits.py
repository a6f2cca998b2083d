"""Limits in Redis, over several processes' worth of threads, at views and at REST; and what holds without Redis."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings as configured
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from prometheus_client import REGISTRY
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from domains.thundergate import authentication, jwts, keys, limits, tokens
from domains.thundergate.access import Identity, Via
from domains.thundergate.authentication import TooManyRefused
from domains.thundergate.errors import GateError, KeyInvalid
from domains.thundergate.limits import store
from domains.thundergate.limits.rates import Rate, weigh
from domains.thundergate.limits.throttles import IdentityThrottle
from domains.thundergate.limits.views import LimitHeadersMiddleware, limited
from tests.factories import make_user


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> Iterator[Any]:
    settings.LIMITS = {
        "on": True,
        "default": 100,
        "heavy": 10,
        "refused": 3,
        "message": 5,
        "message_burst": 8,
        "push": 20,
    }
    store.forget()
    yield settings
    store.forget()


def who() -> str:
    return f"user:{uuid4()}"


def without_redis(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    store.forget()


def test_so_many_a_minute_and_no_more() -> None:
    one, other = who(), who()
    verdicts = [limits.take(one, "heavy") for _ in range(12)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 10 + [False] * 2
    assert [verdict.remaining for verdict in verdicts] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert 5 < verdicts[-1].retry_after_s <= 6
    assert limits.take(other, "heavy").allowed, "each for itself"
    assert limits.take(one, "default").allowed, "and each class"


@pytest.mark.parametrize("most", [1, 7, 13, 60, 99])
def test_redis_counts_as_the_arithmetic_does(fresh: Any, most: int) -> None:
    fresh.LIMITS["default"] = most
    one, of, rest_at = who(), Rate("default", most), 0.0
    for _ in range(most + 2):
        rest_at, expected = weigh(rest_at, 0.0, of)
        found = limits.take(one)
        assert found.allowed == expected.allowed
        assert abs(found.reset_s - expected.reset_s) < 1.0


def test_at_once_from_everywhere_it_is_exact() -> None:
    one = who()
    with ThreadPoolExecutor(16) as pool:
        allowed = list(pool.map(lambda _: limits.take(one, "heavy").allowed, range(200)))
    # While it ran, seconds may have passed, and each six let one more in.
    assert 10 <= sum(allowed) <= 12


def test_what_is_kept_ends_by_itself_and_names_nobody() -> None:
    one = who()
    limits.take(one, "heavy")
    client = redis.Redis.from_url(configured.REDIS_URL)
    keys = list(client.scan_iter(f"{store.PREFIX}*", count=1000))
    assert keys and all(0 < client.pttl(key) <= 60_002 for key in keys if client.exists(key))
    assert not any(one.encode() in key for key in keys)


def test_without_redis_each_process_counts_by_itself(fresh: Any) -> None:
    without_redis(fresh)
    one = who()
    before = REGISTRY.get_sample_value("thunderline_limits_without_redis_total") or 0
    assert [limits.take(one, "heavy").allowed for _ in range(12)] == [True] * 10 + [False] * 2
    assert (REGISTRY.get_sample_value("thunderline_limits_without_redis_total") or 0) == before + 12


def test_what_a_process_remembers_is_bounded(fresh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    without_redis(fresh)
    monkeypatch.setattr(store, "MOST_ALONE", 5)
    for _ in range(50):
        limits.take(who())
    assert len(store._local._rest_at) == 5


async def test_off_nothing_is_counted(fresh: Any) -> None:
    fresh.LIMITS["on"] = False
    one, bucket, lots = who(), limits.Bucket("message"), limits.Lots()
    verdicts = [await limits.take_async(one, "heavy") for _ in range(50)]
    verdicts += [bucket.take() for _ in range(50)] + [await lots.take(one, "push") for _ in range(50)]
    assert all(verdict.allowed for verdict in verdicts) and verdicts[-1].headers() == {}


# --- What comes many times a second --------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_and_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(store.time, "monotonic", lambda: now)
    bucket = limits.Bucket("message")
    assert [bucket.take().allowed for _ in range(10)] == [True] * 8 + [False] * 2
    now += 0.4  # two at five a second
    assert [bucket.take().allowed for _ in range(3)] == [True, True, False]
    now += 3600
    assert [bucket.take().allowed for _ in range(9)] == [True] * 8 + [False]


async def test_lots_are_as_many_over_all_loops_as_the_rate_says() -> None:
    one, loops = who(), [limits.Lots(), limits.Lots()]
    began = time.monotonic()
    allowed = sum([(await loops[n % 2].take(one, "push")).allowed for n in range(60)])
    passed = time.monotonic() - began
    assert 20 - store.LOT < allowed <= 20 + math.ceil(20 * passed)
    assert (await loops[0].take(who(), "push")).allowed


async def test_what_is_left_of_a_lot_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    one, lots = who(), limits.Lots()
    await lots.take(one, "push")
    assert lots._lots
    lots.sweep()
    assert lots._lots
    monkeypatch.setattr(store, "LOT_S", 0.0)
    await lots.take(who(), "push")
    later = time.monotonic() + 2
    monkeypatch.setattr(store.time, "monotonic", lambda: later)
    lots.sweep()
    assert not lots._lots


@pytest.mark.django_db
def test_a_key_and_its_tokens_are_counted_together() -> None:
    ada = make_user(f"ada-{uuid4()}")
    key = keys.issue(ada, name="robot", scopes=["agents:read"], by="tests")
    shown = authentication.identify(key.secret)
    assert shown.claims is not None
    pairs = [jwts.exchange(shown.claims, by="tests") for _ in range(2)]
    assert {limits.of(authentication.identify(pair.access)) for pair in pairs} == {limits.of(shown)}
    assert limits.of(shown) == f"key:{key.id}"
    signed = authentication.identify(tokens.issue(ada, by="tests"))
    assert limits.of(signed) == limits.of(Identity(ada, Via.SESSION)) == f"user:{ada.pk}"


def test_a_class_that_is_none_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        limits.take(who(), "enormous")


async def test_on_a_loop() -> None:
    one = who()
    found = [await limits.take_async(one, "heavy") for _ in range(11)]
    assert [verdict.allowed for verdict in found] == [True] * 10 + [False]


# --- Views ---------------------------------------------------------------------------------------------------


def ask(view: Any, **meta: str) -> HttpResponse:
    request = RequestFactory().get("/", **meta)  # type: ignore[arg-type]
    request.user = AnonymousUser()
    response: HttpResponse = LimitHeadersMiddleware(view)(request)
    return response


def test_a_view_answers_429_with_what_one_needs_to_know() -> None:
    view = limited("heavy")(lambda request: HttpResponse("ok"))
    address = f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}"
    answers = [ask(view, REMOTE_ADDR=address) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[0]["RateLimit-Limit"] == "10" and answers[0]["RateLimit-Remaining"] == "9"
    assert "Retry-After" not in answers[0]
    refused = answers[-1]
    assert refused["Retry-After"] == "6" and refused["RateLimit-Remaining"] == "0"
    assert refused.content == b"Too many requests: 10 a minute are allowed here; try again in 6 s.\n"
    assert ask(view, REMOTE_ADDR="2001:db8::ffff:1").status_code == 200


async def test_a_view_on_a_loop() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok")

    request = RequestFactory().get("/")
    request.user = make_anonymous()
    request.META["REMOTE_ADDR"] = f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}"
    answers = [(await LimitHeadersMiddleware(limited("heavy")(view))(request)).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


def make_anonymous() -> Any:
    return AnonymousUser()


@pytest.mark.django_db
def test_signing_in_is_limited_by_address(client: Client, fresh: Any) -> None:
    fresh.LIMITS["default"] = 3
    peer = {"REMOTE_ADDR": f"2001:db8::{uuid4().hex[:4]}"}
    form = {"username": "ann", "password": "wrong"}
    answers = [client.post("/login/", form, **peer).status_code for _ in range(4)]  # type: ignore[arg-type]
    assert answers == [200, 200, 200, 429]
    assert client.get("/login/", **peer).status_code == 200  # type: ignore[arg-type]


class Heavy(APIView):
    throttle_classes = [IdentityThrottle]
    permission_classes: list[Any] = []
    limit_kind = "heavy"

    def get(self, request: Any) -> Response:
        return Response("ok")


@pytest.mark.django_db
def test_rest_answers_429_too() -> None:
    user = make_user(f"user-{uuid4()}")

    def get() -> Any:
        request = APIRequestFactory().get("/")
        request.user = user
        force_authenticate(request, user)
        return LimitHeadersMiddleware(Heavy.as_view())(request)

    answers = [get() for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[0]["RateLimit-Remaining"] == "9"
    assert answers[-1]["Retry-After"] == "6"


# --- Who guesses ---------------------------------------------------------------------------------------------


def guesses(address: str, count: int = 5) -> list[type[Exception]]:
    found = []
    for n in range(count):
        with pytest.raises(GateError) as refused:
            authentication.identify(f"tlk_{n}", address=address)
        found.append(refused.type)
    return found


@pytest.mark.django_db
def test_who_guesses_is_slowed_down_and_what_is_good_is_let_in() -> None:
    address = f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}"
    good = keys.issue(make_user("ada"), name="x", scopes=["agents:read"], by="test").secret
    for _ in range(5):
        assert authentication.identify(good, address=address).via is Via.KEY, "what is good does not count"
    assert guesses(address) == [KeyInvalid] * 3 + [TooManyRefused] * 2
    with pytest.raises(TooManyRefused, match="wait") as refused:
        authentication.identify("x.y.z", address=address)
    assert 0 < refused.value.retry_after_s <= 60
    assert authentication.identify(good, address=address).via is Via.KEY
    assert guesses(f"2001:db8::{uuid4().hex[:4]}:1", 1) == [KeyInvalid], "each address for itself"
    assert guesses("") == [KeyInvalid] * 5, "nobody knows from where"


@pytest.mark.django_db
def test_rest_says_when_to_come_again(client: Client) -> None:
    peer = {"REMOTE_ADDR": f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}"}
    answers = [client.get("/api/v1/worlds", headers={"authorization": "Bearer nonsense"}, **peer) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429]
    assert answers[-1].json()["code"] == "too_many_refused" and 0 < int(answers[-1]["Retry-After"]) <= 60
    refresh = {"refresh": "x.y.z"}
    refused = client.post("/api/v1/token/refresh", refresh, content_type="application/json", **peer)
    assert refused.status_code == 429, "refresh tokens are guessed by nobody either"
    assert client.get("/api/v1/worlds", **peer).status_code == 401, "who shows nothing does not guess"
