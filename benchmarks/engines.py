"""What a cluster costs on one computer: two processes of one thread each against two threads.

    python benchmarks/engines.py [--size 12000] [--rounds 3] [--folder DIR] [--passes 1]

Whole commands, in turn: an orthoimage of SIZE x SIZE px, and an alignment in blocks of 500 px of a pair as large, with
its output. Each is run once before, which compiles. `--engine dask` starts its processes, which is measured alone as
well and taken off in a second ratio, since it is the same for a job of any size; `dask://HOST:PORT` finds a scheduler
and two workers that run. Processor time is that of the command and its processes, and not told of workers that run
before it. The machine's load is said, since wall time means little where others work. All must write the same pixels.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from measure import Command
from scenes_dem import bent
from scenes_ortho import make_scene, tiles

from trueground.raster import open_raster

RUNNING = "a cluster that runs"
START = """
from trueground import Dask
if __name__ == "__main__":
    with Dask(workers=2):
        pass
"""
Times = dict[str, tuple[float, ...]]
BLOCK = 500  # px
ASKED = 1.25  # times the wall time with threads, at most


def commands(folder: Path, *, size: int, passes: int) -> dict[str, list[str]]:
    """Write the inputs, where they are not there yet; return the words of each command but for engine and output."""
    if not (folder / "image_tile.tif").exists():
        tiles(folder)
    image, dem = make_scene(folder, size)
    bent(folder, size)
    pair = [str(folder / f"{name}.tif") for name in ("reference", "moving")]
    return {
        "ortho": ["ortho", str(image), "--dem", str(dem), "--heights", "ellipsoid"],
        "align": ["align", *pair, "--blocks", str(BLOCK), "--passes", str(passes)],
    }


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """Start a scheduler and two workers of one thread; give the address."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as name:
        said = Path(name) / "scheduler.json"
        words = [sys.executable, "-m", "dask"]
        place = ["--scheduler-file", str(said), "--no-dashboard"]
        started = [
            subprocess.Popen(
                [*words, "scheduler", "--host", "127.0.0.1", "--port", "0", *place], **quiet
            )
        ]
        try:
            while not (said.exists() and said.read_text().strip()):
                time.sleep(0.1)
            for _ in range(2):
                more = ["--nthreads", "1", "--no-nanny", "--local-directory", name]
                started.append(subprocess.Popen([*words, "worker", *place, *more], **quiet))
            yield json.loads(said.read_text())["address"].replace("tcp", "dask")
        finally:
            for process in started[::-1]:
                process.terminate()
                process.wait()


def once(words: list[str], engine: str, output: Path) -> tuple[float, float]:
    """Run a command; return wall and processor time [s]."""
    tail = ["-o", str(output), "--engine", engine, "--quiet"]
    tail += [] if "://" in engine else ["--workers", "2"]
    spent = Command(name=engine, words=[sys.executable, "-m", "trueground", *words, *tail]).once()
    return spent.wall, spent.cpu


def check_same(one: Path, two: Path) -> None:
    """Raise where two rasters differ in any pixel."""
    first, second = open_raster(one), open_raster(two)
    for block in first.grid.blocks(2048):
        np.testing.assert_array_equal(first.read(block.core), second.read(block.core))


def timed(*words: str) -> tuple[float, float]:
    """Run Python; return wall and processor time [s]."""
    spent = Command(name="python", words=[sys.executable, *words]).once()
    return spent.wall, spent.cpu


def start() -> tuple[float, float]:
    """Return wall and processor time [s] of two processes that begin and end; of them the least of three."""
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "start.py"
        script.write_text(START)
        found = [timed(str(script)) for _ in range(3)]
        nothing = [timed("-c", "import trueground.sampling") for _ in range(3)]
    wall, cpu = (
        min(v) - min(w)
        for v, w in zip(zip(*found, strict=True), zip(*nothing, strict=True), strict=True)
    )
    return wall, cpu


def compare(
    job: str, words: list[str], folder: Path, *, engines: Mapping[str, str], rounds: int
) -> Times:
    """Run a command with all engines, in turn; return the least wall and processor time [s] of each."""
    outputs = {name: folder / f"{job}_{k}.tif" for k, name in enumerate(engines)}
    for name, engine in engines.items():
        once(words, engine, outputs[name])
    first, *others = outputs.values()
    for other in others:
        check_same(first, other)
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for number in range(rounds):
        for name in list(engines)[:: 1 if number % 2 else -1]:
            wall, cpu = once(words, engines[name], outputs[name])
            took[name].append((wall, cpu))
            load = os.getloadavg()[0]
            print(
                f"  {job}, {name}: {wall:.1f} s wall, {cpu:.1f} s processor, load {load:.1f}",
                flush=True,
            )
    for output in outputs.values():
        output.unlink()
    return {name: tuple(map(min, zip(*t, strict=True))) for name, t in took.items()}


def main() -> None:
    """Run both jobs with all engines, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    slow = []
    with tempfile.TemporaryDirectory() as name, cluster() as address:
        folder = asked.folder or Path(name)
        folder.mkdir(exist_ok=True)
        jobs = commands(folder, size=asked.size, passes=asked.passes)
        begin = start()
        print(f"start and end of two processes: {begin[0]:.1f} s wall, {begin[1]:.1f} s processor")
        engines = {"threads": "threads", "dask": "dask", RUNNING: address}
        for job, words in jobs.items():
            least = compare(job, words, folder, engines=engines, rounds=asked.rounds)
            threads, dask, running = (least[name] for name in engines)
            for k, what in enumerate(("wall", "processor")):
                whole, alone = dask[k] / threads[k], (dask[k] - begin[k]) / threads[k]
                print(
                    f"{job}: dask {whole:.2f} times the {what} time of threads, {alone:.2f} without its start"
                )
            ratio = running[0] / threads[0]
            print(f"{job}: {RUNNING} {ratio:.2f} times the wall time of threads")
            if (dask[0] - begin[0]) / threads[0] > ASKED:
                slow.append(job)
    if slow:
        sys.exit(f"more than {ASKED} times the wall time of threads: {', '.join(slow)}")


if __name__ == "__main__":
    main()
