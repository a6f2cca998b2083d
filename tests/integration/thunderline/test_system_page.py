"""The page of the system: its parts, whom they are for, its buttons, and that it is there when something is not."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.minds import budget
from agents.models import Endpoint
from domains.thunderblock import database
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow import queries
from domains.thunderflow.models import Breaker, Cursor, Subscription
from domains.thundergate.alerts.models import Alert, AlertRule
from domains.thunderlink import nodes
from tests.conftest import CountQueries
from tests.factories import beat, let_nodes_pass, make_user, make_world, wake_domains
from thunderline.embedded.locks import FileLock
from thunderline.embedded.places import Places
from thunderline.supervision import supervisor
from thunderline.supervision.programs import Program, Stage
from thunderline.views import system

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()
    beat()


def text_of(client: Client) -> str:
    response = client.get("/system/")
    assert response.status_code == 200
    return response.content.decode()


def subscription(name: str = "chronicle", **fields: Any) -> Subscription:
    row = Subscription.objects.create(name=name, pattern="**", shards=1, **fields)
    Cursor.objects.create(subscription=row, shard=0, position=0, handled=1234)
    return row


def alert(**fields: Any) -> Alert:
    rule, _ = AlertRule.objects.get_or_create(
        name="A breaker is open", kind="metric", metric="x", comparison="above", threshold=0
    )
    now = timezone.now()
    usual = {"key": "breaker=x", "state": "firing", "severity": "critical", "since": now, "fired_at": now}
    return Alert.objects.create(rule=rule, **{**usual, **fields})


# --- Who sees what -------------------------------------------------------------------------------------------


def test_strangers_sign_in_and_members_are_refused(client: Client, member: Any) -> None:
    assert client.get("/system/").headers["Location"] == "/login/?next=/system/"
    client.force_login(member)
    assert client.get("/system/").status_code == 403


def test_each_part_is_for_who_may_see_it(client: Client) -> None:
    subscription()
    Breaker.objects.create(name="handler:chronicle", state="open", failures=5, opened_at=timezone.now())
    client.force_login(make_user("vera", role="viewer"))
    html = text_of(client)
    for there in ("Nodes", "Queues", "Database"):
        assert f">{there}</h2>" in html
    assert "Your role does not open: Alerts, Subscriptions, Breakers, What models cost." in html
    assert "chronicle" not in html

    client.force_login(make_user("dev", role="developer"))
    html = text_of(client)
    assert "Your role does not open: Alerts." in html
    assert "handler:chronicle" in html
    assert "Pause" not in html
    assert "Close it" not in html


def test_who_may_not_change_is_refused(client: Client) -> None:
    subscription()
    one = alert()
    Breaker.objects.create(name="handler:chronicle", state="open")
    client.force_login(make_user("dev", role="developer"))
    for url in (
        "/system/subscriptions/chronicle/pause/", "/system/subscriptions/chronicle/resume/", "/system/breakers/reset/",
        f"/system/alerts/{one.pk}/acknowledge/",
    ):  # fmt: skip
        assert client.post(url, {"name": "handler:chronicle"}, headers=HTMX).status_code == 403
    assert not Subscription.objects.get().paused
    assert Breaker.objects.get().state == "open"


# --- Parts ---------------------------------------------------------------------------------------------------


def test_nodes_are_shown_with_how_busy_they_are_until_an_hour_after_their_end(as_operator: Client) -> None:
    assert "No web process serves sockets" in text_of(as_operator)
    live, silent, gone, forgotten = (nodes.register(f"ws://{name}:1") for name in ("live", "silent", "gone", "old"))
    nodes.beat(live, sessions=1234, cpu=0.42, memory_mb=321.4)
    let_nodes_pass(9, silent)
    nodes.leave(gone)
    let_nodes_pass(4000, forgotten)
    assert nodes.known()[0].id == live
    assert {node.id: node.state for node in nodes.known()} == {live: "live", silent: "silent", gone: "left"}
    html = text_of(as_operator)
    for wanted in ("ws://live:1", "42 %", "321 MB", "1\u202f234", "ws://silent:1", "ws://gone:1"):
        assert wanted in html
    assert "ws://old:1" not in html


def test_queues_and_workers_are_told(as_operator: Client, settings: Any) -> None:
    html = text_of(as_operator)
    for name in ("work", "ticks", "heartbeat", "upkeep"):
        assert f"<dt>{name}</dt>" in html
    assert "keep up" in html
    ActiveDomain.objects.update(last_tick=1)
    for _ in range(9):
        beat()
    ActiveDomain.objects.update(last_tick=1)
    assert "9 heartbeats behind" in text_of(as_operator)


@pytest.fixture(params=["refuses", "never answers"])
def redis_away(request: Any, settings: Any) -> Iterator[None]:
    """No Redis where one should be."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        if request.param == "never answers":
            deaf.listen()
        settings.REDIS_URL = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        yield


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/system/", ["Unreachable.", "Redis:", ">Database</h2>", "Followers"]),
        ("/", ["Harbour", "Heartbeat"]),
        ("/admin/", ["Redis does not answer", "Dead letters", "Harbour"]),
    ],
)
def test_redis_that_is_away_is_told_and_holds_nothing_up(
    redis_away: None, as_operator: Client, address: str, told: list[str]
) -> None:
    make_world()
    began = time.monotonic()
    page = as_operator.get(address)
    assert time.monotonic() - began < 20  # where nobody lost patience it would be for ever
    assert page.status_code == 200
    assert [word for word in told if word not in page.content.decode()] == []


def test_a_supervisor_is_asked_and_one_that_is_silent_is_told(
    as_operator: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    assert "No supervisor runs here" in text_of(as_operator)
    path = tmp_path / "supervisor"
    monkeypatch.setattr("thunderline.embedded.places.Places.supervisor_socket", path)
    monkeypatch.setattr(system, "PATIENCE_S", 0.1)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        assert "no answer within 0.1 s" in text_of(as_operator)


def test_supervised_programs_are_told_with_their_state(as_operator: Client, settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path / "var"
    places = Places.of(settings.VAR_DIR)
    places.make()
    wanted = [Program("sleeper", ["sleep", "60"], start_s=0), Program("missing", [str(tmp_path / "nowhere")])]
    with FileLock(places.system_lock, places) as lock:
        assert lock.take(wait=False)
        process = supervisor.start(places, [Stage("programs", wanted, autostart=True)], lock)
        try:
            html = text_of(as_operator)
        finally:
            supervisor.shut_down(places)
            process.wait(20)
    rows = re.findall(r'<th scope="row">(\w+)</th><td[^>]*><span class="badge (\w+)">', html)
    states = dict(rows)
    assert states["sleeper"] in ("starting", "running")
    assert states["missing"] in ("starting", "backoff", "running")


def test_the_database_is_told_by_table_the_largest_first(as_operator: Client) -> None:
    make_world(agents=20)
    tables = database.tables(100)
    sizes = [table.bytes for table in tables]
    assert sizes == sorted(sizes, reverse=True)
    events = next(table for table in tables if table.name == "events")
    assert events.leaves >= 1
    assert events.bytes > 0
    whole = database.now()
    assert whole.bytes >= sum(sizes)
    assert 1 <= whole.connections <= whole.most_connections
    assert f">{tables[0].name}<" in text_of(as_operator)


def test_subscriptions_and_breakers_are_told_with_how_they_stand(as_operator: Client) -> None:
    html = text_of(as_operator)
    assert "All are closed" in html
    subscription()
    subscription("bells", paused=True, paused_by="user:ada")
    opened = {"state": "open", "failures": 5, "opened_at": timezone.now()}
    Breaker.objects.create(name="handler:chronicle", last_error="<no>", **opened)
    Breaker.objects.create(name="endpoint:large", state="half-open", failures=7)
    Breaker.objects.create(name="fine")
    html = text_of(as_operator)
    for wanted in ("1\u202f234", "waits for a follower", "paused", "handler:chronicle", "&lt;no&gt;", "of a subscriber",
                   "tried again at", "endpoint:large", "1 other is closed"):  # fmt: skip
        assert wanted in html
    assert html.count("Close it") == 1  # endpoints have more than a breaker to be reset


def test_costs_are_told_by_endpoint_and_world(as_operator: Client) -> None:
    assert "No model was called today" in text_of(as_operator)
    world = make_world(agents=0)
    endpoint = Endpoint.objects.create(name="large", base_url="http://127.0.0.1:1/v1", model="m")
    amount = budget.Amount(12, 34_567, Decimal("1.25"))
    budget.count([(timezone.now(), (("endpoint", endpoint.pk), ("world", world.pk)), amount)])
    html = text_of(as_operator)
    assert html.count("$1.25") == 4
    assert html.count("34\u202f567") == 2


# --- Buttons -------------------------------------------------------------------------------------------------


def test_a_subscription_is_paused_and_goes_on(as_operator: Client) -> None:
    subscription()
    assert "is paused" in as_operator.post("/system/subscriptions/chronicle/pause/", headers=HTMX).content.decode()
    row = Subscription.objects.get()
    assert (row.paused, row.paused_by) == (True, "user:operator")
    assert "Resume" in text_of(as_operator)
    assert as_operator.post("/system/subscriptions/chronicle/resume/", headers=HTMX).status_code == 200
    assert not Subscription.objects.get().paused
    assert [event.actor for event in queries.latest(pattern="system.subscription_changed")] == ["user:operator"] * 2
    assert as_operator.post("/system/subscriptions/nobody/pause/", headers=HTMX).status_code == 404


def test_a_breaker_is_closed(as_operator: Client) -> None:
    Breaker.objects.create(name="handler:chronicle", state="open", failures=5, opened_at=timezone.now())
    assert as_operator.post("/system/breakers/reset/", {"name": "handler:chronicle"}, headers=HTMX).status_code == 200
    row = Breaker.objects.get()
    assert (row.state, row.failures) == ("closed", 0)
    told = queries.latest(pattern="system.breaker_changed", limit=1)[0]
    assert (told.actor, told.payload["state"]) == ("user:operator", "closed")
    for name in ("handler:nobody", "", "x\0"):
        assert as_operator.post("/system/breakers/reset/", {"name": name}, headers=HTMX).status_code == 404


def test_an_alert_is_seen_to_once(as_operator: Client) -> None:
    one = alert()
    assert "See to it" in text_of(as_operator)
    url = f"/system/alerts/{one.pk}/acknowledge/"
    assert "You see to it." in as_operator.post(url, headers=HTMX).content.decode()
    assert "user:operator sees to it" in text_of(as_operator)
    assert "already" in as_operator.post(url, headers=HTMX).content.decode()
    Alert.objects.update(state="resolved", resolved_at=timezone.now())
    assert as_operator.post(url, headers=HTMX).status_code == 409
    assert as_operator.post("/system/alerts/999999/acknowledge/", headers=HTMX).status_code == 409


def test_buttons_need_a_post_with_its_token(operator: Any) -> None:
    subscription()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)
    for url in ("/system/subscriptions/chronicle/pause/", "/system/breakers/reset/", "/system/alerts/1/acknowledge/"):
        assert strict.get(url).status_code == 405
        assert strict.post(url).status_code == 403
    assert not Subscription.objects.get().paused


# --- Cost ----------------------------------------------------------------------------------------------------


def test_it_costs_the_same_for_few_and_for_many(as_operator: Client, count_queries: CountQueries) -> None:
    def cost() -> int:
        with count_queries() as statements:
            text_of(as_operator)
        return len(statements)

    text_of(as_operator)
    few = cost()
    for n in range(12):
        subscription(f"s{n}")
        Breaker.objects.create(name=f"handler:s{n}", state="open", failures=5, opened_at=timezone.now())
        alert(key=f"n={n}")
        nodes.register(f"ws://n{n}:1")
    assert few == cost() == 17
