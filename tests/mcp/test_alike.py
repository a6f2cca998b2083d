"""The same people may do the same things, whichever door they come by: pages, the admin, REST, the socket and MCP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from django.conf import settings

from agents.models import Agent
from domains.thundergate import tokens
from tests.factories import make_user
from tests.mcp.clients import session, told
from tests.phoenix import PhoenixClient, Refused
from tests.socket.server import WebServer
from zones.models import Permission, World, Zone

pytestmark = pytest.mark.django_db(transaction=True)

ROLES = {"admin": "admin", "developer": "developer", "viewer": "viewer"}
SEE = {"admin", "developer", "viewer", "owner", "member"}
STEER = {"admin", "owner"}
"""Who governs the world: roles add no world that somebody does not own, but the admin's."""

DENIED = ("access_denied", "not_found", "zone_not_found", "world_not_found", "agent_not_found")


@dataclass
class Person:
    """Somebody at all doors."""

    server: WebServer
    user: Any
    token: str = field(init=False)
    browser: httpx2.Client = field(init=False)
    rest: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        csrf, cookies = "a" * 32, self.server.cookies(self.user)
        self.token = tokens.issue(self.user, by="tests")
        headers = {
            "cookie": f"{cookies['cookie']}; {settings.CSRF_COOKIE_NAME}={csrf}",
            "origin": self.server.origin, "x-csrftoken": csrf,
        }  # fmt: skip
        self.browser = httpx2.Client(base_url=self.server.origin, headers=headers, timeout=60)
        bearer = {"authorization": f"Bearer {self.token}"}
        self.rest = httpx2.Client(base_url=f"{self.server.origin}/api/v1", headers=bearer, timeout=60)

    def ask(self, tool: str, **arguments: Any) -> Any:
        """What a tool of MCP answers; None: it refused to."""

        async def asked() -> Any:
            async with session("http", self.server, self.token) as client:
                found = await client.call_tool(tool, arguments)
                if not found.is_error:
                    return found.structured_content
                code = (found.meta or {}).get("thunderline/code")
                assert code in DENIED, told(found)
                return None

        return asyncio.run(asked())

    def joins(self, topic: str) -> bool:
        """Whether the socket lets them."""
        with PhoenixClient(self.server.url, self.token) as client:
            try:
                client.join(topic)
            except Refused as refused:
                assert refused.reason in DENIED, refused.response
                return False
            return True


Cast = dict[str, Person]
Try = Callable[[Person], bool]


@pytest.fixture
def cast(server: WebServer, owner: Any, world: Any) -> Iterator[Cast]:
    """Everybody who may enter the admin but for what they hold there: it says by itself what is for whom."""
    names = [*ROLES, "member", "stranger"]
    people = {name: make_user(name, role=ROLES.get(name, ""), is_staff=True) for name in names} | {"owner": owner}
    World.objects.filter(pk=world.pk).update(access="shared")
    world.members.add(*(people[name] for name in ("developer", "viewer", "member")))
    with ExitStack() as closing:
        found = {name: Person(server, user) for name, user in people.items()}
        for person in found.values():
            closing.enter_context(person.browser)
            closing.enter_context(person.rest)
        yield found


def allowed(cast: Cast, doors: dict[str, Try]) -> dict[str, set[str]]:
    return {door: {name for name, person in cast.items() if asked(person)} for door, asked in doors.items()}


def _granted(answer: httpx2.Response, good: int = 200) -> bool:
    assert answer.status_code in (good, 403, 404), (answer.request.url, answer.status_code, answer.text[:500])
    return answer.status_code == good


def test_a_world_is_seen_by_the_same_people(cast: Cast, world: Any) -> None:
    zone = world.zones.first()
    found = allowed(cast, {
        "pages": lambda one: _granted(one.browser.get(f"/worlds/{world.pk}/")),
        "rest": lambda one: _granted(one.rest.get(f"/worlds/{world.pk}")),
        "mcp": lambda one: world.name in [each["name"] for each in one.ask("world_list")["worlds"]],
        "socket": lambda one: one.joins(f"world:{world.pk}"),
        "zone, pages": lambda one: _granted(one.browser.get(f"/zones/{zone.pk}/")),
        "zone, rest": lambda one: _granted(one.rest.get(f"/zones/{zone.pk}")),
        "zone, mcp": lambda one: one.ask("observe_environment", zone=str(zone.pk)) is not None,
        "zone, socket": lambda one: one.joins(f"zone:{zone.pk}"),
    })  # fmt: skip
    assert found == dict.fromkeys(found, SEE)
    # The admin takes the permissions of a role, and shows each the same worlds.
    admin = {"admin": lambda one: _listed(one, world)}
    assert allowed(cast, admin) == {"admin": SEE & ROLES.keys()}


def _listed(one: Person, world: Any) -> bool:
    answer = one.browser.get("/admin/zones/world/")
    return answer.status_code == 200 and str(world.pk) in answer.text


def test_a_clock_is_steered_by_the_same_people(cast: Cast, world: Any) -> None:
    def paused(act: Callable[[Person], object]) -> Try:
        def attempt(one: Person) -> bool:
            World.objects.filter(pk=world.pk).update(status="running")
            act(one)
            return World.objects.get(pk=world.pk).status == "paused"

        return attempt

    chosen = {"action": "pause", "_selected_action": str(world.pk)}
    found = allowed(cast, {
        "pages": paused(lambda one: _granted(one.browser.post(f"/worlds/{world.pk}/pause/"))),
        "rest": paused(lambda one: _granted(one.rest.post(f"/worlds/{world.pk}/pause"))),
        "mcp": paused(lambda one: one.ask("world_pause", world=str(world.pk))),
    })  # fmt: skip
    assert found == dict.fromkeys(found, STEER)
    admin = paused(lambda one: one.browser.post("/admin/zones/world/", data=chosen))
    assert allowed(cast, {"admin": admin}) == {"admin": STEER & ROLES.keys()}


@pytest.mark.parametrize(("bits", "who"), [(0, STEER), (Permission.SPAWN_AGENTS, SEE)])
def test_agents_are_made_by_the_same_people(bits: int, who: set[str], cast: Cast, world: Any) -> None:
    zone = world.zones.first()
    Zone.objects.filter(pk=zone.pk).update(permissions=bits, capacity=100)

    def made(act: Callable[[Person, str], object]) -> Try:
        def attempt(one: Person) -> bool:
            name = f"Of {one.user.username} {Agent.objects.count()}"
            act(one, name)
            return Agent.objects.filter(name=name).exists()

        return attempt

    form = {"tick_interval": 30, **dict.fromkeys(TRAITS, 0.5)}
    found = allowed(cast, {
        "pages": made(lambda one, name: one.browser.post(f"/zones/{zone.pk}/agents/new/", data={**form, "name": name})),
        "rest": made(lambda one, name: one.rest.post("/agents", json={"zone_id": str(zone.pk), "name": name})),
        "mcp": made(lambda one, name: one.ask("pac_create_agent", zone=str(zone.pk), name=name)),
    })  # fmt: skip
    assert found == dict.fromkeys(found, who)


TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")


def test_agents_are_changed_and_remember_for_the_same_people(cast: Cast, world: Any) -> None:
    agent = Agent.objects.filter(world=world).earliest("ordinal")
    Zone.objects.filter(world=world).update(permissions=0)

    def changed(act: Callable[[Person, int], object]) -> Try:
        def attempt(one: Person) -> bool:
            interval = Agent.objects.get(pk=agent.pk).tick_interval + 1
            act(one, interval)
            return Agent.objects.get(pk=agent.pk).tick_interval == interval

        return attempt

    every = {"if-match": "*"}
    memory = {"content": "The tide comes at six."}
    found = allowed(cast, {
        "rest": changed(
            lambda one, n: one.rest.patch(f"/agents/{agent.pk}", json={"tick_interval": n}, headers=every)
        ),
        "mcp": changed(lambda one, n: one.ask("pac_update_agent", agent=str(agent.pk), tick_interval=n)),
        "memory, rest": lambda one: _granted(
            one.rest.post(f"/agents/{agent.pk}/memories", json=memory), 201
        ),
        "memory, mcp": lambda one: one.ask("memory_store", agent=str(agent.pk), **memory) is not None,
    })  # fmt: skip
    assert found == dict.fromkeys(found, STEER)


def test_nobody_is_let_in_nowhere(server: WebServer, world: Any) -> None:
    assert httpx2.get(f"{server.origin}/worlds/{world.pk}/").headers["location"].startswith("/login/")
    assert httpx2.get(f"{server.origin}/admin/zones/world/").headers["location"].startswith("/login/")
    assert httpx2.get(f"{server.origin}/api/v1/worlds/{world.pk}").status_code == 401
    assert httpx2.post(f"{server.origin}/mcp", json={}).status_code == 401
    assert httpx2.get(f"{server.origin}/socket/websocket", headers={"upgrade": "websocket"}).status_code >= 400
