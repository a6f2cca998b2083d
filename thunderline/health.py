"""How the system is, asked part by part. Answers within about two seconds, whatever hangs.

The parts are asked in threads of their own: a PostgreSQL that does not answer holds up a thread, never the reply.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import redis
from django.conf import settings
from django.db import connection, connections

from agents.minds import usage
from domains.thunderblock import queries as registry
from domains.thunderlink import heartbeat

TIMEOUT_S = 2.0
WORKERS_LATE_AFTER = 5
"""Heartbeats that no domain has acknowledged before the workers count as silent."""

OK, DEGRADED, DOWN = "ok", "degraded", "down"
_pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system. `latency_ms` is how long it took to answer; None when it did not."""

    state: str
    latency_ms: float | None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    """`down` when something is down that nothing works without: the database, Redis or the heartbeat."""

    status: str
    parts: dict[str, Part]

    @property
    def database_answers(self) -> bool:
        """Whether there is any use in asking the database who asks."""
        return self.parts["database"].state != DOWN

    def brief(self) -> dict[str, Any]:
        """For strangers."""
        return {"status": self.status}

    def full(self) -> dict[str, Any]:
        """For who runs the system."""
        parts = {}
        for name, part in self.parts.items():
            values = asdict(part)
            parts[name] = values | values.pop("detail")
        return {"status": self.status, "parts": parts}


def check() -> Health:
    """Ask every part at once."""
    asked = {"redis": _pool.submit(_redis), "database": _pool.submit(_database)}
    until = time.monotonic() + TIMEOUT_S
    parts = _answer(asked["redis"], until, ["redis"])
    parts |= _answer(asked["database"], until, ["database", "heartbeat", "domains", "workers", "minds", "disk"])
    essential = {parts[name].state for name in ("database", "redis", "heartbeat")}
    status = DOWN if DOWN in essential else OK
    if status == OK and any(part.state != OK for part in parts.values()):
        status = DEGRADED
    return Health(status, parts)


def _answer(asked: Future[dict[str, Part]], until: float, names: Sequence[str]) -> dict[str, Part]:
    """What a thread found out; when it is late or failed, that all it was asked for is down."""
    try:
        return asked.result(timeout=max(0.0, until - time.monotonic()))
    except TooLate:
        asked.cancel()
        reason = f"no answer within {TIMEOUT_S:.0f} s"
    except Exception as error:  # whatever a driver raises, it means the same here
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    return {name: Part(DOWN, None, {"reason": reason}) for name in names}


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return call(), round((time.perf_counter() - started) * 1000, 2)


def _redis() -> dict[str, Part]:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S / 2, socket_connect_timeout=TIMEOUT_S / 2
    ) as client:
        _, ms = _timed(client.ping)
    return {"redis": Part(OK, ms)}


def _database() -> dict[str, Part]:
    with _impatient_connection():
        _, database_ms = _timed(_ask)
        heart, heart_ms = _timed(heartbeat.stats)
        domains, domains_ms = _timed(registry.domains)
        thinking, minds_ms = _timed(usage.health)
        room, disk_ms = _timed(registry.disk)
    return {
        "database": Part(OK, database_ms),
        "heartbeat": _heartbeat(heart, heart_ms),
        "domains": _domains(domains, domains_ms),
        "workers": _workers(heart, domains, domains_ms),
        "minds": Part(DEGRADED if thinking["waiting"] else OK, minds_ms, thinking),
        "disk": _disk(room, disk_ms),
    }


@contextmanager
def _impatient_connection() -> Iterator[None]:
    """A database connection of this thread's own, that gives up soon."""
    own = connections["default"].copy()
    own.settings_dict["CONN_MAX_AGE"] = 0
    options = own.settings_dict["OPTIONS"] = dict(own.settings_dict["OPTIONS"])
    options |= {"connect_timeout": 2, "tcp_user_timeout": int(TIMEOUT_S * 1000)}
    options["options"] = f"{options.get('options', '')} -c statement_timeout={int(TIMEOUT_S * 1000)}".strip()
    connections["default"] = own
    try:
        yield
    finally:
        own.close()
        del connections["default"]  # or the next copy would be one of this


def _ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _heartbeat(heart: heartbeat.Stats, ms: float) -> Part:
    detail = {"tick": heart.tick_count, "age_s": heart.age_s, "interval_ms": heart.interval_ms}
    return Part(OK if heart.beating else DOWN, ms, detail)


def _domains(domains: list[registry.DomainStatus], ms: float) -> Part:
    faults = {domain.name: domain.fault for domain in domains if domain.fault}
    resting = [d.name for d in domains if d.status != "active" and d.name not in faults]
    active = sum(domain.status == "active" for domain in domains)
    detail: dict[str, Any] = {"active": active, "known": len(domains), "not_active": resting, "faults": faults}
    return Part(OK if domains and active == len(domains) else DEGRADED, ms, detail)


def _disk(room: registry.DiskRoom | None, ms: float) -> Part:
    """Of the database; one on another machine is that machine's business."""
    if room is None:
        return Part(OK, ms, {"level": "unknown"})
    return Part(OK if room.level == "ok" else DEGRADED, ms, asdict(room))


def _workers(heart: heartbeat.Stats, domains: list[registry.DomainStatus], ms: float) -> Part:
    """Workers acknowledge each heartbeat for each active domain: that is their sign of life."""
    latest = max((domain.last_tick for domain in domains if domain.status == "active"), default=None)
    if latest is None:
        return Part(DEGRADED, ms, {"reason": "no domain is active yet, so nothing shows whether they live"})
    behind = max(0, heart.tick_count - latest)
    return Part(OK if behind <= WORKERS_LATE_AFTER else DOWN, ms, {"heartbeats_behind": behind})
