"""What is asked of a raster before it is moved or corrected."""

from __future__ import annotations

from trueground.datum_shift import in_datum_of
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.raster import Raster, as_float, name_of


def dem_to_move(dem: Raster, grid: Grid | None = None) -> Raster:
    """Return a DEM as float32, with heights above the datum of the grid that it will be brought to.

    Raises
    ------
    InputError
        Where the raster has more than one band.
    """
    if dem.count != 1:
        msg = f"{name_of(dem)} has {dem.count} bands; a DEM has one"
        raise InputError(msg)
    return as_float(dem if grid is None else in_datum_of(grid, dem))
