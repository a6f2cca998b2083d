import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from memory.vectors import halves


@given(hnp.arrays(np.float32, (3, 8), elements=st.floats(-1, 1, width=32)))
def test_half_precision_keeps_eleven_bits(vectors: np.ndarray) -> None:
    halved = halves(vectors)
    assert halved.dtype == np.float16
    assert halved.shape == vectors.shape
    assert halved.astype(np.float32) == pytest.approx(vectors, rel=2**-11, abs=2**-24)
