"""xDEM's part of the races. Runs in its Python."""

import time
import warnings
from pathlib import Path

import numpy as np
import truth
import xdem
from serve import serve

warnings.simplefilter("ignore")
np.seterr(all="ignore")

METHODS = {
    "vertical-shift": lambda: xdem.coreg.VerticalShift(subsample=truth.SAMPLES),
    "nuth-kaab": lambda: xdem.coreg.NuthKaab(subsample=truth.SAMPLES),
    "lzd": lambda: xdem.coreg.LZD(subsample=truth.SAMPLES),
    "icp": lambda: xdem.coreg.ICP(subsample=truth.SAMPLES),
    "cpd": lambda: xdem.coreg.CPD(subsample=5000),
    "dh-minimize": lambda: xdem.coreg.DhMinimize(subsample=truth.SAMPLES),
    "deramp": lambda: xdem.coreg.Deramp(subsample=truth.SAMPLES, poly_order=2),
    "directional-bias": lambda: xdem.coreg.DirectionalBias(
        angle=0, fit_or_bin="bin", bin_sizes=200, subsample=truth.SAMPLES
    ),
    "terrain-bias": lambda: xdem.coreg.TerrainBias(
        terrain_attribute="slope", bin_sizes=30, subsample=truth.SAMPLES
    ),
}


def whole(folder, method):
    """Fit and apply on whole DEMs, which are read into memory by it."""
    paths = truth.files(folder, method)

    def run():
        reference, moving = (xdem.DEM(p) for p in paths)
        start = time.perf_counter()
        coreg = METHODS[method]()
        coreg.fit(reference, moving, random_state=0)
        middle = time.perf_counter()
        aligned = coreg.apply(moving)
        _ = aligned.data  # in memory, whatever it does lazily
        said = {"fit": middle - start, "apply": time.perf_counter() - middle}
        result = {"said": said, "shift": (np.nan,) * 3}
        if method in truth.BIASES:
            result["added"] = aligned.data.filled(np.nan) - moving.data.filled(np.nan)
        else:
            affine = coreg.meta["outputs"]["affine"]
            if "matrix" in affine:
                result["shift"] = tuple(affine["matrix"][:3, 3])
            else:
                result["shift"] = tuple(affine[f"shift_{axis}"] for axis in "xyz")
        return result

    return run, lambda result: truth.missed(folder, method, result)


def blockwise(reference, moving, output, block):
    """Fit in blocks, apply and write, with two processes."""
    from geoutils.raster import ClusterGenerator, MultiprocConfig

    def run():
        fixed, loose = xdem.DEM(reference), xdem.DEM(moving)
        if fixed.nodata is None:
            fixed.set_nodata(-9999, update_array=False)
        start = time.perf_counter()
        folder = Path(output)
        folder.mkdir(exist_ok=True)
        config = MultiprocConfig(
            chunk_size=block, outfile=str(folder / "aligned_dem.tif"),
            cluster=ClusterGenerator("multi", nb_workers=2),
        )  # fmt: skip
        made = xdem.coreg.BlockwiseCoreg(
            xdem.coreg.NuthKaab(), mp_config=config, block_size_fit=block
        )
        made.fit(fixed, loose)
        middle = time.perf_counter()
        made.apply()  # it writes the file
        end = time.perf_counter()
        config.cluster.close()  # its processes end, and their processor time is known
        return {"said": {"fit": middle - start, "apply": end - middle}}

    return run, lambda _: {}


if __name__ == "__main__":
    serve({"whole": whole, "blockwise": blockwise})
