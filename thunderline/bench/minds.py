"""How many steps a second agents make who ask a model, beside a bare HTTP client; and what that costs all others."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import psutil
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from agents import actions as agents
from agents.engine import loop
from agents.specs import AgentSpec
from domains import sql
from domains.thunderblock import actions as thunderblock
from thunderline.bench.arena import Arena, arena
from thunderline.bench.population import specs
from thunderline.bench.ticks import Product, Report, celery_workers
from thunderline.config import BASE_DIR
from zones.actions import places, worlds

OPTIONS = ("agents", "latency_ms", "reasoners", "seconds", "mixed")
TURNS = 3
"""How often product and limit take turns."""
PACE_S = 0.05
"""Between two world ticks: a model that answers within that would wait for the world."""
DRAIN_S = 30.0
ZONES = 20


@dataclass(slots=True)
class Figures:
    """What is printed. Rates are per second of wall time over all turns."""

    agents: int
    latency_ms: float
    reasoners: int
    seconds: float
    ideal_per_s: float = 0.0
    steps_per_s: float = 0.0
    client_limit_per_s: float = 0.0
    ratio: float = 0.0
    cpu_ms_per_step: float = 0.0
    client_cpu_ms_per_call: float = 0.0
    rss_mb_per_reasoner: float = 0.0
    by_rules: int = 0
    """Steps that the rules decided, for whatever reason."""
    checked: str = ""
    mixed: dict[str, Any] = field(default_factory=dict)


def run(
    *, agents: int, latency_ms: float, reasoners: int, seconds: float, mixed: int, say: Report = lambda _: None
) -> dict[str, Any]:
    """Run product and limit in turns, check what was done in the tables, then mix a crowd. Returns the figures."""
    figures = Figures(agents, latency_ms, reasoners, seconds, ideal_per_s=round(agents / latency_ms * 1000, 1))
    with arena() as place, model_server(latency_ms) as url:
        say(f"making {agents} agents who think")
        steps = Steps(_thinkers(agents, url), reasoners)
        with reasoner_processes(place, reasoners) as processes, clock(steps.world_id):
            say("warming up")
            steps.warm_up(processes)
            steps.take_turns(processes, url, seconds, say)
            figures.rss_mb_per_reasoner = round(max(p.memory_info().rss for p in processes) / 1e6, 1)
        say("checking")
        steps.fill(figures)
    if mixed:
        figures.mixed = run_mixed(mixed, seconds, say)
    return asdict(figures)


# --- Processes -----------------------------------------------------------------------------------------------


@contextmanager
def model_server(latency_ms: float) -> Iterator[str]:
    """An endpoint that answers after so long. Yields its base URL."""
    words = ["-m", "thunderline.bench.model_server", "--port", "0", "--delay-ms", str(latency_ms)]
    server = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=BASE_DIR)
    try:
        assert server.stdout is not None  # noqa: S101 - asked for above
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    finally:
        _end(server)


@contextmanager
def reasoner_processes(place: Arena, count: int) -> Iterator[list[psutil.Process]]:
    """Real `manage.py reasoner` processes."""
    command = [sys.executable, str(BASE_DIR / "manage.py"), "reasoner"]
    with ExitStack() as stack:
        processes = []
        for n in range(count):
            log = stack.enter_context((place.folder / f"reasoner-{n}.log").open("wb"))
            process = subprocess.Popen(command, env=place.environment(), stdout=log, stderr=log, cwd=BASE_DIR)
            stack.callback(_end, process)
            processes.append(psutil.Process(process.pid))
        yield processes


def _end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def clock(world_id: Any) -> Iterator[None]:
    """Let a world go on by a tick every `PACE_S`, as a heartbeat and a worker would."""
    done = threading.Event()

    def beat() -> None:
        try:
            while not done.wait(PACE_S):
                sql.execute("UPDATE worlds SET target_tick = tick + 1 WHERE id = %s", [world_id])
                loop.run(seconds=PACE_S, world_id=world_id, patience_s=0.0)
        finally:
            connection.close()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


# --- Steps ---------------------------------------------------------------------------------------------------


def _thinkers(count: int, url: str) -> Any:
    """A paused world of agents who ask the endpoint, each again as soon as it has acted. Returns the world's id."""
    thunderblock.start_all(now=timezone.now(), eager=True)
    agents.add_endpoint(name="bench", base_url=url, model="bench", by="bench")
    world = worlds.create(name="minds", seed=1, status="paused")
    with transaction.atomic():
        rooms = places.create_many(world, [{"name": f"Zone {i}", "capacity": count + 10} for i in range(ZONES)])
    wanted = [(rooms[i % len(rooms)].pk, _thinking(spec, "bench")) for i, spec in enumerate(specs(count, interval=1))]
    agents.create_many(wanted, world_id=world.pk, by="bench")
    return world.pk


def _thinking(spec: AgentSpec, endpoint: str) -> AgentSpec:
    return spec.model_copy(update={"reasoner": "openai", "model": endpoint})


class Steps:
    """Agents who think, let go and stopped by making them active and suspending them."""

    def __init__(self, world_id: Any, reasoners: int) -> None:
        self.world_id, self.reasoners = world_id, reasoners
        self.steps, self.seconds, self.cpu_s = 0, 0.0, 0.0
        self.limit_calls, self.limit_s, self.limit_cpu_s = 0, 0.0, 0.0

    def warm_up(self, processes: Sequence[psutil.Process]) -> None:
        """Until every process serves, and a few seconds more."""
        deadline = time.monotonic() + 60
        while _count("SELECT count(*) FROM mind_reasoners") < len(processes) or not self._done():
            if time.monotonic() > deadline:
                raise RuntimeError("the reasoner processes did not begin to serve within a minute")
            time.sleep(0.2)
        time.sleep(2.0)
        self._halt()

    def take_turns(self, processes: Sequence[psutil.Process], url: str, seconds: float, say: Report) -> None:
        """Product and limit, one after the other."""
        for turn in range(TURNS):
            say(f"turn {turn + 1} of {TURNS}: agents")
            self._go(processes, seconds / TURNS)
            say(f"turn {turn + 1} of {TURNS}: bare client")
            self._limit(url, seconds / TURNS)

    def _go(self, processes: Sequence[psutil.Process], seconds: float) -> None:
        """Begin, let them find their rhythm for a moment, then count for so long."""
        sql.execute("UPDATE pac_agents SET lifecycle = 'active' WHERE world_id = %s", [self.world_id])
        time.sleep(1.0)
        cpu, before, started = _cpu_s(processes), self._done(), time.perf_counter()
        time.sleep(seconds)
        self.steps += self._done() - before
        self.seconds += time.perf_counter() - started
        self.cpu_s += _cpu_s(processes) - cpu
        self._halt()

    def _halt(self) -> None:
        sql.execute("UPDATE pac_agents SET lifecycle = 'suspended' WHERE world_id = %s", [self.world_id])
        deadline = time.monotonic() + DRAIN_S
        while _count("SELECT count(*) FROM mind_calls WHERE status = 'open'"):
            if time.monotonic() > deadline:
                raise RuntimeError("calls did not come to an end")
            time.sleep(0.05)
        time.sleep(0.5)

    def _done(self) -> int:
        return _count("SELECT sum(tick_number) FROM pac_agents")

    def _limit(self, url: str, seconds: float) -> None:
        body = orjson.dumps(sql.fetch_rows("SELECT request FROM mind_calls ORDER BY id DESC LIMIT 1")[0][0])
        callers = _count("SELECT count(*) FROM pac_agents")
        command = [
            sys.executable, "-m", "thunderline.bench.bare_client", f"{url}/chat/completions", str(callers), str(seconds)
        ]  # fmt: skip
        done = subprocess.run(command, input=body, capture_output=True, check=True, timeout=seconds + 60)
        calls, took, cpu = done.stdout.split()
        self.limit_calls += int(calls)
        self.limit_s += float(took)
        self.limit_cpu_s += float(cpu)

    def fill(self, figures: Figures) -> None:
        """Put the sums into the figures. Raises: RuntimeError when something was not kept as it should."""
        figures.steps_per_s = round(self.steps / self.seconds, 1)
        figures.client_limit_per_s = round(self.limit_calls / self.limit_s, 1)
        figures.ratio = round(figures.steps_per_s / figures.client_limit_per_s, 3)
        figures.cpu_ms_per_step = round(self.cpu_s * 1000 / max(1, self.steps), 3)
        figures.client_cpu_ms_per_call = round(self.limit_cpu_s * 1000 / max(1, self.limit_calls), 3)
        figures.by_rules = _count("SELECT count(*) FROM tick_logs WHERE error LIKE '%%the rules decided'")
        figures.checked = check()


def check() -> str:
    """Compare steps with logs, events, memories and calls. Raises: RuntimeError."""
    steps = _count("SELECT sum(tick_number) FROM pac_agents")
    logs = _count("SELECT count(*) FROM tick_logs")
    events = _count("SELECT count(*) FROM events WHERE topic LIKE 'zone.%%.agent_ticked'")
    inputs = _count("SELECT count(*) FROM events WHERE topic LIKE 'zone.%%.model_answered'")
    remembered = _count("SELECT count(DISTINCT (agent_id, source->>'tick')) FROM memory_nodes WHERE kind = 'semantic'")
    ruled = _count("SELECT count(*) FROM tick_logs WHERE error LIKE '%%the rules decided'")
    twice = _count(
        """SELECT count(*) FROM (SELECT payload->>'call_id' FROM events WHERE topic LIKE 'zone.%%.model_answered'
                                 GROUP BY 1 HAVING count(*) > 1) t"""
    )
    if twice or not steps == logs == events == inputs or remembered + ruled < steps:
        raise RuntimeError(
            f"{steps} steps, {logs} logs, {events} events, {inputs} answers ({twice} twice), {remembered} remembered"
        )
    return f"{steps} steps = {logs} logs = {events} events = {inputs} answers, {remembered} of them with a memory"


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(p.cpu_times()[:2]) for p in processes)


def _count(query: str) -> int:
    return int(sql.fetch_rows(query)[0][0] or 0)


# --- A mixed crowd -------------------------------------------------------------------------------------------

MIXED_ZONES, MIXED_LATENCY_MS, MIXED_SHARE, MIXED_TURNS = 50, 2000.0, 100, 4


def run_mixed(count: int, seconds: float, say: Callable[[str], object]) -> dict[str, Any]:
    """Ticks of agents by rule, flat out, with and without one in a hundred who thinks for two seconds."""
    with arena() as place, model_server(MIXED_LATENCY_MS) as url:
        say(f"making {count} agents, of whom {count // MIXED_SHARE} think")
        crowd = Crowd(count, url)
        with celery_workers(place, settings.CONFIG.workers), reasoner_processes(place, 1):
            say("warming up")
            crowd.warm_up()
            for turn in range(MIXED_TURNS):
                for thinking in (turn % 2 == 0, turn % 2 == 1):
                    say(f"mixed, turn {turn + 1} of {MIXED_TURNS}: {'with' if thinking else 'without'} models")
                    crowd.go(thinking, seconds / MIXED_TURNS)
        return crowd.figures()


class Crowd:
    """A world of whom one in a hundred thinks; those leave it, and come back, between turns."""

    def __init__(self, count: int, url: str) -> None:
        thunderblock.start_all(now=timezone.now(), eager=True)
        agents.add_endpoint(name="slow", base_url=url, model="slow", by="bench")
        world = worlds.create(name="mixed", seed=1, status="paused")
        with transaction.atomic():
            room = {"capacity": 2 * count // MIXED_ZONES + 100}
            zones = places.create_many(world, [{"name": f"Zone {i}", **room} for i in range(MIXED_ZONES)])
        wanted = [
            (zones[i % MIXED_ZONES].pk, _thinking(spec, "slow") if i // MIXED_ZONES % MIXED_SHARE == 0 else spec)
            for i, spec in enumerate(specs(count))
        ]
        agents.create_many(wanted, world_id=world.pk, by="bench")
        sql.execute("ANALYZE pac_agents")
        self.product, self.count, self.present = Product(world.pk, settings.CONFIG.workers), count, True
        self.ticks: dict[bool, int] = {True: 0, False: 0}
        self.seconds: dict[bool, float] = {True: 0.0, False: 0.0}
        self.steps = 0

    def warm_up(self) -> None:
        """As for ticks alone."""
        self.product.warm_up()

    def go(self, thinking: bool, seconds: float) -> None:
        """One turn with or without those who think."""
        self._let(thinking)
        ruled, thought, started = self._done("="), self._done("<>"), time.perf_counter()
        self.product.go(seconds)
        self.seconds[thinking] += time.perf_counter() - started
        self.ticks[thinking] += self._done("=") - ruled
        self.steps += self._done("<>") - thought

    def _let(self, thinking: bool) -> None:
        """Put those who think into the world, or out of it: archived, they take no place."""
        if thinking == self.present:
            return
        state, sign = ("active", 1) if thinking else ("archived", -1)
        with transaction.atomic():
            sql.fetch_rows("SELECT 1 FROM pac_zones ORDER BY id FOR NO KEY UPDATE")  # as everybody locks them
            sql.execute("UPDATE pac_agents SET lifecycle = %s WHERE reasoner = 'openai'", [state])
            sql.execute(
                """UPDATE pac_zones z SET agent_count = agent_count + %s * n.count
                   FROM (SELECT zone_id, count(*) FROM pac_agents WHERE reasoner = 'openai' GROUP BY 1) n
                   WHERE n.zone_id = z.id""",
                [sign],
            )
        self.present = thinking
        time.sleep(MIXED_LATENCY_MS / 1000 + 0.5)

    @staticmethod
    def _done(how: str) -> int:
        return _count(f"SELECT sum(tick_number) FROM pac_agents WHERE reasoner {how} 'rules'")

    def figures(self) -> dict[str, Any]:
        """Rates of agents by rule, and by how much they fall."""
        alone, mixed = (self.ticks[thinking] / self.seconds[thinking] for thinking in (False, True))
        return {
            "agents": self.count,
            "rule_ticks_per_s_alone": round(alone, 1),
            "rule_ticks_per_s_mixed": round(mixed, 1),
            "falls_by": round(1 - mixed / alone, 4),
            "model_steps_per_s": round(self.steps / self.seconds[True], 1),
        }
