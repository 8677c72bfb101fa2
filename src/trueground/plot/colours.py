"""Colours of differences and of images, as arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.raster import ArrayRaster

DIFFERENCE_COLOURS = "RdBu"
"""Red below zero, white, blue above: told apart by the colour blind."""
NODATA_COLOUR = "#8b8f96"
"""Grey, darker than the shaded white of a difference of zero."""
LAMP_ALTITUDE = 45.0  # degrees, of the hillshade under a map

_DARKEST = 0.5  # brightness of the darkest slope under a difference
_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LOW, _HIGH = 2.0, 98.0  # percentiles of an image that become black and white


def shared_limit(median: float, nmad: float) -> float:
    """Return the end of a symmetric colour scale from the statistics of the difference before.

    Three NMAD, or more where the median lies so far from zero that all would be one colour; rounded
    up to a number that reads well.

    Examples
    --------
    >>> shared_limit(median=0.2, nmad=1.2)
    4.0
    """
    value = max(3.0 * nmad, abs(median) + 2.0 * nmad)
    if not (math.isfinite(value) and value > 0.0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    step = next((step for step in _STEPS if step * power >= value * (1.0 - 1e-9)), _STEPS[-1])
    return float(f"{step * power:.6g}")


def colours_of_dh(
    dh: NDArray[Any], *, limit: float, shade: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return (rows, cols, 3) colours from 0 to 1 of differences, darkened by a hillshade.

    Parameters
    ----------
    dh
        (rows, cols), metres; NaN becomes grey.
    limit
        Difference of the last colour, metres.
    shade
        (rows, cols) from 0 to 1, NaN where it is not known.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    scaled = np.clip((np.nan_to_num(dh, nan=0.0) / limit + 1.0) / 2.0, 0.0, 1.0)
    colours: NDArray[np.float64] = colormaps[DIFFERENCE_COLOURS](scaled)[..., :3]
    if shade is not None:
        # Level ground keeps its colour: the white at zero must stay white.
        level = math.sin(math.radians(LAMP_ALTITUDE))
        light = np.clip(np.nan_to_num(shade, nan=level) / level, 0.0, 1.0)
        colours = colours * (_DARKEST + (1.0 - _DARKEST) * light)[..., np.newaxis]
    colours[np.isnan(dh)] = to_rgb(NODATA_COLOUR)
    return colours


def colour_scale(steps: int = 21) -> list[str]:
    """Return the colours from `-limit` to `limit` as hexadecimal text, for a legend in a page.

    Parameters
    ----------
    steps
        Number of colours.

    Examples
    --------
    >>> colour_scale(3)
    ['#67001f', '#f6f7f7', '#053061']
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(c) for c in colormaps[DIFFERENCE_COLOURS](np.linspace(0.0, 1.0, steps))]


def stretch(image: ArrayRaster) -> NDArray[np.uint8]:
    """Return (rows, cols, 4) red, green, blue and opacity of an image in memory.

    Three bands or more are red, green and blue; else the first is grey. Each is stretched from its
    2nd to its 98th percentile. Opacity is 0 where there is no data.
    """
    bands = image.array[:3] if image.count >= 3 else image.array[:1]
    valid = np.isfinite(bands).all(axis=0)
    out = np.zeros((*valid.shape, 4), dtype=np.uint8)
    out[..., 3] = np.where(valid, 255, 0)
    if not valid.any():
        return out
    for channel in range(3):
        values = bands[min(channel, len(bands) - 1)][valid]
        low, high = (float(p) for p in np.percentile(values, (_LOW, _HIGH)))
        scaled = (values - low) / max(high - low, 1e-12)
        out[valid, channel] = np.round(255.0 * np.clip(scaled, 0.0, 1.0)).astype(np.uint8)
    return out
