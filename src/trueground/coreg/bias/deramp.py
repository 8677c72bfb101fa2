"""A tilt, or a bend, of the whole DEM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import regression
from trueground.coreg.bias.method import BiasMethod, Fitted, Sample, covariance_of, regressed
from trueground.coreg.bias.shapes import Surface, powers
from trueground.errors import FitError, InputError

Float = NDArray[np.float64]
_HIGHEST = 10  # degree
_WEAKEST = 1e-6  # share of a column that no other one explains, below which nothing fixes it


@dataclass(frozen=True, kw_only=True)
class Deramp(BiasMethod):
    r"""Add a polynomial of the place.

    .. math:: dz = \sum_{i + j \le n} c_{ij} u^i v^j, \quad u = (x - x_0) / s_x, \; v = (y - y_0) / s_y

    regressed on the differences, weighted against blunders by Tukey's biweight. x and y are coordinates of the working
    CRS, not rows and columns: the polynomial is right on any other grid, in any other CRS and for any part of the DEM.
    The centre :math:`(x_0, y_0)` is the middle of the cells and the scales are half their extent, so that the powers
    are of numbers between -1 and 1 and coordinates of millions of metres lose nothing. Beyond the cells a polynomial
    goes on as it must: one of a high degree is worth nothing there.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from trueground.grid import Grid
    >>> from trueground.raster import ArrayRaster
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(100, 100))
    >>> level = np.zeros((100, 100), dtype=np.float32)
    >>> tilted = level + np.arange(100, dtype=np.float32) / 10  # 10 m a kilometre eastwards
    >>> found = Deramp().fit(
    ...     ArrayRaster(array=level, grid=grid), ArrayRaster(array=tilted, grid=grid)
    ... )
    >>> [round(v, 4) for v in found.shape.tilt]
    [-10.0, 0.0]
    """

    order: int = 1
    """Total degree n, from 1."""

    name: ClassVar[str] = "deramp"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.order <= _HIGHEST:
            msg = f"order {self.order} of the polynomial: must be from 1 to {_HIGHEST}"
            raise InputError(msg)

    def _fitted(self, sample: Sample) -> Fitted:
        extremes = [(float(v.min()), float(v.max())) for v in (sample.x, sample.y)]
        middle, half = zip(
            *((round((a + b) / 2, 3), (b - a) / 2) for a, b in extremes), strict=True
        )
        if not min(half) > 0.0:
            msg = "all usable cells lie in one row or column: they do not fix a tilt; take a larger area"
            raise FitError(msg)
        where = powers(self.order)
        zero = Surface(
            order=self.order, centre=(middle[0], middle[1]), scale=(half[0], half[1]),
            coefficients=(0.0,) * len(where),
        )  # fmt: skip
        u, v = zero.scaled(sample.x, sample.y)
        design = _products(u, v, where)
        weakest, _ = regression.weakest(design)
        if not weakest > _WEAKEST:
            msg = (
                f"the usable cells do not fix a polynomial of degree {self.order}: "
                "take a lower order or a larger area"
            )
            raise FitError(msg)
        solution = regressed(design, sample.dh, sample.weight)
        shape = Surface(
            order=self.order, centre=zero.centre, scale=zero.scale,
            coefficients=tuple(solution.tolist()),
        )  # fmt: skip
        residual = sample.dh - design @ solution
        return Fitted(shape=shape, covariance=covariance_of(design, residual, sample))


def _products(u: Float, v: Float, where: list[tuple[int, int]]) -> Float:
    """Return (n, k): the powers of u times those of v."""
    out = np.empty((u.size, len(where)))
    out[:, 0] = 1.0
    for column, (i, j) in enumerate(
        where[1:], start=1
    ):  # each is one of the degree below, times u or v
        below = where.index((i - 1, j) if i else (0, j - 1))
        np.multiply(out[:, below], u if i else v, out=out[:, column])
    return out
