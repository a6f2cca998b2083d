"""The disk that the database lies on: told early when it runs low, and what can wait waits before it is full."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.db import transaction

from domains import sql
from domains.thunderblock import events
from domains.thunderblock.models import Disk, DiskLevel
from domains.thunderflow.actions import NewEvent, publish

MEGABYTE = 1_000_000
EASE = 1.1
"""A level is left when there is a tenth more room than it begins at, so that it does not flicker."""

NOTE = """
UPDATE disk_watch SET level = %s, free_bytes = %s, total_bytes = %s, looked_at = %s WHERE id = 1
"""


class Usage(Protocol):
    """As `shutil.disk_usage` has it, in bytes."""

    @property
    def total(self) -> int: ...

    @property
    def free(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Below which free room a level begins."""

    low_percent: float
    low_mb: int
    critical_percent: float
    critical_mb: int

    @classmethod
    def set(cls) -> Thresholds:
        """As the settings have them."""
        config = settings.CONFIG
        return cls(config.disk_low_percent, config.disk_low_mb, config.disk_critical_percent, config.disk_critical_mb)


def level(usage: Usage, thresholds: Thresholds, was: str = DiskLevel.OK) -> DiskLevel:
    """What the room that is left amounts to, coming from level `was`."""
    for name, percent, megabytes in (
        (DiskLevel.CRITICAL, thresholds.critical_percent, thresholds.critical_mb),
        (DiskLevel.LOW, thresholds.low_percent, thresholds.low_mb),
    ):
        ease = EASE if was == name or (name == DiskLevel.LOW and was == DiskLevel.CRITICAL) else 1
        if usage.free < _needed(usage.total, percent, megabytes) * ease:
            return name
    return DiskLevel.OK


def _needed(total: int, percent: float, megabytes: int) -> float:
    """The percentage counts up to ten times the megabytes: a large disk has room enough with less."""
    floor = megabytes * MEGABYTE
    return max(floor, min(total * percent / 100, 10 * floor))


def folder() -> Path | None:
    """Where the database's files are; None when another machine may have them."""
    return None if settings.CONFIG.database_url else settings.VAR_DIR


def look(where: Path | None, *, now: datetime, usage: Callable[[Path], Usage] = shutil.disk_usage) -> Disk | None:
    """Note how much room there is, and tell when the level has changed. None when it cannot be known."""
    if where is None:
        Disk.objects.all().delete()
        return None
    found = usage(where)
    with transaction.atomic():
        fresh = Disk(id=1, level=DiskLevel.OK, free_bytes=found.free, total_bytes=found.total, looked_at=now)
        Disk.objects.bulk_create([fresh], ignore_conflicts=True)
        row = Disk.objects.select_for_update().get(pk=1)
        was, row.level = row.level, level(found, Thresholds.set(), row.level)
        row.free_bytes, row.total_bytes, row.looked_at = found.free, found.total, now
        sql.execute(NOTE, [row.level, row.free_bytes, row.total_bytes, row.looked_at])
        if row.level != was:
            _tell(row, was)
    return row


def _tell(row: Disk, was: str) -> None:
    kind, verb = (events.DiskOk, "ok") if row.level == DiskLevel.OK else (events.DiskLow, "low")
    payload = kind(level=row.level, was=was, free_bytes=row.free_bytes, total_bytes=row.total_bytes)
    publish(NewEvent(events.STREAM, f"system.disk_{verb}", payload))
