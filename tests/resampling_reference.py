"""Slow, obvious twins of the resampling of images. Nothing here is shared with the code under test."""

from __future__ import annotations

import math

import numpy as np

LARGEST_GAIN = 3.0
RADIUS = {"bilinear": 1.0, "cubic": 2.0, "cubic-spline": 2.0, "lanczos": 3.0}


def kernel(name, x):
    """Weight by distance from the centre [px]."""
    d = abs(x)
    if name == "bilinear":
        return max(0.0, 1.0 - d)
    if name == "cubic":  # Keys (1981), a = -1/2
        a = -0.5
        if d <= 1.0:
            return (a + 2.0) * d**3 - (a + 3.0) * d**2 + 1.0
        return a * d**3 - 5.0 * a * d**2 + 8.0 * a * d - 4.0 * a if d < 2.0 else 0.0
    if name == "cubic-spline":  # the box, three times convolved with itself
        terms = ((1, 2.0), (-4, 1.0), (6, 0.0), (-4, -1.0), (1, -2.0))
        return sum(c * max(0.0, x + k) ** 3 for c, k in terms) / 6.0
    return float(np.sinc(d) * np.sinc(d / 3.0)) if d < 3.0 else 0.0


def weights(name, at, scale):
    """Pixels of an axis that count for a point, and their weights."""
    if name == "average":
        low, high = at - scale / 2.0, at + scale / 2.0
        found = [
            (i, min(i + 1, high) - max(i, low))
            for i in range(math.floor(low), math.ceil(high))
            if min(i + 1, high) > max(i, low)
        ]
    else:
        reach = RADIUS[name] * scale
        first, last = math.floor(at - 0.5 - reach), math.ceil(at - 0.5 + reach)
        found = [(i, kernel(name, (i + 0.5 - at) / scale)) for i in range(first, last + 1)]
    total = sum(w for _, w in found)
    return [(i, w / total) for i, w in found]


def is_valid(source, i, j, nodata):
    inside = 0 <= i < source.shape[0] and 0 <= j < source.shape[1]
    return inside and source[i, j] != nodata and not np.isnan(float(source[i, j]))


def holds_data(source, row, col, nodata):
    if math.isnan(row) or math.isnan(col):
        return False
    return is_valid(source, math.floor(row), math.floor(col), nodata)


def image(source, row, col, *, name, scale=(1.0, 1.0), nodata=math.nan):
    """Weighted mean of the valid pixels, not rounded; NaN where the pixel that holds the point is no data."""
    if not holds_data(source, row, col, nodata):
        return math.nan
    for kind in (name, "bilinear"):
        found = [
            (wr * wc, float(source[i, j]))
            for i, wr in weights(kind, row, scale[0])
            for j, wc in weights(kind, col, scale[1])
            if is_valid(source, i, j, nodata)
        ]
        total = sum(w for w, _ in found)
        if total > 0.0 and sum(abs(w) for w, _ in found) <= LARGEST_GAIN * total:
            return sum(w * z for w, z in found) / total
    raise AssertionError("weights of bilinear cannot cancel")


def mode(source, row, col, *, scale=(1.0, 1.0), nodata=math.nan):
    """Value that covers most of the box; of equal ones that of the pixel that holds the point, else the smallest."""
    if not holds_data(source, row, col, nodata):
        return None
    areas = {}
    for i, wr in weights("average", row, scale[0]):
        for j, wc in weights("average", col, scale[1]):
            if is_valid(source, i, j, nodata):
                value = source[i, j].item()
                areas[value] = areas.get(value, 0.0) + wr * wc
    most = max(areas.values())
    best = sorted(v for v, area in areas.items() if area > most - 1e-9)
    held = source[math.floor(row), math.floor(col)].item()
    return held if held in best else best[0]
