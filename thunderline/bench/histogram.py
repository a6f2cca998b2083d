"""Quantiles: of figures, and of the histograms that other processes keep in a Prometheus multiprocess folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector


def quantiles(folder: Path, name: str, wanted: Sequence[float]) -> dict[str, float]:
    """Milliseconds by quantile, `{"p50": …}`, interpolated within the histogram's buckets."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    buckets = sorted(
        (float(sample.labels["le"]), sample.value)
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == f"{name}_bucket"
    )
    return {f"p{round(q * 100)}": round(_quantile(buckets, q) * 1000, 2) for q in wanted} if buckets else {}


def totals(folder: Path, name: str) -> tuple[float, float]:
    """How often all processes have observed something so far, and the seconds that it took in all."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    found = {sample.name: sample.value for metric in registry.collect() for sample in metric.samples}
    return found.get(f"{name}_count", 0.0), found.get(f"{name}_sum", 0.0)


def spread(figures: Sequence[float], wanted: Sequence[int] = (50, 95, 99)) -> dict[str, float]:
    """`{"p50": …}` of some figures; nothing of none."""
    in_order = sorted(figures)
    return {f"p{q}": round(in_order[min(len(in_order) - 1, len(in_order) * q // 100)], 3) for q in wanted if in_order}


def _quantile(buckets: Sequence[tuple[float, float]], q: float) -> float:
    target = buckets[-1][1] * q
    low, below = 0.0, 0.0
    for high, count in buckets:
        if count >= target:
            if high == float("inf"):
                return low
            return low + (high - low) * (target - below) / max(1e-9, count - below)
        low, below = high, count
    return low
