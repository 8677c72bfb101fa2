"""Sums of splines by the kernel against the functions themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueground.coreg.blocks.bases import Basis


@given(
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)), seed=st.integers(0, 1000),
    ends=st.booleans(),
)  # fmt: skip
def test_sums_are_those_of_the_functions(cells: tuple[int, int], seed: int, ends: bool) -> None:
    rng = np.random.default_rng(seed)
    basis = Basis(kind="smooth", cells=cells)
    coefficients = rng.normal(size=(3, basis.size))
    u, v = rng.random((2, 50))
    if ends:
        u[:4], v[:4] = (0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0)
        u[4:] = np.round(u[4:] * cells[0]) / cells[0]  # on knots
    found = basis.sum_at(u, v, coefficients)
    assert found == pytest.approx(coefficients @ basis.at(u, v).T, abs=1e-12)
