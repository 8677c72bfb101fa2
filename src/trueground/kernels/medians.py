"""Medians, and medians of the distances from them, of values and of groups of values."""

from __future__ import annotations

import numpy as np

from trueground.kernels import kernel


@kernel
def _parted(values, low, high, pivot, equal):
    """Move what is less than the pivot (or equal to it) before the rest of `values[low:high]`; return where it begins.

    Without a branch that depends on the values: a processor guesses every second one wrong.
    """
    split = low
    for i in range(low, high):
        value = values[i]
        values[i] = values[split]
        values[split] = value
        split += (value < pivot) | (equal & (value == pivot))
    return split


@kernel
def _some(values, low, high, chance):
    """Return one of `values[low:high]`, and the next number of chance below 2^31 (a linear congruential generator)."""
    chance = (1103515245 * chance + 12345) & 0x7FFFFFFF
    return values[low + ((high - low) * chance >> 31)], chance


@kernel
def _selected(values, first, last, rank):
    """Return the value of a rank among `values[first:last]`, which are moved about (quickselect); NaN may give NaN."""
    low, high = first, last
    target = first + rank
    chance = 1
    while high - low > 1:
        # The median of three as a pivot, at places of chance: differences that rise and fall evenly have an order for
        # which any fixed places take the square of the time.
        one, chance = _some(values, low, high, chance)
        two, chance = _some(values, low, high, chance)
        three, chance = _some(values, low, high, chance)
        pivot = max(min(one, two), min(max(one, two), three))
        split = _parted(values, low, high, pivot, False)
        if target < split:
            high = split
            continue
        if split == low:
            split = _parted(values, low, high, pivot, True)
            if target < split:
                return pivot
            if split == low:  # NaN is not even equal to itself
                return np.nan
        low = split
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
def alike(values):
    """Tell whether all values are the same."""
    last = 0
    while last < values.size - 1 and values[last] == values[last + 1]:
        last += 1
    return last >= values.size - 1


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
