"""Values along a direction, shared between nodes."""

from __future__ import annotations

from trueground.kernels import kernel


@kernel
def along(x, y, values, weights, east, north, counts, sums):
    """Add up weights, and weights x values, at the nodes of a line.

    A point lies at `east` x + `north` y, in steps between nodes from the middle, and counts for the two nodes next to
    it, as much as it is near; `counts` and `sums` (k,) are filled.
    """
    counts[:] = 0.0
    sums[:] = 0.0
    last = counts.size - 2
    middle = 0.5 * (counts.size - 1)
    for i in range(x.size):
        place = east * x[i] + north * y[i] + middle
        node = min(max(int(place), 0), last)
        right = (place - node) * weights[i]
        left = weights[i] - right
        counts[node] += left
        counts[node + 1] += right
        sums[node] += left * values[i]
        sums[node + 1] += right * values[i]
