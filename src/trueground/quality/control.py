"""An orthoimage against what is known: ground control points, or another orthoimage."""

from __future__ import annotations

from collections import Counter

import numpy as np

from trueground.control import residual_vectors
from trueground.engine import Engine
from trueground.ortho import Orthoimage
from trueground.projection import WGS84, project
from trueground.quality.result import Residuals
from trueground.raster import Raster
from trueground.rpc.gcps import Gcps
from trueground.rpc.localize import localize_on
from trueground.rpc.viewing import metres_per_degree
from trueground.status import Status


def gcp_residuals(
    ortho: Orthoimage, gcps: Gcps, *, name: str = "ground control points"
) -> Residuals:
    """Return how far an orthoimage is off at ground control points.

    On the ground: the orthoimage shows a point where the line of sight of its measured image position meets the DEM;
    that place less the true one. It holds the errors of the RPC, of the DEM and of the measurement. In the image:
    the measured position less that of the true place by the RPC, without the DEM.

    Parameters
    ----------
    ortho
        The orthoimage.
    gcps
        Points in its image and on the ground.
    name
        What they are called.
    """
    rpc, dem = ortho.rpc, ortho.dem
    row, col = rpc.project(gcps.lon, gcps.lat, gcps.height)
    shown = localize_on(rpc, dem, gcps.row, gcps.col)
    per_lon, per_lat = metres_per_degree(gcps.lat, gcps.height)
    around = np.mod(shown.lon - gcps.lon + 180.0, 360.0) - 180.0
    lost = shown.status != Status.OK
    x, y = project(WGS84, ortho.grid.crs or WGS84, gcps.lon, gcps.lat)
    return Residuals(
        against=name,
        label=gcps.label,
        x=np.asarray(x),
        y=np.asarray(y),
        east=np.where(lost, np.nan, around * per_lon),
        north=np.where(lost, np.nan, (shown.lat - gcps.lat) * per_lat),
        d_row=gcps.row - row,
        d_col=gcps.col - col,
        d_height=dem.heights(gcps.lon, gcps.lat) - gcps.height,
        weight=np.full(len(gcps), np.nan),
    )


def reference_residuals(
    orthoimage: Raster,
    reference: Raster,
    *,
    name: str = "the reference",
    engine: Engine | None = None,
) -> Residuals:
    """Return how far an orthoimage is off against a reference orthoimage, patch by patch.

    See `control.residual_vectors`; patches that were refused are counted by their reason.

    Parameters
    ----------
    orthoimage
        The orthoimage: a file, or one that is computed when it is read.
    reference
        Orthoimage that is trusted.
    name
        What it is called.
    engine
        Where patches are matched; threads by default.
    """
    found = residual_vectors(orthoimage, reference, engine=engine)
    crs = orthoimage.grid.crs or WGS84
    used = found.used
    x, y = orthoimage.grid.xy(found.row[used], found.col[used])
    right, up = (part[used] for part in found.vectors)
    lon, lat = project(crs, WGS84, x, y)
    there_lon, there_lat = project(crs, WGS84, x + right, y + up)
    per_lon, per_lat = metres_per_degree(lat, 0.0)
    unknown = np.full(x.shape, np.nan)
    return Residuals(
        against=name,
        label=tuple(str(i + 1) for i in np.flatnonzero(used)),
        x=np.asarray(x),
        y=np.asarray(y),
        east=(np.mod(there_lon - lon + 180.0, 360.0) - 180.0) * per_lon,
        north=(there_lat - lat) * per_lat,
        d_row=unknown,
        d_col=unknown,
        d_height=unknown,
        weight=found.quality[used],
        refused=tuple(Counter(filter(None, found.verdict)).most_common()),
    )
