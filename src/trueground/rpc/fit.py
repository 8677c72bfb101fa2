"""Fit an RPC to points known in the image and on the ground: a rigorous model's lattice."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import FitError, InputError
from trueground.rpc.model import HALF_PIXEL, Rpc

Float = NDArray[np.float64]

_TERMS = 20  # of a cubic in three variables
_UNKNOWNS = 2 * _TERMS - 1  # the constant term of the denominator is 1
_AFFINE = 4  # leading terms of the numerator that the ridge leaves alone: 1, x, y, h
_ITERATIONS = 20
_SETTLED = 1e-9  # relative change of the denominators' weights that ends the iteration


class RpcFit(NamedTuple):
    """A fitted RPC, and how far it is from the points it was fitted to."""

    rpc: Rpc
    """Offsets count from the centre of the first pixel, as in every RPC."""
    rms: float
    """Root mean square of the distances in the image [px]."""
    max: float
    """Largest distance in the image [px]."""


def fit_rpc(  # noqa: PLR0917 (the five coordinates of a point)
    row: ArrayLike,
    col: ArrayLike,
    lon: ArrayLike,
    lat: ArrayLike,
    height: ArrayLike,
    *,
    ridge: float = 1e-9,
    origin: str = "fitted",
) -> RpcFit:
    r"""Fit the rational functions of an RPC by iteratively reweighted linear least squares.

    With coordinates normalised to [-1, 1], `r = N(x, y, h) / D(x, y, h)` is linear in the
    coefficients `c` once multiplied by `D`. Weights `1 / D` of the iteration before make the
    residuals those of the image again:

    .. math::
        \min \sum_k \left(\frac{N_k - r_k D_k}{D_k^{(i-1)}}\right)^2
        + n \lambda^2 \sum_{j\,\text{not affine}} c_j^2

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
        equation. A dense lattice of a rigorous model wants next to none (1e-9 to 1e-7); sixty noisy
        ground control points want 1e-3 to 1e-1.
    origin
        What the RPC says about where it came from.

    Returns
    -------
    RpcFit
        The RPC and its residuals.

    Raises
    ------
    InputError
        Where a coordinate is not finite, or there are fewer points than unknowns.
    FitError
        Where the points do not span the image or the heights, or a denominator vanishes among them.

    References
    ----------
    Tao, Hu: A comprehensive study of the rational function model for photogrammetric processing.
    PE&RS 67(12), 2001.
    Hartley, Saxena: The cubic rational polynomial camera model. DARPA Image Understanding Workshop,
    1997.

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
    _check(row, col, lon, lat, height)
    west = float(lon[0])
    unwrapped = west + np.remainder(lon - west + 180.0, 360.0) - 180.0
    (x, long_off, long_scale) = _normalised(unwrapped, "longitudes")
    (y, lat_off, lat_scale) = _normalised(lat, "latitudes")
    (h, height_off, height_scale) = _normalised(height, "heights")
    (r, line_off, line_scale) = _normalised(row - HALF_PIXEL, "rows")
    (c, samp_off, samp_scale) = _normalised(col - HALF_PIXEL, "columns")
    design = _cubic(x, y, h)
    line_num, line_den = _rational(design, r, ridge=ridge, name="rows")
    samp_num, samp_den = _rational(design, c, ridge=ridge, name="columns")
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
    distance = np.hypot(fitted_row - row, fitted_col - col)
    return RpcFit(rpc, float(np.sqrt(np.mean(distance**2))), float(distance.max()))


def _check(*coordinates: Float) -> None:
    size = coordinates[0].size
    finite = np.logical_and.reduce([np.isfinite(a) for a in coordinates])
    if not finite.all():
        bad = size - int(finite.sum())
        msg = f"{bad} of {size} points have a coordinate that is not finite; leave them out first"
        raise InputError(msg)
    if size < _UNKNOWNS:
        msg = (
            f"{size} points: an RPC has {_UNKNOWNS} unknowns an axis; give at least as many points"
        )
        raise InputError(msg)


def _normalised(values: Float, name: str) -> tuple[Float, float, float]:
    """Return values in [-1, 1], their offset and their scale."""
    low, high = float(values.min()), float(values.max())
    offset, scale = (low + high) / 2.0, (high - low) / 2.0
    if scale == 0.0:
        msg = f"all {name} are {low:g}: an RPC needs points that differ in them; add some"
        raise FitError(msg)
    return (values - offset) / scale, offset, scale


def _cubic(x: Float, y: Float, h: Float) -> Float:
    """Return the terms (n, 20) of RPC00B, in its order; x is the longitude, y the latitude."""
    one = np.ones_like(x)
    terms = [one, x, y, h, x * y, x * h, y * h, x * x, y * y, h * h]
    terms += [
        x * y * h,
        x**3,
        x * y * y,
        x * h * h,
        x * x * y,
        y**3,
        y * h * h,
        x * x * h,
        y * y * h,
        h**3,
    ]
    return np.stack(terms, axis=1)


def _rational(
    design: Float, value: Float, *, ridge: float, name: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return numerator and denominator of one axis."""
    n = value.size
    equations = np.concatenate(
        [design, -value[:, np.newaxis] * design[:, 1:], value[:, np.newaxis]], axis=1
    )
    penalty = np.zeros((_UNKNOWNS, _UNKNOWNS + 1))
    penalty[np.arange(_AFFINE, _UNKNOWNS), np.arange(_AFFINE, _UNKNOWNS)] = ridge * np.sqrt(n)
    denominator = np.ones(n)
    solution: NDArray[Any] = np.zeros(_UNKNOWNS)
    for _ in range(_ITERATIONS):
        # QR instead of normal equations: their condition number would be the square of some 1e7.
        triangle = np.linalg.qr(equations / denominator[:, np.newaxis], mode="r")
        system = np.concatenate([triangle, penalty])
        solution = np.linalg.lstsq(system[:, :-1], system[:, -1], rcond=None)[0]
        before, denominator = denominator, 1.0 + design[:, 1:] @ solution[_TERMS:]
        if denominator.min() <= 0.0:
            msg = (
                f"the denominator of the {name} vanishes among the points; "
                f"raise the ridge, which is {ridge:g}"
            )
            raise FitError(msg)
        if np.abs(denominator / before - 1.0).max() < _SETTLED:
            break
    numerator = tuple(float(v) for v in solution[:_TERMS])
    return numerator, (1.0, *(float(v) for v in solution[_TERMS:]))
