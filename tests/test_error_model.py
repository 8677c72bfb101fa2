"""The error as a function of slope and others: what was put in comes out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from simulated_fields import raster
from trueground.engine import Serial, Threads
from trueground.error_model import ErrorModel, Standardised
from trueground.errors import FitError, InputError
from trueground.grid import Window
from trueground.raster import ArrayRaster
from trueground.stats import nmad
from trueground.subsample import subsample

SHAPE = (400, 420)


def scene(seed=0):
    """A difference whose error is 0.5 m + 0.06 m a degree of slope + 0.3 m a unit of curvature."""
    rng = np.random.default_rng(seed)
    slope = np.abs(rng.normal(0.0, 15.0, SHAPE))
    curvature = rng.exponential(1.0, SHAPE)
    sigma = 0.5 + 0.06 * slope + 0.3 * curvature
    return slope, curvature, sigma, sigma * rng.normal(size=SHAPE)


def test_sigma_of_slope_is_recovered():
    slope, _, _, _ = scene()
    sigma = 0.5 + 0.06 * slope
    dh = sigma * np.random.default_rng(1).normal(size=SHAPE)
    model = ErrorModel.fit(raster(dh), {"slope": raster(slope)}, bins=15)
    at = np.linspace(2.0, 30.0, 15)
    # 11,000 cells a bin: their NMAD is 1 % off by chance
    np.testing.assert_allclose(model.sigma(slope=at), 0.5 + 0.06 * at, rtol=0.04)
    assert model.scale == pytest.approx(1.0, abs=0.02)


def test_sigma_of_two_variables_is_recovered():
    slope, curvature, _, dh = scene()
    model = ErrorModel.fit(raster(dh), {"slope": raster(slope), "curvature": raster(curvature)})
    assert model.shape == (10, 10)
    a, b = np.meshgrid([5.0, 10.0, 20.0], [0.3, 1.0, 1.8])
    np.testing.assert_allclose(
        model.sigma(slope=a, curvature=b), 0.5 + 0.06 * a + 0.3 * b, rtol=0.1
    )  # 1,700 cells a bin: 2.5 %, and bins are wide


def test_standardised_residuals_have_nmad_one():
    slope, curvature, sigma, dh = scene()
    variables = {"slope": raster(slope), "curvature": raster(curvature)}
    model = ErrorModel.fit(raster(dh), variables)
    error = model.apply(variables)
    left = Standardised(difference=raster(dh), error=error)
    assert nmad(left.read(left.grid.window)[0].astype(np.float64)) == pytest.approx(1.0, abs=1e-5)
    ratio = error.read(error.grid.window)[0] / sigma
    assert np.quantile(np.abs(ratio - 1.0), 0.9) < 0.12


def test_blunders_do_not_move_it():
    slope, _, _, dh = scene()
    clean = ErrorModel.fit(raster(dh), {"slope": raster(slope)})
    dh[np.random.default_rng(2).random(SHAPE) < 0.03] += 300.0
    dirty = ErrorModel.fit(raster(dh), {"slope": raster(slope)})
    np.testing.assert_allclose(dirty.values, clean.values, rtol=0.1)


def test_nearest_beyond_the_bins_and_nan_for_nan():
    slope, _, _, dh = scene()
    model = ErrorModel.fit(raster(dh), {"slope": raster(slope)})
    found = model.sigma(slope=[-5.0, 500.0, np.nan])
    assert found[0] == model.values[0]
    assert found[1] == model.values[-1]
    assert np.isnan(found[2])
    error = model.apply({"slope": raster(np.where(slope > 20.0, np.nan, slope))})
    np.testing.assert_array_equal(np.isnan(error.read(error.grid.window)[0]), slope > 20.0)


def test_blocks_threads_and_windows():
    slope, _, _, dh = scene()
    dh[50:90] = np.nan
    variables = {"slope": raster(slope)}
    one = ErrorModel.fit(raster(dh), variables, samples=20_000, engine=Serial())
    assert one == ErrorModel.fit(raster(dh), variables, samples=20_000, engine=Threads(3))
    assert one != ErrorModel.fit(raster(dh), variables, samples=20_000, seed=1)
    error = one.apply(variables)
    whole = error.read(error.grid.window)
    part = Window(30, 40, 50, 60)
    np.testing.assert_array_equal(error.read(part)[0], whole[0][part.slices_in(error.grid.window)])
    assert np.isnan(error.read(Window(-2, -2, 3, 3))[0, 0, 0])


def test_subsample_is_the_same_for_all_blocks():
    values = raster(np.random.default_rng(0).normal(size=(200, 210)))
    found = [
        subsample([values], 500, engine=engine, block_size=size)
        for engine, size in ((Serial(), 1024), (Serial(), 19), (Threads(3), 50))
    ]
    for other in found[1:]:
        for name in ("row", "col", "values", "rank"):
            np.testing.assert_array_equal(getattr(found[0], name), getattr(other, name))
    assert found[0].rank.size == 500
    np.testing.assert_array_equal(found[0].values[0], values.array[0, found[0].row, found[0].col])
    assert subsample([values], 10**6).rank.size == 200 * 210


def test_masked_cells_do_not_count():
    slope, _, _, dh = scene()
    bad = np.zeros(SHAPE, dtype=bool)
    bad[:, 200:] = True
    dh = np.where(bad, 50.0 * dh, dh)
    valid = ArrayRaster(array=(~bad).astype(np.uint8), grid=raster(dh).grid)
    model = ErrorModel.fit(raster(dh), {"slope": raster(slope)}, valid=valid)
    assert max(model.values) < 5.0
    assert sum(model.counts) == 400 * 200


def test_values_that_repeat_and_thin_bins():
    """Flat ground has slope 0 in most cells; a corner of the table may hold none."""
    rng = np.random.default_rng(0)
    slope = np.where(rng.random(SHAPE) < 0.6, 0.0, rng.uniform(1.0, 40.0, SHAPE))
    same = slope * 2.0 + 1.0  # all cells lie on the diagonal of the table
    dh = (0.4 + 0.05 * slope) * rng.normal(size=SHAPE)
    model = ErrorModel.fit(raster(dh), {"a": raster(slope), "b": raster(same)})
    assert np.isfinite(model.values).all()
    assert 0 in model.counts
    # The lowest bin also has the gentlest slopes, up to 10 degrees.
    assert float(model.sigma(a=0.0, b=1.0)) == pytest.approx(0.4, rel=0.1)
    constant = ErrorModel.fit(raster(dh), {"a": raster(np.ones(SHAPE))})
    assert constant.shape == (1,)
    assert float(constant.sigma(a=7.0)) == pytest.approx(nmad(dh.ravel()), rel=1e-6)


def test_without_variables_it_is_the_nmad():
    dh = scene()[3]
    model = ErrorModel.fit(raster(dh), {})
    assert float(model.sigma()) == pytest.approx(nmad(dh.astype(np.float32).ravel()), rel=1e-6)
    error = model.apply({}, grid=raster(dh).grid)
    assert error.read(Window(0, 0, 2, 2)).shape == (1, 2, 2)
    with pytest.raises(InputError, match="no grid of its own"):
        model.apply({})


def test_json_there_and_back():
    slope, curvature, _, dh = scene()
    model = ErrorModel.fit(raster(dh), {"slope": raster(slope), "c": raster(curvature)})
    assert ErrorModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model


def test_errors():
    slope, _, _, dh = scene()
    model = ErrorModel.fit(raster(dh), {"slope": raster(slope)})
    with pytest.raises(InputError, match="the model is of slope"):
        model.sigma(aspect=3.0)
    with pytest.raises(InputError, match="the model is of slope"):
        model.apply({"aspect": raster(slope)})
    with pytest.raises(InputError, match=r"warp\.on_grid"):
        ErrorModel.fit(raster(dh), {"slope": raster(slope[:-1])})
    with pytest.raises(InputError, match="0 bins"):
        ErrorModel.fit(raster(dh), {}, bins=0)
    with pytest.raises(FitError, match="at least 200"):
        ErrorModel.fit(raster(dh[:10, :10]), {"slope": raster(slope[:10, :10])})
    with pytest.raises(FitError, match="whose differences scatter"):
        ErrorModel.fit(raster(np.zeros(SHAPE)), {"slope": raster(slope)})
    with pytest.raises(InputError, match="each bin needs one"):
        ErrorModel(names=("a",), centres=((1.0, 2.0),), values=(1.0,), counts=(5,), scale=1.0)
