"""Image to ground on a DEM: the first point that the line of sight meets, from the sensor down."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.dem import Dem
from trueground.grid import Window
from trueground.kernels import rays
from trueground.projection import WGS84, project
from trueground.rpc.model import Float, Located, Rpc
from trueground.status import Status

Indices = NDArray[np.intp]
Pair = tuple[Float, Float]

_LOWEST, _HIGHEST = -600.0, 9000.0  # m above the ellipsoid: no ground lies beyond
_NODES = 8  # points of the polyline that stands for the curved line of sight
_MARGIN = 1.0  # m above and below the DEM's range
_UNDULATION = 110.0  # m; the geoid stays closer to the ellipsoid
_NARROWINGS = 4  # of the range of heights that there can be
_BATCH = 1 << 16  # points traced at once
_LARGEST_WINDOW = 1 << 24  # px of the DEM read at once
_ROUNDS = 12  # of the secant iteration that polishes a hit
_TOLERANCE = 1e-7  # m in height
_STEP = 1e-3  # m, the secant's first
_ACCEPTED = 1e-3  # m off the surface
_FURTHEST = 1.0  # m from the polyline's hit: beyond it lies another meeting point


def localize_on(  # noqa: PLR0917 (model, surface, row, col: the order that everybody knows)
    rpc: Rpc, dem: Dem, row: ArrayLike, col: ArrayLike
) -> Located:
    """Return the first point of the DEM that each image position sees.

    The line of sight is a curve: the RPC is inverted at several heights, the polyline through them
    is traced cell by cell from above the highest to below the lowest ground, and the meeting point
    is polished on the curve itself.

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
        Longitude, latitude, height above the WGS 84 ellipsoid and a `Status` for each point; NaN
        where it is not `OK`.
    """
    row, col = np.broadcast_arrays(
        np.asarray(row, dtype=np.float64), np.asarray(col, dtype=np.float64)
    )
    given = row.reshape(-1), col.reshape(-1)
    found = _nothing(row.size, Status.BAD_INPUT)
    usable = np.flatnonzero(np.isfinite(given[0]) & np.isfinite(given[1]))
    for start in range(0, usable.size, _BATCH):
        _localize_batch(rpc, dem, given, chosen=usable[start : start + _BATCH], found=found)
    shape = row.shape
    return Located(
        found.lon.reshape(shape),
        found.lat.reshape(shape),
        found.height.reshape(shape),
        found.status.reshape(shape),
    )


def _nothing(size: int, status: Status) -> Located:
    lon, lat, height = (np.full(size, np.nan) for _ in range(3))
    return Located(lon, lat, height, np.full(size, status, dtype=np.uint8))


def _put(found: Located, which: Indices, part: Located) -> None:
    """Write the points of a part to their places."""
    found.lon[which], found.lat[which] = part.lon, part.lat
    found.height[which], found.status[which] = part.height, part.status


def _localize_batch(rpc: Rpc, dem: Dem, given: Pair, *, chosen: Indices, found: Located) -> None:
    """Trace some points, whose lines of sight are known from the highest ground to the lowest."""
    heights: tuple[float, float] = _LOWEST, _HIGHEST
    known = _is_known(rpc, dem, (given[0][chosen], given[1][chosen]), heights=heights)
    _localize_group(rpc, dem, given, chosen=chosen[known], heights=heights, found=found)
    rest = chosen[~known]
    if rest.size == 0:
        return
    # The model fails so far above or below its domain: the heights that the DEM really has.
    low, high = dem.height_range()
    reach = 0.0 if dem.datum.name == "ellipsoid" else _UNDULATION
    heights = low - reach - 2 * _MARGIN, high + reach + 2 * _MARGIN
    found.status[rest] = Status.NO_DATA if np.isnan(low) else Status.DIVERGED
    if not np.isnan(low):
        known = _is_known(rpc, dem, (given[0][rest], given[1][rest]), heights=heights)
        _localize_group(rpc, dem, given, chosen=rest[known], heights=heights, found=found)


def _is_known(rpc: Rpc, dem: Dem, at: Pair, *, heights: tuple[float, float]) -> NDArray[np.bool_]:
    """Tell whether both ends of the lines of sight have a place in the DEM's system."""
    known = np.ones(at[0].shape, dtype=bool)
    for height in heights:
        end = rpc.localize(*at, height)
        row, col = dem.rowcol(end.lon, end.lat)
        known &= (end.status == Status.OK) & np.isfinite(row) & np.isfinite(col)
    return known


def _localize_group(
    rpc: Rpc,
    dem: Dem,
    given: Pair,
    *,
    chosen: Indices,
    heights: tuple[float, float],
    found: Located,
) -> None:
    """Trace some points; where they need too large a window of the DEM, halve the group."""
    if chosen.size == 0:
        return
    at = given[0][chosen], given[1][chosen]
    window, (low, high) = _window_below(rpc, dem, at, heights=heights)
    if window.size > _LARGEST_WINDOW and chosen.size > 1:
        longer = at[0] if np.ptp(at[0]) > np.ptp(at[1]) else at[1]
        order = np.argsort(longer, kind="stable")
        for half in np.array_split(chosen[order], 2):
            _localize_group(rpc, dem, given, chosen=half, heights=heights, found=found)
    elif window.size == 0:
        found.status[chosen] = Status.OUTSIDE_DEM
    elif np.isnan(low):
        found.status[chosen] = Status.NO_DATA
    else:
        traced = _trace(rpc, dem, at, window=window, own=(low, high))
        _put(found, chosen, traced)


def _window_below(
    rpc: Rpc, dem: Dem, at: Pair, *, heights: tuple[float, float]
) -> tuple[Window, tuple[float, float]]:
    """Return the part of the DEM that the lines of sight pass, and the range of its own heights.

    It starts from `heights` [m above the ellipsoid], between which all ground lies, and narrows
    them to what the DEM has in the window.
    """
    whole = dem.raster.grid.window
    window, own = whole, (np.nan, np.nan)
    for _ in range(_NARROWINGS):
        ends = [rpc.localize(*at, h) for h in heights]
        places = [dem.rowcol(e.lon, e.lat) for e in ends]
        rows = np.concatenate([p[0] for p in places])
        cols = np.concatenate([p[1] for p in places])
        first = math.floor(rows.min()) - 2, math.floor(cols.min()) - 2
        last = math.ceil(rows.max()) + 2, math.ceil(cols.max()) + 2
        box = Window(*first, last[0] - first[0], last[1] - first[1]).intersect(whole)
        if window is not whole and box.size >= window.size:
            break
        window = box
        own = dem.height_range(window)
        if np.isnan(own[0]):
            break
        undulation = np.concatenate(
            [_undulation(dem, p, e) for p, e in zip(places, ends, strict=True)]
        )
        low = max(heights[0], own[0] + undulation.min() - 2 * _MARGIN)
        high = min(heights[1], own[1] + undulation.max() + 2 * _MARGIN)
        if not low < high:  # ground beyond what was thought possible
            break
        heights = low, high
    return window, own


def _undulation(dem: Dem, place: Pair, at: Located) -> Float:
    """Return undulations [m] under points; beside the DEM, where its geoid may end, their mean."""
    if dem.datum.name == "ellipsoid":
        return np.zeros(place[0].shape)
    rows, cols = dem.raster.grid.shape
    with np.errstate(invalid="ignore"):
        inside = (place[0] >= 0.0) & (place[0] <= rows) & (place[1] >= 0.0) & (place[1] <= cols)
    if not inside.any():  # the middle of the DEM
        grid = dem.raster.grid
        x, y = grid.xy(rows / 2.0, cols / 2.0)
        lon, lat = project(grid.crs, WGS84, x, y)
        return np.full(place[0].shape, float(dem.datum.undulation(lon, lat)))
    known = dem.datum.undulation(np.where(inside, at.lon, np.nan), np.where(inside, at.lat, np.nan))
    return np.where(inside, known, np.nanmean(known))


def _trace(
    rpc: Rpc,
    dem: Dem,
    at: Pair,
    *,
    window: Window,
    own: tuple[float, float],
) -> Located:
    """Trace the lines of sight through a window of the DEM and polish the hits."""
    row, col = at
    out = _nothing(row.size, Status.DIVERGED)
    lowest, highest = own[0] - _MARGIN, own[1] + _MARGIN
    tops = np.full(row.shape, highest)
    bottoms = np.full(row.shape, lowest)
    if dem.datum.name != "ellipsoid":  # from above the DEM's datum to above the ellipsoid
        for level in (tops, bottoms):
            end = rpc.localize(row, col, level)
            level += _undulation(dem, dem.rowcol(end.lon, end.lat), end)  # noqa: PLW2901 (in place)
    share = np.linspace(0.0, 1.0, _NODES)
    levels = tops[:, np.newaxis] + share * (bottoms - tops)[:, np.newaxis]
    nodes = rpc.localize(row[:, np.newaxis], col[:, np.newaxis], levels)
    places = dem.rowcol(nodes.lon, nodes.lat)
    good = np.flatnonzero((nodes.status == Status.OK).all(axis=1))
    own_levels = levels - _undulation(dem, places, nodes)
    traced, where = np.empty(row.size, dtype=np.uint8), np.empty(row.size)
    rays.first_crossing(
        dem.raster.read(window)[0], window.row, window.col, *places, own_levels, traced, where
    )
    out.status[good] = traced[good]
    hit = np.flatnonzero(out.status == Status.OK)
    node = np.minimum(where[hit].astype(np.intp), _NODES - 2)
    start = levels[hit, node] + (where[hit] - node) * (levels[hit, node + 1] - levels[hit, node])
    polished = _polish(rpc, dem, (row[hit], col[hit]), start=start)
    _put(out, hit, polished)
    return out


def _polish(rpc: Rpc, dem: Dem, at: Pair, *, start: Float) -> Located:
    """Solve height = DEM(line of sight at height) by the secant method, from the polyline's hit.

    Each point is iterated until it has converged itself, whatever the others do.
    """
    surface = replace(dem, interpolation="bilinear")

    def above(which: Indices, height: Float) -> Float:
        point = rpc.localize(at[0][which], at[1][which], height)
        rows, cols = surface.rowcol(point.lon, point.lat)
        ground = surface.heights_at_pixels(rows, cols, point.lon, point.lat)
        return np.asarray(height - ground)

    left = np.arange(start.size)
    one, two = start.copy(), start + _STEP
    f_one, f_two = above(left, one), above(left, two)
    best, f_best = one.copy(), np.abs(f_one)
    for _ in range(_ROUNDS):
        slope = f_two - f_one
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(slope != 0.0, f_two * (two - one) / slope, 0.0)
        step = np.where(np.isfinite(step), np.clip(step, -1.0, 1.0), 0.0)
        one, f_one = two, f_two
        two = two - step
        f_two = above(left, two)
        better = np.abs(f_two) < f_best[left]  # False for NaN
        best[left[better]], f_best[left[better]] = two[better], np.abs(f_two[better])
        going = np.abs(step) > _TOLERANCE
        left, one, two = left[going], one[going], two[going]
        f_one, f_two = f_one[going], f_two[going]
        if left.size == 0:
            break
    # At a hole's edge or a crease the curve may miss by round-off what the polyline met: then the
    # traced point stands.
    height = np.where((f_best <= _ACCEPTED) & (np.abs(best - start) <= _FURTHEST), best, start)
    return rpc.localize(*at, height)
