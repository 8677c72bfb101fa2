"""The biquadratic lattice against its slow twin, and polynomials that it must reproduce."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import reference
from trueground.kernels import lattice


@given(
    row0=st.integers(-200, 200),
    col0=st.integers(-200, 200),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    step=st.sampled_from([8, 16, 64]),
    seed=st.integers(0, 99),
)
def test_equals_its_twin(row0, col0, height, width, step, seed):
    cell_row, cell_col = row0 // step, col0 // step
    n_rows = (row0 + height - 1) // step - cell_row + 1
    n_cols = (col0 + width - 1) // step - cell_col + 1
    nodes = np.random.default_rng(seed).normal(size=(2 * n_rows + 1, 2 * n_cols + 1))
    out = np.empty((height, width))
    lattice.biquadratic(nodes, cell_row, cell_col, float(step), row0, col0, out)
    for r, q in ((0, 0), (height - 1, width - 1), (height // 2, width // 3)):
        expected = reference.biquadratic(nodes, (cell_row, cell_col), step, row0 + r, col0 + q)
        np.testing.assert_allclose(out[r, q], expected, atol=1e-13)


def test_reproduces_a_biquadratic_polynomial():
    def f(row, col):
        return (
            1.0 + 0.01 * row - 0.02 * col + 1e-5 * row * col + 1e-6 * row**2 * col - 1e-6 * col**2
        )

    at_rows, at_cols = np.arange(-4, 5) * 32.0, np.arange(0, 7) * 32.0
    out = np.empty((100, 150))
    lattice.biquadratic(f(at_rows[:, None], at_cols[None, :]), -2, 0, 64.0, -50, 20, out)
    rows, cols = np.arange(-50, 50) + 0.5, np.arange(20, 170) + 0.5
    np.testing.assert_allclose(out, f(rows[:, None], cols[None, :]), atol=1e-12)
