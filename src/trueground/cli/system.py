"""What trueground runs on, for bug reports: the content of `trueground info --system`."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NEEDED = (
    "numpy",
    "scipy",
    "numba",
    "rasterio",
    "pyproj",
    "xarray",
    "dask",
    "geopandas",
    "pyogrio",
    "matplotlib",
)
EXTRAS = ("distributed", "zarr", "pyarrow", "laspy")
DRIVERS = (
    "GTiff",
    "COG",
    "VRT",
    "SRTMHGT",
    "DIMAP",
    "NITF",
    "JP2OpenJPEG",
    "GPKG",
    "GeoJSON",
)


def system_items() -> dict[str, str]:
    """Return what matters of this computer and installation, by name."""
    return {**_software(), **_machine(), **_gdal(), **_places()}


def _software() -> dict[str, str]:
    from trueground import __version__

    return {
        "trueground": f"{__version__}, {Path(__file__).parents[1]}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in NEEDED),
        "extras": ", ".join(f"{name} {_version(name)}" for name in EXTRAS),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _machine() -> dict[str, str]:
    from trueground.engine import available_processors

    return {
        "platform": platform.platform(),
        "processors": f"{available_processors()} for this process, of {os.cpu_count()}",
        "memory": _memory(),
    }


def _memory() -> str:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.1f} GiB"


def _gdal() -> dict[str, str]:
    import pyogrio
    import pyproj
    from pyproj.network import is_network_enabled  # type: ignore[attr-defined]

    # By its name: versions and drivers are asked for, no raster is read here.
    rasterio = import_module("rasterio")
    with rasterio.Env() as env:
        drivers = env.drivers()
    lacking = [name for name in DRIVERS if name not in drivers]
    return {
        "GDAL": f"{rasterio.__gdal_version__} of rasterio, {pyogrio.__gdal_version_string__} of pyogrio",
        "GDAL drivers": f"{len(drivers)}; "
        + (f"lacking {', '.join(lacking)}" if lacking else f"{', '.join(DRIVERS)} are there"),
        "PROJ": f"{pyproj.proj_version_str}, {pyproj.datadir.get_data_dir()}",
        "PROJ network": "on" if is_network_enabled() else "off",
    }


def _places() -> dict[str, str]:
    from trueground.kernels import CACHE_FOLDER

    kernels = os.environ.get("NUMBA_CACHE_DIR") or str(CACHE_FOLDER)
    return {
        "kernels": f"{kernels}, {sum(1 for _ in Path(kernels).rglob('*.nbc'))} compiled",
        **{f"geoid {name}": _geoid(name) for name in ("egm96", "egm2008")},
    }


def _geoid(name: str) -> str:
    from trueground.errors import DatumError
    from trueground.vertical import Datum

    try:
        Datum.parse(name)
    except DatumError as error:
        return str(error)
    return "found"
