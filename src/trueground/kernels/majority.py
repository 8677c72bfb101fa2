"""The value that covers most of a pixel's footprint: classes on another grid."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel

_TIE = 1e-9  # px^2. Areas that differ by less are round-off of the same.


@kernel
def _count(value, area, found, areas, number, latest):
    """Add a value's area to a sorted list; return its length and the value's place."""
    if latest < number and found[latest] == value:
        areas[latest] += area
        return number, latest
    low, high = 0, number
    while low < high:
        middle = (low + high) // 2
        if found[middle] < value:
            low = middle + 1
        else:
            high = middle
    if low < number and found[low] == value:
        areas[low] += area
        return number, low
    for n in range(number, low, -1):
        found[n] = found[n - 1]
        areas[n] = areas[n - 1]
    found[low] = value
    areas[low] = area
    return number + 1, low


@kernel
def image_mode(source, row0, col0, rows, cols, scale, nodata, fill, declared, highest, out):
    """Take the value that covers most of a box of `scale` pixels, where the pixel that holds the point is valid.

    Of values that cover the same area it is that of the pixel that holds the point, else the smallest. No data is not
    counted. Where the product declares `fill` as its nodata, a valid integer equal to it is moved by one.
    """
    height, width = source.shape
    half_r, half_c = scale[0] / 2.0, scale[1] / 2.0
    room = (int(math.ceil(scale[0])) + 1) * (int(math.ceil(scale[1])) + 1)
    found = np.empty(room, dtype=source.dtype)
    areas = np.empty(room)
    moved = fill + 1.0 if fill < highest else fill - 1.0
    for k in range(rows.size):
        row, col = rows[k], cols[k]
        out[k] = fill
        if not (row0 <= row < row0 + height and col0 <= col < col0 + width):  # NaN too
            continue
        held = source[int(math.floor(row)) - row0, int(math.floor(col)) - col0]
        if held == nodata or held != held:
            continue
        # In full coordinates, so that areas do not depend on the window.
        top, bottom = (
            max(math.floor(row - half_r), row0),
            min(math.ceil(row + half_r), row0 + height),
        )
        left, right = (
            max(math.floor(col - half_c), col0),
            min(math.ceil(col + half_c), col0 + width),
        )
        number, latest = 0, 0
        for i in range(int(top), int(bottom)):
            high = min(i + 1.0, row + half_r) - max(float(i), row - half_r)
            for j in range(int(left), int(right)):
                value = source[i - row0, j - col0]
                if value == nodata or value != value:
                    continue
                wide = min(j + 1.0, col + half_c) - max(float(j), col - half_c)
                number, latest = _count(value, high * wide, found, areas, number, latest)
        best, most = held, 0.0
        for n in range(number):
            if found[n] == held:
                most = areas[n]
        for n in range(number):
            if areas[n] > most + _TIE:
                best, most = found[n], areas[n]
        if declared and best == fill:
            out[k] = moved
        else:  # apart, so that no integer becomes a double on its way
            out[k] = best
