"""What /metrics says of followers. Observed once a call of a handler, never once an event."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

handled = Counter("thunderline_events_handled_total", "Events that took effect", ["subscriber"])
failed = Counter("thunderline_event_failures_total", "Calls of handlers that failed", ["subscriber", "error_class"])
buried = Counter("thunderline_dead_letters_total", "Events that became dead letters", ["subscriber"])
call_seconds = Histogram(
    "thunderline_handler_seconds", "Time of one call of a handler", ["subscriber"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)  # fmt: skip
