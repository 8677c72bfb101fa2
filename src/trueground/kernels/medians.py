"""Medians, and medians of the distances from them, of values and of groups of values."""

from __future__ import annotations

import numpy as np

from trueground.kernels import kernel


@kernel
def _selected(values, first, last, rank):
    """Return the value of a rank among `values[first:last]`, which are moved about (Hoare's quickselect)."""
    low, high = first, last - 1
    target = first + rank
    while low < high:
        middle = (low + high) // 2
        # The median of three as a pivot keeps sorted values from taking long.
        if values[middle] < values[low]:
            values[middle], values[low] = values[low], values[middle]
        if values[high] < values[low]:
            values[high], values[low] = values[low], values[high]
        if values[high] < values[middle]:
            values[high], values[middle] = values[middle], values[high]
        pivot = values[middle]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if target <= j:
            high = j
        elif target >= i:
            low = i
        else:
            return values[target]
    return values[target]


@kernel
def _median(values, first, last):
    """Return the median of `values[first:last]`, which are moved about."""
    number = last - first
    upper = _selected(values, first, last, number // 2)
    if number % 2 == 1:
        return upper
    lower = values[first]  # the greatest of the lower half, that now lies before the upper
    for i in range(first + 1, first + number // 2):
        lower = max(lower, values[i])
    return 0.5 * (lower + upper)


@kernel
def spread(values):
    """Return the number of finite values, their median and the median of the distances from it; NaN for none."""
    finite = np.empty(values.size)
    count = 0
    for i in range(values.size):
        value = np.float64(values[i])
        if abs(value) < np.inf:
            finite[count] = value
            count += 1
    if count == 0:
        return 0, np.nan, np.nan
    middle = _median(finite, 0, count)
    for i in range(count):
        finite[i] = abs(finite[i] - middle)
    return count, middle, _median(finite, 0, count)


@kernel
def middle(values):
    """Return the median of values that are all finite; NaN for none."""
    if values.size == 0:
        return np.nan
    some = np.empty(values.size)
    for i in range(values.size):
        some[i] = values[i]
    return _median(some, 0, some.size)


@kernel
def grouped(values, group, medians, spreads):
    """Fill medians and the medians of the distances from them, of groups of finite values; NaN for empty ones.

    `spreads` is empty where nobody asks for the distances.
    """
    count = medians.size
    starts = np.zeros(count + 1, dtype=np.int64)
    for i in range(group.size):
        starts[group[i] + 1] += 1
    for k in range(count):
        starts[k + 1] += starts[k]
    sorted_values = np.empty(values.size)
    place = starts[:-1].copy()
    for i in range(group.size):
        sorted_values[place[group[i]]] = values[i]
        place[group[i]] += 1
    for k in range(count):
        first, last = starts[k], starts[k + 1]
        if first == last:
            medians[k] = np.nan
            if spreads.size:
                spreads[k] = np.nan
            continue
        middle = _median(sorted_values, first, last)
        medians[k] = middle
        if not spreads.size:
            continue
        for i in range(first, last):
            sorted_values[i] = abs(sorted_values[i] - middle)
        spreads[k] = _median(sorted_values, first, last)


@kernel
def influence(residual, group, weights, count, near, out):
    """Fill what each value adds to the error of the median of its group, of `count` groups.

    `near` is how many median distances from the median the density is counted in.
    """
    spreads = np.empty(count)
    grouped(residual, group, np.empty(count), spreads)
    total = np.zeros(count)
    counted = whole = 0.0
    for i in range(residual.size):
        width = near * spreads[group[i]]
        total[group[i]] += weights[i]
        if width > 0.0:  # where all values are alike the median is exact
            whole += weights[i]
            if abs(residual[i]) <= width:
                counted += weights[i]
    density = counted / max(whole, 1e-300)
    for i in range(residual.size):
        k = group[i]
        share = near * spreads[k] / max(total[k] * density, 1e-300)
        out[i] = weights[i] * np.sign(residual[i]) * share
