from __future__ import annotations

from django.utils import timezone

from domains.lifecycle import Tick
from domains.thunderblock import actions, guards
from domains.thunderlink.models import Heart, HeartbeatTick


def wake_domains() -> None:
    """Make every domain active, as after its first heartbeat."""
    actions.start_all(now=timezone.now(), eager=True)
    guards.forget()


def beat() -> Tick:
    """One heartbeat, acknowledged by all active domains; nothing is sent to workers."""
    now = timezone.now()
    heart, _ = Heart.objects.get_or_create(pk=1, defaults={"started_at": now})
    tick = Tick(heart.tick_number + 1, now)
    Heart.objects.filter(pk=1).update(tick_number=tick.number, beat_at=now)
    HeartbeatTick.objects.update_or_create(
        slot=tick.number % HeartbeatTick.RING,
        defaults={"number": tick.number, "at": now, "latency_ms": 1.5, "active_domains": 7},
    )
    actions.ActiveDomain.objects.filter(status="active").update(last_tick=tick.number, ticked_at=now)
    return tick
