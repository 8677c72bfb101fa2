"""XML of Maxar (DigitalGlobe): the block RPB of WorldView, QuickBird and GeoEye products."""

from __future__ import annotations

import re

from trueground.errors import RpcError
from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers.fields import gathered
from trueground.rpc.readers.text import RPB_NAMES, from_rpb_items
from trueground.rpc.readers.xml_tree import local_name, parsed

_BLOCK = re.compile(r"<(?:\w+:)?RPB[\s>]", re.IGNORECASE | re.ASCII)
_KEYS = {*RPB_NAMES.values(), "specid", "satid"}


def looks_like(text: str) -> bool:
    """Tell whether the XML has a block RPB."""
    return _BLOCK.search(text) is not None


def parse(text: str, *, origin: PixelOrigin | None) -> Rpc:
    """Return the RPC of the block RPB; the centre of the first pixel is (0, 0)."""
    blocks = [e for e in parsed(text).iter() if local_name(e).upper() == "RPB"]
    if len(blocks) != 1:
        msg = f"the XML has {len(blocks)} blocks RPB: must be one; cut the others out"
        raise RpcError(msg)
    named = ((local_name(e).lower(), (e.text or "").strip()) for e in blocks[0].iter())
    items = gathered((key, value) for key, value in named if key in _KEYS)
    satellite = items.get("satid", "")[:20]
    return from_rpb_items(items, f"Maxar XML {satellite}".rstrip(), origin=origin)
