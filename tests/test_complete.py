"""A file that lacks some of its bytes is found out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import rasterio
from affine import Affine

from trueground.complete import check_readable, check_tiles
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.writer import write


def noise(bands):
    array = np.random.default_rng(0).integers(0, 256, (bands, 1100, 700)).astype(np.uint8)
    grid = Grid(crs=None, transform=Affine.scale(2), shape=array.shape[1:])
    return ArrayRaster(array=array, grid=grid)


def places(path):
    """Return first byte and length of each tile of the image."""
    with rasterio.open(path) as dataset:
        return [
            tuple(
                int(dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band))
                for what in ("OFFSET", "SIZE")
            )
            for band in dataset.indexes
            for (row, col), _ in dataset.block_windows(band)
        ]


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("compress", ["auto", "none"])
def test_whole_files_are_complete(tmp_path, driver, bands, compress):
    path = write(noise(bands), tmp_path / "a.tif", driver=driver, compress=compress)
    check_tiles(path)
    check_readable(path)


@pytest.mark.parametrize("compress", ["auto", "deflate", "none"])
def test_a_file_that_ends_early_is_not_complete(tmp_path, compress):
    path = write(noise(1), tmp_path / "a.tif", compress=compress)
    end = max(start + size for start, size in places(path))
    with path.open("r+b") as file:
        file.truncate(end - 1)
    with pytest.raises(OSError, match="is the disk full"):
        check_tiles(path)


@pytest.mark.parametrize("compress", ["deflate", "none"])
def test_a_tile_over_the_end_of_another_is_not_complete(tmp_path, compress):
    """What comes after a tile that was cut short lies over what is missing of it."""
    path = write(noise(1), tmp_path / "a.tif", compress=compress)
    one, two = itertools.islice(sorted(places(path)), 2)
    content = path.read_bytes()
    for width in (4, 8, 2):  # of the numbers in the table of the tiles' first bytes
        table = b"".join(start.to_bytes(width, "little") for start, _ in places(path))
        if table in content:
            break
    else:
        pytest.fail("the table of the tiles was not found")
    moved = (two[0] - 1).to_bytes(width, "little")
    content = content.replace(two[0].to_bytes(width, "little"), moved, 1)
    path.write_bytes(content)
    assert (two[0] - 1, two[1]) in places(path)
    assert one[0] + one[1] > two[0] - 1
    with pytest.raises(OSError, match="is the disk full"):
        check_tiles(path)


def test_a_tile_that_is_not_there_is_not_complete(tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "height": 600, "width": 600, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        path, "w", **profile, transform=Affine.scale(2), tiled=True, sparse_ok=True
    ) as dataset:
        dataset.write(np.ones((1, 100, 100), np.uint8), window=((0, 100), (0, 100)))
    with pytest.raises(OSError, match="is the disk full"):
        check_tiles(path)


def test_a_tile_that_cannot_be_decoded_is_not_readable(tmp_path):
    path = write(noise(1), tmp_path / "a.tif", driver="COG")
    start, size = places(path)[0]
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(size)
    path.write_bytes(content)
    check_tiles(path)
    with pytest.raises(OSError, match="is the disk full"):
        check_readable(path)
