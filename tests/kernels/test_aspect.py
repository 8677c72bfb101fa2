"""Differences by the direction of slopes, against twins in whole arrays."""

from __future__ import annotations

import numpy as np
import pytest

from trueground.coreg.medians import NEAR_MEDIAN, median_influence
from trueground.kernels import aspect

COUNT = 24
FLAT = 1e-6


def slopes(number=3000, *, seed=0, empty=()):
    """Slopes of all directions but those of some bins, every fiftieth flat."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0.0, 0.3, (2, number))
    steepness, bins = np.empty(number), np.empty(number, dtype=np.int16)
    aspect.directions(x, y, COUNT, steepness, bins)
    steepness[::50] = 0.0
    steepness[np.isin(bins, empty)] = 0.0
    return x, y, steepness, bins


def binned(steepness, bins):
    number = steepness.size
    use, left = np.empty(number, dtype=np.intp), np.empty(number)
    rank, solve = np.empty(number, dtype=np.int16), np.empty((2, COUNT))
    size, filled, *ends = aspect.binned(steepness, bins, COUNT, FLAT, use, left, rank, solve)
    return use[:size], left[:size], rank[:size], solve[:, :filled].copy(), ends


@pytest.mark.parametrize("empty", [(), (0, 5, 6, 23)])
def test_bins_and_their_solution(empty):
    *_, steepness, bins = slopes(empty=empty)
    use, left, rank, solve, ends = binned(steepness, bins)
    np.testing.assert_array_equal(use, np.flatnonzero(steepness > FLAT))
    np.testing.assert_array_equal(left, steepness[use])
    filled, want = np.unique(bins[use], return_inverse=True)
    np.testing.assert_array_equal(rank, want)
    angle = ((filled + 0.5) / COUNT - 0.5) * 2.0 * np.pi
    design = np.stack([-np.cos(angle), -np.sin(angle), np.ones_like(angle)])
    assert solve == pytest.approx(np.linalg.pinv(design.T)[:2], abs=1e-12)
    assert ends == pytest.approx(np.linalg.eigvalsh(design @ design.T)[[0, -1]], abs=1e-12)


def influence_twin(dh, weight, use, steepness, rank, rise, solve, medians, middle):
    """What `aspect.influence` fills."""
    known = np.isfinite(rise).all(axis=0)
    some = known[use]
    count = np.bincount(rank[some], steepness[some], minlength=solve.shape[1])
    answers = np.stack([-np.bincount(rank[some], r[use][some], count.size) for r in rise])
    answers = answers / np.where(count > 0.0, count, np.inf)
    back = np.linalg.pinv(solve @ answers.T) @ solve
    score = median_influence(
        (dh[use] - middle) / steepness - medians[rank], rank.astype(np.intp), weight[use]
    )
    out = np.zeros((dh.size, 3))
    out[use, :2] = (back[:, rank] * score).T
    out[:, 2] = median_influence(dh - middle, np.zeros(dh.size, dtype=np.intp), weight)
    hang = np.eye(3)
    hang[:2, 2] = back @ (np.bincount(rank) / np.bincount(rank, steepness))
    hang[2, :2] = -rise[:, known].mean(axis=1)
    return out @ np.linalg.inv(hang).T


@pytest.mark.parametrize("rises", ["some", "all", "one way", "none"])
def test_influence(rises):
    rng = np.random.default_rng(1)
    x, y, slope, bins = slopes(seed=1, empty=(3,))
    use, steepness, rank, solve, _ = binned(slope, bins)
    dh, weight = rng.normal(0.2, 1.0, x.size), rng.random(x.size)
    rise = np.stack([x, y]) + rng.normal(0.0, 0.1, (2, x.size)) + 0.05
    if rises == "some":
        rise[:, 1::3] = np.nan
        rise[1, 5] = np.nan
    elif rises == "one way":
        rise[1] = 2.0 * rise[0]
    elif rises == "none":
        rise[:] = 0.0
    middle = float(np.median(dh))
    scaled = (dh[use] - middle) / steepness
    medians = np.array([np.median(scaled[rank == k]) for k in range(solve.shape[1])])
    out = np.empty((dh.size, 3))
    aspect.influence(
        dh - middle, weight, scaled - medians[rank], weight[use], use, steepness, rank, *rise, solve,
        NEAR_MEDIAN, out,
    )  # fmt: skip
    want = influence_twin(dh, weight, use, steepness, rank, rise, solve, medians, middle)
    assert out == pytest.approx(want, rel=1e-9, abs=1e-12 * np.abs(want).max())


def test_what_slopes_have_in_common():
    rng = np.random.default_rng(2)
    one = rng.normal(0.1, 0.3, (2, 900))
    two = one + rng.normal(0.0, [[0.1], [1.0]], (2, 900))
    two[0, ::7] = np.nan
    two[1, 3] = np.inf
    number, common, spread, *way = aspect.in_common(*one, *two)
    known = np.isfinite(two).all(axis=0)
    assert number == known.sum()
    one, two = one[:, known], two[:, known]
    both = np.cov(one, two, ddof=0)[:2, 2:]
    values, ways = np.linalg.eigh((both + both.T) / 2.0)
    assert common == pytest.approx(values[0], rel=1e-9)
    assert abs(way @ ways[:, 0]) == pytest.approx(1.0, rel=1e-9)
    assert spread == pytest.approx((ways[:, 0] @ one).std() * (ways[:, 0] @ two).std(), rel=1e-9)


def test_nothing_known_in_common():
    one = np.ones(5)
    assert aspect.in_common(one, one, np.full(5, np.nan), one)[0] == 0
