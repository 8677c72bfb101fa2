"""Aligned and moved DEMs as tiles, COGs and Zarr stores: the same pixels, gone on with, by workers too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from cli_scene import Run

ALIGN = "align", "reference.tif", "moving.tif"


def values(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()


@pytest.fixture
def whole(run: Run, tmp_path: Path) -> np.ndarray:
    """The aligned DEM in one file."""
    done = run(*ALIGN, "-o", "out/whole.tif", "--transform", "out/shift.json")
    assert done.returncode == 0, done.stderr
    return values(tmp_path / "whole.tif")


@pytest.mark.parametrize("engine", ["threads", "dask"])
def test_tiles_are_the_whole_and_gone_on_with(
    run: Run, tmp_path: Path, whole: np.ndarray, engine: str
) -> None:
    words = *ALIGN, "-o", "out/tiled", "--tiles", "100", "--engine", engine, "--workers", "2"
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "tiled.vrt" in done.stderr
    np.testing.assert_array_equal(values(tmp_path / "tiled/tiled.vrt"), whole)
    manifest = json.loads((tmp_path / "tiled/manifest.json").read_text())
    assert set(manifest["inputs"]) == {"reference", "moving"}
    assert len(manifest["tiles"]) == 9
    lost, kept = (tmp_path / "tiled/tiles" / f"r0001_c000{n}.tif" for n in (1, 2))
    lost.unlink()
    before = kept.stat().st_mtime_ns
    assert run(*words).returncode == 1
    assert run(*words, "--resume").returncode == 0
    assert lost.exists()
    assert kept.stat().st_mtime_ns == before
    done = run(*words, "--resume", "--method", "vertical-shift")
    assert done.returncode == 1
    assert "parameters.method was nuth-kaab, now it is vertical-shift" in done.stderr


def test_apply_writes_tiles_of_cogs(run: Run, tmp_path: Path, whole: np.ndarray) -> None:
    words = "apply", "out/shift.json", "moving.tif", "-o", "out/moved", "--tiles", "128", "--cog"
    done = run(*words)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(values(tmp_path / "moved/moved.vrt"), whole)
    with rasterio.open(tmp_path / "moved/tiles/r0000_c0000.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_a_zarr_store_holds_the_same(run: Run, tmp_path: Path, whole: np.ndarray) -> None:
    done = run(*ALIGN, "-o", "out/aligned.zarr")
    assert done.returncode == 0, done.stderr
    with xr.open_zarr(tmp_path / "aligned.zarr") as store:
        np.testing.assert_array_equal(store["raster"].values, whole)
        assert store.attrs["trueground_method"] == "nuth-kaab"
