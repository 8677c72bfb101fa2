"""Table 6: how far it is to what nothing can be quicker than."""

from __future__ import annotations

import json
from pathlib import Path

import table_ortho
from measure import OURS, Command, Worker
from plan import NO_DATA, Asked, Plan, Row, alone, compared, missing, said

TITLE = "Distance to the limit"
INTRO = (
    "Whole commands with two threads against reading their inputs and writing their output alone: by "
    "rasterio, the same files, driver, tiles, compression and predictor, each tile decoded once, two "
    "threads that read and two that compress, as small a cache of GDAL's, in a process that is warm. A DEM "
    "that is fitted and moved has to be read twice. Kernels, in one thread: a million points against the same "
    "number in the first cache, and those against BLAS making as many multiplications and additions. Ratios "
    "are trueground's to the limit's: 1 is as good as it gets."
)


def copying(name: str, paths: list[Path], copied: Path, folder: Path) -> Worker:
    """Return what reads files, and copies one."""
    given = {"paths": [str(p) for p in paths], "copied": str(copied), "output": str(folder / "copy.tif")}  # fmt: skip
    return Worker(name=name, python=OURS, script="with_rasterio.py", job="moved_bytes", given=given)  # fmt: skip


def aligning(plan: Plan) -> list[Row]:
    """Alignments of a large pair."""
    rows: list[Row] = []
    size = plan.pick(20_000, 4000)
    wanted = [Asked(of="wall", wanted=1.5, floor=2.5)]
    with plan.folder("limit") as folder, said(rows, "align", "reading and writing", wanted):
        plan.scene("scenes_dem.py", "bent", folder, size)
        reference, moving = folder / "reference.tif", folder / "moving.tif"
        words = [OURS, "-m", "trueground", "align", reference, moving, "-o", folder / "aligned.tif",
                 "--threads", "2", "--quiet"]  # fmt: skip
        twice = copying(
            "reading both twice, writing one", [reference, moving, reference], moving, folder
        )
        rows += compared(
            f"align --blocks 500, {size} x {size}",
            [Command(name="trueground", words=[*words, "--blocks", "500"]), twice],
            plan.pairs, limit=True,
            asked={twice.name: wanted},
        )  # fmt: skip
        once = copying("reading both once, writing one", [reference], moving, folder)
        rows += compared(
            f"align, Nuth & Kaab, {size} x {size}", [Command(name="trueground", words=words), once],
            plan.pairs, limit=True,
        )  # fmt: skip
    return rows


def rectifying(plan: Plan) -> list[Row]:
    """The orthorectification of the second table, and kernels."""
    if plan.data is None:
        return [missing("ortho", "reading and writing", NO_DATA)]
    rows: list[Row] = []
    size = plan.pick(table_ortho.SIZE, 3000)
    with plan.folder("limit") as folder, said(rows, "ortho", "reading and writing"):
        plan.scene("scenes_ortho.py", "texture", folder, plan.data, size)
        grid = json.loads((folder / "grids.json").read_text())["UTM"]
        limit = copying(
            "reading the image, copying the output", [folder / "zstd.tif"], folder / "trueground.tif", folder
        )  # fmt: skip
        command = Command(name="trueground", words=table_ortho.ours(folder, grid, "zstd"))
        rows += compared(f"ortho, UTM, {size} x {size}", [command, limit], plan.pairs, limit=True)
    return rows


def multiplying(plan: Plan) -> list[Row]:
    """Kernels against their arithmetic."""
    if plan.data is None:
        return [missing("project", "arithmetic", NO_DATA)]
    rows: list[Row] = []
    number = 1_000_000
    geom = str(plan.data / "ventoux" / "left_image.geom")
    with plan.folder("points") as folder, said(rows, "project", "arithmetic"):
        plan.scene("scenes_points.py", folder, plan.data, number)
        own = {"script": "with_trueground.py", "python": OURS}
        contenders = [
            alone("trueground", job="project", folder=str(folder), geom=geom, **own),
            alone("the same polynomials in the first cache", job="polynomials", geom=geom, number=number, **own),
            alone("BLAS, as many multiplications and additions", job="multiplications", number=number, **own),
        ]  # fmt: skip
        rows += compared("project, 1 million points", contenders, plan.pairs, limit=True)  # fmt: skip
    return rows


def run(plan: Plan) -> list[Row]:
    """Return a row for each limit."""
    return [*aligning(plan), *rectifying(plan), *multiplying(plan)]
