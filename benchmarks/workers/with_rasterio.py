"""Reading and writing alone, by rasterio: what no command that reads and writes the same is quicker than."""

import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# As much of GDAL's own cache as trueground takes: of its default, 5 % of the memory, a process pays for each page anew.
os.environ.setdefault("GDAL_CACHEMAX", "192")

import rasterio
from rasterio.windows import Window
from serve import serve

THREADS = 2
AHEAD = 4  # bands of tiles that are read and wait


def bands(path):
    """Return windows of whole rows of the file's own tiles, so that each is decoded once."""
    with rasterio.open(path) as file:
        rows = file.block_shapes[0][0]
        return [
            Window(0, row, file.width, min(rows, file.height - row))
            for row in range(0, file.height, rows)
        ]


def values(path, pool):
    """Read a file with a handle for each thread; yield windows with their values, in order."""
    kept, opened = threading.local(), []

    def read(window):
        if not hasattr(kept, "file"):
            kept.file = rasterio.open(path)
            opened.append(kept.file)
        return window, kept.file.read(window=window)

    waiting = deque()
    try:
        for window in bands(path):
            waiting.append(pool.submit(read, window))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for file in opened:
            file.close()


def profile(path):
    """Return driver, type, grid, tiles, compression and predictor of a file, and threads that compress."""
    with rasterio.open(path) as file:
        given = dict(file.profile)
        packed = file.tags(ns="IMAGE_STRUCTURE")
    if "PREDICTOR" in packed:
        given["predictor"] = packed["PREDICTOR"]
    if given.get("compress") == "zstd":
        given["zstd_level"] = 1  # as trueground's, which a file does not tell
    return {**given, "num_threads": THREADS, "bigtiff": "IF_SAFER"}


def moved_bytes(paths, copied, output):
    """Read files, and copy one, in two threads and with as many that compress."""

    def run():
        with ThreadPoolExecutor(THREADS) as pool:
            for path in paths:
                for _ in values(path, pool):
                    pass
            with rasterio.open(output, "w", **profile(copied)) as target:
                for window, read in values(copied, pool):
                    target.write(read, window=window)
        Path(output).unlink()
        return {}

    return run, lambda _: {}


if __name__ == "__main__":
    serve({"moved_bytes": moved_bytes})
