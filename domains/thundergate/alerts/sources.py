"""Where samples come from: whoever has metrics registers how to read them. Nothing here knows what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.core import Metric

LONGEST_KEY = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one metric."""

    name: str
    labels: dict[str, str]
    value: float

    @property
    def key(self) -> str:
        """The labels in order: `breaker=handler:teller`."""
        return ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))[:LONGEST_KEY]


Source = Callable[[], Iterable[Metric]]
_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """Make a source known, once a process; the same name again replaces it."""
    _sources[name] = source


def read(names: set[str]) -> list[Sample]:
    """Samples of the named metrics. Sources are read in the order of registration until each name was found."""
    found: list[Sample] = []
    for source in _sources.values():
        if names <= {one.name for one in found}:
            break
        every = (sample for metric in source() for sample in metric.samples)
        found += [Sample(one.name, dict(one.labels), float(one.value)) for one in every if one.name in names]
    return found
