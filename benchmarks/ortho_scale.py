"""Growth of time and memory of the `ortho` command with the image: 4k, 8k, 16k px a side, and more.

Usage: python benchmarks/ortho_scale.py [--sizes 4000 8000 16000] [--big] [--huge] [--occlusion ignore] [--folder DIR]

Image and DEM (half as many cells a side) are VRTs that repeat one small tile, so that only the output takes space on
the disk. `--big` adds 32,000 px. `--huge` is 40,000 px over a DEM of 20,000 x 20,000 cells, alone. The time of a
command for one pixel is taken off before the slope in log-log is worked out. Ends with 1 where the slope of processor
time is not 1.0 +- 0.1 or the peak of memory reaches 2 GB.

Each command runs as a process of its own; memory is the operating system's (ru_maxrss), whose lowest figure is that of
this process, which starts it: it is kept small, and printed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from memory import affine_rpc, measured
from rasterio.errors import NotGeoreferencedWarning

TILE = 2000  # px
GSD = 0.5 / 111_000.0  # degrees
LON, LAT = 9.0, 45.0  # of `affine_rpc`
MOST = 2000.0  # MB
TOLERANCE = 0.1  # of the slope

VRT = """<VRTDataset rasterXSize="{size}" rasterYSize="{size}">
{georeference}
<VRTRasterBand dataType="{dtype}" band="1">
{sources}
</VRTRasterBand>
</VRTDataset>
"""
SOURCE = """<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand>
<SourceProperties RasterXSize="{tile}" RasterYSize="{tile}" DataType="{dtype}" BlockXSize="512" BlockYSize="512"/>
<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>
<DstRect xOff="{x}" yOff="{y}" xSize="{width}" ySize="{height}"/></SimpleSource>"""


def tiles(folder: Path) -> None:
    """Write one tile of each; both continue smoothly over their edges."""
    r, c = np.mgrid[0:TILE, 0:TILE].astype(np.float32) * np.float32(2.0 * np.pi)
    grain = np.random.default_rng(0).integers(0, 16, (TILE, TILE))
    picture = 900.0 + 400.0 * np.sin(r / 200.0) * np.cos(c / 250.0) + grain
    hills = 800.0 + np.rint(40.0 * np.sin(r / 500.0) * np.cos(c / 400.0)) + 8.0 * np.sin(c / 50.0)
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    options = {"driver": "GTiff", "width": TILE, "height": TILE, "count": 1, "tiled": True,
               "blockxsize": 512, "blockysize": 512, "compress": "zstd", "zstd_level": 1}  # fmt: skip
    for name, values, dtype, predictor in (
        ("image_tile.tif", picture, "uint16", 2),
        ("dem_tile.tif", hills, "float32", 3),
    ):
        with rasterio.open(
            folder / name, "w", dtype=dtype, predictor=predictor, **options
        ) as target:
            target.write(values.astype(dtype), 1)


def repeated(path: Path, name: str, size: int, *, dtype: str, georeference: str) -> Path:
    """Write a VRT that repeats a tile."""
    sources = [
        SOURCE.format(name=name, tile=TILE, dtype=dtype, x=x, y=y,
                      width=min(TILE, size - x), height=min(TILE, size - y))
        for y in range(0, size, TILE)
        for x in range(0, size, TILE)
    ]  # fmt: skip
    path.write_text(VRT.format(size=size, georeference=georeference, dtype=dtype,
                               sources="\n".join(sources)))  # fmt: skip
    return path


def make_scene(folder: Path, size: int) -> tuple[Path, Path]:
    """Write an image of `size` px under an oblique RPC, and a DEM of half as many cells that covers it."""
    tags = affine_rpc(size, GSD).to_tags()
    items = "".join(f'<MDI key="{k}">{v}</MDI>' for k, v in tags.items())
    image = repeated(folder / f"image_{size}.vrt", "image_tile.tif", size, dtype="UInt16",
                     georeference=f'<Metadata domain="RPC">{items}</Metadata>')  # fmt: skip
    half, cells = GSD * size * 0.53, size // 2
    t = Affine(2.8 * half / cells, 0.0, LON - 1.4 * half, 0.0, -2.0 * half / cells, LAT + half)
    where = ", ".join(repr(v) for v in (t.c, t.a, t.b, t.f, t.d, t.e))
    dem = repeated(folder / f"dem_{size}.vrt", "dem_tile.tif", cells, dtype="Float32",
                   georeference=f"<SRS>EPSG:4326</SRS><GeoTransform>{where}</GeoTransform>")  # fmt: skip
    return image, dem


def run(folder: Path, size: int, extra: list[str]) -> tuple[float, float, float, float]:
    """Return peak memory [MB], wall and processor time [s], and millions of pixels of the output."""
    image, dem = make_scene(folder, size)
    output = folder / "ortho.tif"
    command = [sys.executable, "-m", "trueground", "ortho", str(image), "--dem", str(dem),
               "--heights", "ellipsoid", "-o", str(output), "--threads", "2", *extra]  # fmt: skip
    memory, wall, cpu, _ = measured(command)
    with rasterio.open(output) as file:
        pixels = file.width * file.height / 1e6
    written = output.stat().st_size / 1e9
    output.unlink()
    print(
        f"{size:>6} px: {pixels:9.1f} Mpx {memory:7.0f} MB {wall:8.1f} s wall {cpu:8.1f} s processor "
        f"{pixels / cpu:6.1f} Mpx/s of processor, {written:.2f} GB written",
        flush=True,
    )
    return memory, wall, cpu, pixels


def start(folder: Path, extra: list[str]) -> tuple[float, float]:
    """Return wall and processor time [s] of a command that makes one pixel."""
    bounds = ["--crs", "EPSG:4326", "--resolution", "1e-5",
              "--bounds", *map(str, (LON, LAT, LON + 1e-5, LAT + 1e-5))]  # fmt: skip
    image, dem = make_scene(folder, 4000)
    command = [sys.executable, "-m", "trueground", "ortho", str(image), "--dem", str(dem),
               "--heights", "ellipsoid", "-o", str(folder / "one.tif"), *bounds, *extra]  # fmt: skip
    measured(command)  # compiles
    _, wall, cpu, _ = zip(*(measured(command) for _ in range(3)), strict=True)
    return min(wall), min(cpu)


def main() -> None:
    """Run the sizes and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4000, 8000, 16_000])
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--huge", action="store_true")
    parser.add_argument("--occlusion", default=None)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--only-tiles", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_tiles:
        tiles(Path(options.only_tiles))
        return
    sizes = [40_000] if options.huge else [*options.sizes, *([32_000] if options.big else [])]
    extra = ["--occlusion", options.occlusion] if options.occlusion else []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        # In a process of its own: what it takes would count as the commands' memory.
        subprocess.run([sys.executable, __file__, "--only-tiles", name], check=True)
        wall_1, cpu_1 = start(folder, extra)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"one pixel: {wall_1:.1f} s wall, {cpu_1:.1f} s processor; this process {own:.0f} MB")
        found = np.array([run(folder, size, extra) for size in sizes])
    memory, wall, cpu, pixels = found.T
    bad = [f"{memory.max():.0f} MB"] if memory.max() >= MOST else []
    if len(sizes) > 1:
        slopes = [
            float(np.polyfit(np.log(pixels), np.log(seconds - one), 1)[0])
            for seconds, one in ((wall, wall_1), (cpu, cpu_1))
        ]
        print(f"slope in log-log: wall {slopes[0]:.3f}, processor {slopes[1]:.3f}")
        if abs(slopes[1] - 1.0) > TOLERANCE:
            bad.append(f"slope {slopes[1]:.3f}")
    print(f"{time.perf_counter() - began:.0f} s in all")
    if bad:
        sys.exit("; ".join(bad))


if __name__ == "__main__":
    main()
