"""Differences of rasters, whatever their grids."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pyproj import CRS, Transformer

from known_terrain import ORIGIN, UTM33, dem, grid
from trueground.difference import Difference, check_overlap
from trueground.errors import InputError, OverlapError, ProjectionError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster


def test_first_minus_second():
    on = grid((30, 40))
    one, two = dem(on, holes=0.1, seed=1), dem(on, (0, 0, 3.0), holes=0.1, seed=2)
    difference = Difference(first=one, second=two)
    out = difference.read(on.window)
    np.testing.assert_array_equal(out, one.array - two.array)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(one.array) | np.isnan(two.array))
    np.testing.assert_allclose(out[np.isfinite(out)], 3.0, atol=2e-4)  # float32 at 600 m
    assert (difference.grid, difference.count, difference.dtype) == (on, 1, np.float32)
    assert math.isnan(difference.nodata)


def test_itself_minus_itself_is_zero():
    one = dem(grid((30, 40)))
    assert (Difference(first=one, second=one).read(one.grid.window) == 0.0).all()


def test_on_another_grid():
    on, other = grid((60, 70)), grid((80, 90), 17.0, origin=(ORIGIN[0] - 40, ORIGIN[1] + 33))
    difference = Difference(first=dem(on), second=dem(other), resampling="cubic")
    out = difference.read(on.window.pad(-5))
    assert np.abs(out).max() < 5e-3  # cubic interpolation of waves from 500 m on
    assert difference.grid == on


def test_in_another_system():
    on = grid((100, 110))
    crs = CRS.from_epsg(32632)
    bounds = Transformer.from_crs(UTM33, crs, always_xy=True).transform_bounds(*on.bounds)
    other = Grid.covering(bounds, 20.0, crs=crs)
    out = Difference(first=dem(on), second=dem(other), resampling="cubic").read(on.window.pad(-5))
    assert np.abs(out[np.isfinite(out)]).max() < 5e-3
    assert np.isfinite(out).mean() > 0.9


def test_where_one_ends_there_is_no_data():
    on = grid((40, 50))
    left = dem(grid((40, 20)))
    out = Difference(first=dem(on), second=left).read(Window(-2, 0, 10, 50))[0]
    assert np.isnan(out[:2]).all()
    assert np.isfinite(out[2:, :20]).all()
    assert np.isnan(out[2:, 20:]).all()


def test_integers_are_subtracted_as_real_numbers():
    on = grid((2, 2))
    one = ArrayRaster(array=np.array([[1, 2], [3, 0]], dtype=np.uint8), grid=on, nodata=0)
    two = ArrayRaster(array=np.array([[5, 1], [1, 1]], dtype=np.uint8), grid=on)
    out = Difference(first=one, second=two).read(on.window)[0]
    np.testing.assert_array_equal(out, [[-4, 1], [2, np.nan]])


def test_bands_are_subtracted_one_by_one_and_must_be_as_many():
    on = grid((3, 3))
    two = ArrayRaster(array=np.ones((2, 3, 3), dtype=np.float32), grid=on)
    three = ArrayRaster(array=np.ones((3, 3, 3), dtype=np.float32), grid=on)
    assert Difference(first=two, second=two).read(on.window).shape == (2, 3, 3)
    with pytest.raises(InputError, match="2 and 3 bands"):
        Difference(first=two, second=three)


def test_no_overlap_names_both_bounds():
    far = dem(grid((30, 30), origin=(ORIGIN[0] + 1e5, ORIGIN[1])))
    with pytest.raises(OverlapError, match=r"500000, 7999400, 500600, 8000000 and 600000, 7999400"):
        Difference(first=dem(grid((30, 30))), second=far)
    touching = dem(grid((30, 30), origin=(ORIGIN[0] + 600, ORIGIN[1])))
    with pytest.raises(OverlapError):
        check_overlap(dem(grid((30, 30))), touching)


def test_one_without_crs():
    with pytest.raises(ProjectionError, match="gdal_edit"):
        Difference(first=dem(grid((30, 30))), second=dem(grid((30, 30), crs=None), system=None))
