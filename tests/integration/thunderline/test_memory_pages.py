"""Memories on pages: who may ask, what is refused, what is shown and explained, and what it costs in queries."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.ids import new_id
from domains.thunderblock import guards
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow import queries as log
from domains.thundergate import grants
from memory.graph import facts
from memory.graph.facts import NewFact
from tests.conftest import CountQueries
from tests.factories import make_world, wake_domains
from tests.integration.memory.graph.making import link_all, remember, tie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HTMX = {"HX-Request": "true"}
HOSTILE = "<img src=x onerror=alert(1)> \"' {{ 7 }} & storm"


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()


@pytest.fixture
def world() -> Any:
    return make_world(agents=2)


@pytest.fixture
def agent(world: Any) -> Any:
    return world.agents.get(name="Agent 0")


def search_of(agent: Any) -> str:
    return reverse("agent-memories", args=[agent.pk])


def around(agent: Any, memory_id: UUID, name: str = "agent-memory") -> str:
    return reverse(name, args=[agent.pk, memory_id])


def picture(agent: Any, memory_id: UUID) -> str:
    return around(agent, memory_id, "agent-memory-graph")


def text_of(client: Client, url: str, **data: str) -> str:
    response = client.get(url, data)
    assert response.status_code == 200, response.content.decode()[:500]
    return response.content.decode()


def shown(html: str) -> list[str]:
    """Texts of the memories that are listed, in their order."""
    found = re.findall(r'<p class="remembered">(.*?)</p>', html, re.DOTALL)
    return [re.sub(r"</?mark>", "", text) for text in found]


# --- Who may ask ---------------------------------------------------------------------------------------------


def every_address(agent: Any, memory_id: UUID) -> list[str]:
    return [
        search_of(agent), search_of(agent) + "?q=storm", around(agent, memory_id), picture(agent, memory_id),
        reverse("agent-facts", args=[agent.pk]), reverse("agent", args=[agent.pk]) + "?q=storm",
    ]  # fmt: skip


def test_strangers_are_asked_to_sign_in(client: Client, agent: Any) -> None:
    (memory_id,) = remember(agent.pk, "A storm.")
    for url in every_address(agent, memory_id):
        response = client.get(url)
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/login/")


def test_memories_of_worlds_that_one_may_not_see_are_not_there(client: Client, member: Any, agent: Any) -> None:
    (memory_id,) = remember(agent.pk, "A storm.")
    client.force_login(member)
    for url in every_address(agent, memory_id):
        assert client.get(url).status_code == 404
        assert client.get(url, headers=HTMX).status_code == 404
    agent.world.access = "open"
    agent.world.save(update_fields=["access"])
    grants.grant(member, agent.pk, by="operator")
    for url in every_address(agent, memory_id):
        assert client.get(url).status_code == 200


def test_a_memory_is_only_found_with_its_own_agent(as_operator: Client, world: Any, agent: Any) -> None:
    other = world.agents.get(name="Agent 1")
    (mine,), (others,) = remember(agent.pk, "A storm."), remember(other.pk, "A secret storm.")
    for address in (around, picture):
        assert as_operator.get(address(agent, mine)).status_code == 200
        assert as_operator.get(address(agent, others)).status_code == 404
        assert as_operator.get(address(agent, new_id())).status_code == 404
    assert shown(text_of(as_operator, search_of(agent), q="secret storm")) == ["A storm."]


def test_one_who_sees_one_world_reaches_no_other_through_it(client: Client, member: Any, agent: Any) -> None:
    mine = make_world("Mine", agents=1, by=member).agents.get()
    (theirs,) = remember(agent.pk, "A secret.")
    client.force_login(member)
    assert client.get(search_of(mine)).status_code == 200
    for address in (around, picture):
        assert client.get(address(mine, theirs)).status_code == 404


def test_only_looking_is_possible(as_operator: Client, agent: Any) -> None:
    (memory_id,) = remember(agent.pk, "A storm.")
    before = agent.memories.values().get()
    for url in every_address(agent, memory_id)[:5]:
        as_operator.get(url)
    assert agent.memories.values().get() == before


def test_a_vault_that_rests_says_why(as_operator: Client, agent: Any) -> None:
    (memory_id,) = remember(agent.pk, "A storm.")
    ActiveDomain.objects.filter(domain_name="thundervault").update(status="inactive", reason="the vault rests")
    guards.forget()
    for url in every_address(agent, memory_id)[:5]:
        response = as_operator.get(url, headers=HTMX)
        assert response.status_code == 503
        assert "the vault rests" in response.content.decode()
    assert "the vault rests" in text_of(as_operator, reverse("agent", args=[agent.pk]), q="storm")


# --- What is asked -------------------------------------------------------------------------------------------


def test_what_is_found_is_explained_and_its_words_are_marked(as_operator: Client, agent: Any) -> None:
    remember(agent.pk, "The baker gave me warm bread.", "Two storms tore at the barn.", "I learned to tie a bowline.")
    html = text_of(as_operator, search_of(agent), q="What did the storm tear?")
    assert shown(html)[0] == "Two storms tore at the barn."
    assert "<mark>storms</mark>" in html
    first = html[: html.index("</table>")]
    assert "says the same words" in first
    parts = [float(n.replace("−", "-")) for n in re.findall(r"</span></th><td>([^<]+)</td>", first)]
    score = float(first[first.index('<th scope="row">score</th>') :].split("<td>")[1].split("<")[0])
    assert len(parts) > 1
    assert sum(parts) == pytest.approx(score, abs=0.001 * len(parts))
    bars = re.findall(r'class="part p-(\w+)" x="([\d.]+)" width="([\d.]+)"', first)
    assert bars[0][0] == "words"
    for (_, x, width), (_, following, _) in pairwise(bars):
        assert float(x) + float(width) == pytest.approx(float(following), abs=0.02)
    assert float(bars[-1][1]) + float(bars[-1][2]) <= 100.1


def test_the_newest_are_shown_when_nothing_is_asked(as_operator: Client, agent: Any) -> None:
    assert "It remembers nothing yet." in text_of(as_operator, search_of(agent))
    remember(agent.pk, *[f"Day {n} was fine." for n in range(25)])
    found = shown(text_of(as_operator, search_of(agent), q="  "))
    assert found == [f"Day {n} was fine." for n in range(24, 4, -1)]


def test_kinds_and_days_narrow_what_is_found(as_operator: Client, agent: Any) -> None:
    ended = datetime(2025, 3, 10, 12, tzinfo=UTC)
    remember(agent.pk, "The storm is near.", valid_from=ended - timedelta(days=9), valid_to=ended)
    remember(agent.pk, "A storm is wind.", kind="semantic", valid_from=ended - timedelta(days=2))
    url = search_of(agent)
    for q in ("", "storm"):
        assert shown(text_of(as_operator, url, q=q, kind="semantic")) == ["A storm is wind."]
        assert shown(text_of(as_operator, url, q=q, as_of="2025-03-05")) == ["The storm is near."]
        assert sorted(shown(text_of(as_operator, url, q=q, as_of="2025-03-09"))) == [
            "A storm is wind.", "The storm is near.",
        ]  # fmt: skip
        assert shown(text_of(as_operator, url, q=q, as_of="2025-03-10")) == ["A storm is wind."]
        assert shown(text_of(as_operator, url, q=q, as_of="2025-03-05", kind="semantic")) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"q": "x" * 501}, "A question has 500 characters at most; this one has 501."),
        ({"kind": "dream"}, "There is no such kind of memory"),
        ({"as_of": "yesterday"}, "A date is written like 2026-05-31"),
        ({"as_of": "2026-02-30"}, "A date is written like 2026-05-31"),
        ({"as_of": "0001-01-01"}, "A date is written like 2026-05-31"),
        ({"as_of": "9999-12-31"}, "A date is written like 2026-05-31"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_sentence(
    as_operator: Client, agent: Any, asked: dict[str, str], said: str
) -> None:
    remember(agent.pk, "A storm.")
    for url in (search_of(agent), reverse("agent", args=[agent.pk])):
        response = as_operator.get(url, asked)
        assert response.status_code == 400
        assert said in response.content.decode()
        assert "A storm." not in response.content.decode()
    assert "HX-Replace-Url" not in as_operator.get(search_of(agent), asked, headers=HTMX).headers


@pytest.mark.parametrize("text", ["storm\0", "…?!", "'; DROP TABLE memory_nodes; --", "ＳＴＯＲＭ", "😀", "x" * 500])
def test_any_question_is_answered(as_operator: Client, agent: Any, text: str) -> None:
    remember(agent.pk, "A storm tore the roof off the barn.")
    assert shown(text_of(as_operator, search_of(agent), q=text))


def test_a_search_has_an_address_that_can_be_shared(as_operator: Client, agent: Any) -> None:
    remember(agent.pk, "A storm & more.", "It was calm.")
    asked = {"q": "storm & <more>", "kind": "episodic", "as_of": ""}
    address = as_operator.get(search_of(agent), asked, headers=HTMX).headers["HX-Replace-Url"]
    assert address == reverse("agent", args=[agent.pk]) + "?q=storm+%26+%3Cmore%3E&kind=episodic"
    html = text_of(as_operator, address)
    assert shown(html)[0] == "A storm &amp; more."
    assert 'value="storm &amp; &lt;more&gt;"' in html
    assert "<option selected>episodic" in html
    assert as_operator.get(search_of(agent), headers=HTMX).headers["HX-Replace-Url"] == reverse(
        "agent", args=[agent.pk]
    )
    poll = as_operator.get(address, headers=HTMX).content.decode()
    assert "storm" not in poll  # a poll does not search


def test_what_is_remembered_is_escaped_everywhere(as_operator: Client, world: Any) -> None:
    agent = make_world("Elsewhere", agents=1, spec={"name": "<i>Eve</i>"}).agents.get()
    first, second = remember(agent.pk, HOSTILE, f"Ann: I met Bo <b>x</b>; {HOSTILE}")
    tie((first, second, 0.5), relation="causal")
    link_all()
    with transaction.atomic():
        facts.learn([NewFact(agent.pk, "<b>Ann</b>", "<i>is</i>", "<u>bold</u>", first)], now=timezone.now())
    addresses = [
        search_of(agent), search_of(agent) + "?q=%3Cb%3E+storm+img", around(agent, first), around(agent, second),
        reverse("agent", args=[agent.pk]) + "?q=storm", reverse("agent-facts", args=[agent.pk]),
        reverse("agent-facts", args=[agent.pk]) + "?subject=%3Cb%3EAnn%3C/b%3E&relation=%3Ci%3Eis%3C/i%3E",
    ]  # fmt: skip
    for url in addresses:
        html = text_of(as_operator, url)
        for raw in ("<img src=x", "<b>x", "<b>Ann", "<i>", "<u>"):
            assert raw not in html, url
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=['\"]", html), url
    data = as_operator.get(picture(agent, first))
    assert data.headers["Content-Type"] == "application/json"
    assert data.json()["nodes"][0]["content"] == HOSTILE


def test_names_lead_to_what_else_names_them(as_operator: Client, agent: Any) -> None:
    remember(agent.pk, "I met Ann in Lisbon.", "It rained.", "Today I saw Ann.")
    link_all()
    html = text_of(as_operator, search_of(agent))
    assert re.findall(r'data-ask="([^"]+)"', html) == ["Ann", "Ann", "Lisbon"]
    assert f'href="{reverse("agent", args=[agent.pk])}?q=Lisbon"' in html


# --- What is around a memory ---------------------------------------------------------------------------------


def test_the_list_and_the_picture_tell_the_same(as_operator: Client, agent: Any) -> None:
    a, b, c, d, alone = remember(agent.pk, "It rained.", "It snowed.", "It thawed.", "It was green.", "I slept.")
    tie((a, b, 0.8), (b, c, 0.4), (c, d, 0.9), relation="causal")
    for depth, expected in ((1, [a, b]), (2, [a, b, c]), (3, [a, b, c, d])):
        data = as_operator.get(picture(agent, a), {"depth": depth}).json()
        assert [UUID(node["id"]) for node in data["nodes"]] == expected
        assert UUID(data["root"]) == a
        assert data["ties"] == len(data["edges"]) == depth
        html = text_of(as_operator, around(agent, a), depth=str(depth))
        assert [UUID(one) for one in re.findall(r'data-memory="([^"]+)"', html)] == expected[1:]
        assert f'aria-current="true">{depth}</a>' in html
    html = text_of(as_operator, around(agent, a), depth="2")
    assert "one because of the other, 80 %" in html
    assert "by way of “It snowed.”" in html
    assert "Nothing is tied to it yet." in text_of(as_operator, around(agent, alone))


def test_the_list_alone_comes_for_htmx(as_operator: Client, agent: Any) -> None:
    (memory_id,) = remember(agent.pk, "It rained.")
    response = as_operator.get(around(agent, memory_id), headers=HTMX)
    assert "<html" not in response.content.decode()
    assert "It rained." in response.content.decode()
    assert "HX-Request" in response.headers["Vary"]


@pytest.mark.parametrize("depth", ["0", "4", "99999999999", "-1", "x", "", "²"])
def test_depths_that_are_none_are_not_there(as_operator: Client, agent: Any, depth: str) -> None:
    (memory_id,) = remember(agent.pk, "It rained.")
    for address in (around, picture):
        assert as_operator.get(address(agent, memory_id), {"depth": depth}).status_code == 404


def test_a_large_graph_is_bounded(as_operator: Client, agent: Any) -> None:
    middle, *others = remember(agent.pk, *[f"It rained for {n} days." for n in range(130)])
    long = agent.memories.filter(pk=others[-1]).first()
    type(long).objects.filter(pk=long.pk).update(content="rain " * 2000)
    tie(*[(middle, other, 0.005 * n) for n, other in enumerate(others, start=1)])
    tie(*[(a, b, 0.5) for i, a in enumerate(others[-40:]) for b in others[-40:][i + 1 :]])
    data = as_operator.get(picture(agent, middle)).json()
    assert len(data["nodes"]) == 120
    assert len(data["edges"]) == 600
    assert data["ties"] == 119 + 40 * 39 // 2
    assert max(len(node["content"]) for node in data["nodes"]) == 280
    html = text_of(as_operator, around(agent, middle))
    assert len(re.findall(r"data-memory=", html)) == 119
    assert "There is more: the most strongly tied are shown." in html


# --- Facts ---------------------------------------------------------------------------------------------------


def test_facts_that_hold_are_on_the_page_and_all_have_a_history(as_operator: Client, agent: Any) -> None:
    now = timezone.now()
    assert "facts-held" not in text_of(as_operator, reverse("agent", args=[agent.pk]))
    with transaction.atomic():
        facts.learn(
            [
                NewFact(agent.pk, "Ann", "lives in", "Porto", valid_from=now - timedelta(days=9)),
                NewFact(agent.pk, "Ann", "lives in", "Lisbon", valid_from=now - timedelta(days=2)),
                *[NewFact(agent.pk, f"Bo {n:02}", "is", "well") for n in range(15)],
            ],
            now=now,
        )
    page = text_of(as_operator, reverse("agent", args=[agent.pk]))
    assert "Lisbon" in page
    assert "Porto" not in page
    assert page.count(">history</a>") == 12
    url = reverse("agent-facts", args=[agent.pk])
    assert text_of(as_operator, url).count(">history</a>") == 16
    history = text_of(as_operator, url, subject="ANN", relation="Lives in")
    assert history.index("Lisbon") < history.index("Porto")
    assert "Bo 00" not in history
    assert "Nothing of the kind." in text_of(as_operator, url, subject="Zoe\0", relation="is")
    assert as_operator.get(url, {"subject": "x" * 201, "relation": "is"}).status_code == 404


# --- Cost ----------------------------------------------------------------------------------------------------


def test_it_costs_the_same_for_few_and_for_many(
    as_operator: Client, agent: Any, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domains.thunderblock.guards._FRESH_S", 60.0)

    def cost(url: str) -> int:
        as_operator.get(url)
        with count_queries() as statements:
            assert as_operator.get(url).status_code == 200
        return len(statements)

    def costs(first: UUID) -> list[int]:
        link_all()
        asked: list[Callable[[], str]] = [
            lambda: search_of(agent), lambda: search_of(agent) + "?q=Ann", lambda: around(agent, first),
            lambda: picture(agent, first), lambda: reverse("agent-facts", args=[agent.pk]),
            lambda: reverse("agent", args=[agent.pk]) + "?q=Ann",
        ]  # fmt: skip
        return [cost(url()) for url in asked]

    first, *_ = remember(agent.pk, "I met Ann.", "I saw Ann and Bo.")
    few = costs(first)
    remember(agent.pk, *[f"On day {n} I saw Ann, Bo and Zoe in Lisbon." for n in range(60)])
    with transaction.atomic():
        facts.learn([NewFact(agent.pk, f"Bo {n}", "is", "well") for n in range(30)], now=timezone.now())
    many = costs(first)
    assert few == many == COSTS


COSTS = [5, 8, 6, 5, 4, 15]
"""Two of each are who asks, one is the agent."""


# --- Whose they are ------------------------------------------------------------------------------------------


def test_memories_of_others_take_a_grant_and_are_told_of(client: Client, member: Any, agent: Any) -> None:
    type(agent.world).objects.filter(pk=agent.world.pk).update(access="open")
    (found,) = remember(agent.pk, "The lantern was lit.")
    client.force_login(member)
    pages = [f"/agents/{agent.pk}/memories/", f"/agents/{agent.pk}/memories/{found}/",
             f"/agents/{agent.pk}/memories/{found}/graph/", f"/agents/{agent.pk}/facts/"]  # fmt: skip
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 403 and "lantern" not in answer.content.decode()
    whole = client.get(f"/agents/{agent.pk}/")
    assert whole.status_code == 200 and "lantern" not in whole.content.decode()
    assert "for who owns it" in whole.content.decode()
    assert read() == []
    grants.grant(member, agent.pk, by="operator")
    for page in pages:
        assert client.get(page).status_code == 200
    assert "lantern" in client.get(f"/agents/{agent.pk}/").content.decode()
    assert read() == [("user:member", str(agent.pk), "grant", "pages")] * 5
    type(agent.world).objects.filter(pk=agent.world.pk).update(owner=member)
    assert client.get(pages[0]).status_code == 200
    assert len(read()) == 5


def read() -> list[tuple[str, str, str, str]]:
    told = [event for event in log.read_stream("security", after=0) if event.topic == "system.memories_read"]
    return [(e.actor, e.payload["agent_id"], e.payload["why"], e.payload["door"]) for e in told]
