"""Differences of rasters, whatever their grids."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from known_terrain import ORIGIN, UTM33, dem, grid
from trueground.difference import Difference, check_overlap
from trueground.errors import InputError, OverlapError, ProjectionError
from trueground.grid import Grid, Window
from trueground.projection import project_bounds
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


@pytest.mark.parametrize("turn", [-360.0, 0.0, 360.0])
def test_longitudes_may_be_counted_from_anywhere(turn):
    lonlat = CRS.from_epsg(4326)
    west = Grid(crs=lonlat, transform=Affine(0.01, 0, -160.0, 0, -0.01, -20.0), shape=(50, 50))
    east = Grid(
        crs=lonlat, transform=Affine(0.01, 0, -160.0 + turn, 0, -0.01, -20.0), shape=(50, 50)
    )
    one, two = (ArrayRaster(array=np.ones(g.shape, dtype="f4"), grid=g) for g in (west, east))
    for pair in ((one, two), (two, one)):
        assert not Difference(first=pair[0], second=pair[1]).read(west.window).any()


@pytest.mark.parametrize("west", [180.18, -179.82])
def test_a_utm_zone_beside_the_antimeridian(west):
    lonlat = Grid(
        crs=CRS.from_epsg(4326), transform=Affine(0.001, 0, west, 0, -0.001, -20.0), shape=(90, 90)
    )
    utm = Grid.covering(
        project_bounds(lonlat.crs, CRS.from_epsg(32701), lonlat.bounds),
        100.0,
        crs=CRS.from_epsg(32701),
    )
    one, two = (ArrayRaster(array=np.ones(g.shape, dtype="f4"), grid=g) for g in (lonlat, utm))
    check_overlap(one, two)
    check_overlap(two, one)
    far = Grid(
        crs=lonlat.crs, transform=Affine(0.001, 0, west + 1, 0, -0.001, -20.0), shape=(90, 90)
    )
    with pytest.raises(OverlapError):
        check_overlap(one, ArrayRaster(array=np.ones(far.shape, dtype="f4"), grid=far))


def test_heights_above_different_datums_are_not_subtracted(utm_grid):
    from dataclasses import replace

    from pyproj.crs import CompoundCRS

    from trueground.errors import DatumError

    egm96 = CompoundCRS("both", [utm_grid.crs, CRS.from_epsg(5773)])
    one = ArrayRaster(array=np.zeros(utm_grid.shape, np.float32), grid=replace(utm_grid, crs=egm96))
    two = ArrayRaster(
        array=np.zeros(utm_grid.shape, np.float32), grid=replace(utm_grid, crs=utm_grid.crs.to_3d())
    )
    with pytest.raises(DatumError, match="EGM96"):
        Difference(first=one, second=two)
    assert Difference(first=one, second=one).read(utm_grid.window).max() == 0.0
