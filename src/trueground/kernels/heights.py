"""Heights of a DEM at many points at once."""

from __future__ import annotations

import numpy as np

from trueground.kernels import fused, inlined
from trueground.kernels.resample import SLACK

BATCH = 64  # pixels that go together; their work stays in the first cache
_R, _C, _Z00, _Z01, _Z10, _Z11, _PLACES = range(7)


@inlined
def between(z00, z01, z10, z11, fr, fc):
    """Interpolate between four nodes; those without weight do not count, even where they are missing."""
    top = z00 * (1.0 - fc) + (z01 * fc if fc > 0.0 else 0.0)
    bottom = z10 * (1.0 - fc) + (z11 * fc if fc > 0.0 else 0.0)
    return top * (1.0 - fr) + (bottom * fr if fr > 0.0 else 0.0)


@fused
def bilinear(surface, row0, col0, shift, affine, x, y, height):
    """Heights of a bilinear surface, strict about missing nodes, at points of its own reference system.

    Parameters
    ----------
    surface, row0, col0
        Window of a DEM [m]; row and column of its first pixel.
    shift
        x that stands in the middle of the DEM, and by how much x grows around the globe; 0 where it does not.
    affine
        Row and column by x and y: (a, b, c, d, e, f) with col = a x + b y + c, row = d x + e y + f.
    x, y
        Points.
    height
        Out; NaN outside the window, and where a node that carries weight is missing.
    """
    rows, cols = surface.shape
    middle, turn = shift
    last_r, last_c = row0 + rows - 1, col0 + cols - 1
    end_r, end_c, one = np.uintp(rows - 1), np.uintp(cols - 1), np.uintp(1)
    w = np.empty((_PLACES, BATCH))
    at = np.empty((2, BATCH), dtype=np.uintp)
    for first in range(0, x.size, BATCH):
        count = min(BATCH, x.size - first)
        for k in range(count):
            px, py = x[first + k], y[first + k]
            px += turn if px < middle - 0.5 * turn else -turn if px > middle + 0.5 * turn else 0.0
            c = affine[0] * px + affine[1] * py + affine[2] - 0.5
            r = affine[3] * px + affine[4] * py + affine[5] - 0.5
            node_r, node_c = np.rint(r), np.rint(c)
            w[_R, k] = node_r if abs(r - node_r) <= SLACK else r
            w[_C, k] = node_c if abs(c - node_c) <= SLACK else c
        # A DEM is coarser than what is made over it: mostly the whole batch lies in one cell.
        one_r, one_c = np.floor(w[_R, 0]), np.floor(w[_C, 0])
        others = 0
        for k in range(count):
            others += (np.floor(w[_R, k]) != one_r) | (np.floor(w[_C, k]) != one_c)
        if others == 0 and row0 <= one_r < last_r and col0 <= one_c < last_c:
            i, j = int(one_r) - row0, int(one_c) - col0
            z00, z01 = np.float64(surface[i, j]), np.float64(surface[i, j + 1])
            z10, z11 = np.float64(surface[i + 1, j]), np.float64(surface[i + 1, j + 1])
            for k in range(count):
                height[first + k] = between(z00, z01, z10, z11, w[_R, k] - one_r, w[_C, k] - one_c)
            continue
        for k in range(count):
            r, c = w[_R, k], w[_C, k]
            inside = (r >= row0) & (r <= last_r) & (c >= col0) & (c <= last_c)  # False for NaN
            floor_r = np.floor(r) if inside else np.float64(row0)
            floor_c = np.floor(c) if inside else np.float64(col0)
            at[0, k], at[1, k] = int(floor_r) - row0, int(floor_c) - col0
            w[_R, k] = r - floor_r if inside else np.nan
            w[_C, k] = c - floor_c
        for k in range(count):  # the one part that does not vectorise, kept small
            i, j = at[0, k], at[1, k]
            below, right = min(i + one, end_r), min(j + one, end_c)
            w[_Z00, k], w[_Z01, k] = surface[i, j], surface[i, right]
            w[_Z10, k], w[_Z11, k] = surface[below, j], surface[below, right]
        for k in range(count):
            height[first + k] = between(
                w[_Z00, k], w[_Z01, k], w[_Z10, k], w[_Z11, k], w[_R, k], w[_C, k]
            )
