"""What charts draw, made of what logs tell. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from agents.queries import Changed

MINUTE = timedelta(minutes=1)


def values(now: Mapping[str, float], changes: Sequence[Changed]) -> dict[str, Any]:
    """Values after each tick, oldest first: `{at, ticks, values: {name: […]}}`. `changes` are newest first."""
    columns: dict[str, list[float]] = {name: [] for name in now}
    current = dict(now)
    for change in changes:
        for name, column in columns.items():
            column.append(round(current[name], 4))
            current[name] = _within(name, current[name] - change.changes.get(name, 0.0))
    return {
        "at": [change.at.timestamp() for change in reversed(changes)],
        "ticks": [change.tick_number for change in reversed(changes)],
        "values": {name: column[::-1] for name, column in columns.items()},
    }


def per_minute(told: Mapping[datetime, Mapping[str, int]], *, now: datetime, minutes: int, most: int) -> dict[str, Any]:
    """Events of each of the last minutes, `{at, values: {ticks, other}}`; the minute under way is left out.

    `told` is by minute, in order. Where it is of the latest `most` events only, it begins with the first whole minute.
    """
    last = now.replace(second=0, microsecond=0) - MINUTE
    first = last - (minutes - 1) * MINUTE
    if sum(sum(counts.values()) for counts in told.values()) >= most:
        first = max(first, next(iter(told)) + MINUTE)
    spans = [first + i * MINUTE for i in range(int((last - first) / MINUTE) + 1)]
    ticks = [told.get(span, {}).get("agent_ticked", 0) for span in spans]
    other = [sum(told.get(span, {}).values()) - n for span, n in zip(spans, ticks, strict=True)]
    return {"at": [span.timestamp() for span in spans], "values": {"ticks": ticks, "other": other}}


def _within(name: str, value: float) -> float:
    low, high = (-1.0, 1.0) if name == "mood" else (0.0, 100.0)
    return min(high, max(low, value))
