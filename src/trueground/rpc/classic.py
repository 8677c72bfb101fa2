"""Two classic ways from image to ground on a DEM, kept for comparison and for people who migrate.

Both look for a place whose height in the DEM, projected into the image, falls on the pixel. Neither asks whether
something stands in the way: `docs/theory/inverse-rpc.md` says when they fail, and when they find what is hidden.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import InputError
from trueground.rpc.located import Float, Located, as_floats
from trueground.status import Status

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.rpc.model import Rpc

Indices = NDArray[np.intp]

_TOLERANCE = 0.1  # px, RPC_PIXEL_ERROR_THRESHOLD of GDAL
_MAX_ITERATIONS = 20  # RPC_MAX_ITERATIONS of GDAL with a DEM
_PROBE = 1e-4  # degrees, between the points whose images make GDAL's linear guess
_SMALL_ERROR = 2.0  # px, below which GDAL counts an error as small
_PATIENCE = 5  # small errors in a row, after which it boosts
_BOOST = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One iteration of all points that were still on their way."""

    iteration: int
    """From 1."""
    which: Indices
    """(n,) which of the points."""
    lon: Float
    """(n,) longitude of the place that was tried [degrees]."""
    lat: Float
    """(n,) latitude of the place that was tried [degrees]."""
    height: Float
    """(n,) height of the DEM there [m above the ellipsoid]; NaN where it has none."""
    error_row: Float
    """(n,) row in which that place is seen, minus the row asked for [px]."""
    error_col: Float
    """(n,) column in which that place is seen, minus the column asked for [px]."""
    status: NDArray[np.uint8]
    """(n,) `OK` where the iteration ends here, `DIVERGED` where it has not ended, else why it failed."""


class Classic(Protocol):
    """A solver that iterates; its settings are its fields."""

    def locate(  # noqa: PLR0917
        self, rpc: Rpc, dem: Dem, row: ArrayLike, col: ArrayLike
    ) -> Located:
        """Locate image positions on a DEM."""
        ...

    def steps(  # noqa: PLR0917
        self, rpc: Rpc, dem: Dem, row: Float, col: Float
    ) -> Iterator[Step]:
        """Yield the iterations of finite image positions (vectors)."""
        ...


Solver = Literal["certified", "gdal", "height-substitution"] | Classic


@dataclass(frozen=True, slots=True, kw_only=True)
class Gdal:
    """The iteration of GDAL's `RPCInverseTransformPoint`.

    A linear map from image to ground is taken from the RPC's reference point and kept. Each step looks up the height
    at the place found so far, projects it, and moves by the linear map of the error. Where row and column errors both
    change sign, the mean of the last two places is tried, weighted by their errors; a point that stays below 2 px for
    five iterations but does not arrive is moved ten times as far.

    As in GDAL the first place may lie beside the DEM: its height is then that of the nearest border, or where that
    has none, or the place lies above the DEM's first row, that of the reference point, or 0. Not as in GDAL, the
    outermost half cell of a DEM has no height: it takes the nearest node there.

    References
    ----------
    GDAL documentation, `GDALCreateRPCTransformerV2`: RPC_PIXEL_ERROR_THRESHOLD, RPC_MAX_ITERATIONS.
    """

    tolerance: float = _TOLERANCE
    """Largest error in row and column of a point that has arrived [px]."""
    max_iterations: int = _MAX_ITERATIONS
    """Places that are tried at most. GDAL takes 10 without a DEM."""

    def __post_init__(self) -> None:
        _check(self.tolerance, self.max_iterations)

    def locate(  # noqa: PLR0917 (model, surface, row, col: the order that everybody knows)
        self, rpc: Rpc, dem: Dem, row: ArrayLike, col: ArrayLike
    ) -> Located:
        """Locate image positions on a DEM.

        Parameters
        ----------
        rpc, dem
            Model of the image; heights, whose holes fail.
        row, col
            Pixels from the outer corner of the image's first pixel, any shape, broadcast.

        Returns
        -------
        Located
            With `iterations` (places tried) and `residual` [px]: the last that was measured, also of failed points.
        """
        return _follow(lambda r, c: self.steps(rpc, dem, r, c), row, col)

    def steps(  # noqa: PLR0917
        self, rpc: Rpc, dem: Dem, row: Float, col: Float
    ) -> Iterator[Step]:
        """Yield the iterations of finite image positions (vectors)."""
        reference, seen, per_pixel = _linear_guess(rpc, dem)
        place = reference[:2, np.newaxis] + per_pixel @ np.stack([row - seen[0], col - seen[1]])
        before, error_before = np.full_like(place, np.nan), np.full_like(place, np.nan)
        small = np.zeros(row.size, dtype=np.intp)
        which = np.arange(row.size)
        for iteration in range(1, self.max_iterations + 1):
            if which.size == 0:
                return
            here = place[:, which]
            height, why = _ground(dem, here)
            if iteration == 1:
                height = _snapped(dem, here, height, otherwise=float(reference[2]))
            error = np.stack(rpc.project(here[0], here[1], height)) - np.stack(
                [row[which], col[which]]
            )
            worst = np.abs(error).max(axis=0)
            status = _state(worst, self.tolerance, np.where(np.isnan(height), why, Status.DIVERGED))
            yield Step(
                iteration=iteration, which=which, lon=_wrapped(here[0]), lat=here[1], height=height,
                error_row=error[0], error_col=error[1], status=status,
            )  # fmt: skip
            go = (status == Status.DIVERGED) & np.isfinite(worst)
            which, here, error, worst = which[go], here[:, go], error[:, go], worst[go]
            last, last_error = before[:, which], error_before[:, which]
            turned = (error * last_error < 0.0).all(axis=0)  # NaN, which is no last error, is False
            # GDAL's axes are column with longitude, row with latitude.
            with np.errstate(invalid="ignore", divide="ignore"):
                weight, last_weight = np.abs(error[::-1]), np.abs(last_error[::-1])
                mean = (weight * last + last_weight * here) / (weight + last_weight)
            boosted = (small[which] >= _PATIENCE) & (worst < _SMALL_ERROR)
            onwards = here - per_pixel @ error * np.where(boosted, _BOOST, 1.0)
            place[:, which] = np.where(turned, mean, onwards)
            before[:, which] = here
            # After a mean the next signs are not compared.
            error_before[:, which] = np.where(turned, np.nan, error)
            small[which] = np.where(turned | (worst >= _SMALL_ERROR), 0, small[which] + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeightSubstitution:
    """Localize at a height, look the height up in the DEM, and again.

    `h' = h + damping (DEM(localize(h)) - h)`, until the place, at the height that the DEM has there, projects onto the
    pixel. Without damping it converges where tan(incidence) times the slope along the view is below 1 in size; with
    it, the bound at -1 moves to 1 - 2 / damping. A surface with more than one point on the line of sight gives
    whichever the start height leads to.
    """

    start_height: float | None = None
    """Where it starts [m above the ellipsoid]. None: in the middle of the RPC's heights."""
    damping: float = 1.0
    """Share of the step that is taken, above 0."""
    tolerance: float = _TOLERANCE
    """Largest error in row and column of a point that has arrived [px]."""
    max_iterations: int = _MAX_ITERATIONS
    """Places that are tried at most."""

    def __post_init__(self) -> None:
        _check(self.tolerance, self.max_iterations)
        if not (math.isfinite(self.damping) and self.damping > 0.0):
            msg = f"damping {self.damping}: must be a number above 0; 1 takes whole steps, 0.5 halves them"
            raise InputError(msg)
        if self.start_height is not None and not math.isfinite(self.start_height):
            msg = (
                f"start height {self.start_height}: must be a number of metres above the ellipsoid"
            )
            raise InputError(msg)

    def locate(  # noqa: PLR0917 (model, surface, row, col: the order that everybody knows)
        self, rpc: Rpc, dem: Dem, row: ArrayLike, col: ArrayLike
    ) -> Located:
        """Locate image positions on a DEM; parameters and result as of `Gdal.locate`."""
        return _follow(lambda r, c: self.steps(rpc, dem, r, c), row, col)

    def steps(  # noqa: PLR0917
        self, rpc: Rpc, dem: Dem, row: Float, col: Float
    ) -> Iterator[Step]:
        """Yield the iterations of finite image positions (vectors)."""
        start = rpc.height_off if self.start_height is None else self.start_height
        level = np.full(row.size, float(start))
        which = np.arange(row.size)
        for iteration in range(1, self.max_iterations + 1):
            if which.size == 0:
                return
            at = rpc.localize(row[which], col[which], level[which])
            here = np.stack([at.lon, at.lat])
            height, why = _ground(dem, here)
            seen = rpc.project(at.lon, at.lat, height)
            error_row, error_col = seen[0] - row[which], seen[1] - col[which]
            worst = np.maximum(np.abs(error_row), np.abs(error_col))
            inverted = at.status == Status.OK
            missed = np.isnan(height) & inverted
            status = _state(worst, self.tolerance, np.where(missed, why, Status.DIVERGED))
            yield Step(
                iteration=iteration, which=which, lon=at.lon, lat=at.lat, height=height,
                error_row=error_row, error_col=error_col, status=status,
            )  # fmt: skip
            go = (status == Status.DIVERGED) & np.isfinite(worst)
            which = which[go]
            level[which] += self.damping * (height[go] - level[which])


_CLASSIC: dict[str, Callable[[], Classic]] = {
    "gdal": Gdal,
    "height-substitution": HeightSubstitution,
}


def named(name: str) -> Classic:
    """Return a solver with its usual settings."""
    make = _CLASSIC.get(name)
    if make is None:
        msg = f"solver {name!r}: must be 'certified', 'gdal' or 'height-substitution'"
        raise InputError(msg)
    return make()


def _check(tolerance: float, max_iterations: int) -> None:
    if not (math.isfinite(tolerance) and tolerance > 0.0):
        msg = f"tolerance {tolerance}: must be a number of pixels above 0, such as 0.1"
        raise InputError(msg)
    if not max_iterations >= 1:
        msg = f"max_iterations {max_iterations}: must be at least 1; 20 is usual"
        raise InputError(msg)


def _follow(
    steps: Callable[[Float, Float], Iterator[Step]], row: ArrayLike, col: ArrayLike
) -> Located:
    """Run the iterations of all usable points, and keep where each of them ended."""
    (row, col), shape = as_floats(row=row, col=col)
    rows, cols = (np.broadcast_to(a, shape).reshape(-1) for a in (row, col))
    usable = np.flatnonzero(np.isfinite(rows) & np.isfinite(cols))
    lon, lat, height, residual = np.full((4, rows.size), np.nan)
    status = np.full(rows.size, Status.BAD_INPUT, dtype=np.uint8)
    iterations = np.zeros(rows.size, dtype=np.int32)
    for step in steps(rows[usable], cols[usable]):
        at = usable[step.which]
        worst = np.maximum(np.abs(step.error_row), np.abs(step.error_col))
        iterations[at], status[at] = step.iteration, step.status
        residual[at] = np.where(np.isfinite(worst), worst, residual[at])
        hit = step.status == Status.OK
        for out, values in ((lon, step.lon), (lat, step.lat), (height, step.height)):
            out[at[hit]] = values[hit]
    return Located(
        lon.reshape(shape), lat.reshape(shape), height.reshape(shape), status.reshape(shape),
        iterations=iterations.reshape(shape), residual=residual.reshape(shape),
    )  # fmt: skip


def _state(worst: Float, tolerance: float, otherwise: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `OK` where the error is small enough."""
    with np.errstate(invalid="ignore"):
        return np.where(worst < tolerance, Status.OK, otherwise).astype(np.uint8)


def _ground(dem: Dem, place: Float) -> tuple[Float, NDArray[np.uint8]]:
    """Return the DEM's height at (longitude, latitude), and why there would be none."""
    row, col = dem.rowcol(place[0], place[1])
    height = np.full(row.shape, np.nan)
    known = np.isfinite(row) & np.isfinite(col)
    height[known] = dem.heights_at_pixels(row[known], col[known])
    margin = 0.0 if dem.interpolation == "nearest" else 0.5  # a surface ends at its outermost nodes
    rows, cols = dem.surface.grid.shape
    with np.errstate(invalid="ignore"):
        inside = (row >= margin) & (row <= rows - margin) & (col >= margin) & (col <= cols - margin)
    return height, np.where(inside, Status.NO_DATA, Status.OUTSIDE_DEM).astype(np.uint8)


def _snapped(dem: Dem, place: Float, height: Float, *, otherwise: float) -> Float:
    """Fill heights that the DEM does not have by those of its border, or by one that is given."""
    missing = np.flatnonzero(np.isnan(height) & np.isfinite(place).all(axis=0))
    if missing.size == 0:
        return height
    row, col = dem.rowcol(*place[:, missing])
    rows, cols = dem.surface.grid.shape
    # GDAL (up to 3.10 at least) snaps places beyond three of the four borders; it tests the column where the row is
    # meant. A solver of its name fails where GDAL does.
    row, col = np.minimum(row, rows - 0.5), np.clip(col, 0.5, cols - 0.5)
    border = np.full(row.shape, np.nan)
    known = np.isfinite(row) & np.isfinite(col)
    border[known] = dem.heights_at_pixels(row[known], col[known])
    filled = height.copy()
    filled[missing] = np.where(np.isnan(border), otherwise, border)
    return filled


def _linear_guess(rpc: Rpc, dem: Dem) -> tuple[Float, Float, Float]:
    """Return the reference point (lon, lat, height), where it is seen, and degrees by rows and columns (2, 2)."""
    lon, lat = np.full(3, rpc.long_off), np.full(3, rpc.lat_off)
    height = float(_ground(dem, np.stack([lon[:1], lat[:1]]))[0][0])
    height = 0.0 if math.isnan(height) else height
    lon[1] += _PROBE
    lat[2] += _PROBE
    seen = np.stack(rpc.project(lon, lat, height))
    per_degree = (seen[:, 1:] - seen[:, :1]) / _PROBE
    determinant = float(per_degree[0, 0] * per_degree[1, 1] - per_degree[0, 1] * per_degree[1, 0])
    if not (math.isfinite(determinant) and determinant != 0.0):
        # No linear map: every point is NaN from the first step on, and so has diverged.
        return np.array([lon[0], lat[0], height]), seen[:, 0], np.full((2, 2), np.nan)
    return (
        np.array([lon[0], lat[0], height]),
        seen[:, 0],
        np.asarray(np.linalg.inv(per_degree), dtype=np.float64),
    )


def _wrapped(lon: Float) -> Float:
    """Bring longitudes into [-180, 180]; those that are there stay as they are, to the last bit."""
    beyond = np.abs(lon) > 180.0
    return np.where(beyond, np.mod(lon + 180.0, 360.0) - 180.0, lon)
