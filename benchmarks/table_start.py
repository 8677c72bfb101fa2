"""Table 7: what it takes to begin."""

from __future__ import annotations

import json
import shutil

import peers
import table_ortho
from measure import OURS, Command, environment
from plan import NO_DATA, Plan, Row, compared, missing, said

TITLE = "Start"
INTRO = (
    "Processes from their start to their end, files in the system's cache. First run: kernels are "
    "compiled, once for each version and machine; second run: they are kept. Both make a small "
    "orthoimage."
)


def run(plan: Plan) -> list[Row]:
    """Return a row for each peer."""
    rounds = plan.pairs
    rows = compared(
        "import",
        [
            Command(name="trueground", words=[OURS, "-c", "import trueground"]),
            *(
                Command(name=name, words=[peers.python_of(name), "-c", f"import {name}"])
                for name in ("xdem", "orthority", "shareloc", "demcompare")
            ),
            Command(name="rasterio", words=[OURS, "-c", "import rasterio"]),
            Command(name="nothing (Python alone)", words=[OURS, "-c", "pass"]),
        ],
        rounds,
    )  # fmt: skip
    help_of_ours = Command(name="trueground", words=[OURS, "-m", "trueground", "--help"])
    others = [
        Command(name="gdalwarp --version", words=["gdalwarp", "--version"]),
        Command(name="oty --help", words=[peers.program("oty", "orthority"), "--help"]),
        Command(name="xdem --help", words=[peers.program("xdem", "xdem"), "--help"]),
    ]
    rows += compared("--help", [help_of_ours, *others], rounds)
    return [*rows, *first_and_second(plan)]


def first_and_second(plan: Plan) -> list[Row]:
    """A small orthoimage with kernels compiled, with kernels kept, and gdalwarp's."""
    if plan.data is None:
        return [missing("first and second run", "gdalwarp", NO_DATA)]
    rows: list[Row] = []
    with plan.folder("start") as folder, said(rows, "first and second run", "gdalwarp"):
        plan.scene("scenes_ortho.py", "texture", folder, plan.data, 500)
        grid = json.loads((folder / "grids.json").read_text())["UTM"]
        words = table_ortho.ours(folder, grid, "zstd")
        empty, kept = folder / "empty", folder / "kept"

        def forget() -> None:
            shutil.rmtree(empty, ignore_errors=True)

        contenders = [
            Command(name="trueground", words=words, env=environment(XDG_CACHE_HOME=str(kept))),
            Command(
                name="trueground's own first run", words=words, env=environment(XDG_CACHE_HOME=str(empty)),
                before=forget, warm=False,
            ),
            Command(name="gdalwarp", words=table_ortho.gdalwarp(folder, grid, "zstd")),
        ]  # fmt: skip
        rows += compared("ortho, 500 x 500 px, second run", contenders, plan.pick(plan.pairs, 1))
    return rows
