"""Standard errors of rigid methods against their scatter over realisations of noise.

Usage: python benchmarks/covariance.py [--count 300] [--size 400] [--samples 20000] [--only exponential]

For each noise and method: the median standard error that the fits tell of themselves over the standard deviation of
what they find, for x, y, z and, where they are found, the rotations. 300 realisations know a scatter to 4 %. Ranges are
those of `trueground.variogram_model`: an exponential correlation has fallen to 5 % there. What lies outside 0.8 to 1.25
is marked; with fewer than 100 independent cells, which the fit warns of, it is not counted. Ends with 1 where any is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from known_scatter import correlated, scatter
from known_terrain import grid
from trueground.coreg import Icp, Lzd, NuthKaab, VerticalShift

PIXEL = 10.0
KINDS = {"white": (0,), "spherical": (3, 8, 15, 45), "exponential": (3, 8, 15, 45)}
FEW = 100
WITHIN = 0.8, 1.25


def methods(samples: int) -> dict[str, object]:
    """Return what is measured, by name."""
    return {
        "nuth-kaab, bins": NuthKaab(samples=samples),
        "nuth-kaab, gradient": NuthKaab(samples=samples, estimator="robust-gradient"),
        "lzd": Lzd(samples=samples),
        "icp": Icp(samples=samples),
        "vertical-shift": VerticalShift(samples=samples),
        "vertical-shift, p10": VerticalShift(samples=samples, statistic="p10"),
    }


def main() -> int:
    """Print a line for each noise and method; tell whether one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--only", choices=tuple(KINDS))
    given = parser.parse_args()
    on = grid((given.size, given.size), PIXEL)
    wrong = 0
    for kind, ranges in KINDS.items():
        if given.only not in {None, kind}:
            continue
        for pixels in ranges:
            for name, method in methods(given.samples).items():
                began = time.process_time()
                ratio, independent = scatter(
                    method, on, correlated(kind, pixels, PIXEL), count=given.count
                )
                off = (ratio < WITHIN[0]) | (ratio > WITHIN[1])
                counts = independent >= FEW
                wrong += int(off.sum()) if counts else 0
                figures = " ".join(
                    f"{r:.2f}{'!' * int(o)}" for r, o in zip(ratio, off, strict=True)
                )
                print(
                    f"{kind:11} {pixels:3d} px  {name:20} {figures:36} {independent:7.0f} independent"
                    f"{'' if counts else ' (few)'}, {time.process_time() - began:.0f} s of processor",
                    flush=True,
                )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
