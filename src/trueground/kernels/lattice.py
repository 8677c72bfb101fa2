"""Smooth maps between coordinate systems, interpolated from a sparse lattice of exact nodes."""

from __future__ import annotations

import numpy as np

from trueground.kernels import kernel


@kernel
def _weights(t):
    """Quadratic Lagrange weights of nodes at 0, 1/2, 1 for `t` in [0, 1]."""
    return (2.0 * t - 1.0) * (t - 1.0), 4.0 * t * (1.0 - t), t * (2.0 * t - 1.0)


@kernel
def biquadratic(nodes, first_cell_row, first_cell_col, step, row0, col0, out):
    """Interpolate at the centres of the pixels of a window.

    `nodes` holds the exact values at every half cell, from the corner of cell (`first_cell_row`, `first_cell_col`) on;
    cells are `step` pixels wide and lie at multiples of `step`, so that a value depends on its pixel and not on the window.
    """
    height, width = out.shape
    line = np.empty(nodes.shape[1])
    for r in range(height):
        y = row0 + r + 0.5
        cell = int(y // step)
        a, b, c = _weights(y / step - cell)
        k = 2 * (cell - first_cell_row)
        for n in range(line.size):
            line[n] = a * nodes[k, n] + b * nodes[k + 1, n] + c * nodes[k + 2, n]
        for q in range(width):
            x = col0 + q + 0.5
            cell = int(x // step)
            a, b, c = _weights(x / step - cell)
            k2 = 2 * (cell - first_cell_col)
            out[r, q] = a * line[k2] + b * line[k2 + 1] + c * line[k2 + 2]
