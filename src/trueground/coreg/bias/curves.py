"""Functions of one number, of which corrections of heights are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError

Float = NDArray[np.float64]
Numbers = tuple[float, ...]
_FINE = 32  # places between two nodes of a spline: between them it is a straight line to 1e-4 of its bends


@dataclass(frozen=True, kw_only=True)
class _ThroughNodes:
    """What goes through values at nodes."""

    nodes: Numbers
    """Rising."""
    values: Numbers
    """[m]."""

    def __post_init__(self) -> None:
        _check_nodes(self.nodes, self.values)

    @property
    def coefficients(self) -> Numbers:
        """The values [m]."""
        return self.values


@dataclass(frozen=True, kw_only=True)
class Table(_ThroughNodes):
    """Values at nodes, straight lines between them, and flat beyond; with a period, around the circle."""

    period: float | None = None

    kind: ClassVar[str] = "table"

    def at(self, u: Float) -> Float:
        """Return the value [m] at each number; NaN at NaN."""
        return np.asarray(np.interp(u, self.nodes, self.values, period=self.period))


@dataclass(frozen=True, kw_only=True)
class Spline(_ThroughNodes):
    """The smoothest curve through values at nodes, flat beyond them: a natural cubic spline."""

    kind: ClassVar[str] = "spline"

    def at(self, u: Float) -> Float:
        """Return the value [m] at each number; NaN at NaN."""
        from scipy.interpolate import CubicSpline

        if len(self.nodes) == 1:
            return np.where(np.isnan(u), np.nan, self.values[0])
        curve = CubicSpline(self.nodes, self.values, bc_type="natural")
        low, high = self.nodes[0], self.nodes[-1]
        if u.size <= _FINE * len(self.nodes):
            return np.asarray(curve(np.clip(u, low, high)))
        fine = np.linspace(low, high, _FINE * (len(self.nodes) - 1) + 1)
        return np.asarray(np.interp(u, fine, curve(fine)))


@dataclass(frozen=True, kw_only=True)
class Sines:
    r"""A constant and waves without an end, :math:`c + \sum_k a_k \cos 2\pi f_k u + b_k \sin 2\pi f_k u`."""

    constant: float
    """[m]."""
    frequencies: Numbers
    """Waves in one unit of the number."""
    cosines: Numbers
    """[m]."""
    sines: Numbers
    """[m]."""

    kind: ClassVar[str] = "sines"

    def __post_init__(self) -> None:
        if not len(self.frequencies) == len(self.cosines) == len(self.sines):
            msg = "each wave needs a frequency, the part of its cosine and that of its sine"
            raise InputError(msg)
        _check_finite((self.constant, *self.frequencies, *self.cosines, *self.sines))

    @property
    def coefficients(self) -> Numbers:
        """The constant [m]; for each wave cosine [m], sine [m] and frequency."""
        waves = zip(self.cosines, self.sines, self.frequencies, strict=True)
        return (self.constant, *(v for wave in waves for v in wave))

    @property
    def amplitudes(self) -> Numbers:
        """Half the height [m] of each wave."""
        return tuple(np.hypot(self.cosines, self.sines).tolist())

    def at(self, u: Float) -> Float:
        """Return the value [m] at each number; NaN at NaN."""
        out = np.full(np.shape(u), self.constant)
        for f, a, b in zip(self.frequencies, self.cosines, self.sines, strict=True):
            # One sine is half as dear as a sine and a cosine.
            out += np.hypot(a, b) * np.sin((2.0 * np.pi * f) * u + np.arctan2(a, b))
        return np.where(np.isnan(u), np.nan, out)


@dataclass(frozen=True, kw_only=True)
class Powers:
    r"""A polynomial, :math:`\sum_k c_k ((u - m) / s)^k`, flat beyond its reach."""

    centre: float
    scale: float
    coefficients: Numbers
    """[m], the constant first."""
    reach: tuple[float, float]
    """Numbers beyond which it is flat."""

    kind: ClassVar[str] = "powers"

    def __post_init__(self) -> None:
        if not (self.scale > 0.0 and self.coefficients and len(self.reach) == 2):
            msg = "a polynomial needs a scale above 0, coefficients, and a reach from one number to another"
            raise InputError(msg)
        _check_finite((self.centre, self.scale, *self.coefficients, *self.reach))

    def scaled(self, u: Float) -> Float:
        """Return what is raised to powers."""
        return np.asarray((np.clip(u, *self.reach) - self.centre) / self.scale)

    def at(self, u: Float) -> Float:
        """Return the value [m] at each number; NaN at NaN."""
        return np.asarray(np.polynomial.polynomial.polyval(self.scaled(u), self.coefficients))


Curve = Table | Spline | Sines | Powers
_KINDS: dict[str, type[Table] | type[Spline] | type[Sines] | type[Powers]] = {
    c.kind: c for c in (Table, Spline, Sines, Powers)
}


def curve_to_dict(curve: Curve) -> dict[str, Any]:
    """Return a curve as plain numbers and lists."""
    return {"kind": curve.kind, **asdict(curve)}


def curve_from_dict(items: Mapping[str, Any]) -> Curve:
    """Read what `curve_to_dict` made.

    Raises
    ------
    KeyError, TypeError, ValueError, InputError
        Where the items are none.
    """
    parts = {k: _plain(v) for k, v in items.items() if k != "kind"}
    return _KINDS[items["kind"]](**parts)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(float(v) for v in value)
    return None if value is None else float(value)


def _check_nodes(nodes: Numbers, values: Numbers) -> None:
    if not nodes or len(nodes) != len(values):
        msg = f"{len(nodes)} nodes and {len(values)} values: must be as many, and at least one"
        raise InputError(msg)
    _check_finite((*nodes, *values))
    if not (np.diff(nodes) > 0.0).all():
        msg = "the nodes of a curve must rise"
        raise InputError(msg)


def _check_finite(numbers: Numbers) -> None:
    if not np.isfinite(numbers).all():
        msg = "a correction's coefficients must be finite numbers"
        raise InputError(msg)
