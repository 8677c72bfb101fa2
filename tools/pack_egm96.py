"""Pack EGM96 (15 arc minutes, NGA, public domain) into the package's own compact raster.

Usage: python tools/pack_egm96.py egm96_15.gtx src/trueground/data/egm96_15.xz

The undulations become whole millimetres (rounding <= 0.5 mm), twice differenced along rows and columns so that
neighbours cancel, and are compressed with LZMA, low bytes first. `trueground.vertical` undoes it.
"""

import lzma
import sys
from pathlib import Path

import numpy as np

source, target = map(Path, sys.argv[1:])
raw = source.read_bytes()
south, west, dlat, dlon = np.frombuffer(raw, ">f8", 4)
rows, cols = np.frombuffer(raw, ">i4", 2, offset=32)
if (south, west, dlat, dlon, rows, cols) != (-90.0, -180.0, 0.25, 0.25, 721, 1440):
    sys.exit(f"{source} is not the global 15' grid from 180 W that this packs")
undulation = np.frombuffer(raw, ">f4", offset=40).reshape(rows, cols)[::-1]  # north first
packed = np.rint(undulation.astype(np.float64) * 1000.0).astype(np.int64)
for _ in range(2):
    packed = np.diff(packed, axis=1, prepend=0)
    packed = np.diff(packed, axis=0, prepend=0)
planes = packed.astype("<i2")
if not np.array_equal(planes, packed):
    sys.exit("differences do not fit into 16 bits")
target.write_bytes(lzma.compress(planes.view(np.uint8).reshape(-1, 2).T.tobytes(), preset=9))
