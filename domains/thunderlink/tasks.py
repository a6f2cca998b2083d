from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings

from domains.thunderflow.context import acting
from domains.thunderlink import actions


@shared_task(name="thunderlink.heartbeat", soft_time_limit=10)
def heartbeat(**_: Any) -> None:
    """Sent by beat each interval; runs in a worker of its own."""
    with acting(actor="heartbeat"):
        actions.beat(interval_s=settings.HEARTBEAT_S)
