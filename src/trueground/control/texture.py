"""Where an image has texture that can be found again: patches spread over it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from trueground.control.scene import Scene
from trueground.engine import Engine
from trueground.grid import Window

Float = NDArray[np.float64]

_SCALE = 1.5  # px, of the derivatives: noise of single pixels is no texture
_LARGEST_SEARCH = 512  # px, of a cell that are looked at for its best patch
_LEAST_KNOWN = 0.8  # share of a patch


class Places(NamedTuple):
    """Where patches are, the best of each cell of a mesh, row by row."""

    row: NDArray[np.int64]
    """Of the pixel whose upper left corner is the middle of a patch, in the grid of the scene."""
    col: NDArray[np.int64]
    texture: Float
    """Root of the smaller eigenvalue of the structure tensor over the brightness [1/px]; NaN: no data."""


def texture_of(values: Float, size: int) -> Float:
    r"""Return how well square patches around each pixel can be placed in both directions.

    The smaller eigenvalue of the structure tensor, its root over the mean brightness of the patch:

    .. math:: \sqrt{\lambda_2 \left\langle \nabla I \, \nabla I^T \right\rangle} / \langle I \rangle

    A lone straight edge has none, since a patch can slide along it.

    Parameters
    ----------
    values
        (rows, cols); NaN where there is no data.
    size
        Edge of a patch [px].

    Returns
    -------
    (rows, cols) [1/px]; NaN where a fifth of the patch has no data.

    References
    ----------
    Shi, Tomasi: Good features to track. CVPR 1994, doi:10.1109/CVPR.1994.323794.
    """
    known = np.isfinite(values)
    if not known.any():
        return np.full(values.shape, np.nan)
    share = ndimage.uniform_filter(known.astype(np.float64), size, mode="constant")
    safe = np.maximum(share, 1e-9)

    def mean(of: Float) -> Float:
        return np.asarray(
            ndimage.uniform_filter(np.where(inner, of, 0.0), size, mode="constant") / safe
        )

    # The edge of what is known is no texture.
    inner = ndimage.binary_erosion(known, iterations=math.ceil(3.0 * _SCALE), border_value=True)
    filled = np.where(known, values, values[known].mean())
    gr, gc = (ndimage.gaussian_filter(filled, _SCALE, order=o) for o in ((1, 0), (0, 1)))
    rr, cc, rc = mean(gr * gr), mean(gc * gc), mean(gr * gc)
    smaller = (rr + cc) / 2.0 - np.hypot((rr - cc) / 2.0, rc)
    bright = np.maximum(np.abs(mean(filled)), 1e-9)
    return np.where(share >= _LEAST_KNOWN, np.sqrt(np.maximum(smaller, 0.0)) / bright, np.nan)


def choose_places(scene: Scene, *, number: int, size: int, engine: Engine) -> Places:
    """Return the place with the most texture in each cell of a mesh over the reference.

    Parameters
    ----------
    scene
        Whose reference is looked at, in the ground that it shares with the image.
    number
        Of cells, about; fewer where patches would cover each other by more than half.
    size
        Edge of a patch [px of the scene's grid].
    engine
        Where cells are looked at.
    """
    core = scene.core
    apart = max(math.sqrt(core.size / number), size / 2.0)
    rows, cols = (max(round(n / apart), 1) for n in core.shape)
    edges = [
        np.linspace(0, n, k + 1).astype(int) for n, k in zip(core.shape, (rows, cols), strict=True)
    ]
    cells = [
        _middle(Window(core.row + int(t), core.col + int(le), int(b - t), int(r - le)))
        for t, b in zip(edges[0], edges[0][1:], strict=False)
        for le, r in zip(edges[1], edges[1][1:], strict=False)
    ]

    def best(window: Window) -> tuple[int, int, float]:
        half = size // 2
        found = texture_of(scene.reference_at(window.pad(half)), size)
        inside = found[half:-half, half:-half]
        if not np.isfinite(inside).any():
            return window.row + window.height // 2, window.col + window.width // 2, math.nan
        row, col = np.unravel_index(int(np.nanargmax(inside)), inside.shape)
        return window.row + int(row), window.col + int(col), float(inside[row, col])

    found = [place for _, place in engine.map(best, cells)]
    row, col, texture = zip(*found, strict=True)
    return Places(np.array(row), np.array(col), np.array(texture))


def _middle(cell: Window) -> Window:
    """Return the part of a cell that is looked at."""
    height, width = (min(n, _LARGEST_SEARCH) for n in cell.shape)
    return Window(
        cell.row + (cell.height - height) // 2,
        cell.col + (cell.width - width) // 2,
        height,
        width,
    )
