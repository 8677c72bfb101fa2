"""Points a second of RPC geolocation, one thread, against GDAL's C API in the same process.

Usage: python benchmarks/rpc_points.py [--data FOLDER] [--points 1000000]

GDAL is the system's libgdal (Debian's gdal-bin brings it), called through ctypes, so that no Python list is in the way.
Both work over the same DEM, whose heights were made ellipsoidal beforehand. Each figure is the best of five calls.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trueground import Dem, Rpc, read_rpc
from trueground.kernels import rational
from trueground.rpc.localize import localize_on
from trueground.writer import write

ROUNDS = 5
DOUBLES = ctypes.POINTER(ctypes.c_double)


class RpcInfo(ctypes.Structure):
    """GDALRPCInfoV2."""

    _fields_ = [
        ("offsets_and_scales", ctypes.c_double * 10),
        ("terms", ctypes.c_double * 80),
        ("bounds", ctypes.c_double * 4),
        ("errors", ctypes.c_double * 2),
    ]


class Gdal:
    """GDAL's RPC transformer."""

    def __init__(self, rpc: Rpc, *, threshold: float, dem: Path | None = None) -> None:
        name = ctypes.util.find_library("gdal")
        if name is None:
            raise SystemExit("no libgdal on this system: install gdal-bin")
        self.library = ctypes.CDLL(name)
        self.library.GDALAllRegister()
        self.library.GDALCreateRPCTransformerV2.restype = ctypes.c_void_p
        info = RpcInfo()
        names = [
            f"{n}_{k}" for k in ("off", "scale") for n in ("line", "samp", "lat", "long", "height")
        ]
        info.offsets_and_scales[:] = [getattr(rpc, n) for n in names]
        info.terms[:] = [*rpc.line_num, *rpc.line_den, *rpc.samp_num, *rpc.samp_den]
        info.bounds[:] = [-180.0, -90.0, 180.0, 90.0]
        text = [b"RPC_DEM=" + os.fsencode(dem)] if dem else []
        options = (ctypes.c_char_p * (len(text) + 1))(*text, None)
        self.handle = ctypes.c_void_p(
            self.library.GDALCreateRPCTransformerV2(
                ctypes.byref(info), 0, ctypes.c_double(threshold), options
            )
        )

    def transform(
        self, x: np.ndarray, y: np.ndarray, z: np.ndarray, *, to_image: bool
    ) -> np.ndarray:
        """Transform in place; return which points succeeded."""
        done = np.zeros(x.size, dtype=np.int32)
        pointers = [a.ctypes.data_as(DOUBLES) for a in (x, y, z)]
        self.library.GDALRPCTransform(
            self.handle,
            int(to_image),
            x.size,
            *pointers,
            done.ctypes.data_as(ctypes.POINTER(ctypes.c_int)),
        )
        return done.astype(bool)


def best(call: Callable[[], object]) -> float:
    """Return the shortest of some calls [s]."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(
    title: str, number: int, ours: Callable[[], object], theirs: Callable[[], object]
) -> None:
    """Print points a second and the ratio."""
    ours()
    mine, other = best(ours), best(theirs)
    speeds = f"{number / mine / 1e6:.1f} against {number / other / 1e6:.1f} million a second"
    print(f"{title}: {speeds}, {other / mine:.1f} x")


def limit(rpc: Rpc) -> float:
    """Return million points a second of the polynomials alone, on arrays that stay in the first cache."""
    some = 512
    lon, lat, height = (
        np.full(some, value) for value in (rpc.long_off, rpc.lat_off, rpc.height_off)
    )
    row, col = np.empty((2, some))
    times = []
    for _ in range(2000):
        start = time.perf_counter()
        rational.project(rpc.packed, lon, lat, height, row, col)
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    for _ in range(2000):
        rational.project(rpc.packed, lon[:0], lat[:0], height[:0], row, col)
    call = (time.perf_counter() - start) / 2000
    return some / (min(times) - call) / 1e6


def main() -> None:
    """Print the three comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    parser.add_argument("--points", type=int, default=1_000_000)
    options = parser.parse_args()
    folder = Path(options.data) / "ventoux"
    rpc = read_rpc(folder / "left_image.geom")
    side = int(options.points**0.5)
    row, col = (
        a.ravel() for a in np.meshgrid(*2 * [np.linspace(10_000.0, 12_000.0, side)], indexing="ij")
    )
    number = row.size
    height = np.full(number, 1000.0)
    at = rpc.localize(row, col, height)
    print(f"the four polynomials alone, in the first cache: {limit(rpc):.0f} million a second")
    plain, exact = Gdal(rpc, threshold=0.1), Gdal(rpc, threshold=1e-9)
    compare("ground to image", number, lambda: rpc.project(at.lon, at.lat, height),
            lambda: plain.transform(at.lon.copy(), at.lat.copy(), height.copy(), to_image=True))  # fmt: skip
    compare("image to ground at a height, both to 1e-9 px", number, lambda: rpc.localize(row, col, height),
            lambda: exact.transform(col.copy(), row.copy(), height.copy(), to_image=False))  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        path = write(
            Dem.open(folder / "N44E005.hgt", heights="egm96").surface, Path(name) / "dem.tif"
        )
        dem = Dem.open(path, heights="ellipsoid")
        over = Gdal(rpc, threshold=0.1, dem=path)
        compare("image to ground on a DEM, 1e-6 px against 0.1 px", number, lambda: localize_on(rpc, dem, row, col),
                lambda: over.transform(col.copy(), row.copy(), np.zeros(number), to_image=False))  # fmt: skip
        x, y, z = col.copy(), row.copy(), np.zeros(number)
        good = over.transform(x, y, z, to_image=False)
        found = localize_on(rpc, dem, row, col)
        back = rpc.project(found.lon, found.lat, found.height)
        theirs = rpc.project(x, y, dem.heights(x, y))
        print(f"GDAL failed at {(~good).sum()} points, trueground at {(found.status != 0).sum()}; off the line: "
              f"GDAL {np.nanmax(np.hypot(theirs[0] - row, theirs[1] - col)):.2g} px, "
              f"trueground {np.nanmax(np.hypot(back[0] - row, back[1] - col)):.2g} px at most")  # fmt: skip


if __name__ == "__main__":
    main()
