"""A place of its own for a benchmark: a fresh database and Redis number on the servers in use, gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from thunderline.celery import app
from thunderline.embedded import celery_url

REDIS_NUMBER = 9


@dataclass(frozen=True, slots=True)
class Arena:
    """Addresses of the place, and the environment that leads other processes there."""

    database_url: str
    redis_url: str
    folder: Path

    def environment(self) -> dict[str, str]:
        """The environment of processes that belong to the benchmark."""
        return os.environ | {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "THUNDERLINE_SECRET_KEY": settings.SECRET_KEY,
            "THUNDERLINE_VAR_DIR": str(self.folder),
            "PROMETHEUS_MULTIPROC_DIR": str(self.folder / "metrics"),
            "THUNDERLINE_LOG_LEVEL": "WARNING",
            "THUNDERLINE_LIMITS": "false",
        }


@contextmanager
def arena() -> Iterator[Arena]:
    """Make the place, let this process work in it, and take it down, whatever happens."""
    name = f"thunderline_bench_{os.getpid()}"
    parts = urlsplit(settings.DATABASE_URL)
    redis_url = _numbered(settings.REDIS_URL)
    with _alone(), tempfile.TemporaryDirectory(prefix="thunderline-bench-") as folder:
        (Path(folder) / "metrics").mkdir()
        place = Arena(urlunsplit(parts._replace(path=f"/{name}")), redis_url, Path(folder))
        _administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            _enter(name, redis_url)
            call_command("migrate", verbosity=0)
            yield place
        finally:
            connection.close()
            _administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            redis.Redis.from_url(redis_url).flushdb()


@contextmanager
def _alone() -> Iterator[None]:
    """One benchmark at a time on these servers: they share a Redis number, and would measure each other."""
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(1163284301, 9)")
        yield


def _numbered(url: str) -> str:
    """The same Redis under a number of its own."""
    if url.startswith("unix:"):
        return f"{url.split('?')[0]}?db={REDIS_NUMBER}"
    return urlunsplit(urlsplit(url)._replace(path=f"/{REDIS_NUMBER}"))


def _administer(statement: sql.Composed) -> None:
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute(statement)


def _enter(name: str, redis_url: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name
    app.conf.update(broker_url=celery_url(redis_url))
    redis.Redis.from_url(redis_url).flushdb()
