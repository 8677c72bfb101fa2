"""Runs `info`, `diff` and `ortho` on all files of a folder, in one process, which says which file it is about to read.

A crash of GDAL's ends the process: the last name that it wrote is that of the file.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz_run import ran
from fuzz_settings import SLOW
from trueground.errors import InputError
from trueground.file_raster import open_dataset

MOST_BANDS = 1000


def tried(words: list[str]) -> str:
    """Return what is wrong with how a command ended; empty where nothing is."""
    code, said, took, _ = ran(words)
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
