"""Letting clients in: the ASGI application of the socket.

A client comes with a key, a JWT or a signed token, as `token` in the address or as a bearer's header; or with the
session of who is signed in. A browser sends its cookies whichever page asks it to, so a session counts only for pages
of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

from domains.thundergate import addresses, authentication
from domains.thundergate.access import Identity, Via
from domains.thundergate.errors import GateError
from domains.thunderlink.socket import hub, metrics, wire
from domains.thunderlink.socket.connection import CROWDED, Connection

logger = logging.getLogger(__name__)
NO_TOKEN = frozenset({"", "undefined", "null"})
"""What a page sends that has no token and names it all the same."""
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def with_line(application: Application) -> Application:
    """Keep the server's own `send` in the scope: middleware wraps it, and then nobody knows how much is unsent."""

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await application({**scope, "line": send}, receive, send)

    return wrapped


async def socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """One client, from its request to its end. Refused: 403, before anything is accepted; one too many is told why."""
    who = await _who(scope)
    session_key = scope["session"].session_key if who is not None and who.via is Via.SESSION else None
    while (await receive())["type"] != "websocket.connect":
        pass
    if who is None:
        await send({"type": "websocket.close", "code": 4403})
        return
    line = scope.get("line", send)
    await line({"type": "websocket.accept"})
    connection = Connection(hub.here(), line, who=who, session_key=session_key)
    if connection.hub.is_full_for(connection.identity):
        metrics.crowded.inc()
        why = {"reason": "too_many_connections", "message": crowded(connection.hub.limits.connections)}
        await line({"type": "websocket.send", "text": wire.push("phoenix", "phx_error", why)})
        await line({"type": "websocket.close", "code": CROWDED})
        return
    await connection.run(receive)


def crowded(most: int) -> str:
    """Why one more connection is closed at once."""
    return f"one key or user has at most {most} connections here; close another first"


async def refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """There is no socket at this address."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


async def _who(scope: dict[str, Any]) -> Identity | None:
    headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
    given = parse_qs(scope["query_string"].decode("latin1"))
    if not given.get("vsn", ["2.0.0"])[0].startswith("2.") or not _host_is_ours(headers):
        return None
    origin = headers.get("origin")
    if origin is not None and not _origin_is_ours(origin, headers):
        return None
    address = addresses.of_scope(scope)
    if (credential := _credential(given, headers)) is not None:
        try:
            return await hub.here().database(authentication.identify, credential, address=address)
        except GateError as error:
            logger.info("a client was refused: %s", error)
            return None
    user = scope.get("user")
    signed_in = user is not None and user.is_authenticated and user.is_active
    return Identity(user, Via.SESSION, address=address) if signed_in else None


def _credential(given: dict[str, list[str]], headers: dict[str, str]) -> str | None:
    """What a client shows; None: nothing but its session."""
    if (token := given.get("token", [""])[0]) not in NO_TOKEN:
        return token
    kind, _, credential = headers.get("authorization", "").strip().partition(" ")
    return credential.strip() if kind.lower() == "bearer" else None


def _host_is_ours(headers: dict[str, str]) -> bool:
    return validate_host(split_domain_port(headers.get("host", ""))[0], settings.ALLOWED_HOSTS)


def _origin_is_ours(origin: str, headers: dict[str, str]) -> bool:
    """The page comes from where the socket is, or from an origin that may send forms."""
    parts = urlsplit(origin)
    if parts.netloc and parts.netloc == headers.get("host"):
        return True
    trusted = [urlsplit(one) for one in settings.CSRF_TRUSTED_ORIGINS]
    return any(parts.scheme == t.scheme and is_same_domain(parts.netloc, t.netloc.lstrip("*")) for t in trusted)
