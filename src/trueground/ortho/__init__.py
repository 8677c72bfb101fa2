"""Orthorectification: images with RPCs, put in their true place over a DEM."""

from __future__ import annotations

from trueground.ortho.geometry import Geometry, Positions
from trueground.ortho.grids import footprint, ground_sampling, ortho_grid
from trueground.ortho.image import Orthoimage

__all__ = ["Geometry", "Orthoimage", "Positions", "footprint", "ground_sampling", "ortho_grid"]
