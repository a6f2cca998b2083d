"""How long lists of REST take among many agents, over HTTP from a real server, beside plain SQL of the same rows.

One client asks, one request after the other on one connection: what is measured is how long an answer takes, and not
how many a server can give. The limit has the same rows from the same tables by prepared statements, without Django or
JSON.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import orjson
import psycopg
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from agents import actions
from agents.queries import ROW
from domains.thunderblock import actions as registry
from domains.thundergate import tokens
from thunderline.api import pages
from thunderline.bench.arena import Arena, arena
from thunderline.bench.histogram import spread
from thunderline.bench.population import specs
from thunderline.bench.processes import process
from zones.actions import places, worlds

OPTIONS = ("agents", "rounds")
ZONES = 100
PAGE = 100
BY = "user:bench"
PATIENCE_S = 60.0
Report = Callable[[str], None]

_ROW = ", ".join(ROW)
FIRST = f"SELECT {_ROW} FROM pac_agents ORDER BY world_id, name LIMIT {PAGE}"
BEHIND = f"SELECT {_ROW} FROM pac_agents WHERE (world_id, name) > (%s, %s) ORDER BY world_id, name LIMIT {PAGE}"
IN_ZONE = f"SELECT {_ROW} FROM pac_agents WHERE zone_id = %s ORDER BY world_id, name LIMIT {PAGE}"
ACTIVE = f"SELECT {_ROW} FROM pac_agents WHERE lifecycle = 'active' ORDER BY world_id, name LIMIT {PAGE}"
LONG = f"SELECT {_ROW} FROM pac_agents ORDER BY world_id, name LIMIT {5 * PAGE}"


@dataclass(slots=True)
class Figures:
    """What is printed. By list, milliseconds: `{p50, p95, p99}` of the answers, and of the limit's."""

    agents: int
    rounds: int
    lists_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    limit_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    slowest_p95_ms: float = 0.0
    checked: str = ""


def run(*, agents: int, rounds: int, say: Report = lambda _: None) -> dict[str, Any]:
    """Make a world, serve it, and let each list and its limit take turns. Returns the figures."""
    figures = Figures(agents, rounds)
    with arena() as place:
        say(f"{agents:,} agents are made")
        token, zone_ids = _populate(agents)
        port, bearer = free_port(), {"Authorization": f"Bearer {token}"}
        words = ["daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), "thunderline.asgi:application"]
        with process(place, words, "web"), closing(Connection(port, bearer)) as client, _limit(place) as database:
            client.wait("/api/v1/agents?limit=1")
            _measure(figures, client, database, zone_ids, say)
            figures.checked = check(figures, client)
    return asdict(figures)


def _populate(count: int) -> tuple[str, list[Any]]:
    """A world of so many agents in zones, and a token of somebody who may see it."""
    registry.start_all(now=timezone.now(), eager=True)
    user = get_user_model().objects.create_superuser("bench", password=None)
    world = worlds.create(name="Bench", status="paused", by=user)
    with transaction.atomic():
        zones = places.create_many(world, [{"name": f"Zone {i}", "capacity": 100_000} for i in range(ZONES)])
    wanted = [(zones[i % ZONES].pk, spec) for i, spec in enumerate(specs(count))]
    actions.create_many(wanted, world_id=world.pk, by=BY)
    return tokens.issue(user, ttl_s=tokens.MAX_TTL_S, by=BY), [zone.pk for zone in zones]


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _limit(place: Arena) -> psycopg.Connection[Any]:
    database = psycopg.connect(place.database_url, autocommit=True, prepare_threshold=0)
    database.execute("ANALYZE pac_agents", prepare=False)
    return database


class Connection:
    """One connection that is kept open, and what each request on it bears."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.headers = headers

    def get(self, address: str, headers: Mapping[str, str] | None = None) -> bytes:
        """What is answered. Raises: RuntimeError."""
        self.connection.request("GET", address, headers={**self.headers, **(headers or {})})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{address} was answered with {answer.status}: {content[:500]!r}")
        return content

    def wait(self, address: str) -> None:
        """Return once the server answers."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.get(address)
                return
            except OSError:
                self.connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


def _read(client: Connection, address: str) -> dict[str, Any]:
    return dict(orjson.loads(client.get(address)))


def _measure(
    figures: Figures, client: Connection, database: psycopg.Connection[Any], zones: list[Any], say: Report
) -> None:
    chance = random.Random(7)  # noqa: S311
    keys = database.execute("SELECT world_id, name FROM pac_agents").fetchall()

    def turn() -> dict[str, tuple[str, str, list[Any]]]:
        """By list its address, and the limit's statement with its values."""
        key, zone = chance.choice(keys), chance.choice(zones)
        behind = pages.cursor(key)
        return {
            "first": (f"?limit={PAGE}", FIRST, []),
            "behind": (f"?limit={PAGE}&cursor={behind}", BEHIND, list(key)),
            "in_zone": (f"?limit={PAGE}&zone={zone}", IN_ZONE, [zone]),
            "active": (f"?limit={PAGE}&lifecycle=active", ACTIVE, []),
            "long": (f"?limit={5 * PAGE}", LONG, []),
        }

    taken: dict[str, list[float]] = {name: [] for name in turn()}
    limits: dict[str, list[float]] = {name: [] for name in taken}
    for number in range(figures.rounds):
        if number % 20 == 0:
            say(f"round {number} of {figures.rounds}")
        for name, (query, statement, values) in turn().items():
            answered, ms = _timed(lambda query=query: _read(client, f"/api/v1/agents{query}"))  # type: ignore[misc]
            rows, limit_ms = _timed(lambda s=statement, v=values: database.execute(s, v).fetchall())  # type: ignore[misc]
            if [row["id"] for row in answered["results"]] != [str(row[0]) for row in rows]:
                raise RuntimeError(f"{name}: REST and SQL do not answer alike")
            taken[name].append(ms)
            limits[name].append(limit_ms)
    figures.lists_ms = {name: spread(times) for name, times in taken.items()}
    figures.limit_ms = {name: spread(times) for name, times in limits.items()}
    figures.slowest_p95_ms = max(each["p95"] for each in figures.lists_ms.values())


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    found = call()
    return found, (time.perf_counter() - started) * 1000


def check(figures: Figures, client: Connection) -> str:
    """Go through all pages once. Raises: RuntimeError unless each agent is on one of them, in order."""
    seen: list[tuple[str, str]] = []
    address: str | None = "/api/v1/agents?limit=500"
    while address:
        page = _read(client, address)
        seen += [(row["world_id"], row["name"]) for row in page["results"]]
        after = page["next"] and urlsplit(page["next"])
        address = f"{after.path}?{after.query}" if after else None
    if len(seen) != figures.agents or len(set(seen)) != len(seen):
        raise RuntimeError(f"{len(set(seen)):,} of {figures.agents:,} agents are on the pages, on {len(seen):,} places")
    return f"{len(seen):,} agents, each on one page; every answer has the rows of the limit's"
