"""Fingerprints of rasters: what changes their values changes them, wherever it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from trueground.fingerprint import fingerprint, raster_fingerprint
from trueground.grid import Grid
from trueground.metadata import Metadata
from trueground.raster import ArrayRaster, open_raster
from trueground.vrt import vrt_text
from trueground.writer import write

GRID = Grid(crs=None, transform=Affine(2.0, 0, 5e5, 0, -2.0, 5e6), shape=(20, 30))


@pytest.fixture
def tif(tmp_path: Path) -> Path:
    return write(
        ArrayRaster(array=np.ones(GRID.shape, np.uint8), grid=GRID), tmp_path / "image.tif"
    )


def virtual(path: Path, of: Path) -> Path:
    tiles = [(of.name, GRID.window)]
    path.write_text(vrt_text(open_raster(of), tiles, metadata=Metadata(), nodata=None))
    return path


def mask(tif: Path) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(tif, "r+") as dataset:
        dataset.write_mask(np.eye(*GRID.shape, dtype=bool))
    assert tif.with_name("image.tif.msk").exists()


def auxiliary(tif: Path, text: str) -> None:
    tif.with_name("image.tif.aux.xml").write_text(f"<PAMDataset>{text}</PAMDataset>")


def nodata(tif: Path) -> None:
    auxiliary(tif, "<PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand>")
    with rasterio.open(tif) as dataset:
        assert dataset.nodata == 7


def coefficients(tif: Path) -> None:
    tif.with_name("image_RPC.TXT").write_text("LINE_OFF: 1\n")


def pixels(tif: Path) -> None:
    with rasterio.open(tif, "r+") as dataset:
        dataset.write(np.full((1, *GRID.shape), 2, np.uint8))


@pytest.mark.parametrize("deep", [0, 1, 2])
@pytest.mark.parametrize("change", [mask, nodata, coefficients, pixels])
def test_what_changes_values_is_noticed(tif, change, deep):
    path = tif
    for k in range(deep):
        path = virtual(tif.with_name(f"v{k}.vrt"), path)
    before = raster_fingerprint(str(path))
    assert raster_fingerprint(str(path)) == before
    change(tif)
    assert raster_fingerprint(str(path)) != before


def test_what_a_viewer_adds_is_not(tif):
    before = raster_fingerprint(str(tif))
    half = Grid(crs=None, transform=GRID.transform, shape=(10, 15))
    overview = write(ArrayRaster(array=np.ones(half.shape, np.uint8), grid=half), f"{tif}.tif")
    overview.rename(tif.with_name("image.tif.ovr"))
    with rasterio.open(tif) as dataset:
        assert dataset.overviews(1) == [2]
    assert raster_fingerprint(str(tif)) == before
    statistics = (
        "<PAMRasterBand band='1'><Histograms><HistItem/></Histograms>"
        "<Metadata><MDI key='STATISTICS_MEAN'>1</MDI></Metadata></PAMRasterBand>"
    )
    auxiliary(tif, statistics)
    assert raster_fingerprint(str(tif)) == before == fingerprint(tif)
    nodata(tif)
    with_nodata = raster_fingerprint(str(tif))
    auxiliary(
        tif, f"{statistics}<PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand>"
    )
    assert raster_fingerprint(str(tif)) == with_nodata


@pytest.mark.parametrize(
    "text", ["<PAMDataset>", "<!DOCTYPE x [<!ENTITY a 'b'>]><PAMDataset/>", ""]
)
def test_side_files_that_cannot_be_understood_count_as_they_are(tif, text):
    side = tif.with_name("image.tif.aux.xml")
    side.write_text("<PAMDataset><a/></PAMDataset>")
    before = raster_fingerprint(str(tif))
    side.write_text(text)
    first = raster_fingerprint(str(tif))
    side.write_text(f"{text} ")
    assert len({before, first, raster_fingerprint(str(tif))}) == 3


def test_the_way_to_a_file_does_not_matter(tif, monkeypatch):
    mask(tif)
    coefficients(tif)
    path = virtual(tif.with_name("v.vrt"), tif)
    whole = raster_fingerprint(str(path))
    monkeypatch.chdir(tif.parent)
    assert raster_fingerprint("v.vrt") == raster_fingerprint("./v.vrt") == whole


def test_a_vrt_of_itself_ends(tif):
    path = virtual(tif.with_name("v.vrt"), tif)
    path.write_text(path.read_text().replace("image.tif", "v.vrt"))
    assert raster_fingerprint(str(path))
