"""What each sample contributes to an estimate, added up by place, and the covariance that follows."""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel
from trueground.kernels.symmetric import between, eigen, made_of

_LEAST = 1e-12  # of the greatest eigenvalue; a parameter combination below it is another's


@kernel
def cells(x, y, side, coarse, cell):
    """Fill in which cell of a lattice, `side` cells wide, each place lies in.

    Returns how many squares of `coarse` x `coarse` cells hold any; 0 where all are one place, or there is none.
    """
    if x.size == 0:
        return 0
    west, south, east, north = x[0], y[0], x[0], y[0]
    for i in range(x.size):
        west, east = min(west, x[i]), max(east, x[i])
        south, north = min(south, y[i]), max(north, y[i])
    width = max(east - west, north - south) / side
    if not width > 0.0:
        return 0
    across = side // coarse
    filled = np.zeros((across, across), dtype=np.bool_)
    for i in range(x.size):
        col = min(int((x[i] - west) / width), side - 1)
        row = min(int((y[i] - south) / width), side - 1)
        cell[i] = row * side + col
        filled[row // coarse, col // coarse] = True
    return filled.sum()


@kernel
def _units(influence, every, root, back):
    """Fill `root` (k, m) and `back` (m, k): to the parameters from units in which their covariance is 1, and back.

    Were samples independent, that is. Every so many-th tells. Returns m; -1 where some are not finite.
    """
    count, size = influence.shape
    gram, vectors = np.zeros((size, size)), np.empty((size, size))
    for n in range(0, count, every):
        for i in range(size):
            for j in range(i + 1):
                gram[i, j] += influence[n, i] * influence[n, j]
    used, values = np.empty(size), np.empty(size)
    for i in range(size):
        if not gram[i, i] < np.inf:
            return -1
        used[i] = math.sqrt(gram[i, i]) if gram[i, i] > 0.0 else 1.0
    for i in range(size):
        for j in range(i + 1):
            gram[i, j] /= used[i] * used[j]
            gram[j, i] = gram[i, j]
    eigen(gram, values, vectors)
    found = 0
    for j in range(size):
        if values[j] > _LEAST * max(values[size - 1], 1e-300):
            length = math.sqrt(values[j])
            for i in range(size):
                root[i, found] = used[i] * vectors[i, j] * length
                back[found, i] = vectors[i, j] / length / used[i]
            found += 1
    return found


@kernel
def gathered(influence, cell, every, root, back, sums):
    """Add up influences (n, k) in the cells of a lattice, in units in which an estimate's covariance is 1.

    `root` (k, k) and `back` (k, k) are filled with the way from the units, m <= k, and to them. `sums`
    (k + k (k + 1) / 2, cells) holds those of the units, then those of their products, of every so many-th sample:
    where the estimate has its weight. Returns m; -1 where influences are not finite numbers.
    """
    count, size = influence.shape
    units = _units(influence, every, root, back)
    if units <= 0:
        return units
    sums[:] = 0.0
    unit = np.empty(size)
    for n in range(count):
        at = cell[n]
        for i in range(units):
            total = 0.0
            for j in range(size):
                total += back[i, j] * influence[n, j]
            if not abs(total) < np.inf:
                return -1
            unit[i] = total
            sums[i, at] += total
        if n % every == 0:
            row = units
            for i in range(units):
                for j in range(i + 1):
                    sums[row, at] += unit[i] * unit[j]
                    row += 1
    return units


@kernel
def _shortest(size, power, squares, beyond):
    """Return the first reach from whose size no later one differs by more than the noise of both allows."""
    reaches = size.size
    for one in range(reaches - 1):
        alike = True
        for other in range(one + 1, reaches):
            noise = 0.0
            for w in range(power.size):
                noise += squares[one, other, w] * power[w]
            allowed = beyond * math.sqrt(max(2.0 * noise, 0.0)) * max(size[other], size[one])
            if not abs(size[other] - size[one]) <= allowed:
                alike = False
                break
        if alike:
            return one
    return reaches - 1


@kernel
def _lost(share, kernels, chosen, out):
    """Fill `out` (m, m) with what the fit took of the covariance, as far as `chosen` reaches."""
    units, waves = out.shape[0], share.shape[1]
    for i in range(units):
        for j in range(i + 1):
            total = 0.0
            for k in range(units):
                # Products of units, each pair of which is kept once.
                one, other = max(i, k), max(j, k)
                first = one * (one + 1) // 2 + min(i, k)
                second = other * (other + 1) // 2 + min(j, k)
                for w in range(waves):
                    a, b = share[first, w], share[second, w]
                    total += kernels[w, chosen] * (a.real * b.real + a.imag * b.imag)
            out[i, j] = out[j, i] = total


@kernel
def _at_least(found, least, floor, out):
    """Fill `out` with a covariance, or a part of the least where noise would make it less in some direction."""
    size = found.shape[0]
    values, vectors = np.empty(size), np.empty((size, size))
    root, back, ratio = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    eigen(least, values, vectors)
    for j in range(size):
        length = math.sqrt(max(values[j], 0.0))
        for i in range(size):
            root[i, j] = vectors[i, j] * length
            back[j, i] = vectors[i, j] / length if length > 0.0 else 0.0
    between(back, found, ratio)
    eigen(ratio, values, vectors)
    for k in range(size):
        values[k] = max(values[k], floor)
    made_of(vectors, values, ratio)
    between(root, ratio, out)


@kernel
def reaching(waves, units, kernels, squares, beyond, most_lost, floor, out):
    """Fill `out` (m, m) with the covariance of sums of influences, as far as they are correlated.

    `waves` are those of what `gathered` adds up, and `kernels` (waves, reaches) and `squares` (reaches, reaches, waves)
    those of the kernels and of their squared differences.
    """
    number, reaches = kernels.shape
    found, power = np.zeros((units, units, reaches)), np.zeros(number)
    for i in range(units):
        for j in range(i + 1):
            for w in range(number):
                a, b = waves[i, w], waves[j, w]
                product = a.real * b.real + a.imag * b.imag
                for r in range(reaches):
                    found[i, j, r] += kernels[w, r] * product
            found[j, i] = found[i, j]
    share = waves[units:]
    for i in range(units):
        for j in range(i + 1):
            one = share[i * (i + 1) // 2 + j]
            twice = 1.0 if i == j else 2.0
            for w in range(number):
                power[w] += twice * (one[w].real ** 2 + one[w].imag ** 2)
    size, kept = np.zeros(reaches), np.ones(reaches)
    for w in range(number):
        power[w] /= units
        for r in range(reaches):
            kept[r] -= kernels[w, r] * power[w]  # of the variances
        power[w] /= units
    for r in range(reaches):
        for i in range(units):
            size[r] += found[i, i, r]
        size[r] /= max(kept[r], 1.0 - most_lost)
    chosen = _shortest(size, power, squares, beyond)
    lost, good, bounded = (
        np.empty((units, units)),
        np.empty((units, units)),
        np.empty((units, units)),
    )
    values, vectors = np.empty(units), np.empty((units, units))
    _lost(share, kernels, chosen, lost)
    eigen(lost, values, vectors)
    for k in range(units):
        values[k] = 1.0 / math.sqrt(max(1.0 - values[k], 1.0 - most_lost))
    made_of(vectors, values, good)
    _at_least(found[:, :, chosen], found[:, :, 0].copy(), floor, bounded)
    between(good, bounded, out)
