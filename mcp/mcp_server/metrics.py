"""What /metrics says of calls."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

calls = Counter("thunderline_mcp_calls_total", "Calls of tools by AI clients", ["tool", "outcome"])
call_seconds = Histogram(
    "thunderline_mcp_call_seconds", "Time of one call of a tool", ["tool"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)  # fmt: skip
streams = Gauge(
    "thunderline_mcp_streams", "Requests and sockets of AI clients that are open", multiprocess_mode="livesum"
)
outside_calls = Counter("thunderline_outside_calls_total", "Calls of outside tools", ["tool", "outcome"])
outside_seconds = Histogram(
    "thunderline_outside_call_seconds", "Time of one try to call an outside tool", ["tool"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)  # fmt: skip
