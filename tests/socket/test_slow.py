"""A client that reads slowly, or not at all: it is bounded and closed, and nobody else notices."""

from __future__ import annotations

import time

import pytest

from tests.socket.server import StartServer, WebServer, serve
from tests.socket.test_feed import numbers, wait_for_number
from tests.socket.watching import Scene
from tests.tables import commits

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "x" * 4000


def rss_mb(server: WebServer) -> float:
    return float(server.observe()["rss_mb"])


def test_a_stopped_reader_is_closed_and_costs_no_memory_and_comes_back_with_everything(serve: StartServer) -> None:
    scene = Scene()
    server = serve()
    with scene.client(server.url) as stopped, scene.client(server.url) as healthy:
        slow = stopped.join(scene.topic, resume=True, batch=True)
        well = healthy.join(scene.topic, batch=True)
        first = scene.tell(1)
        for channel in (slow, well):
            wait_for_number(channel, first)
        before = rss_mb(server)
        stopped.pause()
        grown, waits = [], []
        for _ in range(80):
            last = scene.tell(100, text=TEXT)
            told = time.monotonic()
            wait_for_number(well, last)
            waits.append(time.monotonic() - told)
            grown.append(rss_mb(server) - before)
        stopped.go_on()
        stopped.wait_told("close", seconds=30)
        wait_for_number(slow, last)
        assert numbers(slow) == numbers(well) == list(range(first, last + 1))
    print(f"most that memory grew: {max(grown):.0f} MB; slowest for the others: {max(waits):.2f} s")  # noqa: T201
    # 32 MB went out: what is kept for those who come back a little late counts for 16 of them.
    assert max(grown) < 45
    assert server.observe()["tasks"].get("Connection._write", 0) == 0


def test_one_for_whom_nothing_moves_is_closed_however_little_there_is(serve: StartServer) -> None:
    scene = Scene()
    server = serve(THUNDERLINE_SOCKET_BACKLOG_KB="50000")
    with scene.client(server.url) as stopped:
        channel = stopped.join(scene.topic, batch=True)
        wait_for_number(channel, scene.tell(1))
        stopped.pause()
        for _ in range(80):
            scene.tell(50, text=TEXT)
        deadline = time.monotonic() + 40
        while server.observe()["tasks"].get("Connection._write", 0):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        stopped.go_on()
        stopped.wait_told("close", seconds=30)
