"""What a correction of heights depends on: the place, the place along a direction, or a variable of the ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.bias.curves import Curve, Numbers, Sines, curve_from_dict, curve_to_dict
from trueground.errors import InputError

Float = NDArray[np.float64]
LEVEL = -1.0  # aspect of level ground, which faces nowhere
_METRES_IN_KM = 1000.0


@dataclass(frozen=True, kw_only=True)
class Surface:
    r"""A polynomial of the place, :math:`\sum c_{ij} u^i v^j` over i + j <= n, with :math:`u = (x - x_0) / s_x`."""

    order: int
    """Total degree."""
    centre: tuple[float, float]
    """x, y in the working CRS."""
    scale: tuple[float, float]
    """What one unit of u and v is, in units of the working CRS."""
    coefficients: Numbers
    """[m], in the order of `powers`."""

    kind: ClassVar[str] = "surface"

    def __post_init__(self) -> None:
        wanted = len(powers(self.order))
        if len(self.coefficients) != wanted or not min(self.scale) > 0.0:
            msg = f"a polynomial of degree {self.order} needs {wanted} coefficients, and scales above 0"
            raise InputError(msg)
        if not np.isfinite([*self.centre, *self.scale, *self.coefficients]).all():
            msg = "a correction's coefficients must be finite numbers"
            raise InputError(msg)

    @property
    def tilt(self) -> tuple[float, float]:
        """How much more is added a kilometre farther east and north of the centre [m/km]."""
        where = powers(self.order)
        east, north = self.coefficients[where.index((1, 0))], self.coefficients[where.index((0, 1))]
        return _METRES_IN_KM * east / self.scale[0], _METRES_IN_KM * north / self.scale[1]

    def scaled(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Return u and v of places in the working CRS."""
        (x0, y0), (sx, sy) = self.centre, self.scale
        return (x - x0) / sx, (y - y0) / sy

    def at(self, x: Float, y: Float) -> Float:
        """Return what is to be added [m] at places in the working CRS; x and y are broadcast."""
        u, v = self.scaled(x, y)
        c = dict(zip(powers(self.order), self.coefficients, strict=True))
        out = np.full(np.broadcast_shapes(u.shape, v.shape), c[0, self.order])
        for j in range(self.order - 1, -1, -1):  # Horner in v, each coefficient Horner in u
            line: Any = c[self.order - j, j]
            for i in range(self.order - j - 1, -1, -1):
                line = line * u + c[i, j]
            out *= v
            out += line
        return out

    def describe(self) -> str:
        """Say what it is, in words."""
        east, north = self.tilt
        more = "" if self.order == 1 else f", degree {self.order}"
        return f"tilt {east:+.4g} m/km east, {north:+.4g} m/km north{more}"


@dataclass(frozen=True, kw_only=True)
class Along:
    """A curve of the distance along a direction."""

    bearing: float
    """Direction in which the distance grows [degrees clockwise from north of the working CRS]."""
    origin: tuple[float, float]
    """x, y in the working CRS from which it is counted."""
    curve: Curve

    kind: ClassVar[str] = "along"

    def __post_init__(self) -> None:
        if not np.isfinite([self.bearing, *self.origin]).all():
            msg = f"bearing {self.bearing} and origin {self.origin}: must be finite numbers"
            raise InputError(msg)

    @property
    def coefficients(self) -> Numbers:
        """Those of the curve."""
        return self.curve.coefficients

    def distance(self, x: Float, y: Float) -> Float:
        """Return the distance [units of the working CRS] along the direction; x and y are broadcast."""
        turn = np.radians(self.bearing)
        return np.asarray((x - self.origin[0]) * np.sin(turn) + (y - self.origin[1]) * np.cos(turn))

    def at(self, x: Float, y: Float) -> Float:
        """Return what is to be added [m] at places in the working CRS; x and y are broadcast."""
        return self.curve.at(self.distance(x, y))

    def describe(self) -> str:
        """Say what it is, in words."""
        text = f"along {self.bearing:.2f} degrees from north"
        if isinstance(self.curve, Sines):
            waves = zip(self.curve.amplitudes, self.curve.frequencies, strict=True)
            return ", ".join(
                [text, *(f"{a:.3g} m with a period of {1.0 / f:.0f} m" for a, f in waves)]
            )
        return f"{text}, {len(self.coefficients)} nodes"


@dataclass(frozen=True, kw_only=True)
class OfVariable:
    """A curve of a variable of the ground."""

    variable: str
    """`slope` [degrees], `aspect` [degrees clockwise from north; -1: level], `elevation` [m], `curvature`
    [1/(100 m)], or the name of another."""
    curve: Curve

    kind: ClassVar[str] = "variable"

    @property
    def coefficients(self) -> Numbers:
        """Those of the curve."""
        return self.curve.coefficients

    def of(self, value: Float) -> Float:
        """Return what is to be added [m] where the variable has these values."""
        out = self.curve.at(value)
        if self.variable == "aspect":
            level = value == LEVEL
            if level.any():
                out = np.where(level, self.curve.at(np.arange(360.0)).mean(), out)
        return out

    def describe(self) -> str:
        """Say what it is, in words."""
        return f"of {self.variable}, {len(self.coefficients)} coefficients"


Shape = Surface | Along | OfVariable


def powers(order: int) -> list[tuple[int, int]]:
    """Return the exponents of u and v of a polynomial of a total degree, the constant first."""
    return [(n - j, j) for n in range(order + 1) for j in range(n + 1)]


def shape_to_dict(shape: Shape) -> dict[str, Any]:
    """Return a shape as plain numbers, text and lists."""
    if isinstance(shape, Surface):
        return {
            "kind": shape.kind, "order": shape.order, "centre": shape.centre, "scale": shape.scale,
            "coefficients": shape.coefficients,
        }  # fmt: skip
    curve = curve_to_dict(shape.curve)
    if isinstance(shape, Along):
        return {
            "kind": shape.kind, "bearing": shape.bearing, "origin": shape.origin, "curve": curve,
        }  # fmt: skip
    return {"kind": shape.kind, "variable": shape.variable, "curve": curve}


def shape_from_dict(items: Mapping[str, Any]) -> Shape:
    """Read what `shape_to_dict` made.

    Raises
    ------
    KeyError, TypeError, ValueError, InputError
        Where the items are none.
    """
    kind = items["kind"]
    if kind == Surface.kind:
        return Surface(
            order=int(items["order"]), centre=_pair(items["centre"]), scale=_pair(items["scale"]),
            coefficients=tuple(float(v) for v in items["coefficients"]),
        )  # fmt: skip
    curve = curve_from_dict(items["curve"])
    if kind == Along.kind:
        return Along(bearing=float(items["bearing"]), origin=_pair(items["origin"]), curve=curve)
    if kind == OfVariable.kind:
        return OfVariable(variable=str(items["variable"]), curve=curve)
    msg = f"a correction of the kind {kind!r}: must be one of surface, along, variable"
    raise InputError(msg)


def _pair(values: Any) -> tuple[float, float]:
    one, two = (float(v) for v in values)
    return one, two
