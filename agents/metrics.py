"""What /metrics says of ticks. Observed once a chunk, never once an agent."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_BUCKETS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.0175, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.06,
    0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5,
)  # fmt: skip

ticks = Counter("thunderline_ticks_total", "Agent ticks committed")
failed = Counter("thunderline_ticks_failed_total", "Agent ticks that met an error", ["stage"])
stage_seconds = Histogram(
    "thunderline_tick_stage_seconds",
    "Time of one stage over one chunk of agents",
    ["stage"],
    buckets=_BUCKETS,
)
chunk_seconds = Histogram("thunderline_tick_chunk_seconds", "Time of one chunk's transaction", buckets=_BUCKETS)
