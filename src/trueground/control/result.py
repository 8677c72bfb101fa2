"""What automatic ground control found: the refinement, and each patch with what became of it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueground.control.patches import USED
from trueground.rpc.model import Rpc
from trueground.rpc.refine import Refinement

Float = NDArray[np.float64]

_CE90 = 0.9  # share of the points that a circular error of 90 % holds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patches:
    """All patches that were tried; arrays are (n,)."""

    lon: Float
    """Of the middle of the patch in the reference [degrees]."""
    lat: Float
    """[degrees]"""
    height: Float
    """Of the DEM there [m above the WGS 84 ellipsoid]."""
    row: Float
    """Where the image shows it [px], by the match; by the RPC where there is none."""
    col: Float
    """[px]"""
    d_row: Float
    """Displacement in the last round [px of the coarser image], orthoimage less reference; NaN: no match."""
    d_col: Float
    coherence: Float
    """Weighted height of the correlation's peak for the smallest patch, 0 to 1."""
    correlation: Float
    """Coefficient of correlation after the displacement."""
    ratio: Float
    """Highest peak over the next, for the largest patch."""
    texture: Float
    """See `control.texture_of` [1/px]."""
    before: Float
    """(2, n) [px] row and column observed less projected by the RPC given; NaN: no match."""
    after: Float
    """(2, n) [px] by the refined RPC."""
    verdict: tuple[str, ...]
    """`used`, or why not."""

    @property
    def used(self) -> NDArray[np.bool_]:
        """(n,): the patches that are ground control."""
        return np.array([v == USED for v in self.verdict], dtype=bool)

    def table(self) -> dict[str, Float]:
        """Return the patches column by column, without their verdict."""
        names = ("row", "col", "lon", "lat", "height", "d_row", "d_col")
        columns = {n: getattr(self, n) for n in (*names, "coherence", "correlation", "ratio")}
        columns |= {"texture": self.texture}
        columns |= {"row_before": self.before[0], "col_before": self.before[1]}
        return columns | {"row_after": self.after[0], "col_after": self.after[1]}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AutomaticControl:
    """A refined RPC, and the patches that refined it."""

    refinement: Refinement
    """See `rpc.refine`; its points are the matches, named by the number of their patch from 1."""
    patches: Patches
    sizes: tuple[int, ...]
    """Edges of the patches [px of the coarser image]."""
    search: int
    """How far they were looked for at first [px of the coarser image]."""
    chance: tuple[float, ...]
    """Coherence for each size that chance hardly reaches, from patches that show another place."""
    changes: tuple[float, ...]
    """Largest change of the RPC over the image in each round [px of the image]."""
    pixel: float
    """A pixel of the coarser image in pixels of the image."""

    @property
    def rpc(self) -> Rpc:
        """The refined RPC."""
        return self.refinement.rpc

    @property
    def refused(self) -> dict[str, int]:
        """Why patches were refused, and how many; the most frequent reason first."""
        return dict(Counter(v for v in self.patches.verdict if v != USED).most_common())

    @property
    def ce90(self) -> float:
        """Distance [px of the image] that 90 % of the points in use do not exceed, by the refined RPC."""
        return circular_error(*self.patches.after[:, self.patches.used])

    def to_csv(self) -> str:
        """Return all patches as CSV, refused ones with their reason; errors are observed less projected [px]."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        table = self.patches.table()
        writer.writerow(["name", *table, "verdict"])
        rows = zip(*(v.tolist() for v in table.values()), self.patches.verdict, strict=True)
        for i, (*values, verdict) in enumerate(rows, start=1):
            writer.writerow([i, *map(repr, values), verdict])
        return out.getvalue()

    def to_geojson(self) -> str:
        """Return all patches as GeoJSON points, with the columns of the CSV as properties."""
        p, table = self.patches, self.patches.table()
        features = []
        for i, verdict in enumerate(p.verdict):
            place = [float(v[i]) for v in (p.lon, p.lat, p.height)]
            values = {n: _or_none(float(v[i])) for n, v in table.items()}
            features.append(
                {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [c for c in place if math.isfinite(c)]},
                    "properties": {"name": str(i + 1), **values, "verdict": verdict},
                }
            )  # fmt: skip
        return json.dumps({"type": "FeatureCollection", "features": features})

    def summary(self) -> str:
        """Say in a few lines what was found, what was refused, and what was corrected."""
        refused = ", ".join(f"{n} {reason}" for reason, n in self.refused.items())
        number = len(self.patches.verdict)
        used = int(self.patches.used.sum())
        change = " ".join(f"{c:.3f}" for c in self.changes)
        return "\n".join(
            [
                f"{used} of {number} patches match ({'/'.join(map(str, self.sizes))} px)"
                + (f"; refused: {refused}" if refused else ""),
                f"{len(self.changes)} rounds changed the RPC by at most {change} px",
                self.refinement.summary(),
                f"CE90 of the matches: {self.ce90:.3f} px",
            ]
        )


def circular_error(row: Float, col: Float) -> float:
    """Return the distance that 90 % of some errors do not exceed (CE90); NaN where there are none."""
    return float(np.quantile(np.hypot(row, col), _CE90)) if row.size else math.nan


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
