"""The admin's first page: the state of the system, what needs a person first.

Some fifteen short queries, none over rows that may be many, of what one may see. Redis may be away: it is asked with
little patience, and all else is still told.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.safestring import SafeString

from domains import links, sql
from domains.thunderblock import queries as registry
from domains.thunderflow.subscribers import queries as subscribers
from domains.thundergate.alerts import queries as alerts
from domains.thunderlink import heartbeat, nodes
from thunderline.templatetags.pages import span, whole
from thunderline.views import home
from zones import queries as zones

SHOWN = 12
"""Rows of each table."""
REDIS_PATIENCE_S = 0.3
LATE = 10_000
"""Positions behind which a subscriber is worth a look."""
GOOD, WARN, BAD = "good", "warn", "bad"
SIZES = {
    "pac_agents": ("agents", "agents.agent"),
    "memory_nodes": ("memories", "memory.memorynode"),
    "events": ("events", "thunderflow.event"),
    "tick_logs": ("ticks", "agents.ticklog"),
}
"""Tables that are told of, by what is in them and where it is listed."""
ROWS = """
SELECT whole.relname, coalesce(sum(part.reltuples) FILTER (WHERE part.reltuples > 0), 0)::bigint
FROM pg_class whole
JOIN pg_class part ON part.oid = whole.oid OR part.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = whole.oid)
WHERE whole.relname = ANY(%s) AND whole.relnamespace = current_schema()::regnamespace AND part.relkind = 'r'
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Clock:
    """A world and how many ticks it is behind."""

    world: Any
    lag: int


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at a glance. `mood` is good, warn or bad, or empty where nothing can be wrong with it."""

    title: str
    figure: str
    detail: str
    where: SafeString
    mood: str = ""


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """What the page shows besides what every page of the admin does."""
    user = request.user
    heart, domains = heartbeat.stats(), registry.domains()
    worlds = [Clock(world, max(0, world.target_tick - world.tick)) for world in _worlds(user)]
    standings = _worst_first(subscribers.standings()) if user.has_perm("thunderflow.view_subscription") else []
    live = nodes.live() if user.has_perm("thunderlink.view_node") else []
    problems = [*home.problems(heart, domains, worlds), *home.alerted(user)]
    away = _redis_away()
    if away:
        problems.insert(0, f"Redis does not answer ({away}): nothing is told live, and workers are not woken.")
    tiles = [
        _heart(heart), _domains(domains), *_alerts(user), *_letters(standings), *_nodes(user, live), _redis(away),
        *_disk(),
    ]  # fmt: skip
    return {
        **given,
        "problems": problems,
        "tiles": tiles,
        "sizes": _sizes(user),
        "domains": sorted(domains, key=lambda one: (one.status == "active" and not one.fault, one.name)),
        "standings": standings[:SHOWN],
        "nodes": live[:SHOWN],
        "worlds": worlds[:SHOWN],
        "at": timezone.localtime(),
    }


def _worlds(user: Any) -> Sequence[Any]:
    """Running ones first, those that are furthest behind before others; some of them where there are many."""
    found = zones.worlds(user).defer("description").order_by("name")[:200]
    return sorted(found, key=lambda one: (one.status != "running", one.tick - one.target_tick, one.name))


def _worst_first(standings: Sequence[subscribers.Standing]) -> list[subscribers.Standing]:
    return sorted(standings, key=lambda one: (-one.dead_letters, -one.parked, -one.lag, one.name))


def _heart(heart: heartbeat.Stats) -> Tile:
    figure = "Beating" if heart.beating else "Silent" if heart.age_s is not None else "Not started"
    age = f"last {span(heart.age_s)} ago" if heart.age_s is not None else "no beat yet"
    where = links.listed("thunderlink.heartbeattick", f"heartbeat {whole(heart.tick_count)}")
    return Tile("Pulse", figure, age, where, GOOD if heart.beating else BAD)


def _domains(domains: Sequence[registry.DomainStatus]) -> Tile:
    active = sum(one.status == "active" for one in domains)
    faults = any(one.fault for one in domains)
    mood = BAD if faults else GOOD if active == len(domains) and domains else WARN
    where = links.listed("thunderblock.activedomain", "all domains")
    return Tile("Domains", f"{active} of {len(domains)}", "are active", where, mood)


def _alerts(user: Any) -> list[Tile]:
    if not user.has_perm("thundergate.view_alert"):
        return []
    severities = list(alerts.firing().order_by().values_list("severity", flat=True)[:1000])
    critical = severities.count("critical")
    detail = f"{critical} of them critical" if severities else "nothing fires"
    where = links.listed("thundergate.alert", "alerts", state__exact="firing")
    return [Tile("Alerts", whole(len(severities)), detail, where, BAD if critical else WARN if severities else GOOD)]


def _letters(standings: Sequence[subscribers.Standing]) -> list[Tile]:
    if not standings:
        return []
    waiting, held = sum(one.dead_letters for one in standings), sum(one.parked for one in standings)
    late = max(one.lag for one in standings)
    streams = f"{whole(held)} {'stream' if held == 1 else 'streams'} held back"
    letters = links.listed("thunderflow.deadletter", "dead letters", status__exact="waiting")
    behind = links.listed("thunderflow.subscription", "subscriptions")
    return [
        Tile("Dead letters", whole(waiting), streams, letters, BAD if waiting else GOOD),
        Tile("Furthest behind", whole(late), "events, of the slowest", behind, WARN if late > LATE else GOOD),
    ]


def _nodes(user: Any, live: Sequence[nodes.LiveNode]) -> list[Tile]:
    if not user.has_perm("thunderlink.view_node"):
        return []
    sessions = sum(node.sessions for node in live)
    detail = f"{whole(sessions)} socket{'' if sessions == 1 else 's'} open"
    where = links.listed("thunderlink.node", "nodes", status__exact="live")
    return [Tile("Nodes", whole(len(live)), detail, where, GOOD if live else WARN)]


def _redis(away: str) -> Tile:
    return Tile(
        "Redis", "Away" if away else "Answers", away or "hints and presence", SafeString(""), BAD if away else GOOD
    )


def _redis_away() -> str:
    """Why Redis does not answer; empty when it does."""
    started = time.monotonic()
    patience = {"socket_timeout": REDIS_PATIENCE_S, "socket_connect_timeout": REDIS_PATIENCE_S}
    try:
        with redis.Redis.from_url(settings.REDIS_URL, **patience) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        return f"{type(error).__name__} after {time.monotonic() - started:.1f} s"
    return ""


def _disk() -> list[Tile]:
    room = registry.disk()
    if room is None:
        return []
    mood = {"ok": GOOD, "low": WARN}.get(room.level, BAD)
    detail = f"free of {filesizeformat(room.total_bytes)}"
    return [Tile("Disk", filesizeformat(room.free_bytes), detail, links.listed("thunderblock.disk", "disk"), mood)]


def _sizes(user: Any) -> list[SafeString | str]:
    """About how many rows there are, as the planner has it. For who sees every world."""
    if not zones.sees_all(user):
        return []
    rows = dict(sql.fetch_rows(ROWS, [list(SIZES)]))
    about = {table: f"about {whole(count)}" for table, count in rows.items() if count}  # of few it knows nothing
    return [links.listed(label, f"{about.get(table, 'few')} {what}") for table, (what, label) in SIZES.items()]
