"""JSON as `trueground.rpc.writers` makes it."""

from __future__ import annotations

import json
from typing import Any

from trueground.errors import RpcError
from trueground.rpc.direct_model import DirectModel
from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers.fields import POLYNOMIALS, SCALARS, built

FORMAT = "trueground-rpc"
VERSION = 1
DIRECT = ("lon_num", "lon_den", "lat_num", "lat_den")


def looks_like(text: str) -> bool:
    """Tell whether the text is JSON that names our format."""
    return text.lstrip().startswith("{") and f'"{FORMAT}"' in text


def parse(text: str, *, origin: PixelOrigin | None) -> Rpc:
    """Return the RPC; the centre of the first pixel is (0, 0)."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"the JSON is malformed ({error})"
        raise RpcError(msg) from error
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        found = f"{document.get('format')!r}, version {document.get('version')!r}"[:80]
        msg = (
            f"format {found}: must be {FORMAT!r}, version {VERSION}; a newer trueground may read it"
        )
        raise RpcError(msg)
    values: dict[str, Any] = {name: _number(document.get(name), name) for name in SCALARS}
    values.update({name: _terms(document.get(name), name) for name in POLYNOMIALS})
    direct = document.get("direct")
    if direct is not None:
        if not isinstance(direct, dict):
            msg = "direct must hold four lists of coefficients"
            raise RpcError(msg)
        terms = {name: _terms(direct.get(name), f"direct.{name}") for name in DIRECT}
        values["direct"] = DirectModel(**terms)
    return built(values, "JSON of trueground", pixel_origin=0, origin=origin)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{name} is {str(value)[:40]!r}: must be a number"
        raise RpcError(msg)
    try:
        return float(value)
    except OverflowError as error:
        msg = f"{name} is an integer of {len(str(value))} digits: must be a finite number"
        raise RpcError(msg) from error


def _terms(values: Any, name: str) -> tuple[float, ...]:
    if not isinstance(values, list):
        msg = f"{name} is {str(values)[:40]!r}: must be a list of 20 numbers"
        raise RpcError(msg)
    return tuple(_number(value, name) for value in values)
