"""What it costs to recognise hidden ground, a pixel, on mountains and in a city of 1 m cells.

Usage: python benchmarks/occlusion.py [--data FOLDER]

One thread, processor time, best of five. `positions`: height and image position of each pixel, which an orthoimage
needs anyway; `first`: which of them are hidden, with the pieces of the image that this needs; `again`: with pieces that
are kept; `ortho`: a whole orthoimage of one band of bytes, bilinear, without and with (`+`).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import Transformer

from trueground import Dem, Rpc
from trueground.grid import Grid
from trueground.ortho import Geometry, Orthoimage
from trueground.ortho.occlusion import HiddenMask, Occlusion

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import ray_scenes as scenes

ROUNDS = 5
SIDE = 2048  # px of the output


@dataclass(frozen=True)
class Plain:
    """An image of one value."""

    shape: tuple[int, int]
    count: int = 1
    nodata: float | None = None

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    @property
    def grid(self) -> Grid:
        return Grid(crs=None, transform=Affine.identity(), shape=self.shape)

    def read(self, window) -> np.ndarray:
        return np.full((1, *window.shape), 100, dtype=np.uint8)


def best(call: Callable[[], object]) -> float:
    """Return the least processor time of some calls [ns a pixel]."""
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return min(times) / SIDE**2 * 1e9


def measure(title: str, rpc: Rpc, dem: Dem, grid: Grid, shape: tuple[int, int]) -> None:
    """Print one line."""
    geometry = Geometry(grid=grid, rpc=rpc, dem=dem)
    blocks = [b.core for b in grid.blocks(1024)]
    at = {window: geometry.at(window) for window in blocks}
    positions = best(lambda: [geometry.at(window) for window in blocks])
    kept = Occlusion(geometry=geometry, shape=shape)

    def mask(occlusion: Occlusion) -> None:
        for window in blocks:
            occlusion.mask(window, at[window])

    mask(kept)
    first = best(lambda: mask(Occlusion(geometry=geometry, shape=shape)))
    again = best(lambda: mask(kept))
    share = HiddenMask(occlusion=kept)
    for window in blocks:
        share.read(window)
    ortho = []
    for mode in ("ignore", "fill"):
        settings = {"image": Plain(shape), "rpc": rpc, "dem": dem, "grid": grid}
        made = Orthoimage(**settings, occlusion=mode)
        made.read(blocks[0])
        ortho.append(best(lambda made=made: [made.read(window) for window in blocks]))
    print(
        f"{title:<34}{kept.share():8.2%}{positions:10.1f}{first:10.1f}{again:8.1f}{ortho[0]:10.1f}{ortho[1]:8.1f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    folder = Path(parser.parse_args().data)
    print(
        f"{'ns a pixel':<34}{'hidden':>8}{'positions':>10}{'first':>10}{'again':>8}{'ortho':>10}{'+':>8}"
    )
    to = Transformer.from_crs(scenes.LONLAT, scenes.UTM31, always_xy=True)
    for factor, view in ((1.0, None), (3.0, (35.0, 120.0))):
        scene = scenes.mountains(folder, 1, factor=factor, view=view)
        x, y = to.transform(scene.rpc.long_off, scene.rpc.lat_off)
        half = SIDE / 2 * 0.5
        grid = Grid.covering((x - half, y - half, x + half, y + half), 0.5, crs=scenes.UTM31)
        size = (42_000, 40_000) if view is None else (20_000, 20_000)
        measure(scene.name, scene.rpc, scene.dem, grid.crop(grid.window), size)
    for degrees in (15.0, 29.0):
        scene = scenes.city(1, degrees, size=1300)
        west, south, east, north = scene.grid.bounds
        x, y, half = (west + east) / 2, (south + north) / 2, SIDE / 2 * 0.5
        grid = Grid.covering((x - half, y - half, x + half, y + half), 0.5, crs=scenes.UTM31)
        measure(scene.name, scene.rpc, scene.dem, grid, (20_000, 20_000))


if __name__ == "__main__":
    main()
