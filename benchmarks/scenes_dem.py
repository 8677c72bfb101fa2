"""Pairs of DEMs with their truth: moved, biased, bent by a field of shifts; and pairs of any size that repeat a tile.

python benchmarks/scenes_dem.py {moved,biased,bent,tiled} FOLDER SIZE
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from trueground.engine import Threads
from trueground.grid import Grid, Window
from trueground.writer import write

SHIFT = (37.3, -24.1, 2.2)  # m, to be added to the moving DEM
PIXEL = 10.0  # m
NOISE = 1.0  # m
HILLS = ((2, 1, 120.0), (3, -5, 60.0), (9, 7, 25.0), (21, -13, 10.0), (4, 11, 20.0))  # of a tile
READ = 1024  # px written at a time
WAVES = 24
TILE = 2000  # px of a tile that repeats
WRITTEN = {
    "driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:32633", "tiled": True, "nodata": -9999.0,
    "transform": Affine(PIXEL, 0.0, 500_000.0, 0.0, -PIXEL, 8_000_000.0),
}  # fmt: skip


def waves(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Return heights of waves from 300 m to 12 km, and their slopes along x and y, at a row and a column of places."""
    rng = np.random.default_rng(0)
    lengths = np.geomspace(300.0, 12_000.0, WAVES)
    bearings, phases = rng.uniform(0.0, 2.0 * np.pi, (2, WAVES))
    z, dx, dy = (np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32) for _ in "zxy")
    z += 1000.0
    for length, bearing, phase in zip(lengths, bearings, phases, strict=True):
        k, height = 2.0 * np.pi / length, 150.0 * (length / 12_000.0) ** 0.8
        # A wave of a sum of angles, from waves of each: exact, and quick.
        a, b = k * x * np.cos(bearing) + phase, k * y * np.sin(bearing)
        z += (height * (np.sin(a) * np.cos(b) + np.cos(a) * np.sin(b))).astype(np.float32)
        along = (height * k * (np.cos(a) * np.cos(b) - np.sin(a) * np.sin(b))).astype(np.float32)
        dx += np.float32(np.cos(bearing)) * along
        dy += np.float32(np.sin(bearing)) * along
    return z, dx, dy


def _axes(size: int) -> tuple[NDArray, NDArray]:
    return (np.arange(size) + 0.5)[None, :] * PIXEL, -(np.arange(size) + 0.5)[:, None] * PIXEL


def _save(path: Path, z: NDArray) -> None:
    rows, cols = z.shape
    with rasterio.open(path, "w", width=cols, height=rows, **WRITTEN) as file:
        file.write(z.astype(np.float32), 1)


def moved(folder: Path, size: int) -> None:
    """Write a pair, one moved by the shift, both with noise."""
    rng = np.random.default_rng(0)
    x, y = _axes(size)
    for name, (sx, sy, sz) in (("reference", (0.0, 0.0, 0.0)), ("moving", SHIFT)):
        z = waves(x + sx, y + sy)[0] - np.float32(sz)
        _save(folder / f"{name}.tif", z + NOISE * rng.standard_normal(z.shape, dtype=np.float32))


def biases(size: int) -> dict[str, NDArray]:
    """Return what is to be added to the moving DEM [m], by method; evaluated where its cells are."""
    x, y = _axes(size)
    u, v = x / (size * PIXEL), -y / (size * PIXEL)
    _, dx, dy = waves(x, y)
    slope = np.degrees(np.arctan(np.hypot(dx, dy)))
    flat = np.zeros((size, size))
    return {
        "vertical-shift": flat + SHIFT[2],
        "deramp": flat + 3.0 + 8.0 * u - 5.0 * v + 6.0 * u * u - 4.0 * u * v + 3.0 * v * v,
        "directional-bias": flat + 2.0 * np.sin(2.0 * np.pi * x / 6000.0 + 0.7),
        "terrain-bias": 0.1 * slope,
    }


def biased(folder: Path, size: int) -> None:
    """Write a reference, and a moving DEM for each kind of bias, in its place."""
    rng = np.random.default_rng(1)
    z = waves(*_axes(size))[0]
    _save(folder / "reference.tif", z + NOISE * rng.standard_normal(z.shape).astype(np.float32))
    for name, bias in biases(size).items():
        noise = NOISE * rng.standard_normal(z.shape).astype(np.float32)
        _save(folder / f"{name}.tif", z + noise - bias)
        np.save(folder / f"{name}.npy", bias.astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Mountains:
    """Waves from 300 m to 12 km with noise; bent by a smooth field of shifts where it is the moving DEM."""

    grid: Grid
    bent: bool
    noise: float = NOISE
    dtype = np.dtype(np.float32)
    nodata = float("nan")
    count = 1

    def read(self, window: Window) -> NDArray[np.float32]:
        rows, cols = self.grid.shape
        row, col = (v.astype(np.float32) for v in window.pixel_centres())
        x, y = np.broadcast_arrays(PIXEL * col, PIXEL * row)
        up = np.float32(0.0)
        if self.bent:
            u, v = col / cols, row / rows
            x = x + 35.0 * np.exp(-((u - 0.4) ** 2 + (v - 0.3) ** 2) / 0.2)
            y = y - 25.0 * np.sin(2.0 * u + v)
            up = 3.0 * np.sin(3.0 * v)
        z = np.full(window.shape, 1000.0, dtype=np.float32)
        rng = np.random.default_rng(5)
        for length in np.geomspace(300.0, 12_000.0, 8):
            bearing, phase = rng.uniform(0.0, 2.0 * np.pi, 2)
            k = np.float32(2.0 * np.pi / length)
            along = np.float32(np.cos(bearing)) * x + np.float32(np.sin(bearing)) * y
            z += np.float32(150.0 * (length / 12_000.0) ** 0.8) * np.sin(
                k * along + np.float32(phase)
            )
        noise = np.random.default_rng([window.row, window.col, self.bent])
        z += np.float32(self.noise) * noise.standard_normal(window.shape, dtype=np.float32) - up
        return z[np.newaxis]


def utm(size: int) -> Grid:
    return Grid(
        crs=CRS.from_epsg(32633), shape=(size, size),
        transform=Affine(PIXEL, 0.0, 500_000.0, 0.0, -PIXEL, 8_000_000.0),
    )  # fmt: skip


def bent(folder: Path, size: int) -> None:
    """Write the pair that a field of shifts bends (float32, tiled zstd), where it is not there yet."""
    for name, is_bent in (("reference", False), ("moving", True)):
        path = folder / f"{name}.tif"
        if not path.exists():
            write(Mountains(grid=utm(size), bent=is_bent), path, engine=Threads(2), block_size=READ)


def tiled(folder: Path, size: int) -> None:
    """Write a pair of VRTs that repeat one tile of hills each; one is moved, both have noise."""
    from scenes_ortho import repeated

    rng = np.random.default_rng(2)
    turn = 2.0 * np.pi / (TILE * PIXEL)
    x, y = _axes(TILE)
    t = WRITTEN["transform"]
    where = ", ".join(repr(v) for v in (t.c, t.a, t.b, t.f, t.d, t.e))
    georeference = f"<SRS>EPSG:32633</SRS><GeoTransform>{where}</GeoTransform>"
    for name, (sx, sy, sz) in (("reference", (0.0, 0.0, 0.0)), ("moving", SHIFT)):
        tile = folder / f"{name}_tile.tif"
        if not tile.exists():
            z = np.full((TILE, TILE), 1000.0 - sz)
            for m, n, height in HILLS:  # fmt: skip
                z += height * np.sin(turn * (m * (x + sx) + n * (y + sy)) + m)
            z += NOISE * rng.standard_normal(z.shape)
            with rasterio.open(
                tile, "w", width=TILE, height=TILE,
                **{**WRITTEN, "compress": "zstd", "predictor": 3, "zstd_level": 1,
                   "blockxsize": 512, "blockysize": 512},
            ) as file:  # fmt: skip
                file.write(z.astype(np.float32), 1)
        repeated(
            folder / f"{name}_{size}.vrt", tile.name, size, dtype="Float32",
            georeference=georeference, nodata="-9999",
        )  # fmt: skip


if __name__ == "__main__":
    kind, folder, size = sys.argv[1:4]
    {"moved": moved, "biased": biased, "bent": bent, "tiled": tiled}[kind](Path(folder), int(size))
