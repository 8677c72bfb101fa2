"""Keyword lists of OTB and OSSIM (.geom)."""

from __future__ import annotations

import re
from typing import Any

from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers.fields import (
    POLYNOMIALS,
    SCALARS,
    built,
    gathered,
    in_order_of_rpc00b,
    number,
    polynomial,
)

_PREFIXED = re.compile(
    r"^[ \t]*(?:\w+\.)*(?:(?:line|samp)_(?:num|den)_coeff_\d\d|polynomial_format)[ \t]*:",
    re.MULTILINE | re.ASCII,
)


def looks_like(text: str) -> bool:
    """Tell whether the text is a keyword list of OSSIM's with an RPC."""
    return _PREFIXED.search(text) is not None


def parse(text: str, *, origin: PixelOrigin | None) -> Rpc:
    """Return the RPC; OSSIM counts from the centre of the first pixel."""
    wanted = {f"{n}_coeff_{i:02d}" for n in POLYNOMIALS for i in range(20)}
    wanted.update(SCALARS, ["polynomial_format"])
    pairs = (line.partition(":") for line in text.splitlines())
    named = ((key.strip().rpartition(".")[2], value.strip()) for key, _, value in pairs)
    items = gathered((key, value) for key, value in named if key in wanted)
    values: dict[str, Any] = {name: number(items, name) for name in SCALARS}
    for name in POLYNOMIALS:
        terms = polynomial(items, f"{name}_coeff", first=0)
        old = items.get("polynomial_format", "B").upper() == "A"
        values[name] = in_order_of_rpc00b(terms) if old else terms
    return built(values, "OTB/OSSIM .geom", pixel_origin=0, origin=origin)
