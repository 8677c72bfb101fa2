"""Table 3: coregistration of whole DEMs."""

from __future__ import annotations

import peers
from measure import OURS
from plan import Asked, Plan, Row, alone, compared, said

TITLE = "Coregistration of whole DEMs"
INTRO = (
    "Fit and apply, each tool reading its files, with 500,000 samples (CPD: 5000; demcompare knows no "
    "sampling and takes all cells), one thread each, in processes that have done it once with a small pair "
    "(500 x 500). Terrain of waves from 300 m to 12 km with 1 m of noise on "
    "each DEM, cells of 10 m, moved by (37.3, -24.1, 2.2) m; or biased by 2.2 m, by a polynomial "
    "of the second degree, a wave along x of 2 m, 0.1 m a degree of slope. Errors: of the shift, across "
    "[px] and in height [m]; of the correction of each cell [m, RMS] where the bias is no shift."
)
BIASES = ("vertical-shift", "deramp", "directional-bias", "terrain-bias")
METHODS = ("nuth-kaab", "lzd", "icp", "cpd", "dh-minimize", *BIASES)
ASKED = [Asked(of="wall", wanted=8, floor=5), Asked(of="peak", wanted=4)]
SIZES = 3000, 1000  # px, of the full and the quick form
SMALL = 500  # px of the pair of each tool's first run, which does not count
OF = ("nuth-kaab", "lzd", "icp", "deramp")  # of which speed and memory were asked


TOOLS = (
    ("trueground", lambda: OURS),
    ("xDEM", lambda: peers.python_of("xdem")),
    ("demcompare", lambda: peers.python_of("demcompare")),
)


def run(plan: Plan) -> list[Row]:
    """Return a row for each method and peer."""
    rows: list[Row] = []
    size = plan.pick(*SIZES)
    methods = plan.pick(METHODS, ("nuth-kaab", "lzd", "icp", *BIASES))
    with plan.folder("moved") as moved, plan.folder("biased") as biased, said(rows, "scene", "all"):
        plan.scene("scenes_dem.py", "moved", moved, size)
        plan.scene("scenes_dem.py", "biased", biased, size)
        for kind, folder in (("moved", moved), ("biased", biased)):
            (folder / "small").mkdir()
            plan.scene("scenes_dem.py", kind, folder / "small", SMALL)
        for method in methods:
            folder = biased if method in BIASES else moved
            given = {
                "folder": str(folder),
                "method": method,
                "small": {"folder": str(folder / "small")},
            }
            names = TOOLS if method == "nuth-kaab" else TOOLS[:2]
            contenders = [
                alone(name, python(), f"with_{name.lower()}.py", "whole", **given)
                for name, python in names
            ]
            asked = {"xDEM": ASKED} if method in OF else {}
            rows += compared(f"{method}, {size} x {size}", contenders, plan.pairs, asked=asked)
    return rows
