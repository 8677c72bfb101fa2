"""Slope, curvature and hillshade against planes, paraboloids, GDAL, and themselves in other blocks."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Geod

from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, open_raster
from trueground.terrain import Curvature, Hillshade, Slope
from trueground.writer import write

UTM = CRS(32632)


def relief(shape: tuple[int, int], seed: int = 3) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    waves = sum(
        rng.uniform(10, 60) * np.sin(rows / rng.uniform(4, 30) + cols / rng.uniform(4, 30) + i)
        for i in range(8)
    )
    return (500.0 + waves).astype(np.float32)


def plane(grid: Grid, east: float, north: float) -> ArrayRaster:
    """Heights that rise by so much per unit of x and y."""
    x, y = grid.xy(*grid.window.pixel_centres())
    x0, y0 = grid.xy(0, 0)
    return ArrayRaster(array=(east * (x - x0) + north * (y - y0)) * np.ones(grid.shape), grid=grid)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 5e5, 0, -10, 5e6),
        Affine(10, 0, 5e5, 0, -25, 5e6),  # not square
        Affine(10, 0, 5e5, 0, 10, 5e6),  # south up
        Affine(8, 3, 5e5, 4, -9, 5e6),  # rotated
    ],
)
def test_plane(transform: Affine) -> None:
    grid = Grid(crs=UTM, transform=transform, shape=(6, 7))
    east, north = 0.3, -0.2
    dem = plane(grid, east, north)
    inner = grid.window.pad(-1)
    slope = Slope(dem).read(inner)
    # float32 heights of some 100 m: 1e-5 m over 20 m
    np.testing.assert_allclose(slope, math.degrees(math.atan(math.hypot(east, north))), atol=1e-4)
    lamp = np.array([math.sin(0.7) * math.cos(0.5), math.cos(0.7) * math.cos(0.5), math.sin(0.5)])
    normal = np.array([-east, -north, 1.0]) / math.sqrt(1.0 + east**2 + north**2)
    shade = Hillshade(dem, azimuth=math.degrees(0.7), altitude=math.degrees(0.5)).read(inner)
    np.testing.assert_allclose(shade, lamp @ normal, atol=1e-5)


@pytest.mark.parametrize("latitude", [0.0, 47.0, -78.0])
def test_degrees_become_metres(latitude: float) -> None:
    """A slope of 0.5 to the east and to the north, with metres measured by the geodesic."""
    step = 1e-3
    geod = Geod(ellps="WGS84")
    _, _, wide = geod.inv(-step / 2, latitude, step / 2, latitude)
    _, _, high = geod.inv(0.0, latitude - step / 2, 0.0, latitude + step / 2)
    grid = Grid(
        crs=CRS(4326),
        transform=Affine(step, 0, 10.0, 0, -step, latitude + 1.5 * step),
        shape=(3, 3),
    )
    centre = Window(1, 1, 1, 1)
    for dem, expected in (
        (plane(grid, 0.5 * wide / step, 0.0), 0.5),
        (plane(grid, 0.0, 0.5 * high / step), 0.5),
    ):
        slope = float(Slope(dem).read(centre)[0, 0, 0])
        assert math.tan(math.radians(slope)) == pytest.approx(expected, rel=1e-5)


def test_units_of_the_crs() -> None:
    """A CRS in US survey feet: 1 m per foot of x is steep."""
    grid = Grid(crs=CRS(2263), transform=Affine(10, 0, 9e5, 0, -10, 2e5), shape=(3, 3))
    slope = Slope(plane(grid, 1.0, 0.0)).read(Window(1, 1, 1, 1))
    assert math.tan(math.radians(float(slope[0, 0, 0]))) == pytest.approx(3937 / 1200, rel=1e-5)


def test_facing_the_lamp_is_bright_and_away_is_dark() -> None:
    grid = Grid(crs=UTM, transform=Affine(10, 0, 5e5, 0, -10, 5e6), shape=(3, 3))
    centre = Window(1, 1, 1, 1)
    towards = Hillshade(plane(grid, 1.0, -1.0)).read(centre)  # falls to the north-west
    away = Hillshade(plane(grid, -1.0, 1.0)).read(centre)
    assert towards > 0.9
    assert away == 0.0


def test_holes_and_edges_are_nan() -> None:
    grid = Grid(crs=UTM, transform=Affine(10, 0, 5e5, 0, -10, 5e6), shape=(12, 12))
    heights = relief(grid.shape)
    heights[6, 5] = np.nan
    slope = Slope(ArrayRaster(array=heights, grid=grid)).read(grid.window)[0]
    expected = np.zeros(grid.shape, dtype=bool)
    expected[[0, -1]] = expected[:, [0, -1]] = True
    expected[5:8, 4:7] = True
    np.testing.assert_array_equal(np.isnan(slope), expected)
    curvature = Curvature(ArrayRaster(array=heights, grid=grid)).read(grid.window)[0]
    np.testing.assert_array_equal(np.isnan(curvature), expected)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 5e5, 0, -10, 5e6),
        Affine(10, 0, 5e5, 0, -25, 5e6),  # not square
        Affine(10, 0, 5e5, 0, 10, 5e6),  # south up
        Affine(8, 3, 5e5, 4, -9, 5e6),  # rotated
    ],
)
@pytest.mark.parametrize(
    ("xx", "xy", "yy"), [(0.02, 0.0, 0.0), (0.0, 0.01, 0.0), (0.03, 0.01, -0.04), (0.01, 0.0, 0.01)]
)
def test_curvature_of_a_paraboloid(transform: Affine, xx: float, xy: float, yy: float) -> None:
    """On a slope as on the level: the eigenvalue of its second derivatives, whatever the grid."""
    grid = Grid(crs=UTM, transform=transform, shape=(7, 8))
    x, y = grid.xy(*grid.window.pixel_centres())
    x, y = x - x.mean(), y - y.mean()
    z = 0.3 * x - 0.2 * y + xx * x * x / 2 + xy * x * y + yy * y * y / 2
    dem = ArrayRaster(array=z, grid=grid)
    expected = 100.0 * np.abs(np.linalg.eigvalsh([[xx, xy], [xy, yy]])).max()
    # float32 heights of some 100 m: 1e-5 m over (8 m)^2
    np.testing.assert_allclose(Curvature(dem).read(grid.window.pad(-1)), expected, atol=2e-4)


def test_curvature_is_not_below_profile_and_plan_curvature() -> None:
    """Zevenbergen & Thorne's own equations (1987), on square pixels."""
    grid = Grid(crs=UTM, transform=Affine(10, 0, 5e5, 0, -10, 5e6), shape=(60, 60))
    z = relief(grid.shape).astype(np.float64)
    at = [z[i : i + 58, j : j + 58] for i in range(3) for j in range(3)]
    d, e = ((at[3] + at[5]) / 2 - at[4]) / 100, ((at[1] + at[7]) / 2 - at[4]) / 100
    f = (-at[0] + at[2] + at[6] - at[8]) / 400
    g, h = (-at[3] + at[5]) / 20, (at[1] - at[7]) / 20
    profile = 200 * (d * g * g + e * h * h + f * g * h) / (g * g + h * h)
    plan = 200 * (d * h * h + e * g * g - f * g * h) / (g * g + h * h)
    found = Curvature(ArrayRaster(array=z.astype(np.float32), grid=grid)).read(grid.window.pad(-1))
    both = np.maximum(np.abs(profile), np.abs(plan))
    assert (found[0] >= both - 1e-3).all()
    assert np.median(both / found[0]) > 0.75  # and mostly is one of them


@pytest.mark.parametrize("latitude", [0.0, 60.0])
def test_curvature_in_degrees(latitude: float) -> None:
    """The same paraboloid in metres by the geodesic."""
    step = 1e-3
    geod = Geod(ellps="WGS84")
    _, _, wide = geod.inv(-step / 2, latitude, step / 2, latitude)
    transform = Affine(step, 0, 10.0, 0, -step, latitude + 1.5 * step)
    grid = Grid(crs=CRS(4326), transform=transform, shape=(3, 3))
    z = np.tile(0.01 * np.array([wide, 0.0, wide]) ** 2 / 2, (3, 1))
    found = float(Curvature(ArrayRaster(array=z, grid=grid)).read(Window(1, 1, 1, 1))[0, 0, 0])
    assert found == pytest.approx(1.0, rel=1e-5)


def test_blocks_do_not_matter() -> None:
    grid = Grid(crs=CRS(4326), transform=Affine(1e-3, 0, 8, 0, -1e-3, 47), shape=(61, 47))
    dem = ArrayRaster(array=relief(grid.shape), grid=grid)
    for raster in (Slope(dem), Curvature(dem), Hillshade(dem)):
        whole = raster.read(grid.window)
        pieces = np.empty_like(whole)
        for block in grid.blocks(17):
            pieces[:, *block.core.slices_in(grid.window)] = raster.read(block.core)
        np.testing.assert_array_equal(whole, pieces)


def test_bad_lamp() -> None:
    grid = Grid(crs=UTM, transform=Affine(10, 0, 5e5, 0, -10, 5e6), shape=(3, 3))
    dem = plane(grid, 0.0, 0.0)
    with pytest.raises(InputError, match="from 0 to 90"):
        Hillshade(dem, altitude=91.0)
    with pytest.raises(InputError, match="must be positive"):
        Hillshade(dem, exaggeration=0.0)


@pytest.mark.skipif(shutil.which("gdaldem") is None, reason="gdaldem is not installed")
@pytest.mark.parametrize("pixel", [(10.0, 10.0), (10.0, 17.0)])
def test_as_gdaldem(tmp_path: Path, pixel: tuple[float, float]) -> None:
    grid = Grid(crs=UTM, transform=Affine(pixel[0], 0, 5e5, 0, -pixel[1], 5e6), shape=(80, 90))
    heights = relief(grid.shape)
    heights[30:34, 40] = np.nan
    write(ArrayRaster(array=heights, grid=grid), tmp_path / "dem.tif")
    dem = open_raster(tmp_path / "dem.tif")

    def gdaldem(mode: str, *options: str) -> NDArray[np.float64]:
        out = tmp_path / f"{mode}.tif"
        command = ["gdaldem", mode, str(tmp_path / "dem.tif"), str(out), "-q", *options]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        raster = open_raster(out)
        values = raster.read(raster.grid.window)[0].astype(np.float64)
        values[values == raster.nodata] = np.nan
        return values

    slope = Slope(dem).read(grid.window)[0]
    expected = gdaldem("slope")
    np.testing.assert_array_equal(np.isnan(slope), np.isnan(expected))
    np.testing.assert_allclose(slope, expected, atol=1e-3)  # degrees; GDAL computes in float32
    shade = Hillshade(dem, azimuth=300.0, altitude=40.0).read(grid.window)[0]
    levels = gdaldem("hillshade", "-az", "300", "-alt", "40")  # 1 + 254 * shade, rounded
    np.testing.assert_array_equal(np.isnan(shade), np.isnan(levels))
    np.testing.assert_allclose(1.0 + 254.0 * shade, levels, atol=0.51)
