"""How good an orthoimage is: viewing angles, hidden ground, heights, the RPC's domain, residuals."""

from __future__ import annotations

from trueground.quality.assess import assess
from trueground.quality.control import gcp_residuals, reference_residuals
from trueground.quality.result import OrthoQuality, QualityMaps, Residuals, Sight

__all__ = [
    "OrthoQuality",
    "QualityMaps",
    "Residuals",
    "Sight",
    "assess",
    "gcp_residuals",
    "reference_residuals",
]
