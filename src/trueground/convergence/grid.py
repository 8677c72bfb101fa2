"""The grid of pixels that is looked at."""

from __future__ import annotations

import os

import numpy as np

from trueground.raster import open_raster
from trueground.rpc.located import HALF_PIXEL, Float
from trueground.rpc.model import Rpc
from trueground.rpc.readers import is_rpc_file


def pixel_grid(path: str | os.PathLike[str], rpc: Rpc, number: int) -> tuple[Float, Float]:
    """Return rows and columns of a grid of about square cells over an image, in the middle of each cell.

    Parameters
    ----------
    path
        The image, or a file that holds an RPC alone; then the grid covers what the RPC was made for.
    rpc
        Its model.
    number
        Cells along the longer side.
    """
    if is_rpc_file(path):
        middle = rpc.line_off + HALF_PIXEL, rpc.samp_off + HALF_PIXEL
        reach = abs(rpc.line_scale), abs(rpc.samp_scale)
    else:
        rows, cols = open_raster(path).grid.shape
        middle, reach = (rows / 2.0, cols / 2.0), (rows / 2.0, cols / 2.0)
    cell = 2.0 * max(reach) / number
    axes = []
    for centre, half in zip(middle, reach, strict=True):
        count = max(round(2.0 * half / cell), 1)
        axes.append(centre - half + 2.0 * half * (np.arange(count) + 0.5) / count)
    return axes[0], axes[1]
