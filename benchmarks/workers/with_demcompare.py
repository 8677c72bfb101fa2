"""demcompare's Nuth & Kaab. Runs in its Python."""

import logging
import time

import truth
from demcompare import dem_tools
from demcompare.coregistration import Coregistration
from serve import serve

logging.disable(logging.WARNING)
ITERATIONS = 6  # its default


def whole(folder, method):
    """Fit and apply on whole DEMs; its fit resamples the moving DEM in each step."""
    paths = truth.files(folder, method)

    def run():
        reference, moving = (dem_tools.load_dem(str(p)) for p in paths)
        start = time.perf_counter()
        coreg = Coregistration({"method_name": "nuth_kaab_internal", "number_of_iterations": ITERATIONS})  # fmt: skip
        found = coreg.compute_coregistration(moving, reference)
        middle = time.perf_counter()
        aligned = found.apply_transform(moving)
        _ = aligned["image"].values  # in memory, whatever it does lazily
        said = {"fit": middle - start, "apply": time.perf_counter() - middle}
        # Its offsets are pixels to be added to the moving DEM, rows downwards.
        x, y = found.x_offset * truth.PIXEL, -found.y_offset * truth.PIXEL
        return {"said": said, "shift": (x, y, float(found.z_offset))}

    return run, lambda result: truth.missed(folder, method, result)


if __name__ == "__main__":
    serve({"whole": whole})
