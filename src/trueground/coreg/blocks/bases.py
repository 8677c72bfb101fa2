"""Functions that a field of shifts is made of: polynomials, and splines with a penalty on bending."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.kernels import sheet

Float = NDArray[np.float64]
Kind = Literal["constant", "plane", "quadratic", "separable", "smooth"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""From the simplest to the richest."""

POLYNOMIALS: tuple[Kind, ...] = ("constant", "plane", "quadratic")
_POWERS = {
    "constant": ((0, 0),),
    "plane": ((0, 0), (1, 0), (0, 1)),
    "quadratic": ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)),
}
_FIRST = np.array([[-1.0, 1.0]])  # differences of neighbours, and of their differences
_SECOND = np.array([[1.0, -2.0, 1.0]])
_GAUSS = 0.5 / math.sqrt(3.0)  # widths of a cell from its middle


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What values see of functions; of those that are 0 for a value most are left out."""

    columns: NDArray[np.intp]
    """(n, m) functions that each value sees, in ascending order."""
    shares: Float
    """(n, m) how much of each."""

    @property
    def reach(self) -> int:
        """How far the functions that one value sees are apart at most."""
        return int((self.columns[:, -1] - self.columns[:, 0]).max())

    def of(self, some: NDArray[np.bool_]) -> Design:
        """Return that of some of the values."""
        return Design(columns=self.columns[some], shares=self.shares[some])

    def sums(self, coefficients: Float) -> Float:
        """Return what each value (n,) would be, with coefficients (size,) of the functions."""
        return np.asarray(np.einsum("nm,nm->n", self.shares, coefficients[self.columns]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Functions of a place in the unit square, and what it costs to bend them.

    `smooth` is a sheet of tensor products of cubic B-splines, `separable` the sum of a spline along and one across:
    penalised splines (Eilers & Marx 1996, doi:10.1214/ss/1038425655), whose penalty is that of a thin plate,
    :math:`f_{uu}^2 + 2 f_{uv}^2 + f_{vv}^2`, and leaves planes free.
    """

    kind: Kind
    cells: tuple[int, int] = (1, 1)
    """Cells of the splines along u and v."""

    @property
    def free(self) -> int:
        """How many of the coefficients' combinations cost nothing."""
        return len(_POWERS[self.kind]) if self.kind in POLYNOMIALS else 3

    @property
    def size(self) -> int:
        """Number of functions."""
        along, across = (c + 3 for c in self.cells)
        if self.kind == "smooth":
            return along * across
        if self.kind == "separable":
            return along + across
        return len(_POWERS[self.kind])

    @property
    def reach(self) -> int:
        """How far those that are not 0 at one place are apart at most."""
        return 3 * (self.cells[1] + 3) + 3 if self.kind == "smooth" else self.size - 1

    def at(self, u: Float, v: Float) -> Float:
        """Return the functions (n, size) at places (n,) of the unit square."""
        if self.kind in POLYNOMIALS:
            return np.stack(
                [(u - 0.5) ** a * (v - 0.5) ** b for a, b in _POWERS[self.kind]], axis=1
            )
        seen = self.seen(u, v)
        out = np.zeros((u.size, self.size))
        np.put_along_axis(out, seen.columns, seen.shares, axis=1)
        return out

    def seen(self, u: Float, v: Float, width: tuple[float, float] = (0.0, 0.0)) -> Design:
        """Return the means of the functions over cells about places (n,): what is curved differs from its middle's.

        They are Gauss's of two points along each axis, exact for cubics; `width` is that of a cell along u and v.
        """
        if self.kind in POLYNOMIALS:
            du, dv = (w * _GAUSS for w in width)
            corners = ((-du, -dv), (-du, dv), (du, -dv), (du, dv))
            shares = np.asarray(sum(self.at(u + a, v + b) for a, b in corners) / len(corners))
            every = np.broadcast_to(np.arange(self.size), shares.shape)
            return Design(columns=every, shares=shares)
        (i, along), (j, across) = (
            _means(t, w, c) for t, w, c in zip((u, v), width, self.cells, strict=True)
        )
        if self.kind == "separable":
            return Design(
                columns=np.hstack([i, j + self.cells[0] + 3]), shares=np.hstack([along, across])
            )
        number = i.shape[1] * j.shape[1]
        columns = i[:, :, np.newaxis] * (self.cells[1] + 3) + j[:, np.newaxis]
        shares = along[:, :, np.newaxis] * across[:, np.newaxis]
        return Design(
            columns=columns.reshape(u.size, number), shares=shares.reshape(u.size, number)
        )

    def sum_at(self, u: Float, v: Float, coefficients: Float) -> Float:
        """Return sums (k, n) of the functions at places (n,), with coefficients (k, size) for each.

        Of the splines of a sheet sixteen alone are not 0 at a place.
        """
        if self.kind in POLYNOMIALS:
            return np.asarray(coefficients @ self.at(u, v).T)
        if (
            self.kind == "separable"
        ):  # splines along each side sum to 1, so that it is a sheet as well
            along, across = np.split(coefficients, [self.cells[0] + 3], axis=1)
            coefficients = along[:, :, np.newaxis] + across[:, np.newaxis]
            coefficients = coefficients.reshape(len(along), -1)
        out = np.empty((len(coefficients), u.size))
        sheet.sums(u, v, *self.cells, np.ascontiguousarray(coefficients), out)
        return out

    @lru_cache(maxsize=1)  # noqa: B019 (one, of the same basis again and again)
    def penalty(self) -> Float:
        """Return the cost of bending, a band (size, ...), which is nobody's to change: see `kernels.band`."""
        if self.kind in POLYNOMIALS:
            return np.zeros((self.size, 1))
        counts = [c + 3 for c in self.cells]
        # Derivatives by u and v are differences of coefficients over the width of a cell.
        second = [_differences(n, _SECOND) * c**2 for n, c in zip(counts, self.cells, strict=True)]
        bend = [d.T @ d / c for d, c in zip(second, self.cells, strict=True)]
        if self.kind == "separable":
            return np.vstack([below(b, 2) for b in bend])
        first = [_differences(n, _FIRST) * c for n, c in zip(counts, self.cells, strict=True)]
        twist = [d.T @ d / c for d, c in zip(first, self.cells, strict=True)]
        mass = [np.eye(n) / c for n, c in zip(counts, self.cells, strict=True)]
        products = ((bend[0], mass[1]), (2.0 * twist[0], twist[1]), (mass[0], bend[1]))
        out = np.zeros((*counts, 2 * counts[1] + 3))
        for i, j in product(range(3), range(-2, 3)):
            if (i, j) < (0, 0):  # above the main diagonal
                continue
            here = out[: counts[0] - i, max(-j, 0) : counts[1] - max(j, 0), i * counts[1] + j]
            for one, two in products:
                here += np.outer(np.diagonal(one, -i), np.diagonal(two, -j))
        return out.reshape(self.size, -1)


def below(matrix: Float, width: int) -> Float:
    """Return the band (size, width + 1) of a symmetric matrix: the main diagonal, and those below it."""
    out = np.zeros((len(matrix), width + 1))
    for k in range(width + 1):
        out[: len(matrix) - k, k] = np.diagonal(matrix, -k)
    return out


def _means(t: Float, width: float, cells: int) -> tuple[NDArray[np.intp], Float]:
    """Return which uniform cubic B-splines (n, m) are not 0 in cells of a width about places, and their means."""
    points = [_pieces(t + w * width, cells) for w in (-_GAUSS, _GAUSS)]
    number = 4 + int((points[1][0] - points[0][0]).max(initial=0))
    start = np.minimum(points[0][0], cells + 3 - number)
    out = np.zeros((t.size, number))
    for first, pieces in points:
        for step, piece in enumerate(pieces):
            out[np.arange(t.size), first - start + step] += 0.5 * piece
    return start[:, np.newaxis] + np.arange(number), out


def _pieces(t: Float, cells: int) -> tuple[NDArray[np.intp], Float]:
    """Return the first (n,) of the four cubic B-splines that are not 0 at places from 0 to 1, and all four (4, n)."""
    place = np.clip(t, 0.0, 1.0) * cells
    first = np.minimum(place.astype(np.intp), cells - 1)
    w = place - first
    values = (
        (1.0 - w) ** 3,
        3.0 * w**3 - 6.0 * w**2 + 4.0,
        -3.0 * w**3 + 3.0 * w**2 + 3.0 * w + 1.0,
        w**3,
    )
    return first, np.stack(values) / 6.0


def _differences(count: int, of: Float) -> Float:
    """Return the matrix that takes differences of `count` neighbours."""
    out = np.zeros((count - of.size + 1, count))
    for i in range(len(out)):
        out[i, i : i + of.size] = of[0]
    return out
