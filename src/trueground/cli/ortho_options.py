"""Options of `trueground ortho`, by what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from trueground.cli.options import Bounds, DemResampling, Flag, ImageResampling, usage

if TYPE_CHECKING:
    from trueground.dem import Dem
    from trueground.grid import Grid
    from trueground.metadata import Metadata
    from trueground.raster import Raster
    from trueground.rpc.model import Rpc

Mosaic = Literal["first", "last", "nearest-nadir"]
Occlusion = Literal["fill", "mask", "ignore"]
_CLASSES = ("nearest", "mode")  # what leaves values that are names as they are


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Elevation:
    """How the DEM is read."""

    heights: str | None = None
    """What heights of the DEM are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says."""
    dem_scale: float = 1.0
    """What heights of the DEM are multiplied by."""
    dem_offset: float = 0.0
    """Metres that are added to them then."""
    dem_interpolation: DemResampling = "bilinear"
    """How heights between the centres of the DEM's cells are made."""

    def open(self, path: str) -> Dem:
        """Open the DEM."""
        from trueground.cli.elevation import opened

        return opened(
            path,
            heights=self.heights,
            scale=self.dem_scale,
            offset=self.dem_offset,
            interpolation=self.dem_interpolation,
        )

    def history(self, dem: Dem) -> dict[str, str]:
        """Return what is said of it in a product."""
        return {
            "heights": str(dem.datum),
            "dem_scale": str(self.dem_scale),
            "dem_offset": str(self.dem_offset),
            "dem_interpolation": self.dem_interpolation,
        }


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the output lies."""

    crs: str | None = None
    """CRS of the output. Default: the UTM zone of the (first) image, polar stereographic near the poles."""
    resolution: float | None = None
    """Pixel size in units of the CRS. Default: what the image resolves."""
    bounds: Bounds = None
    """West, south, east, north in the CRS. Default: what is seen, on multiples of the resolution."""
    align_pixels: Flag = False
    """Widen --bounds to multiples of the resolution."""
    like: Path | None = None
    """Take the grid of this raster."""

    def __post_init__(self) -> None:
        if self.like is not None and (self.crs, self.resolution, self.bounds) != (None, None, None):
            msg = "--like gives the whole grid: leave out --crs, --resolution and --bounds."
            raise usage(msg)
        if self.align_pixels and self.bounds is None:
            msg = "--align-pixels widens --bounds: give them; without them, edges are on multiples already."
            raise usage(msg)

    @property
    def is_own(self) -> bool:
        """Whether all of the grid follows from images and DEM, so that it fits by its making."""
        return (self.like, self.resolution, self.bounds) == (None, None, None)

    def grids(self, views: list[tuple[Raster, Rpc]], dem: Dem, *, same: bool) -> list[Grid]:
        """Return the grid of each image's output; of one pixel size where that is asked for."""
        from trueground.ortho import common_grids
        from trueground.projection import parse_crs
        from trueground.raster import open_raster

        if self.like is not None:
            return [open_raster(self.like).grid] * len(views)
        return common_grids(
            views,
            dem,
            crs=None if self.crs is None else parse_crs(self.crs),
            resolution=self.resolution,
            bounds=self.bounds,
            align=self.align_pixels,
            same=same,
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Look:
    """How pixels are made."""

    resampling: ImageResampling | None = None
    """How values between pixels are made. Default: bilinear; nearest for paletted and 1-bit images."""
    no_antialias: Flag = False
    """Do not widen the kernel where the output is coarser than the image."""
    occlusion: Occlusion = "fill"
    """Ground that the sensor could not see: no data (fill), as it comes and a file NAME_hidden.tif beside (mask), or as
    it comes (ignore)."""
    nodata: float | None = None
    """What stands for no data in the output; also in an image of integers that declares nothing. Default: what the
    image declares, else 0 for integers, whose valid zeros become ones, and NaN."""
    alpha: Flag = False
    """Add an alpha band: opaque (255; 65535 for uint16) where there is data. An image with one gets one anyway."""

    def resampling_of(self, metadata: Metadata, path: str) -> ImageResampling:
        """Return how an image's values are made."""
        if self.resampling is None:
            return "nearest" if metadata.has_classes else "bilinear"
        if metadata.palette is not None and self.resampling not in _CLASSES:
            msg = f"{path} has a palette, and between two of its values is none: give --resampling nearest or mode."
            raise usage(msg)
        return self.resampling

    @property
    def history(self) -> Mapping[str, str]:
        """What is said of it in a product."""
        return {"antialias": str(not self.no_antialias), "occlusion": self.occlusion}
