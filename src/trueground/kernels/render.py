"""Trace a sensor's own rays against a bilinear surface: the renderer of the synthetic world.

Deliberately shares nothing with the kernels that it is the truth for. Positions are (v, u): row and
column of the DEM counted from the *centre* of its first cell, so that cell centres are the corners
of bilinear patches. A ray is six numbers: u = a0 + a1 s + a2 s^2, v = b0 + b1 s + b2 s^2, where
s = height - reference [m].
"""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel

TILE = 16  # patches, edge of a tile of the maxima
HIDDEN, VISIBLE, OUTSIDE = 0, 1, 255


@kernel
def tile_maxima(surface, out):
    """Largest height of the patches of each tile, borders included."""
    rows, cols = surface.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            top = -np.inf
            for r in range(i * TILE, min(i * TILE + TILE + 1, rows)):
                for c in range(j * TILE, min(j * TILE + TILE + 1, cols)):
                    top = max(top, surface[r, c])
            out[i, j] = top


@kernel
def _reach(p, p1, p2, border):
    """Path length at which a coordinate p + p1 t + p2 t^2 meets a border; p2 is tiny."""
    if p1 == 0.0:
        return np.inf
    t = (border - p) / p1
    for _ in range(2):
        t -= (p + t * (p1 + t * p2) - border) / (p1 + 2.0 * p2 * t)
    return t


@kernel
def _patch_hit(z00, z01, z10, z11, fu, fv, gu, gv, h0, h1):
    """Solve for the first fraction of a chord at which it dives below a bilinear patch.

    The chord runs from (fu, fv, h0) to (gu, gv, h1), fractions of the patch. Returns 2 for none.
    """
    twist = z00 - z01 - z10 + z11
    su, sv = z01 - z00, z10 - z00
    du, dv = gu - fu, gv - fv
    c = h0 - (z00 + su * fu + sv * fv + twist * fu * fv)
    b = (h1 - h0) - (su * du + sv * dv + twist * (fu * dv + fv * du))
    a = -twist * du * dv
    if c <= 0.0:
        if c < 0.0 or b < 0.0 or (b == 0.0 and a < 0.0):
            return 0.0
        # It starts on the surface and rises: it may come back in this patch.
        if a < 0.0 and -b / a <= 1.0:
            return -b / a
        return 2.0
    if abs(a) < 1e-14:
        t = -c / b if b < 0.0 else 2.0
        return t if t <= 1.0 else 2.0
    disc = b * b - 4.0 * a * c
    if disc < 0.0:
        return 2.0
    q = -0.5 * (b + math.copysign(math.sqrt(disc), b))
    first = 2.0
    for t in (q / a, c / q if q != 0.0 else 2.0):
        if 0.0 <= t <= 1.0 and t < first:
            first = t
    return first


@kernel
def march(surface, tops, ray, reference, start, stop):
    """Follow a ray in height from `start` to `stop` until it dives below the surface.

    `start > stop` comes down from the sensor, `start < stop` climbs towards it. Returns the height
    of the hit; NaN where there is none before `stop` or the edge.
    """
    rows, cols = surface.shape
    up = 1.0 if stop > start else -1.0
    # t >= 0 is the height gone through.
    s = start - reference
    u = ray[0] + s * (ray[1] + s * ray[2])
    v = ray[3] + s * (ray[4] + s * ray[5])
    u1, u2 = up * (ray[1] + 2.0 * ray[2] * s), ray[2]
    v1, v2 = up * (ray[4] + 2.0 * ray[5] * s), ray[5]
    end = abs(stop - start)
    t = 0.0
    # Bring the ray to the edge of the surface.
    for axis in range(2):
        p, p1, p2 = (u, u1, u2) if axis == 0 else (v, v1, v2)
        last = (cols if axis == 0 else rows) - 1.0
        if p < 0.0 and p1 > 0.0:
            t = max(t, _reach(p, p1, p2, 0.0))
        elif p > last and p1 < 0.0:
            t = max(t, _reach(p, p1, p2, last))
    uu = u + t * (u1 + t * u2)
    vv = v + t * (v1 + t * v2)
    if not (-1e-6 <= uu <= cols - 1 + 1e-6 and -1e-6 <= vv <= rows - 1 + 1e-6):
        return np.nan
    j = int(math.floor(uu)) if u1 >= 0.0 else int(math.ceil(uu)) - 1
    i = int(math.floor(vv)) if v1 >= 0.0 else int(math.ceil(vv)) - 1
    j = min(max(j, 0), cols - 2)
    i = min(max(i, 0), rows - 2)
    while 0 <= i <= rows - 2 and 0 <= j <= cols - 2 and t < end:
        ti, tj = i // TILE, j // TILE
        top = tops[ti, tj]
        enter = start + up * t
        if enter > top:
            to_u = _reach(u, u1, u2, (tj + 1.0) * TILE if u1 > 0.0 else tj * 1.0 * TILE)
            to_v = _reach(v, v1, v2, (ti + 1.0) * TILE if v1 > 0.0 else ti * 1.0 * TILE)
            leave = min(to_u, to_v)
            if up > 0.0 or start - leave > top:  # the tile lies below the ray as a whole
                t = max(leave, t)
                if not t < end:
                    break
                if to_u <= to_v:
                    j = (tj + 1) * TILE if u1 > 0.0 else tj * TILE - 1
                    i = int(math.floor(v + t * (v1 + t * v2)))
                    i = min(max(i, ti * TILE), ti * TILE + TILE - 1)
                else:
                    i = (ti + 1) * TILE if v1 > 0.0 else ti * TILE - 1
                    j = int(math.floor(u + t * (u1 + t * u2)))
                    j = min(max(j, tj * TILE), tj * TILE + TILE - 1)
                continue
            if start - top > t:  # come down to the highest point of the tile
                t = start - top
                j = int(math.floor(u + t * (u1 + t * u2)))
                i = int(math.floor(v + t * (v1 + t * v2)))
                j = min(max(j, tj * TILE), tj * TILE + TILE - 1, cols - 2)
                i = min(max(i, ti * TILE), ti * TILE + TILE - 1, rows - 2)
        to_u = _reach(u, u1, u2, j + 1.0 if u1 > 0.0 else j * 1.0)
        to_v = _reach(v, v1, v2, i + 1.0 if v1 > 0.0 else i * 1.0)
        leave = max(min(to_u, to_v, end), t)
        h0, h1 = start + up * t, start + up * leave
        z00, z01 = np.float64(surface[i, j]), np.float64(surface[i, j + 1])
        z10, z11 = np.float64(surface[i + 1, j]), np.float64(surface[i + 1, j + 1])
        if min(h0, h1) <= max(z00, z01, z10, z11):
            fu, fv = u + t * (u1 + t * u2) - j, v + t * (v1 + t * v2) - i
            gu, gv = u + leave * (u1 + leave * u2) - j, v + leave * (v1 + leave * v2) - i
            hit = _patch_hit(z00, z01, z10, z11, fu, fv, gu, gv, h0, h1)
            if hit <= 1.0:
                return h0 + hit * (h1 - h0)
        t = leave
        if to_u <= to_v:
            j += 1 if u1 > 0.0 else -1
        else:
            i += 1 if v1 > 0.0 else -1
    return np.nan


@kernel
def ray_at(lattice, step, heights, row, col, ray):
    """Interpolate the ray of an image position: bilinear in the lattice, quadratic in height.

    `lattice` (2, 3, n, m) holds u and v at three heights, every `step` px from the image's corner.
    The ray's reference is height 0.
    """
    r, c = row / step, col / step
    i = min(max(int(math.floor(r)), 0), lattice.shape[2] - 2)
    j = min(max(int(math.floor(c)), 0), lattice.shape[3] - 2)
    fr, fc = r - i, c - j
    h0, h1, h2 = heights[0], heights[1], heights[2]
    for axis in range(2):
        p0 = _node(lattice, axis, 0, i, j, fr, fc)
        p1 = _node(lattice, axis, 1, i, j, fr, fc)
        p2 = _node(lattice, axis, 2, i, j, fr, fc)
        d01 = (p1 - p0) / (h1 - h0)
        d12 = (p2 - p1) / (h2 - h1)
        curve = (d12 - d01) / (h2 - h0)
        slope = d01 - curve * (h0 + h1)
        ray[3 * axis] = p0 - h0 * (slope + curve * h0)
        ray[3 * axis + 1] = slope
        ray[3 * axis + 2] = curve


@kernel
def _node(lattice, axis, k, i, j, fr, fc):
    """Interpolate one height of one axis of the lattice."""
    above = lattice[axis, k, i, j] * (1.0 - fc) + lattice[axis, k, i, j + 1] * fc
    below = lattice[axis, k, i + 1, j] * (1.0 - fc) + lattice[axis, k, i + 1, j + 1] * fc
    return above * (1.0 - fr) + below * fr


@kernel
def _from_the_side(surface, ray, height):
    """Tell whether a hit is where the ray came in below the surface, through its outer edge."""
    u = ray[0] + height * (ray[1] + height * ray[2])
    v = ray[3] + height * (ray[4] + height * ray[5])
    rows, cols = surface.shape
    return u < 1e-6 or v < 1e-6 or u > cols - 1 - 1e-6 or v > rows - 1 - 1e-6


@kernel
def trace(surface, tops, lattice, step, heights, rows, cols, out):
    """First point of the surface that each image position sees: `out` (n, 3) of v, u, height."""
    ray = np.empty(6)
    for k in range(rows.size):
        ray_at(lattice, step, heights, rows[k], cols[k], ray)
        h = march(surface, tops, ray, 0.0, heights[2], heights[0])
        if h != h or _from_the_side(surface, ray, h):
            out[k, 0] = out[k, 1] = out[k, 2] = np.nan
            continue
        out[k, 0] = ray[3] + h * (ray[4] + h * ray[5])
        out[k, 1] = ray[0] + h * (ray[1] + h * ray[2])
        out[k, 2] = h


@kernel
def render(surface, tops, texture, zoom, lattice, step, heights, row0, col0, samples, out):
    """Average `samples` x `samples` rays a pixel over the texture; 0 where one leaves the terrain.

    The texture lies on the surface's grid with cells `zoom` times as small.
    """
    ray = np.empty(6)
    last_row, last_col = texture.shape[0] - 2, texture.shape[1] - 2
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total = 0.0
            complete = True
            for k in range(samples * samples):
                row = row0 + i + (k // samples + 0.5) / samples
                col = col0 + j + (k % samples + 0.5) / samples
                ray_at(lattice, step, heights, row, col, ray)
                h = march(surface, tops, ray, 0.0, heights[2], heights[0])
                if h != h or _from_the_side(surface, ray, h):
                    complete = False
                    break
                v = ray[3] + h * (ray[4] + h * ray[5])
                u = ray[0] + h * (ray[1] + h * ray[2])
                tr, tc = (v + 0.5) * zoom - 0.5, (u + 0.5) * zoom - 0.5
                r = min(max(int(math.floor(tr)), 0), last_row)
                c = min(max(int(math.floor(tc)), 0), last_col)
                fr, fc = tr - r, tc - c
                above = texture[r, c] * (1.0 - fc) + texture[r, c + 1] * fc
                below = texture[r + 1, c] * (1.0 - fc) + texture[r + 1, c + 1] * fc
                total += above * (1.0 - fr) + below * fr
            out[i, j] = int(max(total / (samples * samples) + 0.5, 1.0)) if complete else 0


@kernel
def visibility(surface, tops, lattice, step, heights, shape, rows, cols, row0, col0, out):
    """Tell which cells of a window a sensor sees from their centres, at the surface.

    `rows`, `cols` (as `out`) are the image positions of the cells' surface points. The ray through
    that position is moved by the rest, so that it goes through the centre of the cell to the bit.
    """
    ray = np.empty(6)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            row, col = rows[i, j], cols[i, j]
            if not (0.0 <= row <= shape[0] and 0.0 <= col <= shape[1]):
                out[i, j] = OUTSIDE
                continue
            z = np.float64(surface[row0 + i, col0 + j])
            ray_at(lattice, step, heights, row, col, ray)
            through(ray, row0 + i, col0 + j, z)
            out[i, j] = free(surface, tops, ray, z, heights[2])


@kernel
def sunlit(surface, tops, along_u, along_v, row0, col0, top, out):
    """Tell which cells of a window the sun reaches.

    `along_u`, `along_v`: cells gone towards it for each metre up.
    """
    ray = np.empty(6)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            z = np.float64(surface[row0 + i, col0 + j])
            ray[0], ray[1], ray[2] = 0.0, along_u, 0.0
            ray[3], ray[4], ray[5] = 0.0, along_v, 0.0
            through(ray, row0 + i, col0 + j, z)
            out[i, j] = free(surface, tops, ray, z, top)


@kernel
def through(ray, v, u, z):
    """Move a ray so that its reference is height z, where it goes through (v, u) exactly."""
    ray[1] += 2.0 * ray[2] * z
    ray[4] += 2.0 * ray[5] * z
    ray[0], ray[3] = u, v


@kernel
def free(surface, tops, ray, z, top):
    """VISIBLE where nothing stands between a point of the surface and the sensor, else HIDDEN."""
    h = march(surface, tops, ray, z, z, top)
    return VISIBLE if h != h else HIDDEN
