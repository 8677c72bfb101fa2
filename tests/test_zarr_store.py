"""Zarr stores: what xarray reads is what was written; whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from pyproj import CRS

from trueground import open_raster, write
from trueground.engine import Serial, Threads
from trueground.errors import BlockError, InputError, WriteError
from trueground.grid import Grid, Window
from trueground.lock import locked
from trueground.raster import ArrayRaster


def raster(dtype: str = "float32", *, bands: int = 1, nodata: float | None = None) -> ArrayRaster:
    transform = Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 8_000_000.0)
    grid = Grid(crs=CRS.from_epsg(32633), transform=transform, shape=(700, 900))
    values = np.random.default_rng(0).integers(0, 200, (bands, *grid.shape)).astype(dtype)
    if dtype == "float32":
        values[:, 100:200, 300:400] = np.nan
    return ArrayRaster(array=values, grid=grid, nodata=nodata)


@pytest.mark.parametrize(
    ("dtype", "bands", "nodata"), [("float32", 1, None), ("uint8", 3, None), ("int16", 1, 7.0)]
)
def test_xarray_reads_what_was_written(
    tmp_path: Path, dtype: str, bands: int, nodata: float | None
) -> None:
    one = raster(dtype, bands=bands, nodata=nodata)
    write(one, tmp_path / "a.zarr", block_size=256, engine=Threads(2), history={"dem": "d.tif"})
    with xr.open_zarr(tmp_path / "a.zarr", mask_and_scale=False) as whole:
        assert whole.attrs["trueground_dem"] == "d.tif"
        assert whole["raster"].chunks is not None
        back = open_raster(whole["raster"])
        assert back.grid == one.grid
        assert back.dtype == one.dtype
        assert back.nodata == one.nodata or (np.isnan(back.nodata) and np.isnan(one.nodata))
        window = one.grid.window
        np.testing.assert_array_equal(back.read(window), one.read(window))
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_store_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write(raster("float32"), path, block_size=256)
    write(raster("uint8", bands=2), path, block_size=512)
    with xr.open_zarr(path) as whole:
        assert whole["raster"].shape == (2, 700, 900)
        assert whole["raster"].dtype == np.uint8
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


@dataclass(frozen=True)
class Failing:
    """Fails in the middle."""

    source: ArrayRaster

    def __getattr__(self, name: str) -> object:
        return getattr(self.source, name)

    def read(self, window: Window) -> np.ndarray:
        if window.row > 300:
            raise ZeroDivisionError
        return self.source.read(window)


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write(raster(), path, block_size=256)
    with pytest.raises(BlockError, match="block at row 512"):
        write(Failing(raster("uint8")), path, block_size=256, engine=Serial())
    with xr.open_zarr(path) as whole:
        assert whole["raster"].dtype == np.float32
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no COG"):
        write(raster(), tmp_path / "a.zarr", driver="COG")
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(WriteError, match="no Zarr store"):
        write(raster(), tmp_path / "b.zarr")
    with pytest.raises(WriteError, match="does not exist"):
        write(raster(), tmp_path / "none" / "c.zarr")


@pytest.mark.parametrize("name", ["a.zarr", "a.tif"])
def test_two_at_once_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with (
        locked(path, as_name=True),
        pytest.raises(WriteError, match=f"{name} is being written by process"),
    ):
        write(raster(), path)
    write(raster(), path)
    with locked(path, as_name=True), pytest.raises(WriteError, match="one run at a time"):
        write(raster(), path)
    assert [p.name for p in tmp_path.iterdir()] == [name]
