"""Values at any points: against scipy, over edges and holes, in bounded windows."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from trueground import sampling
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.sampling import sample_image, sample_surface


def _raster(array, nodata=None):
    grid = Grid(crs=None, transform=Affine(1, 0, 0, 0, -1, 0), shape=array.shape[-2:])
    return ArrayRaster(array=array, grid=grid, nodata=nodata)


class Counting:
    """A raster that remembers the windows that were read."""

    def __init__(self, source):
        self.source, self.sizes = source, []
        self.grid, self.count, self.dtype = source.grid, source.count, source.dtype
        self.nodata = source.nodata

    def read(self, window):
        self.sizes.append(window.size)
        return self.source.read(window)


def test_bilinear_equals_scipy():
    array = np.random.default_rng(0).normal(size=(50, 60)).astype(np.float32)
    rng = np.random.default_rng(1)
    row, col = rng.uniform(-2, 52, (40, 50)), rng.uniform(-2, 62, (40, 50))
    centres = np.arange(50) + 0.5, np.arange(60) + 0.5
    oracle = RegularGridInterpolator(centres, array.astype(float), bounds_error=False)
    found = sample_surface(_raster(array), row, col)
    np.testing.assert_allclose(found, oracle((row, col)), atol=1e-12)
    assert found.shape == (40, 50)
    assert np.isnan(found).any()


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
def test_nodes_are_recovered_exactly(resampling):
    array = np.random.default_rng(0).normal(size=(9, 11)).astype(np.float32)
    raster = _raster(array)
    rows, cols = raster.grid.window.pixel_centres()
    rows, cols = np.broadcast_arrays(rows, cols)
    found = sample_surface(raster, rows, cols, resampling=resampling)
    np.testing.assert_array_equal(found, array)


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(-5.0, 15.0))
def test_any_number_is_a_value_or_nan(row, col):
    raster = _raster(np.ones((10, 10), dtype=np.float32))
    for kind in ("nearest", "bilinear", "cubic"):
        found = sample_surface(raster, np.array([row]), np.array([col]), resampling=kind)
        reach = 0.0 if kind == "nearest" else 0.5
        inside = reach <= row <= 10 - reach and reach <= col <= 10 - reach
        on_end = kind == "nearest" and (row == 10 or col == 10)
        if inside and not on_end:
            assert found[0] == pytest.approx(1.0)
        elif not (reach - 1e-6 <= row <= 10 - reach + 1e-6):
            assert np.isnan(found[0])


def test_scattered_points_read_bounded_windows(monkeypatch):
    monkeypatch.setattr(sampling, "_LARGEST_WINDOW", 1000)
    monkeypatch.setattr(sampling, "_TILE", 16)
    array = np.random.default_rng(0).normal(size=(200, 300)).astype(np.float32)
    rng = np.random.default_rng(2)
    row, col = rng.uniform(-5, 205, 4000), rng.uniform(-5, 305, 4000)
    for kind in ("nearest", "bilinear", "cubic"):
        counting = Counting(_raster(array))
        found = sample_surface(counting, row, col, resampling=kind)
        assert max(counting.sizes) <= (16 + 8) ** 2
        monkeypatch.setattr(sampling, "_LARGEST_WINDOW", 1 << 30)
        np.testing.assert_array_equal(
            found, sample_surface(_raster(array), row, col, resampling=kind)
        )
        monkeypatch.setattr(sampling, "_LARGEST_WINDOW", 1000)


def test_points_outside_read_nothing():
    counting = Counting(_raster(np.ones((5, 5), dtype=np.float32)))
    far = np.array([-1.0, 6.0, np.nan, np.inf])
    assert np.isnan(sample_surface(counting, far, np.full(4, 2.0))).all()
    assert sample_surface(counting, np.empty((0, 3)), np.empty((0, 3))).shape == (0, 3)
    assert counting.sizes == []


def test_image_keeps_type_bands_and_footprint():
    array = np.random.default_rng(0).integers(1, 200, (3, 20, 30)).astype(np.uint8)
    array[:, 5:9, 6:12] = 0
    raster = _raster(array, nodata=0)
    rng = np.random.default_rng(1)
    row, col = rng.uniform(-1, 21, 3000), rng.uniform(-1, 31, 3000)
    near = sample_image(raster, row, col, fill=0, resampling="nearest")
    linear = sample_image(raster, row, col, fill=0)
    assert near.dtype == linear.dtype == np.uint8
    np.testing.assert_array_equal(near == 0, linear == 0)  # nothing bleeds, nothing shrinks
    assert (near == 0).any()
    assert linear[linear > 0].min() >= array[array > 0].min()


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_another_fill_replaces_nodata_everywhere(resampling):
    raster = _raster(np.array([[255, 9], [9, 9]], dtype=np.uint8), nodata=255)
    at = np.array([0.5, 1.5, 5.0])
    found = sample_image(raster, at, at, fill=0, resampling=resampling)
    np.testing.assert_array_equal(found, [[0, 9, 0]])


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "uint16", "int8"])
def test_largest_integers_do_not_overflow(dtype):
    info = np.iinfo(dtype)
    at = np.array([1.0])
    for value in (info.min, info.max):
        raster = _raster(np.full((2, 2), value, dtype=dtype))
        found = sample_image(raster, at, at, fill=7)[0, 0]
        # A double has 53 bits: the largest 64-bit integers are met to one part in 2**53.
        assert abs(int(found) - int(value)) <= abs(int(value)) >> 52


def test_unknown_resampling_is_refused():
    raster = _raster(np.ones((5, 5)))
    with pytest.raises(InputError, match="nearest, bilinear, cubic"):
        sample_surface(raster, np.ones(1), np.ones(1), resampling="lanczos")
    with pytest.raises(InputError, match=r"nearest, bilinear, .*, mode"):
        sample_image(raster, np.ones(1), np.ones(1), fill=0, resampling="sinc")
