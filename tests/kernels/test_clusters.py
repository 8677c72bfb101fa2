"""Covariance of sums by place, against a twin by whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueground.coreg import covariance
from trueground.kernels import clusters

SIDE = 32


def cells_twin(x, y):
    """Row and column of the lattice's cells."""
    side = max(np.ptp(x), np.ptp(y)) / SIDE
    col, row = (np.minimum((v - v.min()) // side, SIDE - 1).astype(int) for v in (x, y))
    return row, col


def covariance_twin(influence, x, y):
    """What `clustered` says it does, lag by lag."""
    row, col = cells_twin(x, y)
    size = np.sqrt((influence**2).sum(axis=0))
    values, vectors = np.linalg.eigh(influence.T @ influence / np.outer(size, size))
    root = size[:, np.newaxis] * vectors * np.sqrt(values)
    unit = np.linalg.inv(root) @ influence.T
    count = len(unit)
    sums, share = np.zeros((count, SIDE, SIDE)), np.zeros((count, count, SIDE, SIDE))
    for k, one in enumerate(unit):
        np.add.at(sums[k], (row, col), one)
        for m, other in enumerate(unit):
            np.add.at(share[k, m], (row, col), one * other)
    sums, share = sums.reshape(count, -1), share.reshape(count, count, -1)
    places = np.stack(np.mgrid[:SIDE, :SIDE]).reshape(2, -1)
    lag = np.hypot(*(p[:, np.newaxis] - p for p in places))
    reaches = covariance._REACHES
    kernels = [np.clip(2.0 - 2.0 * lag / b, 0.0, 1.0) for b in reaches]
    found = [sums @ k @ sums.T for k in kernels]

    def taken(kernel):
        return np.einsum("ijc,cd,kjd->ik", share, kernel, share, optimize=True)

    kept = [1.0 - np.trace(taken(k)) / count for k in kernels]
    trace = [np.trace(f) / max(k, 0.3) for f, k in zip(found, kept, strict=True)]

    def differ(one, other):
        noise = np.sqrt(2.0 * np.trace(taken((kernels[one] - kernels[other]) ** 2))) / count
        return abs(trace[other] - trace[one]) > 1.2 * noise * max(trace[one], trace[other])

    numbers = range(len(reaches))
    chosen = next(one for one in numbers if not any(differ(one, o) for o in numbers[one + 1 :]))
    values, vectors = np.linalg.eigh(taken(kernels[chosen]))
    good = vectors / np.sqrt(np.maximum(1.0 - values, 0.3)) @ vectors.T
    below = np.linalg.cholesky(found[0])
    ratio, ways = np.linalg.eigh(np.linalg.solve(below, np.linalg.solve(below, found[chosen]).T))
    turned = root @ good @ below @ ways
    return chosen, turned * np.maximum(ratio, 0.5) @ turned.T


@pytest.mark.parametrize(
    ("waves", "seed", "chosen"), [(0, 0, 0), (0, 1, 1), (0, 2, 7), (0, 3, 0), (0, 5, 7), (3, 0, 7)]
)
def test_covariance_is_that_of_the_sums_over_all_lags(waves, seed, chosen):
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, 1500)) * [[300.0], [200.0]]
    noise = rng.normal(size=1500)
    for k in range(waves):  # which hang together
        noise += np.sin(x / (20.0 + k) + k) * np.cos(y / (17.0 + k))
    influence = (np.stack([np.ones_like(x), x / 1e6, y]) * noise).T
    number, want = covariance_twin(influence, x, y)
    assert number == chosen
    size = np.sqrt(np.diag(want))
    found = covariance.clustered(influence, x, y) / np.outer(size, size)
    assert found == pytest.approx(want / np.outer(size, size), abs=1e-9)


@given(seed=st.integers(0, 1000), number=st.integers(2, 300))
def test_cells(seed, number):
    x, y = np.random.default_rng(seed).random((2, number)) * [[7.0], [5.0]]
    cell = np.empty(number, dtype=np.intp)
    squares = clusters.cells(x, y, SIDE, 4, cell)
    row, col = cells_twin(x, y)
    assert (cell == row * SIDE + col).all()
    assert squares == len(set(zip(row // 4, col // 4, strict=True)))


def test_one_place_has_no_cells():
    for number in (5, 1, 0):
        one = np.ones(number)
        assert clusters.cells(one, one, SIDE, 4, np.empty(number, dtype=np.intp)) == 0


def test_sums_of_every_third():
    rng = np.random.default_rng(0)
    influence, cell = rng.normal(size=(1000, 2)), rng.integers(0, SIDE**2, 1000)
    root, back, sums = np.empty((2, 2)), np.empty((2, 2)), np.empty((5, SIDE**2))
    assert clusters.gathered(influence, cell, 3, root, back, sums) == 2
    assert root @ back == pytest.approx(np.eye(2), abs=1e-12)
    few = influence[::3]
    assert root @ root.T == pytest.approx(few.T @ few)
    unit = back @ influence.T
    assert sums[:2] == pytest.approx(np.stack([np.bincount(cell, u, SIDE**2) for u in unit]))
    products = [unit[0] ** 2, unit[0] * unit[1], unit[1] ** 2]
    assert sums[2:] == pytest.approx(
        np.stack([np.bincount(cell[::3], p[::3], SIDE**2) for p in products])
    )
    assert sums[2:].sum(axis=1) == pytest.approx([1.0, 0.0, 1.0], abs=1e-12)


@pytest.mark.parametrize("number", [1000, 2 * covariance._ENOUGH])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_influence_that_is_not_known(number, bad):
    """Of one of those, too, that do not tell where the estimate has its weight."""
    rng = np.random.default_rng(0)
    influence, (x, y) = rng.normal(size=(number, 2)), rng.random((2, number))
    influence[7, 1] = bad
    assert covariance.clustered(influence, x, y) is None
