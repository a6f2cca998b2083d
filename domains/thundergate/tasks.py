"""What security does by itself, on the queue of upkeep, so that alerts are looked at when other workers are gone."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from domains.thunderblock import guards
from domains.thunderflow.context import acting

EVERY = 10
"""Heartbeats between two looks at the rules of alerts."""


@shared_task(name="thundergate.evaluate_alerts", soft_time_limit=20)
def evaluate_alerts(**_: Any) -> None:
    """Look at every rule once."""
    from domains.thundergate.alerts import actions

    try:
        guards.require("thundergate")
    except guards.DomainInactive:
        return
    with acting(actor="domain:thundergate"):
        actions.evaluate(now=timezone.now())
