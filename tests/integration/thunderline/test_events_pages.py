"""The tail of events, and the page of one: who sees what, what is found, and that it is bounded."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from domains.thunderblock import guards
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow import queries
from domains.thunderflow.actions import publish_many
from domains.thunderflow.context import acting
from tests.conftest import CountQueries
from tests.factories import beat, make_user, make_world, run_ticks, wake_domains
from tests.integration.thunderflow.told import told
from thunderline.views import events

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()
    beat()


@pytest.fixture
def world() -> Any:
    world = make_world(agents=4)
    run_ticks(world, 2)
    return world


def tell(*whats: str, stream: str = "test:1", topic: str = "test.told") -> None:
    with transaction.atomic():
        publish_many([told(stream, what, topic=topic) for what in whats])


def text_of(client: Client, url: str = "/events/", **data: Any) -> str:
    response = client.get(url, data)
    assert response.status_code == 200
    return response.content.decode()


def shown(html: str) -> list[int]:
    """Positions of the events on a page, as they stand there."""
    return [int(number) for number in re.findall(r'<li id="e-(\d+)"', html)]


def place(html: str) -> int:
    """From where the page goes on."""
    return int(re.findall(r'id="tail-position" name="after" value="(\d+)"', html)[0])


def newest(pattern: str = "**") -> queries.StoredEvent:
    return queries.latest(pattern=pattern, limit=1)[0]


# --- The tail ------------------------------------------------------------------------------------------------


def test_strangers_are_asked_to_sign_in(client: Client, world: Any) -> None:
    for url in ("/events/", "/events/1/", "/events/1/tree/", "/events/tail/"):
        assert client.get(url).headers["Location"] == f"/login/?next={url}"


def test_the_newest_come_first_with_their_words(as_operator: Client, world: Any) -> None:
    html = text_of(as_operator)
    numbers = shown(html)
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == newest().position
    ticked = newest("zone.*.agent_ticked")
    assert ticked.payload["narrative"].replace("'", "&#x27;") in html
    assert "agent ticked" in html
    assert ">Zone 0</a>" in html


@pytest.mark.parametrize("pattern", ["zone.*.agent_ticked", "**.agent_entered", "system.**", "**"])
def test_a_pattern_finds_what_it_names(as_operator: Client, world: Any, pattern: str) -> None:
    wanted = queries.newest(pattern=pattern, limit=events.SHOWN).events
    assert wanted
    html = text_of(as_operator, pattern=pattern)
    assert shown(html) == [event.position for event in wanted]
    assert f'name="pattern" value="{pattern}"' in html


def test_a_bad_pattern_is_explained(as_operator: Client) -> None:
    for pattern in ("zone..x", "a*b", "\0"):
        response = as_operator.get("/events/", {"pattern": pattern})
        assert response.status_code == 400
        html = response.content.decode()
        assert 'aria-invalid="true"' in html
        assert 'id="poll"' not in html
    assert as_operator.get("/events/tail/", {"pattern": "a*b", "after": "0"}).status_code == 404


def test_a_stream_is_found_however_long_ago(as_operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    tell("long ago", stream="test:quiet")
    tell(*map(str, range(30)))
    monkeypatch.setattr(queries.newest, "__kwdefaults__", {**queries.newest.__kwdefaults__, "within": 10})
    assert len(shown(text_of(as_operator))) == 10
    assert len(shown(text_of(as_operator, stream="test:quiet"))) == 1
    assert shown(text_of(as_operator, stream="test:quiet", pattern="zone.**")) == []


def test_what_comes_is_brought_once_and_in_order(as_operator: Client) -> None:
    after = place(text_of(as_operator, pattern="test.**"))
    quiet = text_of(as_operator, "/events/tail/", pattern="test.**", after=after)
    assert shown(quiet) == []
    tell("one", "two")
    tell("other", topic="elsewhere.told")
    came = text_of(as_operator, "/events/tail/", pattern="test.**", after=place(quiet))
    assert [row in came for row in (">one<", ">two<", ">other<")] == [True, True, False]
    assert shown(came) == sorted(shown(came), reverse=True)
    assert place(came) >= newest().position
    assert shown(text_of(as_operator, "/events/tail/", pattern="test.**", after=place(came))) == []


def test_of_very_much_only_the_newest_comes_and_that_is_said(as_operator: Client) -> None:
    after = place(text_of(as_operator))
    tell(*map(str, range(events.SHOWN)))
    assert "More happened" not in text_of(as_operator, "/events/tail/", after=after)
    tell("one more")
    html = text_of(as_operator, "/events/tail/", after=after)
    assert len(shown(html)) == events.SHOWN
    assert "More happened" in html
    assert shown(html)[0] == place(html) == newest().position


def test_one_goes_back_page_by_page_to_the_beginning(as_operator: Client) -> None:
    tell(*map(str, range(250)))
    seen: list[int] = []
    url = "/events/?pattern=test.**"
    for _ in range(5):
        html = text_of(as_operator, url)
        seen += shown(html)
        older = re.findall(r'<a href="(/events/\?[^"]*before=\d+)">Older', html)
        if not older:
            break
        url = older[0].replace("&amp;", "&")
    assert len(seen) == 250
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize("data", [{"after": "x"}, {"after": "9" * 30}, {"after": ""}, {}])
def test_positions_are_numbers(as_operator: Client, data: dict[str, str]) -> None:
    assert as_operator.get("/events/tail/", data).status_code == 404


# --- Who sees what -------------------------------------------------------------------------------------------


def test_other_peoples_worlds_tell_nothing(client: Client, member: Any, world: Any) -> None:
    client.force_login(member)
    html = text_of(client)
    assert shown(html) == []
    assert "Nothing like it" in html
    tick = newest("zone.*.agent_ticked")
    for url in (f"/events/{tick.position}/", f"/events/{tick.position}/tree/"):
        assert client.get(url).status_code == 404
    assert shown(text_of(client, stream=tick.stream)) == []
    assert shown(text_of(client, "/events/tail/", after="0")) == []

    world.access = "open"
    world.save(update_fields=["access"])
    mine = shown(text_of(client))
    assert tick.position in mine
    assert client.get(f"/events/{tick.position}/").status_code == 200


def test_what_is_told_of_the_system_is_for_roles(client: Client, member: Any) -> None:
    change = newest("system.**")
    client.force_login(member)
    assert client.get(f"/events/{change.position}/").status_code == 404
    client.force_login(make_user("vera", role="viewer"))
    assert change.position in shown(text_of(client, pattern="system.**"))
    tell("of nobody's stream")
    assert newest().position not in shown(text_of(client))


def test_a_tree_leaves_out_what_one_may_not_see(client: Client, world: Any) -> None:
    world.access = "open"
    world.save(update_fields=["access"])
    stream = f"zone:{world.zones.first().pk}"
    with acting(actor="tests"):
        tell("in the open", stream=stream)
        cause = newest()
        tell("kept apart", stream="test:private")
    client.force_login(make_user("somebody"))
    html = text_of(client, f"/events/{cause.position}/tree/")
    assert "in the open" in html
    assert "kept apart" not in html


# --- One event -----------------------------------------------------------------------------------------------


def test_an_event_is_shown_whole(as_operator: Client, world: Any) -> None:
    tick = newest("zone.*.agent_ticked")
    html = text_of(as_operator, f"/events/{tick.position}/")
    for wanted in (tick.topic, tick.stream, str(tick.id), str(tick.correlation_id), tick.node, "state_hash"):
        assert wanted in html
    assert f'hx-get="/events/{tick.position}/tree/"' in html


def test_causes_come_before_their_effects(as_operator: Client) -> None:
    with acting(actor="tests"):
        tell("cause")
        cause = newest()
        with transaction.atomic():
            publish_many([told("test:1", "effect", causation_id=cause.id)])
    effect = newest()
    html = text_of(as_operator, f"/events/{effect.position}/tree/")
    assert re.findall(r'<li class="(d\d (?:here)?)', html) == ["d0 ", "d1 here"]
    assert html.index(">cause<") < html.index(">effect<")
    assert f'href="/events/{cause.position}/"' in html


def test_of_a_large_tree_only_what_is_shown_is_read_whole(
    as_operator: Client, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thunderline.views.events.STEPS_SHOWN", 5)
    with acting(actor="tests"):
        for number in range(30):
            tell(f"leaf {number}")
    with count_queries() as statements:
        html = text_of(as_operator, f"/events/{newest().position}/tree/")
    assert html.count("<li class=") == 5
    assert "25 more are left out" in html
    whole = [sql for sql in statements if "payload" in sql and "position = ANY" not in sql]
    assert not [sql for sql in whole if "correlation_id =" in sql]


def test_an_event_from_outside_of_everything_says_so(as_operator: Client) -> None:
    tell("alone")
    assert newest().correlation_id is None
    assert "outside of any request" in text_of(as_operator, f"/events/{newest().position}/tree/")


def test_what_is_written_is_escaped(as_operator: Client) -> None:
    tell("<b>bold</b><script>x</script>")
    for url in ("/events/", f"/events/{newest().position}/", f"/events/{newest().position}/tree/"):
        html = text_of(as_operator, url)
        assert "<b>bold" not in html
        assert "<script>x" not in html


@pytest.mark.parametrize("url", ["/events/999999999/", "/events/99999999999999999999999/", "/events/999999999/tree/"])
def test_what_is_not_there_is_not_found(as_operator: Client, url: str) -> None:
    assert as_operator.get(url).status_code == 404


def test_an_inactive_domain_shuts_the_log(as_operator: Client) -> None:
    ActiveDomain.objects.filter(domain_name="thunderflow").update(status="inactive", reason="the log rests")
    guards.forget()
    for url in ("/events/", "/events/1/", "/events/dead-letters/"):
        response = as_operator.get(url)
        assert response.status_code == 503
        assert "the log rests" in response.content.decode()


def test_a_page_costs_the_same_for_few_and_for_many(
    as_operator: Client, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domains.thunderblock.guards._FRESH_S", 60.0)

    def costs() -> list[int]:
        found = []
        for url in ("/events/", "/events/tail/?after=0", f"/events/{newest('zone.**').position}/"):
            as_operator.get(url)
            with count_queries() as statements:
                assert as_operator.get(url).status_code == 200
            found.append(len(statements))
        return found

    run_ticks(make_world("Small", zones=2, agents=2), 1)
    few = costs()
    run_ticks(make_world("Large", zones=20, agents=100), 3)
    assert few == costs() == [6, 5, 4]
