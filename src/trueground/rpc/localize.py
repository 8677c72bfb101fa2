"""Image to ground on a DEM: the first point that the line of sight meets, from the sensor down."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.dem import Dem
from trueground.errors import InputError
from trueground.rpc.classic import Solver, named
from trueground.rpc.filled import OnNodata, filled
from trueground.rpc.located import Float, Located, as_floats
from trueground.rpc.patch import Box, Halve, NoGround, Patch, Slab, Slabs
from trueground.status import Status

if TYPE_CHECKING:
    from trueground.rpc.model import Rpc

Indices = NDArray[np.intp]
Arrays = tuple[Float, Float, Float, NDArray[np.uint8], Float]
"""Longitude, latitude, height, status, residual."""

_TOLERANCE = 1e-6  # px, of the hit from its line of sight
_OFF_GROUND = 1e-4  # m
_GOES_ON = (
    Status.OUTSIDE_DEM,
    Status.NO_DATA,
    Status.NO_INTERSECTION,
)  # below a slab of heights, perhaps
_NOWHERE = 1e12  # px; no image reaches so far, and arithmetic becomes coarse


def localize_on(  # noqa: PLR0917 (model, surface, row, col: the order that everybody knows)
    rpc: Rpc,
    dem: Dem,
    row: ArrayLike,
    col: ArrayLike,
    *,
    solver: Solver = "certified",
    on_nodata: OnNodata = "fail",
) -> Located:
    """Return the first point of the DEM that each image position sees.

    Lines of sight are curves. For a piece of the image they are fitted by cubics, whose error is checked, and each is
    followed down from above the highest ground: blocks of cells that it passes above are skipped by their highest
    node, and in every other cell the bilinear patch is met exactly. The hit is polished on the RPC itself by Newton's
    method and held against it: it lies within 1e-6 px of its line of sight.

    A hole is treated as the outside: a line of sight that comes out of it above the surface goes on; one that comes
    out below, or ends in it, is `NO_DATA`.

    Parameters
    ----------
    rpc
        Model of the image.
    dem
        Heights, in any reference system and datum; only the windows that are needed are read.
    row, col
        Pixels from the outer corner of the image's first pixel, any shape, broadcast.
    on_nodata
        `fail`; or a height above the ellipsoid [m], or `nearest`, with which holes are filled first.
    solver
        `certified`, which is what is said above; or one of two that are kept for comparison: `gdal` and
        `height-substitution`, or one with settings of its own, see `trueground.rpc.classic`. Those fail at holes.

    Returns
    -------
    Located
        Longitude, latitude, height above the WGS 84 ellipsoid and a `Status` for each; NaN where it is not `OK`.

    References
    ----------
    Tevs, Ihrke, Seidel (2008): Maximum mipmaps for fast, accurate, and scalable dynamic height field rendering,
    doi:10.1145/1342250.1342279.

    Examples
    --------
    >>> from trueground.samples import small_dem, small_rpc
    >>> rpc, dem = small_rpc(), small_dem()
    >>> from trueground import localize_on
    >>> found = localize_on(rpc, dem, [500.0, -9e9], [500.0, 500.0])
    >>> found.height.round(6), found.status
    (array([900.,  nan]), array([0, 5], dtype=uint8))
    """
    check_choices(solver, on_nodata)
    if solver != "certified":
        return (named(solver) if isinstance(solver, str) else solver).locate(rpc, dem, row, col)
    (row, col), shape = as_floats(row=row, col=col)
    rows = np.broadcast_to(row, shape).reshape(-1)
    cols = np.broadcast_to(col, shape).reshape(-1)
    work = _Work(rpc, filled(dem.facing(rpc.long_off), on_nodata), rows, cols)
    work.solve(None)
    lon, lat, height, status, residual = work.found
    return Located(
        lon.reshape(shape),
        lat.reshape(shape),
        height.reshape(shape),
        status.reshape(shape),
        residual=residual.reshape(shape),
    )


def check_choices(solver: Solver, on_nodata: OnNodata) -> None:
    """Raise where a solver, and what is done at holes, are not known or do not go together."""
    if isinstance(solver, str) and solver != "certified":
        named(solver)
    if isinstance(on_nodata, str):
        if on_nodata not in ("fail", "nearest"):
            msg = f"on_nodata {on_nodata!r}: must be 'fail', 'nearest' or a height in metres"
            raise InputError(msg)
    elif not math.isfinite(on_nodata):
        msg = f"on_nodata {on_nodata}: a height must be a finite number of metres"
        raise InputError(msg)
    if solver != "certified" and on_nodata != "fail":
        msg = (
            f"on_nodata {on_nodata!r} with a classic solver: those fail at holes; "
            "use the certified one, or fill the DEM"
        )
        raise InputError(msg)


class _Work:
    """Positions to be located, and where their results go."""

    def __init__(  # noqa: PLR0917 (all that a group needs)
        self, rpc: Rpc, dem: Dem, rows: Float, cols: Float
    ) -> None:
        self.rpc, self.dem = rpc, dem
        self.rows, self.cols = rows, cols
        self.found = _room(rows.size)

    def solve(
        self,
        chosen: Indices | None,
        *,
        before: tuple[float, float] = (np.inf, np.inf),
        slab: Slab | None = None,
    ) -> None:
        """Locate some positions, or all; what cannot be done in one piece is halved.

        `before` are the errors of the pieces of which this is a half and a quarter, see `Patch.attempt`. Hits of cubics
        that had to be taken as they are are still held against the model.
        """
        rows = self.rows if chosen is None else self.rows[chosen]
        cols = self.cols if chosen is None else self.cols[chosen]
        if rows.size == 0:
            return
        box: Box = float(rows.min()), float(rows.max()), float(cols.min()), float(cols.max())
        if not np.abs(box).max() < _NOWHERE:  # NaN is not
            far = np.maximum(np.abs(rows), np.abs(cols))
            self._fail(_of(chosen, np.flatnonzero(~np.isfinite(far))), Status.BAD_INPUT)
            self._fail(
                _of(chosen, np.flatnonzero(np.isfinite(far) & (far >= _NOWHERE))), Status.DIVERGED
            )
            self.solve(_of(chosen, np.flatnonzero(far < _NOWHERE)), before=before, slab=slab)
            return
        patch = Patch.attempt(self.rpc, self.dem, box, before=before, slab=slab)
        if isinstance(patch, Halve):
            self._halve(chosen, (rows, cols), errors=(patch.error, before[0]), slab=slab)
            return
        if isinstance(patch, Slabs):
            self._fail(chosen, Status.NO_INTERSECTION)  # unless a slab knows better
            self.solve(chosen, slab=patch.upper)
            status = self.found[3] if chosen is None else self.found[3][chosen]
            self.solve(_of(chosen, np.flatnonzero(np.isin(status, _GOES_ON))), slab=patch.lower)
            return
        if isinstance(patch, NoGround):
            return
        if isinstance(patch, Status):
            self._fail(chosen, patch)
            return
        out = self.found if chosen is None else _room(rows.size)
        patch.trace(rows, cols, _TOLERANCE, out)
        if chosen is not None:
            whole: tuple[NDArray[Any], ...] = self.found
            for values, part in zip(whole, out, strict=True):
                values[chosen] = part
        if patch.rounds > 1:
            self._fail(_of(chosen, self._off_ground(out)), Status.DIVERGED)

    def _off_ground(self, out: Arrays) -> Indices:
        """Return the hits that do not lie on the DEM."""
        lon, lat, height, status, _ = out
        surface = replace(self.dem, interpolation="bilinear")
        on = np.abs(height - surface.heights(lon, lat)) <= _OFF_GROUND
        return np.flatnonzero((status == Status.OK) & ~on)

    def _halve(
        self,
        chosen: Indices | None,
        at: tuple[Float, Float],
        *,
        errors: tuple[float, float],
        slab: Slab | None,
    ) -> None:
        """Halve a piece along its longer side, by place and not by number."""
        which = np.arange(at[0].size) if chosen is None else chosen
        along = at[0] if np.ptp(at[0]) > np.ptp(at[1]) else at[1]
        first = along < (along.min() + along.max()) / 2.0
        for half in (which[first], which[~first]):
            self.solve(half, before=errors, slab=slab)

    def _fail(self, which: Indices | None, status: Status) -> None:
        lon, lat, height, statuses, residual = self.found
        for values in (lon, lat, height, residual):
            values[slice(None) if which is None else which] = np.nan
        statuses[slice(None) if which is None else which] = status


def _room(number: int) -> Arrays:
    lon, lat, height, residual = np.empty((4, number))
    return lon, lat, height, np.empty(number, dtype=np.uint8), residual


def _of(chosen: Indices | None, some: Indices) -> Indices:
    return some if chosen is None else chosen[some]
