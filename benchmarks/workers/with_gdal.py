"""GDAL's RPC transformer by its C API through ctypes: the system's library, or the one in rasterio's wheel."""

import ctypes
import ctypes.util
import json
import os
from pathlib import Path

import numpy as np
import points
from serve import serve

DOUBLES = ctypes.POINTER(ctypes.c_double)
OFFSETS = [f"{n}_{k}" for k in ("off", "scale") for n in ("line", "samp", "lat", "long", "height")]
TERMS = ("line_num", "line_den", "samp_num", "samp_den")


class RpcInfo(ctypes.Structure):
    """GDALRPCInfoV2."""

    _fields_ = [
        ("offsets_and_scales", ctypes.c_double * 10),
        ("terms", ctypes.c_double * 80),
        ("bounds", ctypes.c_double * 4),
        ("errors", ctypes.c_double * 2),
    ]


def system():
    """Return the path of the system's libgdal."""
    name = ctypes.util.find_library("gdal")
    if name is None:
        raise SystemExit("no libgdal on this system: install gdal-bin")
    return name


def rasterios():
    """Return the path of the library that rasterio brings along."""
    import rasterio

    found = sorted((Path(rasterio.__file__).parents[1] / "rasterio.libs").glob("libgdal*"))
    if not found:
        raise SystemExit("this rasterio brings no libgdal along")
    return str(found[0])


class Gdal:
    """GDAL's RPC transformer."""

    def __init__(self, rpc, *, threshold, dem=None, library=None):
        """Take an RPC's numbers, as attributes or as a dict."""
        get = rpc.get if isinstance(rpc, dict) else lambda name: getattr(rpc, name)
        self.library = ctypes.CDLL(library or system())
        self.library.GDALAllRegister()
        self.library.GDALCreateRPCTransformerV2.restype = ctypes.c_void_p
        info = RpcInfo()
        info.offsets_and_scales[:] = [get(n) for n in OFFSETS]
        info.terms[:] = [term for n in TERMS for term in get(n)]
        info.bounds[:] = [-180.0, -90.0, 180.0, 90.0]
        text = [b"RPC_DEM=" + os.fsencode(dem)] if dem else []
        options = (ctypes.c_char_p * (len(text) + 1))(*text, None)
        self.handle = ctypes.c_void_p(
            self.library.GDALCreateRPCTransformerV2(
                ctypes.byref(info), 0, ctypes.c_double(threshold), options
            )
        )

    def transform(self, x, y, z, *, to_image):
        """Transform in place; return which points succeeded."""
        done = np.zeros(x.size, dtype=np.int32)
        pointers = [a.ctypes.data_as(DOUBLES) for a in (x, y, z)]
        self.library.GDALRPCTransform(
            self.handle, int(to_image), x.size, *pointers, done.ctypes.data_as(ctypes.POINTER(ctypes.c_int))
        )  # fmt: skip
        return done.astype(bool)


def job(kind):
    """Return the job of a kind of transform."""

    def prepare(folder, library, threshold=0.1):
        given = points.load(folder, kind)
        rpc = json.loads((Path(folder) / "rpc.json").read_text())
        dem = Path(folder) / "dem.tif" if kind == "locate" else None
        path = system() if library == "system" else rasterios()
        gdal = Gdal(rpc, threshold=threshold, dem=dem, library=path)
        to_image = kind == "project"

        def run():
            x, y, z = (a.copy() for a in given.inputs)  # it works in place
            if not to_image:
                x, y = y, x  # row and column are y and x to it
            good = gdal.transform(x, y, z, to_image=to_image)
            return {"found": (y, x) if to_image else (x, y), "good": good}

        return run, lambda r: points.missed(given, *r["found"], r["good"])

    return prepare


if __name__ == "__main__":
    serve({kind: job(kind) for kind in points.KINDS})
