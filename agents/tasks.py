"""Waking workers. A message carries no work, only the word that there may be some."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings

from agents.engine import loop
from domains import queue
from domains.thunderblock import guards
from domains.thunderflow.context import acting, afresh

STINT_S = 0.4
"""Longest time a worker keeps to ticks before it looks for other messages."""


def wake_workers(**_: Any) -> None:
    """As many messages as there are workers, those included that already wait, however many zones are due."""
    for _n in range(settings.CONFIG.workers - queue.waiting("ticks")):
        tick_zones.apply_async(expires=1)


@shared_task(name="agents.tick_zones", soft_time_limit=20)
def tick_zones(**_: Any) -> None:
    """Tick what is due; ask to be called again when there is more than one stint can do, and no longer for the same."""
    try:
        guards.require("thunderpac")
    except guards.DomainInactive:
        return
    with acting(actor="engine"):
        stint = loop.run(seconds=STINT_S)
    if stint.exhausted:
        with afresh():
            tick_zones.apply_async(expires=1)
