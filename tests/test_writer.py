"""Writing: whole or not at all, the same for every block size, bounded in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

from faults import mounted
from grids import coordinate_coded, turned
from trueground import __version__
from trueground.engine import Serial, Threads
from trueground.errors import BlockError, InputError, WriteError
from trueground.grid import Grid
from trueground.raster import ArrayRaster, open_raster
from trueground.writer import atomic, check_output, write, write_text

UTM31 = CRS.from_epsg(32631)


def _grid(rows, cols, crs=UTM31):
    return Grid(crs=crs, transform=Affine(2.0, 0, 5e5, 0, -2.0, 5e6), shape=(rows, cols))


def _noise(rows, cols, dtype=np.float32, bands=1):
    values = np.random.default_rng(0).normal(100.0, 30.0, (bands, rows, cols)).astype(dtype)
    return ArrayRaster(array=values, grid=_grid(rows, cols))


class Breaks:
    """A raster whose last block fails."""

    def __init__(self, error):
        self.grid, self.count, self.dtype, self.nodata = _grid(700, 700), 1, np.dtype("f4"), np.nan
        self.error = error

    def read(self, window):
        if window.row + window.height == 700 and window.col + window.width == 700:
            raise self.error
        return np.ones((1, *window.shape), dtype=np.float32)


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_round_trip(tmp_path, driver, dtype):
    raster = _noise(530, 700, dtype, bands=2)
    path = write(raster, tmp_path / "out.tif", driver=driver)
    back = open_raster(path)
    assert back.grid == raster.grid
    assert (back.dtype, back.count) == (raster.dtype, 2)
    np.testing.assert_array_equal(back.read(back.grid.window), raster.array)
    assert list(tmp_path.iterdir()) == [path]


def test_pixels_do_not_depend_on_blocks_or_threads(tmp_path):
    raster = _noise(1100, 1300)
    raster.array[:, 500:520, 500:530] = np.nan
    for number, (engine, size) in enumerate(
        [(Serial(), 256), (Serial(), 500), (Threads(1), 1024), (Threads(2), 500), (Threads(4), 97)]
    ):
        path = write(raster, tmp_path / f"{number}.tif", engine=engine, block_size=size)
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(dataset.read(), raster.array)


def test_file_is_tiled_compressed_tagged_and_named(tmp_path):
    calls = []
    path = write(
        _noise(600, 600, bands=2), tmp_path / "out.tif", block_size=512,
        history={"dem": "a.tif", "heights": "egm96"}, descriptions=("red", "green"),
        progress=lambda *done: calls.append(done),
    )  # fmt: skip
    with rasterio.open(path) as dataset:
        assert dataset.block_shapes == [(512, 512)] * 2
        assert dataset.profile["compress"] == "zstd"
        assert np.isnan(dataset.nodata)
        assert dataset.descriptions == ("red", "green")
        tags = dataset.tags()
    assert tags["TRUEGROUND_VERSION"] == __version__
    assert (tags["TRUEGROUND_DEM"], tags["TRUEGROUND_HEIGHTS"]) == ("a.tif", "egm96")
    assert calls == [(k, 4) for k in range(1, 5)]


def test_cog_is_tiled_with_overviews_and_keeps_everything(tmp_path):
    raster = _noise(1500, 1200)
    path = write(
        raster, tmp_path / "cog.tif", driver="COG", history={"dem": "a.tif"}, descriptions=("z",)
    )
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == [2, 4]
        assert dataset.block_shapes == [(512, 512)]
        assert dataset.tags()["TRUEGROUND_DEM"] == "a.tif"
        assert dataset.descriptions == ("z",)
        np.testing.assert_array_equal(dataset.read(), raster.array)


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_rpc_of_an_image_without_place(tmp_path, driver):
    coefficients = " ".join(repr(0.1 * k) for k in range(20))
    tags = {f"{n}_{k}": repr(1.5 + len(n)) for n in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT")
            for k in ("OFF", "SCALE")}  # fmt: skip
    tags |= {f"{n}_COEFF": coefficients for n in ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN")}
    grid = Grid(crs=None, transform=Affine.identity(), shape=(20, 30))
    image = ArrayRaster(array=np.zeros((20, 30), dtype=np.uint16), grid=grid)
    path = write(image, tmp_path / "image.tif", rpc_tags=tags, driver=driver)
    assert list(tmp_path.iterdir()) == [path]
    with rasterio.open(path) as dataset:  # no warning: it knows of RPCs
        found = dataset.tags(ns="RPC")
        assert dataset.crs is None
        assert dataset.transform == Affine.identity()
        # GDAL keeps doubles and shows them with 15 digits.
        assert dataset.rpcs.line_num_coeff == pytest.approx([0.1 * k for k in range(20)], rel=1e-14)
    assert float(found["LINE_OFF"]) == 5.5
    assert open_raster(path).grid == grid


def test_place_is_kept_for_crops_rotated_and_compound(tmp_path):
    for crs, transform in (
        (None, Affine(1, 0, 5000.0, 0, 1, 4915.0)),
        (UTM31, turned((5e5, 5e6), 30.0, (2.0, -2.0))),
        (CRS.from_user_input("EPSG:4326+5773"), Affine(0.1, 0, 5.0, 0, -0.1, 45.0)),
        (CRS.from_epsg(4979), Affine(0.1, 0, 5.0, 0, -0.1, 45.0)),
    ):
        grid = Grid(crs=crs, transform=transform, shape=(20, 30))
        path = write(coordinate_coded(grid), tmp_path / "out.tif")
        back = open_raster(path).grid
        np.testing.assert_allclose(tuple(back.transform), tuple(grid.transform), atol=1e-9)
        assert back.crs == crs or back.crs.equals(crs, ignore_axis_order=True)


def test_masks_of_truth_values_become_bytes(tmp_path):
    mask = ArrayRaster(array=np.eye(20, dtype=bool), grid=_grid(20, 20))
    back = open_raster(write(mask, tmp_path / "mask.tif"))
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back.read(back.grid.window)[0], np.eye(20))


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("engine", [Serial(), Threads(2)])
@pytest.mark.parametrize("error", [ValueError("oh"), KeyboardInterrupt()])
def test_failure_leaves_nothing_and_keeps_what_was_there(tmp_path, driver, engine, error):
    path = tmp_path / "out[1].tif"  # brackets mean something to a glob
    path.write_bytes(b"old")
    expected = BlockError if isinstance(error, ValueError) else KeyboardInterrupt
    with pytest.raises(expected):
        write(Breaks(error), path, engine=engine, driver=driver, block_size=256)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_overwriting_drops_what_gdal_kept_beside_the_old_file(tmp_path):
    path = write(_noise(600, 600), tmp_path / "out.tif")
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    Path(f"{path}.aux.xml").write_text("<PAMDataset></PAMDataset>")
    keep = tmp_path / "out.txt"
    keep.write_text("mine")
    write(ArrayRaster(array=np.zeros((600, 600)), grid=_grid(600, 600)), path)
    assert sorted(tmp_path.iterdir()) == [path, keep] or set(tmp_path.iterdir()) == {path, keep}


def test_a_file_may_be_written_over_its_own_source(tmp_path):
    path = write(_noise(600, 600), tmp_path / "a.tif")
    before = open_raster(path).read(_grid(600, 600).window)
    write(open_raster(path), path)
    np.testing.assert_array_equal(open_raster(path).read(_grid(600, 600).window), before)


def test_places_that_cannot_be_written_are_refused_before_any_work(tmp_path):
    class Untouchable(Breaks):
        def read(self, window):
            raise AssertionError("read before the place was checked")

    file = tmp_path / "file"
    file.write_text("x")
    for path, match in (
        (tmp_path / "none" / "out.tif", "does not exist"),
        (tmp_path, "is a folder"),
        (file / "out.tif", "not a folder"),
        (Path(os.devnull), "not a regular file"),
    ):
        with pytest.raises(WriteError, match=match) as caught:
            write(Untouchable(None), path)
        assert "\n" not in str(caught.value)
        with pytest.raises(WriteError, match=match):
            check_output(path)
    assert Path(os.devnull).is_char_device()


def test_unknown_driver_and_type_are_refused(tmp_path):
    with pytest.raises(InputError, match="GTiff or COG"):
        write(_noise(5, 5), tmp_path / "a.png", driver="PNG")
    with pytest.raises(InputError, match="float16"):
        write(_noise(5, 5, np.float16), tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("pixels", [600, 1500])
def test_full_disk(tmp_path, driver, pixels):
    """GDAL may swallow it until the file is closed, or for good."""
    with mounted(tmp_path / "disk", "size=512k") as disk:
        path = disk / "out.tif"
        path.write_bytes(b"old")
        with pytest.raises(WriteError, match=r"out\.tif could not be written") as caught:
            write(_noise(pixels, pixels), path, driver=driver)
        assert "\n" not in str(caught.value)
        assert list(disk.iterdir()) == [path]
        assert path.read_bytes() == b"old"
        path.unlink()
        with pytest.raises(WriteError, match="could not be written"):
            write_text(disk / "report.html", "x" * 2_000_000)
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("pixels", [600, 1500])
def test_full_disk_of_a_cog_names_no_temporary_file(tmp_path, pixels):
    with mounted(tmp_path / "disk", "size=512k") as disk:
        with pytest.raises(WriteError) as caught:
            write(_noise(pixels, pixels), disk / "full.tif", driver="COG")
        assert ".part" not in str(caught.value)


@pytest.mark.parametrize("rows", range(300, 560, 20))
def test_disk_that_is_full_just_before_the_end(tmp_path, rows):
    """Around the size of the disk: either the file is whole, or there is none."""
    with mounted(tmp_path / "disk", "size=768k") as disk:
        raster = _noise(rows, 500)
        try:
            write(raster, disk / "out.tif", engine=Serial())
        except WriteError:
            assert list(disk.iterdir()) == []
        else:
            with rasterio.open(disk / "out.tif") as dataset:
                np.testing.assert_array_equal(dataset.read(), raster.array)


def test_folder_that_cannot_be_written(tmp_path):
    with mounted(tmp_path / "disk", "ro") as disk:
        with pytest.raises(WriteError, match="cannot be written") as caught:
            write_text(disk / "a.txt", "x")
        assert "\n" not in str(caught.value)


def test_text_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "größer")
    assert path.read_text(encoding="utf-8") == "größer"

    def fails():
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert path.read_text(encoding="utf-8") == "größer"
    assert list(tmp_path.iterdir()) == [path]


BIG = """
import sys
import numpy as np
from affine import Affine
from pyproj import CRS
from trueground.engine import Threads
from trueground.grid import Grid
from trueground.writer import write

class Big:
    place = Affine(1, 0, 5e5, 0, -1, 5e6)
    grid = Grid(crs=CRS.from_epsg(32631), transform=place, shape=(12000, 12000))
    count, dtype, nodata = 1, np.dtype(np.float32), float("nan")
    def read(self, window):
        rows, cols = window.pixel_centres()
        return (np.floor(rows / 7.0) + np.floor(cols / 5.0))[np.newaxis].astype(np.float32)

write(Big(), sys.argv[1], engine=Threads(2), driver=sys.argv[2])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # since exec, unlike ru_maxrss
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_memory_stays_bounded(tmp_path, driver):
    """576 MB of pixels: the process must not come to hold them."""
    command = [sys.executable, "-c", BIG, str(tmp_path / "big.tif"), driver]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 600 if driver == "GTiff" else int(done.stdout) < 1000  # MB
    with rasterio.open(tmp_path / "big.tif") as dataset:
        corner = dataset.read(1, window=((11_999, 12_000), (11_999, 12_000)))
    assert corner[0, 0] == 11_999.5 // 7 + 11_999.5 // 5
