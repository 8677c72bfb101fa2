"""First intersections of `localize_on` against brute force, and GDAL's on the same lines of sight.

Usage: python benchmarks/certified_rays.py [--data FOLDER] [--rays 5200000] [--workers 2]

The brute force is `tests/ray_reference.py`: the RPC inverted at one height after the other, in steps of at most 1/20 of
a DEM cell, and bisection. What is counted is said in `tests/ray_verdicts.py`. Ends with 1 where a verdict is not 0.

GDAL is the system's libgdal through its C API with a threshold of 0.1 px and its usual number of iterations, on a
GeoTIFF of the same nodes. It is `wrong` where its point lies more than 1 px, measured in the image at the height of the
point that is seen, from that point; and `failed` where it gives none for a line that meets the surface.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio

from trueground.rpc.localize import localize_on
from trueground.rpc.located import Located

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent / "workers"))

from with_gdal import Gdal

from ray_scenes import LONLAT, UTM31, Scene, city, mountains, noise, patchwork
from ray_verdicts import Verdicts, judge

WRONG = 1.0  # px
VIEWS = (None, (8.0, 110.0), (15.0, 20.0), (23.0, 250.0), (30.0, 290.0))
PATCHWORK = 2000  # lines of sight over each small DEM
NODATA = -32768.0  # GDAL takes NaN for heights


def cases(rays: int, data: Path) -> Iterator[tuple[str, Callable[[int], Scene], int]]:
    """Yield group, maker and number of lines of sight of each scene; a quarter of all for each group, or so."""
    for factor in (1.0, 3.0, 5.0):
        for seed, view in enumerate(VIEWS):
            yield (
                f"a SRTM x{factor:g}",
                lambda n, f=factor, v=view, s=seed: mountains(data, n, factor=f, view=v, seed=s),
                round(0.3 * rays / 15),
            )
    for seed, view in enumerate(VIEWS[1:]):
        yield (
            "a SRTM x5, summits",
            lambda n, v=view, s=seed: mountains(data, n, factor=5.0, view=v, summit=True, seed=s),
            round(0.02 * rays / 4),
        )
    for seed, (degrees, bearing, crs) in enumerate(
        ((23.0, 70.0, UTM31), (29.0, 160.0, LONLAT), (35.0, 300.0, LONLAT))
    ):
        yield (
            f"b city 1 m, {degrees:g} deg",
            lambda n, d=degrees, b=bearing, c=crs, s=seed: city(n, d, bearing=b, crs=c, seed=s),
            round(0.3 * rays / 3),
        )
    for fractal in (False, True):
        for seed, (amplitude, degrees) in enumerate(
            ((1.0, 10.0), (3.0, 20.0), (10.0, 30.0), (30.0, 25.0))
        ):
            yield (
                f"c {'fractal' if fractal else 'white'} noise",
                lambda n, a=amplitude, f=fractal, d=degrees, s=seed: noise(
                    n, a, fractal=f, degrees=d, seed=s
                ),
                round(0.2 * rays / 8),
            )
    for seed in range(max(round(0.2 * rays / PATCHWORK), 50)):
        number = min(PATCHWORK, round(0.2 * rays / 50))
        yield "d DEMs with holes", lambda n, s=seed: patchwork(n, s), number


def gdal(scene: Scene, found: Located, folder: Path) -> np.ndarray:
    """Return how many lines of sight that meet the surface GDAL fails at, and how many it puts somewhere else."""
    path = folder / "dem.tif"
    nodes, grid = scene.nodes, scene.grid
    with rasterio.open(
        path, "w", driver="GTiff", width=grid.shape[1], height=grid.shape[0], count=1, dtype="float32",
        crs=grid.crs.to_epsg(), transform=grid.transform, nodata=NODATA,
    ) as target:  # fmt: skip
        target.write(np.where(np.isnan(nodes), np.float32(NODATA), nodes), 1)
    transformer = Gdal(scene.rpc, threshold=0.1, dem=path)
    seen = found.status == 0
    x, y = scene.col[seen].copy(), scene.row[seen].copy()
    if x.size == 0:
        return np.zeros(2, dtype=np.int64)
    done = transformer.transform(x, y, np.zeros(x.size), to_image=False)
    row, col = scene.rpc.project(x, y, found.height[seen])
    off = np.hypot(row - scene.row[seen], col - scene.col[seen])
    return np.array([(~done).sum(), (done & ~(off <= WRONG)).sum()])


def main() -> None:
    """Print a table, a line for each group of scenes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    parser.add_argument("--rays", type=int, default=5_200_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    groups: dict[str, tuple[Verdicts, np.ndarray, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as name:
        for group, make, number in cases(options.rays, Path(options.data)):
            scene = make(number)
            start = time.perf_counter()
            found = localize_on(scene.rpc, scene.dem, scene.row, scene.col)
            middle = time.perf_counter()
            verdicts, bad = judge(scene, found, workers=options.workers)
            took = np.array([middle - start, time.perf_counter() - middle])
            theirs = gdal(scene, found, Path(name))
            before = groups.get(group, (Verdicts(), np.zeros(2), np.zeros(2)))
            groups[group] = before[0] + verdicts, before[1] + theirs, before[2] + took
            for k in bad[:5]:
                print(f"BAD {scene.name}: row {scene.row[k]!r} col {scene.col[k]!r}, "
                      f"{found.status[k]} {found.height[k]}", flush=True)  # fmt: skip
    total = sum((g[0] for g in groups.values()), Verdicts())
    everything = sum(g[1] for g in groups.values()), sum(g[2] for g in groups.values())
    print(f"{'case':<22}{'lines':>9}{'hits':>9}{'missed':>7}{'wrong':>6}{'off line':>9}{'failed':>7}{'status':>7}"
          f"{'thin':>6}{'tangent':>8}{'GDAL failed':>12}{'GDAL wrong':>11}{'s':>7}{'brute s':>9}")  # fmt: skip
    for title, (v, theirs, took) in {**groups, "all": (total, *everything)}.items():
        failed, wrong = theirs / max(v.hits, 1)
        print(f"{title:<22}{v.rays:>9}{v.hits:>9}{v.missed:>7}{v.wrong:>6}{v.off_line:>9}{v.failed:>7}{v.status:>7}"
              f"{v.thin:>6}{v.tangent:>8}{failed:>12.2%}{wrong:>11.2%}{took[0]:>7.1f}{took[1]:>9.1f}")  # fmt: skip
    if total.bad:
        sys.exit(f"{total.bad} lines of sight are not where they should be")


if __name__ == "__main__":
    main()
