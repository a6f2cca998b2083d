"""What can be seen to fail before anything is started, each told in one line that names the remedy."""

from __future__ import annotations

import errno
import shutil
import socket

import psycopg
import redis

from thunderline.config import Config
from thunderline.embedded.places import EmbeddedError, Places

FREE_MB = 200


def check(config: Config, places: Places) -> None:
    """Raises: EmbeddedError."""
    check_disk(places)
    check_port(config.bind, config.port)
    check_servers(config)


def check_disk(places: Places) -> None:
    for folder in {places.var, places.postgres.resolve() if places.postgres.exists() else places.var}:
        free_mb = shutil.disk_usage(folder).free // (1024 * 1024)
        if free_mb < FREE_MB:
            raise EmbeddedError(
                f"The disk of {folder} is full: {free_mb} MB free, {FREE_MB} MB needed. Free some, or set"
                " THUNDERLINE_VAR_DIR to another disk."
            )


def check_port(bind: str, port: int) -> None:
    """By binding it for a moment, the way the web server will."""
    try:
        family, kind, *_, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise EmbeddedError(f"Port {port} on {bind} is in use: set THUNDERLINE_PORT to another one.") from error
        raise EmbeddedError(
            f"Cannot listen on {bind} port {port}: {error.strerror}. See THUNDERLINE_BIND and THUNDERLINE_PORT."
        ) from error


def listens(bind: str, port: int) -> bool:
    """Whether anything takes connections there. An address that means all interfaces leads to this
    machine."""
    try:
        socket.create_connection((bind, port), timeout=1).close()
    except OSError:
        return False
    return True


def check_servers(config: Config) -> None:
    """Servers that were named must answer. Their passwords stay out of the message."""
    if config.database_url:
        try:
            psycopg.connect(config.database_url, connect_timeout=10).close()
        except psycopg.Error as error:
            raise EmbeddedError(f"DATABASE_URL: {str(error).splitlines()[0]}") from None
    if config.redis_url:
        try:
            redis.Redis.from_url(config.redis_url, socket_connect_timeout=10).ping()
        except (redis.RedisError, OSError, ValueError) as error:
            raise EmbeddedError(f"REDIS_URL: {error}") from None
