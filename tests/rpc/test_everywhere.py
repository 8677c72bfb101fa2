"""Every place on earth: both sides of the antimeridian, high latitudes, around a pole."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from pushbroom import SHAPE, scene
from trueground.dem import Dem
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc.model import Rpc
from trueground.status import Status

# Fit of the RPC to its sensor [px]: near a pole longitudes no longer behave like polynomials.
PLACES = [
    (7.0, 46.0, 1e-6), (179.99, -17.0, 1e-6), (-179.99, 60.0, 1e-6), (180.0, 0.0, 1e-6), (30.0, 85.0, 1e-5),
    (180.0, 89.0, 1e-4), (10.0, 89.7, 1e-2), (-179.9, -89.8, 2e-2),
]  # fmt: skip


@pytest.mark.parametrize(("lon", "lat", "fit"), PLACES)
def test_project_and_localize_follow_the_sensor(lon, lat, fit):
    given = scene(lon, lat)
    row, col, height = given.pixels(1000)
    at = given.sensor.locate(row, col, height)
    for counted in (
        at[0],
        at[0] % 360.0,
        given.rpc.long_off + (at[0] - given.rpc.long_off + 180) % 360 - 180,
    ):
        seen = given.rpc.project(counted, at[1], height)
        np.testing.assert_allclose(seen, (row, col), atol=fit)
    found = given.rpc.localize(row, col, height)
    assert (found.status == Status.OK).all()
    assert (np.abs(found.lon) <= 180.0).all()
    assert (np.abs(found.lat) <= 90.0).all()
    back = given.rpc.project(*found[:3])
    np.testing.assert_allclose(back, (row, col), atol=1e-7)
    east = (found.lon - at[0] + 180.0) % 360.0 - 180.0
    metres = 111_200.0 * np.hypot(east * np.cos(np.radians(at[1])), found.lat - at[1])
    assert metres.max() < 4.0 * fit  # 2 m a pixel and a little more, and round-off


def polar(lat):
    return CRS.from_epsg(32661 if lat > 0 else 32761)


@pytest.mark.parametrize(("lon", "lat", "fit"), [p for p in PLACES if abs(p[1]) <= 89.0])
@pytest.mark.parametrize("turns", [None, -1, 0, 1])
def test_localize_on_finds_the_ground_everywhere(lon, lat, fit, turns):
    """On a DEM in longitudes, counted in whatever way, or in polar stereographic coordinates."""
    given = scene(lon, lat)
    rpc = given.rpc
    rng = np.random.default_rng(0)
    z = np.cumsum(rng.normal(0.0, 3.0, (200, 240)), axis=1).astype(np.float32) + 500.0
    if turns is None:
        if abs(lat) < 60.0:
            return
        crs = polar(lat)
        x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(rpc.long_off, rpc.lat_off)
        transform = Affine(100.0, 0, x - 12e3, 0, -100.0, y + 10e3)
    else:
        crs = CRS.from_epsg(4326)
        width, tall = 4.0 * rpc.long_scale, 4.0 * rpc.lat_scale
        west = rpc.long_off + 360.0 * turns - width / 2
        transform = Affine(width / 240, 0, west, 0, -tall / 200, rpc.lat_off + tall / 2)
    raster = ArrayRaster(array=z, grid=Grid(crs=crs, transform=transform, shape=z.shape))
    dem = Dem.open(raster, heights="ellipsoid")
    row, col, _ = given.pixels(500, seed=2)
    found = rpc.localize_on(dem, row, col)
    assert (found.status == Status.OK).all()
    assert (np.abs(found.lon) <= 180.0).all()
    np.testing.assert_allclose(rpc.project(*found[:3]), (row, col), atol=1e-6)
    ground = dem.heights(found.lon, found.lat)
    # A step of 1e-9 px of such a DEM, at slopes up to 1.
    np.testing.assert_allclose(found.height, ground, atol=1e-5)


def test_an_image_of_the_pole_itself_is_answered_or_has_a_status():
    """No RPC can draw it: where longitudes go all around, the fit says how bad it is, and nothing is made up."""
    rpc = scene(0.0, 90.0).rpc
    row, col = np.meshgrid(np.linspace(0, SHAPE[0], 30), np.linspace(0, SHAPE[1], 30))
    found = rpc.localize(row, col, 500.0)
    ok = found.status == Status.OK
    np.testing.assert_array_equal(np.isnan(found.lon), ~ok)
    assert (np.abs(found.lat[ok]) <= 90.0).all()
    np.testing.assert_allclose(
        rpc.project(found.lon[ok], found.lat[ok], 500.0), (row[ok], col[ok]), atol=1e-6
    )
    for seen in (rpc.viewing(row, col, 500.0), rpc.ground_sampling(row, col, 500.0)):
        assert (np.isnan(seen[0]) == (seen.status != Status.OK)).all()


def test_at_a_pole_itself_there_is_no_direction():
    terms = np.eye(20)
    rpc = Rpc(
        line_off=-0.5, samp_off=-0.5, lat_off=89.0, long_off=0.0, height_off=0.0, line_scale=1.0, samp_scale=1.0,
        lat_scale=1.0, long_scale=1.0, height_scale=1.0,
        line_num=terms[2], line_den=terms[0], samp_num=terms[1], samp_den=terms[0],
    )  # fmt: skip
    for seen in (rpc.viewing([1.0, 0.5], 0.0, 0.0), rpc.ground_sampling([1.0, 0.5], 0.0, 0.0)):
        np.testing.assert_array_equal(seen.status, [Status.DIVERGED, Status.OK])
        np.testing.assert_array_equal(np.isnan(seen[0]), [True, False])
