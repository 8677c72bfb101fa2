"""Results of a blockwise coregistration as a fit would return them, without one."""

from __future__ import annotations

import numpy as np

from known_field import PIXEL, truth
from known_terrain import UTM33, grid
from trueground.coreg import BlockwiseAlignment
from trueground.coreg.blocks.block import BlockFit
from trueground.coreg.blocks.field import fit_field
from trueground.grid import Window

ON = grid((800, 800), PIXEL)
SIDE = 100


def result(name="bumps", *, bad=(5, 40), shift=None):
    """What a fit would return, out of exact shifts of 8 x 8 blocks."""
    blocks = []
    for n in range(64):
        i, j = divmod(n, 8)
        x, y = ON.xy(np.array([(i + 0.5) * SIDE]), np.array([(j + 0.5) * SIDE]))
        here = truth(name, ON, x, y)[:, 0] if shift is None else np.array(shift)
        said = {"verdict": "ok"} if n not in bad else {"verdict": "too few", "reason": "a lake"}
        figures = {
            "shift": tuple(here.tolist()), "error": (0.1, 0.1, 0.02), "samples": 1000 + n,
            "nmad_before": 5.0, "nmad_after": 1.0 + n / 100.0, "iterations": 3, "share": 0.9,
        }  # fmt: skip
        blocks.append(
            BlockFit(
                index=(i, j), window=Window(i * SIDE, j * SIDE, SIDE, SIDE),
                x=x.item(), y=y.item(), **said, **(figures if n not in bad else {}),
            )
        )  # fmt: skip
    good = [b for b in blocks if b.verdict == "ok"]
    made = fit_field(
        (np.array([b.x for b in good]), np.array([b.y for b in good])),
        np.array([b.shift for b in good]), np.array([b.error for b in good]), size=(1000.0, 1000.0),
    )  # fmt: skip
    return BlockwiseAlignment(
        fields=(made,), crs=UTM33.to_wkt(), method="blockwise nuth-kaab", blocks=tuple(blocks),
        block_px=SIDE, parameters={"block_size": 100.0},
    )  # fmt: skip
