"""Memory of a process that reads much: GDAL's cache must not take its default of 5 % of the machine."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.writer import write

READ = """
import sys
from trueground import Threads, open_raster, statistics
raster = open_raster(sys.argv[1])
for _ in range(2):
    for _, _ in Threads(2).map(raster.read, [b.core for b in raster.grid.blocks(1024)]):
        pass
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.slow
def test_the_block_cache_is_bounded_whichever_thread_reads_first(tmp_path):
    grid = Grid(
        crs=CRS.from_epsg(32631), transform=Affine(1, 0, 5e5, 0, -1, 5e6), shape=(14_000, 14_000)
    )
    noise = np.random.default_rng(0).integers(0, 4, grid.shape, dtype=np.uint8)
    path = write(ArrayRaster(array=noise.astype(np.float32), grid=grid), tmp_path / "big.tif")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True
    )
    assert (
        int(done.stdout) < 700
    )  # MB: the default of 5 % would be 484 MB of the raster more than 192
