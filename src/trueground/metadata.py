"""What a file says beside its pixels, as far as it stays true of what is made from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Colour = tuple[int, int, int, int]

# Tags of the file's own pixels, grid, storage and statistics: untrue once the image has been put on another grid.
_OWN = re.compile(
    r"AREA_OR_POINT|METADATATYPE|DERIVED_.*|OVR_.*|STATISTICS_.*|TIFFTAG_([XY]RESOLUTION|RESOLUTIONUNIT)|TRUEGROUND_.*"
    r"|NITF_(ABPP|BLOCKA.*|FDT|FSCOP.*|I?GEOLO|IC|ICORDS|IDLVL|IALVL|ILOC.*|IMAG|NBPP|N(ROWS|COLS|BPC|BPR|PPBH|PPBV)"
    r"|RPC.*|CCS.*)"
    r"|.*CORNER.*|.*(BOUNDING|UPPER_?LEFT|UPPER_?RIGHT|LOWER_?LEFT|LOWER_?RIGHT|N?ROWS|N?COLS|NUM_?(ROWS|COL(UMN)?S))"
    r"|.*\.(UL|UR|LL|LR)(LON|LAT|HAE|X|Y|EASTING|NORTHING)|.*\.(ORIGIN[XY]|NUMROWS|NUMCOLUMNS|MAPPROJ.*|PRODUCTSCALE)",
    re.IGNORECASE,
)
# GDAL's domain of a product's own file (IMD) is written as such a file beside the image; another name keeps it inside.
_DOMAINS: Mapping[str, str] = {"IMAGERY": "IMAGERY", "IMD": "PRODUCT", "PRODUCT": "PRODUCT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BandMetadata:
    """What a file says of one of its bands."""

    description: str = ""
    interpretation: str = "undefined"
    """`gray`, `red`, `palette`, `alpha`, ...: the names of GDAL's colour interpretations, in lower case."""
    scale: float = 1.0
    offset: float = 0.0
    """A value stands for `value * scale + offset`."""
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a file says beside its pixels: acquisition and product, bands and colours; never its geometry."""

    bands: tuple[BandMetadata, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    domains: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Tags in domains of their own: `IMAGERY`, `PRODUCT`."""
    palette: Mapping[int, Colour] | None = None
    """Red, green, blue and opacity (0-255) by value."""
    bits: int | None = None
    """Bits that a value takes, where it takes fewer than its type has."""

    @property
    def has_classes(self) -> bool:
        """Whether values are names rather than quantities: of colours, or of yes and no."""
        return self.palette is not None or self.bits == 1

    @property
    def alpha(self) -> int | None:
        """Index of the band that says how opaque pixels are, from 0; None where there is none."""
        found = [k for k, band in enumerate(self.bands) if band.interpretation == "alpha"]
        return found[0] if found else None

    def without_alpha(self) -> Metadata:
        """Return what is said of the bands that show something."""
        return replace(self, bands=tuple(b for b in self.bands if b.interpretation != "alpha"))

    def with_alpha(self, count: int) -> Metadata:
        """Return the same with a band of opacity after `count` bands."""
        shown = self.without_alpha().bands or (BandMetadata(),) * count
        band = BandMetadata(interpretation="alpha", description="alpha")
        return replace(self, bands=(*shown, band))

    @classmethod
    def of(cls, dataset: Any) -> Metadata:
        """Return what an open file (of rasterio's) says."""
        # Each of these asks all bands, of which a file may claim to have 65,535.
        said = (
            dataset.colorinterp,
            dataset.descriptions,
            dataset.scales,
            dataset.offsets,
            dataset.units,
        )
        bands = tuple(
            BandMetadata(
                description=description or "",
                interpretation=interpretation.name,
                scale=scale,
                offset=offset,
                unit=unit or "",
                tags=_kept(dataset.tags(number)),
            )
            for number, (interpretation, description, scale, offset, unit) in enumerate(
                zip(*said, strict=True), start=1
            )
        )
        domains = {
            name: items
            for source, name in _DOMAINS.items()
            if (items := _kept(dataset.tags(ns=source)))
        }
        palette = dataset.colormap(1) if bands[0].interpretation == "palette" else None
        bits = dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
        return cls(
            bands=bands,
            tags=_kept(dataset.tags()),
            domains=domains,
            palette=palette,
            bits=None if bits is None else int(bits),
        )


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    # A whole XML document (GMLJP2's description of the image's own grid, say) is no tag.
    return {
        name: value
        for name, value in tags.items()
        if _OWN.fullmatch(name) is None and not value.lstrip().startswith("<")
    }
