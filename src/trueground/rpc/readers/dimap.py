"""DIMAP XML of Airbus: version 1 (PHRDIMAP), version 2 (Pleiades, SPOT 6/7), version 3 (Pleiades Neo)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from trueground.errors import RpcError
from trueground.rpc.direct_model import DirectModel
from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers.fields import (
    POLYNOMIALS,
    SCALARS,
    TERMS,
    built,
    gathered,
    number,
    numbers,
    polynomial,
)
from trueground.rpc.readers.xml_tree import local_name, parsed

_DIRECT = {"lon_num": "F_LON", "lon_den": "F_LON", "lat_num": "F_LAT", "lat_den": "F_LAT"}
_INVERSE = {"line_num": "F_ROW", "line_den": "F_ROW", "samp_num": "F_COL", "samp_den": "F_COL"}
_ORIGINS: Mapping[str, PixelOrigin] = {"0": 0, "1": 1}
_VALIDITY_V1 = {"line": "Row", "samp": "Col", "lat": "Lat", "long": "Lon", "height": "Alt"}


def origin_of_profile(profile: str) -> PixelOrigin:
    """Return what a DIMAP product calls the centre of its first pixel.

    Pleiades Neo counts from 0, all before it from 1: Airbus's customer support in
    https://github.com/OSGeo/gdal/issues/5716. The profile decides, as in GDAL 3.7.1 and later, and
    not the first row and column of the validity domain (GDAL 3.5 to 3.7.0): that domain may begin
    anywhere, also at negative pixels.
    """
    return 0 if profile.strip().upper().startswith("PNEO") else 1


def looks_like(text: str) -> bool:
    """Tell whether the XML has a rational function model of DIMAP's."""
    return "Global_RFM" in text


def parse(text: str, *, origin: PixelOrigin | None) -> Rpc:
    """Return the inverse model, with the direct one where the file has it."""
    root = parsed(text)
    model = _child(root, ".//{*}Global_RFM", "Global_RFM")
    profile = (root.findtext(".//{*}METADATA_PROFILE") or "").strip()[:40]
    said = (root.findtext(".//{*}PIXEL_ORIGIN") or "").strip()  # version 1 says it itself
    counted = _ORIGINS.get(said, origin_of_profile(profile))
    first_version = model.find(".//{*}F_ROW") is not None
    values = _first_version(model) if first_version else _later_version(model)
    product = f"DIMAP {profile}".rstrip()
    return built(values, product, pixel_origin=counted, origin=origin)


def _child(element: Element, path: str, name: str) -> Element:
    found = element.find(path)
    if found is None:
        msg = f"no {name} in the XML: the RPC is missing or incomplete"
        raise RpcError(msg)
    return found


def _items(element: Element) -> dict[str, str]:
    return gathered((local_name(e), (e.text or "").strip()) for e in element)


def _first_version(model: Element) -> dict[str, Any]:
    validity = _child(model, "{*}RFM_Validity", "RFM_Validity")
    values: dict[str, Any] = {}
    for name, tag in _VALIDITY_V1.items():
        for kind, letter in (("scale", "A"), ("off", "B")):
            key = f"{tag}/{letter}"
            text = validity.findtext(f"{{*}}{tag}/{{*}}{letter}")
            values[f"{name}_{kind}"] = number({key: text}, key)
    inverse = _items(_child(model, "{*}Inverse_Model", "Inverse_Model"))
    values.update({name: _half(inverse, name, tag) for name, tag in _INVERSE.items()})
    direct = model.find("{*}Direct_Model")
    if direct is not None:
        items = _items(direct)
        terms = {name: _half(items, name, tag) for name, tag in _DIRECT.items()}
        values["direct"] = DirectModel(**terms)
    return values


def _half(items: dict[str, str], name: str, tag: str) -> tuple[float, ...]:
    """Return the numerator or the denominator of the 40 coefficients under one tag."""
    words = items.get(tag, "").split()
    if len(words) != 2 * TERMS:
        msg = f"{tag} has {len(words)} coefficients: must be {2 * TERMS}"
        raise RpcError(msg)
    half = words[:TERMS] if name.endswith("num") else words[TERMS:]
    return numbers(" ".join(half), tag)


def _later_version(model: Element) -> dict[str, Any]:
    validity = _items(_child(model, "{*}RFM_Validity", "RFM_Validity"))
    values: dict[str, Any] = {name: number(validity, name.upper()) for name in SCALARS}
    inverse, direct = model.find("{*}Inverse_Model"), model.find("{*}Direct_Model")
    if inverse is None:
        inverse = _child(model, "{*}GroundtoImage_Values", "Inverse_Model or GroundtoImage_Values")
        direct = model.find("{*}ImagetoGround_Values")
    items = _items(inverse)
    for name in POLYNOMIALS:
        values[name] = polynomial(items, f"{name}_coeff".upper(), first=1)
    if direct is not None:
        items = _items(direct)
        third = "LON_NUM_COEFF_1" in items  # version 2 calls its outputs by the axes of the image
        names = {"lon": "LON", "lat": "LAT"} if third else {"lon": "SAMP", "lat": "LINE"}
        terms = {
            f"{axis}_{part}": polynomial(items, f"{name}_{part}_coeff".upper(), first=1)
            for axis, name in names.items()
            for part in ("num", "den")
        }
        values["direct"] = DirectModel(**terms)
    return values
