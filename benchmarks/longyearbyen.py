"""Align the two Longyearbyen DEMs with trueground and, in the same run, with xDEM.

Usage: PYTHONPATH=src .venv-bench/xdem/bin/python benchmarks/longyearbyen.py [--data FOLDER]

Run by another Python, as .venv/bin/python, it says that xDEM is not installed.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

from trueground import Difference, NuthKaab, Serial, open_raster, statistics


def main() -> None:
    """Print shifts, NMAD before and after, and times of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    folder = Path(parser.parse_args().data) / "longyearbyen"
    paths = folder / "aligned_by_xdem.tif", folder / "DEM_1990.tif"
    reference, moving = map(open_raster, paths)
    NuthKaab().fit(reference, moving, engine=Serial())  # compiles
    start = time.perf_counter()
    found = NuthKaab().fit(reference, moving, engine=Serial())
    took = time.perf_counter() - start
    print(
        f"trueground  {found.shift_x:.3f} {found.shift_y:.3f} {found.shift_z:.3f} m, "
        f"{found.samples} cells, fit {took:.2f} s on one thread"
    )
    before = statistics(Difference(first=reference, second=moving))
    after = statistics(Difference(first=reference, second=found.apply(moving)))
    print(f"NMAD of all cells: {before.nmad:.3f} m before, {after.nmad:.3f} m after")
    try:
        import xdem
    except ImportError:
        print("xDEM is not installed: not compared")
        return
    warnings.simplefilter("ignore")
    one, two = xdem.DEM(str(paths[0])), xdem.DEM(str(paths[1]))
    two = two.reproject(one, silent=True)
    for subsample in (5e5, 1):
        method = xdem.coreg.NuthKaab(subsample=subsample)
        start = time.perf_counter()
        method.fit(one, two, random_state=42)
        took = time.perf_counter() - start
        shift = method.meta["outputs"]["affine"]
        print(
            f"xDEM {xdem.__version__}  {shift['shift_x']:.3f} {shift['shift_y']:.3f} {shift['shift_z']:.3f} m, "
            f"subsample {subsample:g}, fit {took:.2f} s"
        )


if __name__ == "__main__":
    main()
