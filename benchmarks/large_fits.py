"""What it costs to fit each method to DEMs that cannot be kept in memory, with two threads.

Usage: python benchmarks/large_fits.py [--size 30000] [--methods nuth-kaab,icp] [--folder DIR]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import HERE, Command, Failed

METHODS = (
    "vertical-shift", "nuth-kaab", "lzd", "icp", "deramp", "directional-bias", "terrain-bias", "dh-minimize", "cpd",
)  # fmt: skip
FIT = """
import sys
from dataclasses import replace
from trueground import Threads, open_raster
from trueground.coreg import METHODS
reference, moving = (open_raster(path) for path in sys.argv[1:3])
method = METHODS[sys.argv[3]]()
method = method if sys.argv[3] == "cpd" else replace(method, samples=500_000)
found = method.fit(reference, moving, engine=Threads(2))
print(f"NMAD {found.nmad_before:.3f} m before, {found.nmad_after:.3f} m after, {found.samples} cells")
"""


def main() -> None:
    """Make the pair, fit, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=30_000)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--folder", default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        scene = [sys.executable, HERE / "scenes_dem.py", "bent", folder, str(asked.size)]
        subprocess.run(scene, check=True)
        pair = [folder / "reference.tif", folder / "moving.tif"]
        for method in asked.methods.split(","):
            command = Command(
                name=method, words=[sys.executable, "-c", FIT, *pair, method], heard=True
            )
            try:
                spent = command.once()
            except Failed as error:
                print(f"{method}: {error}", flush=True)
                continue
            print(
                f"{method}: {spent.wall:.1f} s wall, {spent.cpu:.1f} s processor, {spent.peak:.0f} MB; "
                f"{spent.said['printed']}", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
