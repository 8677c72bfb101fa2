"""Smooth maps between coordinate systems, interpolated from a sparse lattice of exact nodes."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel


@kernel
def quadratic_weights(t):
    """Quadratic Lagrange weights of nodes at 0, 1/2, 1 for `t` in [0, 1]."""
    return (2.0 * t - 1.0) * (t - 1.0), 4.0 * t * (1.0 - t), t * (2.0 * t - 1.0)


@kernel
def biquadratic(nodes, first_cell_row, first_cell_col, step, row0, col0, out):
    """Interpolate at the centres of the pixels of a window.

    `nodes` holds the exact values at every half cell, from the corner of cell (`first_cell_row`,
    `first_cell_col`) on; cells are `step` pixels wide and lie at multiples of `step`, so that a
    value depends on its pixel and not on the window.
    """
    height, width = out.shape
    line = np.empty(nodes.shape[1])
    weights = np.empty((3, width))
    for q in range(width):
        x = (col0 + q + 0.5) / step
        weights[0, q], weights[1, q], weights[2, q] = quadratic_weights(x - math.floor(x))
    cells = (nodes.shape[1] - 1) // 2
    for r in range(height):
        y = (row0 + r + 0.5) / step
        cell = math.floor(y)
        a, b, c = quadratic_weights(y - cell)
        k = 2 * (cell - first_cell_row)
        for n in range(line.size):
            line[n] = a * nodes[k, n] + b * nodes[k + 1, n] + c * nodes[k + 2, n]
        for n in range(cells):
            one, two, three = line[2 * n], line[2 * n + 1], line[2 * n + 2]
            first = max((first_cell_col + n) * int(step) - col0, 0)
            last = min((first_cell_col + n + 1) * int(step) - col0, width)
            for q in range(first, last):
                out[r, q] = weights[0, q] * one + weights[1, q] * two + weights[2, q] * three
