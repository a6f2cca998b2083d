"""Embeddings from OpenAI or from whatever speaks its API (`POST …/embeddings`), over HTTP.

What goes out are the texts, the model's name and the key, to the address that is set and nowhere else (no redirects,
nothing of what the environment has for OpenAI). What comes back is bounded in size and time, and looked over.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt
import orjson

from domains.thunderflow.breakers import Guard
from domains.thunderflow.faults import DEPENDENCY, PERMANENT, SECURITY, TIMEOUT, TRANSIENT, VALIDATION
from memory.embedders import EmbeddingFailed
from memory.recall.lexicon import NOTHING

BATCH_TEXTS, BATCH_CHARACTERS = 128, 100_000
"""Most of one request; the usual limit is 2,048 texts and 300,000 tokens."""
TRIES = 5
PATIENCE_S, CALL_S = 30.0, 15.0
"""Longest for all the tries of a batch, and for one call."""
BACK_OFF_S, LONGEST_BACK_OFF_S = 0.5, 8.0
LONGEST_REST_S = 60.0
"""That an endpoint may ask to be left alone for, and be heeded."""
BYTES_A_NUMBER = 40
"""Most that a number of a vector takes; longer answers are not read."""


class _Away(EmbeddingFailed):
    """Another try may go better, after `rest_s` seconds at least. `limited`: it was asked too often, and is well."""

    def __init__(self, error_class: str, message: str, *, rest_s: float = 0.0, limited: bool = False) -> None:
        super().__init__(error_class, message)
        self.rest_s, self.limited = rest_s, limited


class OpenAIEmbedder:
    """One endpoint and model. All threads of a process share its connections, and all processes its breaker."""

    remote = True
    lexicon = NOTHING
    usual = 512

    def __init__(self, *, base_url: str, api_key: str, model: str, dimensions: int) -> None:
        self.name, self.dimensions, self._model = f"openai:{model}", dimensions, model
        self.key = f"{self.name}/{dimensions}"
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._http = httpx2.Client(
            headers={"authorization": f"Bearer {api_key or 'none'}", "accept-encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )
        self._guard, self._guarding = Guard(f"embedder:{self.name}"), threading.Lock()
        self._shortens = True
        self._rests_until = 0.0

    def embed(self, texts: Sequence[str], *, within_s: float | None = None) -> npt.NDArray[np.float32]:
        """Array `[len(texts), dimensions]` of unit rows. Needs to be outside of transactions.

        Raises: EmbeddingFailed.
        """
        found = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for places in _batches(texts):
            found[places] = self._patiently([texts[n] for n in places], within_s or PATIENCE_S)
        return found

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    # --- Trying again ----------------------------------------------------------------------------------------

    def _patiently(self, texts: list[str], within_s: float) -> npt.NDArray[np.float32]:
        """One request, tried again as long as that is of use. Raises: EmbeddingFailed."""
        deadline = time.monotonic() + within_s
        for n in range(TRIES):
            try:
                return self._guarded(texts, deadline)
            except _Away as error:
                wait = max(error.rest_s, _back_off_s(n))
                if error.limited:
                    self._rests_until = time.monotonic() + wait
                if n + 1 == TRIES or time.monotonic() + wait >= deadline:
                    raise
                time.sleep(wait)
        raise AssertionError

    def _guarded(self, texts: list[str], deadline: float) -> npt.NDArray[np.float32]:
        """One try, unless the endpoint is left alone; the breaker learns from it."""
        if (rest := self._rests_until - time.monotonic()) > 0:
            raise _Away(TRANSIENT, "it asked to be left alone for a while", rest_s=rest)
        with self._guarding:
            if self._guard.resting():
                raise EmbeddingFailed(DEPENDENCY, "it is left alone for a while: it failed repeatedly")
        fault: EmbeddingFailed | None = None
        try:
            return self._ask(texts, min(CALL_S, deadline - time.monotonic()))
        except EmbeddingFailed as error:
            fault = None if error.error_class == VALIDATION or getattr(error, "limited", False) else error
            raise
        finally:
            with self._guarding:
                self._guard.note(fault)

    # --- One call --------------------------------------------------------------------------------------------

    def _ask(self, texts: list[str], timeout_s: float) -> npt.NDArray[np.float32]:
        """Raises: EmbeddingFailed."""
        status, headers, body = self._post(texts, timeout_s)
        if status in (400, 422) and self._shortens and b"dimension" in body.lower():
            self._shortens = False  # a model of one length; what comes is measured all the same
            status, headers, body = self._post(texts, timeout_s)
        if status != 200:
            raise _refusal(status, headers, body)
        return _read(body, len(texts), self.dimensions)

    def _post(self, texts: list[str], timeout_s: float) -> tuple[int, httpx2.Headers, bytes]:
        request: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        if self._shortens:
            request["dimensions"] = self.dimensions
        most = len(texts) * self.dimensions * BYTES_A_NUMBER + 100_000
        deadline = time.monotonic() + timeout_s
        try:
            with self._http.stream(
                "POST",
                self._url,
                content=orjson.dumps(request),
                headers={"content-type": "application/json"},
                timeout=max(0.01, timeout_s),
            ) as response:
                return response.status_code, response.headers, _bounded(response, most, deadline)
        except httpx2.TimeoutException:
            raise _Away(TIMEOUT, f"no answer within {timeout_s:.3g} s") from None
        except (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL, ValueError):
            # What they say would name the key.
            raise EmbeddingFailed(PERMANENT, "the key or the address has characters that cannot be sent") from None
        except httpx2.TransportError as error:
            raise _Away(TRANSIENT, f"the connection failed: {error}") from error


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Places of the texts that have something in them, as many as fit into a request."""
    batch: list[int] = []
    size = 0
    for place, text in enumerate(texts):
        if not text.strip():
            continue
        if batch and (len(batch) == BATCH_TEXTS or size + len(text) > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += len(text)
    if batch:
        yield batch


def _back_off_s(tries: int) -> float:
    """Doubling from try to try, and never the same for two who failed together."""
    return min(LONGEST_BACK_OFF_S, BACK_OFF_S * 2.0**tries) * random.uniform(0.5, 1.0)  # noqa: S311


def _bounded(response: httpx2.Response, most: int, deadline: float) -> bytes:
    if "content-encoding" in response.headers:
        raise _Away(TRANSIENT, "the answer is compressed, though that was not asked for")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > most:
            raise _Away(TRANSIENT, f"the answer is longer than {most:,} bytes")
        if time.monotonic() > deadline:
            raise _Away(TIMEOUT, "the answer did not end in time")
    return bytes(body)


def _refusal(status: int, headers: httpx2.Headers, body: bytes) -> EmbeddingFailed:
    """What a status means, with the endpoint's own words."""
    said = f"HTTP {status}: {body[:300].decode(errors='replace')}"
    if status == 429:
        return _Away(TRANSIENT, said, rest_s=_rest_s(headers), limited=True)
    if status >= 500 or status in (408, 409, 425):
        return _Away(TIMEOUT if status in (408, 504) else DEPENDENCY, said, rest_s=_rest_s(headers))
    if status in (401, 403):
        return EmbeddingFailed(SECURITY, said)
    return EmbeddingFailed(VALIDATION if status in (400, 413, 422) else PERMANENT, said)


def _rest_s(headers: httpx2.Headers) -> float:
    """What `Retry-After` says in seconds, within bounds; the form with a date counts as nothing."""
    try:
        return min(LONGEST_REST_S, max(0.0, float(headers.get("retry-after", "0"))))
    except ValueError:
        return 0.0


def _read(body: bytes, count: int, dimensions: int) -> npt.NDArray[np.float32]:
    """The vectors of an answer, in the order of the texts, each of length 1. Raises: EmbeddingFailed."""
    try:
        data = sorted(orjson.loads(body)["data"], key=lambda one: int(one["index"]))
        vectors = [one["embedding"] for one in data]
        places = [int(one["index"]) for one in data]
        lengths = {len(vector) for vector in vectors}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _Away(TRANSIENT, f"no embeddings came back ({type(error).__name__}: {error})") from error
    if places != list(range(count)):
        raise _Away(TRANSIENT, f"{len(vectors)} vectors came back for {count} texts")
    if lengths - {dimensions}:
        wrong = max(lengths - {dimensions})
        raise EmbeddingFailed(PERMANENT, f"its vectors have {wrong} dimensions, and {dimensions} are set")
    try:
        found = np.array(vectors, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise _Away(TRANSIENT, "what came back are no vectors of numbers") from error
    if not (np.abs(found) < 1e100).all():  # NaN and infinity too
        raise _Away(TRANSIENT, "what came back are no vectors of numbers")
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    if not norms.all():
        raise _Away(TRANSIENT, "vectors came back that point nowhere")
    return (found / norms).astype(np.float32)
