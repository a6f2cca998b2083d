import pytest

from memory.embedders import Embedder, embedder
from memory.embedders.local import LocalEmbedder
from tests.contracts.embedders import EmbedderContract


class TestLocalEmbedder(EmbedderContract):
    @pytest.fixture
    def kind(self) -> Embedder:
        return embedder()


def test_the_default_is_the_local_one_loaded_once() -> None:
    assert isinstance(embedder(), LocalEmbedder)
    assert embedder() is embedder()
