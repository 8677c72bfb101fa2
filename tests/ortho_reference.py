"""The exact way from an orthoimage's pixels into an image: pyproj at every pixel, numpy for the rest.

Nothing here is shared with trueground's kernels, lattices or samplers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer

from ray_scenes import city, raster, slanted
from reference import rpc_project
from trueground import Dem, Orthoimage, Rpc, read_rpc
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster

LONLAT = CRS.from_epsg(4326)
UTM31 = CRS.from_epsg(32631)
# Mont Ventoux lies far outside the area of EPSG:3413, whose formulas hold there: strongly curved meridians are what
# the lattice has to follow.
TARGETS = {"UTM": 32631, "lon/lat": 4326, "polar": 3413, "Mercator": 3857}
ARCTIC_TARGETS = {"lon/lat": 4326, "polar UPS": 32661}
MARGIN = 1.5  # px; nearer to the frame values are held, not extrapolated, and GDAL leaves some out


@dataclass(frozen=True, kw_only=True)
class Case:
    """A coordinate-coded image over a surface of ellipsoidal heights."""

    name: str
    rpc: Rpc
    """In the image's own pixels."""
    shape: tuple[int, int]
    nodes: np.ndarray
    """Heights above the ellipsoid at the cells' centres [m]."""
    dem_grid: Grid
    height: float
    """Of the ground in the middle of the image [m]."""
    targets: dict[str, int] = field(default_factory=lambda: TARGETS)
    """EPSG codes of the outputs."""

    @property
    def dem(self) -> Dem:
        return Dem.open(
            ArrayRaster(array=self.nodes.astype(np.float32), grid=self.dem_grid),
            heights="ellipsoid",
        )

    @property
    def image(self) -> ArrayRaster:
        """Two bands: row and column of each pixel's centre."""
        at = np.mgrid[0 : self.shape[0], 0 : self.shape[1]] + 0.5
        return ArrayRaster(
            array=at, grid=Grid(crs=None, transform=Affine.scale(1), shape=self.shape)
        )


def centred(name, rpc, source, size, *, lon, lat) -> Case:
    """An image of `size` px whose middle shows a place of a surface."""
    grid = source.grid
    nodes = source.read(grid.window)[0]
    height = bilinear(nodes, *pixels_of(grid, LONLAT, np.array(lon), np.array(lat)))
    row, col = rpc_project(rpc, np.array(lon), np.array(lat), height)
    crop = rpc.cropped(round(float(row) - size / 2), round(float(col) - size / 2))
    return Case(
        name=name, rpc=crop, shape=(size, size), nodes=nodes, dem_grid=grid, height=float(height)
    )


def ventoux_cases(data: Path, size: int) -> list[Case]:
    """Pleiades' RPC and one that looks down at 23 degrees, over SRTM and over a city of 1 m."""
    pleiades = read_rpc(data / "ventoux" / "left_image.geom")
    lon, lat = pleiades.long_off, pleiades.lat_off
    whole = Dem.open(data / "ventoux" / "N44E005.hgt", heights="egm96").surface
    row, col = whole.grid.rowcol(lon, lat)
    around = Window(int(row) - 60, int(col) - 60, 120, 120)
    srtm = ArrayRaster(array=whole.read(around)[0], grid=whole.grid.crop(around))
    lean = slanted(23.0, 70.0, (0.0, 2500.0), lon=lon, lat=lat)
    town = city_at(lon, lat, size)
    return [
        centred(f"{model}, {ground}", rpc, source, size, lon=lon, lat=lat)
        for model, rpc in (("Pleiades", pleiades), ("23 deg", lean))
        for ground, source in (("SRTM", srtm), ("city 1 m", town))
    ]


def city_at(lon, lat, size) -> ArrayRaster:
    """Boxes with walls of one cell, on ground at 1000 m: more of it than an image of half metres shows."""
    cells = size * 6 // 10 + 200
    z = city(1, 23.0, size=cells).nodes + 900.0
    return raster(z, crs=UTM31, lon=lon, lat=lat)


def synthetic_cases(size: int) -> list[Case]:
    """The same without real data: a view of 23 degrees over coarse hills in lon/lat, and over the city."""
    lon, lat = 5.19, 44.21
    lean = slanted(23.0, 70.0, (0.0, 2500.0), lon=lon, lat=lat)
    r, c = np.mgrid[0:40, 0:40]
    hills = 1000.0 + 200.0 * np.sin(r / 2.0) * np.cos(c / 3.0) + 40.0 * np.sin(r * c / 9.0)
    sources = {
        "hills": raster(hills, pixel=60.0, crs=LONLAT, lon=lon, lat=lat),
        "city 1 m": city_at(lon, lat, size),
    }
    return [centred(f"23 deg, {n}", lean, s, size, lon=lon, lat=lat) for n, s in sources.items()]


def arctic_case(size: int) -> Case:
    """A made-up scene at 81 degrees north, whose DEM is polar stereographic as well."""
    lon, lat, polar = 20.0, 81.0, CRS.from_epsg(3413)
    lean = slanted(23.0, 200.0, (0.0, 1500.0), lon=lon, lat=lat)
    r, c = np.mgrid[0:120, 0:120]
    hills = 600.0 + 120.0 * np.sin(r / 4.0) + 90.0 * np.cos(c / 3.0) + 10.0 * np.sin(r * c / 20.0)
    source = raster(hills, pixel=20.0, crs=polar, lon=lon, lat=lat)
    case = centred("23 deg at 81 N", lean, source, size, lon=lon, lat=lat)
    return replace(case, targets=ARCTIC_TARGETS)


def native_grid(case: Case, code: int) -> Grid:
    """Pixels as large as the image's over what it shows at its middle's height, on no round numbers."""
    rows, cols = case.shape
    crs = CRS.from_epsg(code)
    r, c = (np.array(v) for v in ([0, 0, rows, rows], [0, cols, 0, cols]))
    at = case.rpc.localize(r, c, case.height)
    x, y = Transformer.from_crs(LONLAT, crs, always_xy=True).transform(at.lon, at.lat)
    area = abs((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]))
    pixel = math.sqrt(area / (rows * cols))
    return Grid.covering((x.min(), y.min(), x.max(), y.max()), pixel, crs=crs)


# The exact chain --------------------------------------------------------------------------------


def pixels_of(grid: Grid, crs: CRS, x, y):
    """Row and column (outer corner) in a grid of points in any reference system."""
    if not grid.crs.equals(crs, ignore_axis_order=True):
        x, y = Transformer.from_crs(crs, grid.crs, always_xy=True).transform(x, y)
    inverse = ~grid.transform
    return inverse.d * x + inverse.e * y + inverse.f, inverse.a * x + inverse.b * y + inverse.c


def bilinear(nodes, row, col):
    """Between four cell centres; NaN beyond the outermost."""
    rows, cols = nodes.shape
    r, c = np.asarray(row) - 0.5, np.asarray(col) - 0.5
    inside = (r >= 0) & (r <= rows - 1) & (c >= 0) & (c <= cols - 1)
    i = np.clip(np.floor(np.where(inside, r, 0.0)).astype(int), 0, rows - 2)
    j = np.clip(np.floor(np.where(inside, c, 0.0)).astype(int), 0, cols - 2)
    u, v = r - i, c - j
    z = nodes.astype(np.float64)
    above = z[i, j] * (1.0 - v) + z[i, j + 1] * v
    below = z[i + 1, j] * (1.0 - v) + z[i + 1, j + 1] * v
    return np.where(inside, above * (1.0 - u) + below * u, np.nan)


def exact_positions(case: Case, grid: Grid, window: Window | None = None):
    """Image row and column of the pixel centres of an output grid."""
    window = grid.window if window is None else window
    row, col = (np.empty(window.shape) for _ in range(2))
    to_lonlat = None
    if not grid.crs.equals(LONLAT, ignore_axis_order=True):
        to_lonlat = Transformer.from_crs(grid.crs, LONLAT, always_xy=True)
    for first in range(0, window.height, 128):  # so that memory stays small
        some = Window(window.row + first, window.col, min(128, window.height - first), window.width)
        r, c = np.broadcast_arrays(*some.pixel_centres())
        t = grid.transform
        x, y = t.a * c + t.b * r + t.c, t.d * c + t.e * r + t.f
        height = bilinear(case.nodes, *pixels_of(case.dem_grid, grid.crs, x, y))
        lon, lat = (x, y) if to_lonlat is None else to_lonlat.transform(x, y)
        at = slice(first, first + some.height)
        row[at], col[at] = rpc_project(case.rpc, lon, lat, height)
    return row, col


def inner(case: Case, row, col):
    """Which positions lie well within the image."""
    rows, cols = case.shape
    with np.errstate(invalid="ignore"):
        return (row > MARGIN) & (row < rows - MARGIN) & (col > MARGIN) & (col < cols - MARGIN)


def made(case: Case, grid: Grid) -> Orthoimage:
    """The orthoimage of the coordinate-coded image."""
    return Orthoimage(
        image=case.image, rpc=case.rpc, dem=case.dem, grid=grid, occlusion="ignore", antialias=False
    )


def errors(case: Case, values, row, col):
    """Distance of a coordinate-coded orthoimage (2, rows, cols) from exact positions [px], where it should show some.

    Infinite where it shows nothing.
    """
    use = inner(case, row, col)
    apart = np.hypot(values[0][use] - row[use], values[1][use] - col[use])
    return np.where(np.isfinite(apart), apart, np.inf)
