"""Values counted by row and column."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trueground.kernels import filled


@given(
    at=st.tuples(st.integers(0, 5), st.integers(0, 5)), shape=st.tuples(st.integers(0, 9), st.integers(0, 40)),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_counts(at, shape, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(14, 45)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[rng.random(values.shape) < 0.1] = -np.inf
    rows, cols = (np.full(n, -1, dtype=np.int32) for n in shape)
    total = filled.counted(values, *at, rows, cols)
    known = np.isfinite(values[at[0] : at[0] + shape[0], at[1] : at[1] + shape[1]])
    assert total == known.sum()
    np.testing.assert_array_equal(rows, known.sum(axis=1))
    np.testing.assert_array_equal(cols, known.sum(axis=0))
