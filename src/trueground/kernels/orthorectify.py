"""From an image to an output over a bilinear surface, a few rows at a time: positions never leave the cache."""

from __future__ import annotations

import numpy as np

from trueground.kernels import fused
from trueground.kernels.ground import to_image
from trueground.kernels.resample import extent, image_bilinear

_ROWS = 4  # of the output, worked out together


@fused
def orthorectify(
    model, nodes, dem_nodes, first_cell, step, origin, surface, corner, affine, around,
    source, source_corner, shape, nodata, fill, declared, lowest, highest, integer, begin, number, out,
):  # fmt: skip
    """Put an image's values, interpolated bilinearly, in their place in a window of an output.

    Parameters
    ----------
    model, nodes, dem_nodes, first_cell, step, origin, surface, corner, affine, around
        Of `ground.to_image`.
    source, source_corner, shape
        Window of the image (bands, rows, cols), contiguous; row and column of its first pixel; rows and columns of all
        of the image.
    nodata, fill, declared, lowest, highest, integer
        Of `resample.image_bilinear`.
    begin, number
        Row of `out` that is that of `origin`; rows to make from there on.
    out
        Out (bands, rows, cols), contiguous.

    Returns
    -------
    How many rows were made: all that were to be, or those before the first that looks at the image beyond `source`. And
    how many of their pixels the image shows.
    """
    bands, rows, cols = out.shape
    flat = out.reshape((bands, rows * cols))
    row0, col0 = source_corner
    last_row, last_col = row0 + source.shape[1] - 1, col0 + source.shape[2] - 1
    row = np.empty((_ROWS, cols))
    col = np.empty((_ROWS, cols))
    height = np.empty((_ROWS, cols))
    shown = 0
    for first in range(0, number, _ROWS):
        count = min(_ROWS, number - first)
        to_image(
            model, nodes, dem_nodes, first_cell, step, (origin[0] + first, origin[1]), surface, corner, affine, around,
            row[:count], col[:count], height[:count],
        )  # fmt: skip
        at_row, at_col = row.reshape(-1)[: count * cols], col.reshape(-1)[: count * cols]
        top, bottom, left, right, seen = extent(at_row, at_col, shape[0], shape[1])
        held = (
            (max(top - 1, 0) >= row0)
            & (max(left - 1, 0) >= col0)
            & (min(bottom + 1, shape[0] - 1) <= last_row)
            & (min(right + 1, shape[1] - 1) <= last_col)
        )
        if seen and not held:
            return first, shown
        shown += seen
        for band in range(bands):
            image_bilinear(
                source[band], row0, col0, at_row, at_col, nodata, fill, declared, lowest, highest, integer,
                flat[band, (begin + first) * cols : (begin + first + count) * cols],
            )  # fmt: skip
    return number, shown
