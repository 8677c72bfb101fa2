"""Table 1: points between the ground and the image."""

from __future__ import annotations

import peers
from measure import OURS
from plan import NO_DATA, Asked, Plan, Row, alone, compared, missing, said

TITLE = "Points by RPC"
INTRO = (
    "Points to and from the image under the Pleiades RPC of Mont Ventoux, one thread each, arrays in and "
    "out, in processes that have done it once. GDAL is called through its C API, without Python lists. Errors are "
    "the worst of all points: in pixels against the RPC's formulas, in metres against the place on the "
    "ground (on the DEM: by a march along the line of sight)."
)
JOBS = {
    "project": ("ground to image", 0.1, Asked(of="wall", wanted=9, floor=5)),
    "localize": ("image to ground at a height, 1e-9 px", 1e-9, Asked(of="wall", wanted=6, floor=3)),
    "locate": ("image to ground on a DEM, GDAL to 0.1 px", 0.1, Asked(of="wall", wanted=5, floor=3)),
}  # fmt: skip
PEERS = {"GDAL of the system": "system", "GDAL in rasterio's wheel": "rasterio"}


def run(plan: Plan) -> list[Row]:
    """Return a row for each job and peer."""
    if plan.data is None:
        return [missing(t, "GDAL, rasterio, shareloc", NO_DATA, [a]) for t, _, a in JOBS.values()]
    rows: list[Row] = []
    number = plan.pick(1_000_000, 200_000)
    geom = str(plan.data / "ventoux" / "left_image.geom")
    with plan.folder("points") as folder, said(rows, "scene", "all"):
        plan.scene("scenes_points.py", folder, plan.data, number)
        for kind, (title, threshold, asked) in JOBS.items():
            given = {"folder": str(folder)}
            contenders = [alone("trueground", OURS, "with_trueground.py", kind, geom=geom, **given)]
            contenders += [
                alone(n, OURS, "with_gdal.py", kind, library=v, threshold=threshold, **given)
                for n, v in PEERS.items()
            ]
            shareloc = peers.python_of("shareloc")
            contenders.append(
                alone("shareloc", shareloc, "with_shareloc.py", kind, geom=geom, **given)
            )
            rows += compared(f"{title}, {number / 1e6:g} million", contenders, plan.pairs,
                             asked={name: [asked] for name in PEERS})  # fmt: skip
    return rows
