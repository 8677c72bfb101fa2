"""The coefficients of a direct model, from image to ground, as DIMAP files hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trueground.errors import RpcError

_TERMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectModel:
    """Rational functions that give normalised longitude and latitude of normalised column, row and height.

    Offsets and scales are those of the `Rpc` that holds them. The terms are those of RPC00B, with
    the column in the place of the longitude and the row in that of the latitude.
    """

    lon_num: tuple[float, ...]
    """20 coefficients."""
    lon_den: tuple[float, ...]
    """20 coefficients."""
    lat_num: tuple[float, ...]
    """20 coefficients."""
    lat_den: tuple[float, ...]
    """20 coefficients."""

    def __post_init__(self) -> None:
        for name in ("lon_num", "lon_den", "lat_num", "lat_den"):
            terms = tuple(float(c) for c in getattr(self, name))
            object.__setattr__(self, name, terms)
            if len(terms) != _TERMS:
                msg = f"{name} of the direct model has {len(terms)} coefficients: must be {_TERMS}"
                raise RpcError(msg)
            if not np.isfinite(terms).all():
                msg = f"{name} of the direct model holds a number that is not finite; the RPC is damaged"
                raise RpcError(msg)
