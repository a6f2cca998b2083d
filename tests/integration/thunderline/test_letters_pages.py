"""Dead letters on pages: what is shown, retried and discarded, one or many, and by whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client

from domains.ids import new_id
from domains.thunderflow import queries
from domains.thunderflow.actions import publish_many
from domains.thunderflow.models import DeadLetter
from domains.thundergate.audit.models import AuditEntry
from tests.conftest import CountQueries
from tests.factories import make_letter, make_user, make_world, wake_domains
from tests.integration.thunderflow.told import told
from thunderline.views import letters
from zones.events import zone_stream

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

LETTERS = "/events/dead-letters/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()


def letter(what: str = "x", topic: str = "test.told", **fields: Any) -> DeadLetter:
    with transaction.atomic():
        publish_many([told("test:1", what, topic=topic)])
    return make_letter(**fields)


def buttons(one: DeadLetter) -> list[str]:
    return [f"{LETTERS}{which}{verb}/" for verb in ("retry", "discard") for which in (f"{one.pk}/", "")]


def states() -> list[str]:
    return list(DeadLetter.objects.order_by("position").values_list("status", flat=True))


def text_of(client: Client, url: str = LETTERS, **data: Any) -> str:
    response = client.get(url, data)
    assert response.status_code == 200
    return response.content.decode()


def listed(html: str) -> list[str]:
    return re.findall(r'<li id="l-([0-9a-f-]{36})"', html)


def test_who_may_not_look_is_told_so(client: Client, member: Any) -> None:
    one = letter()
    assert client.get(LETTERS).headers["Location"] == f"/login/?next={LETTERS}"
    for somebody in (member, make_user("vera", role="viewer"), make_user("dev", role="developer")):
        client.force_login(somebody)
        for url in (LETTERS, f"{LETTERS}{one.pk}/"):
            assert client.get(url).status_code == 403
        for url in buttons(one):
            assert client.post(url, headers=HTMX).status_code == 403
        assert LETTERS not in text_of(client, "/events/")
    assert states() == ["waiting"]


def test_those_of_worlds_that_one_may_not_see_are_not_there(client: Client) -> None:
    world = make_world(by=make_user("owner"))
    one, keeper = letter(stream=zone_stream(world.zones.first().pk)), make_user("keeper")
    codes = ["view_deadletter", "change_deadletter"]
    keeper.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(keeper)
    assert listed(text_of(client)) == [] and client.get(f"{LETTERS}{one.pk}/").status_code == 404
    assert client.post(f"{LETTERS}{one.pk}/discard/", headers=HTMX).status_code == 409
    client.post(f"{LETTERS}discard/", {"status": "waiting"}, headers=HTMX)
    assert states() == ["waiting"]
    type(world).objects.update(access="open")
    assert listed(text_of(client)) == [str(one.pk)]
    assert client.post(f"{LETTERS}{one.pk}/discard/", headers=HTMX).status_code == 200
    assert states() == ["discarded"]


def test_the_newest_come_first_with_why(as_operator: Client) -> None:
    older, newer = letter("a", error="ValueError: <no>"), letter("b", name="bells", attempts=1)
    html = text_of(as_operator)
    assert listed(html) == [str(newer.pk), str(older.pk)]
    for wanted in ("ValueError: &lt;no&gt;", "chronicle", "bells", "tried 6 times", "tried 1 time ", "2 waiting"):
        assert wanted in html


def test_they_are_filtered(as_operator: Client) -> None:
    a = letter("a", topic="test.a", error_class="permanent")
    b = letter("b", topic="test.b", name="bells")
    c = letter("c", topic="test.c", name="bells", status="discarded")
    for wanted, data in (
        ([a], {"error_class": "permanent"}), ([b], {"subscription": "bells"}), ([a], {"pattern": "*.a"}),
        ([c], {"status": "discarded"}), ([], {"subscription": "bells", "pattern": "*.a"}), ([b, a], {}),
    ):  # fmt: skip
        assert listed(text_of(as_operator, **data)) == [str(one.pk) for one in wanted]


def test_what_no_form_holds_is_refused(as_operator: Client) -> None:
    assert as_operator.get(LETTERS, {"status": "odd"}).status_code == 404
    assert as_operator.get(LETTERS, {"error_class": "odd"}).status_code == 404
    for data in ({"pattern": "a..b"}, {"subscription": "nobody"}):
        response = as_operator.get(LETTERS, data)
        assert response.status_code == 400
        assert 'role="alert"' in response.content.decode()
    for data in ({"before": "x"}, {"before": "9" * 30}, {"before": "5", "id": "x"}):
        assert as_operator.get(LETTERS, data).status_code == 404
    assert as_operator.get(f"{LETTERS}{new_id()}/").status_code == 404


def test_one_goes_on_where_a_page_ends_though_two_are_of_one_event(
    as_operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "SHOWN", 2)
    wanted = [letter(str(n), name=name) for n in range(2) for name in ("a",)]
    wanted += [make_letter(name=name) for name in ("b", "c", "d")]
    seen: list[str] = []
    url = LETTERS
    for _ in range(5):
        html = text_of(as_operator, url)
        seen += listed(html)
        older = re.findall(r'href="(/events/dead-letters/\?[^"]+)">Older', html)
        if not older:
            break
        url = older[0].replace("&amp;", "&")
    assert sorted(seen) == sorted(str(one.pk) for one in wanted)


def test_one_is_shown_whole(as_operator: Client) -> None:
    one = letter("a <b>", error="ValueError: no")
    html = text_of(as_operator, f"{LETTERS}{one.pk}/")
    for wanted in ("Traceback", "ValueError: no", "a &lt;b&gt;", f"/events/{one.position}/", "after 6 tries"):
        assert wanted in html


@pytest.mark.parametrize(("verb", "state"), [("retry", "retrying"), ("discard", "discarded")])
def test_one_is_resolved_once(as_operator: Client, verb: str, state: str) -> None:
    other, one = letter("a"), letter("b")
    assert as_operator.post(f"{LETTERS}{one.pk}/burn/", headers=HTMX).status_code == 404
    assert as_operator.post(f"{LETTERS}burn/", headers=HTMX).status_code == 404
    done = as_operator.post(f"{LETTERS}{one.pk}/{verb}/", headers=HTMX)
    assert done.status_code == 200
    assert done.headers["HX-Trigger"] == "refresh"
    assert states() == ["waiting", state]
    one.refresh_from_db()
    assert one.resolved_by == "user:operator"
    told_of = queries.latest(pattern="system.dead_letters_resolved", limit=1)[0]
    assert (told_of.actor, told_of.payload["count"]) == ("user:operator", 1)
    entry = AuditEntry.objects.filter(table="event_dead_letters").latest("id")
    assert (entry.actor, entry.door) == ("user:operator", "page")
    assert as_operator.post(f"{LETTERS}{one.pk}/{verb}/", headers=HTMX).status_code == 409
    assert str(one.pk) not in text_of(as_operator)
    assert str(other.pk) in text_of(as_operator)


@pytest.mark.parametrize(("verb", "state"), [("retry", "retrying"), ("discard", "discarded")])
def test_all_that_match_are_resolved_and_no_others(as_operator: Client, verb: str, state: str) -> None:
    for topic in ("test.a", "test.b", "test.a"):
        letter(topic=topic)
    letter(topic="test.a", name="bells")
    data = {"status": "waiting", "subscription": "chronicle", "pattern": "*.a", "error_class": ""}
    done = as_operator.post(f"{LETTERS}{verb}/", data, headers=HTMX)
    assert "2 dead letters" in done.content.decode()
    assert states() == [state, "waiting", state, "waiting"]


def test_only_what_waits_is_resolved(as_operator: Client) -> None:
    letter(status="handled")
    assert as_operator.post(f"{LETTERS}retry/", {"status": "handled"}, headers=HTMX).status_code == 409
    assert as_operator.post(f"{LETTERS}retry/", {"pattern": "a..b"}, headers=HTMX).status_code == 400
    assert "0 dead letters" in as_operator.post(f"{LETTERS}retry/", headers=HTMX).content.decode()
    assert states() == ["handled"]


def test_buttons_need_a_post_with_its_token(operator: Any) -> None:
    one = letter()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)
    for url in buttons(one):
        assert strict.get(url).status_code == 405
        assert strict.post(url).status_code == 403
    assert states() == ["waiting"]


def test_of_very_many_it_says_so(as_operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "MOST_COUNTED", 2)
    for _ in range(3):
        letter()
    assert "More than 2 waiting" in text_of(as_operator)


def test_a_list_costs_the_same_for_few_and_for_many(
    as_operator: Client, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domains.thunderblock.guards._FRESH_S", 60.0)

    def cost() -> int:
        with count_queries() as statements:
            text_of(as_operator)
        return len(statements)

    letter()
    text_of(as_operator)
    few = cost()
    for n in range(20):
        letter(name=f"s{n}")
    assert few == cost() == 6
