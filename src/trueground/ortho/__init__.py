"""Orthorectification: images with RPCs, put in their true place over a DEM."""

from __future__ import annotations

from trueground.ortho.geometry import Geometry, Positions
from trueground.ortho.grids import common_grids, footprint, ground_sampling, ortho_grid
from trueground.ortho.image import Orthoimage
from trueground.ortho.mosaic import Mosaic, MosaicRule

__all__ = [
    "Geometry",
    "Mosaic",
    "MosaicRule",
    "Orthoimage",
    "Positions",
    "common_grids",
    "footprint",
    "ground_sampling",
    "ortho_grid",
]
