"""Kernels on bands against the same on whole matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bands import whole
from trueground.kernels import band

SIZES = st.integers(1, 40)
WIDTHS = st.integers(0, 12)
SEEDS = st.integers(0, 1000)


def firm(size, width, seed):
    """The band of a positive definite matrix, nothing of which lies below its last row."""
    rng = np.random.default_rng(seed)
    out = rng.normal(size=(size, width + 1))
    for j in range(size):
        out[j, size - j :] = 0.0
    out[:, 0] = np.abs(whole(out)).sum(axis=0) + 0.5
    return out


def rooted(known, bending, stiffness):
    out = np.full((len(known), known.shape[1] + band.PADDING), np.nan)
    return out, band.root(known, bending, stiffness, out)


def seen(size, number, rng):
    """Columns in ascending order, and how much of each."""
    columns = np.stack(
        [np.sort(rng.choice(size, min(size, 3), replace=False)) for _ in range(number)]
    )
    return columns, rng.normal(size=columns.shape)


def dense(columns, shares, size):
    out = np.zeros((len(columns), size))
    np.put_along_axis(out, columns, shares, axis=1)
    return out


@given(size=SIZES, seed=SEEDS)
def test_normal_matrix_is_that_of_the_whole_design(size, seed):
    rng = np.random.default_rng(seed)
    columns, shares = seen(size, 30, rng)
    weights, values = rng.random(30), rng.normal(size=30)
    found, right = np.zeros((size, size)), np.zeros(size)
    band.normal(columns, shares, weights, values, found, right)
    design = dense(columns, shares, size)
    np.testing.assert_allclose(whole(found), design.T @ (weights[:, None] * design), atol=1e-12)
    np.testing.assert_allclose(right, design.T @ (weights * values), atol=1e-12)


@given(size=SIZES, width=WIDTHS, narrow=WIDTHS, seed=SEEDS)
def test_root_is_that_of_cholesky(size, width, narrow, seed):
    known, bending = firm(size, width, seed), firm(size, min(narrow, width), seed + 1)
    found, logarithms = rooted(known, bending, 0.3)
    expected = np.linalg.cholesky(whole(known) + 0.3 * whole(bending))
    np.testing.assert_allclose(np.tril(whole(found)), expected, atol=1e-12)
    assert logarithms == pytest.approx(np.log(np.diagonal(expected)).sum(), abs=1e-12)


@given(size=SIZES, width=WIDTHS, seed=SEEDS)
def test_solution_solves(size, width, seed):
    matrix = firm(size, width, seed)
    right = np.random.default_rng(seed).normal(size=size)
    lower, _ = rooted(matrix, matrix, 0.0)
    found = np.empty(size)
    energy = band.forward(lower, right, found)
    band.backward(lower, found)
    np.testing.assert_allclose(whole(matrix) @ found, right, atol=1e-12)
    assert energy == pytest.approx(right @ found)


@given(size=SIZES, width=WIDTHS, seed=SEEDS)
def test_inverse_is_that_of_the_whole_within_the_band(size, width, seed):
    matrix = firm(size, width, seed)
    found = np.full(matrix.shape, np.nan)
    band.inverse(rooted(matrix, matrix, 0.0)[0], found)
    near = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) <= width
    expected = np.where(near, np.linalg.inv(whole(matrix)), 0.0)
    np.testing.assert_allclose(whole(found), expected, atol=1e-12)
    assert np.isfinite(found).all()


@given(size=SIZES, seed=SEEDS)
def test_forms_are_those_of_the_whole(size, seed):
    columns, shares = seen(size, 30, np.random.default_rng(seed))
    matrix, found = firm(size, size - 1, seed), np.empty(30)
    band.forms(columns, shares, matrix, found)
    design = dense(columns, shares, size)
    np.testing.assert_allclose(found, np.sum((design @ whole(matrix)) * design, axis=1), atol=1e-9)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
@pytest.mark.parametrize("at", range(6))
def test_what_has_no_root_gives_nothing_finite(bad, at):
    matrix = firm(6, 2, 0)
    matrix[at, 0] = bad
    assert not np.isfinite(rooted(matrix, matrix, 0.0)[1])
