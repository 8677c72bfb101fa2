"""Read RPCs: what GDAL attaches to an image, DIMAP XML, OTB/OSSIM keyword lists; sniffed by content, not by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from trueground.errors import InputError, RpcError
from trueground.raster import FileRaster, Raster, is_local, open_dataset, open_raster
from trueground.rpc.model import Rpc

_NAMES = tuple(
    f"{n}_{k}" for n in ("line", "samp", "lat", "long", "height") for k in ("off", "scale")
)
_POLYNOMIALS = ("line_num", "line_den", "samp_num", "samp_den")
_LARGEST_TEXT = 1 << 22  # bytes; RPC files are of some 10 kB
_TERMS = 20
_NO_RPC = "{} has no RPC; give the file that holds it with --rpc (DIMAP XML, .geom, or an image with RPC tags)"


def read_rpc(path: str | os.PathLike[str]) -> Rpc:
    """Read the RPC of an image, or of a file that holds an RPC alone.

    Parameters
    ----------
    path
        An image with RPC metadata (GeoTIFF tag, NITF, _RPC.TXT or .RPB beside it, ...), a DIMAP XML (v1 and later), or
        an OTB/OSSIM `.geom` file.

    Returns
    -------
    Rpc
        Counted from the centre of the first pixel of the scene that the RPC describes.

    Raises
    ------
    RpcError
        Where there is none, or it is malformed.
    """
    name = os.fspath(path)
    if is_local(name):
        if not Path(name).is_file():
            msg = f"{name} does not exist; check the path"
            raise InputError(msg)
        parse = _text_format(name)
        if parse is not None:
            return _named(name, parse)
    try:
        rpc = rpc_of_image(name)
    except InputError as error:
        msg = f"{name} is neither an image that GDAL reads nor an RPC file that trueground knows (DIMAP XML, .geom)"
        raise RpcError(msg) from error
    if rpc is None:
        raise RpcError(_NO_RPC.format(name))
    return rpc


def rpc_of_image(path: str) -> Rpc | None:
    """Return the RPC that GDAL attaches to an image, in the image's own pixels; None where there is none."""
    with open_dataset(path) as dataset:
        tags = dataset.tags(ns="RPC")
    if not tags:
        return None
    return _named(path, lambda: _from_gdal(tags))


def rpc_for_image(image: Raster, rpc_path: str | os.PathLike[str] | None = None) -> Rpc:
    """Return the RPC in the image file's own pixels, with the offset of a crop taken off.

    Parameters
    ----------
    image
        The image.
    rpc_path
        File with the RPC of the full scene. None: the RPC that the image carries, which counts its own pixels, or else
        that of a `.geom` file of the same name beside it, which counts those of the scene.
    """
    if rpc_path is None:
        if not isinstance(image, FileRaster):
            msg = "an image in memory carries no RPC: give the file that holds it"
            raise RpcError(msg)
        own = rpc_of_image(image.path)
        if own is not None:
            return own
        beside = Path(image.path).with_suffix(".geom")
        if not is_local(image.path) or not beside.is_file():
            raise RpcError(_NO_RPC.format(image.path))
        rpc_path = beside
    return read_rpc(rpc_path).cropped(*crop_offset(image))


def rpc_of(path: str, rpc_path: str | os.PathLike[str] | None = None) -> Rpc:
    """Return the RPC of an image in its own pixels, or that of a file which holds an RPC alone."""
    if (
        rpc_path is None
        and is_local(path)
        and Path(path).is_file()
        and _text_format(path) is not None
    ):
        return read_rpc(path)
    return rpc_for_image(open_raster(path), rpc_path)


def crop_offset(image: Raster) -> tuple[float, float]:
    """Return the row and column of the scene at which an image was cut out, by its geotransform; (0, 0) otherwise."""
    t = image.grid.transform
    if image.grid.crs is not None or t.b != 0.0 or t.d != 0.0 or abs(t.a) != 1.0 or abs(t.e) != 1.0:
        return 0.0, 0.0
    return t.f / t.e, t.c / t.a


def _named(name: str, parse: Callable[[], Rpc]) -> Rpc:
    """Run a parser; whatever it stumbles over becomes an error with the file's name."""
    try:
        return parse()
    except RpcError as error:
        msg = f"{name}: {error}"
        raise RpcError(msg) from error


def _text_format(name: str) -> Callable[[], Rpc] | None:
    """Return the parser of a text file that holds an RPC, by its content; None for anything else."""
    text = _text_of(name)
    if text is None:
        return None
    known = next((parse for looks_like, parse in _TEXT_FORMATS if looks_like(text)), None)
    return None if known is None else lambda: known(text)


def _text_of(name: str) -> str | None:
    """Return the text of a small file; None where it is large or binary."""
    path = Path(name)
    if path.stat().st_size > _LARGEST_TEXT:
        return None
    raw = path.read_bytes()
    return None if b"\0" in raw else raw.decode("utf-8", errors="replace")


def _number(items: Mapping[str, Any], key: str) -> float:
    value = items.get(key)
    if value is None:
        msg = f"{key} is missing: the RPC is incomplete"
        raise RpcError(msg)
    words = str(value).split()  # GDAL may add a unit: "+002182.00 pixels"
    try:
        return float(words[0])
    except (ValueError, IndexError) as error:
        msg = f"{key} is {str(value)[:40]!r}: must be a number"
        raise RpcError(msg) from error


def _terms(text: Any, key: str) -> tuple[float, ...]:
    if text is None:
        msg = f"{key} is missing: the RPC is incomplete"
        raise RpcError(msg)
    return tuple(_number({key: word}, key) for word in str(text).split())


def _from_gdal(tags: Mapping[str, str]) -> Rpc:
    values: dict[str, Any] = {name: _number(tags, name.upper()) for name in _NAMES}
    for name in _POLYNOMIALS:
        key = f"{name}_coeff".upper()
        values[name] = _terms(tags.get(key), key)
    return Rpc(**values, origin="GDAL metadata: first pixel's centre is (0, 0)")


def _is_geom(text: str) -> bool:
    return re.search(r"^\s*(\w+\.)*line_num_coeff_\d\d\s*:", text, re.MULTILINE) is not None


def _from_geom(text: str) -> Rpc:
    """OSSIM keyword list as OTB writes it; offsets count from the centre of the first pixel."""
    items = dict(re.findall(r"^\s*([\w.]+?)\s*:\s*(.*?)\s*$", text, re.MULTILINE))
    values: dict[str, Any] = {name: _number(items, name) for name in _NAMES}
    for name in _POLYNOMIALS:
        values[name] = tuple(_number(items, f"{name}_coeff_{i:02d}") for i in range(_TERMS))
    return Rpc(**values, origin="OTB/OSSIM .geom: first pixel's centre is (0, 0)")


def _is_dimap(text: str) -> bool:
    return "Global_RFM" in text and "<" in text


def _from_dimap(text: str) -> Rpc:
    """DIMAP of Pleiades, SPOT 6/7 and Pleiades Neo: the inverse model; the first pixel's centre is (1, 1)."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        msg = "the XML declares a document type or entities: refused, RPC files need none"
        raise RpcError(msg)
    try:
        model = ElementTree.fromstring(text).find(".//Global_RFM")
    except ElementTree.ParseError as error:
        msg = f"the XML is malformed ({error})"
        raise RpcError(msg) from error
    if model is None:
        msg = "no Global_RFM in the XML: the RPC is missing"
        raise RpcError(msg)
    values = _dimap_v1(model) if model.find(".//F_ROW") is not None else _dimap_v2(model)
    values["line_off"] -= 1.0
    values["samp_off"] -= 1.0
    return Rpc(**values, origin="DIMAP: first pixel's centre is (1, 1) there, brought to (0, 0)")


def _found(element: ElementTree.Element, path: str) -> str | None:
    return element.findtext(path)


def _dimap_v1(model: ElementTree.Element) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, tag in (
        ("line", "Row"),
        ("samp", "Col"),
        ("lat", "Lat"),
        ("long", "Lon"),
        ("height", "Alt"),
    ):
        for kind, letter in (("scale", "A"), ("off", "B")):
            key = f"{tag}/{letter}"
            values[f"{name}_{kind}"] = _number({key: _found(model, f".//RFM_Validity/{key}")}, key)
    for name, tag in (("line", "F_ROW"), ("samp", "F_COL")):
        terms = _terms(_found(model, f".//Inverse_Model/{tag}"), tag)
        if len(terms) != 2 * _TERMS:
            msg = f"{tag} has {len(terms)} coefficients: must be 40"
            raise RpcError(msg)
        values[f"{name}_num"], values[f"{name}_den"] = terms[:_TERMS], terms[_TERMS:]
    return values


def _dimap_v2(model: ElementTree.Element) -> dict[str, Any]:
    inverse = model.find("Inverse_Model")
    if inverse is None:  # DIMAP v3 names it by its direction
        inverse = model.find("ImagetoGround_Values/../GroundtoImage_Values")
    if inverse is None:
        msg = "no Inverse_Model in the XML: the way from ground to image is missing"
        raise RpcError(msg)
    values: dict[str, Any] = {}
    for name in _NAMES:
        key = name.upper()
        values[name] = _number({key: _found(model, f".//RFM_Validity/{key}")}, key)
    for name in _POLYNOMIALS:
        keys = [f"{name}_coeff_{i}".upper() for i in range(1, _TERMS + 1)]
        values[name] = tuple(_number({key: inverse.findtext(key)}, key) for key in keys)
    return values


_TEXT_FORMATS: tuple[tuple[Callable[[str], bool], Callable[[str], Rpc]], ...] = (
    (_is_dimap, _from_dimap),
    (_is_geom, _from_geom),
)
