"""What /metrics says of the socket. Observed once a message of a client or a look of a feed, never once a delivery."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

connections = Gauge("thunderline_socket_connections", "Clients connected", multiprocess_mode="livesum")
present = Gauge("thunderline_socket_joined", "Topics joined, of all clients", multiprocess_mode="livesum")
joins = Counter("thunderline_socket_joins_total", "Joins", ["topic", "result"])
pushes = Counter("thunderline_socket_pushes_total", "Pushes of clients", ["event", "result"])
events = Counter("thunderline_socket_events_total", "Events of a topic while it was watched", ["topic", "event"])
delivered = Counter("thunderline_socket_deliveries_total", "Events sent, counted once for each client")
crowded = Counter("thunderline_socket_crowded_total", "Clients closed because they had too many connections")
late = Counter("thunderline_socket_late_total", "Events sent more than a second after they were written")
resynced = Counter("thunderline_socket_resyncs_total", "Clients that had to begin anew", ["why"])
batch_events = Histogram(
    "thunderline_socket_batch_events", "Events handed out at once", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
batch_age = Histogram(
    "thunderline_socket_batch_age_seconds", "Age of the oldest event handed out",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)  # fmt: skip
push_batches = Histogram(
    "thunderline_socket_push_batch", "Pushes applied in one transaction", buckets=(1, 2, 5, 10, 20, 50, 100)
)
