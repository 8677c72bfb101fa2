"""Points between the ground and the image under the Pleiades RPC of Mont Ventoux, with their truth.

    python benchmarks/scenes_points.py FOLDER DATA NUMBER

The truth is that of the tests' slow twins: the RPC monomial by monomial, and the march along lines of sight.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from trueground import Dem, read_rpc
from trueground.writer import write

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent / "workers"))

from with_gdal import OFFSETS, TERMS

from ray_reference import march
from reference import rpc_project

HEIGHT = 1000.0  # m
MARCHED = 20_000  # lines of sight with a truth on the DEM


def main() -> None:
    """Write points.npz, rpc.json and dem.tif."""
    folder, data, number = Path(sys.argv[1]), Path(sys.argv[2]) / "ventoux", int(sys.argv[3])
    rpc = read_rpc(data / "left_image.geom")
    (folder / "rpc.json").write_text(
        json.dumps(
            {n: float(getattr(rpc, n)) for n in OFFSETS}
            | {n: [float(v) for v in getattr(rpc, n)] for n in TERMS}
        )
    )
    side = int(number**0.5)
    at = np.linspace(10_000.0, 12_000.0, side)
    about = (a.ravel() for a in np.meshgrid(at, at, indexing="ij"))
    height = np.full(side * side, HEIGHT)
    ground = rpc.localize(*about, height)
    # Places on the ground are what is given; where they lie in the image is the slow twin's word.
    parts = [
        rpc_project(rpc, ground.lon[s], ground.lat[s], height[s])
        for s in (slice(k, k + 100_000) for k in range(0, height.size, 100_000))
    ]
    row, col = (np.concatenate(v) for v in zip(*parts, strict=True))
    surface = Dem.open(data / "N44E005.hgt", heights="egm96").surface
    path = write(surface, folder / "dem.tif")
    held = Dem.open(path, heights="ellipsoid").surface
    nodes = held.read(held.grid.window)[0]
    which = np.linspace(0, row.size - 1, min(MARCHED, row.size)).astype(int)
    seen = march(rpc, held.grid, nodes, row[which], col[which], workers=2).height
    place = rpc.localize(row[which], col[which], seen)
    np.savez(
        folder / "points.npz", lon=ground.lon, lat=ground.lat, height=height, row=row, col=col,
        which=which, seen_lon=place.lon, seen_lat=place.lat,
    )  # fmt: skip


if __name__ == "__main__":
    main()
