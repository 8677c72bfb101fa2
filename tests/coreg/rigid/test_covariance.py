"""Standard errors: against the scatter over realisations of noise, a block bootstrap, and known sums."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest
from scipy.stats import trim_mean

from known_motion import shift_of
from known_scatter import correlated, noisy_pairs, realisations, scatter
from known_terrain import grid
from simulated_fields import fields
from trueground.coreg import DhMinimize, Icp, Lzd, NuthKaab, VerticalShift
from trueground.coreg.covariance import clustered, clustered_in_groups, effective_number
from trueground.engine import Serial
from trueground.raster import ArrayRaster

PIXEL = 10.0
GRADIENT = NuthKaab(estimator="robust-gradient")
NOISES = pytest.mark.parametrize("pixels", [0, 4], ids=["white", "spherical"])


def _trimmed(dh):
    return trim_mean(dh, 0.1)


@pytest.mark.slow
@NOISES
@pytest.mark.parametrize(
    "method",
    [NuthKaab(), GRADIENT, Lzd(), VerticalShift()],
    ids=["bins", "gradient", "lzd", "median"],
)
def test_the_covariance_is_true(method, pixels):
    """Issue 5: over 300 realisations the scatter is within 0.8 to 1.25 of what is told."""
    on = grid((64, 64), PIXEL)
    ratio, independent = scatter(method, on, correlated("spherical", pixels, PIXEL), count=300)
    assert independent > 100.0
    assert ratio.size == len(method.unknowns)
    assert (ratio > 0.8).all(), ratio
    assert (ratio < 1.25).all(), ratio


@pytest.mark.slow
@NOISES
@pytest.mark.parametrize(
    "method",
    [
        Icp(),
        DhMinimize(search=4.0),
        VerticalShift(statistic="p25"),
        VerticalShift(statistic=_trimmed),
    ],
    ids=["icp", "dh-minimize", "p25", "callable"],
)
def test_the_covariance_of_other_methods_is_true(method, pixels):
    on = grid((80, 80), PIXEL)
    ratio, _ = scatter(method, on, correlated("spherical", pixels, PIXEL), count=100)
    assert (ratio > 0.75).all(), ratio  # 100 realisations know a scatter to 7 %
    assert (ratio < 1.35).all(), ratio


@pytest.mark.parametrize("method", [GRADIENT, VerticalShift()], ids=["gradient", "median"])
def test_a_block_bootstrap_says_the_same(method):
    """Blocks of 200 m, wider than what is correlated, are drawn with replacement, and all is fitted again."""
    on, side, times = grid((100, 100), PIXEL), 20, 60
    rng = np.random.default_rng(2)
    told, found = [], []
    model = correlated("spherical", 5, PIXEL)
    for reference, moving in islice(noisy_pairs(method, on, realisations(model, on)), 4):
        told.append(np.square(method.fit(reference, moving, engine=Serial()).errors))
        shifts = []
        for _ in range(times):
            drawn = np.bincount(rng.integers(0, 25, 25), minlength=25).reshape(5, 5)
            weights = np.repeat(np.repeat(drawn, side, axis=0), side, axis=1)
            counted = ArrayRaster(array=weights.astype(np.float32), grid=on)
            shifts.append(shift_of(method.fit(reference, moving, weights=counted, engine=Serial())))
        found.append(np.var(shifts, axis=0, ddof=1))
    told, found = (np.mean(v, axis=0)[list(method.unknowns)] for v in (told, found))
    ratio = np.sqrt(told / found)
    # 25 blocks know a variance to 28 %, four times together to 14 %, standard errors to 7 %; blocks lose what is
    # correlated across their borders.
    assert (ratio > 0.75).all(), ratio
    assert (ratio < 1.35).all(), ratio


@pytest.mark.parametrize(("pixels", "least"), [(0, 0.9), (10, 0.9), (40, 0.85), (80, 0.75)])
def test_sums_of_a_field_vary_as_is_told(pixels, least):
    """Its mean, and its tilt: a regression on the place, which takes more of a field that is correlated far."""
    shape, model = (200, 200), correlated("spherical", pixels, PIXEL)
    y, x = (v.ravel() - 99.5 for v in np.mgrid[:200, :200].astype(float))
    design = np.stack([np.ones(x.size), x, y])
    back = np.linalg.inv(design @ design.T) @ design
    found, told = [], []
    for seed in range(60):
        for field in fields(model, shape, seed):
            taken = back @ field.ravel()
            found.append(taken)
            told.append(np.diag(clustered((back * (field.ravel() - taken @ design)).T, x, y)))
    ratio = np.sqrt(np.mean(told, axis=0)) / np.std(found, axis=0, ddof=1)
    assert (ratio > least).all(), ratio
    assert (ratio < 1.2).all(), ratio  # 120 fields know a scatter to 7 %


def test_groups_vary_as_is_told():
    model, group = correlated("spherical", 10, PIXEL), np.arange(200 * 200) % 3
    y, x = (v.ravel() for v in np.mgrid[:200, :200].astype(float))
    found, told = [], []
    for seed in range(40):
        for field in fields(model, (200, 200), seed):
            mean = np.bincount(group, field.ravel()) / np.bincount(group)
            influence = (field.ravel() - mean[group]) / np.bincount(group)[group]
            found.append(mean)
            told.append(clustered_in_groups(influence, group, x, y))
    truth = np.cov(np.transpose(found))
    assert np.mean(told, axis=0) == pytest.approx(
        truth, rel=0.35
    )  # 80 fields know a variance to 16 %


def test_units_do_not_matter():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.0, 1.0, (2, 5000))
    influence = rng.normal(size=(5000, 3))
    scale = np.array([1e-9, 1.0, 1e6])
    plain = clustered(influence, x, y)
    scaled = clustered(influence * scale, 1e5 * x + 5e5, 1e5 * y + 8e6)
    assert scaled == pytest.approx(plain * np.outer(scale, scale), rel=1e-6)
    assert effective_number(influence, plain) == pytest.approx(5000, rel=0.4)


def test_what_is_not_known_is_said():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.0, 1.0, (2, 500))
    influence = rng.normal(size=(500, 2))
    assert clustered(influence[:5], x[:5], y[:5]) is None
    assert clustered(influence, 0.0 * x, 0.0 * y) is None
    still = clustered(influence * [1.0, 0.0], x, y)
    assert still[0, 0] > 0.0
    assert (still[1] == 0.0).all()
    assert (clustered(0.0 * influence, x, y) == 0.0).all()
    twice = clustered(influence[:, [0, 0]], x, y)
    assert twice == pytest.approx(np.full((2, 2), twice[0, 0]))


def test_reaches_that_round_off_calls_alike_are_alike():
    """The noise between two reaches is a root of a sum of waves that may come out a hair below 0."""
    rng = np.random.default_rng(0)
    for number, _ in product((20, 60, 200), range(200)):
        x, y = rng.uniform(0.0, 1000.0, (2, number))
        influence = rng.standard_t(2, (number, 3))
        influence *= np.exp(-((x - 200.0) ** 2 + (y - 300.0) ** 2) / 2e4)[:, np.newaxis]
        with np.errstate(invalid="raise"):
            found = clustered(influence, x, np.round(y / 300.0) * 300.0)
        assert found is None or np.isfinite(found).all()
