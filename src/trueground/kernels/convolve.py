"""Separable convolution of an image at points: cubic, splines, Lanczos, the mean of an area.

Each pixel of an output gathers `taps` rows by `taps` columns of the image around its position, weighted by a
kernel of the distance along rows times one along columns. Where the output is coarser than the image, the kernel is
stretched by the pixels of the image that lie in one of the output, which takes away what would alias.
"""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import fused, inlined
from trueground.kernels.resample import BATCH, store

BILINEAR, CUBIC, SPLINE, LANCZOS, AREA = range(5)
# Up to so many taps a batch of points is taken one tap after the other; beyond, a point's rows are long enough to be
# vectors themselves. Measured: 7 x 7 and 8 x 8 taps take the same time both ways.
_FEW = 56
# Weights of both signs may nearly cancel once those of invalid pixels are gone. A sum of weights is taken where the
# weights' sizes add up to at most so many times it; 1.6 and 2.4 in the whole kernels of cubic and Lanczos.
_GAIN = 3.0
_TURN = math.pi / 3.0
_X, _HELD, _VALUE, _TOTAL, _LINE, _PLACES = range(6)


def half_width(kind: int, scale: float) -> float:
    """Return how far from its centre a kernel reaches [px]; nothing lies at that distance itself."""
    if kind == AREA:
        return 0.5 + scale / 2.0
    return (1.0, 2.0, 2.0, 3.0)[kind] * scale


@inlined
def triangle(x):
    """Weight of linear interpolation."""
    return max(0.0, 1.0 - abs(x))


@inlined
def keys(x):
    """Cubic convolution of Keys (1981), a = -1/2: interpolates, quadratics exactly. 10.1109/TASSP.1981.1163711."""
    x = abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0
    outer = far if x < 2.0 else 0.0
    return near if x < 1.0 else outer


@inlined
def spline(x):
    """Cubic B-spline: positive, and smooths."""
    x = abs(x)
    rest = max(0.0, 2.0 - x)
    near = (0.5 * x - 1.0) * x * x + 2.0 / 3.0
    return near if x < 1.0 else rest * rest * rest / 6.0


@inlined
def _sine_by(u):
    """sin(pi u / 3) / u for u from 0 to 1.5, to 1e-13: a polynomial, so that loops around it are vectorised."""
    q = (u * _TURN) ** 2
    p = 1.0 / 355687428096000.0 - q / 121645100408832000.0
    p = p * q - 1.0 / 1307674368000.0
    p = p * q + 1.0 / 6227020800.0
    p = p * q - 1.0 / 39916800.0
    p = p * q + 1.0 / 362880.0
    p = p * q - 1.0 / 5040.0
    p = p * q + 1.0 / 120.0
    p = p * q - 1.0 / 6.0
    return (p * q + 1.0) * _TURN


@inlined
def lanczos(x):
    """Lanczos window of three lobes, sinc(x) sinc(x / 3): Duchon (1979).

    doi:10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2. With s = sin(pi x / 3), sin(pi x) = s (3 - 4 s^2); s is a
    mirror image of itself beyond 1.5.
    """
    x = min(abs(x), 3.0)
    u = min(x, 3.0 - x)
    p = _sine_by(u)
    s = p * u
    by_x = p if x <= 1.5 else s / max(x, 1.0)
    return by_x * by_x * (3.0 - 4.0 * s * s) * (3.0 / math.pi**2)


@fused
def _lanczos_unscaled(w, weight, count):
    """Weigh the six taps of a batch, up to a factor that they share: twice as fast as one by one.

    The sines of all six come from two, of t and of 1 - t, t the way from the third tap to the point.
    """
    for k in range(count):
        w[_LINE, k] = _sine_by(-2.0 - w[_X, k])
    for k in range(count):
        w[_VALUE, k] = _sine_by(3.0 + w[_X, k])
    for n in range(6):
        for k in range(count):
            t = -2.0 - w[_X, k]
            rest = 1.0 - t
            near, far = t * w[_LINE, k], rest * w[_VALUE, k]
            if n == 2:
                weight[n, k] = rest * w[_LINE, k]
            elif n == 3:
                weight[n, k] = t * w[_VALUE, k]
            else:
                sine = far if n == 0 else (near if n == 5 else -near - far)
                x = w[_X, k] + n
                weight[n, k] = sine * t * rest / (x * x)


@fused
def _weights(kind, scale, half, w, weight, count):
    """Weights of the taps of a batch, in sum one; place _X of `w` is the first tap's distance."""
    number = weight.shape[0]
    inverse = 1.0 / scale
    most = min(1.0, scale)
    plain = kind == LANCZOS and scale == 1.0
    if plain:
        _lanczos_unscaled(w, weight, count)
    for n in range(0 if plain else number):
        if kind == BILINEAR:
            for k in range(count):
                weight[n, k] = triangle((w[_X, k] + n) * inverse)
        elif kind == CUBIC:
            for k in range(count):
                weight[n, k] = keys((w[_X, k] + n) * inverse)
        elif kind == SPLINE:
            for k in range(count):
                weight[n, k] = spline((w[_X, k] + n) * inverse)
        elif kind == LANCZOS:
            for k in range(count):
                weight[n, k] = lanczos((w[_X, k] + n) * inverse)
        else:  # what the pixel and the footprint share
            for k in range(count):
                weight[n, k] = min(max(half - abs(w[_X, k] + n), 0.0), most)
    for k in range(count):
        w[_TOTAL, k] = 0.0
    for n in range(number):
        for k in range(count):
            w[_TOTAL, k] += weight[n, k]
    for k in range(count):
        w[_TOTAL, k] = 1.0 / w[_TOTAL, k]
    for n in range(number):
        for k in range(count):
            weight[n, k] *= w[_TOTAL, k]


@fused
def _across_points(flat, width, base, nodata, down, across, w, count):
    """Add up a batch, one tap of all its points after the other."""
    for m in range(down.shape[0]):
        for k in range(count):
            w[_LINE, k] = 0.0
        for n in range(across.shape[0]):
            offset = m * width + n
            for k in range(count):
                z = np.float64(flat[np.uintp(base[k] + offset)])
                w[_LINE, k] += across[n, k] * (z - w[_HELD, k] if z != nodata else np.nan)
        for k in range(count):
            w[_VALUE, k] += down[m, k] * w[_LINE, k]


@fused
def _across_taps(flat, width, base, nodata, down, across, w, count, line):
    """Add up a batch, point by point: its rows add up to one, whose columns add up to the value."""
    number = across.shape[0]
    for k in range(count):
        held = w[_HELD, k]
        line[:] = 0.0
        for m in range(down.shape[0]):
            first = np.uintp(base[k] + m * width)
            row = flat[first : first + np.uintp(number)]
            weight = down[m, k]
            for n in range(number):
                z = np.float64(row[n])
                line[n] += weight * (z - held if z != nodata else np.nan)
        total = 0.0
        for n in range(number):
            total += across[n, k] * line[n]
        w[_VALUE, k] += total


@fused
def _among_valid(source, row0, col0, at, inverse, nodata, down, across):
    """Weigh those pixels that are valid, where the one that holds the point is; else NaN."""
    height, width = source.shape
    row, col, first_r, first_c = at
    if not (row0 <= row < row0 + height and col0 <= col < col0 + width):  # NaN too
        return np.nan
    held = np.float64(source[int(math.floor(row)) - row0, int(math.floor(col)) - col0])
    if held == nodata or held != held:
        return np.nan
    i = int(first_r) - row0
    j = int(first_c) - col0
    value = np.nan
    for simple in range(2):  # linear weights are positive: they cannot cancel
        total, weight, size = 0.0, 0.0, 0.0
        for m in range(max(0, -i), min(down.size, height - i)):
            wr = triangle((first_r + m + 0.5 - row) * inverse[0]) if simple else down[m]
            for n in range(max(0, -j), min(across.size, width - j)):
                z = np.float64(source[i + m, j + n])
                if z == nodata or z != z:
                    continue
                wc = triangle((first_c + n + 0.5 - col) * inverse[1]) if simple else across[n]
                total += wr * wc * (z - held)
                weight += wr * wc
                size += abs(wr * wc)
        value = held + total / weight
        if size <= _GAIN * weight and value == value:
            return value
    return value if value == value else held  # infinite neighbours of both signs


@fused
def image_convolved(
    source,
    row0,
    col0,
    rows,
    cols,
    kind,
    scale,
    half,
    nodata,
    fill,
    declared,
    lowest,
    highest,
    integer,
    out,
):
    """Weigh the valid pixels under a kernel, where the pixel that holds the point is valid.

    Weights of invalid or missing pixels go to the others. What is summed are differences from the pixel that holds the
    point: an even ground comes out as it is, to the last bit. `scale` are the pixels, along rows and columns, by which
    the kernel is stretched, and `half` how far it reaches then. `source` is contiguous.

    Which formula a pixel gets depends on its own neighbours alone: where all are valid a batch is taken together, the
    rest one by one.
    """
    height, width = source.shape
    flat = source.reshape(-1)
    half_r, half_c = half
    inverse = 1.0 / scale[0], 1.0 / scale[1]
    down = np.empty((int(math.ceil(2.0 * half_r)), BATCH))
    across = np.empty((int(math.ceil(2.0 * half_c)), BATCH))
    last_r, last_c = row0 + height - down.shape[0], col0 + width - across.shape[0]
    fits = (last_r >= row0) & (last_c >= col0)
    few = down.shape[0] * across.shape[0] <= _FEW
    line = np.empty(across.shape[0])
    w = np.empty((_PLACES, BATCH))
    first_tap = np.empty((2, BATCH))
    base = np.empty((2, BATCH), dtype=np.int64)
    corner_r, corner_c = np.float64(row0), np.float64(col0)
    for first in range(0, rows.size, BATCH):
        count = min(BATCH, rows.size - first)
        for k in range(count):
            r = rows[first + k] - 0.5
            first_tap[0, k] = np.floor(r - half_r) + 1.0
            w[_X, k] = first_tap[0, k] - r
        _weights(kind, scale[0], half_r, w, down, count)
        for k in range(count):
            c = cols[first + k] - 0.5
            first_tap[1, k] = np.floor(c - half_c) + 1.0
            w[_X, k] = first_tap[1, k] - c
        _weights(kind, scale[1], half_c, w, across, count)
        for k in range(count):
            i, j = first_tap[0, k], first_tap[1, k]
            inside = fits & (i >= row0) & (i <= last_r) & (j >= col0) & (j <= last_c)
            i, j = i if inside else corner_r, j if inside else corner_c
            at_r = rows[first + k] if inside else corner_r
            at_c = cols[first + k] if inside else corner_c
            base[0, k] = (int(i) - row0) * width + int(j) - col0
            base[1, k] = (int(at_r) - row0) * width + int(at_c) - col0
            w[_VALUE, k] = 0.0 if inside else np.nan
        for k in range(count):
            w[_HELD, k] = flat[np.uintp(base[1, k])]
        if fits and few:
            _across_points(flat, width, base[0], nodata, down, across, w, count)
        elif fits:
            _across_taps(flat, width, base[0], nodata, down, across, w, count, line)
        odd = 0
        for k in range(count):
            w[_VALUE, k] += w[_HELD, k]
            odd += w[_VALUE, k] != w[_VALUE, k]
        if odd:
            for k in range(count):
                if w[_VALUE, k] != w[_VALUE, k]:
                    at = rows[first + k], cols[first + k], first_tap[0, k], first_tap[1, k]
                    w[_VALUE, k] = _among_valid(
                        source, row0, col0, at, inverse, nodata, down[:, k], across[:, k]
                    )
        store(w[_VALUE], count, fill, declared, lowest, highest, integer, out, first)
