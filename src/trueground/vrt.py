"""Virtual mosaics: a small file through which GDAL sees tiles as one raster."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as Xml

from trueground.grid import Window
from trueground.metadata import BandMetadata, Metadata
from trueground.windowed import UNSCALED, Raster

_TYPES: Mapping[str, str] = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "uint64": "UInt64", "int64": "Int64", "float32": "Float32", "float64": "Float64",
    "complex64": "CFloat32", "complex128": "CFloat64", "bool": "Byte",
}  # fmt: skip


def vrt_text(
    raster: Raster,
    tiles: Iterable[tuple[str, Window]],
    *,
    metadata: Metadata,
    nodata: float | None,
) -> str:
    """Return the text of a virtual mosaic.

    Parameters
    ----------
    raster
        What the tiles were cut from: its grid, type and bands.
    tiles
        Names of the files, relative to that of the mosaic, and the pixels of each.
    metadata
        What is said of all of them.
    nodata
        What stands for no data in them.
    """
    rows, cols = raster.grid.shape
    root = Xml.Element("VRTDataset", {"rasterXSize": str(cols), "rasterYSize": str(rows)})
    if raster.grid.crs is not None:
        _add(root, "SRS", raster.grid.crs.to_wkt())
    t = raster.grid.transform
    _add(root, "GeoTransform", ", ".join(repr(float(v)) for v in (t.c, t.a, t.b, t.f, t.d, t.e)))
    _add_tags(root, metadata.tags)
    for domain, tags in metadata.domains.items():
        _add_tags(root, tags, domain=domain)
    listed = list(tiles)
    for number in range(1, raster.count + 1):
        dtype = _TYPES[raster.dtype.name]
        band = Xml.SubElement(root, "VRTRasterBand", {"dataType": dtype, "band": str(number)})
        said = metadata.bands[number - 1] if metadata.bands else BandMetadata()
        _describe(band, said, metadata=metadata, nodata=nodata)
        for name, window in listed:
            source = Xml.SubElement(band, "SimpleSource")
            _add(source, "SourceFilename", name).set("relativeToVRT", "1")
            _add(source, "SourceBand", str(number))
            size = {"xSize": str(window.width), "ySize": str(window.height)}
            Xml.SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **size})
            at = {"xOff": str(window.col), "yOff": str(window.row)}
            Xml.SubElement(source, "DstRect", {**at, **size})
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode") + "\n"


def _describe(
    band: Xml.Element, said: BandMetadata, *, metadata: Metadata, nodata: float | None
) -> None:
    _add_tags(band, said.tags)
    if said.description:
        _add(band, "Description", said.description)
    if nodata is not None:
        _add(band, "NoDataValue", "nan" if math.isnan(nodata) else repr(float(nodata)))
    if said.unit:
        _add(band, "UnitType", said.unit)
    if (said.scale, said.offset) != UNSCALED:
        _add(band, "Offset", repr(float(said.offset)))
        _add(band, "Scale", repr(float(said.scale)))
    if said.interpretation != "undefined":
        _add(band, "ColorInterp", said.interpretation.capitalize())
    if said.interpretation == "palette" and metadata.palette is not None:
        table = Xml.SubElement(band, "ColorTable")
        for _, colour in sorted(metadata.palette.items()):
            names = {f"c{k}": str(v) for k, v in enumerate(colour, start=1)}
            Xml.SubElement(table, "Entry", names)


def _add(parent: Xml.Element, name: str, text: str) -> Xml.Element:
    child = Xml.SubElement(parent, name)
    child.text = text
    return child


def _add_tags(parent: Xml.Element, tags: Mapping[str, str], *, domain: str = "") -> None:
    if not tags:
        return
    group = Xml.SubElement(parent, "Metadata", {"domain": domain} if domain else {})
    for name, value in tags.items():
        _add(group, "MDI", value).set("key", name)
