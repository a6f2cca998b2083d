from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domains.thundergate import tokens
from tests.factories import make_user, make_world, run_ticks, wake_domains
from tests.socket.server import StartServer, WebServer, serve

__all__ = ["serve"]
TokenOf = Callable[..., str]


@pytest.fixture
def server(serve: StartServer) -> WebServer:
    """A web server whose domains are active; limits are off, but where a test says so."""
    wake_domains()
    return serve(THUNDERLINE_LIMITS="false")


@pytest.fixture
def owner(serve: StartServer) -> Any:
    """Who owns the world; nobody special besides."""
    return make_user("owner")


@pytest.fixture
def world(owner: Any) -> Any:
    """A private world of the owner's with four agents, one tick old."""
    made = make_world(by=owner)
    run_ticks(made, 1)
    return made


@pytest.fixture
def token(owner: Any) -> str:
    """The owner's."""
    return tokens.issue(owner, by="tests")
