"""`trueground ortho`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from trueground.cli.console import console
from trueground.cli.engine_options import EngineOptions
from trueground.cli.options import File, Flag, Output, RpcOrigin, usage
from trueground.cli.ortho_options import Elevation, Look, Mosaic, Place
from trueground.cli.quality import Quality
from trueground.cli.storage import Storage

if TYPE_CHECKING:
    from trueground.cli.ortho_job import Job, Picture
    from trueground.cli.quality import Evidence
    from trueground.grid import Grid
    from trueground.ortho import Mosaic as Joined
    from trueground.ortho import Orthoimage

_ELEVATION, _PLACE, _LOOK, _STORAGE = Elevation(), Place(), Look(), Storage()
_QUALITY = Quality()
_ENGINE = EngineOptions()


def ortho(
    *images: File,
    dem: File,
    output: Output,
    rpc: File | None = None,
    rpc_origin: RpcOrigin = None,
    mosaic: Mosaic | None = None,
    elevation: Elevation = _ELEVATION,
    place: Place = _PLACE,
    look: Look = _LOOK,
    storage: Storage = _STORAGE,
    quality: Quality = _QUALITY,
    where: EngineOptions = _ENGINE,
    dry_run: Flag = False,
) -> None:
    """Put images that carry RPCs in their true place on the ground, over an elevation model.

    Example: `trueground ortho scene.tif --dem srtm.tif --heights egm96 -o ortho.tif --resolution 0.5`

    Several images get one file each in the folder `-o`, on grids that fit into each other to the pixel, or become one
    with `--mosaic`.

    Parameters
    ----------
    images
        Images with RPC metadata, or any one image with --rpc.
    dem
        Elevation model [m].
    output
        The orthoimage (GeoTIFF); a folder for several images, or for --tiles.
    rpc
        File with the RPC of the full scene: DIMAP or Maxar XML, .RPB, _RPC.TXT, .geom, JSON, or an image.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    mosaic
        One output of several images: each pixel from the first or last that has data, or the one seen most steeply.
    dry_run
        Print the grid, size on disk, memory and time that it would take, and write nothing.
    """
    from trueground.cli.ortho_job import Job, Picture, check_outputs, targets_of
    from trueground.coverage import check_grid, share_with_heights
    from trueground.ortho import Orthoimage

    _check_usage(images, rpc=rpc, mosaic=mosaic, look=look)
    where.check()
    quality.check(images=len(images), mosaic=mosaic is not None)
    targets = targets_of(images, output, tiles=storage.tiles is not None, mosaic=mosaic is not None)
    inputs = [*images, dem, rpc, None if place.like is None else str(place.like)]
    inputs += quality.inputs
    check_outputs(inputs, targets, output=output, storage=storage, masks=look.occlusion == "mask")
    evidence = quality.open(inputs, targets)
    pictures = [Picture.open(name, rpc, origin=rpc_origin, look=look) for name in images]
    surface = elevation.open(dem)
    console.note(f"heights of {dem}: above {surface.datum}")
    views = [(p.image, p.rpc) for p in pictures]
    grids = place.grids(views, surface, same=mosaic is not None)
    results = []
    for picture, grid in zip(pictures, grids, strict=True):
        if not place.is_own:
            check_grid(grid, picture.image, picture.rpc, dem=surface)
        share = share_with_heights(picture.image, picture.rpc, surface)
        if share < 1.0:
            console.warn(
                f"{dem} has heights under {_not_all(share)} of {picture.path}: the rest of it is no data"
            )
        made = Orthoimage(
            image=picture.image,
            rpc=picture.rpc,
            dem=surface,
            grid=grid,
            resampling=look.resampling_of(picture.metadata, picture.path),
            antialias=not look.no_antialias,
            occlusion=look.occlusion,
        )
        results.append(made)
    with where.opened(estimate=dry_run) as engine:
        job = Job(
            dem=dem,
            rpc=rpc,
            history={**elevation.history(surface), **look.history},
            heights=elevation.heights,
            look=look,
            storage=storage,
            engine=engine,
            dry_run=dry_run,
        )
        if mosaic is not None:
            _make_mosaic(job, results, pictures, targets[0], rule=mosaic)
            return
        for result, picture, target in zip(results, pictures, targets, strict=True):
            _make(job, result, picture, target, evidence=evidence)


def _make_mosaic(  # noqa: PLR0917 (what is made, of what, and where)
    job: Job, results: list[Orthoimage], pictures: list[Picture], target: Path, *, rule: Mosaic
) -> None:
    """Write one output of several images, or estimate it."""
    joined = _joined(results, rule)
    _say_grid(joined.grid)
    shares = job.run(joined, pictures, target, more={"mosaic": rule})
    if not job.dry_run:
        hidden = [(p.path, share) for p, share in zip(pictures, shares, strict=True)]
        _say_result(joined.grid, hidden, target)


def _make(  # noqa: PLR0917
    job: Job, result: Orthoimage, picture: Picture, target: Path, *, evidence: Evidence | None
) -> None:
    """Write the output of one image and its report, or estimate it."""
    _say_grid(result.grid)
    shares = job.run(result, [picture], target)
    if job.dry_run:
        return
    _say_result(result.grid, [(picture.path, shares[0])], target)
    if evidence is not None:
        evidence.write_report(
            result,
            written=job.storage.written(target),
            hidden_share=shares[0],
            inputs={"image": picture.path, "dem": job.dem, "rpc": job.rpc, **job.history},
            engine=job.engine,
        )


def _check_usage(
    images: tuple[str, ...], *, rpc: str | None, mosaic: Mosaic | None, look: Look
) -> None:
    if not images:
        msg = "which image? Give at least one."
        raise usage(msg)
    if len(images) > 1 and rpc is not None:
        msg = f"--rpc is that of one image, and {len(images)} are given: leave it out, or take one image at a time."
        raise usage(msg)
    if mosaic is not None and look.occlusion == "mask":
        msg = "a mosaic has no mask of hidden ground: give --occlusion fill or ignore."
        raise usage(msg)


def _joined(results: list[Orthoimage], rule: Mosaic) -> Joined:
    from trueground.ortho import Mosaic as Joined

    return Joined(images=tuple(results), rule=rule)


def _say_grid(grid: Grid) -> None:
    rows, cols = grid.shape
    name = grid.crs.name if grid.crs else "no CRS"
    console.note(f"output: {rows} x {cols} px of {grid.resolution[0]:g}, {name}")


def _not_all(share: float) -> str:
    """Return a share below one in percent, rounded down: never 100."""
    return f"{math.floor(share * 1000.0) / 10.0:.1f}%"


def _say_result(grid: Grid, hidden: list[tuple[str, float | None]], target: Path) -> None:
    """Say what was made, and the share of hidden ground by image."""
    west, south, east, north = grid.bounds
    print(f"{grid!r}, bounds {west:.10g} {south:.10g} {east:.10g} {north:.10g}")
    for name, share in hidden:
        if share is not None:
            which = "" if len(hidden) == 1 else f" of {name}"
            print(f"hidden from the sensor{which}: {share:.2%} of the ground")
    console.note(f"wrote {target}")
