"""Images before they are put on the ground, fingerprints of inputs, and what is said of the time it takes."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest
from affine import Affine

from trueground.cli.console import Speed
from trueground.errors import InputError
from trueground.estimate import estimate
from trueground.fingerprint import _END, _WHOLE, fingerprint, raster_fingerprint, sha256
from trueground.grid import Grid, Window
from trueground.imagery import WithAlpha, as_image, metadata_of
from trueground.metadata import BandMetadata, Metadata, _kept
from trueground.raster import ArrayRaster, open_raster
from trueground.writer import write

GRID = Grid(crs=None, transform=Affine.identity(), shape=(20, 30))


def _array(dtype, nodata=None):
    values = np.arange(600).reshape(1, 20, 30) % 50
    return ArrayRaster(array=values.astype(dtype), grid=GRID, nodata=nodata)


def test_an_image_without_mask_is_itself():
    for raster in (_array("uint8"), _array("float32"), _array("int16", nodata=7)):
        assert as_image(raster) is raster
    assert as_image(_array("int16", nodata=7), nodata=7).nodata == 7


@pytest.mark.parametrize("nodata", [0, 49, 255])
def test_another_nodata_takes_no_valid_pixel(nodata):
    raster = _array("uint8", nodata=7)
    image = as_image(raster, nodata=nodata)
    values = image.read(Window(-1, 0, 21, 30))
    assert image.nodata == nodata
    assert (values[:, 0] == nodata).all()
    np.testing.assert_array_equal(values[:, 1:] == nodata, raster.array == 7)


def test_a_nodata_that_the_user_alone_knows_is_no_data():
    raster = _array("uint8")
    values = as_image(raster, nodata=3).read(GRID.window)
    np.testing.assert_array_equal(values, raster.array)
    with pytest.raises(InputError, match="from 0 to 255"):
        as_image(raster, nodata=256)
    with pytest.raises(InputError, match="complex64"):
        as_image(_array("complex64"))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
def test_alpha(dtype):
    raster = _array(dtype, nodata=0)
    opaque = {"uint16": 65535, "int8": 127}.get(dtype, 255)
    with_alpha = WithAlpha(source=raster)
    values = with_alpha.read(GRID.window)
    assert with_alpha.count == 2
    np.testing.assert_array_equal(values[1], np.where(raster.array[0] != 0, opaque, 0))


def test_tags_that_are_of_the_pixels_alone_are_left_behind():
    kept = {
        "TIFFTAG_DATETIME": "x",
        "SATELLITE": "y",
        "NITF_FTITLE": "z",
        "IMAGE_1.satId": "a",
        "productCatalogId": "b",
    }
    lost = ("AREA_OR_POINT", "TIFFTAG_XRESOLUTION", "NITF_IGEOLO", "NITF_BLOCKA_FRLC_LOC_01", "BAND_P.ULLon", "numRows",
            "STATISTICS_MEAN", "TRUEGROUND_DEM", "CORNER_UL_LAT")  # fmt: skip
    grid = {"gml.root-instance": '<?xml version="1.0"?><gml:Grid/>'}
    assert _kept({**kept, **dict.fromkeys(lost, "1"), **grid}) == kept


def test_metadata_of_a_copy(tmp_path):
    bands = (
        BandMetadata(description="a", unit="m", scale=2.0),
        BandMetadata(interpretation="alpha"),
    )
    said = Metadata(bands=bands, tags={"A": "1"})
    raster = ArrayRaster(array=np.ones((2, 20, 30), dtype=np.uint8), grid=GRID)
    back = metadata_of(open_raster(write(raster, tmp_path / "a.tif", metadata=said)))
    assert back.alpha == 1
    assert back.bands[0].description == "a"
    assert back.tags == {"A": "1"}
    assert back.without_alpha().with_alpha(1).alpha == 1
    assert Metadata().with_alpha(3).alpha == 3


def test_fingerprints_tell_files_apart(tmp_path, write_tif):
    small = tmp_path / "a"
    small.write_bytes(b"abc")
    assert fingerprint(small) == f"sha256 {sha256(small)}"
    assert sha256(small).startswith("ba7816bf8f01cfea")
    large = tmp_path / "b"
    with large.open("wb") as file:
        file.truncate(_WHOLE + 1)
    first = fingerprint(large)
    assert first.startswith(f"size {_WHOLE + 1}, changed 20")
    status = large.stat()
    for place in (0, _WHOLE - _END + 5):
        with large.open("r+b") as file:
            file.seek(place)
            file.write(b"x")
        os.utime(large, ns=(status.st_atime_ns, status.st_mtime_ns))
        second = fingerprint(large)
        assert second != first
        first = second
    os.utime(large, ns=(0, 0))
    assert fingerprint(large) != first
    assert (
        fingerprint("/vsicurl/http://x/y.tif")
        == fingerprint(tmp_path / "none")
        == "not a local file"
    )
    path = write_tif(np.zeros((5, 5), dtype=np.uint8))
    assert raster_fingerprint(str(path)) == fingerprint(path)
    alone = raster_fingerprint(str(path))
    path.with_suffix(".tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    assert raster_fingerprint(str(path)) in (
        alone,
        fingerprint(path),
    ) or "2 files" in raster_fingerprint(str(path))


def test_an_estimate_knows_the_size():
    values = np.random.default_rng(0).integers(0, 60000, (1, 700, 900), dtype=np.uint16)
    grid = Grid(crs=None, transform=Affine.identity(), shape=(700, 900))
    said = estimate(ArrayRaster(array=values, grid=grid), block_size=256, workers=1)
    assert said.uncompressed == 700 * 900 * 2
    assert said.stored == pytest.approx(said.uncompressed, rel=0.1)  # noise cannot be compressed
    assert said.memory > 50e6
    assert said.seconds > 0
    assert "1.26 MB uncompressed" in str(said)
    zeros = estimate(ArrayRaster(array=np.zeros_like(values), grid=grid), block_size=256)
    assert zeros.stored < 0.05 * zeros.uncompressed


def test_speed_counts_what_this_run_has_done(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("trueground.cli.console.time.perf_counter", lambda: clock.now)
    fresh = Speed(pixels=100_000_000)
    clock.now = 2.0
    assert fresh.after(1, 10) == "5.0 Mpx/s"
    clock.now = 5.0
    assert fresh.after(5, 10) == "10.0 Mpx/s"
    resumed = Speed(pixels=100_000_000)
    resumed.after(5, 10)
    clock.now = 10.0
    assert resumed.after(9, 10) == "8.0 Mpx/s"
    assert Speed(pixels=None).after(1, 2) == ""
