"""What the heartbeat hands to workers: a message each, so that one domain never holds up another."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from celery import shared_task

from domains.lifecycle import Tick
from domains.thunderblock import actions
from domains.thunderflow.context import acting

HEALTH_EVERY = 10


@shared_task(name="thunderblock.activate", soft_time_limit=20)
def activate(name: str, number: int, at: str, **_: Any) -> None:
    """Try to activate one domain."""
    with acting(actor=f"domain:{name}"):
        actions.activate(name, Tick(number, datetime.fromisoformat(at)))


@shared_task(name="thunderblock.on_tick", soft_time_limit=10)
def on_tick(name: str, number: int, at: str, **_: Any) -> None:
    """One active domain's heartbeat, with a look at its health each ten of them."""
    tick = Tick(number, datetime.fromisoformat(at))
    with acting(actor=f"domain:{name}"):
        if actions.run_tick(name, tick) and number % HEALTH_EVERY == 0:
            actions.check_health(name, tick)
