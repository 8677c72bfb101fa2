"""Variograms: known fields are recovered, and the result depends on nothing but raster and seed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Geod

from simulated_fields import CORRELATED, TWO_RANGES, WHITE, fields, raster
from trueground.engine import Serial, Threads
from trueground.errors import FitError, InputError
from trueground.grid import Grid
from trueground.kernels import lag_pairs
from trueground.raster import ArrayRaster
from trueground.variogram import Variogram, class_median, ground_places
from trueground.variogram_model import Part, VariogramModel

SHAPE = (500, 520)


@pytest.mark.parametrize("estimator", ["dowd", "matheron"])
@pytest.mark.parametrize("seed", [0, 1])
def test_range_and_sill_are_recovered(estimator, seed):
    """Tolerances: one field holds some 2000 patches of 100 m; its own variance is 2 % off."""
    found = Variogram.of(raster(fields(CORRELATED, SHAPE, seed)[0]), estimator=estimator, seed=seed)
    model = VariogramModel.fit(found, kinds=("spherical",))
    longest = model.parts[-1]
    assert longest.range == pytest.approx(100.0, rel=0.1)
    assert model.sill == pytest.approx(3.5, rel=0.06)
    assert model.nugget == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("seed", [0, 1])
def test_two_ranges_are_told_apart(seed):
    """The longer range has some 70 patches in the field: a quarter off is chance."""
    found = Variogram.of(raster(fields(TWO_RANGES, SHAPE, seed)[0]), seed=seed)
    model = VariogramModel.fit(found)
    assert len(model.parts) == 2
    short, long = model.parts
    assert short.kind == "spherical"
    assert short.range == pytest.approx(80.0, rel=0.15)
    assert short.sill == pytest.approx(2.0, rel=0.15)
    assert long.range == pytest.approx(600.0, rel=0.35)
    assert long.sill == pytest.approx(1.0, rel=0.35)


def test_white_noise_has_no_range():
    found = Variogram.of(raster(fields(WHITE, SHAPE, 3)[0]))
    model = VariogramModel.fit(found)
    assert model.parts == ()
    assert model.nugget == pytest.approx(4.0, rel=0.02)
    np.testing.assert_allclose(found.semivariance, 4.0, rtol=0.05)


def test_blunders_do_not_move_dowd():
    field = fields(CORRELATED, SHAPE, 4)[0]
    clean = Variogram.of(raster(field))
    rng = np.random.default_rng(0)
    field[rng.random(field.shape) < 0.02] += 500.0
    for estimator, factor in (("dowd", 1.15), ("matheron", 100.0)):
        found = Variogram.of(raster(field), estimator=estimator)
        ratio = np.median(np.array(found.semivariance) / clean.semivariance)
        assert (ratio < factor) == (estimator == "dowd")


def test_blocks_threads_and_seeds():
    field = fields(CORRELATED, (300, 310), 5)[0]
    field[40:90, 50:200] = np.nan
    source = raster(field)
    valid = ArrayRaster(
        array=(np.indices(field.shape).sum(axis=0) % 7 > 0).astype(np.uint8), grid=source.grid
    )
    one = Variogram.of(source, valid=valid, samples=3000, engine=Serial(), block_size=1024)
    for engine, size in ((Serial(), 37), (Threads(3), 64)):
        assert one == Variogram.of(
            source, valid=valid, samples=3000, engine=engine, block_size=size
        )
    other = Variogram.of(source, valid=valid, samples=3000, seed=1)
    assert one != other
    np.testing.assert_allclose(one.semivariance[:5], other.semivariance[:5], rtol=0.2)


def test_masked_cells_do_not_count():
    field = fields(WHITE, (200, 200), 0)[0]
    field[:, 100:] *= 30.0
    source = raster(field)
    valid = np.zeros(field.shape, dtype=np.uint8)
    valid[:, :100] = 1
    found = Variogram.of(source, valid=ArrayRaster(array=valid, grid=source.grid))
    np.testing.assert_allclose(found.semivariance, 4.0, rtol=0.15)


def test_spread_is_that_of_other_seeds():
    """Ten runs tell the scatter of the estimate by the choice of cells: within a factor of two."""
    source = raster(fields(WHITE, (400, 400), 0)[0])
    found = [Variogram.of(source, samples=4000, seed=s) for s in range(12)]
    middle = slice(3, 12)
    scatter = np.std([f.semivariance[middle] for f in found], axis=0, ddof=1)
    said = np.mean([f.spread[middle] for f in found], axis=0)
    assert 0.5 < np.median(scatter / said) < 2.0


def test_degrees_are_metres_on_the_ground():
    geod = Geod(ellps="WGS84")
    grid = Grid(crs=CRS(4326), transform=Affine(1e-3, 0, 12.0, 0, -1e-3, 70.0), shape=(200, 400))
    at = ground_places(grid, [10.5, 150.5], [20.5, 380.5])
    lon, lat = grid.xy([10.5, 150.5], [20.5, 380.5])
    _, _, expected = geod.inv(lon[0], lat[0], lon[1], lat[1])
    assert np.linalg.norm(at[1] - at[0]) == pytest.approx(expected, rel=1e-5)
    noise = np.random.default_rng(0).normal(size=grid.shape)
    found = Variogram.of(ArrayRaster(array=noise, grid=grid))
    _, _, pixel = geod.inv(12.2, 69.9, 12.201, 69.9)
    assert found.lag[0] == pytest.approx(pixel, rel=0.01)


def test_feet_are_metres():
    grid = Grid(crs=CRS(2263), transform=Affine(10, 0, 9e5, 0, -10, 2e5), shape=(150, 150))
    found = Variogram.of(
        ArrayRaster(array=np.random.default_rng(0).normal(size=(150, 150)), grid=grid)
    )
    assert found.lag[0] == pytest.approx(10.0 * 1200 / 3937, rel=1e-6)


def test_kernel_against_numpy():
    rng = np.random.default_rng(0)
    points, values = rng.normal(0.0, 40.0, (300, 3)), rng.normal(0.0, 2.0, 300)
    bins, first, scale = 9, 5.0, 1.7
    counts = np.zeros((bins, lag_pairs.CLASSES), dtype=np.int64)
    sums = np.zeros((bins, 2))
    lag_pairs.accumulate(points, values, first, scale, counts, sums)
    i, j = np.tril_indices(300, -1)
    lag = np.linalg.norm(points[i] - points[j], axis=1)
    dz = values[i] - values[j]
    edges = first * 2.0 ** (np.arange(bins + 1) / 2.0)
    place = np.searchsorted(edges, lag, side="right") - 1
    for b in range(bins):
        own = place == b
        assert counts[b].sum() == own.sum()
        assert sums[b, 0] == pytest.approx(lag[own].sum())
        assert sums[b, 1] == pytest.approx((dz[own] ** 2).sum())
        if own.sum() > 500:  # classes are 1.6 % wide
            assert scale * class_median(counts[b]) == pytest.approx(
                np.median(np.abs(dz[own])), rel=0.01
            )


def test_equal_values_are_of_the_first_class():
    counts = np.zeros((4, lag_pairs.CLASSES), dtype=np.int64)
    points = np.array([[0.0, 0, 0], [1.0, 0, 0], [1e9, 0, 0]])
    lag_pairs.accumulate(points, np.array([3.0, 3.0, 1e30]), 0.9, 1.0, counts, np.zeros((4, 2)))
    assert counts[0, 0] == counts.sum() == 1
    assert class_median(counts[0]) == 0.0


def test_constant_raster():
    found = Variogram.of(raster(np.full((60, 60), 3.0)))
    assert set(found.semivariance) == {0.0}
    model = VariogramModel.fit(found)
    assert model.sill == 0.0
    with pytest.raises(InputError, match="no variance"):
        model.standardised()


def test_too_little_data():
    field = np.full((50, 50), np.nan)
    field[:5, :5] = 1.0
    with pytest.raises(FitError, match="25 cells with data: a variogram needs at least 100"):
        Variogram.of(raster(field))


def test_bad_arguments():
    source = raster(np.zeros((50, 50)))
    with pytest.raises(InputError, match="'mean' is not known"):
        Variogram.of(source, estimator="mean")
    with pytest.raises(InputError, match="longest lag -1"):
        Variogram.of(source, longest=-1.0)
    with pytest.raises(InputError, match="0 samples"):
        Variogram.of(source, samples=0)
    with pytest.raises(InputError, match=r"warp\.on_grid"):
        Variogram.of(source, valid=raster(np.zeros((40, 50))))
    with pytest.raises(InputError, match="sill -1"):
        VariogramModel(nugget=0.0, parts=(Part(kind="gaussian", range=1.0, sill=-1.0),))
    with pytest.raises(InputError, match="range 0"):
        VariogramModel(nugget=0.0, parts=(Part(kind="gaussian", range=0.0, sill=1.0),))
    with pytest.raises(InputError, match="'linear' is not known"):
        VariogramModel(nugget=0.0, parts=(Part(kind="linear", range=1.0, sill=1.0),))
    with pytest.raises(InputError, match="4 parts"):
        VariogramModel.fit(Variogram.of(raster(fields(WHITE, (60, 60), 0)[0])), parts=4)


def test_json_there_and_back():
    found = Variogram.of(raster(fields(CORRELATED, (200, 200), 0)[0]))
    model = VariogramModel.fit(found)
    assert Variogram.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert VariogramModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model


@pytest.mark.parametrize("kind", ["spherical", "exponential", "gaussian"])
def test_exact_points_give_the_model_back(kind):
    truth = VariogramModel(
        nugget=0.3,
        parts=(Part(kind=kind, range=70.0, sill=1.0), Part(kind=kind, range=900.0, sill=2.0)),
    )
    lag = 10.0 * 2.0 ** np.arange(0, 9, 0.5)
    points = Variogram(
        lag=tuple(lag.tolist()), semivariance=tuple(truth(lag).tolist()), spread=(0.0,) * lag.size,
        count=(1000,) * lag.size, estimator="dowd",
    )  # fmt: skip
    found = VariogramModel.fit(points)
    assert [p.kind for p in found.parts] == [kind, kind]
    np.testing.assert_allclose([p.range for p in found.parts], [70.0, 900.0], rtol=0.02)
    np.testing.assert_allclose(found(lag), truth(lag), rtol=0.005)


def test_standardised():
    model = TWO_RANGES.standardised()
    assert model.sill == pytest.approx(1.0)
    np.testing.assert_allclose(
        model.covariance([0.0, 50.0]), TWO_RANGES.covariance([0.0, 50.0]) / 3.5
    )
