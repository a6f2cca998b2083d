"""What follows from samples and events for alerts. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domains.thundergate.alerts.sources import Sample

MOST_KEYS = 100
"""Alerts of one rule that are open at once; a rule that fires everywhere says enough with the first hundred."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is looked at. `hits` are instants of its events, oldest first."""

    id: UUID
    kind: str
    metric: str
    labels: Mapping[str, str]
    comparison: str
    threshold: float
    count: int
    seconds: int
    hits: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """An alert that is pending or firing."""

    id: int
    rule: UUID
    key: str
    firing: bool
    since: datetime


@dataclass(slots=True)
class Intents:
    """What is to be written. `begun` are new ones; those of `firing` are to be told."""

    begun: list[tuple[UUID, str, bool, dict[str, Any]]] = field(default_factory=list)
    """Rule, key, whether it fires at once, details."""
    fire: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    resolve: list[int] = field(default_factory=list)
    drop: list[int] = field(default_factory=list)
    """Pending ones that are so no more."""
    note: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Firing ones and what was found now."""


def decide(rules: Iterable[Rule], samples: Sequence[Sample], opened: Sequence[Open], *, now: datetime) -> Intents:
    """One look. An alert of a rule that is not among `rules` (switched off) is over."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    there = {(one.rule, one.key): one for one in opened}
    intents, seen = Intents(), set()
    for rule in rules:
        hold = timedelta(seconds=rule.seconds if rule.kind == "metric" else 0)
        for key, details in _found(rule, by_name.get(rule.metric, ()), now):
            seen.add((rule.id, key))
            one = there.get((rule.id, key))
            if one is None:
                intents.begun.append((rule.id, key, not hold, details))
            elif one.firing:
                intents.note.append((one.id, details))
            elif now - one.since >= hold:
                intents.fire.append((one.id, details))
    for place, one in there.items():
        if place not in seen:
            (intents.resolve if one.firing else intents.drop).append(one.id)
    return intents


def _found(rule: Rule, samples: Iterable[Sample], now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where a rule holds: key and details."""
    if rule.kind == "event":
        lately = [at for at in rule.hits if at > now - timedelta(seconds=rule.seconds)]
        if len(lately) >= rule.count:
            yield "", {"events": len(lately), "latest": lately[-1].isoformat()}
        return
    matching = [one for one in samples if rule.labels.items() <= one.labels.items()]
    if rule.comparison == "missing":
        if not matching:
            yield "", {"missing": rule.metric}
        return
    held: dict[str, Sample] = {}
    for one in matching:
        if _holds(rule, one.value):
            held.setdefault(one.key, one)
    for key in sorted(held)[:MOST_KEYS]:
        value = held[key].value
        yield key, {"value": value if math.isfinite(value) else str(value), "labels": held[key].labels}


def _holds(rule: Rule, value: float) -> bool:
    return value > rule.threshold if rule.comparison == "above" else value < rule.threshold
