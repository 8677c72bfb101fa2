"""Put satellite images and elevation models in their true place on the ground, and prove it.

The public names are listed in `__all__` and loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from trueground.cluster import Dask as Dask
    from trueground.control import AutomaticControl as AutomaticControl
    from trueground.control import Matching as Matching
    from trueground.control import automatic_control as automatic_control
    from trueground.coreg import Alignment as Alignment
    from trueground.coreg import Blockwise as Blockwise
    from trueground.coreg import BlockwiseAlignment as BlockwiseAlignment
    from trueground.coreg import Chain as Chain
    from trueground.coreg import Correction as Correction
    from trueground.coreg import Cpd as Cpd
    from trueground.coreg import Deramp as Deramp
    from trueground.coreg import DhMinimize as DhMinimize
    from trueground.coreg import DirectionalBias as DirectionalBias
    from trueground.coreg import Icp as Icp
    from trueground.coreg import Lzd as Lzd
    from trueground.coreg import NuthKaab as NuthKaab
    from trueground.coreg import Pipeline as Pipeline
    from trueground.coreg import TerrainBias as TerrainBias
    from trueground.coreg import VerticalShift as VerticalShift
    from trueground.coreg import read_result as read_result
    from trueground.dem import Dem as Dem
    from trueground.difference import Difference as Difference
    from trueground.engine import Serial as Serial
    from trueground.engine import Threads as Threads
    from trueground.error_model import ErrorModel as ErrorModel
    from trueground.errors import TruegroundError as TruegroundError
    from trueground.grid import Block as Block
    from trueground.grid import Grid as Grid
    from trueground.grid import Window as Window
    from trueground.lazy_array import to_xarray as to_xarray
    from trueground.ortho import Mosaic as Mosaic
    from trueground.ortho import Orthoimage as Orthoimage
    from trueground.ortho import common_grids as common_grids
    from trueground.ortho import ortho_grid as ortho_grid
    from trueground.pointcloud import PointCloud as PointCloud
    from trueground.pointfiles import open_points as open_points
    from trueground.raster import ArrayRaster as ArrayRaster
    from trueground.raster import Raster as Raster
    from trueground.raster import open_raster as open_raster
    from trueground.rpc.fit import fit_rpc as fit_rpc
    from trueground.rpc.gcps import read_gcps as read_gcps
    from trueground.rpc.localization import Localization as Localization
    from trueground.rpc.localize import localize_on as localize_on
    from trueground.rpc.located import Located as Located
    from trueground.rpc.model import Rpc as Rpc
    from trueground.rpc.readers import read_rpc as read_rpc
    from trueground.rpc.readers import rpc_for_image as rpc_for_image
    from trueground.rpc.refine import refine as refine
    from trueground.rpc.triangulate import triangulate as triangulate
    from trueground.rpc.writers import write_rpc as write_rpc
    from trueground.stats import Statistics as Statistics
    from trueground.stats import statistics as statistics
    from trueground.status import Status as Status
    from trueground.terrain import Curvature as Curvature
    from trueground.terrain import Slope as Slope
    from trueground.tiles import TileStore as TileStore
    from trueground.uncertainty import MeanChange as MeanChange
    from trueground.uncertainty import mean_changes as mean_changes
    from trueground.variogram import Variogram as Variogram
    from trueground.variogram_model import VariogramModel as VariogramModel
    from trueground.vectors import outline_mask as outline_mask
    from trueground.vectors import stable_terrain as stable_terrain
    from trueground.vertical import Datum as Datum
    from trueground.warp import Resampled as Resampled
    from trueground.warp import on_grid as on_grid
    from trueground.writer import write as write

_HOMES = {
    "cluster": ("Dask",),
    "control": ("AutomaticControl", "Matching", "automatic_control"),
    "coreg": (
        "Alignment",
        "Blockwise",
        "BlockwiseAlignment",
        "Chain",
        "Correction",
        "Cpd",
        "Deramp",
        "DhMinimize",
        "DirectionalBias",
        "Icp",
        "Lzd",
        "NuthKaab",
        "Pipeline",
        "TerrainBias",
        "VerticalShift",
        "read_result",
    ),
    "dem": ("Dem",),
    "difference": ("Difference",),
    "engine": ("Serial", "Threads"),
    "error_model": ("ErrorModel",),
    "errors": ("TruegroundError",),
    "grid": ("Block", "Grid", "Window"),
    "ortho": ("Mosaic", "Orthoimage", "common_grids", "ortho_grid"),
    "lazy_array": ("to_xarray",),
    "pointcloud": ("PointCloud",),
    "pointfiles": ("open_points",),
    "raster": ("ArrayRaster", "Raster", "open_raster"),
    "rpc.fit": ("fit_rpc",),
    "rpc.gcps": ("read_gcps",),
    "rpc.localization": ("Localization",),
    "rpc.localize": ("localize_on",),
    "rpc.located": ("Located",),
    "rpc.model": ("Rpc",),
    "rpc.readers": ("read_rpc", "rpc_for_image"),
    "rpc.refine": ("refine",),
    "rpc.triangulate": ("triangulate",),
    "rpc.writers": ("write_rpc",),
    "stats": ("Statistics", "statistics"),
    "status": ("Status",),
    "terrain": ("Curvature", "Slope"),
    "uncertainty": ("MeanChange", "mean_changes"),
    "variogram": ("Variogram",),
    "variogram_model": ("VariogramModel",),
    "tiles": ("TileStore",),
    "vectors": ("outline_mask", "stable_terrain"),
    "vertical": ("Datum",),
    "warp": ("Resampled", "on_grid"),
    "writer": ("write",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604 (strings, from the table)


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        msg = f"module 'trueground' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"trueground.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
