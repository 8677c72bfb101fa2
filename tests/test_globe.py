"""Rasters that go once around the globe: heights and lines of sight across the seam of their file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from trueground.dem import Dem
from trueground.globe import AroundTheGlobe, closed
from trueground.grid import Grid, Window
from trueground.ortho import Orthoimage
from trueground.raster import ArrayRaster, open_raster
from trueground.rpc.localize import localize_on
from trueground.rpc.model import Rpc
from trueground.status import Status
from trueground.writer import write

LONLAT = CRS.from_epsg(4326)
CELL = 0.125  # degrees: a cell is larger than an image of half a degree is fine


def smooth(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Heights [m] that go on across every meridian."""
    return (
        500.0
        + 300.0 * np.sin(np.radians(40.0 * lon))
        + 100.0 * np.cos(np.radians(97.0 * lon + 20.0 * lat))
    )


def world(west: float = -180.0, *, cell: float = CELL, more: int = 0) -> ArrayRaster:
    """A DEM of the whole globe from a longitude on, with so many columns more than a turn."""
    shape = (round(20.0 / cell), round(360.0 / cell) + more)
    grid = Grid(crs=LONLAT, transform=Affine(cell, 0, west, 0, -cell, 10.0), shape=shape)
    lon, lat = grid.xy(*grid.window.pixel_centres())
    return ArrayRaster(array=smooth(lon, lat).astype(np.float32), grid=grid)


def view(lon: float) -> Rpc:
    """An image of 2000 x 2000 px and about a degree, 30 degrees off the vertical."""
    zeros = [0.0] * 20
    line = [0.0, 0.0, -1.0, 0.02, 1e-4, *zeros[5:]]
    samp = [0.0, 1.0, 0.0, -0.03, 1e-4, *zeros[5:]]
    one = [1.0, 1e-5, 1e-5, 1e-5, *zeros[4:]]
    return Rpc(
        line_off=1000.0, samp_off=1000.0, lat_off=0.3, long_off=lon, height_off=500.0,
        line_scale=1000.0, samp_scale=1000.0, lat_scale=0.5, long_scale=0.5, height_scale=1000.0,
        line_num=line, line_den=one, samp_num=samp, samp_den=one,
    )  # fmt: skip


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference of longitudes, whatever they are counted from."""
    return float(np.abs((one - other + 180.0) % 360.0 - 180.0).max())


@pytest.mark.parametrize("west", [-180.0, 0.0, 97.0])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "cubic"])
def test_heights_at_the_seam(west, interpolation):
    """They are those of the same DEM with its seam elsewhere, and near the function that made them."""
    dem = Dem.open(world(west), heights="ellipsoid", interpolation=interpolation)
    rolled = Dem.open(world(west + 180.0), heights="ellipsoid", interpolation=interpolation)
    lon = west + np.array([-0.12, -0.06, -0.001, 0.0, 0.001, 0.06, 0.12])
    for around in (-360.0, 0.0, 360.0):
        found = dem.heights(lon + around, np.full(lon.size, 3.21))
        np.testing.assert_allclose(found, rolled.heights(lon, 3.21), atol=1e-3)
    # 1 % of a slope of 300 m in 1.4 degrees and more, or half a cell of it
    assert np.abs(found - smooth(lon, 3.21)).max() < (30.0 if interpolation == "nearest" else 5.0)


def test_a_file_and_a_geoid(tmp_path):
    path = write(world(), tmp_path / "world.tif")
    dem = Dem.open(path, heights="egm96")
    found = dem.heights([179.999, 180.0, -179.999, -180.0], np.zeros(4))
    assert np.ptp(found) < 1.0
    assert found[1] == found[3]
    plain = Dem.open(path, heights="ellipsoid").heights(180.0, 0.0)
    assert found[1] - plain == pytest.approx(21.2, abs=0.5)  # m, EGM96 at 180 E on the equator
    assert open_raster(path).grid.shape == (160, 2880)


@pytest.mark.parametrize("seam", [-180.0, 0.0])
@pytest.mark.parametrize("off", [0.0, 0.4, -0.3])
def test_lines_of_sight_across_the_seam(seam, off):
    """The same points as with a DEM that was rolled by half a turn, and all of them found."""
    rpc = view(seam + off)
    rng = np.random.default_rng(1)
    row, col = rng.uniform(0, 2000, (2, 3000))
    dem, rolled = (Dem.open(world(w), heights="ellipsoid") for w in (seam, seam + 180.0))
    found, known = localize_on(rpc, dem, row, col), localize_on(rpc, rolled, row, col)
    assert (found.status == Status.OK).all()
    np.testing.assert_array_equal(found.status, known.status)
    assert apart(found.lon, known.lon) < 1e-9
    np.testing.assert_allclose(found.lat, known.lat, atol=1e-9)
    np.testing.assert_allclose(found.height, known.height, atol=1e-3)
    one_by_one = [localize_on(rpc, dem, r, c) for r, c in zip(row[:40], col[:40], strict=True)]
    np.testing.assert_allclose([p.height for p in one_by_one], known.height[:40], atol=1e-3)
    for solver in ("gdal", "height-substitution"):
        there = localize_on(rpc, dem, row, col, solver=solver)
        np.testing.assert_array_equal(
            there.status, localize_on(rpc, rolled, row, col, solver=solver).status
        )


def test_an_orthoimage_across_the_seam():
    rpc = replace(view(180.0), long_scale=0.5)
    plain = Grid(crs=None, transform=Affine.identity(), shape=(2000, 2000))
    i, j = np.mgrid[:2000, :2000]
    image = ArrayRaster(array=(i + 3.0 * j).astype(np.float32), grid=plain)
    made = []
    for west in (-180.0, 0.0):
        dem = Dem.open(world(west), heights="ellipsoid")
        grid = Grid(crs=LONLAT, transform=Affine(0.01, 0, 179.8, 0, -0.01, 0.5), shape=(40, 40))
        made.append(Orthoimage(image=image, rpc=rpc, dem=dem, grid=grid).read(grid.window))
    assert np.isfinite(made[0]).all()
    np.testing.assert_allclose(made[0], made[1], atol=0.05)


def test_the_dem_that_faces_an_image():
    dem = Dem.open(world(), heights="ellipsoid")
    assert dem.facing(10.0) is dem
    assert dem.facing(89.0) is dem
    there = dem.facing(-179.0)
    assert there is dem.facing(181.0)
    assert there.facing(170.0) is there
    _, col = there.rowcol(np.array([179.9, -179.9]), np.zeros(2))
    assert col[1] - col[0] == pytest.approx(0.2 / CELL)
    some = Dem.open(cut(world()), heights="ellipsoid")
    assert some.facing(180.0) is some


def cut(raster: ArrayRaster) -> ArrayRaster:
    window = Window(0, 1, raster.grid.shape[0], raster.grid.shape[1] - 1)
    return ArrayRaster(array=raster.read(window)[0], grid=raster.grid.crop(window))


@pytest.mark.parametrize("more", [0, 1, 7])
@pytest.mark.parametrize("turned", [False, True])
def test_every_window_is_what_the_columns_say(more, turned):
    source = world(cell=1.0, more=more)
    raster = closed(source)
    assert isinstance(raster, AroundTheGlobe)
    raster = raster.turned() if turned else raster
    lon, lat = raster.grid.xy(*raster.grid.window.pixel_centres())
    whole = raster.read(raster.grid.window)[0]
    np.testing.assert_allclose(whole, smooth(lon, lat), atol=1e-2)
    assert raster.grid.shape[1] == 368
    rng = np.random.default_rng(0)
    for _ in range(30):
        row, col = int(rng.integers(-3, 15)), int(rng.integers(-5, 360))
        window = Window(row, col, int(rng.integers(1, 9)), int(rng.integers(1, 380)))
        part = raster.read(window)
        assert part.shape == (1, *window.shape)
        inside = window.intersect(raster.grid.window)
        np.testing.assert_array_equal(
            part[0][inside.slices_in(window)], whole[inside.slices_in(raster.grid.window)]
        )
        outside = np.ones(window.shape, dtype=bool)
        outside[inside.slices_in(window)] = False
        assert np.isnan(part[0][outside]).all()


def test_what_does_not_go_around_stays_as_it_is():
    raster = world(cell=1.0)
    array = raster.array[0]
    t = raster.grid.transform
    for transform in (
        Affine(0.999, 0, -180, 0, -1, 10),  # 0.36 cells short of a turn
        Affine(1, 1e-3, -180, 0, -1, 10),
        Affine(1, 0, -180, 0, 1, -10),
        Affine(-1, 0, 180, 0, -1, 10),
    ):
        other = ArrayRaster(array=array, grid=replace(raster.grid, transform=transform))
        assert closed(other) is other
    assert closed(cut(raster)).grid.shape[1] == 359
    metres = ArrayRaster(array=array, grid=replace(raster.grid, crs=CRS.from_epsg(32631)))
    assert closed(metres) is metres
    few_digits = replace(raster.grid, transform=Affine(1.0000001, 0, t.c, 0, -1, 10))
    assert isinstance(closed(ArrayRaster(array=array, grid=few_digits)), AroundTheGlobe)
