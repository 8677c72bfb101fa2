"""The elevation model that a command is given, with what was said about its heights."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.sampling import Resampling


def opened(
    path: str,
    *,
    heights: str | None,
    scale: float = 1.0,
    offset: float = 0.0,
    interpolation: Resampling = "bilinear",
) -> Dem:
    """Open a DEM above the datum that was given, its heights multiplied and moved where that was asked for."""
    from trueground.adjusted import Adjusted
    from trueground.dem import Dem
    from trueground.raster import Raster, open_raster

    source: str | Raster = path
    if (scale, offset) != (1.0, 0.0):
        source = Adjusted(source=open_raster(path), scale=scale, offset=offset)
    return Dem.open(source, heights=heights, interpolation=interpolation)
