"""How long a tool call of an AI client takes besides the tool's own work, beside a bare server of the SDK.

One client of the SDK calls one tool after the other over HTTP, the product and the limit in turns. A tool's own work is
what its call took within the server, as its event in the log says: checks, limits, the database, the audit. What is
left is the protocol, the server and the way.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx2
import numpy as np
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from agents import actions as agents
from domains import sql
from domains.thunderblock import actions as thunderblock
from domains.thundergate import tokens
from thunderline.bench import population
from thunderline.bench.arena import Arena, arena
from thunderline.bench.processes import process
from zones.actions import places, worlds

OPTIONS = ("calls", "agents")
WARM = 10
Report = Callable[[str], None]
TOOLS: dict[str, Callable[[int], dict[str, Any]]] = {
    "zone_list": lambda n: {"world": "Bench"},
    "pac_get_agent": lambda n: {"agent": f"#{n}"},
    "memory_search": lambda n: {"agent": f"#{n}", "text": "who lent me a rope?", "limit": 5},
}
LAST = "SELECT coalesce(max(seq), 0) FROM events WHERE stream = 'tools'"
OWN_MS = """
SELECT payload ->> 'tool', (payload ->> 'ms')::float8 FROM events WHERE stream = 'tools' AND seq > %s ORDER BY seq
"""


@dataclass(slots=True)
class Figures:
    """What is printed. Milliseconds, `{p50, p95}`, by tool; `besides` is without the tool's own work."""

    calls: int
    agents: int
    call_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    own_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    besides_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    limit_ms: dict[str, float] = field(default_factory=dict)
    besides_p95_of_all_ms: float = 0.0
    besides_to_limit_p95: float = 0.0


def run(*, calls: int, agents: int, say: Report = lambda _: None) -> dict[str, Any]:
    """Serve both, and let them take turns. Returns the figures."""
    figures = Figures(calls, agents)
    with arena() as place:
        say("a world is made")
        names, token = _prepare(agents)
        with ExitStack() as stack:
            ours = _serve(stack, place, "thunderline.asgi:application", "product")
            bare = _serve(stack, place, "thunderline.bench.mcp_limit:application", "limit")
            say(f"{calls} calls of each kind")
            asyncio.run(_measure(figures, ours, bare, token, names))
    return asdict(figures)


def _prepare(count: int) -> tuple[list[str], str]:
    """A world with agents and somebody who owns it. Returns the agents' ids, and a token."""
    thunderblock.start_all(now=timezone.now(), eager=True)
    user = get_user_model().objects.create_user("bench")
    world = worlds.create(name="Bench", by=user, seed=7, status="paused")
    with transaction.atomic():
        (zone,) = places.create_many(world, [{"name": "Square", "capacity": count}])
    made = agents.create_many([(zone.pk, spec) for spec in population.specs(count)], world_id=world.pk, by="bench")
    return [str(agent.pk) for agent in made], tokens.issue(user, by="bench")


def _serve(stack: ExitStack, place: Arena, application: str, name: str) -> str:
    """Start a server; returns its address once it listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), application]
    running = stack.enter_context(process(_Unlimited(place), command, name))
    end = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return f"http://127.0.0.1:{port}/mcp"
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{name} does not listen")


class _Unlimited(Arena):
    """Without limits of calls, which a benchmark would meet at once."""

    def __init__(self, place: Arena) -> None:
        super().__init__(place.database_url, place.redis_url, place.folder)

    def environment(self) -> dict[str, str]:
        """With them off."""
        return {**Arena.environment(self), "THUNDERLINE_LIMITS": "false"}


@asynccontextmanager
async def _client(url: str, token: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


async def _measure(figures: Figures, ours: str, bare: str, token: str, names: Sequence[str]) -> None:
    times: dict[str, list[float]] = {name: [] for name in (*TOOLS, "look")}
    async with _client(ours, token) as product, _client(bare, token) as limit:
        for n in range(WARM):
            await _turn(product, limit, names, n, None)
        (first,) = (await asyncio.to_thread(sql.fetch_rows, LAST))[0]
        for n in range(figures.calls):
            await _turn(product, limit, names, n, times)
    rows = await asyncio.to_thread(sql.fetch_rows, OWN_MS, [first])
    besides: list[float] = []
    for name in TOOLS:
        own = [ms for tool, ms in rows if tool == name]
        rest = [whole - within for whole, within in zip(times[name], own, strict=True)]
        besides += rest
        figures.call_ms[name], figures.own_ms[name] = _told(times[name]), _told(own)
        figures.besides_ms[name] = _told(rest)
    figures.limit_ms = _told(times["look"])
    figures.besides_p95_of_all_ms = _told(besides)["p95"]
    figures.besides_to_limit_p95 = round(figures.besides_p95_of_all_ms / figures.limit_ms["p95"], 2)


async def _turn(
    product: Client, limit: Client, names: Sequence[str], n: int, times: dict[str, list[float]] | None
) -> None:
    for name, arguments in TOOLS.items():
        given = {key: names[n % len(names)] if key == "agent" else value for key, value in arguments(n).items()}
        await _call(product, name, given, times)
    await _call(limit, "look", {}, times)


async def _call(client: Client, name: str, arguments: dict[str, Any], times: dict[str, list[float]] | None) -> None:
    started = time.perf_counter()
    found: Any = await client.call_tool(name, arguments)
    ms = (time.perf_counter() - started) * 1000
    if found.is_error:
        raise RuntimeError(f"{name}: {found.content}")
    if times is not None:
        times[name].append(ms)


def _told(times: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.quantile(np.array(times), [0.5, 0.95])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2)}
