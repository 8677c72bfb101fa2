"""Eigenvalues of small matrices against LAPACK's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueground.kernels import symmetric


def eigen(matrix):
    values, vectors = np.empty(len(matrix)), np.empty(matrix.shape)
    symmetric.eigen(matrix.copy(), values, vectors)
    return values, vectors


@given(size=st.integers(1, 9), rank=st.integers(0, 9), seed=st.integers(0, 10_000))
def test_eigenvalues_are_those_of_lapack(size, rank, seed):
    root = np.random.default_rng(seed).normal(size=(size, rank))
    matrix = root @ root.T
    values, vectors = eigen(matrix)
    scale = max(np.abs(matrix).max(), 1.0)
    assert values == pytest.approx(np.linalg.eigvalsh(matrix), abs=1e-13 * size * scale)
    assert vectors.T @ vectors == pytest.approx(np.eye(size), abs=1e-13 * size)
    assert vectors * values @ vectors.T == pytest.approx(matrix, abs=1e-13 * size * scale)


def test_units_that_differ_much():
    size = np.array([1e6, 1.0, 1e-6])
    matrix = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 1.0]]) * np.outer(size, size)
    values, vectors = eigen(matrix)
    # The determinant is known to all its digits: so is the least eigenvalue.
    assert np.prod(values) == pytest.approx(1.59, rel=1e-12)
    assert vectors * values @ vectors.T == pytest.approx(matrix, rel=1e-12)


def test_what_is_no_number_ends():
    values, _ = eigen(np.full((3, 3), np.nan))
    assert np.isnan(values).all()


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 6), inner=st.integers(0, 6))
def test_products(seed, rows, inner):
    rng = np.random.default_rng(seed)
    root, middle, values = (
        rng.normal(size=(rows, inner)),
        rng.normal(size=(inner, inner)),
        rng.normal(size=rows),
    )
    out = np.empty((rows, rows))
    symmetric.between(root, middle, out)
    assert out == pytest.approx(root @ middle @ root.T, abs=1e-12)
    vectors = rng.normal(size=(rows, rows))
    symmetric.made_of(vectors, values, out)
    assert out == pytest.approx(vectors * values @ vectors.T, abs=1e-12)
