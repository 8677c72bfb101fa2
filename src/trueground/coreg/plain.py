"""Results as JSON has them: plain numbers, text, lists and dictionaries, and null for what is not a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Matrix = tuple[tuple[float, ...], ...]


def plain(value: Any) -> Any:
    """Return a value without tuples, numpy's numbers, NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return number_or_none(value) if isinstance(value, float) else value


def number_or_none(value: float) -> float | None:
    """Return a number; None where it is not finite: JSON has neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def number_or_nan(value: Any) -> float:
    """Return a number; NaN for null."""
    return math.nan if value is None else float(value)


def line_from(items: Mapping[str, Any]) -> dict[str, float]:
    """Read figures by name."""
    return {name: math.nan if v is None else v for name, v in items.items()}


def figures_from(items: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Read figures by name, in groups by name."""
    return {name: line_from(figures) for name, figures in items.items()}


def matrix_of(values: ArrayLike) -> Matrix:
    """Return a matrix as results hold it: tuples of plain numbers, line by line."""
    return tuple(map(tuple, np.asarray(values, dtype=np.float64).tolist()))


def same(one: Any, two: Any) -> bool:
    """Tell whether values are equal, where NaN equals NaN, and a list the tuple of the same items."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(same(v, two[k]) for k, v in one.items())
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, float) and isinstance(two, float) and math.isnan(one):
        return math.isnan(two)
    return bool(one == two)
