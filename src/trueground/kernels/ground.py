"""From the pixels of an output to the ground and into an image, all in one pass."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import fused, inlined
from trueground.kernels.lattice import quadratic_weights
from trueground.kernels.rational import (
    HEIGHT_OFF,
    HEIGHT_SCALE,
    LAT_OFF,
    LAT_SCALE,
    LINE_DEN,
    LINE_NUM,
    LINE_OFF,
    LINE_SCALE,
    LONG_OFF,
    LONG_SCALE,
    SAMP_DEN,
    SAMP_NUM,
    SAMP_OFF,
    SAMP_SCALE,
    polynomial,
    wrap,
)
from trueground.kernels.resample import SLACK

# Places in the work array: position in the model and in the DEM, the four nodes around it, the height.
BATCH = 64  # pixels that go together, those of one cell of the lattice at most
_X, _Y, _R, _C, _Z00, _Z01, _Z10, _Z11, _H, _PLACES = range(10)


@inlined
def between(z00, z01, z10, z11, fr, fc):
    """Interpolate between four nodes; those without weight do not count, even where they are missing."""
    top = z00 * (1.0 - fc) + (z01 * fc if fc > 0.0 else 0.0)
    bottom = z10 * (1.0 - fc) + (z11 * fc if fc > 0.0 else 0.0)
    return top * (1.0 - fr) + (bottom * fr if fr > 0.0 else 0.0)


@inlined
def on_node(at):
    """Move a coordinate onto a node that it is on but for round-off."""
    node = np.rint(at)
    return node if abs(at - node) <= SLACK else at


@inlined
def place_in_dem(w, k, affine, middle, turn):
    """Keep where a point, given in the DEM's reference system, lies in it, counted between nodes."""
    x, y = w[_Z00, k], w[_Z01, k]
    x += turn if x < middle - 0.5 * turn else -turn if x > middle + 0.5 * turn else 0.0
    w[_C, k] = on_node(affine[0] * x + affine[1] * y + affine[2] - 0.5)
    w[_R, k] = on_node(affine[3] * x + affine[4] * y + affine[5] - 0.5)


@fused
def look_up(surface, row0, col0, w, at, count):
    """Interpolate the heights of a batch; NaN outside the window, and where a node that carries weight is missing."""
    rows, cols = surface.shape
    last_r, last_c = row0 + rows - 1, col0 + cols - 1
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
            w[_H, k] = between(z00, z01, z10, z11, w[_R, k] - one_r, w[_C, k] - one_c)
        return
    # Of one as fine as it, on an even grid, a pixel further lies a node further.
    others = 0
    for k in range(count):
        others += (np.floor(w[_R, k]) != one_r) | (np.floor(w[_C, k]) != one_c + k)
    if others == 0 and row0 <= one_r < last_r and col0 <= one_c < last_c - count + 1:
        upper, lower = surface[np.uintp(one_r - row0)], surface[np.uintp(one_r - row0 + 1)]
        j = np.uintp(one_c - col0)
        for k in range(count):
            w[_H, k] = between(
                np.float64(upper[j + np.uintp(k)]), np.float64(upper[j + np.uintp(k + 1)]),
                np.float64(lower[j + np.uintp(k)]), np.float64(lower[j + np.uintp(k + 1)]),
                w[_R, k] - one_r, w[_C, k] - (one_c + k),
            )  # fmt: skip
        return
    end_r, end_c, one = np.uintp(rows - 1), np.uintp(cols - 1), np.uintp(1)
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
        w[_H, k] = between(w[_Z00, k], w[_Z01, k], w[_Z10, k], w[_Z11, k], w[_R, k], w[_C, k])


@fused
def to_image(
    model, nodes, dem_nodes, first_cell, step, origin, surface, corner, affine, around, row, col,
    height,
):  # fmt: skip
    """Image positions of the pixels of a window of an output, over a bilinear surface.

    Parameters
    ----------
    model
        The RPC, see `rational`.
    nodes
        Longitude and latitude at every half cell of a lattice, see `lattice.biquadratic`.
    dem_nodes
        The same in the DEM's reference system; empty where that is longitude and latitude too.
    first_cell, step
        Row and column of the lattice's first cell; pixels along a cell.
    origin
        Row and column of the window in the output.
    surface, corner
        Window of the DEM, heights above the ellipsoid [m]; row and column of its first pixel.
    affine
        (a, b, c, d, e, f) with col = a x + b y + c, row = d x + e y + f in the DEM [px from its outer corner].
    around
        x in the middle of the DEM, and by how much x grows around the globe; 0 where it does not.
    row, col, height
        Out (rows, cols): image positions, NaN where there is no height; heights above the ellipsoid [m].
    """
    per_lon, long_off = 1.0 / model[LONG_SCALE], model[LONG_OFF]
    per_lat, lat_off = 1.0 / model[LAT_SCALE], model[LAT_OFF]
    per_height, height_off = 1.0 / model[HEIGHT_SCALE], model[HEIGHT_OFF]
    row0, col0 = corner
    middle, turn = around
    rows, cols = row.shape
    own = dem_nodes.size > 0
    w = np.empty((_PLACES, BATCH))
    at = np.empty((2, BATCH), dtype=np.uintp)
    weights = np.empty((3, cols))
    for q in range(cols):
        x = (origin[1] + q + 0.5) / step
        weights[0, q], weights[1, q], weights[2, q] = quadratic_weights(x - math.floor(x))
    line = np.empty((4, nodes.shape[2]))
    for r in range(rows):
        y = (origin[0] + r + 0.5) / step
        cell = math.floor(y)
        a, b, c = quadratic_weights(y - cell)
        k0 = 2 * (cell - first_cell[0])
        for m in range(2):
            for n in range(line.shape[1]):
                line[m, n] = a * nodes[m, k0, n] + b * nodes[m, k0 + 1, n] + c * nodes[m, k0 + 2, n]
                if own:
                    line[m + 2, n] = (
                        a * dem_nodes[m, k0, n]
                        + b * dem_nodes[m, k0 + 1, n]
                        + c * dem_nodes[m, k0 + 2, n]
                    )
        for n in range(0, line.shape[1] - 1, 2):
            first = (first_cell[1] + n // 2) * step - origin[1]
            last = min(first + step, cols)
            first = max(first, 0)
            count = last - first
            if count <= 0:
                continue
            x0, x1, x2 = line[0, n], line[0, n + 1], line[0, n + 2]
            y0, y1, y2 = line[1, n], line[1, n + 1], line[1, n + 2]
            for k in range(count):
                wa, wb, wc = weights[0, first + k], weights[1, first + k], weights[2, first + k]
                lon = wa * x0 + wb * x1 + wc * x2
                lat = wa * y0 + wb * y1 + wc * y2
                w[_X, k] = wrap(lon - long_off) * per_lon
                w[_Y, k] = (lat - lat_off) * per_lat
                w[_Z00, k], w[_Z01, k] = lon, lat
            if own:
                x0, x1, x2 = line[2, n], line[2, n + 1], line[2, n + 2]
                y0, y1, y2 = line[3, n], line[3, n + 1], line[3, n + 2]
                for k in range(count):
                    wa, wb, wc = weights[0, first + k], weights[1, first + k], weights[2, first + k]
                    w[_Z00, k] = wa * x0 + wb * x1 + wc * x2
                    w[_Z01, k] = wa * y0 + wb * y1 + wc * y2
            for k in range(count):  # by itself: with what makes x and y it would not vectorise
                place_in_dem(w, k, affine, middle, turn)
            look_up(surface, row0, col0, w, at, count)
            for k in range(count):
                x, y, h = w[_X, k], w[_Y, k], (w[_H, k] - height_off) * per_height
                fl = polynomial(model, LINE_NUM, x, y, h) / polynomial(model, LINE_DEN, x, y, h)
                fs = polynomial(model, SAMP_NUM, x, y, h) / polynomial(model, SAMP_DEN, x, y, h)
                w[_R, k] = fl * model[LINE_SCALE] + model[LINE_OFF]
                w[_C, k] = fs * model[SAMP_SCALE] + model[SAMP_OFF]
            for k in range(count):
                fl, fs = w[_R, k], w[_C, k]
                finite = (abs(fl) < np.inf) & (abs(fs) < np.inf)
                row[r, first + k] = fl if finite else np.nan
                col[r, first + k] = fs if finite else np.nan
            for k in range(count):
                height[r, first + k] = w[_H, k]
