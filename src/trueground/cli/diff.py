"""`trueground diff`."""

from __future__ import annotations

import json as text
import math
from typing import TYPE_CHECKING

from trueground.cli.console import console
from trueground.cli.engine_options import EngineOptions
from trueground.cli.options import (
    DemResampling,
    File,
    Files,
    Flag,
    Output,
    outputs_differ_from,
    raster_output,
)

if TYPE_CHECKING:
    from trueground.stats import Statistics

_ENGINE = EngineOptions()
_FIGURES = ("count", "median", "nmad", "mean", "std", "rmse", "le90")


def diff(
    a: File,
    b: File,
    /,
    *,
    output: Output,
    exclude: Files = None,
    resampling: DemResampling = "bilinear",
    reference_heights: str | None = None,
    moving_heights: str | None = None,
    where: EngineOptions = _ENGINE,
    cog: Flag = False,
    json: Flag = False,
) -> None:
    """Subtract two elevation models: A - B on the grid of A.

    Example: `trueground diff dem_2009.tif dem_1990.tif -o change.tif --exclude glaciers.gpkg`

    Parameters
    ----------
    a
        First raster.
    b
        Second raster; grid and CRS may differ.
    output
        The difference (GeoTIFF, float32).
    exclude
        Polygons that the printed figures leave out; the written difference has them.
    resampling
        How B is brought onto the grid of A.
    reference_heights
        What heights of A are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says.
    moving_heights
        The same for B.
    cog
        Write a cloud-optimised GeoTIFF.
    json
        Print the figures [m] as JSON.
    """
    from trueground.datum_shift import datum_name, in_common_datum
    from trueground.difference import Difference, check_overlap
    from trueground.raster import open_raster
    from trueground.stats import statistics
    from trueground.vectors import stable_terrain
    from trueground.writer import write

    outputs_differ_from([a, b, *(exclude or [])], {"--output": raster_output(output)})
    where.check()
    first, second = open_raster(a), open_raster(b)
    check_overlap(first, second)
    datums = {
        "first_heights": datum_name(first, reference_heights),
        "second_heights": datum_name(second, moving_heights),
    }
    second = in_common_datum(
        first, second, reference_heights=reference_heights, moving_heights=moving_heights
    )
    difference = Difference(first=first, second=second, resampling=resampling)
    valid = stable_terrain(first.grid, exclude=exclude or [], include=[], mask=None)
    with where.opened() as engine:
        with console.progress("difference") as step:
            write(
                difference,
                output,
                engine=engine,
                driver="COG" if cog else "GTiff",
                history={
                    "first": a,
                    "second": b,
                    "resampling": resampling,
                    "exclude": ", ".join(exclude or []),
                    **datums,
                },
                progress=step,
            )
        with console.progress("statistics") as step:
            figures = statistics(open_raster(output), valid=valid, engine=engine, progress=step)
    if figures.count == 0:
        console.warn("no cell has both heights, or all are excluded: there is nothing to compare")
    if json:
        print(text.dumps(_finite(figures), indent=1))
    else:
        print(
            f"{figures.count} cells: median {figures.median:.3f}, NMAD {figures.nmad:.3f}, mean {figures.mean:.3f}, "
            f"std {figures.std:.3f}, RMSE {figures.rmse:.3f}, LE90 {figures.le90:.3f} m"
        )
    console.note(f"wrote {output}")


def _finite(figures: Statistics) -> dict[str, float | None]:
    """Return figures by name, None for those that no cell gives: JSON has no NaN."""
    found = {name: getattr(figures, name) for name in _FIGURES}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
