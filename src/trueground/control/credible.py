"""Whether a correction by matches is known over the image: never bend what they do not hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueground.errors import FitError
from trueground.rpc.correction import MODELS, Model
from trueground.rpc.gcps import Gcps
from trueground.rpc.model import Rpc
from trueground.rpc.refine import Refinement, refine

Float = NDArray[np.float64]

LEAST_SPREAD = 0.5  # share of the image's rows, and of its columns, that matches must span for more than a shift
_LEAST_WIDTH = 0.1  # standard deviation across the thinnest direction, in sizes of the image; a full one has 0.29
WORST = 1.0  # px of the coarser image: accuracy anywhere in the image, scatter, and a change that may still grow
_MESH = 9  # points along a side of the image


def over_image(shape: tuple[int, int]) -> tuple[Float, Float]:
    """Return rows and columns of a mesh over an image, its borders included."""
    row, col = np.meshgrid(*(np.linspace(0.0, n, _MESH) for n in shape), indexing="ij")
    return row, col


def accuracy(found: Refinement, shape: tuple[int, int]) -> float:
    """Return the largest standard deviation [px] of a refined RPC over the pixels of an image."""
    return float(np.hypot(*found.sigma_at(*over_image(shape))).max())


def change(before: Refinement | None, after: Refinement, shape: tuple[int, int]) -> float:
    """Return the largest distance [px] of two corrections of one RPC over an image's pixels; None: no correction."""
    at = over_image(shape)
    row, col = after.correction(*at)
    if before is not None:
        old = before.correction(*at)
        row, col = row - old[0], col - old[1]
    return float(np.hypot(row, col).max())


def spread(row: Float, col: Float, shape: tuple[int, int]) -> tuple[float, float, float]:
    """Return the shares of the rows and columns that points span, and their width across the thinnest direction."""
    at = np.stack([row / shape[0], col / shape[1]])
    if at.shape[1] < 2:
        return 0.0, 0.0, 0.0
    thinnest = max(float(np.linalg.eigvalsh(np.cov(at))[0]), 0.0)
    return float(np.ptp(at[0])), float(np.ptp(at[1])), float(np.sqrt(thinnest))


def refine_held(
    rpc: Rpc, gcps: Gcps, model: Model | None, *, shape: tuple[int, int], limit: float
) -> Refinement:
    """Refine by the richest model that the points hold all over the image.

    Parameters
    ----------
    rpc, gcps
        See `rpc.refine`.
    model
        Raise where the points do not hold this one; None: the chosen one, else the next simpler one.
    shape
        Of the image.
    limit
        Accuracy [px] that more than a shift must have anywhere in the image.

    Raises
    ------
    FitError
        Where the given model is not held.
    """
    found = refine(rpc, gcps, model=model)
    while found.model != "shift" and (why := _not_held(found, shape, limit)):
        if model is not None:
            msg = (
                f"the model {model} is not determined over the image: {why}; "
                "take the model shift, or a reference that covers more of the image"
            )
            raise FitError(msg)
        found = refine(rpc, gcps, model=MODELS[MODELS.index(found.model) - 1])
    return found


def _not_held(found: Refinement, shape: tuple[int, int], limit: float) -> str:
    """Say why a model of more than a shift is not held; empty where it is."""
    kept = ~found.blunders
    rows, cols, width = spread(found.gcps.row[kept], found.gcps.col[kept], shape)
    if min(rows, cols) < LEAST_SPREAD:
        return (
            f"matches span {rows:.0%} of its rows and {cols:.0%} of its columns, "
            f"{LEAST_SPREAD:.0%} at least are needed of both"
        )
    if found.model == "affine" and width < _LEAST_WIDTH:
        return (
            f"matches lie along a line (width {width:.2f} of the image, {_LEAST_WIDTH} is needed)"
        )
    worst = accuracy(found, shape)
    if not worst <= limit:
        return f"accuracy is {worst:.1f} px at worst, {limit:.1f} px at most is needed"
    return ""


def check_steady(changes: list[float], *, limit: float) -> None:
    """Raise where a round changed the RPC by more than the one before, and by more than a limit [px]."""
    if len(changes) < 2 or changes[-1] <= max(limit, changes[-2]):
        return
    msg = (
        f"the refined RPC does not settle: round {len(changes)} changed it by {changes[-1]:.1f} px over the image "
        f"after {changes[-2]:.1f} px, and must change it by less; take the model shift, a larger DEM or reference, or "
        "measure ground control points by hand"
    )
    raise FitError(msg)


def check_known(
    found: Refinement, changes: list[float], *, shape: tuple[int, int], limit: float
) -> None:
    """Raise where the last refinement still changes, scatters or is not known within a limit [px] over the image."""
    worst = accuracy(found, shape)
    figures = {
        "its last change": changes[-1],
        "the scatter of its matches": found.sigma,
        "its accuracy at worst": worst,
    }
    for what, value in figures.items():
        if not value <= limit:
            msg = (
                f"the refined RPC ({found.model}) is not known over the image: {what} is {value:.1f} px, "
                f"{limit:.1f} px at most is allowed; give a reference that covers more of the image and a DEM that "
                "fits it, or measure ground control points by hand"
            )
            raise FitError(msg)
