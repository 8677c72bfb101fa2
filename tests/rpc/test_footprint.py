"""Outlines of images on the ground: at heights, on a DEM, across the antimeridian."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from shapely.geometry import Point, Polygon

from pushbroom import SHAPE, scene
from trueground.dem import Dem
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc.footprint import outline
from trueground.status import Status


def slope(lon, lat, *, width=0.2, hole=None, turns=0):
    """A DEM in longitude and latitude that climbs to the east, 400 x 400 cells."""
    z = np.broadcast_to(np.linspace(200.0, 1200.0, 400, dtype=np.float32), (400, 400)).copy()
    if hole is not None:
        z[hole] = np.nan
    size = width / 400
    transform = Affine(size, 0, lon - width / 2 + 360 * turns, 0, -size, lat + width / 2)
    grid = Grid(crs=CRS.from_epsg(4326), transform=transform, shape=z.shape)
    return Dem.open(ArrayRaster(array=z, grid=grid), heights="ellipsoid")


@pytest.mark.parametrize(("rows", "cols"), [(10, 3), (4000, 5000), (1, 1), (2.5, 7.5)])
def test_outline_goes_once_around_the_image(rows, cols):
    row, col = outline(rows, cols, steps=5)
    assert (row[0], col[0]) == (row[-1], col[-1]) == (0.0, 0.0)
    on_edge = (row == 0) | (row == rows) | (col == 0) | (col == cols)
    assert on_edge.all()
    ring = Polygon(np.stack([col, row], axis=1))
    assert ring.is_valid
    assert ring.area == pytest.approx(rows * cols)
    assert len({*zip(row.tolist(), col.tolist(), strict=True)}) == row.size - 1
    assert row.size <= 4 * 5 + 1


@pytest.mark.parametrize("lon", [7.0, 179.99, -179.99])
def test_footprint_holds_what_the_image_shows_and_nothing_else(lon):
    given = scene(lon, 46.0)
    found = given.rpc.footprint(*SHAPE, height=[100.0, 900.0])
    assert found.complete
    assert found.lon.shape == found.status.shape == (2, 257)
    for k, (ring, height) in enumerate(zip(found.rings, (100.0, 900.0), strict=True)):
        np.testing.assert_array_equal(ring[0], ring[-1])
        np.testing.assert_array_equal(ring[:, 2], height)
        assert np.ptp(ring[:, 0]) < 0.3  # degrees: no leap of a turn
        assert np.abs(ring[:, 0] - given.rpc.long_off).max() < 0.3
        polygon = Polygon(ring[:, :2])
        assert polygon.is_valid
        east, north = np.random.default_rng(k).uniform(-0.1, 0.1, (2, 500))
        row, col = given.rpc.project(given.rpc.long_off + east, given.rpc.lat_off + north, height)
        inside = (row > 0) & (row < SHAPE[0]) & (col > 0) & (col < SHAPE[1])
        # Between two points the edge bends by less than a pixel.
        clear = (
            (np.abs(row) > 2)
            & (np.abs(row - SHAPE[0]) > 2)
            & (np.abs(col) > 2)
            & (np.abs(col - SHAPE[1]) > 2)
        )
        held = [
            polygon.contains(Point(given.rpc.long_off + e, given.rpc.lat_off + n))
            for e, n in zip(east, north, strict=True)
        ]
        np.testing.assert_array_equal(np.array(held)[clear], inside[clear])
        assert 50 < inside.sum() < 450


@pytest.mark.parametrize("turns", [0, 1])
def test_footprint_on_a_dem_lies_on_it(turns):
    """Across the antimeridian, on a DEM that counts longitudes its own way."""
    given = scene(179.99 if turns == 0 else -179.99, 46.0)
    dem = slope(given.rpc.long_off, given.rpc.lat_off, turns=turns)
    found = given.rpc.footprint(*SHAPE, dem=dem, steps=16)
    assert found.complete
    (ring,) = found.rings
    assert ring.shape == (65, 3)
    np.testing.assert_allclose(found.height, dem.heights(found.lon, found.lat), atol=1e-5)
    back = given.rpc.project(found.lon, found.lat, found.height)
    np.testing.assert_allclose(back, (found.row, found.col), atol=1e-6)
    assert np.ptp(ring[:, 0]) < 0.3
    assert np.ptp(ring[:, 2]) > 100.0


def test_points_beside_the_dem_have_a_status_and_are_left_out():
    given = scene(7.0, 46.0)
    dem = slope(7.0, 46.0, width=0.11)
    found = given.rpc.footprint(*SHAPE, dem=dem)
    assert not found.complete
    failed = found.status != Status.OK
    assert set(np.unique(found.status[failed])) <= {Status.OUTSIDE_DEM, Status.NO_INTERSECTION}
    np.testing.assert_array_equal(np.isnan(found.lon), failed)
    (ring,) = found.rings
    assert len(ring) == (~failed[:-1]).sum() + 1
    assert np.isfinite(ring).all()
    assert given.rpc.footprint(*SHAPE, dem=slope(7.0, 46.0, hole=np.s_[:])).rings == []


def test_default_is_the_height_of_the_rpc():
    rpc = scene(7.0, 46.0).rpc
    np.testing.assert_array_equal(rpc.footprint(*SHAPE).height, rpc.height_off)
    heights = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, np.nan]])
    found = rpc.footprint(*SHAPE, height=heights, steps=3)
    assert found.lon.shape == (2, 3, 13)
    assert len(found.rings) == 5
    np.testing.assert_array_equal(found.status[1, 2], Status.BAD_INPUT)


@pytest.mark.parametrize(
    ("size", "more"),
    [
        ((0, 10), {}),
        ((10, -1), {}),
        ((np.nan, 10), {}),
        ((10, np.inf), {}),
        ((10, 10), {"steps": 0}),
        ((10, 10), {"height": 3.0, "dem": slope(7.0, 46.0)}),
    ],
)
def test_what_has_no_outline_is_an_error(size, more):
    with pytest.raises(InputError) as caught:
        scene(7.0, 46.0).rpc.footprint(*size, **more)
    assert "\n" not in str(caught.value)
