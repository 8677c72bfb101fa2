"""Run a command of trueground in this process, and tell where its time goes: read, compute, write, wait.

    python benchmarks/workers/staged.py OUTPUT.json COMMAND ...

What reads files, computes blocks, writes and waits is wrapped from here; the package knows nothing of it. Reading
within a block is taken off its computing. Processor time that no wrapped call of a thread had is of GDAL's own
threads, which compress, or of what is neither: start, fits between blocks, the end.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()

import rasterio.io  # noqa: E402 (the clock begins before what is imported)

import trueground.engine  # noqa: E402
from trueground.cli import main  # noqa: E402
from trueground.file_raster import FileRaster  # noqa: E402

kept: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
"""Wall and processor seconds, and calls, of each stage."""
lock = threading.Lock()
inner = threading.local()


def staged(stage: str, function: Any) -> Any:
    """Time a function; what is timed within it is taken off."""

    @functools.wraps(function)
    def wrapped(*given: Any, **named: Any) -> Any:
        outer = getattr(inner, "spent", None)
        inner.spent = [0.0, 0.0]
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return function(*given, **named)
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            within, inner.spent = inner.spent, outer
            if outer is not None:
                outer[0] += wall
                outer[1] += cpu
            with lock:
                for k, value in enumerate((wall - within[0], cpu - within[1], 1)):
                    kept[stage][k] += value

    return wrapped


FileRaster.read = staged("read", FileRaster.read)
trueground.engine._at_work = staged("compute", trueground.engine._at_work)
rasterio.io.DatasetWriter.write = staged("write", rasterio.io.DatasetWriter.write)
rasterio.io.DatasetWriter.__exit__ = staged("write", rasterio.io.DatasetWriter.__exit__)
trueground.engine._waited = staged("wait", trueground.engine._waited)


def run() -> None:
    """Run the command, and write the stages."""
    output, sys.argv = Path(sys.argv[1]), ["trueground", *sys.argv[2:]]
    main_began = time.perf_counter()
    status: object = 0
    try:
        status = main()
    except SystemExit as ended:
        status = ended.code
    told = {
        "status": status, "start": main_began - BEGAN, "wall": time.perf_counter() - BEGAN,
        "cpu": time.process_time(), "stages": kept,
    }  # fmt: skip
    output.write_text(json.dumps(told))


if __name__ == "__main__":
    run()
