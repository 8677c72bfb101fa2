"""`trueground info`."""

from __future__ import annotations

from trueground.cli.options import RpcOrigin


def info(path: str, /, *, rpc_origin: RpcOrigin = None) -> None:
    """Say what a raster or an RPC file is: grid, vertical datum, no data, RPC and how its pixels are counted.

    Example: `trueground info scene.tif`

    Parameters
    ----------
    path
        Raster, image, or RPC file.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    """
    from trueground.describe import describe

    items = describe(path, rpc_origin=rpc_origin)
    width = max(map(len, items))
    for name, value in items.items():
        print(f"{name:<{width}}  {value}")
