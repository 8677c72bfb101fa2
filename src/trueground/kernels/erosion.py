"""Rivers that carve a landscape: the implicit stream-power law of the synthetic terrain."""

from __future__ import annotations

import math

from trueground.kernels import kernel


@kernel
def receivers(height, cell, receiver, distance):
    """Steepest of the eight neighbours of each cell (flat index); itself in a pit and at the edge."""
    rows, cols = height.shape
    for i in range(rows):
        for j in range(cols):
            at = i * cols + j
            receiver[at] = at
            distance[at] = 1.0
            if i in (0, rows - 1) or j in (0, cols - 1):
                continue
            steepest = 0.0
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    if di == 0 and dj == 0:
                        continue
                    way = cell * math.sqrt(float(di * di + dj * dj))
                    slope = (height[i, j] - height[i + di, j + dj]) / way
                    if slope > steepest:
                        steepest = slope
                        receiver[at] = (i + di) * cols + j + dj
                        distance[at] = way


@kernel
def drainage(order, receiver, area):
    """Accumulate upstream area; `order` lists the cells from the lowest to the highest."""
    for k in range(order.size - 1, -1, -1):
        at = order[k]
        if receiver[at] != at:
            area[receiver[at]] += area[at]


@kernel
def carve(height, order, receiver, distance, area, strength, steepest):
    """Erode by one implicit step, dh/dt = -K sqrt(A) dh/dx, from the lowest cell to the highest.

    `strength` is K times the step of time. No slope stays steeper than `steepest` (screes). Braun and
    Willett, Geomorphology 180-181, 2013, equation 22, doi 10.1016/j.geomorph.2012.10.008.
    """
    for k in range(order.size):
        at = order[k]
        to = receiver[at]
        if to == at:
            continue
        f = strength * math.sqrt(area[at]) / distance[at]
        lowered = (height[at] + f * height[to]) / (1.0 + f)
        height[at] = min(lowered, height[to] + steepest * distance[at])
