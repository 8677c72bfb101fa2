"""Heights above the ellipsoid at any point: interpolation, datum, place, errors."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer
from scipy.interpolate import RegularGridInterpolator

from trueground.dem import Dem
from trueground.errors import DatumError, InputError
from trueground.grid import Grid, Window
from trueground.lazy_array import to_xarray
from trueground.raster import ArrayRaster
from trueground.vertical import Datum

UTM31, WGS84 = CRS.from_epsg(32631), CRS.from_epsg(4326)


def _terrain(grid):
    i, j = np.mgrid[0 : grid.shape[0], 0 : grid.shape[1]]
    array = (800 + 90 * np.sin(i / 7.0) + 60 * np.cos(j / 9.0)).astype(np.float32)
    return ArrayRaster(array=array, grid=grid)


def _oracle(raster):
    rows, cols = (np.arange(n) + 0.5 for n in raster.grid.shape)
    return RegularGridInterpolator((rows, cols), raster.array[0].astype(float), bounds_error=False)


@pytest.mark.parametrize("crs", [WGS84, CRS.from_epsg(32632), UTM31, CRS.from_epsg(3857)])
def test_heights_at_points_of_any_crs(utm_grid, crs):
    raster = _terrain(utm_grid)
    dem = Dem.open(raster, heights="ellipsoid")
    rng = np.random.default_rng(0)
    row, col = rng.uniform(-2, 102, (30, 40)), rng.uniform(-2, 122, (30, 40))
    x, y = Transformer.from_crs(UTM31, crs, always_xy=True).transform(*utm_grid.xy(row, col))
    # 1e-6 px on slopes of 13 m a pixel, where PROJ goes there and back.
    np.testing.assert_allclose(dem.heights(x, y, crs=crs), _oracle(raster)((row, col)), atol=1e-4)


def test_geoid_is_added(utm_grid):
    raster = _terrain(utm_grid)
    lon, lat = Transformer.from_crs(UTM31, WGS84, always_xy=True).transform(
        *utm_grid.xy(50.0, 60.0)
    )
    plain = Dem.open(raster, heights="ellipsoid").heights(lon, lat)
    above = Dem.open(raster, heights="egm96").heights(lon, lat)
    assert above - plain == pytest.approx(float(Datum.parse("egm96").undulation(lon, lat)))
    assert above - plain > 40.0  # m, in southern France


def test_datum_comes_from_the_crs_or_from_the_user(utm_grid):
    compound = Grid(crs=CRS("EPSG:32631+5773"), transform=utm_grid.transform, shape=utm_grid.shape)
    raster = _terrain(compound)
    assert Dem.open(raster).datum == Datum("egm96")
    assert Dem.open(raster, heights="ellipsoid").datum == Datum("ellipsoid")
    assert Dem.open(to_xarray(raster)).datum == Datum("egm96")
    with pytest.raises(DatumError, match=r"no declared vertical datum.*--heights"):
        Dem.open(_terrain(utm_grid))


def test_shareloc_case_12(data_folder):
    """Two heights of a small DEM that are exact: a node, and the middle between nodes."""
    path = data_folder / "phr_2017/MNT_P1BP--2017030824934340CP.tif"
    dem = Dem.open(path, heights="ellipsoid")
    row, col = np.array([20.0, 25.5]) + 0.5, np.array([10.0, 20.5]) + 0.5
    np.testing.assert_array_equal(dem.heights_at_pixels(row, col), [196.0, 189.5])


@pytest.mark.parametrize("west", [-180.0, 0.0, 170.0])
def test_a_dem_may_count_longitudes_from_anywhere(west):
    grid = Grid(crs=WGS84, transform=Affine(1, 0, west, 0, -1, 90), shape=(180, 360))
    lon = west + np.arange(360) + 0.5
    array = np.broadcast_to(np.cos(np.radians(lon)), grid.shape).astype(np.float32)
    dem = Dem.open(ArrayRaster(array=array, grid=grid), heights="ellipsoid")
    asked = np.array([-170.25, -10.5, 5.25, 160.0, 189.0])
    found = dem.heights(asked, np.full(5, 12.0))
    np.testing.assert_allclose(found, np.cos(np.radians(asked)), atol=1e-4)


def test_holes_and_outside_are_nan_whatever_the_datum(utm_grid):
    raster = _terrain(utm_grid)
    raster.array[0, 10, 10] = np.nan
    for heights in ("ellipsoid", "egm96"):
        dem = Dem.open(raster, heights=heights)
        x, y = utm_grid.xy([10.5, 10.9, 12.5, -1.0], [10.5, 10.9, 10.5, 5.0])
        found = np.isnan(dem.heights(x, y, crs=UTM31))
        np.testing.assert_array_equal(found, [True, True, False, True])
    assert np.isnan(dem.heights(np.nan, 44.0))


def test_height_range_by_tiles(utm_grid, monkeypatch):
    monkeypatch.setattr("trueground.dem._TILE", 16)
    monkeypatch.setattr("trueground.dem._STRIP", 3)
    raster = _terrain(utm_grid)
    raster.array[0, 32:64] = np.nan
    dem = Dem.open(raster, heights="ellipsoid")
    part = raster.array[0, 80:, 96:]  # the tiles that the window touches
    assert dem.height_range(Window(85, 100, 90, 90)) == (part.min(), part.max())
    assert dem.height_range() == (np.nanmin(raster.array), np.nanmax(raster.array))
    assert np.isnan(dem.height_range(Window(35, 5, 10, 10))).all()
    assert np.isnan(dem.height_range(Window(-50, 0, 10, 10))).all()


def test_integers_become_real_heights(utm_grid):
    array = np.full(utm_grid.shape, 700, dtype=np.int16)
    array[0, 0] = -32768
    raster = ArrayRaster(array=array, grid=utm_grid, nodata=-32768)
    dem = Dem.open(raster, heights="ellipsoid", interpolation="cubic")
    x, y = utm_grid.xy([0.5, 5.3], [0.5, 7.9])
    np.testing.assert_allclose(dem.heights(x, y, crs=UTM31), [np.nan, 700.0])


def test_what_is_no_dem_is_refused(utm_grid, write_tif):
    plain = Grid(crs=None, transform=utm_grid.transform, shape=utm_grid.shape)
    with pytest.raises(InputError, match="has no CRS"):
        Dem.open(_terrain(plain), heights="ellipsoid")
    two = write_tif(np.zeros((2, 5, 5), dtype=np.uint8), "two.tif")
    with pytest.raises(InputError, match=r"two\.tif has 2 bands"):
        Dem.open(two, heights="ellipsoid")
    with pytest.raises(InputError, match="resampling"):
        Dem.open(_terrain(utm_grid), heights="ellipsoid", interpolation="spline")


@pytest.mark.parametrize("heights", [None, "egm96", "ellipsoid"])
@pytest.mark.parametrize("crs", ["EPSG:4326+8228", "EPSG:4326+6360"])
def test_declared_feet_are_refused_whatever_the_datum_given(crs, heights):
    grid = Grid(
        crs=CRS.from_user_input(crs), transform=Affine(0.01, 0, 5, 0, -0.01, 45), shape=(5, 5)
    )
    raster = ArrayRaster(array=np.full((5, 5), 1000.0, dtype=np.float32), grid=grid)
    with pytest.raises(DatumError, match=r"foot.*must be metres"):
        Dem.open(raster, heights=heights)
