"""Ground points from two or more images: where their lines of sight meet, how nearly, and how certain that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import InputError
from trueground.rpc.model import Rpc
from trueground.status import Status

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

# WGS 84: NIMA TR8350.2, 3rd edition, tables 3.1 and 3.3.
_SEMI_MAJOR_M = 6378137.0
_FLATTENING = 1.0 / 298.257223563
_ECCENTRICITY2 = _FLATTENING * (2.0 - _FLATTENING)

_STEP_M = 10.0  # of the central differences: the cubic terms of an RPC are below 1e-9 over it
_ITERATIONS = 12
_SETTLED_M = (
    1e-7  # step of Gauss and Newton that ends the iteration; the next one would be its square
)
_PARALLEL = (
    1e-4  # [rad] between lines of sight below which 1 px is some 10 km of height: no intersection
)
_FARTHEST_M = 1e6  # step beyond which the iteration is lost
_BATCH = 65536  # points solved together, so that work arrays stay small


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triangulated:
    """Ground points; all arrays have the shape of the rows and columns given."""

    lon: Float
    """Longitude [degrees]; NaN where the point failed."""
    lat: Float
    """Latitude [degrees]."""
    height: Float
    """Height above the WGS 84 ellipsoid [m]."""
    miss: Float
    """Shortest distance between the lines of sight [m]; of more than two images, that of the worst pair."""
    covariance: Float
    """(..., 3, 3): of east, north and up [m^2], for image positions of the standard deviation given."""
    status: NDArray[np.uint8]
    """`Status` of each point: `NO_INTERSECTION` where all lines of sight are parallel."""


def triangulate(
    rpcs: Sequence[Rpc],
    rows: Sequence[ArrayLike],
    cols: Sequence[ArrayLike],
    *,
    sigma_px: float = 1.0,
) -> Triangulated:
    r"""Intersect the lines of sight of two or more images, by least squares in the images.

    .. math::
        \min_{\lambda, \varphi, h} \sum_i \left(r_i - R_i(\lambda, \varphi, h)\right)^2
        + \left(c_i - C_i(\lambda, \varphi, h)\right)^2

    by Gauss and Newton's method in local east, north and up. With `J` the derivatives of all rows and columns by them
    [px/m], the covariance is `sigma_px^2 (J^T J)^{-1}`.

    Parameters
    ----------
    rpcs
        One for each image.
    rows, cols
        For each image, where it shows the points: pixels from the outer corner of the first pixel; any shapes that
        broadcast. NaN: the image does not show this point, which is found by the others if two are left.
    sigma_px
        Standard deviation of a row and of a column.

    Returns
    -------
    Triangulated

    Raises
    ------
    InputError
        Where there are less than two images, or not a row and a column for each.

    References
    ----------
    Grodecki, Dial: Block adjustment of high-resolution satellite images described by rational polynomials. PE&RS 69(1),
    2003, doi:10.14358/PERS.69.1.59.

    Examples
    --------
    >>> found = triangulate([left, right], [[120.5], [118.2]], [[87.0], [95.3]])  # doctest: +SKIP
    >>> found.height, found.miss  # doctest: +SKIP
    """
    if len(rpcs) < 2:
        msg = f"{len(rpcs)} images: lines of sight need at least two to meet; localize on a DEM instead"
        raise InputError(msg)
    if not len(rpcs) == len(rows) == len(cols):
        msg = f"{len(rpcs)} RPCs, {len(rows)} arrays of rows, {len(cols)} of columns: one each is needed for each image"
        raise InputError(msg)
    if not 0.0 < sigma_px < np.inf:
        msg = f"sigma_px is {sigma_px}: must be a number of pixels above zero"
        raise InputError(msg)
    given = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (*rows, *cols)))
    shape, size = given[0].shape, given[0].size
    seen = np.stack([a.reshape(-1) for a in given]).reshape(2, len(rpcs), size)
    out = Triangulated(
        lon=np.full(size, np.nan),
        lat=np.full(size, np.nan),
        height=np.full(size, np.nan),
        miss=np.full(size, np.nan),
        covariance=np.full((size, 3, 3), np.nan),
        status=np.empty(size, dtype=np.uint8),
    )
    for first in range(0, size, _BATCH):
        part = slice(first, first + _BATCH)
        _solve(rpcs, seen[:, :, part], sigma_px, out=_rows_of(out, part))
    return Triangulated(
        lon=out.lon.reshape(shape),
        lat=out.lat.reshape(shape),
        height=out.height.reshape(shape),
        miss=out.miss.reshape(shape),
        covariance=out.covariance.reshape(*shape, 3, 3),
        status=out.status.reshape(shape),
    )


def _rows_of(found: Triangulated, part: slice) -> Triangulated:
    return Triangulated(
        lon=found.lon[part],
        lat=found.lat[part],
        height=found.height[part],
        miss=found.miss[part],
        covariance=found.covariance[part],
        status=found.status[part],
    )


def _solve(rpcs: Sequence[Rpc], seen: Float, sigma_px: float, *, out: Triangulated) -> None:
    """Solve a batch: `seen` is (2, images, n)."""
    known: Bool = np.asarray(np.isfinite(seen).all(axis=0))
    out.status[:] = np.where(known.sum(axis=0) >= 2, Status.DIVERGED, Status.BAD_INPUT)
    lon, lat, height = _start(rpcs, seen, known)
    active = np.flatnonzero((out.status != Status.BAD_INPUT) & np.isfinite(lon))
    for _ in range(_ITERATIONS):
        if not active.size:
            break
        at = lon[active], lat[active], height[active]
        residual, slopes = _linearised(rpcs, seen[:, :, active], known[:, active], at=at)
        normal = np.einsum("cikn,cijn->nkj", slopes, slopes)
        apart = _widest_angle(slopes, known[:, active])
        parallel = apart < _PARALLEL
        out.status[active[parallel]] = Status.NO_INTERSECTION
        going = ~parallel & np.isfinite(normal).all(axis=(1, 2))
        normal[~going] = np.eye(3)
        right = np.einsum("cikn,cin->nk", slopes, residual)
        step = np.linalg.solve(normal, right[..., np.newaxis])[..., 0]
        length = np.linalg.norm(step, axis=1)
        going &= length < _FARTHEST_M  # False for NaN
        east, north = _metres_per_degree(at[1], at[2])
        for coordinate, move in zip(
            (lon, lat, height), (step[:, 0] / east, step[:, 1] / north, step[:, 2]), strict=True
        ):
            coordinate[active[going]] += move[going]
        done = going & (length < _SETTLED_M)
        found = active[done]
        out.status[found] = Status.OK
        out.covariance[found] = sigma_px**2 * np.linalg.inv(normal[done])
        out.miss[found] = _miss(residual[:, :, done], slopes[:, :, :, done], known[:, found])
        out.lon[found] = np.remainder(lon[found] + 180.0, 360.0) - 180.0
        out.lat[found], out.height[found] = lat[found], height[found]
        active = active[going & ~done]


def _start(rpcs: Sequence[Rpc], seen: Float, known: Bool) -> tuple[Float, Float, Float]:
    """Return where the first image that shows a point does so, at the middle height of its RPC."""
    lon, lat, height = np.full((3, known.shape[1]), np.nan)
    for i, rpc in enumerate(rpcs):
        missing = np.flatnonzero(np.isnan(lon) & known[i])
        at = rpc.localize(seen[0, i, missing], seen[1, i, missing], rpc.height_off)
        lon[missing], lat[missing], height[missing] = at.lon, at.lat, at.height
    return lon, lat, height


def _linearised(
    rpcs: Sequence[Rpc], seen: Float, known: Bool, *, at: tuple[Float, Float, Float]
) -> tuple[Float, Float]:
    """Return residuals (2, images, n) [px] and derivatives (2, images, 3, n) [px/m]; zeros where not seen."""
    lon, lat, height = at
    east, north = _metres_per_degree(lat, height)
    residual = np.zeros(seen.shape)
    slopes = np.zeros((*seen.shape[:2], 3, lon.size))
    per_metre = (1.0 / east, 1.0 / north, np.ones_like(height))
    for i, rpc in enumerate(rpcs):
        use = known[i]
        residual[:, i] = np.where(use, seen[:, i] - np.stack(rpc.project(lon, lat, height)), 0.0)
        for axis, degrees in enumerate(per_metre):
            ahead, behind = [lon, lat, height], [lon, lat, height]
            ahead[axis] = ahead[axis] + _STEP_M * degrees
            behind[axis] = behind[axis] - _STEP_M * degrees
            difference = np.stack(rpc.project(*ahead)) - np.stack(rpc.project(*behind))
            slopes[:, i, axis] = np.where(use, difference / (2.0 * _STEP_M), 0.0)
    return residual, slopes


def _metres_per_degree(lat: Float, height: Float) -> tuple[Float, Float]:
    phi = np.radians(lat)
    under = 1.0 - _ECCENTRICITY2 * np.sin(phi) ** 2
    across = _SEMI_MAJOR_M / np.sqrt(under)
    along = across * (1.0 - _ECCENTRICITY2) / under
    degree = np.pi / 180.0
    return (across + height) * np.cos(phi) * degree, (along + height) * degree


def _directions(slopes: Float) -> Float:
    """Return unit vectors (images, n, 3) along the lines of sight: what moves neither row nor column."""
    of_row, of_col = np.moveaxis(slopes, 2, -1)
    along = np.cross(of_row, of_col)
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    return np.asarray(np.divide(along, length, out=np.zeros_like(along), where=length > 0.0))


def _widest_angle(slopes: Float, known: Bool) -> Float:
    """Return the sine of the largest angle (n,) between two lines of sight."""
    along = _directions(slopes)
    widest = np.zeros(known.shape[1])
    for i in range(len(along)):
        for j in range(i):
            sine = np.linalg.norm(np.cross(along[i], along[j]), axis=-1)
            widest = np.maximum(widest, np.where(known[i] & known[j], sine, 0.0))
    return widest


def _miss(residual: Float, slopes: Float, known: Bool) -> Float:
    """Return the largest of the shortest distances (n,) [m] between two lines of sight."""
    along = _directions(slopes)
    # The shortest way from the point to each line is the smallest step s that takes both residuals away:
    # s = J^T (J J^T)^-1 r.
    rr, cc, rc = ((slopes[a] * slopes[b]).sum(axis=1) for a, b in ((0, 0), (1, 1), (0, 1)))
    area = np.where(known, rr * cc - rc * rc, 1.0)
    by_row = (cc * residual[0] - rc * residual[1]) / area
    by_col = (rr * residual[1] - rc * residual[0]) / area
    foot = by_row[..., np.newaxis] * np.moveaxis(slopes[0], 1, -1)
    foot += by_col[..., np.newaxis] * np.moveaxis(slopes[1], 1, -1)  # (images, n, 3)
    worst = np.zeros(known.shape[1])
    for i in range(len(along)):
        for j in range(i):
            between = foot[i] - foot[j]
            normal = np.cross(along[i], along[j])
            sine = np.linalg.norm(normal, axis=-1)
            crossing = np.abs((between * normal).sum(axis=-1)) / np.maximum(sine, _PARALLEL)
            aside = np.linalg.norm(np.cross(between, along[i]), axis=-1)
            distance = np.where(sine > _PARALLEL, crossing, aside)
            worst = np.maximum(worst, np.where(known[i] & known[j], distance, 0.0))
    return worst
