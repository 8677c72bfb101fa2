"""RPCs as text: `LINE_OFF: 5124 pixels` (_RPC.TXT of IKONOS, GeoEye, Planet, ...) and groups of .RPB files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from trueground.errors import RpcError
from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers.fields import (
    POLYNOMIALS,
    SCALARS,
    built,
    gathered,
    in_order_of_rpc00b,
    number,
    numbers,
    polynomial,
)

_KEYS = {name.upper() for name in SCALARS}
_KEYS.update(f"{n}_COEFF".upper() for n in POLYNOMIALS)
_KEYS.update(f"{n}_COEFF_{i}".upper() for n in POLYNOMIALS for i in range(1, 21))
_LINE = re.compile(r"[ \t]*(\w+)[ \t]*[:=](.*)", re.ASCII)

RPB_NAMES = {
    **{f"{n}_off": f"{n}offset" for n in ("line", "samp", "lat", "long", "height")},
    **{f"{n}_scale": f"{n}scale" for n in ("line", "samp", "lat", "long", "height")},
    **{f"{a}_{b}": f"{a}{b}coef" for a in ("line", "samp") for b in ("num", "den")},
}
"""Fields of `Rpc` as .RPB files and the XML of WorldView name them, in small letters."""
_RPB_KEYS = {*RPB_NAMES.values(), "specid"}


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is not None:
            yield match[1], match[2].strip()


def is_key_value(text: str) -> bool:
    """Tell whether the text holds names of GDAL's RPC metadata with values."""
    return any(key.upper() in _KEYS for key, _ in _pairs(text))


def parse_key_value(text: str, *, origin: PixelOrigin | None) -> Rpc:
    """Return the RPC of `NAME: value unit` lines; the centre of the first pixel is (0, 0)."""
    pairs = ((key.upper(), value) for key, value in _pairs(text))
    items = gathered((key, value) for key, value in pairs if key in _KEYS)
    values: dict[str, Any] = {name: number(items, name.upper()) for name in SCALARS}
    for name in POLYNOMIALS:
        values[name] = polynomial(items, f"{name}_coeff".upper(), first=1)
    return built(values, "RPC text", pixel_origin=0, origin=origin)


def is_rpb(text: str) -> bool:
    """Tell whether the text holds the group IMAGE of an .RPB file."""
    return any(key.lower() in RPB_NAMES.values() for key, _ in _pairs(text))


def parse_rpb(text: str, *, origin: PixelOrigin | None) -> Rpc:
    """Return the RPC of an .RPB file, or of such a group in another file; the first pixel's centre is (0, 0)."""
    return from_rpb_items(gathered(_rpb_pairs(text)), ".RPB", origin=origin)


def _rpb_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield names in small letters, and values without brackets: a list may go over many lines."""
    lines = iter(text.splitlines())
    for line in lines:
        match = _LINE.match(line)
        if match is None or match[1].lower() not in _RPB_KEYS:
            continue
        key, value = match[1].lower(), match[2].strip()
        if value.startswith("("):
            parts = [value]
            while ")" not in parts[-1]:
                part = next(lines, None)
                if part is None:
                    msg = f"the list of {match[1]} is not closed: the file is truncated"
                    raise RpcError(msg)
                parts.append(part)
            value = " ".join(parts)[1:].partition(")")[0]
        yield key, value.strip().removesuffix(";").strip().strip('"')


def from_rpb_items(items: dict[str, str], product: str, *, origin: PixelOrigin | None) -> Rpc:
    """Return the RPC of items with the names of .RPB files, in small letters."""
    values: dict[str, Any] = {name: number(items, RPB_NAMES[name]) for name in SCALARS}
    for name in POLYNOMIALS:
        terms = numbers(items.get(RPB_NAMES[name]), RPB_NAMES[name])
        old = items.get("specid", "").upper() == "RPC00A"
        values[name] = in_order_of_rpc00b(terms) if old else terms
    return built(values, product, pixel_origin=0, origin=origin)
