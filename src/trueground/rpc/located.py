"""Ground points of image positions: what every way from the image to the ground returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

HALF_PIXEL = 0.5  # px from the outer corner, where trueground counts from, to the centre, where RPC formulas do


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
    """Ground points of image positions; unpacks as longitude, latitude, height and status."""

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
