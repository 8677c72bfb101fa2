"""Fit and apply of rigid methods and ramps against xDEM: the same pair, the same number of samples, one thread each.

Each tool runs each method in a process of its own, so that its peak of memory is its own. What is imported, and
kernels, are loaded before the clock starts.

    python benchmarks/against_xdem.py [--size 3000] [--methods nuth-kaab,lzd,icp,deramp]

xDEM comes with the extra `bench`; affine is held below 3, with which it does not work.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHIFT = (37.3, -24.1, 2.2)  # m
PIXEL = 10.0
SAMPLES = 500_000
METHODS = ("vertical-shift", "nuth-kaab", "lzd", "icp", "dh-minimize", "deramp")


def make(folder: Path, size: int) -> None:
    """Write a pair of DEMs of waves from 300 m to 12 km, one moved by the shift, both with 1 m of noise."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(0)
    lengths = np.geomspace(300.0, 12_000.0, 24)
    bearings, phases = rng.uniform(0.0, 2.0 * np.pi, (2, 24))

    def surface(x, y):
        z = np.full(np.broadcast_shapes(x.shape, y.shape), 1000.0, dtype=np.float32)
        for length, bearing, phase in zip(lengths, bearings, phases, strict=True):
            k = 2.0 * np.pi / length
            # A wave of a sum of angles, from waves of each: exact, and quick.
            a, b = k * x * np.cos(bearing) + phase, k * y * np.sin(bearing)
            height = 150.0 * (length / 12_000.0) ** 0.8
            z += (height * (np.sin(a) * np.cos(b) + np.cos(a) * np.sin(b))).astype(np.float32)
        return z

    x = (np.arange(size) + 0.5)[None, :] * PIXEL
    y = -(np.arange(size) + 0.5)[:, None] * PIXEL
    for name, (sx, sy, sz) in (("reference", (0.0, 0.0, 0.0)), ("moving", SHIFT)):
        z = surface(x + sx, y + sy) - np.float32(sz)
        z += rng.standard_normal(z.shape, dtype=np.float32)
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=size, height=size, count=1, dtype="float32",
            crs="EPSG:32633", transform=from_origin(500_000.0, 8_000_000.0, PIXEL, PIXEL), tiled=True,
            nodata=-9999.0,
        ) as file:  # fmt: skip
            file.write(z, 1)


def ours(folder: Path, method: str) -> dict[str, object]:
    """Fit and apply with trueground."""
    from trueground.coreg import METHODS as KNOWN
    from trueground.engine import Serial
    from trueground.raster import open_raster

    def run(reference, moving):
        settings = {"order": 2} if method == "deramp" else {}
        found = KNOWN[method](samples=SAMPLES, **settings).fit(reference, moving, engine=Serial())
        moved = found.apply(moving)
        for block in moved.grid.blocks(1024):
            yield block.core, moved.read(block.core)
        yield found

    import numpy as np

    from trueground.grid import Window
    from trueground.raster import ArrayRaster

    reference, moving = (open_raster(folder / f"{n}.tif") for n in ("reference", "moving"))
    corner = Window(0, 0, 400, 400)  # on which kernels are loaded
    grid = reference.grid.crop(corner)
    for _ in run(*(ArrayRaster(array=r.read(corner), grid=grid) for r in (reference, moving))):
        pass
    out = np.empty(moving.grid.shape, dtype=np.float32)
    start = time.perf_counter()
    for item in run(reference, moving):
        if isinstance(item, tuple):
            out[item[0].slices_in(moving.grid.window)] = item[1][0]
    return _said(time.perf_counter() - start, item)


def xdems(folder: Path, method: str) -> dict[str, object]:
    """Fit and apply with xDEM."""
    import warnings

    warnings.simplefilter("ignore")
    import xdem

    kind = {
        "vertical-shift": lambda: xdem.coreg.VerticalShift(subsample=SAMPLES),
        "nuth-kaab": lambda: xdem.coreg.NuthKaab(subsample=SAMPLES),
        "lzd": lambda: xdem.coreg.LZD(subsample=SAMPLES),
        "icp": lambda: xdem.coreg.ICP(subsample=SAMPLES),
        "dh-minimize": lambda: xdem.coreg.DhMinimize(subsample=SAMPLES),
        "deramp": lambda: xdem.coreg.Deramp(subsample=SAMPLES, poly_order=2),
    }[method]
    reference, moving = (xdem.DEM(folder / f"{n}.tif") for n in ("reference", "moving"))
    start = time.perf_counter()
    coreg = kind()
    coreg.fit(reference, moving, random_state=0)
    aligned = coreg.apply(moving)
    _ = aligned.data.sum()
    took = time.perf_counter() - start
    affine = coreg.meta["outputs"].get("affine", {})
    if "matrix" in affine:
        affine = dict(zip(("shift_x", "shift_y", "shift_z"), affine["matrix"][:3, 3], strict=True))
    return _said(took, affine)


def _said(took: float, found: object) -> dict[str, object]:
    import resource

    def get(name: str) -> float:
        value = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
        return float("nan") if value is None else float(value)

    return {
        "seconds": took,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        "shift": [get("shift_x"), get("shift_y"), get("shift_z")],
    }


def _child(tool: str, method: str, folder: Path) -> dict[str, object] | None:
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, __file__, "--tool", tool, "--methods", method, "--folder", str(folder)],
        env={**os.environ, **alone}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        print(f"{tool} {method}: failed ({ran.returncode}): {ran.stderr.strip().splitlines()[-1:]}")
        return None
    return json.loads(ran.stdout.strip().splitlines()[-1])


def main() -> None:
    """Print, for each method, seconds, memory and errors of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--methods", default="nuth-kaab,lzd,icp,deramp")
    parser.add_argument("--tool", choices=["ours", "xdem"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    if asked.tool:
        run = ours if asked.tool == "ours" else xdems
        print(json.dumps(run(asked.folder, asked.methods)))
        return
    if importlib.util.find_spec("xdem") is None:
        print("xDEM is not installed: pip install '.[bench]' in an environment of its own")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, asked.size)
        print(f"{asked.size} x {asked.size}, shift {SHIFT} m, {SAMPLES} samples, one thread each")
        print(f"{'method':16}{'tool':8}{'s':>8}{'MB':>8}{'error x, y [px], z [m]':>34}")
        for method in asked.methods.split(","):
            best = {}
            for tool in ("xdem", "ours"):
                runs = [_child(tool, method, folder) for _ in range(asked.repeats)]
                done = [r for r in runs if r is not None]
                if not done:
                    continue
                best[tool] = min(done, key=lambda r: r["seconds"])
                x, y, z = (f - s for f, s in zip(best[tool]["shift"], SHIFT, strict=True))
                print(
                    f"{method:16}{tool:8}{best[tool]['seconds']:8.2f}{best[tool]['peak_mb']:8.0f}"
                    f"{x / PIXEL:14.5f}{y / PIXEL:10.5f}{z:10.4f}"
                )
            if len(best) == 2:
                speed = best["xdem"]["seconds"] / best["ours"]["seconds"]
                memory = best["ours"]["peak_mb"] / best["xdem"]["peak_mb"]
                print(f"{'':16}{speed:.1f} times faster, {memory:.2f} of the memory")


if __name__ == "__main__":
    main()
