"""Coregister two DEMs whose offset differs from place to place, and look at it before and after.

    python examples/blockwise_coregistration.py
    python examples/blockwise_coregistration.py reference.tif moving.tif --outlines glaciers.gpkg --block-size 500

Without paths it runs on trueground's sample world. The figures and the aligned DEM are written into --output.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import geopandas as gpd

from trueground import Difference, Threads, open_raster, statistics, write
from trueground.coreg import Blockwise, NuthKaab
from trueground.plot import figure, figure_png, plot_dh
from trueground.plot.blocks import plot_all_tiles
from trueground.samples import world
from trueground.vectors import OutlineMask


def coregister(
    reference: Path, moving: Path, outlines: Path | None, *, block_size: int, output: Path
) -> tuple[float, float]:
    """Align, draw and write; return the NMAD [m] on stable ground before and after."""
    # 1. Open the DEMs, and the mask of what may have changed.
    fixed, loose = open_raster(reference), open_raster(moving)
    glaciers = stable = None
    if outlines is not None:
        glaciers = gpd.read_file(outlines)
        shapes = glaciers.to_crs(fixed.grid.crs).geometry
        stable = OutlineMask(outlines=shapes, grid=fixed.grid, invert=True)

    # 2. The difference before.
    two = Threads(2)
    before = Difference(first=fixed, second=loose)
    error_before = statistics(before, valid=stable, engine=two).nmad

    # 3. Any method, block by block, with two workers.
    method = Blockwise(NuthKaab(), block_size=block_size)
    found = method.fit(fixed, loose, valid=stable, engine=two)
    print(found)

    # 4. Move the DEM by the field of shifts: it is resampled once.
    aligned = write(found.apply(loose, grid=fixed.grid), output / "aligned.tif", engine=two)
    after = Difference(first=fixed, second=open_raster(aligned))
    error_after = statistics(after, valid=stable, engine=two).nmad

    # 5. Look: both differences in the same colours, and what each block found.
    limit = 3.0 * error_before
    for dh, name, error in (
        (before, "before", error_before),
        (after, "after", error_after),
    ):
        fig = figure(7.0, 6.5)
        where = " on stable ground" if stable is not None else ""
        title = f"Difference {name}: NMAD {error:.2f} m{where}"
        plot_dh(dh, fig.subplots(), limit=limit, hillshade=fixed, outlines=glaciers, title=title)
        (output / f"difference_{name}.png").write_bytes(figure_png(fig))
    (output / "shifts.png").write_bytes(figure_png(plot_all_tiles(found)))
    return error_before, error_after


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", nargs="?", type=Path, help="DEM that is trusted")
    parser.add_argument("moving", nargs="?", type=Path, help="DEM to align")
    parser.add_argument("--outlines", type=Path, help="polygons of what may have changed")
    parser.add_argument("--block-size", type=int, help="side of a block [px of the reference]")
    parser.add_argument(
        "--output", type=Path, default=Path("blockwise"), help="folder to write into"
    )
    asked = parser.parse_args(arguments)
    if (asked.reference is None) != (asked.moving is None):
        parser.error("give both a reference and a moving DEM, or none for the sample world")
    paths = asked.reference, asked.moving, asked.outlines
    block_size = asked.block_size or 500
    if asked.reference is None:
        made = world()
        paths = made.reference, made.moving, made.outlines
        block_size = asked.block_size or 150
    asked.output.mkdir(parents=True, exist_ok=True)
    before, after = coregister(*paths, block_size=block_size, output=asked.output)
    print(f"Error before: {before:.3f} m")
    print(f"Error after: {after:.3f} m")


if __name__ == "__main__":
    main()
