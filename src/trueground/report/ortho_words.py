"""Numbers of the report of an orthoimage in words."""

from __future__ import annotations

import math

from trueground.quality import OrthoQuality
from trueground.quality.result import GridFacts
from trueground.report.text import crs_unit, unit_symbol

HIDDEN = {
    "fill": "is no data",
    "mask": "keeps values that belong to what stands before it",
    "ignore": "shows what stands before it, twice",
}


def known(value: float) -> float | None:
    """Return a number, None for NaN."""
    return value if math.isfinite(value) else None


def angle_decimals(quality: OrthoQuality) -> int:
    """Return the decimals that tell the lowest incidence from the highest."""
    spread = quality.incidence.high - quality.incidence.low
    return 1 if not spread < 1.0 else 2 if spread >= 0.1 else 3


def significant(value: float) -> str:
    """Return three significant digits."""
    return f"{float(f'{value:.3g}'):.10g}"


def pixel(facts: GridFacts) -> str:
    """Return the size of a pixel with its unit."""
    unit = unit_symbol(crs_unit(facts.crs))
    dx, dy = (f"{v:.6g}" for v in facts.resolution)
    size = dx if dx == dy else f"{dx} x {dy}"
    return f"{size}{'' if unit == '°' else ' '}{unit}"
