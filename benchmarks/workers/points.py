"""Points of the first table and what a tool misses of them. numpy alone: it runs in any tool's Python."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

KINDS = ("project", "localize", "locate")
METRES = 111_320.0  # of a degree of latitude, to turn errors into metres
WRONG = 1.0  # m


def load(folder, kind):
    """Return inputs (three vectors) and the truth (two) of a kind, and which points have one."""
    kept = np.load(Path(folder) / "points.npz")
    lonlat, rowcol = (kept["lon"], kept["lat"]), (kept["row"], kept["col"])
    if kind != "locate":
        a, b = (lonlat, rowcol) if kind == "project" else (rowcol, lonlat)
        return SimpleNamespace(kind=kind, inputs=(*a, kept["height"]), truth=b, which=slice(None))
    seen = kept["seen_lon"], kept["seen_lat"]
    zeros = np.zeros_like(rowcol[0])
    return SimpleNamespace(kind=kind, inputs=(*rowcol, zeros), truth=seen, which=kept["which"])


def missed(given, first, second, good):
    """Return the worst error of points that were found [px or m], and shares in percent."""
    one, two = (np.asarray(v)[given.which] for v in (first, second))
    good = np.asarray(good)[given.which]
    a, b = given.truth
    if given.kind == "project":
        off, unit = np.hypot(one - a, two - b), "px"
    else:
        off, unit = np.hypot((one - a) * np.cos(np.radians(b)), two - b) * METRES, "m"
    good = good & np.isfinite(off)
    error = {unit: float(off[good].max()) if good.any() else float("nan")}
    if given.kind == "locate":
        error["% failed"] = 100.0 * float((~good).mean())
        error[f"% more than {WRONG:g} m off"] = 100.0 * float((off[good] > WRONG).mean())
    return error
