"""What an orthoimage would show, before it is made: whether its grid, its DEM and its image belong together."""

from __future__ import annotations

import numpy as np

from trueground.dem import Dem
from trueground.errors import InputError, OverlapError
from trueground.grid import Grid
from trueground.ortho import footprint, ground_sampling
from trueground.projection import WGS84, project
from trueground.raster import Raster
from trueground.rpc.localize import localize_on
from trueground.rpc.model import Rpc
from trueground.status import Status

_FINEST = 100.0  # times finer than what the image resolves: beyond it is a slip of the keyboard
_NODES = 9  # rows and columns of the output that are looked at
_SAMPLES = 33  # rows and columns of the image that are looked at


def check_grid(grid: Grid, image: Raster, rpc: Rpc, *, dem: Dem) -> None:
    """Raise where a grid would show nothing of an image, or nothing but repeated pixels.

    Raises
    ------
    OverlapError
        Where the grid lies beside the ground that the image sees on the DEM.
    InputError
        Where its pixels are more than 100 times finer than those of the image.
    """
    if grid.crs is None:
        msg = f"{grid} has no CRS, so that no orthoimage can be put on it; give --crs, or another raster to --like"
        raise InputError(msg)
    native = ground_sampling(rpc, image.grid.shape, crs=grid.crs, height=rpc.height_off)
    if min(grid.resolution) * _FINEST < native:
        msg = (
            f"a resolution of {min(grid.resolution):g} makes {grid.shape[0]} x {grid.shape[1]} pixels: the image "
            f"resolves {native:.3g}; give one that is at most {_FINEST:g} times finer"
        )
        raise InputError(msg)
    if _shows_some(grid, image, rpc, dem=dem):
        return
    seen = footprint(image, rpc, dem, crs=grid.crs)
    own = grid.bounds
    if own[0] >= seen[2] or seen[0] >= own[2] or own[1] >= seen[3] or seen[1] >= own[3]:
        shown = [" ".join(f"{v:.9g}" for v in bounds) for bounds in (own, seen)]
        msg = (
            f"the output would be empty: its bounds are {shown[0]}, and the image sees {shown[1]} "
            "(west, south, east, north); give --bounds that meet it, in the CRS of the output"
        )
        raise OverlapError(msg)


def _shows_some(grid: Grid, image: Raster, rpc: Rpc, *, dem: Dem) -> bool:
    """Tell whether one of some points all over a grid shows the image: the outline need not be traced then."""
    inner = (np.arange(_NODES) + 0.5) / _NODES
    x, y = grid.xy(inner[:, np.newaxis] * grid.shape[0], inner[np.newaxis, :] * grid.shape[1])
    lon, lat = project(grid.crs, WGS84, x, y)
    height = dem.heights(lon, lat)
    row, col = rpc.project(lon, lat, height)
    rows, cols = image.grid.shape
    shown = (row > 0.0) & (row < rows) & (col > 0.0) & (col < cols)  # False for NaN
    return bool((shown & rpc.in_domain(lon, lat, height)).any())  # far away an RPC may say anything


def share_with_heights(image: Raster, rpc: Rpc, dem: Dem) -> float:
    """Return the share of the image's pixels, by a sample, whose line of sight meets the DEM."""
    rows, cols = image.grid.shape
    at = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    found = localize_on(rpc, dem, at[:, np.newaxis] * rows, at[np.newaxis, :] * cols)
    return float((found.status == Status.OK).mean())
