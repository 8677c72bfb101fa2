"""Orthoimages across the antimeridian: made the same way, and as fast, as anywhere else."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from test_globe import view
from trueground.dem import Dem
from trueground.grid import Grid
from trueground.ortho import Orthoimage, ortho_grid
from trueground.ortho.geometry import Geometry
from trueground.projection import WGS84, GridProjection, project
from trueground.raster import ArrayRaster
from trueground.warp import PixelMap, on_grid

SIZE = 2000  # px of the image
LONLAT = CRS.from_epsg(4326)


def terrain(lon: float, crs: CRS = LONLAT) -> Dem:
    """Hills around a longitude on the equator, in longitude and latitude or in Web Mercator."""
    row, col = np.mgrid[0:120, 0:120]
    z = (300.0 + 200.0 * np.sin(row / 9.0) * np.cos(col / 7.0)).astype(np.float32)
    cell = 0.02 if crs.is_geographic else 2226.0
    west = (lon - 1.2) * (cell / 0.02)
    grid = Grid(crs=crs, transform=Affine(cell, 0, west, 0, -cell, 75.0 * cell), shape=z.shape)
    return Dem.open(ArrayRaster(array=z, grid=grid), heights="ellipsoid")


def image() -> ArrayRaster:
    grid = Grid(crs=None, transform=Affine.identity(), shape=(SIZE, SIZE))
    values = np.random.default_rng(0).random(grid.shape, dtype=np.float32)
    return ArrayRaster(array=values, grid=grid)


@pytest.mark.parametrize("dem_lon", [180.0, -180.0])
@pytest.mark.parametrize("dem_crs", [LONLAT, CRS.from_epsg(3857)])
@pytest.mark.parametrize("lon", [180.0, -179.9])
@pytest.mark.parametrize("code", [32660, 32601, 3857])
def test_no_pixel_is_made_step_by_step(monkeypatch, code, lon, dem_crs, dem_lon):
    dem, rpc = terrain(dem_lon, dem_crs), view(lon)
    grid = ortho_grid(image(), rpc, dem, crs=CRS.from_epsg(code), resolution=500.0)
    x, _ = project(grid.crs, WGS84, *grid.xy(*grid.window.pixel_centres()))
    assert np.ptp(x) > 359.0  # on both sides
    ortho = Orthoimage(image=image(), rpc=rpc, dem=dem, grid=grid)
    exact = ortho.geometry.exactly(grid.window)

    def never(*_: object) -> None:
        pytest.fail("step by step")

    monkeypatch.setattr(Geometry, "exactly", never)
    found = ortho.geometry.at(grid.window)
    known = np.isfinite(exact.row)
    assert known.mean() > 0.5
    for one, other in zip(found[:2], exact[:2], strict=True):
        np.testing.assert_array_equal(np.isfinite(one), known)
        assert (
            np.abs(one - other)[known].max() < 0.02
        )  # px; 1e-3 of the output's, ten times as large
    assert np.isfinite(ortho.read(grid.window)).mean() > 0.5


def test_longitudes_go_on_where_they_are_told_to():
    grid = Grid(
        crs=CRS.from_epsg(32660), transform=Affine(500, 0, 8e5, 0, -500, 5e4), shape=(100, 100)
    )
    leaps = GridProjection(grid, WGS84)
    goes_on = GridProjection(grid, WGS84, about=-180.0)
    x, y = goes_on.at(grid.window)
    assert np.abs(np.diff(x, axis=1)).max() < 0.01
    assert x.max() < -179.0
    there = leaps.at(grid.window)
    np.testing.assert_allclose((x - there[0] + 180.0) % 360.0 - 180.0, 0.0, atol=4.5e-6)
    np.testing.assert_allclose(y, there[1], atol=4.5e-6)  # degrees: 1e-3 px
    assert goes_on.over(grid.window).failed.size == 0 < leaps.over(grid.window).failed.size


def test_another_raster_on_a_grid_across_it():
    """Its positions are interpolated too."""
    dem = terrain(180.0)
    grid = Grid(
        crs=CRS.from_epsg(32660), transform=Affine(500, 0, 8e5, 0, -500, 5e4), shape=(100, 100)
    )
    assert (
        PixelMap(source=grid, target=dem.raster.grid)._projection.over(grid.window).failed.size == 0
    )
    made = on_grid(dem.raster, grid, resampling="bilinear").read(grid.window)[0]
    lon, lat = project(grid.crs, WGS84, *grid.xy(*grid.window.pixel_centres()))
    np.testing.assert_allclose(made, dem.heights(lon, lat), atol=0.02)  # m; 1e-3 px on these slopes
