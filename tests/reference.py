"""Slow, obvious numpy twins of the kernels. Nothing here is shared with the code under test."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
from pyproj import Transformer


def _weighted(source, rows, cols):
    """Sum of weights times nodes; nodes of weight zero do not count, missing ones make NaN."""
    total = 0.0
    for i, wr in rows:
        for j, wc in cols:
            if wr * wc != 0.0:
                inside = 0 <= i < source.shape[0] and 0 <= j < source.shape[1]
                total += wr * wc * (float(source[i, j]) if inside else math.nan)
    return total


def nearest(source, row, col, fill):
    """The cell that holds the point."""
    if math.isnan(row) or math.isnan(col):
        return fill
    i, j = math.floor(row), math.floor(col)
    if 0 <= i < source.shape[0] and 0 <= j < source.shape[1]:
        return source[i, j]
    return fill


def bilinear(source, row, col):
    """Between four cell centres; NaN where one that carries weight is missing or outside."""
    if math.isnan(row) or math.isnan(col):
        return math.nan
    axes = []
    for at in (row - 0.5, col - 0.5):
        first = math.floor(at)
        t = at - first
        axes.append([(first, 1.0 - t), (first + 1, t)])
    return _weighted(source, *axes)


def keys(distance):
    """Cubic convolution kernel of Keys (1981) with a = -1/2, by distance from the node."""
    a, d = -0.5, abs(distance)
    if d <= 1.0:
        return (a + 2.0) * d**3 - (a + 3.0) * d**2 + 1.0
    if d < 2.0:
        return a * d**3 - 5.0 * a * d**2 + 8.0 * a * d - 4.0 * a
    return 0.0


def cubic(source, row, col):
    """Sixteen nodes; bilinear where one of them, of whatever weight, is missing or outside."""
    if math.isnan(row) or math.isnan(col):
        return math.nan
    r, c = row - 0.5, col - 0.5
    i, j = math.floor(r), math.floor(c)
    if i < 1 or j < 1 or i + 2 >= source.shape[0] or j + 2 >= source.shape[1]:
        return bilinear(source, row, col)
    nodes = source[i - 1 : i + 3, j - 1 : j + 3].astype(float)
    if np.isnan(nodes).any():
        return bilinear(source, row, col)
    wr = np.array([keys(r - k) for k in range(i - 1, i + 3)])
    wc = np.array([keys(c - k) for k in range(j - 1, j + 3)])
    return float(wr @ nodes @ wc)


def met(surface, source, row, col, lean, base):
    """Place and height at which a leaning line meets a surface: its foot at `base`, `lean` off for each metre."""
    height = base
    for _ in range(500):
        place = row - lean[0] * (height - base), col - lean[1] * (height - base)
        before, height = height, surface(source, *place)
        if math.isnan(height) or abs(height - before) < 1e-9:
            break
    return place, height


def image_bilinear(source, row, col, nodata, fill):
    """Weights of invalid neighbours go to valid ones; the pixel that holds the point decides."""

    def valid(i, j):
        inside = 0 <= i < source.shape[0] and 0 <= j < source.shape[1]
        return inside and source[i, j] != nodata and not np.isnan(float(source[i, j]))

    if math.isnan(row) or math.isnan(col) or not valid(math.floor(row), math.floor(col)):
        return fill
    i, j = math.floor(row - 0.5), math.floor(col - 0.5)
    fr, fc = row - 0.5 - i, col - 0.5 - j
    corners = [(i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1)]
    weights = [(1 - fr) * (1 - fc), (1 - fr) * fc, fr * (1 - fc), fr * fc]
    found = [(w, float(source[at])) for at, w in zip(corners, weights, strict=True) if valid(*at)]
    result = sum(w * v for w, v in found) / sum(w for w, _ in found)
    if source.dtype.kind in "iu":
        info = np.iinfo(source.dtype)
        result = min(max(np.rint(result), info.min), info.max)
        if result == fill:
            result += 1 if result < info.max else -1
    return result


def biquadratic(nodes, first_cell, step, row, col):
    """Lagrange interpolation between 3 x 3 nodes of the cell that holds the pixel's centre."""
    value = 0.0
    axes = []
    for at, first in zip((row, col), first_cell, strict=True):
        cell = math.floor((at + 0.5) / step)
        t = (at + 0.5) / step - cell
        knots = (0.0, 0.5, 1.0)
        weights = []
        for k in knots:
            others = [o for o in knots if o != k]
            weights.append(np.prod([(t - o) / (k - o) for o in others]))
        axes.append((2 * (cell - first), weights))
    (k, wr), (n, wc) = axes
    for i in range(3):
        for j in range(3):
            value += wr[i] * wc[j] * nodes[k + i, n + j]
    return value


def rpc_terms(x, y, h):
    """The 20 monomials of RPC00B in its order; x is longitude, y latitude (L and P there)."""
    one = np.ones_like(x)
    return np.stack(
        [
            one, x, y, h, x * y, x * h, y * h, x**2, y**2, h**2,
            x * y * h, x**3, x * y**2, x * h**2, x**2 * y, y**3, y * h**2, x**2 * h, y**2 * h, h**3,
        ]
    )  # fmt: skip


def rpc_project(rpc, lon, lat, height):
    """Row and column (centre of the first pixel is (0.5, 0.5)) by the formulas of the standard."""
    d = np.asarray(lon) - rpc.long_off
    d = d - 360.0 * np.round(d / 360.0)
    x = d / rpc.long_scale
    y = (np.asarray(lat) - rpc.lat_off) / rpc.lat_scale
    h = (np.asarray(height) - rpc.height_off) / rpc.height_scale
    terms = rpc_terms(*np.broadcast_arrays(x, y, h))

    def ratio(num, den):
        return np.tensordot(num, terms, 1) / np.tensordot(den, terms, 1)

    row = ratio(rpc.line_num, rpc.line_den) * rpc.line_scale + rpc.line_off + 0.5
    col = ratio(rpc.samp_num, rpc.samp_den) * rpc.samp_scale + rpc.samp_off + 0.5
    return row, col


def rpc_jacobian(rpc, lon, lat, height):
    """(..., 2, 3): row and column by longitude, latitude and height, monomial by monomial."""
    lon, lat, height = np.broadcast_arrays(lon, lat, height)
    d = lon - rpc.long_off
    point = [
        (d - 360.0 * np.round(d / 360.0)) / rpc.long_scale,
        (lat - rpc.lat_off) / rpc.lat_scale,
        (height - rpc.height_off) / rpc.height_scale,
    ]
    powers = [
        (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (2, 0, 0), (0, 2, 0), (0, 0, 2),
        (1, 1, 1), (3, 0, 0), (1, 2, 0), (1, 0, 2), (2, 1, 0), (0, 3, 0), (0, 1, 2), (2, 0, 1), (0, 2, 1), (0, 0, 3),
    ]  # fmt: skip

    def value(coefficients, axis=None):
        total = 0.0
        for c, power in zip(coefficients, powers, strict=True):
            term = c
            for k, p in enumerate(power):
                term = term * (p * point[k] ** max(p - 1, 0) if k == axis else point[k] ** p)
            total = total + term
        return total

    out = np.empty((*lon.shape, 2, 3))
    models = (
        (rpc.line_num, rpc.line_den, rpc.line_scale),
        (rpc.samp_num, rpc.samp_den, rpc.samp_scale),
    )
    for i, (num, den, size) in enumerate(models):
        for k, scale in enumerate((rpc.long_scale, rpc.lat_scale, rpc.height_scale)):
            n, q = value(num), value(den)
            out[..., i, k] = (value(num, k) * q - n * value(den, k)) / q**2 * size / scale
    return out


# rays


def ray_crossing(dem, row, col, height, *, steps=32):
    """First point of a straight ray at or below the bilinear surface, by marching and bisection.

    `row`, `col`, `height` are those of the two ends; pixel coordinates count from the outer corner.
    Returns a word and the parameter from 0 to 1. A hole is crossed where the ray comes out above the surface; below
    it, or where the ray ends there, it is lost. Each piece between two lines of cell centres is
    marched in `steps`, and searched around its lowest clearance, so that no thin dip is missed.
    """
    dem = np.asarray(dem, dtype=np.float64)
    row, col, height = (np.asarray(a, dtype=np.float64) for a in (row, col, height))

    def place(t):
        return [a[0] + t * (a[1] - a[0]) for a in (row, col, height)]

    cuts = {0.0, 1.0}
    for a in (row, col):
        if a[1] != a[0]:
            low, high = sorted(a)
            lines = np.arange(math.ceil(low - 0.5), math.floor(high - 0.5) + 1) + 0.5
            cuts.update(float(t) for t in (lines - a[0]) / (a[1] - a[0]) if 0.0 < t < 1.0)
    cuts = sorted(cuts)
    been_inside = in_hole = False
    for start, stop in itertools.pairwise(cuts):
        if stop - start < 1e-13:  # two lines met in one node
            continue
        r, c, _ = place(0.5 * (start + stop))
        r, c = r - 0.5, c - 0.5
        if not (0.0 <= r <= dem.shape[0] - 1 and 0.0 <= c <= dem.shape[1] - 1):
            if been_inside:
                return "outside", math.nan
            continue
        i, j = math.floor(r), math.floor(c)
        # A ray that runs along a line of centres needs no node beside it.
        below, right = i + (r != i), j + (c != j)

        def clearance(t, i=i, j=j, below=below, right=right):
            at = place(t)
            u, v = at[0] - 0.5 - i, at[1] - 0.5 - j
            top = dem[i, j] * (1 - v) + dem[i, right] * v
            bottom = dem[below, j] * (1 - v) + dem[below, right] * v
            return at[2] - (top * (1 - u) + bottom * u)

        t = np.linspace(start, stop, steps + 1)
        values = clearance(t)
        if np.isnan(values).any():
            been_inside = in_hole = True
            continue
        if values[0] < -1e-6 and (in_hole or not been_inside):
            return ("hole" if in_hole else "outside"), math.nan
        been_inside, in_hole = True, False
        k = int(np.argmin(values))
        if values[k] > np.ptp(values) + 1e-9:  # far above: nothing can hide between two steps
            continue
        low, high = t[max(k - 1, 0)], t[min(k + 1, steps)]
        for _ in range(50):
            one, two = low + (high - low) / 3.0, high - (high - low) / 3.0
            low, high = (low, two) if clearance(one) < clearance(two) else (one, high)
        dip = 0.5 * (low + high)
        points = np.sort(np.append(t, dip))
        under = np.flatnonzero(clearance(points) <= 0.0)
        if under.size:
            k = int(under[0])
            if k == 0:
                return "hit", start
            low, high = points[k - 1], points[k]
            for _ in range(50):
                half = 0.5 * (low + high)
                low, high = (low, half) if clearance(half) <= 0.0 else (half, high)
            return "hit", high
    if in_hole:
        return "hole", math.nan
    return ("missed" if been_inside else "outside"), math.nan


# lines of sight


def _localized(rpc, row, col, height):
    """Longitude and latitude at heights: Newton's method with differences for derivatives."""
    lon, lat = np.full(height.shape, rpc.long_off), np.full(height.shape, rpc.lat_off)
    d = 1e-6
    for _ in range(5):
        r, c = rpc_project(rpc, lon, lat, height)
        rx, cx = (
            (a - b) / d for a, b in zip(rpc_project(rpc, lon + d, lat, height), (r, c), strict=True)
        )
        ry, cy = (
            (a - b) / d for a, b in zip(rpc_project(rpc, lon, lat + d, height), (r, c), strict=True)
        )
        det = rx * cy - ry * cx
        lon = lon + ((row - r) * cy - (col - c) * ry) / det
        lat = lat + ((col - c) * rx - (row - r) * cx) / det
    return lon, lat


@lru_cache
def _projection(crs):
    return Transformer.from_crs(4326, crs, always_xy=True)


def march_plainly(rpc, grid, nodes, row, col, *, number=20_000):
    """March down one line of sight in `number` equal steps over all heights that there are: height and status.

    Statuses are those of `trueground.status`, and 103 for a line that leaves the DEM in a hole.
    """
    hit, outside, hole, missed, hole_at_edge = 0, 2, 3, 4, 103
    crs = _projection(grid.crs)

    def above(height):
        lon, lat = _localized(rpc, row, col, height)
        r, c = grid.rowcol(*crs.transform(lon, lat))
        r, c = r - 0.5, c - 0.5
        i, j = np.floor(r).astype(int), np.floor(c).astype(int)
        inside = (i >= 0) & (j >= 0) & (i < nodes.shape[0] - 1) & (j < nodes.shape[1] - 1)
        i, j = np.where(inside, i, 0), np.where(inside, j, 0)
        u, v, z = r - i, c - j, nodes.astype(np.float64)
        surface = (z[i, j] * (1 - v) + z[i, j + 1] * v) * (1 - u) + (
            z[i + 1, j] * (1 - v) + z[i + 1, j + 1] * v
        ) * u
        return np.where(inside, height - surface, -np.inf), inside

    levels = np.linspace(float(np.nanmax(nodes)) + 1.0, float(np.nanmin(nodes)) - 1.0, number)
    clear, inside = above(levels)
    if not inside.any():
        return math.nan, outside
    first = int(np.argmax(inside))
    left = np.flatnonzero(~inside[first:])
    end = first + int(left[0]) if left.size else number
    came = hole if first == 0 else outside
    for k in range(first, end):
        if np.isnan(clear[k]):
            came = hole
        elif clear[k] > 0.0:
            came = hit
        elif came != hit:
            return math.nan, came
        else:
            high, low = levels[k - 1], levels[k]
            for _ in range(40):
                middle = 0.5 * (high + low)
                under = above(np.array([middle]))[0][0] <= 0.0
                high, low = (high, middle) if under else (middle, low)
            return low, hit
    if end < number:
        return math.nan, (hole_at_edge if came == hole else outside)
    return math.nan, (hole if came == hole else missed)


def uniform(row0, col0, seed, shape):
    """Return a number in [0, 1) for each pixel: splitmix64 of (row, column), started by the seed."""
    rows = np.arange(row0, row0 + shape[0]).astype(np.uint64)[:, np.newaxis]
    cols = np.arange(col0, col0 + shape[1]).astype(np.uint64)[np.newaxis, :]
    with np.errstate(over="ignore"):
        key = (rows << np.uint64(32)) ^ cols
        key = key + np.uint64(0x9E3779B97F4A7C15) * np.uint64(seed + 1)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key = key ^ (key >> np.uint64(31))
    return (key >> np.uint64(11)).astype(np.float64) / float(1 << 53)
