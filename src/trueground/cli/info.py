"""`trueground info`."""

from __future__ import annotations


def info(path: str, /) -> None:
    """Say what a raster or an RPC file is: grid, vertical datum, no data, RPC and how its pixels are counted.

    Example: `trueground info scene.tif`

    Parameters
    ----------
    path
        Raster, image, or RPC file.
    """
    from trueground.describe import describe

    items = describe(path)
    width = max(map(len, items))
    for name, value in items.items():
        print(f"{name:<{width}}  {value}")
