"""Table 4: coregistration in blocks."""

from __future__ import annotations

from pathlib import Path

import peers
from measure import OURS, Worker
from plan import NO_DATA, Asked, Plan, Row, compared, judged, missing, said

TITLE = "Coregistration in blocks"
INTRO = (
    "Nuth & Kaab in blocks of 500 px, fit, apply and write, in processes that have done it once with a "
    "small pair (bent, 1000 x 1000); trueground with two "
    "threads, xDEM with two processes, of which the larger counts as its peak. Longyearbyen: a rigid "
    "motion between two real DEMs; its truth is the DEM itself, and the error the NMAD that is left. "
    "Bent: a field of shifts of a few pixels over terrain with 1 m of noise; the error is the RMS over "
    "means of 10 x 10 cells against the terrain without noise, of which noise alone leaves 0.1 m."
)
BLOCK = 500  # px
REAL = 100.0  # times as quick as xDEM: asked of the real pair
BENT = ((1500, None), (3000, 200.0))  # px, what was asked
SMALL = 1000  # px of the pair of each tool's first run, which does not count


def pair(
    plan: Plan, title: str, reference: Path, moving: Path, folder: Path, *,
    truth: tuple[str, ...], asked: float | None,
) -> list[Row]:  # fmt: skip
    """Race both on a pair of DEMs."""
    given = {"reference": str(reference), "moving": str(moving), "block": BLOCK}
    own, theirs = folder / "ours.tif", folder / "theirs"
    kind, *rest = truth
    small = folder / "small"
    small.mkdir()
    plan.scene("scenes_dem.py", "bent", small, SMALL)
    first = {name: str(small / f"{name}.tif") for name in ("reference", "moving")}

    def contender(name: str, python: object, script: str, output: Path, made: Path) -> Worker:
        return Worker(
            name=name, python=str(python), script=script, job="blockwise",
            given={**given, "output": str(output)}, judged=lambda: judged(kind, made, *rest),
            small=first | {"output": str(small / output.name)},
        )  # fmt: skip

    contenders = [
        contender("trueground", OURS, "with_trueground.py", own, own),
        contender("xDEM", peers.python_of("xdem"), "with_xdem.py", theirs, theirs / "aligned_dem.tif"),
    ]  # fmt: skip
    return compared(title, contenders, plan.pairs, asked={"xDEM": wanted(asked)})


def wanted(times: float | None) -> list[Asked]:
    """Return what was asked: a ratio, and half of it at least."""
    return [Asked(of="wall", wanted=times, floor=times / 2)] if times else []


def run(plan: Plan) -> list[Row]:
    """Return a row for each pair of DEMs."""
    rows: list[Row] = []
    if plan.data is None:
        rows.append(missing("Longyearbyen", "xDEM", NO_DATA, wanted(REAL)))
    else:
        data = plan.data / "longyearbyen"
        with (
            plan.folder("longyearbyen") as folder,
            said(rows, "Longyearbyen", "xDEM", wanted(REAL)),
        ):
            reference, moving = data / "aligned_by_xdem.tif", data / "DEM_1990.tif"
            rows += pair(
                plan, "Longyearbyen, 1332 x 985", reference, moving, folder,
                truth=("dh", str(reference)), asked=REAL,
            )  # fmt: skip
    for size, asked in plan.pick(BENT, ()):
        with (
            plan.folder("bent") as folder,
            said(rows, f"bent, {size} x {size}", "xDEM", wanted(asked)),
        ):
            plan.scene("scenes_dem.py", "bent", folder, size)
            rows += pair(
                plan, f"bent, {size} x {size}", folder / "reference.tif", folder / "moving.tif", folder,
                truth=("surface",), asked=asked,
            )  # fmt: skip
    return rows
