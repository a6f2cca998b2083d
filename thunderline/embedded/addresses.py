"""Addresses of the servers, and what Django and Celery call them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from thunderline.embedded.places import Places

DATABASE = "thunderline"
ROLE = "thunderline"
# Part of the socket's name only: the servers listen on no network.
PORT = 5432
# A server that the network has cut off is given up within some ten seconds, and not waited for.
KEEPALIVE = {"keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "3", "tcp_user_timeout": "10000"}
# And the other way: the locks of a machine that has gone without a word are free again in as long.
CLIENT_GONE = {"tcp_keepalives_idle": 5, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 3}
# What the audit trail knows the application's own connections by.
APPLICATION = "thunderline"
IDLE_IN_TRANSACTION_MS = 60_000


def database_url(var: Path) -> str:
    """Address of the embedded PostgreSQL of this var folder, whether it runs or not."""
    return f"postgresql://{ROLE}@:{PORT}/{DATABASE}?{urlencode({'host': str(Places.of(var).sockets)})}"


def redis_url(var: Path) -> str:
    """Address of the embedded Redis of this var folder, whether it runs or not."""
    return f"unix://{Places.of(var).redis_socket}"


def celery_url(redis_url: str) -> str:
    """The same Redis as Celery writes it: `unix:///path?db=1` is `redis+socket:///path?virtual_host=1`
    there."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = {"virtual_host" if key == "db" else key: value for key, value in parse_qsl(parts.query)}
    return f"redis+socket://{parts.path}" + (f"?{urlencode(query)}" if query else "")


def django_database(url: str) -> dict[str, Any]:
    """A libpq URL as an entry of `DATABASES`. What its query says beside `host` and `port` goes to libpq
    unchanged."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ValueError("DATABASE_URL must look like postgresql://user:password@host:5432/name")
    options = dict(parse_qsl(parts.query))
    host, port = options.pop("host", parts.hostname or ""), options.pop("port", parts.port or "")
    limits = CLIENT_GONE | {"idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_MS}
    said = " ".join(f"-c {name}={value}" for name, value in limits.items())
    return {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **KEEPALIVE,
            "application_name": APPLICATION,
            **options,
            "server_side_binding": True,
            "options": f"{said} {options.get('options', '')}".strip(),
        },
    }
