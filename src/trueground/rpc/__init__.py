"""Rational polynomial coefficients: model, readers, and the intersection with a DEM."""

from __future__ import annotations

from trueground.rpc.located import Located
from trueground.rpc.model import Rpc

__all__ = ["Located", "Rpc"]
