"""Where an image was taken from and how fine it is, at any of its points; and where its RPC is extrapolated."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.rpc.located import HALF_PIXEL, Float
from trueground.status import Status

if TYPE_CHECKING:
    from trueground.rpc.model import Rpc

# WGS 84: NIMA TR8350.2, 3rd edition, table 3.1.
_SEMI_MAJOR_M = 6378137.0
_FLATTENING = 1.0 / 298.257223563
_ECCENTRICITY2 = _FLATTENING * (2.0 - _FLATTENING)

# Scales are rounded: scenes of Pleiades and WorldView reach 2e-5 beyond, those with four decimals of a degree 2e-3.
_SLACK = 0.01  # scales


class ExtrapolationWarning(UserWarning):
    """Points outside of what an RPC was made for."""


class Viewing(NamedTuple):
    """How a sensor looks at ground points; unpacks as incidence, azimuth and status."""

    incidence: Float
    """Angle at the ground point between the line of sight and the normal of the ellipsoid [degrees], from 0 to 90."""
    azimuth: Float
    """Direction from the ground point to the sensor, clockwise from north [degrees], from 0 to 360."""
    status: NDArray[np.uint8]
    """`Status` of each point; the angles of those that failed are NaN."""


class GroundSampling(NamedTuple):
    """How far apart pixels lie on the ground at one height; unpacks as rows, columns and status."""

    per_row: Float
    """From a pixel to the same pixel of the next row [m]."""
    per_col: Float
    """From a pixel to its neighbour in the row [m]."""
    status: NDArray[np.uint8]
    """`Status` of each point; the distances of those that failed are NaN."""


class Extrapolation(NamedTuple):
    """How far points lie outside of what an RPC was made for, in scales: halves of the extent of each coordinate.

    Zero inside, where normalised coordinates are within -1 and 1; NaN where a coordinate is missing.
    """

    lon: Float
    lat: Float
    height: Float
    row: Float
    col: Float

    @property
    def largest(self) -> Float:
        """The largest of the five [scales]; NaN where a coordinate or the image position is."""
        return np.asarray(np.max(np.stack(self), axis=0))

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """Whether each point lies outside, by more than the hundredth of a scale that offsets are rounded to."""
        return np.asarray(self.largest > _SLACK)


def metres_per_degree(lat: ArrayLike, height: ArrayLike) -> tuple[Float, Float]:
    """Return the length of a degree of longitude and of latitude [m] at a height above WGS 84.

    Parameters
    ----------
    lat
        Geodetic latitude [degrees].
    height
        Metres above the ellipsoid.

    Notes
    -----
    Radii of curvature in the prime vertical, `N`, and in the meridian, `M`: `(N + h) cos(lat)` and `M + h`.
    """
    phi, h = np.radians(lat), np.asarray(height, dtype=np.float64)
    w2 = 1.0 - _ECCENTRICITY2 * np.sin(phi) ** 2
    n = _SEMI_MAJOR_M / np.sqrt(w2)
    m = n * (1.0 - _ECCENTRICITY2) / w2
    return np.radians((n + h) * np.cos(phi)), np.radians(m + h)


def viewing(  # noqa: PLR0917 (model, row, col, height: the order that everybody knows)
    rpc: Rpc, row: ArrayLike, col: ArrayLike, height: ArrayLike
) -> Viewing:
    r"""Return from where image positions are seen.

    The RPC says how the ground point of a pixel moves with its height; in metres east, north and up that is the
    tangent of the line of sight, which may be a curve:

    .. math::
        (E', N')^T = -\left(\frac{\partial(r, c)}{\partial(E, N)}\right)^{-1} \frac{\partial(r, c)}{\partial h}, \quad
        \text{incidence} = \arctan\sqrt{E'^2 + N'^2}, \quad \text{azimuth} = \operatorname{atan2}(E', N')

    It is the angle at the *ground*. At the satellite, the angle off nadir is smaller: the earth is round.

    Parameters
    ----------
    rpc
        Model of the image.
    row, col
        Pixels from the outer corner of the first pixel, any shape, broadcast with `height`.
    height
        Of the ground point [m above the WGS 84 ellipsoid].

    Returns
    -------
    Viewing
        Incidence, azimuth [degrees] and a status for each point. Straight from above the azimuth is without meaning.
    """
    per_metre, up, status = _ground_jacobian(rpc, row, col, height)
    slope = _solved(per_metre, -up[..., np.newaxis], status)[..., 0]
    incidence = np.degrees(np.arctan(np.hypot(slope[..., 0], slope[..., 1])))
    azimuth = np.mod(np.degrees(np.arctan2(slope[..., 0], slope[..., 1])), 360.0)
    return Viewing(np.asarray(incidence), np.asarray(azimuth), status)


def ground_sampling(  # noqa: PLR0917 (model, row, col, height: the order that everybody knows)
    rpc: Rpc, row: ArrayLike, col: ArrayLike, height: ArrayLike
) -> GroundSampling:
    """Return how far apart neighbouring pixels lie on the ground, on level ground of one height.

    From the derivatives of the RPC: the limit of the distance on the ground for a small step in the image, by the
    length of that step. On slopes that face the sensor pixels are closer, on those that turn away further apart.

    Parameters
    ----------
    rpc
        Model of the image.
    row, col
        Pixels from the outer corner of the first pixel, any shape, broadcast with `height`.
    height
        Of the ground point [m above the WGS 84 ellipsoid].

    Returns
    -------
    GroundSampling
        Metres per row, metres per column and a status for each point.
    """
    per_metre, _, status = _ground_jacobian(rpc, row, col, height)
    metres = _solved(per_metre, np.broadcast_to(np.eye(2), per_metre.shape), status)
    east, north = metres[..., 0, :], metres[..., 1, :]
    steps = np.hypot(east, north)
    return GroundSampling(steps[..., 0], steps[..., 1], status)


def _ground_jacobian(  # noqa: PLR0917
    rpc: Rpc, row: ArrayLike, col: ArrayLike, height: ArrayLike
) -> tuple[Float, Float, NDArray[np.uint8]]:
    """Return rows and columns by metres east and north (..., 2, 2) and by metres up (..., 2), and a status."""
    at = rpc.localize(row, col, height)
    _, _, jacobian = rpc.project_jacobian(at.lon, at.lat, at.height)
    status = at.status.copy()
    on_earth = np.abs(at.lat) < 90.0  # at a pole itself there is no east
    per_lon, per_lat = metres_per_degree(np.where(on_earth, at.lat, 0.0), at.height)
    scale = np.stack([per_lon, per_lat], axis=-1)[..., np.newaxis, :]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        per_metre = jacobian[..., :2] / scale
    failed = ~(on_earth & np.isfinite(per_metre).all(axis=(-2, -1)))
    status[(status == Status.OK) & failed] = Status.DIVERGED
    return per_metre, jacobian[..., 2], status


def _solved(matrix: Float, values: Float, status: NDArray[np.uint8]) -> Float:
    """Solve 2 x 2 systems; NaN and a status where there is no solution."""
    a, b, c, d = (matrix[..., i, j, np.newaxis] for i in (0, 1) for j in (0, 1))
    first, second = values[..., 0, :], values[..., 1, :]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        det = a * d - b * c
        solution = np.stack(
            [(d * first - b * second) / det, (a * second - c * first) / det], axis=-2
        )
    failed = ~np.isfinite(solution).all(axis=(-2, -1))
    status[(status == Status.OK) & failed] = Status.DIVERGED
    solution[status != Status.OK] = np.nan
    return solution


def extrapolation(  # noqa: PLR0917 (a point is three numbers)
    rpc: Rpc, lon: ArrayLike, lat: ArrayLike, height: ArrayLike
) -> Extrapolation:
    """Return how far ground points, and their image positions, lie outside of what the RPC was made for.

    Parameters
    ----------
    rpc
        Model of the image.
    lon, lat
        Degrees on WGS 84, any shape, broadcast with `height`.
    height
        Metres above the WGS 84 ellipsoid.

    Returns
    -------
    Extrapolation
        `max(|v| - 1, 0)` for each normalised coordinate `v`: longitude, latitude, height, row and column.
    """
    row, col = rpc.project(lon, lat, height)
    with np.errstate(invalid="ignore"):
        east = np.mod(np.asarray(lon, dtype=np.float64) - rpc.long_off + 180.0, 360.0) - 180.0
    offsets = (
        (east, rpc.long_scale),
        (np.asarray(lat, dtype=np.float64) - rpc.lat_off, rpc.lat_scale),
        (np.asarray(height, dtype=np.float64) - rpc.height_off, rpc.height_scale),
        (row - HALF_PIXEL - rpc.line_off, rpc.line_scale),
        (col - HALF_PIXEL - rpc.samp_off, rpc.samp_scale),
    )
    with np.errstate(over="ignore"):
        beyond = [np.maximum(np.abs(offset / scale) - 1.0, 0.0) for offset, scale in offsets]
    return Extrapolation(*(np.array(np.broadcast_to(b, row.shape)) for b in beyond))


def warn_of_extrapolation(  # noqa: PLR0917 (a point is three numbers)
    rpc: Rpc, lon: ArrayLike, lat: ArrayLike, height: ArrayLike, *, stacklevel: int = 2
) -> None:
    """Warn, once, where points lie outside of what the RPC was made for, and say how far.

    Neither `Rpc.project` nor `Rpc.localize` warns: they answer wherever the formulas can. Points that are NaN have
    failed already and count as being inside.

    Parameters
    ----------
    rpc
        Model of the image.
    lon, lat
        Degrees on WGS 84, any shape, broadcast with `height`.
    height
        Metres above the WGS 84 ellipsoid.
    stacklevel
        Whose line the warning names; see `warnings.warn`.

    Warns
    -----
    ExtrapolationWarning
        With the number of points, and the largest distance.
    """
    found = extrapolation(rpc, lon, lat, height)
    outside = found.beyond
    number = int(outside.sum())
    if number == 0:
        return
    worst = [float(part[outside].max()) for part in found]
    axis = int(np.argmax(worst))
    name, low, high, unit = domain(rpc)[axis]
    size = float(f"{worst[axis] * (high - low) / 2.0:.3g}")
    warnings.warn(
        f"{number} of {outside.size} points lie outside the RPC's domain, most of all in {name}: "
        f"up to {size:.10g} {unit} beyond {low:.7g} to {high:.7g}, {worst[axis]:.2g} times half of that range; "
        "the model is extrapolated there: check these points by other means",
        ExtrapolationWarning,
        stacklevel=stacklevel,
    )


def domain(rpc: Rpc) -> list[tuple[str, float, float, str]]:
    """Return what the RPC was made for: name, lowest and highest value and unit of its five coordinates.

    Longitude, latitude, height, row and column, where normalised coordinates are -1 and 1; rows and columns count from
    the outer corner of the first pixel.
    """
    parts = (
        ("longitude", rpc.long_off, rpc.long_scale, "degrees"),
        ("latitude", rpc.lat_off, rpc.lat_scale, "degrees"),
        ("height", rpc.height_off, rpc.height_scale, "m"),
        ("rows", rpc.line_off + HALF_PIXEL, rpc.line_scale, "px"),
        ("columns", rpc.samp_off + HALF_PIXEL, rpc.samp_scale, "px"),
    )
    return [(name, off - abs(scale), off + abs(scale), unit) for name, off, scale, unit in parts]
