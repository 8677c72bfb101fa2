"""Small symmetric matrices: eigenvalues, and products from both sides."""

from __future__ import annotations

import math

from trueground.kernels import kernel

_SWEEPS = 30  # of which ten are more than any matrix has been seen to take


@kernel
def _turned(matrix, vectors, p, q):
    """Turn rows and columns `p` and `q` so that what lies between them becomes 0."""
    off = matrix[p, q]
    half = (matrix[q, q] - matrix[p, p]) / (2.0 * off)
    tangent = math.copysign(1.0, half) / (abs(half) + math.sqrt(1.0 + half * half))
    cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
    sine = tangent * cosine
    for i in range(matrix.shape[0]):
        one, other = matrix[i, p], matrix[i, q]
        matrix[i, p], matrix[i, q] = cosine * one - sine * other, sine * one + cosine * other
    for i in range(matrix.shape[0]):
        one, other = matrix[p, i], matrix[q, i]
        matrix[p, i], matrix[q, i] = cosine * one - sine * other, sine * one + cosine * other
        one, other = vectors[i, p], vectors[i, q]
        vectors[i, p], vectors[i, q] = cosine * one - sine * other, sine * one + cosine * other
    matrix[p, q] = matrix[q, p] = 0.0


@kernel
def eigen(matrix, values, vectors):
    """Fill the eigenvalues of a symmetric matrix (k, k), rising, and the unit vectors that belong to them, as columns.

    The matrix is used up. Jacobi's rotations, Golub & Van Loan (2013), Matrix Computations, section 8.5: exact for
    small eigenvalues as well.
    """
    size = matrix.shape[0]
    for i in range(size):
        for j in range(size):
            vectors[i, j] = 1.0 if i == j else 0.0
    for _ in range(_SWEEPS):
        left = False
        for p in range(size):
            for q in range(p + 1, size):
                small = 1e-17 * math.sqrt(abs(matrix[p, p] * matrix[q, q]))
                if abs(matrix[p, q]) > small:
                    _turned(matrix, vectors, p, q)
                    left = True
        if not left:
            break
    for i in range(size):
        values[i] = matrix[i, i]
    for i in range(size):  # by selection: they are few
        least = i
        for j in range(i + 1, size):
            if values[j] < values[least]:
                least = j
        if least != i:
            values[i], values[least] = values[least], values[i]
            for k in range(size):
                vectors[k, i], vectors[k, least] = vectors[k, least], vectors[k, i]


@kernel
def between(root, middle, out):
    """Fill `out` (k, k) with root middle root', of root (k, m) and middle (m, m)."""
    rows, inner = root.shape
    for i in range(rows):
        for j in range(rows):
            total = 0.0
            for a in range(inner):
                part = 0.0
                for b in range(inner):
                    part += middle[a, b] * root[j, b]
                total += root[i, a] * part
            out[i, j] = total


@kernel
def made_of(vectors, values, out):
    """Fill `out` (k, k) with the matrix that has these eigenvectors (columns) and eigenvalues."""
    size = values.size
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += vectors[i, k] * values[k] * vectors[j, k]
            out[i, j] = total
