"""Results as JSON has them: plain numbers, text, lists and dictionaries, and null for what is not a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Return a value without tuples, numpy's numbers, NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def number_or_nan(value: Any) -> float:
    """Return a number; NaN for null."""
    return math.nan if value is None else float(value)


def figures_from(items: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Read figures by name, in groups by name."""
    return {
        name: {k: math.nan if v is None else v for k, v in figures.items()}
        for name, figures in items.items()
    }
