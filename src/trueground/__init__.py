"""Put satellite images and elevation models in their true place on the ground, and prove it.

The public names are listed in `__all__` and loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from trueground.coreg import Alignment as Alignment
    from trueground.coreg import NuthKaab as NuthKaab
    from trueground.coreg import VerticalShift as VerticalShift
    from trueground.dem import Dem as Dem
    from trueground.difference import Difference as Difference
    from trueground.engine import Serial as Serial
    from trueground.engine import Threads as Threads
    from trueground.errors import TruegroundError as TruegroundError
    from trueground.grid import Block as Block
    from trueground.grid import Grid as Grid
    from trueground.grid import Window as Window
    from trueground.lazy_array import to_xarray as to_xarray
    from trueground.ortho import Orthoimage as Orthoimage
    from trueground.ortho import ortho_grid as ortho_grid
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
    from trueground.vectors import outline_mask as outline_mask
    from trueground.vectors import stable_terrain as stable_terrain
    from trueground.vertical import Datum as Datum
    from trueground.warp import Resampled as Resampled
    from trueground.warp import on_grid as on_grid
    from trueground.writer import write as write

_HOMES = {
    "coreg": ("Alignment", "NuthKaab", "VerticalShift"),
    "dem": ("Dem",),
    "difference": ("Difference",),
    "engine": ("Serial", "Threads"),
    "errors": ("TruegroundError",),
    "grid": ("Block", "Grid", "Window"),
    "ortho": ("Orthoimage", "ortho_grid"),
    "lazy_array": ("to_xarray",),
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
