"""Fit an RPC to points known in the image and on the ground: a rigorous model's lattice, or few noisy points."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import FitError, InputError
from trueground.rpc.located import HALF_PIXEL
from trueground.rpc.model import Rpc
from trueground.rpc.rational_fit import TERMS, UNKNOWNS, least_maximum, least_squares, value_of
from trueground.rpc.terms import cubic_terms

Float = NDArray[np.float64]
Norm = Literal["rms", "max"]

_FEWEST = 8  # points: twice the affine terms; fewer leave nothing to choose a ridge with
_RIDGES = 10.0 ** np.array([*np.arange(1.0, -4.0, -0.5), *np.arange(-4.0, -10.5, -1.0)])
_AS_GOOD = 1.02  # a stronger ridge is taken where its error is larger by no more than this factor
_MANY = 500  # points from which two folds do, and ten are not worth their time
_CHOICE = 1000  # points that the ridge of a larger set is chosen with
_WORTH_IT = 0.8  # the largest error on points not used has to fall below this part ...
_AFFORDABLE = 2.0  # ... while their RMS grows by no more than this factor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RpcFit:
    """A fitted RPC, and how far it is from points: those it was fitted to, and those it was not."""

    rpc: Rpc
    """Offsets count from the centre of the first pixel, as in every RPC."""
    rms: float
    """Root mean square of the distances in the image of the points that were used [px]."""
    max: float
    """Largest of these distances [px]."""
    held_out: Float
    """(2, n): row and column, fitted less given, of each point by a fit that did not use it [px]; NaN where that
    fit fails."""
    held_out_rms: float
    """Root mean square of the distances of points that were not used [px]."""
    held_out_max: float
    """Largest of these distances [px]."""
    ridge: float
    """The strength of the regularisation, given or chosen."""
    minimised: Norm
    """What was made small: the RMS or the largest distance; given or chosen."""


def fit_rpc(  # noqa: PLR0917 (the five coordinates of a point)
    row: ArrayLike,
    col: ArrayLike,
    lon: ArrayLike,
    lat: ArrayLike,
    height: ArrayLike,
    *,
    ridge: float | None = None,
    minimise: Norm | None = None,
    origin: str = "fitted",
) -> RpcFit:
    r"""Fit the rational functions of an RPC by iteratively reweighted linear least squares.

    With coordinates normalised to [-1, 1], `r = N(x, y, h) / D(x, y, h)` is linear in the
    coefficients `c` once multiplied by `D`. Weights `1 / D` of the iteration before make the
    residuals those of the image again:

    .. math::
        \min \sum_k \left(\frac{N_k - r_k D_k}{D_k^{(i-1)}}\right)^2
        + n \lambda^2 \sum_{j\,\text{not affine}} (w_j c_j)^2

    with `w = 30` for cubic terms and 10 more for those of the denominator. The smallest maximum is
    sought from there by Lawson's method: weights are multiplied by the residuals that they left.

    Parameters
    ----------
    row, col
        Pixels from the outer corner of the first pixel, whose centre is (0.5, 0.5); any shape.
    lon, lat
        Degrees on WGS 84; they may lie on both sides of the antimeridian.
    height
        Metres above the WGS 84 ellipsoid. Below four levels the ridge alone settles the terms that
        are cubic in height.
    ridge
        lambda: weight of the penalty on all but the affine terms, relative to one normalised
        equation. None: the strongest that is within 2 % of the smallest RMS on points not used.
    minimise
        The RMS or the largest distance. None: the RMS, unless the largest distance *of points not
        used* falls by a fifth at least: so it is for a rigorous model's lattice, whose residuals
        are those of a cubic, and not for noise.
    origin
        What the RPC says about where it came from.

    Returns
    -------
    RpcFit
        The RPC and its residuals.

    Raises
    ------
    InputError
        Where a coordinate is not finite, or there are too few points.
    FitError
        Where the points do not span the image or the heights, or a denominator vanishes among them.

    References
    ----------
    Tao, Hu: A comprehensive study of the rational function model for photogrammetric processing.
    PE&RS 67(12), 2001.
    Hartley, Saxena: The cubic rational polynomial camera model. DARPA Image Understanding Workshop,
    1997.
    Lawson: Contributions to the theory of linear least maximum approximation. PhD thesis, UCLA,
    1961.

    Examples
    --------
    >>> import numpy as np
    >>> lon, lat, h = np.meshgrid(*[np.linspace(-1.0, 1.0, 5)] * 3)
    >>> fit = fit_rpc(500 - 400 * lat, 500 + 300 * lon + 9 * h, lon, lat, 1000 + 500 * h)
    >>> fit.max < 1e-6
    True
    """
    broad = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (row, col, lon, lat, height))
    )
    row, col, lon, lat, height = (np.ascontiguousarray(a).reshape(-1) for a in broad)
    _check(row, col, lon, lat, height, ridge=ridge)
    west = float(lon[0])
    unwrapped = west + np.remainder(lon - west + 180.0, 360.0) - 180.0
    (x, long_off, long_scale) = _normalised(unwrapped, "longitudes")
    (y, lat_off, lat_scale) = _normalised(lat, "latitudes")
    (h, height_off, height_scale) = _normalised(height, "heights")
    (r, line_off, line_scale) = _normalised(row - HALF_PIXEL, "rows")
    (c, samp_off, samp_scale) = _normalised(col - HALF_PIXEL, "columns")
    points = _Points(cubic_terms(x, y, h), np.stack([r, c]), np.array([[line_scale], [samp_scale]]))
    ridge = _chosen_ridge(points) if ridge is None else ridge
    norm, held_out = _chosen_norm(points, ridge=ridge, given=minimise)
    fitted = _fit(points, ridge=ridge, norm=norm)
    (line_num, line_den), (samp_num, samp_den) = map(_coefficients, fitted)
    rpc = Rpc(
        line_off=line_off,
        samp_off=samp_off,
        lat_off=lat_off,
        long_off=float(np.remainder(long_off + 180.0, 360.0) - 180.0),
        height_off=height_off,
        line_scale=line_scale,
        samp_scale=samp_scale,
        lat_scale=lat_scale,
        long_scale=long_scale,
        height_scale=height_scale,
        line_num=line_num,
        line_den=line_den,
        samp_num=samp_num,
        samp_den=samp_den,
        origin=origin,
    )
    fitted_row, fitted_col = rpc.project(lon, lat, height)
    residuals = np.stack([fitted_row - row, fitted_col - col])
    return RpcFit(
        rpc=rpc,
        rms=_rms(residuals),
        max=_largest(residuals),
        held_out=held_out,
        held_out_rms=_rms(held_out),
        held_out_max=_largest(held_out),
        ridge=float(ridge),
        minimised=norm,
    )


@dataclass(frozen=True, slots=True)
class _Points:
    """Points in normalised coordinates."""

    design: Float
    """(n, 20): terms of the cubic."""
    values: Float
    """(2, n): row and column."""
    scales: Float
    """(2, 1): px of one unit of them."""

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> _Points:
        return _Points(self.design[chosen], self.values[:, chosen], self.scales)

    def residuals(self, fitted: Sequence[Float]) -> Float:
        """Return (2, n) fitted less given values [px]."""
        return (np.stack([value_of(self.design, c) for c in fitted]) - self.values) * self.scales


def _check(*coordinates: Float, ridge: float | None) -> None:
    size = coordinates[0].size
    finite = np.logical_and.reduce([np.isfinite(a) for a in coordinates])
    if not finite.all():
        bad = size - int(finite.sum())
        msg = f"{bad} of {size} points have a coordinate that is not finite; leave them out first"
        raise InputError(msg)
    if ridge is not None and not 0.0 <= ridge < np.inf:
        msg = f"ridge is {ridge}: must be zero or positive; None chooses it"
        raise InputError(msg)
    if ridge == 0.0 and size < UNKNOWNS:
        msg = (
            f"{size} points: an RPC has {UNKNOWNS} unknowns an axis; give at least as many points"
            " or a ridge"
        )
        raise InputError(msg)
    if size < _FEWEST:
        msg = f"{size} points: an RPC needs at least {_FEWEST}; refine an RPC that exists instead"
        raise InputError(msg)


def _normalised(values: Float, name: str) -> tuple[Float, float, float]:
    """Return values in [-1, 1], their offset and their scale."""
    low, high = float(values.min()), float(values.max())
    offset, scale = (low + high) / 2.0, (high - low) / 2.0
    if scale == 0.0:
        msg = f"all {name} are {low:g}: an RPC needs points that differ in them; add some"
        raise FitError(msg)
    return (values - offset) / scale, offset, scale


def _coefficients(fitted: Float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    numbers = tuple(float(v) for v in fitted)
    return numbers[:TERMS], (1.0, *numbers[TERMS:])


def _fit(points: _Points, *, ridge: float, norm: Norm = "rms") -> list[Float]:
    """Return the coefficients of both axes."""
    fitted = []
    for value, name in zip(points.values, ("rows", "columns"), strict=True):
        solution = least_squares(points.design, value, ridge=ridge)
        if solution is None:
            msg = (
                f"the denominator of the {name} vanishes among the points; "
                f"raise the ridge, which is {ridge:g}"
            )
            raise FitError(msg)
        if norm == "max":
            solution = least_maximum(points.design, value, ridge=ridge, start=solution)
        fitted.append(solution)
    return fitted


def _folds(n: int) -> tuple[int, NDArray[np.intp]]:
    """Return a number of folds, and that of each point: by chance, and the same chance each time."""
    number = 2 if n > _MANY else min(10, n)
    return number, np.random.default_rng(0).permutation(n) % number


def _chosen_ridge(points: _Points) -> float:
    """Return the strongest ridge whose RMS on points not used is about the smallest."""
    n = points.design.shape[0]
    if n > _CHOICE:
        points = points[np.random.default_rng(1).choice(n, _CHOICE, replace=False)]
    number, fold = _folds(points.design.shape[0])
    squares = np.zeros(_RIDGES.size)
    for k in range(number):
        used, others = points[fold != k], points[fold == k]
        last: list[Float | None] = [None, None]
        for i, ridge in enumerate(_RIDGES):
            last = [
                least_squares(used.design, value, ridge=ridge, start=start)
                for value, start in zip(used.values, last, strict=True)
            ]
            solved = [c for c in last if c is not None]
            squares[i] += np.sum(others.residuals(solved) ** 2) if len(solved) == 2 else np.inf
    error = np.sqrt(squares / points.values.size)
    if not np.isfinite(error).any():
        msg = (
            f"no ridge up to {_RIDGES[0]:g} keeps the denominators from vanishing; "
            "check that rows, columns and ground coordinates belong together"
        )
        raise FitError(msg)
    return float(_RIDGES[np.flatnonzero(error <= _AS_GOOD * error.min())[0]])


def _held_out(points: _Points, *, ridge: float, norm: Norm) -> Float:
    """Return (2, n) residuals [px] of each point by a fit that did not use it; NaN where that fit fails."""
    number, fold = _folds(points.design.shape[0])
    residuals = np.full(points.values.shape, np.nan)
    for k in range(number):
        with contextlib.suppress(FitError):
            fitted = _fit(points[fold != k], ridge=ridge, norm=norm)
            residuals[:, fold == k] = points[fold == k].residuals(fitted)
    return residuals


def _chosen_norm(points: _Points, *, ridge: float, given: Norm | None) -> tuple[Norm, Float]:
    """Return what to minimise, and the residuals of points not used."""
    if given is not None:
        return given, _held_out(points, ridge=ridge, norm=given)
    least_squares = _held_out(points, ridge=ridge, norm="rms")
    if points.design.shape[0] < _MANY:
        return "rms", least_squares
    least_maximum = _held_out(points, ridge=ridge, norm="max")
    better = _largest(least_maximum) < _WORTH_IT * _largest(least_squares)
    if better and _rms(least_maximum) < _AFFORDABLE * _rms(least_squares):
        return "max", least_maximum
    return "rms", least_squares


def _rms(residuals: Float) -> float:
    return float(np.sqrt(np.mean(np.sum(residuals**2, axis=0))))


def _largest(residuals: Float) -> float:
    return float(np.hypot(*residuals).max())
