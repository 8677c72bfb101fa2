"""Solve for one axis of an RPC: a ratio of two cubics, with the smallest squares or the smallest maximum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

TERMS = 20  # of a cubic in three variables
UNKNOWNS = 2 * TERMS - 1  # the constant term of the denominator is 1
_AFFINE = 4  # leading terms of the numerator that the ridge leaves alone: 1, x, y, h
_FIRST_CUBIC = 10
# Sensors are almost affine: their cubic terms are some 30 times smaller than their quadratic ones, and denominators
# are nearest to 1. With 60 points of 0.3 px noise these weights halve the error of one ridge for all terms.
_CUBIC_WEIGHT, _DENOMINATOR_WEIGHT = 30.0, 10.0

_ITERATIONS = 20
_SETTLED = 1e-9  # relative change of the denominators' weights that ends the iteration
_LAWSON_ITERATIONS = 40
_LAWSON_FLOOR = 1e-3  # relative residual added, so that no weight falls to zero at once
_LIGHTEST = 1e-9  # relative weight: the equations stay solvable
_BLOCK = 128  # rows that are decomposed together


def value_of(design: Float, coefficients: Float) -> Float:
    """Return numerator by denominator (n,) of `TERMS` terms (n, 20) and `UNKNOWNS` coefficients."""
    numerator = np.einsum("nk,k->n", design, coefficients[:TERMS])
    return np.asarray(numerator / denominator_of(design, coefficients))


def denominator_of(design: Float, coefficients: Float) -> Float:
    """Return the denominator (n,), whose constant term is 1."""
    return np.asarray(1.0 + np.einsum("nk,k->n", design[:, 1:], coefficients[TERMS:]))


def _penalty(n: int, ridge: float) -> Float:
    """Return the diagonal (39,) of the equations that pull coefficients to zero."""
    weights = np.ones(2 * TERMS)
    weights[_FIRST_CUBIC:TERMS] = weights[TERMS + _FIRST_CUBIC :] = _CUBIC_WEIGHT
    weights[TERMS:] *= _DENOMINATOR_WEIGHT
    weights[:_AFFINE] = 0.0
    return np.asarray(ridge * np.sqrt(n) * np.delete(weights, TERMS))


def least_squares(
    design: Float, value: Float, *, ridge: float, start: Float | None = None
) -> Float | None:
    """Return the 39 coefficients of one axis; None where the denominator vanishes among the points."""
    n = value.size
    equations = np.concatenate(
        [design, -value[:, np.newaxis] * design[:, 1:], value[:, np.newaxis]], axis=1
    )
    penalty = np.concatenate([np.diag(_penalty(n, ridge)), np.zeros((UNKNOWNS, 1))], axis=1)
    denominator = np.ones(n) if start is None else denominator_of(design, start)
    for _ in range(_ITERATIONS):
        # QR instead of normal equations: their condition number would be the square of some 1e7.
        triangle = _triangle(equations / denominator[:, np.newaxis])
        system = np.concatenate([triangle, penalty])
        solution: Float = np.linalg.lstsq(system[:, :-1], system[:, -1], rcond=None)[0]
        before, denominator = denominator, denominator_of(design, solution)
        if denominator.min() <= 0.0:
            return None
        if np.abs(denominator / before - 1.0).max() < _SETTLED:
            break
    return solution


def least_maximum(design: Float, value: Float, *, ridge: float, start: Float) -> Float:
    """Return coefficients whose largest residual is about the smallest, by Lawson's method.

    The start is so near that the function is linear from there. An orthogonal basis keeps the weighted normal equations
    well conditioned.
    """
    denominator, fitted = denominator_of(design, start), value_of(design, start)
    slopes = np.concatenate([design, -fitted[:, np.newaxis] * design[:, 1:]], axis=1)
    pull = _penalty(value.size, ridge)
    basis, triangle = _orthogonal(
        np.concatenate([slopes / denominator[:, np.newaxis], np.diag(pull)])
    )
    inverse = np.linalg.pinv(triangle)
    basis, below = basis[: value.size], basis[value.size :]
    blocks = _blocks(basis)
    residual = value - fitted
    best, smallest = start, float(np.abs(residual).max())
    weights = np.ones(value.size)
    left = residual
    for _ in range(_LAWSON_ITERATIONS):
        relative = np.abs(left) / max(float(np.abs(left).max()), np.finfo(float).tiny)
        weights *= relative + _LAWSON_FLOOR
        weights = np.maximum(weights / weights.mean(), _LIGHTEST)
        weighted = basis * weights[:, np.newaxis]
        right = np.einsum("nk,n->k", weighted, residual) - below.T @ (pull * start)
        normal = (np.swapaxes(_blocks(weighted), 1, 2) @ blocks).sum(axis=0) + below.T @ below
        moved = start + inverse @ np.linalg.solve(normal, right)
        left = value - value_of(design, moved)
        largest = float(np.abs(left).max())
        if largest < smallest and denominator_of(design, moved).min() > 0.0:
            best, smallest = moved, largest
    return best


def _triangle(matrix: Float) -> Float:
    """Return R of the QR decomposition of a tall matrix.

    It is made of blocks of rows, which stay in the cache and below the size from which BLAS starts threads: on a busy
    machine these wait for each other, and tenths of a second become seconds.
    """
    while matrix.shape[0] > 2 * _BLOCK:
        triangles = np.asarray(np.linalg.qr(_blocks(matrix), mode="r"))
        matrix = triangles.reshape(-1, matrix.shape[1])
    return np.asarray(np.linalg.qr(matrix, mode="r"))


def _orthogonal(matrix: Float) -> tuple[Float, Float]:
    """Return Q and R of a tall matrix, by blocks like `_triangle`."""
    n, k = matrix.shape
    if n <= 2 * _BLOCK:
        whole, triangle = np.linalg.qr(matrix)
        return whole, triangle
    parts, triangles = np.linalg.qr(_blocks(matrix))
    above, triangle = _orthogonal(triangles.reshape(-1, k))
    return (parts @ above.reshape(-1, k, k)).reshape(-1, k)[:n], triangle


def _blocks(matrix: Float) -> Float:
    """Return (m, 128, k): the rows of a matrix, and zeros at the end."""
    missing = -matrix.shape[0] % _BLOCK
    padded = np.concatenate([matrix, np.zeros((missing, matrix.shape[1]))])
    return padded.reshape(-1, _BLOCK, matrix.shape[1])
