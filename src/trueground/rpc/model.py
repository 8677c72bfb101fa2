"""Rational polynomial coefficients of an image, and both directions between image and ground at a height."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import RpcError
from trueground.kernels import rational
from trueground.status import Status

Float = NDArray[np.float64]
Coefficients = tuple[float, ...]

HALF_PIXEL = 0.5  # px from the outer corner, where trueground counts from, to the centre, where RPC formulas do
_TOLERANCE = 1e-9  # px, residual of the inverse


class Located(NamedTuple):
    """Ground points of image positions."""

    lon: Float
    """Longitude [degrees]; NaN where the point failed."""
    lat: Float
    """Latitude [degrees]."""
    height: Float
    """Height above the WGS 84 ellipsoid [m]."""
    status: NDArray[np.uint8]
    """`Status` of each point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """Rational function model of an image (RPC00B).

    Offsets are as in the standard: the centre of the image's first pixel is (0, 0) for `line_off` and `samp_off`.

    References
    ----------
    NIMA, *The Compendium of Controlled Extensions for NITF*, STDI-0002, appendix E, section E.2.4 (RPC00B).
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
    origin: str = ""
    """Where it was read from, and how its first pixel was counted there."""
    _packed: Float = field(init=False, repr=False, compare=False, hash=False)

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
            if len(terms) != 20:  # noqa: PLR2004 (terms of a cubic in three variables)
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
        packed.flags.writeable = False
        object.__setattr__(self, "_packed", packed)

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
        (lon, lat, height), shape = _flat(lon, lat, height)
        row, col = np.empty(lon.shape), np.empty(lon.shape)
        rational.project(self._packed, lon, lat, height, row, col)
        row += HALF_PIXEL
        col += HALF_PIXEL
        bad = ~(np.isfinite(row) & np.isfinite(col))
        row[bad] = col[bad] = np.nan
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
        (row, col, height), shape = _flat(row, col, height)
        lon, lat = np.empty(row.shape), np.empty(row.shape)
        status = np.empty(row.shape, dtype=np.uint8)
        rational.localize(
            self._packed, row - HALF_PIXEL, col - HALF_PIXEL, height, _TOLERANCE, lon, lat, status
        )
        status[~(np.isfinite(row) & np.isfinite(col) & np.isfinite(height))] = Status.BAD_INPUT
        height = np.where(status == Status.OK, height, np.nan)
        return Located(lon.reshape(shape), lat.reshape(shape), height.reshape(shape), status.reshape(shape))

    def cropped(self, row_offset: float, col_offset: float) -> Rpc:
        """Return the RPC of a crop whose first pixel is the scene's pixel (row_offset, col_offset)."""
        return replace(self, line_off=self.line_off - row_offset, samp_off=self.samp_off - col_offset)

    def to_tags(self) -> dict[str, str]:
        """Return the items of GDAL's RPC metadata domain, with all digits."""
        tags: dict[str, str] = {}
        for name in ("line", "samp", "lat", "long", "height"):
            for kind in ("off", "scale"):
                tags[f"{name}_{kind}".upper()] = repr(getattr(self, f"{name}_{kind}"))
        for name in ("line_num", "line_den", "samp_num", "samp_den"):
            tags[f"{name}_coeff".upper()] = " ".join(map(repr, getattr(self, name)))
        return tags


def _flat(*arrays: ArrayLike) -> tuple[list[Any], tuple[int, ...]]:
    """Broadcast to one shape and return contiguous float64 vectors."""
    broad = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in arrays))
    return [np.ascontiguousarray(a).reshape(-1) for a in broad], broad[0].shape
