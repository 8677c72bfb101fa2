"""Where an image has texture that can be found again: patches spread over it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from trueground.control.pixels import is_shown
from trueground.control.scene import Scene
from trueground.engine import Engine
from trueground.grid import Window

Float = NDArray[np.float64]

_SCALE = 1.5  # px, of the derivatives: noise of single pixels is no texture
_LARGEST_SEARCH = 512  # px, of a cell that are looked at for its best patch
_LEAST_KNOWN = 0.8  # share of the smallest patch
_LEAST_KNOWN_LARGEST = (
    0.6  # of the largest; half of it must have data where the image shows it, somewhat displaced
)
_ENOUGH = 0.6  # share of the places asked for
_MESHES = 3  # tried
_FINER = 8.0  # times as many cells from one to the next, at most


class Places(NamedTuple):
    """Where patches are, the best of each cell of a mesh, row by row."""

    row: NDArray[np.int64]
    """Of the pixel whose upper left corner is the middle of a patch, in the grid of the scene."""
    col: NDArray[np.int64]
    texture: Float
    """Root of the smaller eigenvalue of the structure tensor over the brightness [1/px]."""
    cells: int
    """Of the mesh; those without data in both images have no place."""


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


def choose_places(scene: Scene, *, number: int, sizes: tuple[int, ...], engine: Engine) -> Places:
    """Return the place with the most texture in each cell of a mesh over the common ground.

    Where the reference or the image shows only a part of that ground, the mesh is made finer, so that about as many
    places have data in both.

    Parameters
    ----------
    scene
        Whose reference and image are looked at.
    number
        Of places, about; fewer where patches would cover each other by more than half.
    sizes
        Edges of the patches [px of the scene's grid], largest first: the texture is that of the smallest, and the
        largest has data in more than its half.
    engine
        Where cells are looked at.
    """
    cells = float(number)
    for _ in range(_MESHES):
        found = _choose(
            scene,
            cells,
            largest=_LARGEST_SEARCH * math.sqrt(number / cells),
            sizes=sizes,
            engine=engine,
        )
        if found.row.size >= _ENOUGH * number or found.cells < _ENOUGH * cells:
            break  # or the mesh is as fine as patches are
        cells *= min(number / max(found.row.size, 1), _FINER)
    return found


def _choose(
    scene: Scene, number: float, *, largest: float, sizes: tuple[int, ...], engine: Engine
) -> Places:
    """Return the places of one mesh of about so many cells; of each, so many pixels along a side are looked at."""
    core = scene.core
    apart = max(math.sqrt(core.size / number), sizes[-1] / 2.0)
    rows, cols = (max(round(n / apart), 1) for n in core.shape)
    edges = [
        np.linspace(0, n, k + 1).astype(int) for n, k in zip(core.shape, (rows, cols), strict=True)
    ]
    side = max(round(largest), sizes[-1])
    cells = [
        _middle(Window(core.row + int(t), core.col + int(le), int(b - t), int(r - le)), side)
        for t, b in zip(edges[0], edges[0][1:], strict=False)
        for le, r in zip(edges[1], edges[1][1:], strict=False)
    ]

    def best(window: Window) -> tuple[int, int, float] | None:
        texture = _texture_of_both(scene, window, sizes)
        if not np.isfinite(texture).any():
            return None
        row, col = np.unravel_index(int(np.nanargmax(texture)), texture.shape)
        return window.row + int(row), window.col + int(col), float(texture[row, col])

    found = [place for _, place in engine.map(best, cells) if place is not None]
    row, col, texture = np.array(found, dtype=np.float64).reshape(-1, 3).T
    return Places(row.astype(np.int64), col.astype(np.int64), texture, len(cells))


def _texture_of_both(scene: Scene, window: Window, sizes: tuple[int, ...]) -> Float:
    """Return the texture of the reference around each pixel of a window; NaN where patches lack data in one of both."""
    out = np.full(window.shape, np.nan)
    wide, half = window.pad(sizes[0] // 2), sizes[-1] // 2
    shown = scene.shown(wide)
    if not shown.any():
        return out
    reference = scene.reference_at(wide)
    shown &= is_shown(reference)
    share = ndimage.uniform_filter(shown.astype(np.float64), sizes[0], mode="constant")
    near = window.pad(half).slices_in(wide)
    texture = texture_of(np.where(shown[near], reference[near], np.nan), sizes[-1])
    inside = window.slices_in(window.pad(half))
    enough = share[window.slices_in(wide)] >= _LEAST_KNOWN_LARGEST
    out[enough] = texture[inside][enough]
    return out


def _middle(cell: Window, side: int) -> Window:
    """Return the part of a cell that is looked at."""
    height, width = (min(n, side) for n in cell.shape)
    return Window(
        cell.row + (cell.height - height) // 2,
        cell.col + (cell.width - width) // 2,
        height,
        width,
    )
