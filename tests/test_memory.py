"""Memory of a process that reads much: GDAL's cache must not take its default of 5 % of the machine, nor a DEM all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


LOCALIZE = """
import json, sys
import numpy as np
from trueground import Dem, Rpc
from trueground.rpc.localize import localize_on
rpc, dem = Rpc(**json.loads(sys.argv[2])), Dem.open(sys.argv[1], heights="ellipsoid")
row, col = np.random.default_rng(0).uniform(100.0, 23_900.0, (2, 100_000))
found = localize_on(rpc, dem, row, col)
at = np.arange(12_000.5, 12_300.0)
dense = localize_on(rpc, dem, at[:, None], at[None, :])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024, (found.status == 0).mean(), (dense.status == 0).mean())
"""
LARGE, TILE = 20_000, 1000  # px, of a DEM of 1.6 GB and of the file of which it is made


def large_dem(folder: Path) -> Path:
    """A VRT that shows one file of hills again and again, 0.6 m of latitude a pixel."""
    r, c = np.mgrid[0:TILE, 0:TILE] / TILE * 2.0 * np.pi
    step = 0.6 / 111_000.0
    transform = Affine(1.4 * step, 0, 9.0 - 0.7 * step * LARGE, 0, -step, 45.0 + step / 2 * LARGE)
    hills = (800.0 + 100.0 * np.sin(r) * np.cos(c)).astype(np.float32)
    grid = Grid(crs=CRS.from_epsg(4326), transform=transform, shape=(TILE, TILE))
    write(ArrayRaster(array=hills, grid=grid), folder / "hills.tif")
    sources = "".join(
        "<SimpleSource><SourceFilename relativeToVRT='1'>hills.tif</SourceFilename><SourceBand>1</SourceBand>"
        f"<DstRect xOff='{x}' yOff='{y}' xSize='{TILE}' ySize='{TILE}'/></SimpleSource>"
        for y in range(0, LARGE, TILE)
        for x in range(0, LARGE, TILE)
    )
    path = folder / "large.vrt"
    path.write_text(
        f"<VRTDataset rasterXSize='{LARGE}' rasterYSize='{LARGE}'><SRS>EPSG:4326</SRS>"
        f"<GeoTransform>{', '.join(map(repr, transform.to_gdal()))}</GeoTransform>"
        f"<VRTRasterBand dataType='Float32' band='1'>{sources}</VRTRasterBand></VRTDataset>"
    )
    return path


@pytest.mark.slow
def test_a_dem_larger_than_memory_is_read_as_lines_of_sight_need_it(tmp_path):
    lean = 0.27 / 0.5  # px a metre: 15 degrees off the vertical
    size = 24_000
    zeros = [0.0] * 16
    terms = {
        "line_off": size / 2, "samp_off": size / 2, "lat_off": 45.0, "long_off": 9.0, "height_off": 800.0,
        "line_scale": size / 2, "samp_scale": size / 2, "height_scale": 500.0,
        "lat_scale": 0.47 * LARGE * 0.6 / 111_000.0, "long_scale": 0.47 * LARGE * 0.84 / 111_000.0,
        "line_num": [0.0, 0.0, -1.0, lean * 500.0 / (size / 2), *zeros],
        "samp_num": [0.0, 1.0, 0.0, 0.3 * lean * 500.0 / (size / 2), *zeros],
        "line_den": [1.0, 1e-5, 1e-5, 1e-5, *zeros], "samp_den": [1.0, 1e-5, 1e-5, 1e-5, *zeros],
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", LOCALIZE, str(large_dem(tmp_path)), json.dumps(terms)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    peak, found, dense = map(float, done.stdout.split())
    assert (found, dense) == (1.0, 1.0)
    assert peak < 900.0  # MB: the DEM is 1600
