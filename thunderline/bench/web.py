"""How long the pages take among many agents, over HTTP from a real server: whole pages, polls, charts and searches.

One operator asks, one request after the other on one connection: what is measured is how long an answer takes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test import Client as Visitor
from django.urls import reverse
from django.utils import timezone

from agents import actions
from agents.engine import loop
from domains.thunderblock import actions as registry
from thunderline.bench.api import Connection, free_port
from thunderline.bench.arena import arena
from thunderline.bench.histogram import spread
from thunderline.bench.population import specs
from thunderline.bench.processes import process
from zones.actions import places, worlds

OPTIONS = ("agents", "rounds")
ZONES = 10
TICKS = 3
BY = "user:bench"
QUESTIONS = ("a storm on the bridge", "bread", "who taught me to mend nets", "the library at night")
HTMX = {"HX-Request": "true"}
Report = Callable[[str], None]


@dataclass(slots=True)
class Figures:
    """What is printed. By page, milliseconds: `{p50, p95, p99}` of the answers."""

    agents: int
    memories: int
    rounds: int
    pages_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    slowest_p95_ms: float = 0.0


def run(*, agents: int, rounds: int, say: Report = lambda _: None) -> dict[str, Any]:
    """Make a world, let it live for some ticks, serve it, and ask for each page in turn. Returns the figures."""
    with arena() as place:
        say(f"{agents:,} agents are made, and live for {TICKS} ticks")
        world, cookie = _populate(agents)
        figures = Figures(agents, _memories(), rounds)
        port = free_port()
        words = ["daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), "thunderline.asgi:application"]
        with process(place, words, "web"), closing(Connection(port, {"Cookie": cookie})) as client:
            client.wait(reverse("search"))
            _measure(figures, client, world, say)
    return asdict(figures)


def _populate(count: int) -> tuple[Any, str]:
    """A crowded world with a history, and the session of an operator."""
    registry.start_all(now=timezone.now(), eager=True)
    user = get_user_model().objects.create_superuser("bench", password=None)
    world = worlds.create(name="Bench", status="paused", by=user)
    with transaction.atomic():
        zones = places.create_many(world, [{"name": f"Zone {i}", "capacity": 100_000} for i in range(ZONES)])
        places.connect([(zones[i].pk, zones[(i + 1) % ZONES].pk, 0.5) for i in range(ZONES)])
    wanted = [(zones[i % ZONES].pk, spec) for i, spec in enumerate(specs(count))]
    actions.create_many(wanted, world_id=world.pk, by=BY)
    worlds.step(world.pk, ticks=TICKS)
    if loop.run(seconds=600, world_id=world.pk).exhausted:
        raise RuntimeError("the world did not come to its ticks")
    visitor = Visitor()
    visitor.force_login(user)
    return world, f"{settings.SESSION_COOKIE_NAME}={visitor.cookies[settings.SESSION_COOKIE_NAME].value}"


def _memories() -> int:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SELECT count(*) FROM memory_nodes")
        return int(cursor.fetchone()[0])


def _measure(figures: Figures, client: Connection, world: Any, say: Report) -> None:
    chance = random.Random(7)  # noqa: S311
    zones, people = list(world.zones.values_list("pk", flat=True)), list(world.agents.values_list("pk", "name"))
    search = reverse("search")

    def turn() -> dict[str, tuple[str, dict[str, str]]]:
        """By page its address and headers."""
        zone, (agent, name) = chance.choice(zones), chance.choice(people)
        question = chance.choice(QUESTIONS).replace(" ", "+")
        zone_page, agent_page = reverse("zone", args=[zone]), reverse("agent", args=[agent])
        return {
            "first": (reverse("home"), {}),
            "first, polled": (reverse("home"), HTMX),
            "world": (reverse("world", args=[world.pk]), {}),
            "zone": (zone_page, {}),
            "zone, polled": (zone_page, HTMX),
            "zone, filtered": (f"{zone_page}?q={name.split()[-1]}&state=active", {}),
            "zone, charts": (reverse("zone-series", args=[zone]), {}),
            "agent": (agent_page, {}),
            "agent, polled": (agent_page, HTMX),
            "agent, charts": (reverse("agent-series", args=[agent]), {}),
            "new agent": (reverse("new-agent", args=[zone]), {}),
            "new zone": (reverse("new-zone", args=[world.pk]), {}),
            "search, name": (f"{search}?q={name.replace(' ', '+')[:-1]}", HTMX),
            "search, letter": (f"{search}?q={name[0]}", HTMX),
            "search, memory": (f"{search}?q={question}", HTMX),
            "search, page": (f"{search}?q={question}", {}),
            "search, topic": (f"{search}?q=zone.*.agent_entered", HTMX),
        }

    taken: dict[str, list[float]] = {name: [] for name in turn()}
    for address, headers in turn().values():
        client.get(address, headers)  # what is loaded once is loaded
    for number in range(figures.rounds):
        if number % 20 == 0:
            say(f"round {number} of {figures.rounds}")
        for name, (address, headers) in turn().items():
            started = time.perf_counter()
            client.get(address, headers)
            taken[name].append((time.perf_counter() - started) * 1000)
    figures.pages_ms = {name: spread(times) for name, times in taken.items()}
    figures.slowest_p95_ms = max(each["p95"] for each in figures.pages_ms.values())
