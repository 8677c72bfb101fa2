"""Functions that a field of shifts is made of: polynomials, and splines with a penalty on bending."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
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
        return 3 if self.kind in {"smooth", "separable"} else len(_POWERS[self.kind])

    @property
    def size(self) -> int:
        """Number of functions."""
        along, across = (c + 3 for c in self.cells)
        if self.kind == "smooth":
            return along * across
        if self.kind == "separable":
            return along + across
        return len(_POWERS[self.kind])

    def at(self, u: Float, v: Float) -> Float:
        """Return the functions (n, size) at places (n,) of the unit square."""
        if self.kind not in {"smooth", "separable"}:
            return np.stack(
                [(u - 0.5) ** a * (v - 0.5) ** b for a, b in _POWERS[self.kind]], axis=1
            )
        along, across = _splines(u, self.cells[0]), _splines(v, self.cells[1])
        if self.kind == "separable":
            return np.hstack([along, across])
        return np.asarray(np.einsum("ni,nj->nij", along, across).reshape(u.size, -1))

    def sum_at(self, u: Float, v: Float, coefficients: Float) -> Float:
        """Return sums (k, n) of the functions at places (n,), with coefficients (k, size) for each.

        Of the splines of a sheet sixteen alone are not 0 at a place.
        """
        if self.kind != "smooth":
            return np.asarray(coefficients @ self.at(u, v).T)
        out = np.empty((len(coefficients), u.size))
        sheet.sums(u, v, *self.cells, np.ascontiguousarray(coefficients), out)
        return out

    @lru_cache(maxsize=1)  # noqa: B019 (one, of the same basis again and again)
    def penalty(self) -> Float:
        """Return the cost of bending (size, size), which is nobody's to change."""
        if self.kind not in {"smooth", "separable"}:
            return np.zeros((self.size, self.size))
        counts = [c + 3 for c in self.cells]
        # Derivatives by u and v are differences of coefficients over the width of a cell.
        second = [_differences(n, _SECOND) * c**2 for n, c in zip(counts, self.cells, strict=True)]
        bend = [d.T @ d / c for d, c in zip(second, self.cells, strict=True)]
        if self.kind == "separable":
            out = np.zeros((self.size, self.size))
            out[: counts[0], : counts[0]], out[counts[0] :, counts[0] :] = bend
            return out
        first = [_differences(n, _FIRST) * c for n, c in zip(counts, self.cells, strict=True)]
        twist = [d.T @ d / c for d, c in zip(first, self.cells, strict=True)]
        mass = [np.eye(n) / c for n, c in zip(counts, self.cells, strict=True)]
        return np.asarray(
            np.kron(bend[0], mass[1])
            + 2.0 * np.kron(twist[0], twist[1])
            + np.kron(mass[0], bend[1])
        )


def _splines(t: Float, cells: int) -> Float:
    """Return the uniform cubic B-splines (n, cells + 3) at places (n,) from 0 to 1."""
    first, pieces = _pieces(t, cells)
    out = np.zeros((t.size, cells + 3))
    for step, piece in enumerate(pieces):
        out[np.arange(t.size), first + step] = piece
    return out


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
