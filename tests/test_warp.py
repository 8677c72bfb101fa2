"""Rasters on other grids: coordinate-coded pixels, GDAL as the oracle, longitudes that wrap."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.enums
import rasterio.warp
from affine import Affine
from pyproj import CRS, Transformer

from grids import coordinate_coded, turned
from trueground.errors import InputError, ProjectionError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, as_float, open_raster
from trueground.warp import PixelMap, Resampled, on_grid

UTM31, UTM32, WGS84 = CRS.from_epsg(32631), CRS.from_epsg(32632), CRS.from_epsg(4326)


def _covering(grid, crs, resolution):
    """A grid in another CRS over the middle of a grid."""
    x, y = grid.xy(np.array([20, 20, 80, 80]), np.array([20, 100, 20, 100]))
    x, y = Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    return Grid.covering((x.min(), y.min(), x.max(), y.max()), resolution, crs=crs)


@pytest.mark.parametrize(("crs", "resolution"), [(UTM32, 7.0), (WGS84, 1e-4), (UTM31, 3.3)])
def test_coordinate_coded_pixels_land_where_pyproj_says(utm_grid, crs, resolution):
    target = _covering(utm_grid, crs, resolution)
    warped = on_grid(coordinate_coded(utm_grid), target)
    found = warped.read(target.window)
    x, y = target.xy(*target.window.pixel_centres())
    x, y = np.broadcast_arrays(x, y)
    x, y = Transformer.from_crs(crs, utm_grid.crs, always_xy=True).transform(x, y)
    row, col = utm_grid.rowcol(x, y)
    # 1e-3 px for the lattice, and values near 100 in float32.
    inner = (row > 1) & (row < 99) & (col > 1) & (col < 119)
    assert inner.mean() > 0.9
    np.testing.assert_allclose(found[0][inner], row[inner], atol=1.1e-3)
    np.testing.assert_allclose(found[1][inner], col[inner], atol=1.1e-3)


def test_windows_and_whole_are_the_same_to_the_last_bit(utm_grid):
    target = _covering(utm_grid, UTM32, 4.0)
    surface = ArrayRaster(
        array=np.random.default_rng(0).normal(size=utm_grid.shape).astype(np.float32), grid=utm_grid
    )
    for kind in ("nearest", "bilinear", "cubic"):
        warped = Resampled(source=surface, grid=target, resampling=kind)
        whole = warped.read(target.window.pad(5))
        for block in target.pad(5).blocks(47):
            moved = Window(block.core.row - 5, block.core.col - 5, *block.core.shape)
            np.testing.assert_array_equal(
                warped.read(moved), whole[:, *moved.slices_in(target.window.pad(5))]
            )


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
def test_equals_gdal_on_a_smooth_surface(write_tif, kind):
    i, j = np.mgrid[0:120, 0:150]
    surface = (100 + 30 * np.sin(i / 9.0) + 20 * np.cos(j / 11.0)).astype(np.float32)
    path = write_tif(surface, nodata=-9999.0)
    raster = as_float(open_raster(path))
    target = _covering(raster.grid, UTM32, 10.0)
    found = on_grid(raster, target, resampling=kind).read(target.window)[0]
    expected = np.full(target.shape, -9999.0, dtype=np.float32)
    rasterio.warp.reproject(
        surface, expected, src_transform=raster.grid.transform, src_crs="EPSG:32631",
        dst_transform=target.transform, dst_crs="EPSG:32632", dst_nodata=-9999.0,
        resampling=rasterio.enums.Resampling[kind], tolerance=0.0,
        XSCALE=1, YSCALE=1,  # else GDAL blurs by the ratio of the windows' sizes
    )  # fmt: skip
    both = np.isfinite(found) & (expected != -9999.0)
    assert both.mean() > 0.95
    off = np.abs(found - expected)[both]
    if kind == "bilinear":
        assert off.max() < 0.01  # 1e-3 px on slopes of 4 m a pixel
    else:
        assert (off > 1e-4).mean() < 1e-3  # pixels whose centre falls on an edge


@pytest.mark.parametrize("west", [-180.0, 0.0, 170.0])
def test_longitudes_may_be_counted_from_anywhere(west):
    """The same world, whose rasters begin at different longitudes, is the same place."""
    shape = (180, 360)
    world = Grid(crs=WGS84, transform=Affine(1, 0, west, 0, -1, 90), shape=shape)
    lon = west + np.arange(360) + 0.5
    code = np.broadcast_to(np.cos(np.radians(lon)), shape).astype(np.float32)
    raster = ArrayRaster(array=code, grid=world)
    for left in (-60.0, 300.0):
        part = Grid(crs=WGS84, transform=Affine(0.5, 0, left, 0, -0.5, 10), shape=(20, 20))
        found = on_grid(raster, part).read(part.window)[0]
        expected = np.cos(np.radians(left + 0.25 + 0.5 * np.arange(20)))
        np.testing.assert_allclose(found, np.broadcast_to(expected, (20, 20)), atol=1e-4)


def test_same_grid_is_the_raster_itself(utm_grid):
    raster = coordinate_coded(utm_grid)
    assert on_grid(raster, utm_grid) is raster
    row, col = PixelMap(source=utm_grid, target=utm_grid).at(Window(-2, 3, 2, 2))
    np.testing.assert_array_equal(row, [[-1.5, -1.5], [-0.5, -0.5]])
    np.testing.assert_array_equal(col, [[3.5, 4.5], [3.5, 4.5]])


def test_rotated_and_plain_grids_without_crs():
    plain = Grid(crs=None, transform=Affine(1, 0, 0, 0, 1, 0), shape=(50, 50))
    rotated = Grid(crs=None, transform=turned((10.0, 10.0), 30.0, (1.0, 1.0)), shape=(15, 15))
    found = on_grid(coordinate_coded(plain), rotated).read(rotated.window)
    x, y = rotated.xy(*rotated.window.pixel_centres())
    inner = (x > 0.5) & (y > 0.5)
    np.testing.assert_allclose(found[1][inner], x[inner], atol=1e-5)
    np.testing.assert_allclose(found[0][inner], y[inner], atol=1e-5)


def test_integers_are_images(utm_grid):
    array = np.full(utm_grid.shape, 200, dtype=np.uint8)
    array[:, :60] = 0
    raster = ArrayRaster(array=array, grid=utm_grid, nodata=0)
    target = _covering(utm_grid, UTM32, 9.0)
    found = on_grid(raster, target).read(target.window)
    assert found.dtype == np.uint8
    assert set(np.unique(found)) == {0, 200}


def test_what_cannot_be_warped_is_refused_at_once(utm_grid):
    surface = coordinate_coded(utm_grid)
    plain = Grid(crs=None, transform=utm_grid.transform, shape=utm_grid.shape)
    with pytest.raises(ProjectionError, match="the other has none"):
        on_grid(surface, plain)
    with pytest.raises(InputError, match="resampling"):
        on_grid(surface, utm_grid.pad(1), resampling="sinc")
    image = ArrayRaster(array=np.zeros(utm_grid.shape, dtype=np.uint8), grid=utm_grid)
    with pytest.raises(InputError, match="resampling"):
        on_grid(image, utm_grid.pad(1), resampling="sinc")
    heights = ArrayRaster(array=np.zeros(utm_grid.shape, dtype=np.float32), grid=utm_grid)
    with pytest.raises(InputError, match=r"nearest, bilinear, cubic$"):
        on_grid(heights, utm_grid.pad(1), resampling="lanczos")


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
def test_holes_do_not_grow_on_a_crop_of_the_same_cells(kind):
    """Coordinates of a crop in 1/3600 degree differ from the cells' by round-off alone."""
    step = 1.0 / 3600.0
    whole = Grid(crs=WGS84, transform=Affine(step, 0, 5.0, 0, -step, 45.0), shape=(300, 300))
    rng = np.random.default_rng(7)
    heights = rng.normal(size=whole.shape).astype(np.float32)
    heights[rng.random(whole.shape) < 0.01] = np.nan
    cut = Window(41, 57, 200, 190)
    part = whole.crop(cut)
    found = on_grid(ArrayRaster(array=heights, grid=whole), part, resampling=kind)
    expected = heights[cut.slices_in(whole.window)]
    np.testing.assert_array_equal(found.read(part.window)[0], expected)


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_valid_zeros_are_kept_where_no_nodata_is_declared(utm_grid, dtype, kind):
    target = _covering(utm_grid, UTM32, 9.0)
    zeros = ArrayRaster(array=np.zeros(utm_grid.shape, dtype=dtype), grid=utm_grid)
    warped = on_grid(zeros, target, resampling=kind)
    assert warped.nodata is None
    assert not warped.read(target.window).any()
