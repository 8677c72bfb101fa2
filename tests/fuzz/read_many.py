"""Runs `info`, `diff` and `ortho` on all files of a folder, in one process, which says which file it is about to read.

A crash of GDAL's ends the process: the last name that it wrote is that of the file.
"""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from trueground.cli.main import run
from trueground.errors import InputError
from trueground.file_raster import open_dataset

SLOW = 5.0  # s of processor time
MOST_BANDS = 1000


def ran(words: list[str]) -> tuple[int, str, float]:
    """Run a command; return its exit code, what it said to stderr and its processor time [s]."""
    errors, start = io.StringIO(), time.process_time()
    with redirect_stderr(errors), redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("default")
        code = run(words)
    return code, errors.getvalue(), time.process_time() - start


def tried(words: list[str]) -> str:
    """Return what is wrong with how a command ended; empty where nothing is."""
    code, said, took = ran(words)
    if took > SLOW:  # kernels may have been compiled
        code, said, took = ran(words)
    count = sum(line.startswith("error: ") for line in said.splitlines())
    if took > SLOW:
        return f"took {took:.1f} s"
    if (
        code not in (0, 1, 2)
        or count != (code != 0)
        or "Traceback" in said
        or "please report" in said
    ):
        return f"{code}: {said}"
    return ""


def bands_of(path: Path) -> int:
    with suppress(InputError), open_dataset(path) as dataset:
        return int(dataset.count)
    return 0


def main(folder: Path, scene: Path, out: Path) -> None:
    os.chdir(scene)
    for path in sorted(folder.glob("*.tif")):
        print(f"{path.name}\t", end="", flush=True)
        if bands_of(path) > MOST_BANDS:  # they take their time, as docs/reliability.md says
            print(flush=True)
            continue
        name, target = str(path), str(out / "o.tif")
        wrong = [
            tried(["info", name]),
            tried(["diff", "dem.tif", name, "-o", target, "--workers", "1"]),
            tried(["ortho", name, "--dem", "dem.tif", "--heights", "ellipsoid", "-o", target,
                   "--like", "dem.tif", "--workers", "1"]),
        ]  # fmt: skip
        print("; ".join(" ".join(w.split()) for w in wrong if w), flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
