"""The vertical shift is the median of reference - moving."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from known_terrain import dem, grid
from trueground.coreg import METHODS, Alignment, VerticalShift
from trueground.errors import FitError, InputError, OverlapError
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.stats import nmad


def test_the_median_of_the_difference():
    on = grid((80, 90))
    reference, moving = (
        dem(on, noise=3.0, holes=0.1, seed=1),
        dem(on, (0, 0, 5.0), noise=3.0, seed=2),
    )
    result = VerticalShift().fit(reference, moving)
    dh = (reference.array[0] - moving.array[0].astype(float)).ravel()
    dh = dh[np.isfinite(dh)]
    assert (result.shift_x, result.shift_y) == (0.0, 0.0)
    assert result.shift_z == pytest.approx(np.median(dh), abs=1e-9)
    assert result.nmad_before == result.nmad_after == pytest.approx(nmad(dh), abs=1e-9)
    assert result.samples == dh.size
    assert result.converged
    after = result.apply(moving).read(on.window)[0]
    assert np.nanmedian(reference.array[0] - after) == pytest.approx(0.0, abs=1e-4)  # float32


def test_masks_and_other_grids():
    on, other = grid((80, 90)), grid((100, 100), 23.0)
    reference, moving = dem(on), dem(other, (0, 0, -7.5))
    reference.array[0, :, 30:] += 50.0
    keep = np.zeros(on.shape, dtype=np.uint8)
    keep[:, :30] = 1
    result = VerticalShift().fit(reference, moving, valid=ArrayRaster(array=keep, grid=on))
    assert result.shift_z == pytest.approx(-7.5, abs=0.02)  # the sag of bilinear cells


def test_a_reference_in_degrees_is_fine():
    crs = CRS.from_epsg(4326)
    on = Grid(crs=crs, transform=Affine(1e-3, 0, 15, 0, -1e-3, 72), shape=(50, 50))
    flat = np.full(on.shape, 3.0, dtype=np.float32)
    result = VerticalShift().fit(
        ArrayRaster(array=flat, grid=on), ArrayRaster(array=flat + 1, grid=on)
    )
    assert result.shift_z == -1.0


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("mean", np.mean),
        ("p10", lambda dh: np.quantile(dh, 0.1)),
        ("p99.5", lambda dh: np.quantile(dh, 0.995)),
        (
            lambda dh: np.sort(dh)[: dh.size // 2].mean(),
            lambda dh: np.sort(dh)[: dh.size // 2].mean(),
        ),
    ],
    ids=["mean", "p10", "p99.5", "callable"],
)
def test_any_statistic(statistic, expected):
    on = grid((80, 90))
    reference, moving = dem(on, noise=3.0, seed=1), dem(on, (0, 0, 5.0), noise=3.0, seed=2)
    dh = (reference.array[0] - moving.array[0].astype(float)).ravel()
    result = VerticalShift(statistic=statistic).fit(reference, moving)
    assert result.shift_z == pytest.approx(expected(dh), abs=1e-9)
    assert 0.0 < result.errors[2] < 0.5
    assert result.converged
    assert isinstance(result.parameters["statistic"], str)
    assert Alignment.from_json(result.to_json()) == result


def test_percentiles_know_of_weights_and_functions_say_that_they_do_not():
    on = grid((80, 90))
    reference, moving = dem(on, noise=3.0, seed=1), dem(on, (0, 0, 5.0), noise=3.0, seed=2)
    moving.array[0, :, 45:] -= 100.0
    weights = np.full(on.shape, 1.0, dtype=np.float32)
    weights[:, 45:] = 1e-6
    given = ArrayRaster(array=weights, grid=on)
    dh = (reference.array[0] - moving.array[0].astype(float))[:, :45]
    result = VerticalShift(statistic="p25").fit(reference, moving, weights=given)
    assert result.shift_z == pytest.approx(np.quantile(dh, 0.25), abs=0.01)
    with pytest.raises(InputError, match="weights and a function"):
        VerticalShift(statistic=np.mean).fit(reference, moving, weights=given)
    with pytest.raises(InputError, match="returned nan"):
        VerticalShift(statistic=lambda dh: np.nan).fit(reference, moving)


@pytest.mark.parametrize("statistic", ["mode", "p0", "p100", "p-5", "10", ""])
def test_statistics_that_are_not_known(statistic):
    with pytest.raises(InputError, match="median, mean, a percentile"):
        VerticalShift(statistic=statistic)


def test_errors():
    on = grid((20, 20))
    nothing = ArrayRaster(array=np.full(on.shape, np.nan, dtype=np.float32), grid=on)
    with pytest.raises(FitError, match="nothing to align"):
        VerticalShift().fit(nothing, dem(on))
    with pytest.raises(OverlapError, match="in common"):
        VerticalShift().fit(dem(on), nothing)


def test_methods_have_names_and_progress():
    assert {"lzd", "nuth-kaab", "vertical-shift"} <= set(METHODS)
    on, calls = grid((20, 20)), []
    result = METHODS["vertical-shift"]().fit(dem(on), dem(on), progress=lambda *a: calls.append(a))
    assert calls == [(1, 50)]
    assert result.method == "vertical-shift"
