"""What every embedder keeps to. Subclass `EmbedderContract` in a test module and give it the kind as a fixture."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from memory.embedders import Embedder
from memory.models import MemoryNode

TEXTS = ["Ada mends the bridge.", "It rains.", "Brücke, 橋, 🌉", "a", "word " * 2000]


class EmbedderContract:
    """Tests shared by all kinds."""

    @pytest.fixture
    def kind(self) -> Embedder:
        raise NotImplementedError

    def test_it_says_which_model_it_is(self, kind: Embedder) -> None:
        assert ":" in kind.name
        assert kind.key == f"{kind.name}/{kind.dimensions}"
        assert len(f"refused:{kind.key}") <= MemoryNode._meta.get_field("embedder").max_length

    def test_its_vectors_fit_into_a_row(self, kind: Embedder) -> None:
        """They lie in it uncompressed, and a page is 8 KB."""
        assert 8 <= kind.dimensions <= 3072

    def test_a_long_list_comes_back_in_order(self, kind: Embedder) -> None:
        texts = [f"memory number {n}" for n in range(300)]
        together = kind.embed(texts)
        for n in (0, 127, 128, 299):
            assert kind.embed([texts[n]])[0] == pytest.approx(together[n], abs=1e-5)

    def test_it_may_be_asked_by_several_threads(self, kind: Embedder) -> None:
        expected = kind.embed(TEXTS)
        with ThreadPoolExecutor(4) as pool:
            for vectors in pool.map(kind.embed, [TEXTS] * 8):
                assert vectors == pytest.approx(expected, abs=1e-5)

    def test_it_can_be_given_a_time(self, kind: Embedder) -> None:
        assert np.array_equal(kind.embed(TEXTS, within_s=20), kind.embed(TEXTS))

    def test_there_is_one_row_a_text(self, kind: Embedder) -> None:
        for texts in ([], TEXTS[:1], TEXTS):
            vectors = kind.embed(texts)
            assert vectors.shape == (len(texts), kind.dimensions)
            assert vectors.dtype == np.float32

    def test_rows_have_length_one(self, kind: Embedder) -> None:
        assert np.linalg.norm(kind.embed(TEXTS), axis=1) == pytest.approx(1, abs=1e-5)

    def test_a_text_without_words_is_zero_and_never_nan(self, kind: Embedder) -> None:
        vectors = kind.embed(["", "word"])
        assert not vectors[0].any()
        assert np.isfinite(vectors).all()

    def test_the_same_text_has_the_same_vector_alone_and_in_company(self, kind: Embedder) -> None:
        together = kind.embed(TEXTS)
        for text, vector in zip(TEXTS, together, strict=True):
            assert kind.embed([text])[0] == pytest.approx(vector, abs=1e-5)
        assert np.array_equal(together, kind.embed(TEXTS))

    def test_meaning_lies_nearer_than_other_meaning(self, kind: Embedder) -> None:
        asked, near, far = kind.embed(
            ["where to find something to eat", "she picked berries and apples for food", "the stars were bright"]
        )
        assert asked @ near > asked @ far

    def test_any_sequence_will_do(self, kind: Embedder) -> None:
        assert np.array_equal(kind.embed(tuple(TEXTS[:2])), kind.embed(TEXTS[:2]))

    def test_it_needs_no_network(self, kind: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
        """Kinds that do need one override this test."""

        def refuse(*_: object) -> None:
            raise AssertionError("an embedder without a network reached for it")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        kind.embed(TEXTS)
