"""Scenes for lines of sight: mountains, a city, noise and DEMs with holes, each under an RPC of a slanted view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer

from trueground import Dem, Rpc, fit_rpc
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster
from trueground.rpc.readers import read_rpc
from trueground.samples.sensor import to_ecef, to_geodetic

UTM31, LONLAT = CRS.from_epsg(32631), CRS.from_epsg(4326)
LON, LAT = 3.4, 45.0
DISTANCE = 7.5e5  # m, from the satellite to the ground
SPEED = 0.9  # of the satellite by that of its look on the ground


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Lines of sight over a surface."""

    name: str
    rpc: Rpc
    dem: Dem
    row: np.ndarray
    """[px from the outer corner]"""
    col: np.ndarray

    @property
    def grid(self) -> Grid:
        return self.dem.raster.grid

    @property
    def nodes(self) -> np.ndarray:
        """The heights above the ellipsoid between which the surface is bilinear."""
        return self.dem.surface.read(self.grid.window)[0]


@lru_cache(maxsize=64)
def slanted(
    degrees: float, bearing: float, heights: tuple[float, float], *, lon=LON, lat=LAT, gsd=0.5
) -> Rpc:
    """RPC of 20,000 x 20,000 px of a pushbroom that looks down `degrees` off the vertical.

    The satellite stands in the direction of `bearing`, flies north, and looks along a straight line through space from
    where it is to each point of the plane that touches the ellipsoid in the middle of the scene.
    """
    lam, phi = math.radians(lon), math.radians(lat)
    east = np.array([-math.sin(lam), math.cos(lam), 0.0])
    up = np.array([math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)])
    north = np.cross(up, east)
    b, t = math.radians(bearing), math.radians(degrees)
    towards = math.sin(t) * (math.sin(b) * east + math.cos(b) * north) + math.cos(t) * up
    middle = to_ecef(np.array(lon), np.array(lat), np.array(0.0))
    size = 20_000
    row, col, height = (
        a.ravel()
        for a in np.meshgrid(
            np.linspace(0, size, 12), np.linspace(0, size, 12), np.linspace(*heights, 6)
        )
    )
    ahead, right = (size / 2 - row) * gsd, (col - size / 2) * gsd
    seen = middle + ahead[:, None] * north + right[:, None] * east
    eye = middle + DISTANCE * towards + SPEED * ahead[:, None] * north
    look = (seen - eye) / np.linalg.norm(seen - eye, axis=1)[:, None]
    along = np.linalg.norm(seen - eye, axis=1)
    for _ in range(12):
        at = to_geodetic(eye + along[:, None] * look)
        climb = (to_geodetic(eye + (along + 1.0)[:, None] * look)[2] - at[2]) / 1.0
        along += (height - at[2]) / climb
    at = to_geodetic(eye + along[:, None] * look)
    return fit_rpc(row, col, at[0], at[1], height, ridge=1e-6, minimise="rms").rpc


def raster(z, *, pixel=1.0, crs=UTM31, lon=LON, lat=LAT) -> ArrayRaster:
    """Put heights on a grid around a place; pixels in metres, or as many degrees of latitude."""
    if crs.is_geographic:
        x, y, pixel = lon, lat, pixel / 111_000.0
    else:
        x, y = Transformer.from_crs(LONLAT, crs, always_xy=True).transform(lon, lat)
    rows, cols = z.shape
    # A fraction of a pixel, so that no node lies where a pixel of the image does.
    transform = Affine(
        pixel, 0, x - pixel * (cols / 2 + 0.137), 0, -pixel, y + pixel * (rows / 2 - 0.291)
    )
    grid = Grid(crs=crs, transform=transform, shape=z.shape)
    return ArrayRaster(array=z.astype(np.float32), grid=grid)


def aimed(name, rpc, source, number, rng, *, margin=0.0) -> Scene:
    """Lines of sight at random places of a surface and a little beside it, at random heights within its range."""
    dem = Dem.open(source, heights="ellipsoid")
    rows, cols = source.grid.shape
    r = rng.uniform(-margin * rows, (1.0 + margin) * rows, number)
    c = rng.uniform(-margin * cols, (1.0 + margin) * cols, number)
    x, y = source.grid.xy(r, c)
    lon, lat = Transformer.from_crs(source.grid.crs, LONLAT, always_xy=True).transform(x, y)
    z = source.array.reshape(source.grid.shape)
    row, col = rpc.project(lon, lat, rng.uniform(np.nanmin(z), np.nanmax(z), number))
    return Scene(name=name, rpc=rpc, dem=dem, row=row, col=col)


def mountains(folder: Path, number, *, factor=1.0, view=None, summit=False, seed=0) -> Scene:
    """SRTM around Mont Ventoux, its relief times `factor`, under Pleiades or a `view` of degrees and bearing.

    `summit` looks at the highest ground of the tile instead, in the Devoluy: with a factor of 5 it is at 14,000 m.
    """
    rng = np.random.default_rng(seed)
    dem = Dem.open(folder / "ventoux" / "N44E005.hgt", heights="egm96")
    real = read_rpc(folder / "ventoux" / "left_image.geom")
    grid = dem.raster.grid
    where = Window(880, 230, 300, 320)  # around the scene
    low, high = dem.height_range(where)
    if factor != 1.0:
        z = dem.surface.read(grid.window)[0]
        dem = Dem.open(ArrayRaster(array=(z * np.float32(factor)), grid=grid), heights="ellipsoid")
    if view is None:
        rpc, size = real, (42_000.0, 40_000.0)
    else:
        lon, lat = real.long_off, real.lat_off
        if summit:
            z = dem.surface.read(grid.window)[0]
            i, j = np.unravel_index(np.nanargmax(z), z.shape)
            lon, lat = grid.xy(float(i) + 0.5, float(j) + 0.5)
            high = dem.height_range()[1] / factor
        heights = (low * factor - 100.0, high * factor + 100.0)
        rpc = slanted(*view, heights, lon=float(lon), lat=float(lat))
        size = (20_000.0, 20_000.0)
    look = "Pleiades" if view is None else f"{view[0]:g} deg from {view[1]:g}"
    return Scene(
        name=f"SRTM x{factor:g}{' summit' * summit}, {look}",
        rpc=rpc,
        dem=dem,
        row=rng.uniform(0.0, size[0], number),
        col=rng.uniform(0.0, size[1], number),
    )


def city(number, degrees, *, bearing=70.0, crs=UTM31, size=400, seed=0) -> Scene:
    """1 m cells, boxes of 4 to 60 m with vertical walls (one cell wide, as a bilinear surface has them)."""
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[0:size, 0:size]
    z = 100.0 + 0.02 * i + 2.0 * np.sin(j / 60.0)
    ground = z.copy()
    for _ in range(size * size // 700):
        r, c = rng.integers(0, size, 2)
        h, w = rng.integers(6, 40, 2)
        tall = 4.0 + rng.gamma(2.0, 6.0)
        block = slice(r, r + h), slice(c, c + w)
        z[block] = ground[r, c] + min(tall, 60.0)
    rpc = slanted(degrees, bearing, (0.0, 300.0))
    kind = "lon/lat" if crs.is_geographic else "UTM"
    name = f"city 1 m, {degrees:g} deg from {bearing:g}, {kind}"
    return aimed(name, rpc, raster(z, crs=crs), number, rng)


def noise(number, amplitude, *, fractal, degrees=20.0, bearing=200.0, crs=LONLAT, seed=0) -> Scene:
    """2 m cells of white or fractal noise, whose range is `amplitude` cells."""
    rng = np.random.default_rng(seed)
    n, pixel = 384, 2.0
    z = rng.random((n, n))
    if fractal:
        k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :])
        k[0, 0] = np.inf
        z = np.fft.irfft2(np.fft.rfft2(z - 0.5) * k**-1.3, s=(n, n))
    z = 300.0 + (z - z.min()) / np.ptp(z) * amplitude * pixel
    rpc = slanted(degrees, bearing, (0.0, 800.0))
    kind = "fractal" if fractal else "white"
    name = f"{kind} noise of {amplitude:g} cells, {degrees:g} deg"
    return aimed(name, rpc, raster(z, pixel=pixel, crs=crs), number, rng)


def with_holes(z, pattern: str, rng) -> np.ndarray:
    """Cut holes of a pattern: none, single, sparse, stripes, big, edge, islands."""
    z = z.astype(np.float64)
    rows, cols = z.shape
    if pattern == "single":
        z[rng.integers(rows), rng.integers(cols)] = np.nan
    elif pattern == "sparse":
        z[rng.random(z.shape) < rng.uniform(0.005, 0.1)] = np.nan
    elif pattern == "stripes":
        z[rng.integers(2, 5) :: rng.integers(3, 9)] = np.nan
    elif pattern == "big":
        r, c = rng.integers(0, rows, 2), rng.integers(0, cols, 2)
        z[r.min() : r.max() + 1, c.min() : c.max() + 1] = np.nan
    elif pattern == "edge":
        z[:, : rng.integers(1, cols)] = np.nan
    elif pattern == "islands":
        keep = rng.random((-(-rows // 6), -(-cols // 6))) < 0.5
        z[~np.repeat(np.repeat(keep, 6, 0), 6, 1)[:rows, :cols]] = np.nan
    if np.isnan(z).all():
        z[0, 0] = 1.0
    return z


PATTERNS = ("none", "single", "sparse", "stripes", "big", "edge", "islands")
BEARINGS = (10.0, 100.0, 190.0, 280.0)
ANGLES = (0.0, 8.0, 20.0, 32.0, 45.0)


def patchwork(number, seed, *, shape=None, pattern=None, relief=None) -> Scene:
    """A small DEM of any shape with walls, plateaus, noise and holes, under any view."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 60, 2)) if shape is None else shape
    pattern = rng.choice(PATTERNS) if pattern is None else pattern
    pixel = float(rng.choice([1.0, 5.0, 30.0]))
    relief = float(rng.choice([0.0, 0.1, 1.0, 5.0, 20.0])) if relief is None else relief
    coarse = rng.random((shape[0] // 5 + 1, shape[1] // 5 + 1))
    z = rng.random(shape) * rng.choice([0.0, 0.1, 1.0])
    z = z + np.repeat(np.repeat(coarse, 5, 0), 5, 1)[: shape[0], : shape[1]]
    z = 200.0 + (z - z.min()) / max(np.ptp(z), 1e-9) * relief * pixel
    z = with_holes(z, pattern, rng)
    crs = UTM31 if rng.random() < 0.3 else LONLAT
    rpc = slanted(float(rng.choice(ANGLES)), float(rng.choice(BEARINGS)), (-500.0, 2000.0))
    name = f"patchwork {seed}: {shape[0]} x {shape[1]} of {pixel:g} m, relief {relief:g}, {pattern}"
    return aimed(name, rpc, raster(z, pixel=pixel, crs=crs), number, rng, margin=0.1)
