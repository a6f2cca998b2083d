"""The application as it is served, sockets and all, in threads of the test's own process: settings are shared."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass

import uvicorn

PATIENCE_S = 20.0


@dataclass
class Site:
    """A server on a port of its own. `stop` and `start` are the end of a process and its return."""

    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", self.port)) as probe:
            self.port = int(probe.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it answers."""
        from thunderline.routing import application

        options = uvicorn.Config(
            application, host="127.0.0.1", port=self.port, log_level="warning", lifespan="off", ws="auto",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(options)
        self._thread = threading.Thread(target=self._run, args=[self._server], daemon=True)
        self._thread.start()
        until = threading.Event()
        for _ in range(int(PATIENCE_S / 0.02)):
            if self._server.started:
                return
            until.wait(0.02)
        raise AssertionError("the web server did not start")

    def _run(self, server: uvicorn.Server) -> None:
        asyncio.run(_serve(server))

    def stop(self) -> None:
        """Clients are cut off; nothing answers any more."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the web server does not end"
        self._server = self._thread = None


async def _serve(server: uvicorn.Server) -> None:
    from domains.thunderlink.socket import hub

    await server.serve()
    if (own := hub._hubs.pop(asyncio.get_running_loop(), None)) is not None:
        await own.close()
