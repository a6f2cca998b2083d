"""Asking after the heartbeat: its number, its age, how evenly it comes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from domains.thunderlink.models import Heart, HeartbeatTick

SILENT_AFTER_S = 5.0


def silent_after_s() -> float:
    """Age of the last beat from which on the heart counts as silent: five seconds, or three slow beats."""
    return max(SILENT_AFTER_S, 3 * settings.HEARTBEAT_S)


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures over the last minute of beats. `age_s` is None before the first."""

    tick_count: int
    uptime_seconds: float
    interval_ms: float
    latency: float
    """Milliseconds from the count to the last domain's message, mean."""
    active_domains: int
    age_s: float | None
    beating: bool


def current_tick() -> int:
    """Number of the latest heartbeat; 0 before the first."""
    return Heart.objects.filter(pk=1).values_list("tick_number", flat=True).first() or 0


def stats(now: datetime | None = None) -> Stats:
    """How the heart does. `beating` turns false after five seconds of silence."""
    now = now or timezone.now()
    heart = Heart.objects.filter(pk=1).first()
    if heart is None or heart.beat_at is None:
        return Stats(0, 0.0, 0.0, 0.0, 0, None, False)
    recent = list(HeartbeatTick.objects.filter(number__gt=heart.tick_number - 60).order_by("number"))
    age = (now - heart.beat_at).total_seconds()
    span = (recent[-1].at - recent[0].at).total_seconds() if len(recent) > 1 else 0.0
    return Stats(
        tick_count=heart.tick_number,
        uptime_seconds=round((heart.beat_at - (heart.started_at or heart.beat_at)).total_seconds(), 3),
        interval_ms=round(span * 1000 / (len(recent) - 1), 2) if span else 0.0,
        latency=round(sum(beat.latency_ms for beat in recent) / len(recent), 2) if recent else 0.0,
        active_domains=recent[-1].active_domains if recent else 0,
        age_s=round(age, 3),
        beating=age < silent_after_s(),
    )


def recent(limit: int = 60) -> list[HeartbeatTick]:
    """The latest beats, oldest first."""
    return list(HeartbeatTick.objects.order_by("-number")[:limit])[::-1]
