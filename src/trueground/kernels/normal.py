"""Normal equations of a regression, weighted against blunders, in one pass over the samples."""

from __future__ import annotations

from trueground.kernels import kernel


@kernel
def biweighted(design, values, weights, solution, offset, reach, gram, right):
    """Add up the normal equations of `values` on `design`.

    A residual, from `solution` and a constant `offset`, counts by its weight times Tukey's biweight: nothing beyond
    `reach` (of residuals times the root of their weight); all alike where `reach` is 0. `gram` (k, k) and `right` (k,)
    are filled.
    """
    count, unknowns = design.shape
    gram[:] = 0.0
    right[:] = 0.0
    for i in range(count):
        residual = values[i] - offset
        for j in range(unknowns):
            residual -= design[i, j] * solution[j]
        weight = weights[i]
        if reach > 0.0:
            u = residual * residual * weight / (reach * reach)
            if u >= 1.0:
                continue
            weight *= (1.0 - u) * (1.0 - u)
        for j in range(unknowns):
            part = weight * design[i, j]
            right[j] += part * values[i]
            for k in range(j + 1):
                gram[j, k] += part * design[i, k]
    for j in range(unknowns):
        for k in range(j):
            gram[k, j] = gram[j, k]


@kernel
def scores(design, answers, residual, weights, reach, bread, out):
    """Fill `out` (n, k) with what each sample adds to the normal equations, and `bread` (k, k) with their derivative.

    `bread` is the sum of weight x design x answers, times the mean of the biweight's slope: where that falls it is
    negative, and its mean stands for all, so that one blunder does not tip the balance. Answers that are NaN are not
    known: those that are stand for them.
    """
    count, unknowns = design.shape
    bread[:] = 0.0
    slope = 0.0
    known = 0
    for i in range(count):
        weight = weights[i]
        u = residual[i] * residual[i] * weight / (reach * reach) if reach > 0.0 else 0.0
        share = 0.0
        if u < 1.0:
            share = (1.0 - u) * (1.0 - u)
            slope += (1.0 - u) * (1.0 - 5.0 * u)
        told = True
        for k in range(unknowns):
            told = told and answers[i, k] == answers[i, k]
        known += told
        for j in range(unknowns):
            part = weight * design[i, j]
            out[i, j] = part * residual[i] * share
            if told:
                for k in range(unknowns):
                    bread[j, k] += part * answers[i, k]
    for j in range(unknowns):
        for k in range(unknowns):
            bread[j, k] *= slope / max(known, 1)


@kernel
def turned(vectors, matrix):
    """Multiply `matrix` (k, k) by each row of `vectors` (n, k), in place; a row of room follows in `matrix`."""
    count, size = vectors.shape
    for i in range(count):
        for j in range(size):
            matrix[size, j] = vectors[i, j]
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += matrix[j, k] * matrix[size, k]
            vectors[i, j] = total
