"""Rational polynomial coefficients of an image, and both directions between image and ground at a height."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import InputError, RpcError
from trueground.kernels import derivatives, rational
from trueground.rpc import viewing
from trueground.rpc.located import HALF_PIXEL, Float, Located, as_floats
from trueground.rpc.terms import cubic_terms
from trueground.rpc.viewing import Extrapolation, GroundSampling, Viewing
from trueground.shown import Shown

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.rpc.classic import Solver
    from trueground.rpc.direct_model import DirectModel
    from trueground.rpc.filled import OnNodata
    from trueground.rpc.footprint import Footprint

Coefficients = tuple[float, ...]
PixelOrigin = Literal[0, 1]  # what a file calls the centre of the first pixel

_SMALLEST_FACTOR = 1e-9  # of a rescaled image; the largest is its inverse
_FAR, _FAR_HEIGHT = 3.0, 200.0  # scales of the RPC, beyond which it says nothing
_TOLERANCE = 1e-9  # px, residual of the inverse
_NODES = np.linspace(-1.1, 1.1, 9)  # normalised units, at which the start of the inverse is fitted
# Newton's method squares an error at each step; models curve so little that 1e-5 becomes some 1e-13, far below 1e-9 px.
_ONE_STEP, _TWO_STEPS = 1e-5, 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc(Shown):
    """Rational function model of an image (RPC00B).

    Offsets are as in the standard: the centre of the image's first pixel is (0, 0) for `line_off` and `samp_off`.

    References
    ----------
    NIMA, *The Compendium of Controlled Extensions for NITF*, STDI-0002, appendix E, section E.2.4 (RPC00B).

    Examples
    --------
    >>> from trueground.samples import small_rpc
    >>> rpc = small_rpc()
    >>> row, col = rpc.project(9.9, 46.4, 1000.0)
    >>> round(float(row), 3), round(float(col), 3)
    (500.0, 500.0)
    >>> back = rpc.localize(row, col, 1000.0)
    >>> round(float(back.lon), 6), round(float(back.lat), 6)
    (9.9, 46.4)
    """

    line_off: float
    """[px] from the centre of the first pixel."""
    samp_off: float
    """[px] from the centre of the first pixel."""
    lat_off: float
    """[degrees]"""
    long_off: float
    """[degrees]"""
    height_off: float
    """[m above the WGS 84 ellipsoid]"""
    line_scale: float
    """[px]"""
    samp_scale: float
    """[px]"""
    lat_scale: float
    """[degrees]"""
    long_scale: float
    """[degrees]"""
    height_scale: float
    """[m]"""
    line_num: Coefficients
    """20 coefficients."""
    line_den: Coefficients
    """20 coefficients."""
    samp_num: Coefficients
    """20 coefficients."""
    samp_den: Coefficients
    """20 coefficients."""
    origin: str = field(default="", compare=False)
    """Where it was read from, and how its first pixel was counted there."""
    pixel_origin: PixelOrigin = field(default=0, compare=False)
    """What the file it was read from calls the centre of the first pixel; here that is always 0."""
    direct: DirectModel | None = field(default=None, compare=False)
    """The manufacturer's polynomials from image to ground, where the file holds them (DIMAP)."""
    _packed: Float = field(init=False, repr=False, compare=False, hash=False)
    _start: Float = field(init=False, repr=False, compare=False, hash=False)
    _steps: int = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        packed = np.empty(rational.SIZE)
        names = ("line_off", "samp_off", "lat_off", "long_off", "height_off")
        scales = ("line_scale", "samp_scale", "lat_scale", "long_scale", "height_scale")
        for i, name in enumerate((*names, *scales)):
            object.__setattr__(self, name, float(getattr(self, name)))
            packed[i] = getattr(self, name)
        for start, name in (
            (rational.LINE_NUM, "line_num"),
            (rational.LINE_DEN, "line_den"),
            (rational.SAMP_NUM, "samp_num"),
            (rational.SAMP_DEN, "samp_den"),
        ):
            terms = tuple(float(c) for c in getattr(self, name))
            object.__setattr__(self, name, terms)
            if len(terms) != 20:
                msg = f"{name} has {len(terms)} coefficients: RPC00B has 20"
                raise RpcError(msg)
            packed[start : start + 20] = terms
        if not np.isfinite(packed).all():
            msg = "an RPC coefficient, offset or scale is not a finite number; the RPC is damaged"
            raise RpcError(msg)
        for name in scales:
            if getattr(self, name) == 0.0:
                msg = f"{name.upper()} is 0: a scale must not be zero; the RPC is damaged"
                raise RpcError(msg)
        for name in ("line_den", "samp_den"):
            if not any(getattr(self, name)):
                msg = f"{name.upper()} is all zeros: the denominator vanishes everywhere; the RPC is damaged"
                raise RpcError(msg)
        packed[rational.LINE_OFF] += HALF_PIXEL
        packed[rational.SAMP_OFF] += HALF_PIXEL
        packed.flags.writeable = False
        object.__setattr__(self, "_packed", packed)
        first_guess, steps = _start_of(packed)
        object.__setattr__(self, "_start", first_guess)
        object.__setattr__(self, "_steps", steps)

    @property
    def packed(self) -> Float:
        """The model as kernels take it, see `kernels.rational`; its offsets count from the outer corner."""
        return self._packed

    def project(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> tuple[Float, Float]:
        """Return image positions of ground points.

        Parameters
        ----------
        lon, lat
            Degrees on WGS 84, any shape, broadcast with `height`.
        height
            Metres above the WGS 84 ellipsoid.

        Returns
        -------
        row, col
            Pixels from the outer corner of the first pixel, whose centre is (0.5, 0.5); NaN for NaN, and where a
            denominator vanishes.
        """
        (lon, lat, height), shape = _flat(lon=lon, lat=lat, height=height)
        row, col = np.empty((2, lon.size))
        rational.project(self._packed, lon, lat, height, row, col)
        return row.reshape(shape), col.reshape(shape)

    def localize(self, row: ArrayLike, col: ArrayLike, height: ArrayLike) -> Located:
        """Return the ground points that an image position shows at given heights.

        Newton's method in normalised coordinates with the analytic Jacobian, to 1e-9 px.

        Parameters
        ----------
        row, col
            Pixels from the outer corner of the first pixel, any shape, broadcast with `height`.
        height
            Metres above the WGS 84 ellipsoid.

        Returns
        -------
        Located
            Longitude, latitude, height and a status for each point.
        """
        (row, col, height), shape = _flat(row=row, col=col, height=height)
        lon, lat, z = np.empty((3, row.size))
        status = np.empty(row.shape, dtype=np.uint8)
        rational.localize(
            self._packed, self._start, row, col, height, _TOLERANCE, self._steps, lon, lat, z, status
        )  # fmt: skip
        return Located(
            lon.reshape(shape), lat.reshape(shape), z.reshape(shape), status.reshape(shape)
        )

    def localize_on(
        self,
        dem: Dem,
        row: ArrayLike,
        col: ArrayLike,
        *,
        solver: Solver = "certified",
        on_nodata: OnNodata = "fail",
    ) -> Located:
        """Return the first point of a DEM that each image position sees; see `localize_on`."""
        from trueground.rpc.localize import localize_on

        return localize_on(self, dem, row, col, solver=solver, on_nodata=on_nodata)

    def project_jacobian(
        self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike
    ) -> tuple[Float, Float, Float]:
        """Return image positions of ground points, and their derivatives.

        By the quotient rule, exact up to round-off.

        Parameters
        ----------
        lon, lat
            Degrees on WGS 84, any shape, broadcast with `height`.
        height
            Metres above the WGS 84 ellipsoid.

        Returns
        -------
        row, col
            As of `project`.
        jacobian
            (..., 2, 3): row and column by longitude, latitude [px per degree] and height [px per metre]; NaN for NaN,
            and where a denominator vanishes.
        """
        (x, y, h), shape = _flat(lon=lon, lat=lat, height=height)
        jacobian = np.empty((x.size, 2, 3))
        derivatives.project_jacobian(self._packed, x, y, h, jacobian)
        return *self.project(lon, lat, height), jacobian.reshape(*shape, 2, 3)

    def viewing(self, row: ArrayLike, col: ArrayLike, height: ArrayLike) -> Viewing:
        """Return incidence and azimuth [degrees] at which image positions are seen; see `viewing.viewing`."""
        return viewing.viewing(self, row, col, height)

    def ground_sampling(self, row: ArrayLike, col: ArrayLike, height: ArrayLike) -> GroundSampling:
        """Return metres on the ground per row and per column; see `viewing.ground_sampling`."""
        return viewing.ground_sampling(self, row, col, height)

    def footprint(
        self,
        rows: float,
        cols: float,
        *,
        dem: Dem | None = None,
        height: ArrayLike | None = None,
        steps: int = 64,
    ) -> Footprint:
        """Return the outline on the ground of an image of this size [px]; see `footprint.footprint`."""
        from trueground.rpc.footprint import footprint

        return footprint(self, rows, cols, dem=dem, height=height, steps=steps)

    def extrapolation(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> Extrapolation:
        """Return how far points lie outside of what the RPC was made for; see `viewing.extrapolation`."""
        return viewing.extrapolation(self, lon, lat, height)

    def in_domain(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> NDArray[np.bool_]:
        """Tell which ground points are so near to what the RPC was made for that its answer means something.

        That is three times its extent to each side, and 200 times its range of heights: outside of the heights RPCs
        drift slowly (Pleiades: 0.01 px after seven ranges, 0.9 px after fifty), beside the scene they run wild.
        """
        with np.errstate(invalid="ignore"):
            x = np.asarray(lon) - self.long_off
            if (np.abs(x) > 180.0).any():
                x = np.mod(x + 180.0, 360.0) - 180.0
            y = np.asarray(lat) - self.lat_off
            h = np.asarray(height) - self.height_off
            return np.asarray(
                (np.abs(x) <= _FAR * abs(self.long_scale))
                & (np.abs(y) <= _FAR * abs(self.lat_scale))
                & (np.abs(h) <= _FAR_HEIGHT * abs(self.height_scale))
            )

    def cropped(self, row_offset: float, col_offset: float) -> Rpc:
        """Return the RPC of a crop whose first pixel is the scene's pixel (row_offset, col_offset).

        Raises
        ------
        InputError
            Where an offset is not finite.
        """
        line_off, samp_off = self.line_off - row_offset, self.samp_off - col_offset
        if not (np.isfinite(line_off) and np.isfinite(samp_off)):
            msg = f"crop at row {row_offset}, column {col_offset}: must be finite numbers of pixels of the scene"
            raise InputError(msg)
        return replace(self, line_off=line_off, samp_off=samp_off)

    def rescaled(self, row_factor: float, col_factor: float | None = None) -> Rpc:
        """Return the RPC of the image resampled to other pixels, with the same outer corner.

        Parameters
        ----------
        row_factor
            Rows of the new image by rows of this one: 0.5 for an overview of half the size.
        col_factor
            The same for columns. Default: `row_factor`.

        Raises
        ------
        InputError
            Where a factor is not above 0.
        """
        col_factor = row_factor if col_factor is None else col_factor
        for factor in (row_factor, col_factor):
            if not _SMALLEST_FACTOR <= factor <= 1.0 / _SMALLEST_FACTOR:
                msg = f"factor {factor}: an image is rescaled by a number above 0, such as 0.5, which halves it"
                raise InputError(msg)
        return replace(
            self,
            line_off=(self.line_off + HALF_PIXEL) * row_factor - HALF_PIXEL,
            samp_off=(self.samp_off + HALF_PIXEL) * col_factor - HALF_PIXEL,
            line_scale=self.line_scale * row_factor,
            samp_scale=self.samp_scale * col_factor,
        )

    @property
    def height_range(self) -> tuple[float, float]:
        """Lowest and highest height [m above the ellipsoid] that the model was made for.

        Offset minus and plus the scale, where normalised heights are -1 and 1. (shareloc's
        `get_alt_min_max` gives half of that: offset minus and plus scale / 2.)
        """
        reach = abs(self.height_scale)
        return self.height_off - reach, self.height_off + reach

    def to_tags(self) -> dict[str, str]:
        """Return the items of GDAL's RPC metadata domain, with all digits."""
        tags: dict[str, str] = {}
        for name in ("line", "samp", "lat", "long", "height"):
            for kind in ("off", "scale"):
                tags[f"{name}_{kind}".upper()] = repr(getattr(self, f"{name}_{kind}"))
        for name in ("line_num", "line_den", "samp_num", "samp_den"):
            tags[f"{name}_coeff".upper()] = " ".join(map(repr, getattr(self, name)))
        return tags


def _start_of(packed: Float) -> tuple[Float, int]:
    """Fit the cubic polynomials from which the inverse starts, and say how many steps of Newton's method they need.

    The polynomials give normalised longitude and latitude of normalised sample, line and height. A model so odd that
    they cannot be fitted gets none, and each of its points is solved from the centre.
    """
    x, y, h = (a.ravel() for a in np.meshgrid(_NODES, _NODES, _NODES[::2], indexing="ij"))
    normalised = packed.copy()
    normalised[:5], normalised[5:10] = 0.0, 1.0
    line, samp = np.empty(x.shape), np.empty(x.shape)
    rational.project(normalised, x, y, h, line, samp)
    start = np.zeros(40)
    if (
        not (np.isfinite(line) & np.isfinite(samp)).all()
        or max(np.abs(line).max(), np.abs(samp).max()) > rational.FAR
    ):
        return start, 0
    design = cubic_terms(samp, line, h)
    solution = np.linalg.lstsq(design, np.stack([x, y], axis=1), rcond=None)[0]
    start[:20], start[20:] = solution.T
    error = float(np.abs(design @ solution - np.stack([x, y], axis=1)).max())
    return start, 1 if error < _ONE_STEP else 2 if error < _TWO_STEPS else 3


def _flat(**named: ArrayLike) -> tuple[list[Float], tuple[int, ...]]:
    """Broadcast to one shape; return contiguous, writable float64 vectors: kernels are compiled for one type."""
    given, shape = as_floats(**named)
    plain = [a.shape == shape and a.flags.c_contiguous and a.flags.writeable for a in given]
    return [
        (a if ready else np.array(np.broadcast_to(a, shape))).reshape(-1)
        for a, ready in zip(given, plain, strict=True)
    ], shape
