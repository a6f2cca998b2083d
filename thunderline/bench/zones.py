"""How soon and how much a zone's clients get, with daphne and with uvicorn, beside bare servers on the same libraries.

The load comes from processes of its own (`zone_clients`, `zone_publisher`); a world ticks while agents push. Every
client's numbers are compared with the log.
"""

from __future__ import annotations

import gc
import importlib.util
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from agents import actions as agents
from agents.engine import loop
from domains import sql
from domains.thunderblock import actions as thunderblock
from domains.thunderflow import partitions
from domains.thundergate import tokens
from thunderline.bench.arena import Arena, arena
from thunderline.bench.population import specs
from thunderline.bench.processes import ask, process
from thunderline.bench.ticks import Report
from thunderline.bench.zone_clients import PER_MS
from zones.actions import places, worlds

OPTIONS = ("seconds", "idle", "servers", "steps")
SERVERS = ("daphne", "uvicorn")
CLIENTS = 100
CLIENT_PROCESSES = 2
EVENTS_PER_S = 1000
MOVES_PER_S = 10
JOINS = 100
RESTING = {"tick_interval": 10_000}
"""Newcomers do not tick: a hundred agents are what is asked for."""
WARM_UP_S = 2.0
IDLE_S = 60.0
STEP_S = 4.0
"""One rate on the way to the highest."""
BATCH_RATES = (1000, 2000, 4000, 8000, 12_000, 16_000, 24_000, 32_000, 48_000)
SINGLE_RATES = (80, 160, 240, 320, 480, 640, 1000, 1500, 2000)
LATE_MS = 1000.0
"""A rate at which one in a hundred events is later than this is not kept up with."""
DRAIN_S = 10.0

Ask = Callable[..., dict[str, Any]]


def run(
    *, seconds: float, idle: int, steps: int, servers: Sequence[str] = SERVERS, say: Report = lambda _: None
) -> dict[str, Any]:
    """Measure each server and its limit. Returns the figures by server.

    `steps`: how many rates at most are tried on the way to the highest.
    """
    figures: dict[str, Any] = {"clients": CLIENTS, "seconds": seconds, "idle_connections": idle}
    figures |= dict.fromkeys(servers)
    idle_s = min(IDLE_S, seconds * 3)
    with arena() as place:  # one for all: a process knows the types of one database
        for server in filter(installed, servers):
            scene = build(server)
            found = Measuring(Product(place, server, scene), scene, seconds, say).all(idle, idle_s, steps)
            limit = Measuring(Limit(place, server), scene, seconds, say).all(idle, 1.0, steps)
            figures[server] = found | _beside(found, limit)
    return figures


def installed(server: str) -> bool:
    """Whether it can be measured here: uvicorn needs a library for WebSocket beside it."""
    needed = {"daphne": ["daphne"], "uvicorn": ["uvicorn", "websockets"]}[server]
    return all(importlib.util.find_spec(name) for name in needed)


def _beside(product: Mapping[str, Any], limit: Mapping[str, Any]) -> dict[str, Any]:
    """The limit's figures under names of their own, and how much of the limit the product reaches."""
    rates = ("deliveries_per_s", "single_deliveries_per_s")
    return {
        **{f"limit_{name}": limit[name] for name in ("fanout_ms", "push_ms", "join_ms", "idle_mb", *rates)},
        "ratio": {name: round(product[name] / limit[name], 3) if limit[name] else None for name in rates},
    }


# --- A scene ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scene:
    """A zone with agents, each with a token that speaks for it, and a token of a person who watches."""

    world_id: Any
    zone_id: Any
    agents: list[tuple[Any, str]]
    newcomers: list[tuple[Any, str]]
    watcher: str

    @property
    def topic(self) -> str:
        """What clients join."""
        return f"zone:{self.zone_id}"

    def watchers(self, count: int, **params: Any) -> list[dict[str, Any]]:
        """Clients that only look."""
        return [{"token": self.watcher, "topic": self.topic, "params": params} for _ in range(count)]

    def acting(self, who: Sequence[tuple[Any, str]], **params: Any) -> list[dict[str, Any]]:
        """Clients that speak for agents."""
        return [{"token": t, "topic": self.topic, "params": {"agent_id": str(pk), **params}} for pk, t in who]


def build(name: str) -> Scene:
    """A paused world of one zone. It is opened step by step by `ticking`."""
    thunderblock.start_all(now=timezone.now(), eager=True)
    owner = get_user_model().objects.create_superuser(name, password=None)
    world = worlds.create(name=name, seed=1, status="paused", by=owner)
    with transaction.atomic():
        zone = places.create_many(world, [{"name": "Square", "capacity": 5000}])[0]
    wanted = [
        *specs(CLIENTS),
        *(spec.model_copy(update=RESTING | {"name": f"New {spec.name}"}) for spec in specs(JOINS)),
    ]
    made = agents.create_many([(zone.pk, spec) for spec in wanted], world_id=world.pk, by="bench")
    speaking = [(agent.pk, tokens.issue(owner, agent_id=agent.pk, by="bench")) for agent in made]
    sql.execute("ANALYZE pac_agents")
    watcher = tokens.issue(owner, by="bench")
    return Scene(world.pk, zone.pk, speaking[:CLIENTS], speaking[CLIENTS:], watcher)


@contextmanager
def ticking(world_id: Any) -> Iterator[None]:
    """Let the world go on by a tick each second, as a heartbeat and a worker would, in a thread of this process."""
    done, warm = threading.Event(), threading.Event()

    def tick() -> None:
        sql.execute("UPDATE worlds SET target_tick = tick + 1 WHERE id = %s", [world_id])
        loop.run(seconds=1.0, world_id=world_id, patience_s=0.0)

    def beat() -> None:
        try:
            for _ in range(3):  # a worker has loaded its model long before
                tick()
            gc.freeze()  # as workers do with what they have loaded
            warm.set()
            while not done.wait(1.0):
                tick()
        finally:
            warm.set()
            connection.close()

    thread = threading.Thread(target=beat)
    thread.start()
    warm.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


# --- What is measured ------------------------------------------------------------------------------------------


class Product:
    """The application behind a real server, and a process that commits events."""

    def __init__(self, place: Arena, server: str, scene: Scene) -> None:
        self.place, self.server, self.scene = place, server, scene

    @contextmanager
    def serving(self, port: int) -> Iterator[tuple[subprocess.Popen[bytes], Ask]]:
        """The server's process, and what has events published."""
        listen: dict[str, list[str]] = {
            "daphne": ["daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port)],
            "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"],
        }
        with ExitStack() as stack:
            command = [*listen[self.server], "thunderline.asgi:application"]
            web = stack.enter_context(process(self.place, command, self.server))
            words = ["thunderline.bench.zone_publisher", str(self.scene.zone_id)]
            publisher = stack.enter_context(process(self.place, words, "publisher"))
            yield web, lambda **asked: ask([publisher], asked)[0]

    def ticking(self) -> Any:
        """The world goes on."""
        return ticking(self.scene.world_id)

    def numbers(self, first: int, last: int) -> tuple[int, int]:
        """The same, once the log has all of them. Raises: RuntimeError."""
        count = sql.fetch_rows(
            "SELECT count(*) FROM events WHERE stream = %s AND seq BETWEEN %s AND %s", [self.scene.topic, first, last]
        )[0][0]
        if count != last - first + 1:
            raise RuntimeError(f"the log has {count} events from {first} to {last}")
        return first, last


class Limit:
    """A bare server, which publishes by itself."""

    def __init__(self, place: Arena, server: str) -> None:
        self.place, self.server = place, server

    @contextmanager
    def serving(self, port: int) -> Iterator[tuple[subprocess.Popen[bytes], Ask]]:
        """The server's process, and what has events published."""
        words = ["thunderline.bench.zone_limit", self.server, str(port)]
        with process(self.place, words, f"limit-{self.server}") as web:
            yield web, lambda **asked: ask([web], asked)[0]

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """There is no world."""
        yield

    def numbers(self, first: int, last: int) -> tuple[int, int]:
        """It counts by itself."""
        return first, last


class Measuring:
    """One server's figures, step by step; each step's clients are gone before the next."""

    def __init__(self, served: Product | Limit, scene: Scene, seconds: float, say: Report) -> None:
        self.served, self.scene, self.seconds = served, scene, seconds
        self.label = f"{type(served).__name__.lower()}, {served.server}"
        self.report = say
        self.figures: dict[str, Any] = {}
        self.crowd: list[subprocess.Popen[bytes]]
        self.publish: Ask
        self.port: int

    def all(self, idle: int, idle_s: float, steps: int) -> dict[str, Any]:
        """Every step."""
        with ExitStack() as stack:
            self.port = _free_port()
            web, self.publish = stack.enter_context(self.served.serving(self.port))
            self.crowd = [
                stack.enter_context(process(self.served.place, ["thunderline.bench.zone_clients"], f"clients-{n}"))
                for n in range(CLIENT_PROCESSES)
            ]
            _await_port(self.port, web)
            self.say("warming up")
            self.fan_out(WARM_UP_S)
            self.say(f"{EVENTS_PER_S} events a second to {CLIENTS} clients")
            self.figures |= self.fan_out(self.seconds)
            self.say("agents push")
            self.figures |= self.pushes()
            self.say("agents join")
            self.figures |= self.joins()
            self.say(f"{idle} connections idle")
            self.figures |= self.idle(idle, idle_s, psutil.Process(web.pid))
            for name, rates, batch in (
                ("deliveries_per_s", BATCH_RATES, True), ("single_deliveries_per_s", SINGLE_RATES, False),
            ):  # fmt: skip
                self.say(f"the highest {name}")
                self.figures |= self.highest(name, rates[:steps], batch=batch)
        return self.figures

    def say(self, what: str) -> None:
        """Tell where it is."""
        self.report(f"{self.label}: {what}")

    def fan_out(self, seconds: float) -> dict[str, Any]:
        """A steady rate to clients in batches."""
        with self.clients(self.scene.watchers(CLIENTS, batch=True)):
            told = self.told(EVENTS_PER_S, seconds)
        return {
            "fanout_ms": told["ms"], "missing": told["missing"], "doubles": told["doubles"], "closed": told["closed"],
            "published_per_s": told["published_per_s"],
        }  # fmt: skip

    def pushes(self) -> dict[str, Any]:
        """Every agent moves so often, while the world ticks; from when a move was due to its answer."""
        moves = [{"position": {"x": float(n % 7), "y": float(n % 5), "z": 0.0}} for n in range(35)]
        with self.clients(self.scene.acting(self.scene.agents, batch=True)), self.served.ticking():
            answers = self.ask("push", event="agent_move", payloads=moves, per_s=MOVES_PER_S, seconds=self.seconds)
        counts = _sum(answers)
        refused = sum((Counter(each["refused"]) for each in answers), Counter[str]())
        return {
            "push_ms": _quantiles(counts), "pushes_per_s": round(counts.total() / self.seconds, 1),
            "push_refused": dict(refused), "push_closed": _closed(answers),
        }  # fmt: skip

    def joins(self) -> dict[str, Any]:
        """Agents come one after the other to a zone with a hundred present, and all of those see it."""
        newcomers = self.scene.acting(self.scene.newcomers)
        with self.clients(self.scene.acting(self.scene.agents, batch=True)):
            self.ask("forget")
            came = ask(self.crowd[:1], {"do": "join_each", **self.address, "wanted": newcomers})[0]
            seen = self._seen([str(pk) for pk, _ in self.scene.newcomers])
        counts = Counter(round(ms * PER_MS) for ms in came["ms"])
        return {"join_ms": _quantiles(counts)} | self._presence(came["at"], [each["last"] for each in seen])

    def _seen(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """When each client saw these come, once all have, or after a while."""
        for _ in range(10):
            time.sleep(0.5)
            seen = self.ask("present", keys=list(keys))
            if all(at is not None for each in seen for at in each["last"].values()):
                break
        return seen

    def _presence(self, joined: Sequence[float], seen: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
        counts, unseen = Counter[int](), 0
        for (pk, _), at in zip(self.scene.newcomers, joined, strict=True):
            last = [each[str(pk)] for each in seen]
            if None in last:
                unseen += 1
            else:
                counts[round(max(0.0, max(one for one in last if one is not None) - at) * 1000 * PER_MS)] += 1
        return {"presence_ms": _quantiles(counts), "presence_unseen": unseen}

    def idle(self, count: int, seconds: float, web: psutil.Process) -> dict[str, Any]:
        """Memory of all processes of the server with so many who joined and do nothing."""
        before = _rss_mb(web)
        with self.clients(self.scene.watchers(count, batch=True)):
            time.sleep(seconds)
            return {"idle_mb": _rss_mb(web), "empty_mb": before}

    def highest(self, name: str, rates: Sequence[int], *, batch: bool) -> dict[str, Any]:
        """Rates one above the other until events come late, or not at all: deliveries a second at the best of them."""
        best, steps = 0.0, []
        for rate in rates:
            step = self.step(rate, batch=batch)
            if step["late"]:
                step = self.step(rate, batch=batch)  # something else may have been at work
            steps.append(step)
            if step["late"] or step["deliveries_per_s"] < best * 1.02:  # or the publisher is at its end
                break
            best = step["deliveries_per_s"]
        return {name: best, name.replace("per_s", "steps"): steps}

    def step(self, rate: int, *, batch: bool) -> dict[str, Any]:
        """One rate, and whether it was too much."""
        with self.clients(self.scene.watchers(CLIENTS, **({"batch": True} if batch else {}))):
            told = self.told(rate, min(STEP_S, self.seconds))
        return {
            "published_per_s": told["published_per_s"], "deliveries_per_s": told["delivered_per_s"],
            "p99_ms": told["ms"]["p99"], "closed": told["closed"],
            "late": bool(told["missing"] or told["closed"]) or told["ms"]["p99"] > LATE_MS,
        }  # fmt: skip

    def told(self, per_s: float, seconds: float) -> dict[str, Any]:
        """Publish at a rate to the clients there are, and compare what each got with the log."""
        if isinstance(self.served, Product):
            partitions.ensure_ahead()  # no heartbeat sees to it here
        self.ask("forget")
        did = self.publish(per_s=per_s, seconds=seconds)
        seqs = self.served.numbers(did["first"], did["commits"][-1][0])
        window = did["began"], did["ended"]
        deadline = time.monotonic() + DRAIN_S
        while True:
            answers = self.ask("report", commits=did["commits"], seqs=seqs, window=window)
            missing = sum(each["missing"] for each in answers)
            if not missing or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        took = did["ended"] - did["began"]
        return {
            "ms": _quantiles(_sum(answers)), "missing": missing, "doubles": sum(each["doubles"] for each in answers),
            "closed": _closed(answers), "published_per_s": round((seqs[1] - seqs[0] + 1) / took, 1),
            "delivered_per_s": round(sum(each["delivered"] for each in answers) / took, 1),
        }  # fmt: skip

    @property
    def address(self) -> dict[str, Any]:
        """Where clients connect."""
        return {"host": "127.0.0.1", "port": self.port}

    @contextmanager
    def clients(self, wanted: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        """Connected and joined, dealt to the processes."""
        ask(self.crowd, *[
            {"do": "connect", **self.address, "wanted": wanted[n::CLIENT_PROCESSES]} for n in range(CLIENT_PROCESSES)
        ])  # fmt: skip
        try:
            yield
        finally:
            self.ask("close")

    def ask(self, verb: str, **words: Any) -> list[dict[str, Any]]:
        """Have all processes of clients do something."""
        return ask(self.crowd, {"do": verb, **words})


# --- Processes and sums ----------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"nobody listens: {process.args!r}")


def _rss_mb(process: psutil.Process) -> float:
    return round(sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) / 1e6, 1)


def _sum(answers: Sequence[Mapping[str, Any]]) -> Counter[int]:
    total = Counter[int]()
    for answer in answers:
        total.update(dict(answer["counts"]))
    return total


def _quantiles(counts: Counter[int]) -> dict[str, float]:
    """Milliseconds by quantile, of how often each tenth of a millisecond was seen; 0 of nothing."""
    found, seen, total = dict[str, float](), 0, counts.total()
    wanted = [("p50", 0.5), ("p99", 0.99)]
    for value in sorted(counts):
        seen += counts[value]
        while wanted and seen >= total * wanted[0][1]:
            found[wanted.pop(0)[0]] = value / PER_MS
    return found or {"p50": 0.0, "p99": 0.0}


def _closed(answers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many connections had been closed by the server, by code."""
    return dict(sum((Counter(each["closed"]) for each in answers), Counter[str]()))
