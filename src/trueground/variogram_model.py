"""A model of spatial correlation: a nugget and a sum of bounded variograms, fitted to an empirical one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import FitError, InputError
from trueground.variogram import Variogram

Float = NDArray[np.float64]
Kind = Literal["spherical", "exponential", "gaussian"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_MOST_PARTS = 3
_RELATIVE = 0.01  # of gamma: added to its spread, so that no bin rules alone
_TRIED_RANGES = 16  # at which a fit may start


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One bounded variogram of a sum."""

    kind: Kind
    range: float
    """Distance [m] at which the correlation has ended: is 0 (spherical), 5 % (exponential), 2 % (gaussian)."""
    sill: float
    """Variance that it adds."""

    def correlation(self, lag: ArrayLike) -> Float:
        """Return the correlation from 1 to 0 at distances [m]."""
        return _correlation(self.kind, np.asarray(lag, dtype=np.float64) / self.range)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariogramModel:
    """``gamma(h) = nugget + sum of sill_k (1 - correlation_k(h))`` for h > 0, and 0 at h = 0.

    Examples
    --------
    >>> model = VariogramModel(nugget=1.0, parts=(Part(kind="spherical", range=100.0, sill=3.0),))
    >>> model([0.0, 50.0, 200.0]).tolist()
    [0.0, 3.0625, 4.0]
    >>> float(model.covariance(0.0)), model == VariogramModel.from_dict(model.to_dict())
    (4.0, True)
    """

    nugget: float
    """Variance without correlation from cell to cell, of cells of the raster that it was fitted to."""
    parts: tuple[Part, ...]
    """By rising range; none: white noise."""

    def __post_init__(self) -> None:
        for name, value in (
            ("nugget", self.nugget),
            *(("sill", p.sill) for p in self.parts),
        ):
            if not (math.isfinite(value) and value >= 0.0):
                msg = f"{name} {value} of a variogram: must be a number from 0"
                raise InputError(msg)
        for part in self.parts:
            if not (math.isfinite(part.range) and part.range > 0.0):
                msg = f"range {part.range} of a variogram: must be a positive number of metres"
                raise InputError(msg)
            if part.kind not in KINDS:
                msg = f"variogram {part.kind!r} is not known; use one of {', '.join(KINDS)}"
                raise InputError(msg)

    @property
    def sill(self) -> float:
        """Variance: what gamma rises to."""
        return self.nugget + math.fsum(p.sill for p in self.parts)

    def covariance(self, lag: ArrayLike) -> Float:
        """Return the covariance of two cells at distances [m]; the variance at 0."""
        lag = np.asarray(lag, dtype=np.float64)
        total = np.where(lag == 0.0, self.nugget, 0.0)
        for part in self.parts:
            total = total + part.sill * part.correlation(lag)
        return np.asarray(total)

    def __call__(self, lag: ArrayLike) -> Float:
        """Return gamma at distances [m]."""
        return np.asarray(self.sill - self.covariance(lag))

    def standardised(self) -> VariogramModel:
        """Return the same correlation with a sill of 1.

        Raises
        ------
        InputError
            Where there is no variance.
        """
        if not self.sill > 0.0:
            msg = "a variogram of 0 everywhere: there is no variance to make 1"
            raise InputError(msg)
        parts = tuple(replace(p, sill=p.sill / self.sill) for p in self.parts)
        return VariogramModel(nugget=self.nugget / self.sill, parts=parts)

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return {"nugget": self.nugget, "parts": [asdict(p) for p in self.parts]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VariogramModel:
        """Return the model of such a dictionary."""
        return cls(nugget=values["nugget"], parts=tuple(Part(**p) for p in values["parts"]))

    @classmethod
    def fit(
        cls,
        variogram: Variogram,
        *,
        kinds: Sequence[Kind] = KINDS,
        parts: int | None = None,
    ) -> VariogramModel:
        """Fit a nugget and a sum of variograms of one kind by weighted least squares.

        Parameters
        ----------
        variogram
            Empirical variogram.
        kinds
            Kinds that are tried.
        parts
            Number of them, 0 to 3; None: the number that the criterion says.

        Raises
        ------
        FitError
            Where there are too few bins for what is asked.
        InputError
            Where the number of parts is none of 0 to 3.

        Notes
        -----
        Bins are weighted by ``1 / (spread^2 + (0.01 gamma)^2)``. For given ranges the sills and the
        nugget are linear, and found by non-negative least squares; ranges start from the best of a
        mesh. Kind and number are those of the least corrected Akaike criterion, Hurvich & Tsai
        (1989), doi:10.1093/biomet/76.2.297: ``n ln(1 + chi^2 / n) + 2 k + 2 k (k + 1) / (n - k - 1)``
        for ``k`` parameters and ``n`` bins, where the 1 is the scatter that the weights expect:
        what lies within it is no reason for one more part. A sum of spherical variograms is what Rolstad et al.
        (2009), doi:10.3189/002214309789470950, and Hugonnet et al. (2022),
        doi:10.1109/JSTARS.2022.3188922, use.
        """
        numbers = range(_MOST_PARTS + 1) if parts is None else (parts,)
        if not all(0 <= n <= _MOST_PARTS for n in numbers):
            msg = f"{parts} parts of a variogram: must be 0 to {_MOST_PARTS}"
            raise InputError(msg)
        problem = _Problem.of(variogram)
        fits = [
            fit
            for number in numbers
            for kind in (kinds if number else kinds[:1])
            if (fit := problem.best(kind, number)) is not None
        ]
        if not fits:
            msg = f"{len(variogram.lag)} bins of lags are too few for {parts} parts: ask for fewer"
            raise FitError(msg)
        return min(fits, key=lambda f: f[0])[1]


def _correlation(kind: Kind, lag: Float) -> Float:
    """Return the correlation at a lag in units of the range."""
    if kind == "exponential":
        return np.asarray(np.exp(-3.0 * lag))
    if kind == "gaussian":
        return np.asarray(np.exp(-4.0 * lag * lag))
    near = np.minimum(lag, 1.0)
    return np.asarray(1.0 - 1.5 * near + 0.5 * near**3)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """Weighted least squares of one empirical variogram."""

    lag: Float
    gamma: Float
    sigma: Float

    @classmethod
    def of(cls, variogram: Variogram) -> _Problem:
        gamma = np.array(variogram.semivariance)
        floor = _RELATIVE * gamma + 1e-9 * gamma.max() + np.finfo(np.float64).tiny
        return cls(
            lag=np.array(variogram.lag),
            gamma=gamma,
            sigma=np.hypot(np.array(variogram.spread), floor),
        )

    def sills(self, kind: Kind, ranges: Float) -> tuple[Float, float]:
        """Return the nugget and the sills for given ranges, and chi^2."""
        from scipy.optimize import nnls

        columns = [np.ones_like(self.lag)]
        columns += [1.0 - _correlation(kind, self.lag / r) for r in ranges]
        matrix = np.stack(columns, axis=1) / self.sigma[:, np.newaxis]
        solution, residual = nnls(matrix, self.gamma / self.sigma)
        return solution, float(residual) ** 2

    def best(self, kind: Kind, number: int) -> tuple[float, VariogramModel] | None:
        """Return the criterion and the model of so many parts, None where bins are too few."""
        bins, free = self.lag.size, 1 + 2 * number
        if bins - free - 1 < 1:
            return None
        ranges = self._ranges(kind, number)
        solution, squares = self.sills(kind, ranges)
        criterion = bins * math.log1p(squares / bins)
        criterion += 2.0 * free + 2.0 * free * (free + 1) / (bins - free - 1)
        order = np.argsort(ranges, kind="stable")
        parts = tuple(
            Part(kind=kind, range=float(ranges[i]), sill=float(solution[1 + i]))
            for i in order
            if solution[1 + i] > 0.0
        )
        return criterion, VariogramModel(nugget=float(solution[0]), parts=parts)

    def _ranges(self, kind: Kind, number: int) -> Float:
        from scipy import optimize

        minimize: Any = optimize.minimize
        if number == 0:
            return np.zeros(0)
        low, high = math.log(1.5 * self.lag[0]), math.log(1.5 * self.lag[-1])
        mesh = np.linspace(low, high, _TRIED_RANGES + 2)[1:-1]
        start = min(
            itertools.combinations(mesh, number),
            key=lambda r: self.sills(kind, np.exp(np.array(r)))[1],
        )

        def squares(logs: Float) -> float:
            # Beyond its bounds, a range is no longer told from the nugget, or from a trend.
            return self.sills(kind, np.exp(np.clip(logs, low, high)))[1]

        found = minimize(
            squares,
            np.array(start, dtype=np.float64),
            method="Nelder-Mead",
            options={"xatol": 1e-5, "fatol": 1e-9, "maxiter": 400 * number},
        )
        return np.asarray(np.exp(np.clip(found.x, low, high)))
