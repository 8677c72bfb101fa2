"""`trueground info`."""

from __future__ import annotations

import json as text
from typing import Annotated

from cyclopts import Parameter

from trueground.cli.drawn_table import print_items
from trueground.cli.options import File, Flag, RpcOrigin, usage


def info(
    path: File | None = None,
    /,
    *,
    system: Annotated[bool, Parameter(negative=())] = False,
    json: Flag = False,
    rpc_origin: RpcOrigin = None,
) -> None:
    """Say what a raster or an RPC file is: grid, vertical datum, no data, RPC and how its pixels are counted.

    Example: `trueground info scene.tif`

    Example, versions and paths for a bug report: `trueground info --system`

    Parameters
    ----------
    path
        Raster, image, or RPC file.
    system
        Say what trueground runs on instead: versions, processors, memory, GDAL's drivers, where kernels are kept and
        which grids of geoids are found.
    json
        Print all of it as JSON.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    """
    if system == (path is not None):
        msg = "info wants a file, or --system: give one of them."
        raise usage(msg)
    if path is None:
        from trueground.cli.system import system_items

        items = system_items()
    else:
        from trueground.describe import describe

        items = describe(path, rpc_origin=rpc_origin)
    if json:
        print(text.dumps(items, indent=1))
        return
    print_items(items)
