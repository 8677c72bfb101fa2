"""Table 5: how time and memory of commands grow with the rasters."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import OURS, Command, Failed
from plan import Plan, Row, missing

TITLE = "Growth"
INTRO = (
    "Whole commands with two threads on inputs that repeat one tile (VRT), so that only outputs take "
    "space on the disk. Size is that of the image or of the DEMs along a side. Exponents: slopes in log-log, "
    "of processor and wall time less those of the smallest input ({start} px, where the start is "
    "all), and of the peak of memory, against the number of pixels, from {least} px on. Times are given "
    "as multiples of those at the first size of that fit, which are in seconds."
)
START = 256  # px
LEAST = 4000  # px; below it the start is too much of the time
TWO = ("--threads", "2", "--quiet")
# Noise that repeats with the tile may look like a field, of which a second pass is made or not: one at each size.
BLOCKS = ("--blocks", "500", "--passes", "1")


def ortho(folder: Path, size: int, plan: Plan) -> list[str]:
    """Return the words of an orthorectification."""
    plan.scene("scenes_ortho.py", "repeated", folder, size)
    return [
        "ortho", f"{folder}/image_{size}.vrt", "--dem", f"{folder}/dem_{size}.vrt", "--heights", "ellipsoid",
        "-o", f"{folder}/out.tif", "--occlusion", "ignore", *TWO,
    ]  # fmt: skip


def locate(folder: Path, size: int, plan: Plan) -> list[str]:
    """Return the words of locating all pixels of an image."""
    plan.scene("scenes_ortho.py", "repeated", folder, size)
    return [
        "locate", f"{folder}/image_{size}.vrt", "--dem", f"{folder}/dem_{size}.vrt", "--heights", "ellipsoid",
        "-o", f"{folder}/out.tif", *TWO,
    ]  # fmt: skip


def align(folder: Path, size: int, plan: Plan, *more: str) -> list[str]:
    """Return the words of an alignment."""
    plan.scene("scenes_dem.py", "tiled", folder, size)
    pair = [f"{folder}/{name}_{size}.vrt" for name in ("reference", "moving")]
    return ["align", *pair, "-o", f"{folder}/out.tif", *more, *TWO]


JOBS: dict[str, tuple[Callable[..., list[str]], tuple[str, ...], int]] = {
    "ortho": (ortho, (), 32_000),
    "align, whole": (align, (), 32_000),
    "align --blocks 500, one pass": (align, BLOCKS, 32_000),
    "locate, all pixels": (locate, (), 8_000),  # 24 bytes a pixel to write
}
"""Words, and the largest size [px]."""
MOST = {"ortho": 2000.0, "align, whole": 2000.0, "align --blocks 500, one pass": 1500.0}
"""Memory that was asked for [MB]."""
SLOPES = {"ortho": (1.0, 0.1)}
"""Exponent of time against pixels that was asked for, and how far from it."""


def slope(x: list[float], y: list[float]) -> float | None:
    """Return the slope of a line through points in log-log; none where a value is not above zero."""
    if len(x) < 2 or min(y) <= 0.0:
        return None
    return statistics.linear_regression([math.log(v) for v in x], [math.log(v) for v in y]).slope


def run(plan: Plan) -> list[Row]:
    """Return a row for each job."""
    rows: list[Row] = []
    sizes = plan.pick((1000, 2000, 4000, 8000, 16_000, 32_000), (1000, 2000, 4000))
    for name, (words, more, largest) in JOBS.items():
        print(f"  {name}", flush=True)
        figures: list[dict[str, Any]] = []
        asked = {"most": MOST.get(name), "slope": SLOPES.get(name)}
        try:
            with plan.folder("growth") as folder:
                for size in (START, *(s for s in sizes if s <= largest)):
                    command = Command(
                        name=name, words=[OURS, "-m", "trueground", *words(folder, size, plan, *more)],
                        warm=size == START,
                    )  # fmt: skip
                    command.start()
                    spent = [
                        command.once() for _ in range(3 if size <= LEAST and not plan.quick else 1)
                    ]
                    figures.append({"size": size, "wall": min(s.wall for s in spent),
                                    "cpu": min(s.cpu for s in spent), "peak": max(s.peak for s in spent)})  # fmt: skip
                    print(f"    {figures[-1]}", flush=True)
                    (folder / "out.tif").unlink(missing_ok=True)
        except Failed as error:
            rows.append(missing(name, "none", str(error)) | asked)
            continue
        rows.append({"title": name, "growth": figures, **exponents(figures, plan), **asked})
    return rows


def exponents(figures: list[dict[str, Any]], plan: Plan) -> dict[str, Any]:
    """Return the slopes of wall and processor time, less those of the start, and of memory, against pixels."""
    least = plan.pick(LEAST, LEAST // 2)
    start, *_ = figures
    used = [f for f in figures if f["size"] >= least]
    pixels = [float(f["size"]) ** 2 for f in used]
    return {
        "least": least,
        "exponents": {
            "wall": slope(pixels, [f["wall"] - start["wall"] for f in used]),
            "cpu": slope(pixels, [f["cpu"] - start["cpu"] for f in used]),
            "peak": slope(pixels, [f["peak"] for f in used]),
        },
    }
