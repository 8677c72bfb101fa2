"""Coregistration: methods that find how a moving DEM has to be moved onto a reference."""

from __future__ import annotations

from trueground.coreg.base import AlignedDem, Alignment, Method
from trueground.coreg.lzd import Lzd
from trueground.coreg.nuth_kaab import NuthKaab
from trueground.coreg.vertical_shift import VerticalShift

METHODS: dict[str, type[Lzd] | type[NuthKaab] | type[VerticalShift]] = {
    "lzd": Lzd,
    "nuth-kaab": NuthKaab,
    "vertical-shift": VerticalShift,
}
"""Methods by the names that the command line uses."""

__all__ = ["METHODS", "AlignedDem", "Alignment", "Lzd", "Method", "NuthKaab", "VerticalShift"]
