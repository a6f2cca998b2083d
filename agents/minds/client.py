"""Calling a model: the one place that talks to chat completions endpoints. Needs a running loop, and stays with it.

What goes out is the question as it was written down; the key is sent to the endpoint's own address and nowhere else
(no redirects), and nothing of what the environment has for OpenAI. What comes back is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import httpx2
import openai
import orjson

from agents.converse import storable

MAX_BYTES = 1_000_000
"""Longest answer that is read. No decision is a hundredth of that."""
MAX_REST_S = 60.0
"""Longest that an endpoint may ask to be left alone for, and be heeded."""

TRANSIENT, TIMEOUT, DEPENDENCY = "transient", "timeout", "dependency"
PERMANENT, SECURITY, VALIDATION = "permanent", "security", "validation"
RETRIED = frozenset({TRANSIENT, TIMEOUT, DEPENDENCY})
"""Classes of errors after which another try may go better."""


class CallFailed(Exception):
    """A call brought no answer. `error_class` says what to do about it; `rest_s` how long to let it rest."""

    def __init__(self, error_class: str, message: str, *, rest_s: float = 0.0) -> None:
        super().__init__(storable(message)[:500])
        self.error_class, self.rest_s = error_class, rest_s


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is and how to speak to it; what makes a client of its own necessary."""

    base_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said, as text that can be stored. Tokens are as the endpoint counts them; None: it does not say."""

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: str
    ms: float


class Client:
    """One endpoint's connections, for the life of a process."""

    def __init__(self, address: Address, *, connections: int) -> None:
        """Raises: CallFailed when the address is none."""
        self.address = address
        self._http = openai.DefaultAioHttpClient(
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            event_hooks={"request": [_strip], "response": [_bound]},
            headers={"accept-encoding": "identity"},
        )
        key = {"Authorization": f"Bearer {address.api_key or 'none'}"}
        try:
            self._openai = openai.AsyncOpenAI(
                base_url=address.base_url, api_key=address.api_key or "none", http_client=self._http, max_retries=0,
                default_headers=key,
            )  # fmt: skip
        except (ValueError, httpx2.InvalidURL) as error:
            raise CallFailed(PERMANENT, f"{address.base_url} is no address: {error}") from None

    async def ask(self, request: bytes | Mapping[str, Any], *, timeout_s: float) -> Reply:
        """Make one call; a request that is encoded already goes out as it is. Raises: CallFailed."""
        started = time.perf_counter()
        body = request if isinstance(request, bytes) else orjson.dumps(request)
        try:
            async with asyncio.timeout(timeout_s):
                # Below `chat.completions.create`, which spends twice as long on types that are not looked at here.
                response = await self._openai.post(
                    "/chat/completions", content=body, options=_JSON, cast_to=httpx2.Response
                )
        except TimeoutError:
            raise CallFailed(TIMEOUT, f"no answer within {timeout_s:g} s") from None
        except openai.APIError as error:
            raise _translated(error) from error
        except aiohttp.ClientError as error:  # such as what is no HTTP; the library lets some of them through
            raise CallFailed(TRANSIENT, f"the connection failed: {error}") from error
        except ValueError:  # it would name the key
            raise CallFailed(PERMANENT, "the key or the address has characters that cannot be sent") from None
        return _read(response.content, (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._openai.close()


_JSON: Any = {"headers": {"content-type": "application/json"}}


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends in an error rather than without an end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_BYTES:
                raise httpx2.ReadError(f"the answer is longer than {MAX_BYTES:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


_SENT = frozenset(
    ("host", "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "user-agent")
)


async def _strip(request: httpx2.Request) -> None:
    """Leave what a call takes. The library adds what it finds in `OPENAI_…` variables, and about this machine."""
    for name in request.headers.keys() - _SENT:
        del request.headers[name]


async def _bound(response: httpx2.Response) -> None:
    if "content-encoding" in response.headers:
        raise httpx2.DecodingError("the answer is compressed, though that was not asked for", request=response.request)
    response.stream = _Bounded(response.stream)


def _translated(error: openai.APIError) -> CallFailed:
    """What went wrong, as a class and a sentence that names no secret."""
    if isinstance(error, openai.APIStatusError):
        return _refused(error)
    if isinstance(error, openai.APIConnectionError):
        return _disconnected(error)
    return CallFailed(PERMANENT, f"{type(error).__name__}: {error}")


def _disconnected(error: openai.APIConnectionError) -> CallFailed:
    """By what aiohttp said: in between, everything about connections becomes a timeout."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, aiohttp.ClientError):
        cause = cause.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return CallFailed(DEPENDENCY, f"cannot connect: {cause}")
    if isinstance(cause, TimeoutError | httpx2.TimeoutException):
        return CallFailed(TIMEOUT, "the endpoint did not answer in time")
    if isinstance(cause, httpx2.UnsupportedProtocol | aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return CallFailed(PERMANENT, f"this is no address: {cause}")
    return CallFailed(TRANSIENT, f"the connection failed: {cause}")


def _refused(error: openai.APIStatusError) -> CallFailed:
    status, said = error.status_code, _said(error)
    if status == 429 and "insufficient_quota" not in (error.code, error.type):
        return CallFailed(TRANSIENT, f"429, asked too often: {said}", rest_s=_rest_s(error.response))
    if status in (408, 409, 425) or status >= 500:
        return CallFailed(TRANSIENT, f"{status}: {said}", rest_s=_rest_s(error.response))
    if status in (401, 403):
        return CallFailed(SECURITY, f"{status}, the key is refused: {said}", rest_s=MAX_REST_S)
    return CallFailed(PERMANENT, f"{status}: {said}")


def _said(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("error") or body
    return " ".join(str(body).split())[:300]


def _rest_s(response: httpx2.Response) -> float:
    """What `Retry-After` says in seconds, within bounds. The form with a date is rare, and counts as nothing."""
    try:
        return min(MAX_REST_S, max(0.0, float(response.headers.get("retry-after", "0"))))
    except ValueError:
        return 0.0


def _read(body: bytes, ms: float) -> Reply:
    """Raises: CallFailed when this is no chat completion with some content."""
    try:
        answer = orjson.loads(body)
        choice = answer["choices"][0]
        text, reason = choice["message"]["content"], str(choice.get("finish_reason") or "")
        usage = answer.get("usage") or {}
        tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CallFailed(VALIDATION, f"no chat completion came back ({type(error).__name__}: {error})") from error
    if not isinstance(text, str) or not text.strip():
        refusal = choice["message"].get("refusal")
        raise CallFailed(VALIDATION, f"the answer is empty ({refusal or reason or 'no reason given'})")
    prompt, completion = (_count(count) for count in tokens)
    return Reply(storable(text), prompt, completion, storable(reason)[:50], round(ms, 3))


def _count(tokens: object) -> int | None:
    return tokens if type(tokens) is int and 0 <= tokens < 1 << 31 else None
