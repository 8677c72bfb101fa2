"""What is known of blocks of a height field before a line of sight is followed through it."""

from __future__ import annotations

import numpy as np

from trueground.kernels import fused

BASE = 4  # cells, edge of the smallest blocks
ALMOST = 0.999  # of the fall of a line of sight; the rest is for round-off


@fused
def pyramid_levels(rows, cols):
    """Count the levels of the pyramid over (rows, cols) cells."""
    size, levels = BASE, 1
    while size < rows or size < cols:
        size *= 2
        levels += 1
    return levels


@fused
def build_pyramid(dem, starts, widths, maxima):
    """Fill `maxima` with the highest node of blocks of 4, 8, 16, ... cells; -inf where all nodes are missing.

    `starts` and `widths` receive where a level begins and how many blocks stand in its rows. Passing an empty `maxima`
    only finds the size that is needed, which is returned.
    """
    rows, cols = dem.shape[0] - 1, dem.shape[1] - 1
    total = 0
    height = 0
    for level in range(starts.size):
        size = BASE << level
        below = height
        height = (rows + size - 1) // size
        width = (cols + size - 1) // size
        starts[level], widths[level] = total, width
        if maxima.size and level == 0:
            for i in range(height):
                for j in range(width):
                    top = -np.inf
                    for r in range(i * size, min(i * size + size, rows) + 1):
                        for c in range(j * size, min(j * size + size, cols) + 1):
                            if dem[r, c] > top:  # noqa: PLR1730 (max would let NaN through)
                                top = dem[r, c]
                    maxima[total + i * width + j] = top
        elif maxima.size:
            for i in range(height):
                for j in range(width):
                    top = -np.inf
                    for r in range(2 * i, min(2 * i + 2, below)):
                        for c in range(2 * j, min(2 * j + 2, widths[level - 1])):
                            top = max(top, maxima[starts[level - 1] + r * widths[level - 1] + c])
                    maxima[total + i * width + j] = top
        total += height * width
    return total


@fused
def mark_gentle(dem, edge, per_row, per_col, drop, gentle):
    """Mark blocks above which no line of sight can meet the surface twice.

    From a point of a block a line goes at most `edge` cells to each side. Where the surface, in the block and its
    neighbours, rises less than the line falls, the height above ground falls all the way: there is one meeting at most.

    Parameters
    ----------
    dem
        Heights of nodes [m]; a hole makes a block rough.
    edge
        Cells along the edge of a block.
    per_row, per_col, drop
        Rows, columns and metres that a line goes, at most and at least, in a unit of its parameter.
    gentle
        Out: 1 or 0 for each block.
    """
    rows, cols = dem.shape[0] - 1, dem.shape[1] - 1
    rise = np.empty(gentle.shape)
    for bi in range(gentle.shape[0]):
        for bj in range(gentle.shape[1]):
            last_r, last_c = min((bi + 1) * edge, rows), min((bj + 1) * edge, cols)
            down, right = np.float32(0.0), np.float32(0.0)
            whole = True
            for r in range(bi * edge, last_r + 1):
                for c in range(bj * edge, last_c):
                    step = abs(dem[r, c + 1] - dem[r, c])
                    whole &= step == step
                    right = step if step > right else right  # max would let NaN through
            for r in range(bi * edge, last_r):
                for c in range(bj * edge, last_c + 1):
                    step = abs(dem[r + 1, c] - dem[r, c])
                    whole &= step == step
                    down = step if step > down else down
            rise[bi, bj] = per_row * down + per_col * right if whole else np.inf
    for bi in range(gentle.shape[0]):
        for bj in range(gentle.shape[1]):
            most = 0.0
            for i in range(max(bi - 1, 0), min(bi + 2, gentle.shape[0])):
                for j in range(max(bj - 1, 0), min(bj + 2, gentle.shape[1])):
                    most = max(most, rise[i, j])
            gentle[bi, bj] = most < ALMOST * drop
