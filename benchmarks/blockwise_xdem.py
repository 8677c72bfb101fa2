"""Blockwise fit and apply inside a warm process against xDEM's BlockwiseCoreg with two workers.

The Longyearbyen pair (1332 x 985) by default; `--size 3000` makes a synthetic one.

    python benchmarks/blockwise_xdem.py [--data FOLDER] [--size N] [--skip-xdem]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from against_xdem import make

from trueground.coreg import Blockwise, NuthKaab
from trueground.difference import Difference
from trueground.engine import Threads
from trueground.raster import open_raster
from trueground.stats import statistics
from trueground.writer import write

BLOCK = 500  # px


def ours(reference: Path, moving: Path, output: Path) -> tuple[float, float]:
    """Fit, apply and write; return wall and processor seconds."""
    start, begin = time.perf_counter(), time.process_time()
    fixed, loose = open_raster(reference), open_raster(moving)
    found = Blockwise(NuthKaab(), block_size=BLOCK).fit(fixed, loose, engine=Threads(2))
    write(found.apply(loose), output, engine=Threads(2), compress="none")
    print(f"  {found}")
    return time.perf_counter() - start, time.process_time() - begin


def xdems(reference: Path, moving: Path, folder: Path) -> float:
    """Fit and apply with xDEM; return seconds."""
    import xdem
    from geoutils.raster import ClusterGenerator, MultiprocConfig

    warnings.simplefilter("ignore")
    fixed, loose = xdem.DEM(reference), xdem.DEM(moving)
    fixed.set_nodata(-9999, update_array=False) if fixed.nodata is None else None
    start = time.perf_counter()
    config = MultiprocConfig(
        chunk_size=BLOCK, outfile=str(folder / "aligned_dem.tif"),
        cluster=ClusterGenerator("multi", nb_workers=2),
    )  # fmt: skip
    blockwise = xdem.coreg.BlockwiseCoreg(
        xdem.coreg.NuthKaab(), mp_config=config, block_size_fit=BLOCK
    )
    blockwise.fit(fixed, loose)
    aligned = blockwise.apply()
    _ = aligned.data.sum()
    return time.perf_counter() - start


def nmad(reference: Path, aligned: Path) -> float:
    """Return the NMAD [m] of the difference that is left."""
    return statistics(
        Difference(first=open_raster(reference), second=open_raster(aligned)), engine=Threads(2)
    ).nmad


def main() -> None:
    """Run both and print seconds, NMADs and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--skip-xdem", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.size:
            make(folder, asked.size)
            reference, moving = folder / "reference.tif", folder / "moving.tif"
        else:
            data = Path(asked.data) / "longyearbyen"
            reference, moving = data / "aligned_by_xdem.tif", data / "DEM_1990.tif"
        rows, cols = open_raster(moving).grid.shape
        print(f"{cols} x {rows}, blocks of {BLOCK} px; NMAD before {nmad(reference, moving):.3f} m")
        ours(reference, moving, folder / "warm.tif")
        took, work = min(ours(reference, moving, folder / f"ours{k}.tif") for k in range(5))
        after = nmad(reference, folder / "ours0.tif")
        load = f"load {os.getloadavg()[0]:.1f}"
        print(f"trueground {took:.3f} s ({work:.3f} s processor, {load}), NMAD after {after:.3f} m")
        if asked.skip_xdem or importlib.util.find_spec("xdem") is None:
            return
        theirs = xdems(reference, moving, folder)
        after = nmad(reference, folder / "aligned_dem.tif")
        print(f"xDEM {theirs:.2f} s, NMAD after {after:.3f} m: {theirs / took:.0f} times as long")


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
