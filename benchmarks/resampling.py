"""Resampling of an image, ns a pixel, against GDAL's warper in the same process; both against a float64 twin.

Usage: python benchmarks/resampling.py [--size 1500]

An image of noise is turned by 5 degrees at its own resolution (scale 1), and reduced by 3 with anti-aliasing. One
thread each, the best of three calls. `ours` is `sample_image` on pixel coordinates worked out beforehand; GDAL's time
has its transformer in it, an affine one: its `nearest` tells what that takes. Errors are of float32 images, of 300
pixels, in parts of the noise's range: the greatest. GDAL's `average` and `mode` are others on turned grids.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.warp
from affine import Affine
from rasterio.enums import Resampling

from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.sampling import IMAGE, sample_image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import resampling_reference as reference

ROUNDS = 3
TURN = 5.0  # degrees
RANGE = 4000.0
CHECKED = 300


def best(call: Callable[[], Any]) -> tuple[float, Any]:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - begin)
    return min(times), result


def gdal(image: np.ndarray, grid: Grid, *, name: str, scale: float) -> np.ndarray:
    out = np.zeros(grid.shape, dtype=image.dtype)
    rasterio.warp.reproject(
        image, out, src_transform=Affine.identity(), src_crs="EPSG:32631",
        dst_transform=grid.transform, dst_crs="EPSG:32631",
        resampling=Resampling[name.replace("-", "_")], tolerance=0.0, num_threads=1,
        XSCALE=1.0 / scale, YSCALE=1.0 / scale,
    )  # fmt: skip
    return out


def expected(image: np.ndarray, row: float, col: float, name: str, scale: float) -> float:
    if name == "nearest":
        return float(image[math.floor(row), math.floor(col)])
    if name == "mode":
        return float(reference.mode(image, row, col, scale=(scale, scale)))
    return reference.image(image, row, col, name=name, scale=(scale, scale))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1500, help="rows of the output at scale 1")
    size = parser.parse_args().size
    rng = np.random.default_rng(0)
    side = int(size * 1.2) + 100
    noise = rng.uniform(1.0, RANGE, (side, side))
    print(f"{'':14}{'scale':>6}{'type':>9}{'ours ns':>9}{'GDAL ns':>9}{'ratio':>7}"
          f"{'our error':>12}{'GDAL error':>12}")  # fmt: skip
    for scale in (1.0, 3.0):
        pixels = int(size / scale)
        turned = Affine.translation(40.3, 40.7 + 0.1 * size) @ Affine.rotation(-TURN)
        grid = Grid(crs=None, transform=turned @ Affine.scale(scale), shape=(pixels, pixels))
        i, j = np.mgrid[0:pixels, 0:pixels] + 0.5
        col, row = (np.ascontiguousarray(a) for a in grid.xy(i, j))
        picked = rng.integers(0, pixels, (CHECKED, 2))
        for name in IMAGE:
            for dtype in (np.uint16, np.float32):
                image = noise.astype(dtype) if name != "mode" else (noise // 1000).astype(dtype) + 1
                own_grid = Grid(crs=None, transform=Affine.identity(), shape=image.shape)
                raster = ArrayRaster(array=image, grid=own_grid)
                at = {"fill": math.nan if dtype == np.float32 else 0, "resampling": name}

                def ours(raster=raster, at=at, row=row, col=col, scale=scale) -> np.ndarray:
                    return sample_image(raster, row, col, scale=(scale, scale), **at)

                sample_image(raster, row[:2], col[:2], scale=(scale, scale), **at)  # compiles
                own, found = best(ours)
                other, theirs = best(lambda: gdal(image, grid, name=name, scale=scale))  # noqa: B023
                errors = ""
                if dtype == np.float32:
                    true = [expected(image, row[p, q], col[p, q], name, scale) for p, q in picked]
                    for values in (found[0], theirs):
                        off = np.abs(values[tuple(picked.T)] - true).max() / RANGE
                        errors += f"{off:12.1e}"
                per = 1e9 / row.size
                print(f"{name:14}{scale:6g}{np.dtype(dtype).name:>9}{own * per:9.1f}{other * per:9.1f}"
                      f"{other / own:7.1f}{errors}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
