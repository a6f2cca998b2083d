"""What the vault does by itself, on a queue of its own, so that nothing else waits for it."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from domains.thunderblock import guards
from domains.thunderflow.context import acting
from memory import actions
from memory.across import upkeep as across
from memory.health import upkeep as health
from memory.upkeep import stints

STINT_S = 5.0
EXPIRES_S = 5
CARE_S = 4.0
"""Of a stint of looking after agents; the last visit may ask a model, and take longer."""
CARE_EXPIRES_S = 15
"""It may have to wait for a stint of embedding."""
INDEX_EVERY = 300
"""Heartbeats between two looks at the index across agents."""
HEALTH_EVERY = 60
"""And between two at figures that are due to be counted anew."""


@shared_task(name="memory.embed_waiting", soft_time_limit=50)
def embed_waiting(**_: Any) -> None:
    """Embed memories that were stored without a vector, for a few seconds; the next heartbeat goes on."""
    try:
        guards.require("thundervault")
    except guards.DomainInactive:
        return
    with acting(actor="domain:thundervault"):
        actions.embed_waiting(seconds=STINT_S)


@shared_task(name="memory.look_after", soft_time_limit=55)
def look_after(**_: Any) -> None:
    """Link, merge, sum up and let go, for a few seconds; the next heartbeat goes on."""
    try:
        guards.require("thundervault")
    except guards.DomainInactive:
        return
    with acting(actor="domain:thundervault"):
        stints.run(now=timezone.now(), seconds=CARE_S)


@shared_task(name="memory.tend_index", time_limit=across.LONGEST_S + 300)
def tend_index(**_: Any) -> None:
    """Build, replace or drop the index across agents, if it is time to. Takes a minute a million memories."""
    try:
        guards.require("thundervault")
    except guards.DomainInactive:
        return
    across.tend()


@shared_task(name="memory.refresh_health", soft_time_limit=50)
def refresh_health(**_: Any) -> None:
    """Count anew how well memories serve, those figures first that are oldest, for a few seconds."""
    try:
        guards.require("thundervault")
    except guards.DomainInactive:
        return
    with acting(actor="domain:thundervault"):
        health.refresh(now=timezone.now(), seconds=STINT_S)
