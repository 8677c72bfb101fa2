"""The direct model that DIMAP files hold beside the inverse one: from image to ground without iteration."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import RpcError
from trueground.rpc.located import HALF_PIXEL
from trueground.rpc.model import Rpc
from trueground.rpc.terms import cubic_terms

Float = NDArray[np.float64]

_NODES = np.linspace(-1.0, 1.0, 9)  # normalised rows and columns at which the two ways are compared
_LEVELS = np.linspace(-1.0, 1.0, 3)  # normalised heights


def localize_directly(
    rpc: Rpc, row: ArrayLike, col: ArrayLike, *, height: ArrayLike
) -> tuple[Float, Float]:
    """Return the ground points that the manufacturer's direct model gives to image positions.

    It agrees with `Rpc.localize` to some thousandths of a pixel within its domain, not to 1e-9 px:
    for comparison, not for measuring.

    Parameters
    ----------
    rpc
        An RPC that holds a direct model.
    row, col
        Pixels from the outer corner of the first pixel; any shape, broadcast with `height`.
    height
        Metres above the WGS 84 ellipsoid.

    Returns
    -------
    lon, lat
        Degrees; NaN where a denominator vanishes.

    Raises
    ------
    RpcError
        Where the RPC holds no direct model.
    """
    direct = rpc.direct
    if direct is None:
        msg = "this RPC holds no direct model, only DIMAP files do; use Rpc.localize"
        raise RpcError(msg)
    row, col, height = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (row, col, height))
    )
    terms = cubic_terms(
        (col.ravel() - HALF_PIXEL - rpc.samp_off) / rpc.samp_scale,
        (row.ravel() - HALF_PIXEL - rpc.line_off) / rpc.line_scale,
        (height.ravel() - rpc.height_off) / rpc.height_scale,
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lon = (terms @ direct.lon_num) / (terms @ direct.lon_den) * rpc.long_scale + rpc.long_off
        lat = (terms @ direct.lat_num) / (terms @ direct.lat_den) * rpc.lat_scale + rpc.lat_off
        lon = np.remainder(lon + 180.0, 360.0) - 180.0
    bad = ~(np.isfinite(lon) & np.isfinite(lat))
    lon[bad] = lat[bad] = np.nan
    return lon.reshape(row.shape), lat.reshape(row.shape)


def direct_difference(rpc: Rpc) -> float:
    """Return how far the direct model is from the inverse one at most, within their domain [px].

    Ground points of the direct model are projected back into the image at 9 x 9 positions and three
    heights. Infinite where a denominator vanishes there.
    """
    line, samp, level = np.meshgrid(_NODES, _NODES, _LEVELS, indexing="ij")
    row = rpc.line_off + HALF_PIXEL + rpc.line_scale * line
    col = rpc.samp_off + HALF_PIXEL + rpc.samp_scale * samp
    height = rpc.height_off + rpc.height_scale * level
    lon, lat = localize_directly(rpc, row, col, height=height)
    back_row, back_col = rpc.project(lon, lat, height)
    largest = float(np.max(np.hypot(back_row - row, back_col - col)))
    return largest if np.isfinite(largest) else float("inf")
