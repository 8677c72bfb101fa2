"""Find what pixels show on the ground, and see where the usual iterations fail.

    python examples/locate_and_converge.py
    python examples/locate_and_converge.py scene.tif --dem dsm.tif --heights egm96 --grid 300

Without paths it runs on trueground's sample world. A table of points and a figure are written into --output.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from trueground import Dem, Status, open_raster, rpc_for_image
from trueground.convergence import Outcome, study
from trueground.convergence.grid import pixel_grid
from trueground.plot import figure, figure_png
from trueground.plot.convergence import (
    outcome_legend,
    plot_contraction,
    plot_convergence,
    plot_outcomes,
)
from trueground.samples import world


def locate(image: Path, dem: Path, heights: str | None, *, grid: int, output: Path) -> None:
    """Locate a grid of pixels, and hold GDAL's iteration and height substitution against it."""
    rpc, ground = rpc_for_image(open_raster(image)), Dem.open(dem, heights=heights)

    # 1. The first ground that each pixel sees: longitude, latitude, height, and a status that says why there is none.
    rows, cols = pixel_grid(image, rpc, grid)
    row, col = (a.ravel() for a in np.meshgrid(rows, cols, indexing="ij"))
    lon, lat, height, status = rpc.localize_on(ground, row, col)
    np.savetxt(
        output / "points.csv",
        np.column_stack([row, col, lon, lat, height, status]),
        delimiter=",",
        header="row,col,lon,lat,height,status",
        comments="",
        fmt=["%.1f", "%.1f", "%.9f", "%.9f", "%.3f", "%d"],
    )
    for code, number in zip(*np.unique(status, return_counts=True), strict=True):
        print(f"{number} of {status.size} pixels: {Status(code).label}")

    # 2. And back: what is found lies on its line of sight.
    found = status == Status.OK
    there = rpc.project(lon[found], lat[found], height[found])
    apart = np.hypot(there[0] - row[found], there[1] - col[found])
    print(f"farthest from its line of sight: {apart.max():.1e} px")

    # 3. The usual ways to find the same points.
    result = study(rpc, ground, rows, cols)
    for run in result.runs[:2]:
        wrong, failed = (100.0 * run.share(o) for o in (Outcome.WRONG, Outcome.FAILED))
        print(f"{run.solver}: {wrong:.2f} % wrong points, {failed:.2f} % failures")

    fig = figure(11.0, 9.6)
    axes = fig.subplots(2, 2)
    for run, ax in zip(result.runs[:2], axes[0], strict=True):
        plot_outcomes(result, run, ax)
        ax.set_title(run.solver)
    picture = plot_contraction(result, axes[1, 0])
    axes[1, 0].set_title("contraction factor")
    fig.colorbar(picture, ax=axes[1, 0], shrink=0.8)
    plot_convergence(result, axes[1, 1])
    outcome_legend(result.runs[:2], axes[0, 0])
    (output / "solvers.png").write_bytes(figure_png(fig))


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path, help="image with RPC")
    parser.add_argument("--dem", type=Path, help="elevation model")
    parser.add_argument("--heights", help="ellipsoid, egm96, egm2008 or a grid; default: the CRS's")
    parser.add_argument("--grid", type=int, default=200, help="pixels along the longer side")
    parser.add_argument("--output", type=Path, default=Path("locate"), help="folder")
    asked = parser.parse_args(arguments)
    if (asked.image is None) != (asked.dem is None):
        parser.error("give both an image and --dem, or none for the sample world")
    image, dem, heights = asked.image, asked.dem, asked.heights
    if image is None:
        made = world()
        image, dem, heights = made.images[1], made.reference, "ellipsoid"
    asked.output.mkdir(parents=True, exist_ok=True)
    locate(image, dem, heights, grid=asked.grid, output=asked.output)


if __name__ == "__main__":
    main()
