"""A surface resampled on a grid along its own axes: a row says all of a pixel's row, a column of its column.

`drifting` adds what changes slowly from place to place.
"""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import fused, kernel, resample
from trueground.kernels.ground import _C, _H, _PLACES, _R, BATCH, look_up, on_node
from trueground.kernels.lattice import quadratic_weights
from trueground.kernels.resample import _keys, _on_node, bilinear_cell


@kernel
def _along(at, first, size, index, following, fraction):
    """Node before each place, the one after that carries weight, and the way between; -1 outside."""
    for k in range(at.size):
        t = _on_node(at[k] - 0.5)
        if first <= t <= first + size - 1:
            n = int(math.floor(t))
            fraction[k] = t - n
            index[k] = n - first
            following[k] = n - first + 1 if t > n else n - first
        else:
            index[k] = following[k] = -1
            fraction[k] = np.nan


@kernel
def bilinear(source, row0, col0, rows, cols, up, out):
    """Bilinear surface at rows x cols, `up` higher; the same to the last bit as point by point."""
    height, width = source.shape
    i, below = np.empty(rows.size, np.int64), np.empty(rows.size, np.int64)
    j, right = np.empty(cols.size, np.int64), np.empty(cols.size, np.int64)
    fr, fc = np.empty(rows.size), np.empty(cols.size)
    _along(rows, row0, height, i, below, fr)
    _along(cols, col0, width, j, right, fc)
    first, last = 0, cols.size  # columns between hang over no edge
    while first < last and j[first] < 0:
        first += 1
    while last > first and j[last - 1] < 0:
        last -= 1
    for p in range(rows.size):
        line = out[p]
        line[:] = np.nan
        if i[p] < 0:
            continue
        upper, lower = source[i[p]], source[below[p]]
        f = fr[p]
        for q in range(first, last):
            a, b, t = np.uintp(j[q]), np.uintp(right[q]), fc[q]
            top = upper[a] * (1.0 - t) + upper[b] * t
            bottom = lower[a] * (1.0 - t) + lower[b] * t
            line[q] = top * (1.0 - f) + bottom * f + up


@kernel
def cubic(source, row0, col0, rows, cols, up, out):
    """Interpolating bicubic surface at rows x cols, `up` higher; bilinear next to holes and edges."""
    height, width = source.shape
    i, j = np.empty(rows.size, np.int64), np.empty(cols.size, np.int64)
    down, along = np.empty((4, rows.size)), np.empty((4, cols.size))
    for at, first, size, index, weight in (
        (rows, row0, height, i, down),
        (cols, col0, width, j, along),
    ):
        for k in range(at.size):
            t = _on_node(at[k] - 0.5)
            index[k] = -1
            if first + 1 <= t < first + size - 2:
                n = int(math.floor(t))
                index[k] = n - 1 - first
                weight[0, k], weight[1, k], weight[2, k], weight[3, k] = _keys(t - n)
    for p in range(rows.size):
        for q in range(cols.size):
            value = np.nan
            if i[p] >= 0 and j[q] >= 0:
                value = 0.0
                for m in range(4):
                    line = 0.0
                    for n in range(4):
                        line += along[n, q] * source[i[p] + m, j[q] + n]
                    value += down[m, p] * line
            if math.isnan(value):
                value = bilinear_cell(source, row0, col0, rows[p], cols[q])
            out[p, q] = value + up


@fused
def drifting(source, row0, col0, rows, cols, nodes, first, step, place, smooth, out):
    """Bilinear or (`smooth`) bicubic surface at rows x cols less what a lattice says, and as much higher.

    `nodes` (3, n, m) holds rows, columns and heights at every half cell from the cell `first` on; `place` is row and
    column of the window in pixels of the lattice, whose cells are `step` of them wide.
    """
    height, width = out.shape
    first_weight, middle_weight, last_weight = np.empty(width), np.empty(width), np.empty(width)
    for q in range(width):
        x = (place[1] + q + 0.5) / step
        first_weight[q], middle_weight[q], last_weight[q] = quadratic_weights(x - math.floor(x))
    cells = (nodes.shape[2] - 1) // 2
    across = np.empty((3, nodes.shape[2]))
    line = np.empty((3, width))
    value = np.empty(width)
    w = np.empty((_PLACES, BATCH))
    at = np.empty((2, BATCH), dtype=np.uintp)
    for r in range(height):
        y = (place[0] + r + 0.5) / step
        cell = math.floor(y)
        a, b, c = quadratic_weights(y - cell)
        k = 2 * (int(cell) - first[0])
        for v in range(3):
            for n in range(nodes.shape[2]):
                across[v, n] = a * nodes[v, k, n] + b * nodes[v, k + 1, n] + c * nodes[v, k + 2, n]
        for n in range(cells):
            begin = max((first[1] + n) * step - place[1], 0)
            end = min((first[1] + n + 1) * step - place[1], width)
            r1, r2, r3 = across[0, 2 * n], across[0, 2 * n + 1], across[0, 2 * n + 2]
            c1, c2, c3 = across[1, 2 * n], across[1, 2 * n + 1], across[1, 2 * n + 2]
            z1, z2, z3 = across[2, 2 * n], across[2, 2 * n + 1], across[2, 2 * n + 2]
            for q in range(np.uintp(begin), np.uintp(max(begin, end))):
                one, two, three = first_weight[q], middle_weight[q], last_weight[q]
                line[0, q] = rows[r] - (one * r1 + two * r2 + three * r3)
                line[1, q] = cols[q] - (one * c1 + two * c2 + three * c3)
                line[2, q] = one * z1 + two * z2 + three * z3
        if smooth:
            resample.cubic(source, row0, col0, line[0], line[1], value)
            for q in range(width):
                out[r, q] = value[q] + line[2, q]
            continue
        for begin in range(0, width, BATCH):
            count = min(BATCH, width - begin)
            for k in range(count):
                w[_R, k] = on_node(line[0, begin + k] - 0.5)
                w[_C, k] = on_node(line[1, begin + k] - 0.5)
            look_up(source, row0, col0, w, at, count)
            for k in range(count):
                out[r, begin + k] = w[_H, k] + line[2, begin + k]
