"""What writing a raster will take: size on disk, memory, time, from one block of it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from trueground.engine import available_processors
from trueground.grid import Window
from trueground.metadata import Metadata
from trueground.raster import Raster
from trueground.writer import Compression, block_side, stored_size

_GDAL_CACHE = 192 << 20  # bytes, where the environment does not say otherwise
_WARM = 64  # px, edge of a first window: kernels are loaded, files opened
_COG_WORK = (
    2.4  # a COG is compressed twice, with overviews of a third of the pixels, and read in between
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What writing a raster will take; all but the uncompressed size is a guess from one block."""

    uncompressed: int
    """[bytes]"""
    stored: int
    """Size of the file [bytes]."""
    memory: int
    """Peak of the process [bytes]."""
    seconds: float

    def __str__(self) -> str:
        return (
            f"size on disk: {_bytes(self.uncompressed)} uncompressed, about {_bytes(self.stored)} as written\n"
            f"memory: about {_bytes(self.memory)}\n"
            f"time: about {_duration(self.seconds)}"
        )


def estimate(
    raster: Raster,
    *,
    workers: int = 0,
    driver: Literal["GTiff", "COG"] = "GTiff",
    block_size: int | None = None,
    compress: Compression = "auto",
    nodata: float | None = None,
    metadata: Metadata | None = None,
) -> Estimate:
    """Compute and compress the block in the middle of a raster, and say what all of it will take.

    Parameters
    ----------
    raster
        What is to be written; nothing is.
    workers
        Number of threads; 0 means the processors that this process may use.
    driver, block_size, compress, nodata, metadata
        As for `writer.write`.
    """
    rows, cols = raster.grid.shape
    threads = workers or available_processors()
    side = block_size or block_side(raster, threads)
    block = Window(max((rows - side) // 2, 0), max((cols - side) // 2, 0), side, side).intersect(
        raster.grid.window
    )
    raster.read(replace(block, height=min(_WARM, rows), width=min(_WARM, cols)))
    before = _peak()
    start = time.perf_counter()
    values = raster.read(block)
    middle = time.perf_counter()
    work = max(_peak() - before, values.nbytes)
    size = stored_size(raster, values, block, compress=compress, nodata=nodata, metadata=metadata)
    compressing = time.perf_counter() - middle
    share = raster.grid.window.size / block.size
    cog = driver == "COG"
    compressing *= _COG_WORK if cog else 1.0
    cache = int(os.environ.get("GDAL_CACHEMAX", "0") or 0) << 20 or _GDAL_CACHE
    return Estimate(
        uncompressed=raster.grid.window.size * raster.count * raster.dtype.itemsize,
        stored=round(size * share * (4.0 / 3.0 if cog else 1.0)),
        memory=_peak() + (threads - 1) * work + (threads + 2) * values.nbytes + cache,
        seconds=(middle - start + compressing) * share / min(threads, available_processors()),
    )


def _peak() -> int:
    """Return the most memory that this process has held [bytes]."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike ru_maxrss, it does not count what was there before exec
        line = next(t for t in status.read_text().splitlines() if t.startswith("VmHWM"))
        return int(line.split()[1]) << 10
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
