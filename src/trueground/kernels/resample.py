"""Values of a raster window at points given in pixel coordinates (corner-based, as everywhere)."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import fused, kernel

# px. Round-off of a coordinate computed in another order (1/3600 degree, metres in the millions) falls a hair beside
# the node that is meant: it must not give weight to that node's neighbour, which may be a hole, or lie outside.
SLACK = 1e-6
BATCH = 64  # points that go together; their work stays in the first cache
_FR, _FC, _Z00, _Z01, _Z10, _Z11, _VALUE, _PLACES = range(8)


@fused
def extent(row, col, rows, cols):
    """First and last row and column of the pixels of an image that hold some points; how many lie in it."""
    first_r, last_r, first_c, last_c, number = rows, -1, cols, -1, 0
    for k in range(row.size):
        inside = (row[k] >= 0.0) & (row[k] <= rows) & (col[k] >= 0.0) & (col[k] <= cols)
        i = int(row[k]) if inside else -1
        j = int(col[k]) if inside else -1
        last_r, last_c = max(last_r, i), max(last_c, j)
        first_r = min(first_r, i if inside else rows)
        first_c = min(first_c, j if inside else cols)
        number += inside
    return first_r, last_r, first_c, last_c, number


@kernel
def nearest(source, row0, col0, rows, cols, fill, out):
    """Take the cell that holds the point; `fill` outside the window."""
    height, width = source.shape
    for k in range(rows.size):
        out[k] = fill
        if not (rows[k] == rows[k] and cols[k] == cols[k]):
            continue
        i = int(math.floor(rows[k])) - row0
        j = int(math.floor(cols[k])) - col0
        if 0 <= i < height and 0 <= j < width:
            out[k] = source[i, j]


@kernel
def _on_node(at):
    """Return the node that a coordinate is on but for round-off, else the coordinate."""
    node = np.rint(at)
    return node if abs(at - node) <= SLACK else at


@kernel
def bilinear_cell(source, row0, col0, row, col):
    """Interpolate between four cell centres; NaN where one that carries weight is NaN.

    Cell and fraction come from the full coordinate, so that the value does not depend on the
    window, to the last bit.
    """
    height, width = source.shape
    r = _on_node(row - 0.5)
    c = _on_node(col - 0.5)
    if not (row0 <= r <= row0 + height - 1 and col0 <= c <= col0 + width - 1):
        return np.nan
    i = int(math.floor(r))
    j = int(math.floor(c))
    fr = r - i
    fc = c - j
    i -= row0
    j -= col0
    below = i + 1 if fr > 0.0 and i + 1 < height else i
    right = j + 1 if fc > 0.0 and j + 1 < width else j
    top = source[i, j] * (1.0 - fc) + source[i, right] * fc
    bottom = source[below, j] * (1.0 - fc) + source[below, right] * fc
    return top * (1.0 - fr) + bottom * fr


@kernel
def bilinear(source, row0, col0, rows, cols, out):
    """Bilinear surface of a float raster, strict about NaN."""
    for k in range(rows.size):
        out[k] = bilinear_cell(source, row0, col0, rows[k], cols[k])


@kernel
def _keys(t):
    """Weights of the nodes at -1, 0, 1, 2 for a point at `t` in [0, 1): Keys (1981), a = -1/2."""
    t2 = t * t
    t3 = t2 * t
    return (
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    )


@kernel
def cubic_cell(source, row0, col0, row, col):
    """Interpolate between sixteen cell centres; bilinear where a node of the outer ring is missing."""
    height, width = source.shape
    r = _on_node(row - 0.5)
    c = _on_node(col - 0.5)
    value = np.nan
    if row0 + 1 <= r < row0 + height - 2 and col0 + 1 <= c < col0 + width - 2:
        i = int(math.floor(r))
        j = int(math.floor(c))
        wr = _keys(r - i)
        wc = _keys(c - j)
        value = 0.0
        for m in range(4):
            line = 0.0
            for n in range(4):
                line += wc[n] * source[i - 1 + m - row0, j - 1 + n - col0]
            value += wr[m] * line
    return bilinear_cell(source, row0, col0, row, col) if math.isnan(value) else value


@kernel
def cubic(source, row0, col0, rows, cols, out):
    """Interpolating bicubic surface; bilinear where a node of the outer ring is missing."""
    for k in range(rows.size):
        out[k] = cubic_cell(source, row0, col0, rows[k], cols[k])


@fused
def valid_bilinear(source, row0, col0, row, col, nodata):
    """Interpolate between those of four pixels that are valid, where the pixel that holds the point is; else NaN."""
    height, width = source.shape
    if not (row == row and col == col):
        return np.nan
    i = int(math.floor(row)) - row0
    j = int(math.floor(col)) - col0
    if not (0 <= i < height and 0 <= j < width):
        return np.nan
    held = source[i, j]
    if held == nodata or held != held:
        return np.nan
    r = math.floor(row - 0.5)
    c = math.floor(col - 0.5)
    fr = row - 0.5 - r
    fc = col - 0.5 - c
    i = int(r) - row0
    j = int(c) - col0
    total = 0.0
    weight = 0.0
    for m in range(2):
        if not 0 <= i + m < height:
            continue
        wr = fr if m == 1 else 1.0 - fr
        for n in range(2):
            if not 0 <= j + n < width:
                continue
            value = np.float64(source[i + m, j + n])
            if value == nodata or value != value:
                continue
            w = wr * (fc if n == 1 else 1.0 - fc)
            total += w * value
            weight += w
    return total / weight


@fused
def store(values, count, fill, declared, lowest, highest, integer, out, first):
    """Put a batch of values into an image's own type: integers rounded and clipped, `fill` for NaN.

    Where the product declares `fill` as its nodata, a valid integer that would round to it is moved by one.
    """
    moved = fill + 1.0 if fill < highest else fill - 1.0
    if integer:
        for k in range(count):
            value = values[k]
            whole = min(max(np.rint(value), lowest), highest)
            whole = moved if declared and whole == fill else whole
            out[first + k] = whole if value == value else fill
    else:
        for k in range(count):
            value = values[k]
            out[first + k] = value if value == value else fill


@fused
def image_bilinear(
    source, row0, col0, rows, cols, nodata, fill, declared, lowest, highest, integer, out
):
    """Bilinear over valid pixels only, where the pixel that holds the point is valid.

    Weights of invalid or missing neighbours go to the others, so that neither nodata nor the frame
    bleeds in and the footprint is that of `nearest`.

    Which formula a pixel gets depends on its own neighbours alone: four valid ones are taken by all of a batch
    together, the rest one by one.
    """
    height, width = source.shape
    next_r, next_c = np.uintp(min(1, height - 1)), np.uintp(min(1, width - 1))
    w = np.empty((_PLACES, BATCH))
    at = np.empty((2, BATCH), dtype=np.uintp)
    for first in range(0, rows.size, BATCH):
        count = min(BATCH, rows.size - first)
        for k in range(count):
            r, c = rows[first + k] - 0.5, cols[first + k] - 0.5
            inside = (
                (r >= row0) & (r < row0 + height - 1) & (c >= col0) & (c < col0 + width - 1)
            )  # False for NaN
            floor_r = np.floor(r) if inside else np.float64(row0)
            floor_c = np.floor(c) if inside else np.float64(col0)
            at[0, k], at[1, k] = int(floor_r) - row0, int(floor_c) - col0
            w[_FR, k] = r - floor_r if inside else np.nan
            w[_FC, k] = c - floor_c
        for k in range(count):  # the one part that does not vectorise, kept small
            i, j = at[0, k], at[1, k]
            w[_Z00, k], w[_Z01, k] = source[i, j], source[i, j + next_c]
            w[_Z10, k], w[_Z11, k] = source[i + next_r, j], source[i + next_r, j + next_c]
        for k in range(count):
            z00, z01, z10, z11 = w[_Z00, k], w[_Z01, k], w[_Z10, k], w[_Z11, k]
            top = z00 + (z01 - z00) * w[_FC, k]
            bottom = z10 + (z11 - z10) * w[_FC, k]
            value = top + (bottom - top) * w[_FR, k]
            valid = (z00 != nodata) & (z01 != nodata) & (z10 != nodata) & (z11 != nodata)
            w[_VALUE, k] = value if valid else np.nan
        odd = 0
        for k in range(count):
            odd += w[_VALUE, k] != w[_VALUE, k]
        if odd:
            for k in range(count):
                if w[_VALUE, k] != w[_VALUE, k]:
                    w[_VALUE, k] = valid_bilinear(
                        source, row0, col0, rows[first + k], cols[first + k], nodata
                    )
        store(w[_VALUE], count, fill, declared, lowest, highest, integer, out, first)
