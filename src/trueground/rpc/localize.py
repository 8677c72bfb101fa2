"""Image to ground on a DEM: the first point of the surface that the line of sight meets, coming down from the sensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.dem import Dem
from trueground.grid import Window
from trueground.kernels import rays
from trueground.raster import Raster
from trueground.rpc.model import Float, Located, Rpc
from trueground.status import Status

_LOWEST, _HIGHEST = -600.0, 9000.0  # m above the ellipsoid: no ground lies beyond
_NODES = 8  # points of the polyline that stands for the curved line of sight
_MARGIN = 1.0  # m above and below the DEM's range
_BATCH = 1 << 16  # points traced at once
_LARGEST_WINDOW = 1 << 24  # px of the DEM read at once
_ROUNDS = 12  # of the secant iteration that polishes a hit
_TOLERANCE = 1e-7  # m in height


def localize_on(rpc: Rpc, dem: Dem, row: ArrayLike, col: ArrayLike) -> Located:
    """Return the first point of the DEM that each image position sees.

    The line of sight is a curve: the RPC is inverted at several heights, the polyline through them is traced cell by cell
    from above the highest to below the lowest ground, and the meeting point is polished on the curve itself.

    Parameters
    ----------
    rpc
        Model of the image.
    dem
        Heights, in any reference system and datum.
    row, col
        Pixels from the outer corner of the image's first pixel, any shape, broadcast.

    Returns
    -------
    Located
        Longitude, latitude, height above the WGS 84 ellipsoid and a `Status` for each point; NaN where it is not `OK`.
    """
    row, col = np.broadcast_arrays(np.asarray(row, dtype=np.float64), np.asarray(col, dtype=np.float64))
    shape = row.shape
    flat_row, flat_col = row.reshape(-1), col.reshape(-1)
    found = Located(
        *(np.full(flat_row.shape, np.nan) for _ in range(3)),
        np.full(flat_row.shape, Status.BAD_INPUT, dtype=np.uint8),
    )
    usable = np.flatnonzero(np.isfinite(flat_row) & np.isfinite(flat_col))
    for start in range(0, usable.size, _BATCH):
        _localize_group(rpc, dem, flat_row, flat_col, usable[start : start + _BATCH], found)
    return Located(*(a.reshape(shape) for a in found))


def _localize_group(
    rpc: Rpc, dem: Dem, row: Float, col: Float, chosen: NDArray[np.intp], found: Located
) -> None:
    """Trace some points; where their lines of sight need too large a window of the DEM, halve the group."""
    if chosen.size == 0:
        return
    r, c = row[chosen], col[chosen]
    window = _window_below(rpc, dem, r, c)
    if window.size > _LARGEST_WINDOW and chosen.size > 1:
        longer = r if np.ptp(r) > np.ptp(c) else c
        order = np.argsort(longer, kind="stable")
        for half in np.array_split(chosen[order], 2):
            _localize_group(rpc, dem, row, col, half, found)
        return
    found.status[chosen] = Status.OUTSIDE_DEM
    if window.size == 0:
        return
    low, high = dem.height_range(window)
    if np.isnan(low):
        found.status[chosen] = Status.NO_DATA
        return
    lon, lat, height, status = _trace(rpc, dem, window, (low, high), r, c)
    for target, values in zip(found, (lon, lat, height, status), strict=True):
        target[chosen] = values


def _window_below(rpc: Rpc, dem: Dem, row: Float, col: Float) -> Window:
    """Return the part of the DEM that the lines of sight pass, at the heights that there can be."""
    whole = dem.raster.grid.window
    low, high = _LOWEST, _HIGHEST
    for _ in range(2):  # the second time with the range of the DEM's own heights there
        ends = [rpc.localize(row, col, h) for h in (low, high)]
        if not all((e.status == Status.OK).all() for e in ends):
            return whole
        corners = [dem.rowcol(e.lon, e.lat) for e in ends]
        rows, cols = np.concatenate([k[0] for k in corners]), np.concatenate([k[1] for k in corners])
        if not np.isfinite(rows + cols).all():
            return whole
        first_row, first_col = int(np.floor(rows.min())) - 2, int(np.floor(cols.min())) - 2
        window = Window(
            first_row, first_col, int(np.ceil(rows.max())) + 2 - first_row, int(np.ceil(cols.max())) + 2 - first_col
        ).intersect(whole)
        if window.size == 0 or window.size > _LARGEST_WINDOW:
            return window
        own = dem.height_range(window)
        if np.isnan(own[0]):
            return window
        undulation = _undulation(dem, ends[0])
        low, high = own[0] + undulation.min() - 2 * _MARGIN, own[1] + undulation.max() + 2 * _MARGIN
    return window


def _undulation(dem: Dem, at: Located) -> Float:
    return dem.datum.undulation(at.lon, at.lat)


def _trace(
    rpc: Rpc, dem: Dem, window: Window, heights: tuple[float, float], row: Float, col: Float
) -> tuple[Float, Float, Float, NDArray[np.uint8]]:
    """Trace the lines of sight through a window of the DEM and polish the hits."""
    middle = rpc.localize(row, col, (heights[0] + heights[1]) / 2.0)
    status = np.where(middle.status == Status.OK, Status.OUTSIDE_DEM, Status.DIVERGED).astype(np.uint8)
    good = np.flatnonzero(middle.status == Status.OK)
    nothing = np.full(row.shape, np.nan)
    if good.size == 0:
        return nothing, nothing.copy(), nothing.copy(), status
    shift = _undulation(dem, Located(*(a[good] for a in middle)))[:, np.newaxis]
    levels = np.linspace(heights[1] + _MARGIN, heights[0] - _MARGIN, _NODES)[np.newaxis, :] + shift
    nodes = rpc.localize(row[good, np.newaxis], col[good, np.newaxis], levels)
    node_rows, node_cols = dem.rowcol(nodes.lon, nodes.lat)
    own = levels - (dem.datum.undulation(nodes.lon, nodes.lat) if dem.datum.name != "ellipsoid" else 0.0)
    surface: Raster = dem.raster
    traced, where = np.empty(good.size, dtype=np.uint8), np.empty(good.size)
    rays.first_crossing(
        surface.read(window)[0], window.row, window.col, node_rows, node_cols, own, traced, where
    )
    status[good] = traced
    hit = np.flatnonzero(traced == Status.OK)
    node = np.minimum(where[hit].astype(np.intp), _NODES - 2)
    start = levels[hit, node] + (where[hit] - node) * (levels[hit, node + 1] - levels[hit, node])
    hit = good[hit]
    lon, lat, height, polished = _polish(rpc, dem, row[hit], col[hit], start)
    status[hit] = polished
    out = []
    for values in (lon, lat, height):
        full = nothing.copy()
        full[hit] = np.where(polished == Status.OK, values, np.nan)
        out.append(full)
    return out[0], out[1], out[2], status


def _polish(
    rpc: Rpc, dem: Dem, row: Float, col: Float, start: Float
) -> tuple[Float, Float, Float, NDArray[np.uint8]]:
    """Solve height = DEM(line of sight at height) by the secant method, from the meeting point of the polyline."""

    def above(height: Float) -> Float:
        at = rpc.localize(row, col, height)
        rows, cols = dem.rowcol(at.lon, at.lat)
        surface = Dem(raster=dem.raster, datum=dem.datum)
        return np.asarray(height - surface.heights_at_pixels(rows, cols, at.lon, at.lat))

    one, two = start, start + 1e-3
    f_one, f_two = above(one), above(two)
    for _ in range(_ROUNDS):
        if one.size == 0:
            break
        slope = f_two - f_one
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(slope != 0.0, f_two * (two - one) / slope, 0.0)
        step = np.where(np.isfinite(step), np.clip(step, -1.0, 1.0), 0.0)
        if np.abs(step).max() <= _TOLERANCE:
            break
        one, f_one = two, f_two
        two = two - step
        f_two = above(two)
    # At a hole's edge or a crease the curve may miss by round-off what the polyline met: the traced point stands.
    height = np.where(np.abs(f_two) <= 1e-3, two, start)
    at = rpc.localize(row, col, height)
    return at.lon, at.lat, at.height, at.status
