"""trueground's part of the races, and the arithmetic alone that its kernels are held against."""

import time
from pathlib import Path

import numpy as np
import points
import truth
from serve import serve

from trueground import Dem, read_rpc
from trueground.coreg import METHODS, Blockwise, NuthKaab
from trueground.engine import Serial, Threads
from trueground.kernels import rational
from trueground.raster import open_raster
from trueground.rpc.localize import localize_on
from trueground.writer import write

SETTINGS = {
    "deramp": {"order": 2},
    "directional-bias": {"angle": 90.0, "nodes": 200},
    "terrain-bias": {"variable": "slope", "bins": 30},
    "cpd": {"samples": 5000},
}
CACHED = 512  # points that stay in the first cache
OPERATIONS = 160  # of a point: four polynomials of 20 terms as nested Horner schemes, normalisation, two divisions
SIDE = 256  # of a matrix


def transform(kind):
    """Return the job of a kind of transform of points."""

    def prepare(folder, geom):
        given = points.load(folder, kind)
        rpc = read_rpc(geom)
        dem = Dem.open(Path(folder) / "dem.tif", heights="ellipsoid")

        def run():
            a, b, height = given.inputs
            if kind == "project":
                return {"found": rpc.project(a, b, height)}
            found = rpc.localize(a, b, height) if kind == "localize" else localize_on(rpc, dem, a, b)  # fmt: skip
            return {"found": (found.lon, found.lat)}

        def judge(result):
            return points.missed(given, *result["found"], np.isfinite(result["found"][0]))

        return run, judge

    return prepare


def aligned(reference, moving, method):
    """Fit and apply in one thread, blocks into one array."""
    start = time.perf_counter()
    settings = {"samples": truth.SAMPLES, **SETTINGS.get(method, {})}
    found = METHODS[method](**settings).fit(reference, moving, engine=Serial())
    middle = time.perf_counter()
    moved = found.apply(moving)
    out = np.empty(moving.grid.shape, dtype=np.float32)
    for block in moved.grid.blocks(1024):
        out[block.core.slices_in(moving.grid.window)] = moved.read(block.core)[0]
    said = {"fit": middle - start, "apply": time.perf_counter() - middle}
    shift = tuple(getattr(found, f"shift_{a}", np.nan) for a in "xyz")
    return {"said": said, "shift": shift, "out": out}


def whole(folder, method):
    """Fit and apply of whole DEMs, read from their files."""
    paths = truth.files(folder, method)

    def judge(result):
        moving = open_raster(paths[1])
        result["added"] = result["out"] - moving.read(moving.grid.window)[0]
        return truth.missed(folder, method, result)

    return lambda: aligned(*(open_raster(p) for p in paths), method), judge


def blockwise(reference, moving, output, block):
    """Fit in blocks, apply and write, with two threads."""

    def run():
        fixed, loose = open_raster(reference), open_raster(moving)
        start = time.perf_counter()
        found = Blockwise(NuthKaab(), block_size=block).fit(fixed, loose, engine=Threads(2))
        middle = time.perf_counter()
        write(found.apply(loose), output, engine=Threads(2), compress="none")
        said = {"fit": middle - start, "apply": time.perf_counter() - middle}
        return {"said": said}

    return run, lambda _: {}


# What nothing can be quicker than ---------------------------------------------------------------


def polynomials(geom, number):
    """The four polynomials of an RPC, of as many points as are said, over points that stay in the first cache."""
    rpc = read_rpc(geom)
    lon, lat, height = (np.full(CACHED, v) for v in (rpc.long_off, rpc.lat_off, rpc.height_off))
    row, col = np.empty((2, CACHED))

    def run():
        for _ in range(number // CACHED):
            rational.project(rpc.packed, lon, lat, height, row, col)
        return {}

    return run, lambda _: {}


def multiplications(number):
    """As many multiplications and additions as polynomials of so many points have, by BLAS, within the caches."""
    a, b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE))
    out = np.empty_like(a)

    def run():
        for _ in range(round(number * OPERATIONS / (2 * SIDE**3))):
            np.matmul(a, b, out=out)
        return {}

    return run, lambda _: {}


if __name__ == "__main__":
    serve(
        {kind: transform(kind) for kind in points.KINDS}
        | {"whole": whole, "blockwise": blockwise}
        | {"polynomials": polynomials, "multiplications": multiplications}
    )
