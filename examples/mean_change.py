"""Measure how a glacier changed between two DEMs, and how sure that is.

    python examples/mean_change.py
    python examples/mean_change.py dem_2009.tif dem_1990.tif --outlines glaciers.gpkg

The change is the first DEM minus the second, which is aligned with it. Without paths it runs on trueground's
sample world, whose second DEM is the later one: there the glacier's mean is what it lost, 13.409 m in truth. The
aligned DEM and figures are written into --output.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trueground import (
    Curvature,
    Difference,
    ErrorModel,
    NuthKaab,
    Slope,
    Variogram,
    VariogramModel,
    mean_changes,
    open_raster,
    stable_terrain,
    statistics,
    write,
)
from trueground.error_model import Standardised
from trueground.plot import figure, figure_png, plot_dh
from trueground.plot.uncertainty import plot_error_model, plot_variogram
from trueground.samples import world
from trueground.uncertainty import MeanChange
from trueground.vectors import read_outlines


def measure(reference: Path, moving: Path, outlines: Path, *, output: Path) -> list[MeanChange]:
    """Align, subtract, average over the outlines; return the means."""
    # 1. Both DEMs, and the ground that did not change.
    first, second = open_raster(reference), open_raster(moving)
    glaciers = read_outlines(outlines)
    stable = stable_terrain(first.grid, exclude=[glaciers])

    # 2. Align: what is left on stable ground is error.
    found = NuthKaab().fit(first, second, valid=stable)
    print(found)
    aligned = write(found.apply(second), output / "aligned.tif")
    change = Difference(first=first, second=open_raster(aligned))
    left = statistics(change, valid=stable)
    print(f"on stable ground: median {left.median:+.3f} m, NMAD {left.nmad:.3f} m")

    # 3. How large errors are where it is steep or rough, and how far they hang together.
    variables = {"slope": Slope(first), "curvature": Curvature(first)}
    errors = ErrorModel.fit(change, variables, valid=stable)
    sigma = errors.apply(variables)
    variogram = Variogram.of(Standardised(difference=change, error=sigma), valid=stable)
    model = VariogramModel.fit(variogram)

    # 4. The mean over each outline, with the standard error that follows.
    changes = mean_changes(change, glaciers, model, error=sigma)
    for one in changes:
        print(f"{one.name}: {one.mean:+.3f} +- {one.standard_error:.3f} m on {one.cells} cells")

    fig = figure(7.0, 6.5)
    title = "Change, after alignment"
    plot_dh(change, fig.subplots(), hillshade=first, outlines=glaciers, title=title)
    (output / "change.png").write_bytes(figure_png(fig))
    fig = figure(12.0, 4.6)
    left_ax, right_ax = fig.subplots(1, 2)
    plot_error_model(errors, left_ax)
    left_ax.set_title("error, 1 sigma [m]")
    plot_variogram(variogram, model, right_ax, unit="1")
    right_ax.set_title("variogram of dh / sigma")
    (output / "errors.png").write_bytes(figure_png(fig))
    return changes


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", nargs="?", type=Path, help="DEM that is trusted")
    parser.add_argument("moving", nargs="?", type=Path, help="DEM to align with it")
    parser.add_argument("--outlines", type=Path, help="polygons of the glaciers")
    parser.add_argument("--output", type=Path, default=Path("mean_change"), help="folder")
    asked = parser.parse_args(arguments)
    given = [asked.reference, asked.moving, asked.outlines]
    if any(p is None for p in given) and any(p is not None for p in given):
        parser.error("give two DEMs and --outlines, or none for the sample world")
    if asked.reference is None:
        made = world()
        given = [made.reference, made.moving, made.outlines]
    asked.output.mkdir(parents=True, exist_ok=True)
    measure(*given, output=asked.output)


if __name__ == "__main__":
    main()
