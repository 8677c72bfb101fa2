"""What `localize_on` says of lines of sight, judged by the brute force of `ray_reference`."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

import ray_reference as brute
from reference import rpc_project

HEIGHT = 1e-5  # m along the line: a hundred times what a hit is polished to, a millionth of what a wrong one is off
IMAGE = 1e-6  # px, from the line of sight: the promise of `localize_on`
# m; a surface is not known better where lines are known to 1e-6 px: each metre of slope in a metre adds as much.
GRAIN = 1e-6


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """How many lines of sight ended how. The first five must be 0."""

    missed: int = 0
    """Hits below a point that is met before."""
    wrong: int = 0
    """Hits where the line does not meet the surface, or only below a hole or beside the DEM."""
    off_line: int = 0
    """Hits that are further than 1e-6 px from their line of sight."""
    failed: int = 0
    """No hit where there is one."""
    status: int = 0
    """No hit, and rightly, but for another reason than what is said."""
    hits: int = 0
    thin: int = 0
    """Right hits that a march in steps of 1/20 of a cell passes over: it went over minima again in 1/2000."""
    tangent: int = 0
    """Right to within round-off of the surface: the line touches it, or comes out of a hole at its height."""
    rays: int = 0

    @property
    def bad(self) -> int:
        return self.missed + self.wrong + self.off_line + self.failed + self.status

    def __add__(self, other: Verdicts) -> Verdicts:
        return Verdicts(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )


def judge(scene, found, *, workers=1):
    """Return the verdicts, and the numbers of the lines that are judged badly.

    A hit is right where it is that of the march to 1e-5 m of height. Where it is not, the march is repeated in steps of
    1/2000 of a cell; and with the surface lowered and raised by what round-off makes of it: a right hit lies on the
    surface, and not below one that even the lowered surface has. A status may be that of the lowered or raised surface.
    """
    rpc, grid, nodes, row, col = scene.rpc, scene.grid, scene.nodes, scene.row, scene.col
    met = brute.march(rpc, grid, nodes, row, col, workers=workers)
    hit, ours = met.status == brute.HIT, found.status == brute.HIT
    kinds = np.full(row.size, "", dtype="U8")
    for part in (slice(k, k + 100_000) for k in range(0, row.size, 100_000)):
        back = rpc_project(rpc, found.lon[part], found.lat[part], found.height[part])
        off = np.hypot(back[0] - row[part], back[1] - col[part])
        kinds[part][ours[part] & ~(off <= IMAGE * np.sqrt(2.0))] = "off_line"
    with np.errstate(invalid="ignore"):
        near = np.abs(found.height - met.height) <= HEIGHT
    same = np.where(hit | ours, hit & ours & near, _same(found.status, met.status))
    thin = int((met.thin & same).sum())
    tangent = 0
    doubtful = np.flatnonzero(~same)
    if doubtful.size:
        at = row[doubtful], col[doubtful]
        height, status = found.height[doubtful], found.status[doubtful]
        above, drop = brute.clearances(rpc, grid, nodes, *at, height)
        cell = min(grid.resolution) * (111_000.0 if grid.crs.is_geographic else 1.0)
        grain = GRAIN * (1.0 + np.nan_to_num(drop, nan=10.0 * cell) / cell)
        fine = brute.march(rpc, grid, nodes, *at, step=1.0 / 2000.0, workers=workers)
        lowered, raised = (
            brute.march(rpc, grid, nodes, *at, lift=sign * grain, workers=workers)
            for sign in (-1.0, 1.0)
        )
        for n, k in enumerate(doubtful):
            again = [m for m in (fine, lowered, raised) if _same(status[n], m.status[n])]
            if ours[k]:
                if fine.status[n] == brute.HIT and abs(fine.height[n] - height[n]) <= HEIGHT:
                    thin += 1
                    continue
                late = lowered.status[n] == brute.HIT and lowered.height[n] > height[n] + HEIGHT
                if again and abs(above[n]) <= grain[n] and not late:
                    tangent += 1
                    continue
                lower = hit[k] and height[n] < met.height[k]
                kinds[k] = "missed" if lower or late else "wrong"
            elif again:
                tangent += 1
            else:
                kinds[k] = "failed" if hit[k] else "status"
    names, counts = np.unique(kinds[kinds != ""], return_counts=True)
    verdicts = Verdicts(
        **dict(zip(names.tolist(), counts.tolist(), strict=True)),
        hits=int(hit.sum()),
        thin=thin,
        tangent=tangent,
        rays=row.size,
    )
    return verdicts, np.flatnonzero(kinds != "")


def _same(status, marched):
    """Tell whether statuses say the same; a hole that the line does not leave within the DEM may be called outside."""
    either = (status == brute.HOLE) | (status == brute.OUTSIDE)
    return (status == marched) | ((marched == brute.HOLE_AT_EDGE) & either)
