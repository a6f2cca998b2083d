"""The embedder that asks an endpoint: the contract, and what happens when the endpoint does not keep to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from domains.thunderflow import breakers
from memory.embedders import Embedder, EmbeddingFailed, openai
from memory.embedders.local import LocalEmbedder
from memory.embedders.openai import OpenAIEmbedder
from tests import embedding_server as behaving
from tests.contracts.embedders import TEXTS, EmbedderContract
from tests.embedding_server import EmbeddingServer, embedding_server

pytestmark = pytest.mark.django_db
BREAKER = "embedder:openai:m"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "BACK_OFF_S", 0.01)


_made: list[OpenAIEmbedder] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def one(server: EmbeddingServer, **changes: Any) -> OpenAIEmbedder:
    values = {"base_url": server.base_url, "api_key": "k", "model": "m", "dimensions": 256, **changes}
    _made.append(OpenAIEmbedder(**values))
    return _made[-1]


@pytest.fixture
def kind(server: EmbeddingServer) -> OpenAIEmbedder:
    return one(server)


class TestOpenAIEmbedder(EmbedderContract):
    @pytest.fixture
    def kind(self, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> Embedder:
        made = one(server)
        monkeypatch.setattr(made._guard, "note", lambda fault: None)  # other threads see no test's transaction
        monkeypatch.setattr(made._guard, "resting", lambda: False)
        return made

    def test_it_needs_no_network(self, kind: Embedder) -> None:  # type: ignore[override]
        assert kind.remote

    def test_a_text_without_words_is_zero_and_never_nan(self, kind: Embedder) -> None:
        vectors = kind.embed(["", " \n", "word"])
        assert not vectors[:2].any()
        assert np.isfinite(vectors).all()


def test_what_it_sends(kind: OpenAIEmbedder, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "secret-org")
    kind.embed(["a", "", "b"])
    assert server.asked == [{"model": "m", "input": ["a", "b"], "encoding_format": "float", "dimensions": 256}]
    assert server.paths == ["/v1/embeddings"]
    assert server.headers[0]["authorization"] == "Bearer k"
    assert "secret-org" not in str(server.headers)


def test_its_vectors_are_the_endpoint_s_with_length_one(kind: OpenAIEmbedder) -> None:
    assert kind.embed(TEXTS) == pytest.approx(LocalEmbedder().embed(TEXTS), abs=1e-5)


def test_many_go_in_batches(kind: OpenAIEmbedder, server: EmbeddingServer) -> None:
    kind.embed(["x"] * 300)
    kind.embed(["y" * 10_000] * 25)
    assert [len(body["input"]) for body in server.asked] == [128, 128, 44, 10, 10, 5]


def test_a_model_of_one_length_is_asked_without(server: EmbeddingServer) -> None:
    server.behaviour = behaving.of_one_length
    kind = one(server)
    for _ in range(2):
        assert kind.embed(["a"]).shape == (1, 256)
    assert ["dimensions" in body for body in server.asked] == [True, False, False]


PASSING = {
    "too many requests": behaving.status(429),
    "a rest": behaving.status(429, Retry_After="0.02"),
    "broken": behaving.status(500),
    "a gateway": behaving.status(503),
    "no JSON": behaving.saying(b"<html>"),
    "no embeddings": behaving.saying(b'{"data": [{}]}'),
    "a list": behaving.saying(b"[]"),
    "one too few": behaving.one_too_few,
    "one too many": behaving.one_too_many,
    "NaN": behaving.with_number(float("nan")),
    "infinite": behaving.with_number(1e300),
    "text": behaving.with_number("x"),
    "null": behaving.with_number(None),
    "compressed": behaving.saying(b"x", headers={"content-encoding": "gzip"}),
    "far too long": behaving.saying(b" " * 2_000_000),
    "pointing nowhere": lambda body: behaving.sent([[0.0] * 256 for _ in body["input"]]),
}


@pytest.mark.parametrize("what", PASSING)
def test_what_passes_is_tried_again(kind: OpenAIEmbedder, server: EmbeddingServer, what: str) -> None:
    server.then(PASSING[what], PASSING[what])
    assert kind.embed(TEXTS) == pytest.approx(LocalEmbedder().embed(TEXTS), abs=1e-5)
    assert len(server.asked) == 3
    assert breakers.states([BREAKER])[BREAKER].sound


@pytest.mark.parametrize(
    ("behaviour", "error_class", "says"),
    [
        (behaving.status(400, "too long"), "validation", "HTTP 400.*too long"),
        (behaving.status(401), "security", "HTTP 401"),
        (behaving.status(404), "permanent", "HTTP 404"),
        (behaving.status(307, Location="http://127.0.0.1:1/"), "permanent", "HTTP 307"),
        (behaving.of_dimensions(128), "permanent", "its vectors have 128 dimensions, and 256 are set"),
    ],
)
def test_what_will_not_pass_is_told_at_once(
    kind: OpenAIEmbedder, server: EmbeddingServer, behaviour: Any, error_class: str, says: str
) -> None:
    server.behaviour = behaviour
    with pytest.raises(EmbeddingFailed, match=says) as failure:
        kind.embed(TEXTS)
    assert failure.value.error_class == error_class
    assert len(server.asked) == 1


def test_a_slow_one_is_not_waited_for(kind: OpenAIEmbedder, server: EmbeddingServer) -> None:
    server.behaviour = behaving.slow(5)
    started = time.monotonic()
    with pytest.raises(EmbeddingFailed, match="no answer within") as failure:
        kind.embed(["a"], within_s=0.3)
    assert failure.value.error_class == "timeout"
    assert time.monotonic() - started < 2


def test_nobody_there(server: EmbeddingServer) -> None:
    with pytest.raises(EmbeddingFailed, match="the connection failed") as failure:
        one(server, base_url="http://127.0.0.1:1/v1").embed(["a"])
    assert failure.value.error_class == "transient"


def test_a_key_that_fits_no_header_is_not_told(server: EmbeddingServer) -> None:
    with pytest.raises(EmbeddingFailed) as failure:
        one(server, api_key="hunter2\n").embed(["a"])
    assert "hunter2" not in str(failure.value)


def test_a_rest_that_is_asked_for_is_kept(kind: OpenAIEmbedder, server: EmbeddingServer) -> None:
    server.then(behaving.status(429, Retry_After="30"))
    for _ in range(3):
        with pytest.raises(EmbeddingFailed):
            kind.embed(["a"], within_s=1)
    assert len(server.asked) == 1, "nothing more is sent within these 30 seconds"
    assert breakers.states([BREAKER])[BREAKER].sound, "who is asked too often is not broken"


def test_one_that_fails_over_and_over_is_left_alone_by_all(kind: OpenAIEmbedder, server: EmbeddingServer) -> None:
    server.behaviour = behaving.status(500)
    with pytest.raises(EmbeddingFailed):
        kind.embed(["a"])
    asked = len(server.asked)
    assert asked == 5
    assert breakers.states([BREAKER])[BREAKER].state == breakers.OPEN
    server.behaviour = behaving.good
    for another in (kind, one(server)):
        with pytest.raises(EmbeddingFailed, match="left alone") as failure:
            another.embed(["a"])
        assert failure.value.error_class == "dependency"
    assert len(server.asked) == asked
    breakers.reset(BREAKER, by="tests")
    assert one(server).embed(["a"]).any()


def test_a_refused_text_is_not_the_endpoint_s_fault(kind: OpenAIEmbedder, server: EmbeddingServer) -> None:
    server.behaviour = behaving.status(400)
    for _ in range(8):
        with pytest.raises(EmbeddingFailed):
            kind.embed(["a"])
    assert breakers.states([BREAKER])[BREAKER].sound
