"""Rational polynomial coefficients: model, readers, and the intersection with a DEM."""

from __future__ import annotations

from trueground.rpc.model import Located, Rpc

__all__ = ["Located", "Rpc"]
