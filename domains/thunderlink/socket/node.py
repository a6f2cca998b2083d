"""This web process as a node: a thread beside the event loop that says each second that it lives, and how busy it is.

A thread of its own, so that an event loop that is busy for a moment is not taken for dead.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import resource
import threading
from contextlib import suppress
from typing import Any
from uuid import UUID

import psutil
import psycopg
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from domains.thunderflow.faults import told
from domains.thunderlink import nodes
from domains.thunderlink.socket import hub

BEAT_S = 1.0

logger = logging.getLogger(__name__)


class Beating(threading.Thread):
    """Registers, beats, and looks whether other nodes have died."""

    def __init__(self, address: str) -> None:
        super().__init__(name="node", daemon=True)
        self.address = address
        self.node_id: UUID | None = None
        self._ended = threading.Event()
        self._process = psutil.Process()

    def run(self) -> None:
        """Until the process ends."""
        failing = False
        while not self._ended.is_set():
            try:
                close_old_connections()
                self._beat()
                failing = False
            except Exception as error:  # whatever it is, the next second may be better
                if not failing:
                    logger.warning("this node cannot say that it lives: %s", told(error))
                failing = True
            self._ended.wait(BEAT_S)

    def _beat(self) -> None:
        if self.node_id is None:
            self.node_id = nodes.register(self.address)
        cpu = self._process.cpu_percent() / 100 / (psutil.cpu_count() or 1)
        memory_mb = self._process.memory_info().rss / 1e6
        nodes.beat(self.node_id, sessions=hub.sessions(), cpu=cpu, memory_mb=memory_mb)
        nodes.mark_dead()

    def end(self) -> None:
        """Tell that this node leaves, if that can be told."""
        self._ended.set()
        if self.node_id is not None:
            with suppress(DatabaseError, psycopg.Error):
                nodes.leave(self.node_id)


_beating: Beating | None = None


def start() -> None:
    """Once a web process, before it serves."""
    global _beating
    _open_files()
    _beating = Beating(settings.SOCKET_ADDRESS)
    _beating.start()
    atexit.register(_beating.end)


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """For servers that tell of their end by it, and end so that nothing is run at exit."""
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    if _beating is not None:
        await asyncio.to_thread(_beating.end)
    await send({"type": "lifespan.shutdown.complete"})


def _open_files() -> None:
    """Each client is a file: as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
