"""The pages: who sees what, what a poll brings, what buttons do, and what it costs in queries."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents import actions
from agents.specs import ModSpec
from domains.ids import new_id
from domains.thunderblock import guards
from domains.thunderblock.models import ActiveDomain
from domains.thunderlink.models import Heart
from tests.conftest import CountQueries
from tests.factories import beat, make_user, make_world, run_ticks, wake_domains

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()
    beat()


@pytest.fixture
def world() -> Any:
    world = make_world(agents=4)
    run_ticks(world, 3)
    world.refresh_from_db()
    return world


@pytest.fixture
def agent(world: Any) -> Any:
    return world.agents.get(name="Agent 0")


def text_of(client: Client, url: str, **data: str) -> str:
    response = client.get(url, data)
    assert response.status_code == 200
    return response.content.decode()


def digests(html: str) -> dict[str, str]:
    """What the browser would send with its next poll."""
    return dict(re.findall(r'class="seen" name="(\w+)" value="(\w+)"', html))


def page(agent: Any, name: str = "agent") -> str:
    return reverse(name, args=[agent.pk])


# --- Who sees what -------------------------------------------------------------------------------------------


def test_strangers_are_asked_to_sign_in(client: Client, agent: Any) -> None:
    for url in ("/", page(agent), page(agent.zone, "zone"), page(agent, "agent-memories")):
        assert client.get(url).headers["Location"] == f"/login/?next={url}"
    assert client.post(page(agent, "agent-suspend")).status_code == 302
    agent.refresh_from_db()
    assert agent.lifecycle == "active"


def test_signing_in_and_out(client: Client, member: Any) -> None:
    from tests.factories.people import PASSWORD

    assert "Sign in" in text_of(client, "/login/")
    wrong = client.post("/login/", {"username": "member", "password": "wrong"})
    assert "correct username and password" in wrong.content.decode()
    right = client.post("/login/?next=/", {"username": "member", "password": PASSWORD})
    assert right.headers["Location"] == "/"
    assert "Sign out" in text_of(client, "/")
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert client.get("/").status_code == 302


def test_a_poll_whose_session_is_over_sends_its_page_to_the_login(client: Client) -> None:
    headers = HTMX | {"HX-Current-URL": "http://testserver/agents/x/?q=1"}
    assert client.get("/login/", headers=headers).headers["HX-Redirect"] == "/login/?next=%2Fagents%2Fx%2F%3Fq%3D1"


def test_other_peoples_worlds_are_not_there(client: Client, member: Any, agent: Any) -> None:
    client.force_login(member)
    home = text_of(client, "/")
    assert "No world yet" in home
    assert "Agent 0" not in home
    for url in (page(agent), page(agent.zone, "zone"), page(agent, "agent-memories"), page(agent, "agent-ticks")):
        assert client.get(url).status_code == 404
    for name in ("agent-force-tick", "agent-suspend", "agent-wake"):
        assert client.post(page(agent, name)).status_code == 404


@pytest.mark.parametrize("access", ["open", "shared", "owned"])
def test_worlds_that_are_open_shared_or_owned_are(client: Client, member: Any, world: Any, access: str) -> None:
    if access == "owned":
        world.owner = member
    else:
        world.access = access
        world.members.add(member)
    world.save(update_fields=["owner", "access"])
    client.force_login(member)
    home = text_of(client, "/")
    assert "Harbour" in home
    assert home.count("Agent 0") >= 2  # in its zone and in a story
    assert client.get(page(world.agents.first())).status_code == 200


def test_who_may_look_may_not_steer(client: Client, member: Any, agent: Any) -> None:
    agent.world.access = "open"
    agent.world.save(update_fields=["access"])
    client.force_login(member)
    assert "agent-suspend" not in text_of(client, page(agent))
    assert "Suspend" not in text_of(client, page(agent))
    response = client.post(page(agent, "agent-suspend"), headers=HTMX)
    assert response.status_code == 403
    assert "You may look at Zone 0" in response.content.decode()


def test_what_does_not_exist_is_not_found(as_operator: Client, agent: Any) -> None:
    for name in ("agent", "zone", "agent-ticks"):
        assert as_operator.get(reverse(name, args=[new_id()])).status_code == 404
    assert as_operator.get(page(agent, "agent-ticks"), {"before": "x"}).status_code == 404
    assert as_operator.get(page(agent, "agent-ticks"), {"before": "9" * 30}).status_code == 404


# --- The first page ------------------------------------------------------------------------------------------


def test_an_empty_installation_says_what_to_run(as_operator: Client) -> None:
    home = text_of(as_operator, "/")
    assert "No world yet" in home
    assert "make run" in home


def test_the_first_page_shows_heart_domains_zones_agents_and_stories(as_operator: Client, world: Any) -> None:
    home = text_of(as_operator, "/")
    for wanted in ("Beating", "thundergrid", "Harbour", "Zone 0", "Zone 1", "Agent 3", "Latest stories"):
        assert wanted in home
    told = [log.narrative for log in world.agents.get(name="Agent 3").ticks.all()]
    assert told
    assert any(story.replace("'", "&#x27;") in home for story in told)


def test_what_is_wrong_comes_first(as_operator: Client, world: Any) -> None:
    assert 'role="alert"' not in text_of(as_operator, "/")
    Heart.objects.update(beat_at=timezone.now() - timedelta(seconds=9))
    ActiveDomain.objects.filter(domain_name="thundervault").update(status="crashed", reason="no <disk>")
    world.status, world.target_tick = "running", world.tick + 50
    world.save(update_fields=["status", "target_tick"])
    home = text_of(as_operator, "/")
    alert = home[home.index('role="alert"') :]
    silent, crashed, lagging = (
        alert.index(text) for text in ("has been silent for 9 s", "crashed: no &lt;disk&gt;", "lags 50 ticks")
    )
    assert silent < crashed < lagging < alert.index("Heartbeat</h2>")


def test_a_poll_brings_only_what_changed(as_operator: Client, world: Any) -> None:
    seen = digests(text_of(as_operator, "/"))
    steering = {"world_steer", "world_speed", "cost"}
    assert seen.keys() == {"problems", "heart", "world", "zones", "stories", "domains"} | steering
    assert as_operator.get("/", seen, headers=HTMX).status_code == 204

    beat()
    response = as_operator.get("/", seen, headers=HTMX)
    assert digests(response.content.decode()).keys() == {"heart"}
    assert 'hx-swap-oob="true"' in response.content.decode()

    run_ticks(world, 1)
    seen |= digests(response.content.decode())
    changed = digests(as_operator.get("/", seen, headers=HTMX).content.decode())
    assert changed.keys() == {"zones", "stories"}
    followed = digests(as_operator.get("/", seen | {"live": "1"}, headers=HTMX).content.decode())
    assert followed.keys() == {"zones"}  # stories come by the socket


def test_a_full_zone_shows_its_first_dozen(as_operator: Client) -> None:
    make_world(zones=1, agents=30)
    home = text_of(as_operator, "/")
    assert home.count('id="a-') == 12
    assert "and 18 more" in home


def test_the_liveliest_world_is_shown_and_the_others_are_named(as_operator: Client, world: Any) -> None:
    quiet = make_world("Quiet", agents=1, status="running")
    crowded = make_world("Crowded", agents=6)
    home = text_of(as_operator, "/")
    assert "<h1>Quiet" in home  # it runs
    for other in (world, quiet, crowded):
        assert f'href="{page(other, "world")}"' in home
    quiet.status = "paused"
    quiet.save(update_fields=["status"])
    assert "<h1>Crowded" in text_of(as_operator, "/")
    assert "<h1>Quiet" in text_of(as_operator, page(quiet, "world"))


def test_many_zones_are_shown_in_part_and_all_on_their_worlds_page(as_operator: Client) -> None:
    world = make_world(zones=30, agents=180)
    home = text_of(as_operator, "/")
    assert (home.count('<article class="card">'), home.count('id="a-')) == (24, 24 * 4)
    assert "6 more zones" in home
    assert "and 2 more" in home
    url = page(world, "world")
    assert f'href="{url}"' in home
    assert text_of(as_operator, url).count('<article class="card">') == 30


def test_a_worlds_page_leaves_out_the_others(as_operator: Client, member: Any, world: Any) -> None:
    elsewhere = make_world("Elsewhere", zones=1, agents=1)
    run_ticks(elsewhere, 1)
    html = text_of(as_operator, page(world, "world"))
    assert "<h1>Harbour" in html
    assert page(elsewhere.agents.get()) not in html
    assert page(elsewhere.zones.get(), "zone") not in html
    as_operator.force_login(member)
    assert as_operator.get(page(world, "world")).status_code == 404


def test_pages_need_nothing_that_a_strict_content_policy_forbids(as_operator: Client, agent: Any) -> None:
    for url in ("/", page(agent), page(agent.zone, "zone"), "/login/"):
        client = Client() if url == "/login/" else as_operator
        html = text_of(client, url)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", html)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
        assert '"allowEval": false' in html


@pytest.mark.parametrize(
    "path", ["thunderline/pages.css", "thunderline/pages.js", "django_htmx/htmx-2.min.js", "unfold/css/styles.css"]
)
def test_static_files_are_served_with_debug_off(client: Client, settings: Any, path: str) -> None:
    assert settings.DEBUG is False
    with closing(client.get(f"/static/{path}")) as response:
        assert response.status_code == 200


def test_a_page_that_breaks_says_where_to_look(as_operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("for a test")

    monkeypatch.setattr("thunderline.views.home.heartbeat.stats", fail)
    as_operator.raise_request_exception = False
    response = as_operator.get("/")
    assert response.status_code == 500
    assert "/health" in response.content.decode()


def test_what_agents_and_people_write_is_escaped(as_operator: Client) -> None:
    world = make_world("<b>World</b>", agents=1, spec={"name": "<i>Eve</i>", "description": "<script>x</script>"})
    run_ticks(world, 3)
    for url in ("/", page(world.agents.get()), page(world.zones.first(), "zone")):
        html = text_of(as_operator, url)
        assert "<i>Eve" not in html
        assert "<b>World" not in html
        assert "<script>x" not in html


# --- Agents and zones ----------------------------------------------------------------------------------------


def test_an_agents_page_shows_all_of_it(as_operator: Client) -> None:
    spec = {
        "description": "Keeps bees.",
        "goals": [{"name": "mend the bridge", "progress": 0.25}],
        "mods": [{"name": "Quill", "kind": "tool", "duration": 40, "effects": {"trait_modifiers": {"openness": 0.2}}}],
    }
    world = make_world(agents=2, spec=spec)
    run_ticks(world, 6)
    agent = world.agents.first()
    html = text_of(as_operator, page(agent))
    for wanted in (
        "Keeps bees.", "conscientiousness", "creativity", "mood", "mend the bridge", "Quill", "openness +0.2",
        "until world tick 40", "company", "Because", "Expected",
    ):  # fmt: skip
        assert wanted in html, wanted
    for log in agent.ticks.all():
        assert log.reasoning.replace("'", "&#x27;") in html
        for other in log.decision["alternatives"]:
            assert other.replace("_", " ") in html
    for memory in agent.memories.all():
        assert memory.content.replace("'", "&#x27;") in html


def test_older_ticks_are_fetched_page_by_page(as_operator: Client, world: Any, agent: Any) -> None:
    run_ticks(world, 30)
    html = text_of(as_operator, page(agent))
    before = re.search(r"\?before=(\d+)", html)
    assert before
    older = text_of(as_operator, page(agent, "agent-ticks"), before=before[1])
    assert f'id="t-{int(before[1]) - 1}"' in older
    assert f'id="t-{before[1]}"' not in older


def test_buttons_force_suspend_and_wake(as_operator: Client, agent: Any) -> None:
    number = agent.tick_number
    response = as_operator.post(page(agent, "agent-force-tick"), headers=HTMX)
    assert f"Agent 0 did tick {number + 1}." in response.content.decode()
    assert response.headers["HX-Trigger"] == "refresh"
    for name, state in (("agent-suspend", "suspended"), ("agent-wake", "active")):
        assert as_operator.post(page(agent, name), headers=HTMX).status_code == 200
        agent.refresh_from_db()
        assert agent.lifecycle == state
    refused = as_operator.post(page(agent, "agent-wake"), headers=HTMX)
    assert refused.status_code == 409
    assert "Agent 0 is active" in refused.content.decode()


def test_buttons_need_a_post_with_its_token(agent: Any, operator: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)
    assert strict.get(page(agent, "agent-suspend")).status_code == 405
    assert strict.post(page(agent, "agent-suspend")).status_code == 403
    agent.refresh_from_db()
    assert agent.lifecycle == "active"


def test_an_inactive_domain_shuts_its_pages_and_says_why(as_operator: Client, agent: Any) -> None:
    ActiveDomain.objects.filter(domain_name="thunderpac").update(
        status="inactive", enabled=False, reason="resting for a test"
    )
    guards.forget()
    response = as_operator.get(page(agent))
    assert response.status_code == 503
    assert "resting for a test" in response.content.decode()
    assert as_operator.post(page(agent, "agent-force-tick"), headers=HTMX).status_code == 503
    assert "resting for a test" in text_of(as_operator, "/")


def test_an_agents_page_goes_without_its_memories_while_the_vault_rests(as_operator: Client, agent: Any) -> None:
    ActiveDomain.objects.filter(domain_name="thundervault").update(status="inactive", reason="the vault rests")
    guards.forget()
    shown = text_of(as_operator, page(agent))
    assert "thundervault is not active: the vault rests" in shown
    assert agent.name in shown


def test_needs_are_shown_as_the_mods_in_force_make_them(as_operator: Client, agent: Any) -> None:
    type(agent).objects.filter(pk=agent.pk).update(energy=80)
    need_of_rest = re.compile(r"<span>rest</span>.*?<b>([^<]+)</b>", re.DOTALL)
    assert need_of_rest.findall(text_of(as_operator, page(agent))) == ["0 %"]
    tired = ModSpec(name="lead shoes", kind="stat_boost", effects={"stat_modifiers": {"energy": -65}})
    actions.apply_mod(agent.pk, tired, by="test")
    assert need_of_rest.findall(text_of(as_operator, page(agent))) == ["50 %"]


def test_a_zones_page_lists_everybody_in_it(as_operator: Client) -> None:
    world = make_world(zones=2, agents=140)
    url = page(world.zones.get(name="Zone 0"), "zone")
    first = text_of(as_operator, url)
    assert first.count('id="a-') == 60
    assert text_of(as_operator, url, page="2").count('id="a-') == 10
    found = text_of(as_operator, url, q="ent 13")
    assert re.findall(r'id="a-[^>]*>(Agent \d+)</a>', found) == [f"Agent {i}" for i in (130, 132, 134, 136, 138)]
    assert "Nobody here has" in text_of(as_operator, url, q="zebra\0")
    assert 'href="/zones/' in first  # the way out


# --- Cost ----------------------------------------------------------------------------------------------------


def cost(client: Client, url: str, count_queries: CountQueries, **headers: str) -> int:
    client.get(url, headers=headers)
    guards.require("thunderpac")
    guards.require("thundergrid")
    with count_queries() as statements:
        assert client.get(url, headers=headers).status_code == 200
    return len(statements)


def test_pages_cost_the_same_for_few_and_for_many(
    as_operator: Client, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domains.thunderblock.guards._FRESH_S", 60.0)  # on a slow machine a page takes a second

    def costs(world: Any) -> list[int]:
        run_ticks(world, 4)
        agent = world.agents.get(name="Agent 0")
        urls = ["/", page(agent), page(agent.zone, "zone")]
        return [cost(as_operator, url, count_queries) for url in urls] + [cost(as_operator, "/", count_queries, **HTMX)]

    few = costs(make_world("Small", zones=2, agents=3))
    mods = [{"name": f"Mod {i}", "kind": "skill"} for i in range(5)]
    many = costs(make_world("Large", zones=30, agents=200, spec={"mods": mods}))
    assert few == many == [16, 12, 10, 16]


def test_people_who_do_not_see_everything_pay_no_more(client: Client, count_queries: CountQueries) -> None:
    somebody = make_user("somebody")
    client.force_login(somebody)
    costs = []
    for name, zones in (("Small", 2), ("Large", 20)):
        run_ticks(make_world(name, zones=zones, agents=40, by=somebody), 2)
        costs.append(cost(client, "/", count_queries))
    assert costs[0] == costs[1]
