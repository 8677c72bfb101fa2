"""Whether a GeoTIFF that was just written holds all that it says."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from trueground.errors import InputError
from trueground.file_raster import open_dataset
from trueground.quiet import quiet


class _Tile(NamedTuple):
    """A tile of a file, by its bytes."""

    start: int
    end: int
    level: int
    """Of the overviews; -1 for the image itself."""
    band: int
    row: int
    col: int


def _tiles_of(dataset: Any, level: int) -> Iterator[_Tile]:
    """Yield where the tiles of an open file lie in it; one that is not there ends before any byte."""
    for band in dataset.indexes:
        for (row, col), _ in dataset.block_windows(band):
            start, size = (
                int(dataset.get_tag_item(f"BLOCK_{item}_{col}_{row}", "TIFF", bidx=band) or -1)
                for item in ("OFFSET", "SIZE")
            )
            yield _Tile(start, start + size, level, band, row, col)


def _levels_of(path: Path) -> Iterator[tuple[int, Any]]:
    """Open a file and each of its overviews, one after the other."""
    import rasterio

    with open_dataset(path) as dataset:
        yield -1, dataset
        overviews = len(dataset.overviews(1))
    for level in range(overviews):
        with quiet(rasterio.errors.NotGeoreferencedWarning):
            dataset = rasterio.open(path, overview_level=level)
        with dataset:
            yield level, dataset


def check_tiles(path: Path) -> None:
    """Raise where a file does not hold all of its tiles.

    On a full disk GDAL may close the file without an error and record a tile that was cut short as if it were whole.
    Then the next one lies over its end, or the file ends before it does. The last tile in a file, which GDAL's own
    tables may follow, is decoded.
    """
    with _reading_back():
        tiles = sorted(
            tile for level, dataset in _levels_of(path) for tile in _tiles_of(dataset, level)
        )
        last = tiles[-1]
        apart = all(
            one.end <= two.start or one[:2] == two[:2]  # bands may share theirs
            for one, two in pairwise(tiles)
        )
        if not (apart and tiles[0].start >= 0 and last.end <= path.stat().st_size):
            raise _cut_short()
        for level, dataset in _levels_of(path):
            if level == last.level:
                dataset.read(last.band, window=dataset.block_window(last.band, last.row, last.col))


def check_readable(path: Path) -> None:
    """Decode a whole file: a COG in which a tile was cut short goes on with others that are empty."""
    with _reading_back():
        for _, dataset in _levels_of(path):
            for band in dataset.indexes:
                for _, window in dataset.block_windows(band):
                    dataset.read(band, window=window)


@contextlib.contextmanager
def _reading_back() -> Iterator[None]:
    import rasterio

    try:
        yield
    except (InputError, rasterio.errors.RasterioError) as error:
        raise _cut_short() from error


def _cut_short() -> OSError:
    return OSError(errno.ENOSPC, "the file cannot be read back after writing; is the disk full?")
