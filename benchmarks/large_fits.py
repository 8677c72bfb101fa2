"""What it costs to fit each method to DEMs that cannot be kept in memory, with two threads.

Usage: python benchmarks/large_fits.py [--size 30000] [--methods nuth-kaab,icp] [--folder DIR]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measure import HERE, OURS, Command, Failed, call

METHODS = (
    "vertical-shift", "nuth-kaab", "lzd", "icp", "deramp", "directional-bias", "terrain-bias", "dh-minimize",
)  # fmt: skip
FIT = """
import sys
from dataclasses import replace
from trueground import Threads, open_raster
from trueground.coreg import METHODS
reference, moving = (open_raster(path) for path in sys.argv[1:3])
found = replace(METHODS[sys.argv[3]](), samples=500_000).fit(reference, moving, engine=Threads(2))
print(f"NMAD {found.nmad_before:.3f} m before, {found.nmad_after:.3f} m after, {found.samples} cells")
"""


def main() -> int:
    """Make the pairs, fit, and print the figures; return how many methods failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=30_000, help="px along a side")
    parser.add_argument("--methods", default=",".join(METHODS), help="names, with commas between")
    parser.add_argument("--folder", default=None, help="an existing one, for the pair: 4 GB")
    asked = parser.parse_args()
    methods = asked.methods.split(",")
    if not set(methods) <= set(METHODS):
        parser.error(f"--methods: names of {', '.join(METHODS)}")
    failed = 0
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        large, small = (_pair(Path(name) / str(size), size) for size in (asked.size, 600))
        for method in methods:
            # A small pair first: kernels are compiled, and the program's files are at hand.
            words, first = ([OURS, "-c", FIT, *pair, method] for pair in (large, small))
            command = Command(name=method, words=words, small=first, heard=True)
            try:
                command.start()
                spent = command.once()
            except Failed as error:
                failed += 1
                print(f"{method}: {error}", flush=True)
                continue
            print(
                f"{method}: {spent.wall:.1f} s wall, {spent.cpu:.1f} s processor, {spent.peak:.0f} MB; "
                f"{spent.said['printed']}", flush=True,
            )  # fmt: skip
    return failed


def _pair(folder: Path, size: int) -> list[Path]:
    folder.mkdir()
    call(OURS, HERE / "scenes_dem.py", "bent", folder, size)
    return [folder / "reference.tif", folder / "moving.tif"]


if __name__ == "__main__":
    sys.exit(min(main(), 1))
