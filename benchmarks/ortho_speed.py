"""Whole `ortho` commands against gdalwarp and orthority, in interleaved pairs; and where the time goes.

Usage: python benchmarks/ortho_speed.py [--data FOLDER] [--size 8000] [--pairs 3] [--orthority oty] [--only stages]

A textured uint16 image of 8,000 x 8,000 px under the Pleiades RPC of Mont Ventoux, SRTM of plain ellipsoidal heights,
bilinear for both, two threads, to UTM at 0.5 m and to lon/lat at the same number of pixels; with zstd (level 1,
predictor 2, tiles of 512 px) and without compression. Outputs are compared pixel by pixel. gdalwarp is the system's,
with `-multi -wo NUM_THREADS=2` and 1 GB of cache; XSCALE and YSCALE of 1 keep it on its fast 2 x 2 kernel.
Processor time counts the children's too. On a machine with other work wall times are upper bounds.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window as Place
from scipy.ndimage import zoom

from trueground import Dem, Grid, Orthoimage, Rpc, open_raster, ortho_grid, read_rpc
from trueground.engine import Serial
from trueground.projection import parse_crs
from trueground.raster import ArrayRaster
from trueground.rpc.writers import exact_tags
from trueground.writer import write

THREADS = 2
DEGREES = 0.5 / 111_132.0  # of half a metre along a meridian
CREATION = ("TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", f"NUM_THREADS={THREADS}")
ZSTD = ("COMPRESS=ZSTD", "ZSTD_LEVEL=1", "PREDICTOR=2")
CACHE = ("--config", "GDAL_CACHEMAX", "1024")


def texture(size: int) -> np.ndarray:
    """Return an image of fields and grain that compresses about as real ones do (to two thirds)."""
    rng = np.random.default_rng(0)
    image = np.full((size, size), 700.0, dtype=np.float32)
    for factor, strength in ((4, 60.0), (16, 80.0), (80, 120.0)):
        coarse = rng.standard_normal((size // factor + 2,) * 2).astype(np.float32)
        image += strength * zoom(coarse, factor, order=1)[:size, :size]
    image += 15.0 * rng.standard_normal(image.shape).astype(np.float32)
    return image.clip(1, 4095).astype(np.uint16)


def make_inputs(folder: Path, data: Path, size: int) -> Rpc:
    """Write the image, compressed and not, and the DEM."""
    rpc = read_rpc(data / "ventoux" / "left_image.geom").cropped(8000, 8000)
    grid = Grid(crs=None, transform=Affine.identity(), shape=(size, size))
    write(
        ArrayRaster(array=texture(size), grid=grid), folder / "zstd.tif", rpc_tags=exact_tags(rpc)
    )
    translate = ["gdal_translate", "-q", *(a for c in CREATION for a in ("-co", c))]
    subprocess.run([*translate, folder / "zstd.tif", folder / "none.tif"], check=True)
    write(Dem.open(data / "ventoux" / "N44E005.hgt", heights="egm96").surface, folder / "dem.tif")
    return rpc


def ours(folder: Path, grid: Grid, compress: str) -> list[str]:
    return [
        sys.executable, "-m", "trueground", "ortho", f"{folder}/{compress}.tif", "--dem", f"{folder}/dem.tif",
        "--heights", "ellipsoid", "-o", f"{folder}/ours.tif", "--crs", f"EPSG:{grid.crs.to_epsg()}",
        "--resolution", repr(grid.resolution[0]), "--bounds", *map(repr, grid.bounds),
        "--threads", str(THREADS), "--compress", compress, "--occlusion", "ignore",
    ]  # fmt: skip


def theirs(folder: Path, grid: Grid, compress: str, *options: str) -> list[str]:
    (folder / "theirs.tif").unlink(missing_ok=True)
    creation = (*CREATION, *(ZSTD if compress == "zstd" else ()))
    return [
        "gdalwarp", "-q", *CACHE, "-multi", "-wo", f"NUM_THREADS={THREADS}", "-wo", "XSCALE=1", "-wo", "YSCALE=1",
        "-wm", "512", "-t_srs", f"EPSG:{grid.crs.to_epsg()}", "-te", *map(repr, grid.bounds),
        "-ts", str(grid.shape[1]), str(grid.shape[0]), "-r", "bilinear", "-dstnodata", "0",
        "-to", f"RPC_DEM={folder}/dem.tif", *options, *(a for c in creation for a in ("-co", c)),
        f"{folder}/{compress}.tif", f"{folder}/theirs.tif",
    ]  # fmt: skip


def orthority(tool: str, folder: Path, grid: Grid, compress: str) -> list[str]:
    pairs = (*CREATION, *(ZSTD if compress == "zstd" else ()))
    return [
        tool, "rpc", "-d", f"{folder}/dem.tif", "-c", f"EPSG:{grid.crs.to_epsg()}", "-r", repr(grid.resolution[0]),
        "-i", "bilinear", "-di", "bilinear", "-nbo", "-nwm", "-o", "-od", str(folder),
        *(a for c in pairs for a in ("-co", c)), f"{folder}/{compress}.tif",
    ]  # fmt: skip


def compared(folder: Path) -> str:
    """Compare the values of both outputs, strip by strip."""
    equal = both = only = largest = 0
    with rasterio.open(folder / "ours.tif") as a, rasterio.open(folder / "theirs.tif") as b:
        for row in range(0, a.height, 1024):
            place = Place(0, row, a.width, min(1024, a.height - row))
            one, two = (f.read(1, window=place).astype(np.int32) for f in (a, b))
            seen = (one != 0) & (two != 0)
            apart = np.abs(one - two)[seen]
            both, equal = both + apart.size, equal + int((apart == 0).sum())
            largest = max(largest, int(apart.max(initial=0)))
            only += int(((one != 0) ^ (two != 0)).sum())
    return (
        f"{equal / both:.4%} of {both / 1e6:.1f} Mpx equal, largest difference {largest}; "
        f"{only} px valid in one alone"
    )


def spread(values: list[float]) -> str:
    return f"{min(values):7.2f} {float(np.median(values)):7.2f} {max(values):7.2f}"


def timed(arguments: list[str]) -> tuple[float, float]:
    """Run a command; return its wall and processor time [s]."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as installed
    start = time.perf_counter()
    process = subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=kept
    )
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{arguments} failed: {said.decode()}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def race(title: str, contenders: dict[str, Callable[[], list[str]]], pairs: int) -> None:
    """Run all contenders in turn, some times over, and print the figures of each."""
    wall, cpu = ({name: [] for name in contenders} for _ in range(2))
    for _ in range(pairs):
        for name, make in contenders.items():
            took, spent = timed(make())
            wall[name].append(took)
            cpu[name].append(spent)
    first, *_ = contenders
    head = "min median max"
    print(
        f"{title}\n  {'':<24}{'wall [s] ' + head:>26}{'processor [s] ' + head:>31}{'x wall':>8}{'x cpu':>7}"
    )
    for name in contenders:
        slower = np.median(wall[name]) / np.median(wall[first])
        dearer = np.median(cpu[name]) / np.median(cpu[first])
        print(
            f"  {name:<24}{spread(wall[name]):>26}{spread(cpu[name]):>31}"
            f"{slower:>8.2f}{dearer:>7.2f}"
        )
    sys.stdout.flush()


def spent(call: Callable[[], object]) -> float:
    """Return the processor time of a call, all threads [s]."""
    start = time.process_time()
    call()
    return time.process_time() - start


def stages(folder: Path, grid: Grid, rpc: Rpc) -> None:
    """Print the processor time of each part of the work, done by itself in one thread (compression: in two)."""
    image, dem = open_raster(folder / "zstd.tif"), Dem.open(folder / "dem.tif", heights="ellipsoid")
    pieces = [block.core for block in image.grid.blocks(1024)]
    reading = spent(lambda: [image.read(piece) for piece in pieces] and None)
    held = ArrayRaster(array=image.read(image.grid.window), grid=image.grid)
    lazy = Orthoimage(image=held, rpc=rpc, dem=dem, grid=grid, occlusion="ignore")
    blocks = [block.core for block in grid.blocks(2048)]
    values = np.empty((1, *grid.shape), dtype=image.dtype)

    def compute() -> None:
        for window, block in Serial().map(lazy.read, blocks):
            values[:, *window.slices_in(grid.window)] = block

    lazy.read(blocks[0])  # loads the kernels
    table = {
        "reading the image": reading,
        "geometry and resampling": spent(compute),
    }
    made = ArrayRaster(array=values, grid=grid, nodata=0.0)
    table["compressing, writing"] = spent(lambda: write(made, folder / "alone.tif"))
    for name, arguments in {
        "start: python, imports": [sys.executable, "-c", "import trueground.cli.main"],
        "start: the command on 1 px": tiny(folder, grid),
    }.items():
        table[name] = float(np.median([timed(arguments)[1] for _ in range(3)]))
    print("processor time of each part [s]:")
    for name, seconds in table.items():
        print(f"  {name:<32}{seconds:7.2f}")
    translate = ["gdal_translate", "-q", *CACHE, *(a for c in (*CREATION, *ZSTD) for a in ("-co", c))]  # fmt: skip
    copies = {
        "gdal_translate of the image": lambda: [*translate, f"{folder}/zstd.tif", f"{folder}/copy.tif"],
        "gdal_translate of the output": lambda: [*translate, f"{folder}/alone.tif", f"{folder}/copy.tif"],
        "trueground writes the image": lambda: [sys.executable, "-c", COPY, f"{folder}/zstd.tif", f"{folder}/copy.tif"],
    }  # fmt: skip
    race("reading and writing alone", copies, 3)


COPY = """
import sys
from trueground import open_raster
from trueground.engine import Threads
from trueground.writer import write
write(open_raster(sys.argv[1]), sys.argv[2], engine=Threads(2))
"""


def tiny(folder: Path, grid: Grid) -> list[str]:
    """Return the command for the middle pixel of the output."""
    west, south, east, north = grid.bounds
    x, y, half = (west + east) / 2.0, (south + north) / 2.0, grid.resolution[0] / 2.0
    one = Grid.covering((x - half, y - half, x + half, y + half), 2.0 * half, crs=grid.crs)
    arguments = ours(folder, one, "zstd")
    arguments[arguments.index("-o") + 1] = f"{folder}/one.tif"
    return arguments


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    parser.add_argument("--size", type=int, default=8000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--orthority", default=None, help="its command, oty")
    parser.add_argument("--targets", nargs="+", default=["UTM", "lon/lat"])
    parser.add_argument("--compress", nargs="+", default=["zstd", "none"])
    parser.add_argument("--only", choices=("pairs", "stages"), default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rpc = make_inputs(folder, Path(options.data), options.size)
        image, dem = (
            open_raster(folder / "zstd.tif"),
            Dem.open(folder / "dem.tif", heights="ellipsoid"),
        )
        square = DEGREES / math.sqrt(math.cos(math.radians(rpc.lat_off)))
        grids = {
            "UTM": ortho_grid(image, rpc, dem, crs=parse_crs("EPSG:32631"), resolution=0.5),
            "lon/lat": ortho_grid(image, rpc, dem, crs=parse_crs("EPSG:4326"), resolution=square),
        }
        for target in options.targets if options.only != "stages" else ():
            grid = grids[target]
            for compress in options.compress:
                contenders = {
                    "trueground": lambda g=grid, c=compress: ours(folder, g, c),
                    "gdalwarp": lambda g=grid, c=compress: theirs(folder, g, c),
                    "gdalwarp -et 0.125": lambda g=grid, c=compress: theirs(folder, g, c, "-et", "0.125"),
                }  # fmt: skip
                title = f"{target}, {grid.shape[0]} x {grid.shape[1]} px, {compress}"
                race(title, contenders, options.pairs)
                print(f"  -et 0.125: {compared(folder)}")
                subprocess.run(theirs(folder, grid, compress), check=True)
                print(f"  exact:     {compared(folder)}", flush=True)
            if options.orthority:
                arguments = orthority(options.orthority, folder, grid, "zstd")
                race(f"{target}, zstd", {"orthority": lambda a=arguments: a}, 1)
        if options.only != "pairs":
            stages(folder, grids["UTM"], rpc)


if __name__ == "__main__":
    main()
