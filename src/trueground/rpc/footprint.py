"""The outline of an image on the ground: at heights, or on a DEM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import InputError
from trueground.rpc.localize import localize_on
from trueground.rpc.located import Float
from trueground.status import Status

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.rpc.model import Rpc

_STEPS = 64  # along each side of the image
_FEWEST = 4  # points of a ring: three, and the first again


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Footprint:
    """Ground points around the edge of an image, closed: the last point is the first.

    They go along the first row, down the last column, and back. Longitudes are continuous, within half a turn of the
    RPC's centre: across the antimeridian they reach beyond 180 or -180.
    """

    row: Float
    """(n,) [px from the outer corner of the first pixel]"""
    col: Float
    """(n,) [px]"""
    lon: Float
    """(..., n) [degrees]; a ring for each height."""
    lat: Float
    """(..., n) [degrees]"""
    height: Float
    """(..., n) [m above the WGS 84 ellipsoid]"""
    status: NDArray[np.uint8]
    """(..., n) `Status` of each point; NaN where it is not `OK`."""

    @property
    def rings(self) -> list[Float]:
        """Longitude, latitude and height (m, 3) of each closed ring, points that failed left out.

        A ring of which less than three points are left is left out.
        """
        n = self.row.size
        points = np.stack([self.lon, self.lat, self.height], axis=-1).reshape(-1, n, 3)
        rings = []
        for ring, ok in zip(points, (self.status == Status.OK).reshape(-1, n), strict=True):
            found = ring[:-1][ok[:-1]]
            if len(found) >= _FEWEST - 1:
                rings.append(np.concatenate([found, found[:1]]))
        return rings

    @property
    def complete(self) -> bool:
        """Whether all points were found."""
        return bool((self.status == Status.OK).all())


def outline(rows: float, cols: float, *, steps: int = _STEPS) -> tuple[Float, Float]:
    """Return row and col of points around the edge of an image, closed, at most `steps` pieces a side.

    Sides of fewer pixels have a piece for each pixel.
    """
    down = np.linspace(0.0, rows, max(1, min(int(rows), steps)) + 1)
    along = np.linspace(0.0, cols, max(1, min(int(cols), steps)) + 1)
    first, last = np.zeros(along.size), np.full(down.size, float(cols))
    row = np.concatenate([first[:-1], down[:-1], first[:-1] + rows, down[::-1]])
    col = np.concatenate([along[:-1], last[:-1], along[:0:-1], last * 0.0])
    return row, col


def footprint(
    rpc: Rpc,
    rows: float,
    cols: float,
    *,
    dem: Dem | None = None,
    height: ArrayLike | None = None,
    steps: int = _STEPS,
) -> Footprint:
    """Return the outline on the ground of an image.

    Parameters
    ----------
    rpc
        Model of the image, in its own pixels.
    rows, cols
        Size of the image [px].
    dem
        Elevation model: the first points of its surface that the edge of the image sees.
    height
        Or heights [m above the WGS 84 ellipsoid], any shape: a ring for each. Default: the RPC's centre.
    steps
        Points along each side.

    Returns
    -------
    Footprint
        Closed rings of longitude, latitude and height, and a status for each point.

    Raises
    ------
    InputError
        Where both a DEM and heights are given, or the image has no size.
    """
    if dem is not None and height is not None:
        msg = f"a DEM and height {height}: an outline lies on one of them; leave the other out"
        raise InputError(msg)
    for what, value, least in (("rows", rows, 0.0), ("cols", cols, 0.0), ("steps", steps, 1.0)):
        if not (np.isfinite(value) and value >= least and value > 0.0):
            msg = f"{what} {value}: must be a number above 0; give the size of the image in pixels"
            raise InputError(msg)
    row, col = outline(rows, cols, steps=int(steps))
    if dem is not None:
        found = localize_on(rpc, dem, row, col)
    else:
        levels = rpc.height_off if height is None else height
        found = rpc.localize(row, col, np.asarray(levels, dtype=np.float64)[..., np.newaxis])
    east = np.mod(found.lon - rpc.long_off + 180.0, 360.0) - 180.0
    return Footprint(
        row=row,
        col=col,
        lon=rpc.long_off + east,
        lat=found.lat,
        height=found.height,
        status=found.status,
    )
