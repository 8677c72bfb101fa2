"""The RPC that GDAL attaches to an image: GeoTIFF tag, .RPB, _RPC.TXT, NITF, VRT, DIMAP and others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trueground.file_raster import open_dataset
from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers.dimap import origin_of_profile
from trueground.rpc.readers.fields import (
    POLYNOMIALS,
    SCALARS,
    TERMS,
    built,
    in_order_of_rpc00b,
    number,
    numbers,
)

_RPC_FILE = re.compile(r"(^|[/\\])RPC_[^/\\]*\.XML$", re.IGNORECASE)
_PROFILE = "Metadata_Identification.METADATA_PROFILE"


def read(path: str, *, origin: PixelOrigin | None) -> Rpc | None:
    """Return the RPC that GDAL attaches to an image, in the image's own pixels; None where there is none."""
    with open_dataset(path) as dataset:
        tags = dataset.tags(ns="RPC")
        # A copy of the image alone keeps the type, but not the file, and its tag counts from 0.
        dimap = dataset.tags().get("METADATATYPE") == "DIMAP" and any(
            _RPC_FILE.search(name) is not None for name in dataset.files
        )
        profile = dataset.tags(ns="IMD").get(_PROFILE, "") if dimap else ""
        extensions = dataset.tags(ns="TRE") if tags and dataset.driver == "NITF" else {}
    if not tags:
        return None
    if "RPC00A" in extensions and "RPC00B" not in extensions:
        tags = {**tags, **_coefficients_of_rpc00a(extensions["RPC00A"])}
    if not dimap:
        return parse(tags, "GDAL metadata", origin=origin)
    # GDAL (3.7.1 and later) brings the origin of DIMAP products to 0, by the same rule as ours.
    pixel_origin = origin_of_profile(profile)
    restored = dict(tags)
    for key in ("LINE_OFF", "SAMP_OFF"):
        restored[key] = repr(number(tags, key) + pixel_origin)
    product = f"GDAL metadata of DIMAP {profile}".rstrip()
    return parse(restored, product, pixel_origin=pixel_origin, origin=origin)


def _coefficients_of_rpc00a(extension: str) -> dict[str, str]:
    """Return the coefficients of a NITF extension RPC00A in the order of RPC00B.

    GDAL (seen in 3.6.2 and 3.10.3) takes the permutation of terms 8 to 11 the wrong way round, so
    that the coefficient of the longitude squared becomes that of the height squared, and so on.
    """
    width, first = 12, 81  # characters of a coefficient, and of all that stands before them
    words = [extension[i : i + width] for i in range(first, first + 80 * width, width)]
    lists = (words[i : i + TERMS] for i in range(0, len(words), TERMS))
    ordered = (in_order_of_rpc00b(tuple(terms)) for terms in lists)
    return {f"{n}_coeff".upper(): " ".join(t) for n, t in zip(POLYNOMIALS, ordered, strict=True)}


def parse(
    tags: Mapping[str, str],
    product: str,
    *,
    pixel_origin: PixelOrigin = 0,
    origin: PixelOrigin | None = None,
) -> Rpc:
    """Return the RPC of items with the names of GDAL's metadata domain RPC."""
    values: dict[str, Any] = {name: number(tags, name.upper()) for name in SCALARS}
    for name in POLYNOMIALS:
        key = f"{name}_coeff".upper()
        values[name] = numbers(tags.get(key), key)
    return built(values, product, pixel_origin=pixel_origin, origin=origin)
