"""shareloc's RPC model, its C++ where it has one. Runs in its Python."""

from pathlib import Path

import bindings_cpp
import numpy as np
import points
from serve import serve
from shareloc.dtm_reader import dtm_reader
from shareloc.geomodels import GeoModel


def surface(path):
    """Return a DTM with the attributes that the intersection asks for."""
    dtm = dtm_reader(str(path))
    return bindings_cpp.DTMIntersection(
        dtm.epsg, dtm.alt_data, dtm.nb_rows, dtm.nb_columns, dtm.transform
    )


def job(kind):
    """Return the job of a kind of transform."""

    def prepare(folder, geom):
        given = points.load(folder, kind)
        model = GeoModel(geom, "RPCoptim")
        dtm = surface(Path(folder) / "dem.tif") if kind == "locate" else None

        def run():
            if kind == "project":
                row, col, _ = model.inverse_loc(*given.inputs)
                return {"found": (row, col)}
            row, col, height = given.inputs
            found = (
                model.direct_loc_h(row, col, height)
                if kind == "localize"
                else model.direct_loc_dtm(row, col, dtm)
            )
            return {"found": (found[:, 0], found[:, 1])}

        def judge(result):
            good = np.isfinite(result["found"][0])
            return points.missed(given, *result["found"], good)

        return run, judge

    return prepare


if __name__ == "__main__":
    serve({kind: job(kind) for kind in points.KINDS})
