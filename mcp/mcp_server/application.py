"""The door over HTTP: `/mcp` as an ASGI application, with what RFC 9728 tells of it.

Daphne has no lifespan: the SDK's session manager is started on the running loop when it is first asked, and lasts as
long as the loop. Checked in this order: the host and the page that asks (DNS rebinding), who asks, what their
credential may be used for. A stream that is open ends within seconds when its credential holds no longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import anyio
import orjson
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings

from domains import tools
from domains.thundergate import addresses, limits
from mcp_server import access, metrics
from mcp_server.access import Refused, Who
from mcp_server.kept import Kept, Sessions
from mcp_server.server import WHO, ThunderServer

logger = logging.getLogger(__name__)
PATH, WEBSOCKET = "/mcp", "websocket"
METADATA = "/.well-known/oauth-protected-resource"
LOOK_S = 1.0
"""How often it is seen whether those with open streams may still be there."""
LONGEST_BODY = 1_000_000
RETRY_MS = 500
Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Identify = Callable[[str], Who]


class Endpoint:
    """The server of one event loop. `everybody`: who calls, where nobody is asked (tests of the protocol alone)."""

    def __init__(self, server: ThunderServer | None = None, *, everybody: Who | None = None) -> None:
        self.server = server or ThunderServer()
        self.everybody = everybody
        self.sessions = Sessions(
            self.server.low, Kept(), retry_interval=RETRY_MS, max_request_body_size=LONGEST_BODY,
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # `_turned_away`
        )  # fmt: skip
        self._open: dict[object, tuple[Who, Callable[[], None]]] = {}
        self._started = asyncio.Event()
        self._ending = asyncio.Event()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._watch())]

    async def _run(self) -> None:
        """The manager's task group belongs to this task."""
        async with self.sessions.run():
            self._started.set()
            await self._ending.wait()

    async def close(self) -> None:
        """End all sessions."""
        self._ending.set()
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.server.threads.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        headers = headers_of(scope)
        if turned_away := _turned_away(headers):
            await _answer(send, *turned_away)
            return
        if scope["path"].startswith(METADATA):
            await _answer(send, 200, metadata(scope, headers))
            return
        try:
            who = await self.who(headers, door="http", address=addresses.of_scope(scope))
            if scope["method"] == "POST":
                receive = await _check_scope(receive, who)
        except Refused as refusal:
            await _challenge(send, refusal, scope, headers)
            return
        await self._started.wait()
        scope = {**scope, WHO: who, "user": AuthenticatedUser(_token_of(who)), "path": PATH}
        answer = _Answer(send)
        with anyio.CancelScope() as ending, self.opened(who, ending.cancel):
            await self.sessions.handle_request(scope, receive, answer)
        if ending.cancel_called and answer.open:
            await answer.end()

    async def who(self, headers: dict[str, str], *, door: str, address: str) -> Who:
        """Who shows the credential in these headers. Raises: Refused."""
        if self.everybody is not None:
            return self.everybody
        kind, _, credential = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not credential.strip():
            raise Refused("show a key or a token: Authorization: Bearer <key or token>", scope=access.DOOR)
        who = await self.server.threads.run(access.identify, credential.strip(), door=door, address=address)
        if access.DOOR not in who.scopes:
            raise Refused(f"this needs the scope {access.DOOR}", status=403, scope=access.DOOR)
        return who

    def is_full_for(self, who: Who) -> bool:
        """Whether somebody has as many WebSockets here as they may."""
        most = settings.SOCKET["connections"]
        theirs = [
            one
            for one, _ in self._open.values()
            if one.door == WEBSOCKET and limits.of(one.known) == limits.of(who.known)
        ]
        return 0 < most <= len(theirs)

    def opened(self, who: Who, end: Callable[[], None]) -> _Opened:
        """While this context lasts, `end` is called when the credential holds no longer."""
        return _Opened(self._open, who, end)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            metrics.streams.set(len(self._open))
            lasting = [(who, end) for who, end in self._open.values() if who.token_id is not None]
            try:
                gone = await self.server.threads.run(access.over, [who for who, _ in lasting]) if lasting else set()
            except Exception as error:
                logger.warning("who may still be there cannot be seen for now: %s", error)
                continue
            for who, end in lasting:
                if who.identity in gone:
                    end()


class _Opened:
    def __init__(self, held: dict[object, Any], who: Who, end: Callable[[], None]) -> None:
        self._held, self._who, self._end = held, who, end

    def __enter__(self) -> None:
        self._held[self] = (self._who, self._end)

    def __exit__(self, *_: object) -> None:
        del self._held[self]


_endpoints: dict[asyncio.AbstractEventLoop, Endpoint] = {}


def here() -> Endpoint:
    """The endpoint of the running event loop, made when it is first asked for."""
    loop = asyncio.get_running_loop()
    if loop not in _endpoints:
        _endpoints[loop] = Endpoint()
    return _endpoints[loop]


def is_ours(path: str) -> bool:
    """Whether a request's path is this application's."""
    return path.rstrip("/") == PATH or path in (METADATA, f"{METADATA}{PATH}")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """`/mcp` and its metadata."""
    await here()(scope, receive, send)


# --- Who is turned away --------------------------------------------------------------------------------------


def headers_of(scope: Scope) -> dict[str, str]:
    """A request's headers by name in small letters."""
    return {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}


def host_is_ours(headers: dict[str, str]) -> bool:
    """Whether the request names a host that is this installation's."""
    hosts = settings.ALLOWED_HOSTS or [".localhost", "127.0.0.1", "[::1]"]
    return validate_host(split_domain_port(headers.get("host", ""))[0], hosts)


def origin_is_ours(headers: dict[str, str]) -> bool:
    """Whether the page that asks is ours, or no page asks. A name that now leads here makes no page ours."""
    if (origin := headers.get("origin")) is None:
        return True
    parts = urlsplit(origin)
    if parts.netloc and parts.netloc == headers.get("host"):
        return True
    trusted = [urlsplit(one) for one in settings.CSRF_TRUSTED_ORIGINS]
    return any(parts.scheme == t.scheme and is_same_domain(parts.netloc, t.netloc.lstrip("*")) for t in trusted)


def _turned_away(headers: dict[str, str]) -> tuple[int, dict[str, Any]] | None:
    if not host_is_ours(headers):
        return 421, {"error": "invalid_host", "error_description": "this host is not served here"}
    if not origin_is_ours(headers):
        return 403, {"error": "invalid_origin", "error_description": "pages of this origin may not ask"}
    return None


async def _check_scope(receive: Receive, who: Who) -> Receive:
    """Read the body; a call of a tool beyond the credential's scopes is refused. Returns what gives the body again.

    Raises: Refused.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        parts.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False) or size > LONGEST_BODY:
            break
    body = b"".join(part.get("body", b"") for part in parts)
    tool = tools.get_for_people(_called(body)) if b"tools/call" in body and size <= LONGEST_BODY else None
    if tool is not None and tool.capability not in who.scopes:
        raise Refused(f"{tool.name} needs the scope {tool.capability}", status=403, scope=tool.capability)

    async def again() -> Any:
        return parts.pop(0) if parts else await receive()

    return again


def _called(body: bytes) -> str:
    try:
        message = orjson.loads(body)
        called = message["params"]["name"] if message["method"] == "tools/call" else ""
    except (ValueError, KeyError, TypeError):
        return ""
    return called if isinstance(called, str) else ""


def _token_of(who: Who) -> AccessToken:
    """As the SDK knows a credential; it binds sessions to it."""
    subject = str(who.user.pk)  # type: ignore[attr-defined]
    return AccessToken(token="", client_id=who.identity, scopes=sorted(who.scopes), subject=subject)


# --- Answers -------------------------------------------------------------------------------------------------


class _Answer:
    """What is sent to one request: a server leaves a line open for as long as nobody says that this was all."""

    def __init__(self, send: Send) -> None:
        self._send, self._begun, self.open = send, False, True

    async def __call__(self, message: Any) -> None:
        self._begun = True
        self.open = message["type"] != "http.response.body" or message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """Nothing more comes, as the credential holds no longer."""
        if self._begun:
            await self({"type": "http.response.body", "body": b""})
        else:
            await _answer(self, 401, {"error": "invalid_token", "error_description": "it holds no longer"})


def base_url(scope: Scope, headers: dict[str, str]) -> str:
    """Where this installation is for who asks."""
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
    if settings.SECURE_PROXY_SSL_HEADER and headers.get("x-forwarded-proto") == "https":
        scheme = "https"
    return f"{scheme}://{headers.get('host', '')}"


def metadata(scope: Scope, headers: dict[str, str]) -> dict[str, Any]:
    """Of the protected resource (RFC 9728). Keys come from operators, so that no authorization server is named."""
    return {
        "resource": f"{base_url(scope, headers)}{PATH}",
        "resource_name": "Thunderline",
        "scopes_supported": sorted(access.SCOPES),
        "bearer_methods_supported": ["header"],
    }


async def _challenge(send: Send, refusal: Refused, scope: Scope, headers: dict[str, str]) -> None:
    """401 or 403, with what to show and where that is told; 429 with when."""
    if refusal.retry_after_s:
        slow = {"error": "too_many_refused", "error_description": str(refusal)}
        await _answer(send, refusal.status, slow, (b"retry-after", b"%d" % refusal.retry_after_s))
        return
    shown = "authorization" in headers
    error = "insufficient_scope" if refusal.status == 403 else "invalid_token"
    said = str(refusal).replace("\\", "").replace('"', "'").encode("ascii", "replace").decode()
    parts = ['Bearer realm="thunderline"']
    if shown:
        parts += [f'error="{error}"', f'error_description="{said}"']
    if refusal.scope:
        parts.append(f'scope="{refusal.scope}"')
    parts.append(f'resource_metadata="{base_url(scope, headers)}{METADATA}{PATH}"')
    body = {"error": error if shown else "unauthenticated", "error_description": str(refusal)}
    await _answer(send, refusal.status, body, (b"www-authenticate", ", ".join(parts).encode()))


async def _answer(send: Send, status: int, body: dict[str, Any], *more: tuple[bytes, bytes]) -> None:
    written = orjson.dumps(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(written)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": written})
