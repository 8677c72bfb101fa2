"""The whole flow on the synthetic world: align, orthorectify, report, and hold all of it against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trueground.coreg import Alignment, NuthKaab
from trueground.dem import Dem
from trueground.difference import Difference
from trueground.engine import Engine, Progress, Threads
from trueground.grid import Grid
from trueground.matching import PatchOffsets, patch_offsets
from trueground.ortho import Orthoimage, ortho_grid
from trueground.raster import Raster, open_raster
from trueground.report import write_demo_report
from trueground.rpc.readers import rpc_for_image
from trueground.samples import World
from trueground.stats import Statistics, statistics
from trueground.vectors import stable_terrain
from trueground.warp import on_grid
from trueground.writer import write, write_text

_RESOLUTION = 2.0  # m, of the orthoimages
_LEAST_QUALITY = 0.1  # of a patch's correlation, below which it says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo made, and how good it is."""

    files: tuple[Path, ...]
    """In the order in which they were made; the report is the last."""
    alignment: Alignment
    before: Statistics
    """Reference - moving on stable terrain."""
    after: Statistics
    """Reference - aligned on stable terrain."""
    shift_error: tuple[float, float, float]
    """Found shift - true mean shift: east, north, up [m]."""
    ortho_error: tuple[tuple[float, float], tuple[float, float]]
    """Left and right: median and 95th percentile of the distance of patches from the true texture [px of 2 m]."""


def run_demo(
    world: World,
    folder: Path,
    *,
    engine: Engine | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> DemoResult:
    """Align the moving DEM, orthorectify both images over it, write a report into `folder`.

    Parameters
    ----------
    world
        The synthetic world.
    folder
        Where the results go; it must exist.
    engine
        Where blocks are computed.
    command
        What the user typed, for the report.
    progress
        Called with steps done and their total.
    """
    use = engine or Threads()
    step = progress or (lambda _done, _total: None)
    reference, moving = open_raster(world.reference), open_raster(world.moving)
    stable = stable_terrain(reference.grid, exclude=[world.outlines])
    found = NuthKaab().fit(reference, moving, valid=stable, engine=use)
    aligned = found.apply(moving)
    aligned_path = write(
        aligned, folder / "aligned.tif", engine=use, history={"transform": found.to_json()}
    )
    step(1, 4)
    before = Difference(first=reference, second=moving)
    after = Difference(first=reference, second=open_raster(aligned_path))
    figures = [statistics(d, valid=stable, engine=use) for d in (before, after)]
    found = found.with_statistics(before=figures[0].to_dict(), after=figures[1].to_dict())
    transform_path = folder / "alignment.json"
    write_text(transform_path, found.to_json())
    step(2, 4)
    orthos = _orthoimages(world, Dem.open(open_raster(aligned_path), heights="ellipsoid"))
    ortho_paths = []
    for name, ortho in zip(("left", "right"), orthos, strict=True):
        ortho_paths.append(
            write(ortho, folder / f"ortho_{name}.tif", engine=use, history={"dem": "aligned.tif"})
        )
    made = [open_raster(p) for p in ortho_paths]
    errors = [_against(ortho, open_raster(world.texture)) for ortho in made]
    step(3, 4)
    east, north, up = (
        f - t
        for f, t in zip(
            (found.shift_x, found.shift_y, found.shift_z), world.mean_shift, strict=True
        )
    )
    result = DemoResult(
        files=(aligned_path, transform_path, *ortho_paths, folder / "report.html"),
        alignment=found,
        before=figures[0],
        after=figures[1],
        shift_error=(east, north, up),
        ortho_error=(errors[0], errors[1]),
    )
    write_demo_report(
        result.files[-1],
        alignment=found.to_dict(),
        before=before,
        after=after,
        reference=reference,
        outlines=None if stable is None else stable.outlines,
        truth=_truth(world, result),
        images=made,
        numbers={},
        command=command,
        valid=stable,
        inputs={"world": str(world.folder.name), "seed": world.seed},
    )
    step(4, 4)
    return result


def _orthoimages(world: World, dem: Dem) -> list[Orthoimage]:
    """Return both orthoimages on the part of one grid that both see."""
    images = [open_raster(p) for p in world.images]
    rpcs = [rpc_for_image(i) for i in images]
    grids = [
        ortho_grid(i, r, dem, crs=dem.crs, resolution=_RESOLUTION)
        for i, r in zip(images, rpcs, strict=True)
    ]
    (w1, s1, e1, n1), (w2, s2, e2, n2) = (g.bounds for g in grids)
    common = Grid.covering(
        (max(w1, w2), max(s1, s2), min(e1, e2), min(n1, n2)), _RESOLUTION, crs=dem.crs
    )
    return [
        Orthoimage(image=i, rpc=r, dem=dem, grid=common) for i, r in zip(images, rpcs, strict=True)
    ]


def _against(ortho: Raster, texture: Raster) -> tuple[float, float]:
    """Measure how far an orthoimage lies from the texture that it was rendered from [px]."""
    window = ortho.grid.window
    pictures = []
    for raster in (on_grid(texture, ortho.grid), ortho):
        values = raster.read(window)[0].astype(np.float64)
        pictures.append(np.where(values == raster.nodata, np.nan, values))
    found: PatchOffsets = patch_offsets(pictures[0], pictures[1])
    good = found.quality > _LEAST_QUALITY
    distance = np.hypot(found.d_row[good], found.d_col[good])
    return (
        (float(np.median(distance)), float(np.percentile(distance, 95)))
        if distance.size
        else (np.nan, np.nan)
    )


def _truth(world: World, result: DemoResult) -> dict[str, object]:
    """Return the known shift, and the errors against the truth, as the report wants them."""
    (left, left95), (right, right95) = result.ortho_error
    east, north, up = world.mean_shift
    return {
        "shift_x": east,
        "shift_y": north,
        "shift_z": up,
        "Left orthoimage off the ground, median": (left, "px"),
        "Left orthoimage off the ground, 95 %": (left95, "px"),
        "Right orthoimage off the ground, median": (right, "px"),
        "Right orthoimage off the ground, 95 %": (right95, "px"),
        "RPC off the sensor, largest": (max(world.rpc_max), "px"),
    }
