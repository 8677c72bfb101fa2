"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import settings
from numpy.typing import NDArray
from pyproj import CRS

from grids import coordinate_coded
from trueground.grid import Grid
from trueground.raster import ArrayRaster

# The first call of a kernel compiles it: no deadline can know about that.
settings.register_profile("trueground", deadline=None)
settings.load_profile("trueground")

UTM31 = CRS.from_epsg(32631)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data; a skip where there is none, a failure where it is required."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRUEGROUND_DATA", default))
    if not folder.is_dir():
        reason = f"no real data in {folder}; set TRUEGROUND_DATA to the folder that holds it"
        if os.environ.get("TRUEGROUND_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture
def utm_grid() -> Grid:
    """100 x 120 pixels of 10 m in UTM 31N, with an origin that is no multiple of anything."""
    transform = Affine(10.0, 0.0, 683_217.5, 0.0, -10.0, 4_899_876.25)
    return Grid(crs=UTM31, transform=transform, shape=(100, 120))


@pytest.fixture
def coordinates(utm_grid: Grid) -> ArrayRaster:
    """Two bands whose values are the row and the column of their pixel's centre."""
    return coordinate_coded(utm_grid)


@pytest.fixture
def write_tif(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes an array with rasterio, not through the code under test."""

    def make(array: NDArray[Any], name: str = "raster.tif", **profile: Any) -> Path:
        import rasterio

        bands = array if array.ndim == 3 else array[np.newaxis]
        path = tmp_path / name
        defaults: dict[str, Any] = {
            "driver": "GTiff",
            "crs": "EPSG:32631",
            "transform": Affine(10.0, 0.0, 600_000.0, 0.0, -10.0, 4_900_000.0),
        }
        count, height, width = bands.shape
        shape = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
        with rasterio.open(path, "w", **{**defaults, **shape, **profile}) as target:
            target.write(bands)
        return path

    return make
