"""An endpoint that speaks the embeddings API, and misbehaves as told: `with embedding_server() as server: …`.

Its vectors are the local embedder's, cut or filled up to what is asked for.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from memory.embedders.local import LocalEmbedder


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] | None = None
    after_s: float = 0.0


Behaviour = Callable[[dict[str, Any]], Answer]
"""Decides how the body of a request is answered."""


class EmbeddingServer:
    """What a test holds: tell it how to behave, and look at what it was asked."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = good
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.port = 0
        self._next: deque[Behaviour] = deque()
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        """As it is set."""
        return f"http://127.0.0.1:{self.port}/v1"

    def then(self, *behaviours: Behaviour) -> None:
        """How to answer the next requests, one each."""
        self._next.extend(behaviours)

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        """Answer as told."""
        with self._lock:
            self.asked.append(body)
            self.headers.append(headers)
            self.paths.append(path)
            behaviour = self._next.popleft() if self._next else self.behaviour
        return behaviour(body)


@contextmanager
def embedding_server(behaviour: Behaviour | None = None) -> Iterator[EmbeddingServer]:
    """A server on a free port of this machine, gone at the end."""
    server = EmbeddingServer()
    server.behaviour = behaviour or good

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = server.answer(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            time.sleep(answer.after_s)
            try:
                self.send_response(answer.status)
                for name, value in (answer.headers or {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except ConnectionError:
                self.close_connection = True  # who asked has gone

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    httpd = Quiet(("127.0.0.1", 0), Handler)
    server.port = httpd.server_address[1]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(10)


# --- Behaviours ----------------------------------------------------------------------------------------------


def vectors(body: dict[str, Any], *, dimensions: int | None = None) -> list[list[float]]:
    """What a good endpoint would find: not of length 1, as some have them."""
    wanted = dimensions or body.get("dimensions") or 256
    found = LocalEmbedder().embed(body["input"])
    filled = np.pad(found, ((0, 0), (0, max(0, wanted - found.shape[1]))))[:, :wanted]
    return [[float(f"{value:.7g}") for value in row] for row in (filled * 3).tolist()]


def sent(found: list[Any], **changes: Any) -> Answer:
    """An answer with these vectors, the last first, as their places say."""
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(found)]
    return Answer(json.dumps({"object": "list", "data": data[::-1], "model": "m", **changes}).encode())


def good(body: dict[str, Any]) -> Answer:
    """Answers as it should."""
    if not body["input"] or "" in body["input"]:
        return refusing(400, "input cannot be empty")(body)
    return sent(vectors(body))


def status(code: int, said: str = "no", **headers: str) -> Behaviour:
    """Refuses with a status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda body: Answer(json.dumps({"error": {"message": said}}).encode(), code, named)


def refusing(code: int, said: str) -> Behaviour:
    """The same."""
    return status(code, said)


def slow(seconds: float) -> Behaviour:
    """Takes its time."""

    def answer(body: dict[str, Any]) -> Answer:
        whole = good(body)
        return Answer(whole.body, after_s=seconds)

    return answer


def saying(body: bytes, **how: Any) -> Behaviour:
    """Sends this, whatever was asked."""
    return lambda _: Answer(body, **how)


def of_dimensions(count: int) -> Behaviour:
    """Vectors of another length than asked for."""
    return lambda body: sent(vectors(body, dimensions=count))


def one_too_few(body: dict[str, Any]) -> Answer:
    """A vector is missing."""
    return sent(vectors(body)[:-1])


def one_too_many(body: dict[str, Any]) -> Answer:
    """There is a vector too many."""
    found = vectors(body)
    return sent([*found, found[0]])


def with_number(value: Any) -> Behaviour:
    """The last vector has this in place of a number."""

    def answer(body: dict[str, Any]) -> Answer:
        found: list[Any] = vectors(body)
        found[-1] = [value, *found[-1][1:]]
        return sent(found)

    return answer


def not_of(word: str) -> Behaviour:
    """Refuses all requests that have a text with this word."""

    def answer(body: dict[str, Any]) -> Answer:
        if any(word in text for text in body["input"]):
            return refusing(400, "the input is too long")(body)
        return good(body)

    return answer


def of_one_length(body: dict[str, Any]) -> Answer:
    """A model that knows no other dimensions than its own."""
    if "dimensions" in body:
        return refusing(400, "this model does not support dimensions")(body)
    return sent(vectors(body, dimensions=256))
