"""Lines of sight at the ground: where they lead, how they meet the surface, and distances beside them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trueground.grid import Window
from trueground.rpc.located import Float, Located
from trueground.status import Status
from trueground.terrain import metres_per_unit

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.rpc.model import Rpc

_SEMI_MAJOR_M, _SECOND_ECCENTRICITY = 6378137.0, 6.69437999014e-3  # WGS 84: a, e^2
_APART = 100.0  # m, between the heights that give the direction of a line of sight
_PROBE = 0.01  # cells of the DEM, along which the surface is differentiated


def direction(  # noqa: PLR0917
    rpc: Rpc, row: Float, col: Float, at: Located
) -> tuple[Float, Float]:
    """Return how far lines of sight lead east and north for a metre up, at ground points that they pass [m / m].

    Upwards is towards the sensor: the length is tan(incidence), and the direction the azimuth of the sensor.
    """
    above = rpc.localize(row, col, at.height + _APART)
    below = rpc.localize(row, col, at.height - _APART)
    per_lon, per_lat = _metres_per_degree(at.lat, at.height)
    lon = np.mod(above.lon - below.lon + 180.0, 360.0) - 180.0
    return lon * per_lon / (2.0 * _APART), (above.lat - below.lat) * per_lat / (2.0 * _APART)


def mean_azimuth(azimuth: Float) -> float:
    """Return the mean of directions [degrees], which have no seam at north; NaN of none."""
    angles = np.radians(azimuth[np.isfinite(azimuth)])
    if not angles.size:
        return math.nan
    return math.degrees(math.atan2(np.sin(angles).mean(), np.cos(angles).mean())) % 360.0


def contraction(  # noqa: PLR0917
    rpc: Rpc, dem: Dem, at: tuple[Float, Float], height: Float, *, cell: float, tangent: Float
) -> Float:
    """Return d DEM(localize(h)) / dh by a central difference well inside of a cell of the DEM."""
    with np.errstate(invalid="ignore", divide="ignore"):
        reach = np.clip(_PROBE * cell / tangent, 0.01, 1.0)  # m
    return (
        surface_along(rpc, dem, *at, height + reach) - surface_along(rpc, dem, *at, height - reach)
    ) / (2.0 * reach)  # fmt: skip


def surface_along(rpc: Rpc, dem: Dem, row: Float, col: Float, height: Float) -> Float:  # noqa: PLR0917
    """Return the map that height substitution iterates: the DEM where the line of sight has a height."""
    at = rpc.localize(row, col, height)
    out = np.full(at.lon.shape, np.nan)
    known = at.status == Status.OK
    out[known] = dem.heights(at.lon[known], at.lat[known])
    return out


def distance(found: Located, other: Located) -> Float:
    """Return the distance of ground points [m], some kilometres apart at most."""
    per_lon, per_lat = _metres_per_degree(other.lat, other.height)
    lon = np.mod(found.lon - other.lon + 180.0, 360.0) - 180.0
    flat = np.hypot(lon * per_lon, (found.lat - other.lat) * per_lat)
    return np.asarray(np.hypot(flat, found.height - other.height))


def _metres_per_degree(lat: Float, height: Float) -> tuple[Float, Float]:
    """Return metres east of a degree of longitude, and north of one of latitude."""
    phi = np.radians(lat)
    root = np.sqrt(1.0 - _SECOND_ECCENTRICITY * np.sin(phi) ** 2)
    across = _SEMI_MAJOR_M / root
    along = _SEMI_MAJOR_M * (1.0 - _SECOND_ECCENTRICITY) / root**3
    return np.radians(1.0) * (across + height) * np.cos(phi), np.radians(1.0) * (along + height)


def cell_size(dem: Dem) -> float:
    """Return the smaller side of the DEM's middle cell [m]."""
    grid = dem.surface.grid
    x, y = metres_per_unit(grid, Window(grid.shape[0] // 2, grid.shape[1] // 2, 1, 1))
    dx, dy = grid.resolution
    return min(dx * float(np.asarray(x).item()), dy * float(np.asarray(y).item()))


def pixel_on_ground(rpc: Rpc, at: Located, row: Float, col: Float) -> float:  # noqa: PLR0917
    """Return the larger side of a pixel on the ground [m], median over the grid."""
    per_lon, per_lat = _metres_per_degree(at.lat, at.height)
    sides = []
    for down, right in ((1.0, 0.0), (0.0, 1.0)):
        there = rpc.localize(row + down, col + right, at.height)
        sides.append(np.hypot((there.lon - at.lon) * per_lon, (there.lat - at.lat) * per_lat))
    return max(median_of(side) for side in sides)


def median_of(values: Float) -> float:
    """Return the median of the values that are known; NaN of none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan
