"""Real web servers in processes of their own, on the database of the test run. Import the fixture where it is used."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from thunderline.config import BASE_DIR

APPLICATION = "tests.socket.observed:application"
PATIENCE_S = 60.0


@dataclass
class WebServer:
    """daphne on a port of its own; `environ` is set beside the usual."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.port = self.port or _free_port()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What Phoenix's Socket takes."""
        return f"ws://{self.host}/socket"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        """Returns once it answers."""
        command = [sys.executable, "-m", "daphne", "-v", "1", "-b", "127.0.0.1", "-p", str(self.port), APPLICATION]
        with self.log_file().open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log, cwd=BASE_DIR)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the web server did not start:\n{self.log()}")
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """As at the end of a program, or with SIGKILL."""
        if self.process is None:
            return
        (self.process.kill if kill else self.process.terminate)()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process = None

    def log(self) -> str:
        """What it wrote, all times that it ran."""
        return self.log_file().read_text(errors="replace")

    def observe(self) -> dict[str, Any]:
        """What the process holds: `tasks` by name, `threads`, `rss_mb`, `connections`."""
        with urllib.request.urlopen(f"{self.origin}/observed", timeout=10) as answer:
            return dict(json.load(answer))

    def cookies(self, user: Any) -> dict[str, str]:
        """Headers of a browser in which this person is signed in."""
        client = Client()
        client.force_login(user)
        return {"cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}",
                "origin": self.origin}  # fmt: skip

    def log_file(self) -> Path:
        """Where it writes."""
        return self.folder / f"web-{self.port}.log"

    def _answers(self) -> bool:
        try:
            return bool(self.observe())
        except OSError:
            return False

    def environment(self) -> dict[str, str]:
        """Of a process that shares the server's database."""
        database = urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}"))
        return os.environ | {
            "DATABASE_URL": database,
            "REDIS_URL": settings.REDIS_URL,
            "THUNDERLINE_SECRET_KEY": settings.SECRET_KEY,
            "THUNDERLINE_VAR_DIR": str(self.folder),
            "THUNDERLINE_PORT": str(self.port),
            "PROMETHEUS_MULTIPROC_DIR": str(self.folder),
            "THUNDERLINE_LIMIT_REFUSED": "1000000",
            **self.environ,
        }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


StartServer = Callable[..., WebServer]


def _own_redis(url: str) -> str:
    """A database of Redis for this process of the tests: others may look into theirs at the same time."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
    return f"{url}?db={number}" if url.startswith("unix:") else urlunsplit(urlsplit(url)._replace(path=f"/{number}"))


@pytest.fixture
def serve(commits: None, settings: Any, tmp_path: Path) -> Iterator[StartServer]:
    """`serve(THUNDERLINE_…="…")` starts a web server; all are gone afterwards, and none may have failed unseen."""
    settings.REDIS_URL = _own_redis(settings.REDIS_URL)
    started: list[WebServer] = []

    def start(**environ: str) -> WebServer:
        started.append(WebServer(tmp_path, environ))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()
    for server in started:
        assert "Traceback" not in server.log(), server.log()[-4000:]
