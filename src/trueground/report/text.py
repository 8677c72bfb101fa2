"""Numbers and values as a reader expects them: units, a real minus sign, sensible digits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from pyproj import CRS
from pyproj.exceptions import CRSError

from trueground.plot.style import MINUS

MISSING = "\N{EN DASH}"
_SPACE = "\N{NO-BREAK SPACE}"
_UNITS = {
    "metre": "m",
    "meter": "m",
    "metres": "m",
    "degree": "°",
    "degrees": "°",
    "US survey foot": "ft",
}
_DEGREE_DECIMALS = 7  # of a degree: a centimetre


def as_number(value: object) -> float | None:
    """Return a finite number, or None for whatever else was found in its place."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def unit_symbol(name: object) -> str:
    """Return the symbol of a unit of length or angle; metres where none is given."""
    return "m" if not name else _UNITS.get(str(name), str(name))


def crs_name(text: object) -> str:
    """Return the name and code of a CRS instead of its WKT.

    Examples
    --------
    >>> crs_name("EPSG:32632")
    'WGS 84 / UTM zone 32N (EPSG:32632)'
    """
    crs = _parsed(text)
    if crs is None:
        return plain(text)
    authority = crs.to_authority()
    return crs.name if authority is None else f"{crs.name} ({':'.join(authority)})"


def crs_unit(text: object) -> str | None:
    """Return the name of the unit of x and y in a CRS, None where it is not known."""
    crs = _parsed(text)
    return None if crs is None or not crs.axis_info else str(crs.axis_info[0].unit_name)


def _parsed(text: object) -> CRS | None:
    try:
        return CRS.from_user_input(text) if text else None
    except CRSError:
        return None


def decimals_for(values: Iterable[float | None], *, unit: str = "m") -> int:
    """Return the decimals for values of about this size: centimetres, finer for small ones."""
    if unit == "°":
        return _DEGREE_DECIMALS
    sizes = [abs(v) for v in values if v is not None and v != 0.0]
    largest = max(sizes, default=1.0)
    if largest >= 1000.0:
        return 1
    return 2 if largest >= 0.1 else 3 if largest >= 0.01 else 4


def number(value: float | None, *, decimals: int = 2, signed: bool = False) -> str:
    """Return a number with a fixed number of decimals.

    Examples
    --------
    >>> number(1234.5), number(None) == MISSING, number(0.25, signed=True)
    ('1,234.50', True, '+0.25')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:{'+' if signed else ''},.{decimals}f}"
    if not text.strip("+-0.,"):  # rounded to zero: it has no sign
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def quantity(
    value: float | None, unit: str = "m", *, decimals: int | None = None, signed: bool = False
) -> str:
    """Return a number with its unit, which never stand on different lines."""
    if value is None:
        return MISSING
    places = decimals_for([value], unit=unit) if decimals is None else decimals
    text = number(value, decimals=places, signed=signed)
    return f"{text}{'' if unit == '°' else _SPACE}{unit}"


def towards(
    value: float | None, words: tuple[str, str], unit: str = "m", *, decimals: int | None = None
) -> str:
    """Return a shift in words, such as `2.00 m north`.

    Examples
    --------
    >>> towards(-2.0, ("north", "south")).split()
    ['2.00', 'm', 'south']
    """
    if value is None:
        return f"{MISSING} {words[0]}"
    return (
        f"{quantity(abs(value), unit, decimals=decimals)} {words[0] if value >= 0.0 else words[1]}"
    )


def percent_change(before: float | None, after: float | None) -> str:
    """Return how much smaller or larger a value became, or nothing where it cannot be said."""
    if before is None or after is None or before == 0.0:
        return ""
    return f"{number(100.0 * (after - before) / before, decimals=0, signed=True)}{_SPACE}%"


def plain(value: object) -> str:
    """Return any value of a result as text: lists with commas, mappings as `name: value`.

    Examples
    --------
    >>> plain({"size": 256, "edges": [0.5, True]})
    'size: 256; edges: 0.5, yes'
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        whole = isinstance(value, int) or abs(value) >= 1000.0
        text = f"{round(value, 2):,}" if whole else f"{value:.6g}"
        return text.replace("-", MINUS) if math.isfinite(value) else MISSING
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {plain(item)}" for name, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(plain(item) for item in value)
    return str(value)


def file_name(value: object, otherwise: str) -> str:
    """Return the last part of a path, for titles."""
    return PurePath(str(value)).name or otherwise if value else otherwise
