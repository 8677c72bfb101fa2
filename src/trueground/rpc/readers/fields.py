"""Named values of an RPC file: text turned into numbers, with errors that name what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from trueground.errors import RpcError
from trueground.rpc.model import PixelOrigin, Rpc

T = TypeVar("T")

SCALARS = tuple(
    f"{n}_{k}" for n in ("line", "samp", "lat", "long", "height") for k in ("off", "scale")
)
POLYNOMIALS = ("line_num", "line_den", "samp_num", "samp_den")
TERMS = 20

# Python's float() also takes 1_000, nan, and digits of all scripts.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

# Place in RPC00A of each term of RPC00B; both orders are in NIMA, STDI-0002, appendix E.
_RPC00A = (0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 7, 11, 14, 17, 12, 15, 18, 13, 16, 19)


def gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the values by name; a name that is given twice must have one value."""
    items: dict[str, str] = {}
    for key, value in pairs:
        if items.setdefault(key, value) != value:
            msg = f"{key} is given twice, as {items[key][:40]!r} and as {value[:40]!r}: must be one value"
            raise RpcError(msg)
    return items


def number(items: Mapping[str, Any], key: str) -> float:
    """Return the number of this name; a unit may follow it, as in `+002182.00 pixels`."""
    value = items.get(key)
    if value is None:
        msg = f"{key} is missing: the RPC is incomplete"
        raise RpcError(msg)
    word, *unit = str(value).split(maxsplit=1) or [""]
    if _NUMBER.fullmatch(word) is None or (unit and _NUMBER.match(unit[0])):
        msg = f"{key} is {str(value)[:40]!r}: must be a number"
        raise RpcError(msg)
    return float(word)


def numbers(text: Any, key: str) -> tuple[float, ...]:
    """Return the 20 numbers of a list that is parted by blanks or commas."""
    if text is None:
        msg = f"{key} is missing: the RPC is incomplete"
        raise RpcError(msg)
    words = str(text).replace(",", " ").split()
    if len(words) != TERMS:
        msg = f"{key} has {len(words)} coefficients: must be {TERMS}"
        raise RpcError(msg)
    return tuple(number({key: word}, key) for word in words)


def polynomial(items: Mapping[str, Any], key: str, *, first: int) -> tuple[float, ...]:
    """Return 20 coefficients that are numbered from `first`, or listed under the name alone."""
    if key in items:
        return numbers(items[key], key)
    digits = 2 if first == 0 else 1
    return tuple(number(items, f"{key}_{i:0{digits}d}") for i in range(first, first + TERMS))


def in_order_of_rpc00b(terms: tuple[T, ...]) -> tuple[T, ...]:
    """Bring the coefficients of an RPC00A into the order of RPC00B."""
    return tuple(terms[i] for i in _RPC00A)


def built(
    values: Mapping[str, Any],
    product: str,
    *,
    pixel_origin: PixelOrigin,
    origin: PixelOrigin | None,
) -> Rpc:
    """Make the RPC of a product, with its first pixel's centre brought to (0, 0).

    Parameters
    ----------
    values
        The fields of `Rpc`, as in the file.
    product
        What the file is, in words.
    pixel_origin
        What products of this kind call the centre of the first pixel.
    origin
        What the user says that it is; None: as the product has it.
    """
    first = pixel_origin if origin is None else origin
    who = "" if origin is None else ", as said by the user"
    moved = ", brought to (0, 0)" if first else ""
    shifted = {name: values[name] - first for name in ("line_off", "samp_off")}
    return Rpc(
        **{**values, **shifted},
        pixel_origin=first,
        origin=f"{product}: first pixel's centre is ({first}, {first}) there{who}{moved}",
    )
