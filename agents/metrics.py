"""What /metrics says of ticks. Observed once a chunk, never once an agent."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

ticks = Counter("thunderline_ticks_total", "Agent ticks committed")
failed = Counter("thunderline_ticks_failed_total", "Agent ticks that met an error", ["stage"])
stage_seconds = Histogram(
    "thunderline_tick_stage_seconds", "Time of one stage over one chunk of agents", ["stage"], buckets=_BUCKETS
)
chunk_seconds = Histogram("thunderline_tick_chunk_seconds", "Time of one chunk's transaction", buckets=_BUCKETS)
