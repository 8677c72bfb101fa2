"""Table 4: coregistration in blocks."""

from __future__ import annotations

from pathlib import Path

import peers
from measure import OURS, Worker
from plan import NO_DATA, Asked, Plan, Row, compared, judged, missing, said

TITLE = "Coregistration in blocks"
INTRO = (
    "Nuth & Kaab in blocks of 500 px, fit, apply and write, in warm processes; trueground with two "
    "threads, xDEM with two processes, of which the larger counts as its peak. Longyearbyen: a rigid "
    "motion between two real DEMs; its truth is the DEM itself, and the error the NMAD that is left. "
    "Bent: a field of shifts of a few pixels over terrain with 1 m of noise; the error is the RMS over "
    "means of 10 x 10 cells against the terrain without noise, of which noise alone leaves 0.1 m."
)
BLOCK = 500  # px


def pair(
    title: str, reference: Path, moving: Path, folder: Path, *,
    rounds: int, truth: tuple[str, ...], asked: float | None,
) -> list[Row]:  # fmt: skip
    """Race both on a pair of DEMs."""
    given = {"reference": str(reference), "moving": str(moving), "block": BLOCK}
    own, theirs = folder / "ours.tif", folder / "theirs"
    kind, *rest = truth

    def contender(name: str, python: object, script: str, output: Path, made: Path) -> Worker:
        return Worker(
            name=name, python=str(python), script=script, job="blockwise",
            given={**given, "output": str(output)}, judged=lambda: judged(kind, made, *rest),
        )  # fmt: skip

    contenders = [
        contender("trueground", OURS, "with_trueground.py", own, own),
        contender("xDEM", peers.python_of("xdem"), "with_xdem.py", theirs, theirs / "aligned_dem.tif"),
    ]  # fmt: skip
    wanted = [Asked(of="wall", wanted=asked, floor=asked / 2)] if asked else []
    return compared(title, contenders, rounds, asked={"xDEM": wanted})


def run(plan: Plan) -> list[Row]:
    """Return a row for each pair of DEMs."""
    rows: list[Row] = []
    if plan.data is None:
        rows.append(missing("Longyearbyen", "xDEM", NO_DATA))
    else:
        data = plan.data / "longyearbyen"
        with plan.folder("longyearbyen") as folder:
            reference, moving = data / "aligned_by_xdem.tif", data / "DEM_1990.tif"
            rows += pair(
                "Longyearbyen, 1332 x 985", reference, moving, folder,
                rounds=plan.pairs, truth=("dh", str(reference)), asked=100.0,
            )  # fmt: skip
    for size, rounds, asked in plan.pick(((1500, plan.pairs, None), (3000, 1, 200.0)), ()):
        with plan.folder("bent") as folder, said(rows, f"bent, {size} x {size}", "xDEM"):
            plan.scene("scenes_dem.py", "bent", folder, size)
            rows += pair(
                f"bent, {size} x {size}", folder / "reference.tif", folder / "moving.tif", folder,
                rounds=rounds, truth=("surface",), asked=asked,
            )  # fmt: skip
    return rows
