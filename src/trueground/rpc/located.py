"""Ground points of image positions: what every way from the image to the ground returns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import InputError

Float = NDArray[np.float64]

HALF_PIXEL = 0.5  # px from the outer corner, where trueground counts from, to the centre, where RPC formulas do


_NO_NUMBERS = {"U": "text", "S": "text", "c": "complex numbers"}  # kinds of numpy's, in words


class _Points(NamedTuple):
    lon: Float
    """Longitude [degrees]; NaN where the point failed."""
    lat: Float
    """Latitude [degrees]."""
    height: Float
    """Height above the WGS 84 ellipsoid [m]."""
    status: NDArray[np.uint8]
    """`Status` of each point."""


class Located(_Points):
    """Ground points of image positions; unpacks as longitude, latitude, height and status.

    Examples
    --------
    >>> from trueground.samples import small_rpc
    >>> rpc = small_rpc()
    >>> lon, lat, height, status = rpc.localize([500.0], [500.0], 1000.0)
    >>> lon.round(6), lat.round(6), height, status
    (array([9.9]), array([46.4]), array([1000.]), array([0], dtype=uint8))
    """

    iterations: NDArray[np.int32] | None
    """Steps that the solver took to each point, where it counts them."""
    residual: Float | None
    """How far from its image position each point projects [px], where the solver measured it."""

    def __new__(  # noqa: PLR0917 (the order of the tuple)
        cls,
        lon: Float,
        lat: Float,
        height: Float,
        status: NDArray[np.uint8],
        *,
        iterations: NDArray[np.int32] | None = None,
        residual: Float | None = None,
    ) -> Located:
        """Hold the four arrays, and what is known of the way to them."""
        made = super().__new__(cls, lon, lat, height, status)
        made.iterations, made.residual = iterations, residual
        return made


def as_floats(**named: ArrayLike) -> tuple[list[Float], tuple[int, ...]]:
    """Return numbers as arrays of float64, each of its own shape, and the shape that they have together.

    What a mask hides becomes NaN. An array of float64 is returned itself.

    Raises
    ------
    InputError
        Where one of them is not of real numbers, or their shapes do not go together; it calls them by their names.

    Examples
    --------
    >>> (row, col), shape = as_floats(row=[1, 2], col=np.ma.masked_equal([3.0, 0.0], 0.0))
    >>> col, shape
    (array([ 3., nan]), (2,))
    """
    arrays = [
        value if type(value) is np.ndarray and value.dtype == np.float64 else _as_float(name, value)
        for name, value in named.items()
    ]
    try:
        return arrays, np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError as error:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(named, arrays, strict=True))
        msg = f"shapes {shapes}: must broadcast; give arrays of one shape, or single numbers"
        raise InputError(msg) from error


def _as_float(name: str, value: ArrayLike) -> Float:
    """Return what is not an array of float64 yet as one."""
    try:
        given: NDArray[Any] = np.asanyarray(value)  # keeps a mask
        if given.dtype.kind in "buifO":  # O: numbers of Python's own, such as Decimal
            with np.errstate(over="ignore"):
                floats = given.astype(np.float64, copy=False)
            return (
                np.ma.filled(floats, np.nan)
                if isinstance(floats, np.ma.MaskedArray)
                else np.asarray(floats)
            )
        why = _NO_NUMBERS.get(given.dtype.kind, str(given.dtype))
    except (TypeError, ValueError, OverflowError) as error:
        why = str(error)
    msg = f"{name} {str(value)[:40]!r}: must be real numbers ({why}); give a number or an array of them"
    raise InputError(msg)
