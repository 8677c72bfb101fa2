"""Methods by the names that the command line uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trueground.coreg.bias.deramp import Deramp
from trueground.coreg.bias.directional_bias import DirectionalBias
from trueground.coreg.bias.terrain_bias import TerrainBias
from trueground.coreg.pipeline import Pipeline
from trueground.errors import InputError

if TYPE_CHECKING:
    from trueground.coreg.combine import Combined, Step


class _Choice(NamedTuple):
    """What may be said after a method's name and a colon."""

    field: str
    convert: type[int] | type[str]


_CHOICES = {
    Deramp.name: _Choice("order", int),
    DirectionalBias.name: _Choice("model", str),
    TerrainBias.name: _Choice("variable", str),
    "icp": _Choice("motion", str),
    "dh-minimize": _Choice("statistic", str),
    "lzd": _Choice("motion", str),
    "nuth-kaab": _Choice("estimator", str),
    "vertical-shift": _Choice("statistic", str),
}


def method_named(text: str) -> Pipeline:
    """Return the methods that a text names, such as `nuth-kaab + deramp:2`, one after the other.

    Parameters
    ----------
    text
        Names joined by `+`, each with what is chosen of the method after a colon, where that is not its default: the
        order of `deramp`, the variable of `terrain-bias`, the model of `directional-bias`, the motion of `lzd`.

    Raises
    ------
    InputError
        Where a name is not known, with those that are.

    Examples
    --------
    >>> method_named("nuth-kaab + deramp:2").name
    'nuth-kaab + deramp'
    """
    steps: list[Step] = []
    for part in text.split("+"):
        steps += _one(part.strip()).steps
    return Pipeline(steps=tuple(steps))


def _one(text: str) -> Pipeline:
    from trueground.coreg import METHODS  # the whole of the package, which names this too

    name, colon, value = (word.strip() for word in text.partition(":"))
    kind = METHODS.get(name)
    if kind is None:
        msg = f"method {name!r} is not known: give one of {', '.join(sorted(METHODS))}, or several joined by +"
        raise InputError(msg)
    settings: dict[str, int | str] = {}
    if colon:
        choice = _CHOICES.get(name)
        if choice is None:
            msg = f"{text}: {name} has nothing to choose after a colon; leave it out"
            raise InputError(msg)
        try:
            settings[choice.field] = choice.convert(value)
        except ValueError as error:
            msg = f"{text}: {choice.field} {value!r} must be a whole number"
            raise InputError(msg) from error
    made: Combined = kind(**settings)
    return Pipeline(steps=(made,))  # type: ignore[arg-type]
