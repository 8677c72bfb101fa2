"""Find out how good an orthoimage is: from a coarse grid over it, so that its size does not matter."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from trueground.convergence.geometry import mean_azimuth
from trueground.coverage import share_with_heights
from trueground.engine import Engine, Progress, Threads
from trueground.grid import Grid, Window
from trueground.ortho import Orthoimage
from trueground.projection import WGS84, project
from trueground.quality.control import gcp_residuals
from trueground.quality.result import (
    DomainAxis,
    GridFacts,
    OrthoQuality,
    QualityMaps,
    Residuals,
    Sight,
    Spread,
)
from trueground.rpc.gcps import Gcps
from trueground.rpc.located import Float
from trueground.rpc.viewing import domain, metres_per_degree

SAMPLE_PIXELS = 800
"""Rows or columns of the sample, at most."""
_BLOCK = (
    64  # px of the sample worked out at a time: below each may lie thousands of the DEM's cells
)
_ARROW = 100.0  # m, of the step that tells where a direction goes on the map


class _Part(NamedTuple):
    """What is found in a block of the sample; arrays are (rows, cols)."""

    sight: NDArray[np.uint8]
    incidence: Float
    azimuth: Float
    largest: Float
    beyond: Float
    """(5,) the furthest outside of each coordinate of the RPC's domain [scales]."""
    outside: int
    """Pixels outside, by more than offsets are rounded to."""


def assess(
    ortho: Orthoimage,
    *,
    gcps: Gcps | None = None,
    vectors: tuple[Residuals, ...] = (),
    hidden_share: float | None = None,
    max_pixels: int = SAMPLE_PIXELS,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> OrthoQuality:
    """Find out what is known about an orthoimage.

    The geometry is evaluated at the pixels of a grid of at most `max_pixels` rows and columns over it.

    Parameters
    ----------
    ortho
        The orthoimage.
    gcps
        Ground control points of its image, to hold it against.
    vectors
        Other residuals, found already.
    hidden_share
        Share of hidden ground of all pixels, where all were computed (`Orthoimage.hidden_share`); else that of the
        sample is taken.
    max_pixels
        Rows or columns of the sample, at most.
    engine
        Where blocks are computed; threads by default.
    progress
        Called with blocks done and their total.

    Returns
    -------
    OrthoQuality
    """
    step, grid = sample_grid(ortho.grid, max_pixels)
    coarse = Orthoimage(
        image=ortho.image, rpc=ortho.rpc, dem=ortho.dem, grid=grid, occlusion="ignore"
    )
    sight = np.full(grid.shape, Sight.BESIDE, dtype=np.uint8)
    incidence, azimuth, largest = np.full((3, *grid.shape), np.nan)
    beyond, outside = np.zeros(5), 0
    windows = [block.core for block in grid.blocks(_BLOCK)]
    parts = (engine or Threads()).map(lambda window: _look_at(coarse, window), windows)
    for done, (window, part) in enumerate(parts, start=1):
        place = window.slices_in(grid.window)
        sight[place], largest[place] = part.sight, part.largest
        incidence[place], azimuth[place] = part.incidence, part.azimuth
        beyond = np.fmax(beyond, part.beyond)
        outside += part.outside
        if progress is not None:
            progress(done, len(windows))
    counts = {kind: int((sight == kind).sum()) for kind in Sight}
    with_height = counts[Sight.VISIBLE] + counts[Sight.HIDDEN]
    towards = mean_azimuth(azimuth)
    control = () if gcps is None else (gcp_residuals(ortho, gcps),)
    return OrthoQuality(
        output=GridFacts.of(ortho.grid),
        dem=GridFacts.of(ortho.dem.raster.grid),
        image_shape=ortho.image.grid.shape,
        datum=str(ortho.dem.datum),
        rpc_origin=ortho.rpc.origin,
        resampling=ortho.resampling,
        occlusion=ortho.occlusion,
        step=step,
        incidence=Spread.of(incidence),
        azimuth=towards,
        bearing=_bearing(grid, towards),
        hidden=_share(counts[Sight.HIDDEN], with_height) if hidden_share is None else hidden_share,
        hidden_is_whole=step == 1 or hidden_share is not None,
        coverage=_share(with_height, with_height + counts[Sight.NO_HEIGHT]),
        image_coverage=share_with_heights(ortho.image, ortho.rpc, ortho.dem),
        outside=_share(outside, with_height),
        domain=tuple(
            DomainAxis(
                name=name, low=low, high=high, unit=unit, beyond=float(far * (high - low) / 2.0)
            )
            for (name, low, high, unit), far in zip(domain(ortho.rpc), beyond, strict=True)
        ),
        vectors=(*control, *vectors),
        maps=QualityMaps(
            grid=grid,
            sight=sight,
            incidence=incidence.astype(np.float32),
            beyond=largest.astype(np.float32),
        ),
    )


def sample_grid(grid: Grid, max_pixels: int) -> tuple[int, Grid]:
    """Return a coarser grid, north up, over the same ground, and how many pixels one of it is wide."""
    step = max(math.ceil(max(grid.shape) / max_pixels), 1)
    t, (rows, cols) = grid.transform, grid.shape
    if t.b == t.d == 0.0 and t.a > 0.0 > t.e:
        transform = Affine(t.a * step, 0.0, t.c, 0.0, t.e * step, t.f)
        shape = math.ceil(rows / step), math.ceil(cols / step)
        return step, Grid(crs=grid.crs, transform=transform, shape=shape)
    west, south, east, north = grid.bounds
    size = max(*grid.resolution, (east - west) / max_pixels, (north - south) / max_pixels)
    return step, Grid.covering(grid.bounds, size, crs=grid.crs)


def _look_at(coarse: Orthoimage, window: Window) -> _Part:
    grid, rpc = coarse.grid, coarse.rpc
    at = coarse.geometry.at(window)
    lon, lat = project(grid.crs or WGS84, WGS84, *grid.xy(*window.pixel_centres()))
    missing = ~np.isfinite(at.height)
    row, col = at.row.copy(), at.col.copy()
    row[missing], col[missing] = rpc.project(lon[missing], lat[missing], rpc.height_off)
    rows, cols = coarse.image.grid.shape
    with np.errstate(invalid="ignore"):
        reached = (row >= 0.0) & (row <= rows) & (col >= 0.0) & (col <= cols)
    sight = np.full(window.shape, Sight.BESIDE, dtype=np.uint8)
    sight[reached & missing] = Sight.NO_HEIGHT
    seen = reached & ~missing
    if not seen.any():
        nothing = np.full(window.shape, np.nan)
        return _Part(sight, nothing, nothing, nothing, np.zeros(5), 0)
    hidden = coarse.hidden.read(window)[0] == 1
    sight[seen] = np.where(hidden[seen], Sight.HIDDEN, Sight.VISIBLE)
    incidence, azimuth, largest = np.full((3, *window.shape), np.nan)
    found = rpc.viewing(row[seen], col[seen], at.height[seen])
    incidence[seen], azimuth[seen] = found.incidence, found.azimuth
    far = rpc.extrapolation(lon[seen], lat[seen], at.height[seen])
    largest[seen] = far.largest
    beyond = np.array([np.fmax.reduce(part) for part in far])
    return _Part(sight, incidence, azimuth, largest, beyond, int(far.beyond.sum()))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _bearing(grid: Grid, azimuth: float) -> float:
    """Return a direction, clockwise from up in the middle of a grid, of one that is clockwise from north [degrees]."""
    crs: CRS = grid.crs or WGS84
    x, y = grid.xy(grid.shape[0] / 2.0, grid.shape[1] / 2.0)
    lon, lat = (float(v) for v in project(crs, WGS84, x, y))
    if not math.isfinite(azimuth + lon + lat):
        return azimuth
    per_lon, per_lat = metres_per_degree(min(max(lat, -89.9), 89.9), 0.0)
    east, north = (f(math.radians(azimuth)) * _ARROW for f in (math.sin, math.cos))
    there = project(WGS84, crs, lon + east / float(per_lon), lat + north / float(per_lat))
    d_x, d_y = float(there[0]) - float(x), float(there[1]) - float(y)
    if crs.is_geographic:  # pictures have true proportions
        d_x *= float(per_lon) / float(per_lat)
    return math.degrees(math.atan2(d_x, d_y)) % 360.0
