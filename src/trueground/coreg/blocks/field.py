"""A field of shifts: one smooth surface each for x, y and z, out of the shifts of blocks, with its error."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.coreg.blocks.bases import KINDS, Basis, Design, Kind
from trueground.coreg.blocks.smoother import Smoothed
from trueground.errors import FitError, InputError

Float = NDArray[np.float64]
Bounds = tuple[float, float, float, float]
Columns = list[tuple[Float, Float]]  # x, y and z, and the error of each
_NODES = 2  # of the errors in a cell of the splines, along each side
_FAIR = 1.35  # standard errors: half of all blocks missed by more is twice too many
_MOST_CELLS = 32  # of the splines along a side
_FOLDS = 5
_LEAST: Mapping[Kind, int] = {
    "constant": 1,
    "plane": 5,
    "quadratic": 10,
    "separable": 12,
    "smooth": 12,
}


class Shifts(Protocol):
    """Shifts anywhere."""

    def at(self, x: ArrayLike, y: ArrayLike) -> Float:
        """Return the shifts (3, ...) at places of any shape [m]."""

    def errors_at(self, x: ArrayLike, y: ArrayLike) -> Float:
        """Return their standard errors (3, ...) [m]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneAfterTheOther:
    """Two fields in one: the second was found on what the first had moved."""

    first: Shifts
    second: Shifts

    def at(self, x: ArrayLike, y: ArrayLike) -> Float:
        """Return the shifts (3, ...) at places of any shape [m]."""
        later = self.second.at(x, y)
        return np.asarray(later + self.first.at(np.asarray(x) - later[0], np.asarray(y) - later[1]))

    def errors_at(self, x: ArrayLike, y: ArrayLike) -> Float:
        """Return the standard errors of the second: it mends what the first left."""
        return self.second.errors_at(x, y)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShiftField:
    """Shifts [m] to add to a moving DEM, anywhere: a place of the reference is looked up."""

    kind: Kind
    cells: tuple[int, int]
    """Cells of the splines along x and y."""
    bounds: Bounds
    """West, south, east, north of the good blocks; the field goes on flatly beyond [m]."""
    coefficients: Float
    """(3, size) of the basis, for x, y and z [m]."""
    errors: Float
    """(3, rows, cols) standard errors [m] at nodes that span the bounds; bilinear between."""
    scores: Mapping[str, float]
    """Median miss of blocks left out by each kind that was tried, in their standard errors."""
    scales: tuple[float, float, float]
    """How many times their stated errors the blocks scatter about the field."""

    @property
    def basis(self) -> Basis:
        """What it is made of."""
        return Basis(kind=self.kind, cells=self.cells)

    def at(self, x: ArrayLike, y: ArrayLike) -> Float:
        """Return the shifts (3, ...) at places of any shape [m]."""
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        u, v = _unit(self.bounds, x.reshape(-1), y.reshape(-1))
        found = self.basis.sum_at(u, v, self.coefficients).reshape(3, *x.shape)
        return np.where(np.isfinite(x) & np.isfinite(y), found, np.nan)

    def errors_at(self, x: ArrayLike, y: ArrayLike) -> Float:
        """Return the standard errors (3, ...) of the shifts at places of any shape [m]."""
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        u, v = _unit(self.bounds, x.reshape(-1), y.reshape(-1))
        rows, cols = (n - 1 for n in self.errors.shape[1:])
        i, j = (np.minimum((t * n).astype(np.intp), n - 1) for t, n in ((v, rows), (u, cols)))
        p, q = v * rows - i, u * cols - j
        e = self.errors
        found = (1 - p) * ((1 - q) * e[:, i, j] + q * e[:, i, j + 1])
        found += p * ((1 - q) * e[:, i + 1, j] + q * e[:, i + 1, j + 1])
        return np.where(np.isfinite(x) & np.isfinite(y), found.reshape(3, *x.shape), np.nan)

    def differs_within(self, side: float) -> tuple[float, float]:
        """Return how much horizontal shifts, and heights, differ across a square of some side, at most [m]."""
        most = self._differences(side, 1)
        return float(most[:2].max()), float(most[2])

    def bias_within(self, side: float) -> float:
        """Return how far the mean horizontal shift of a square of some side is off that of its middle, at most [m]."""
        return float(self._differences(side / 2.0, 2)[:2].max()) / 6.0  # as that of a parabola

    def _differences(self, step: float, order: int) -> Float:
        """Return the largest difference (3,), or difference of differences, between places a step [m] apart."""
        west, south, east, north = self.bounds
        counts = (
            min(max(math.ceil((b - a) / step), order), 4 * _MOST_CELLS) + 1
            for a, b in ((west, east), (south, north))
        )
        x, y = (
            np.linspace(*ends, n)
            for ends, n in zip(((west, east), (south, north)), counts, strict=True)
        )
        shift = self.at(x[np.newaxis, :], y[:, np.newaxis])
        most = [np.abs(np.diff(shift, order, axis=k)).max(axis=(1, 2)) for k in (1, 2)]
        return np.asarray(np.max(most, axis=0))

    def to_dict(self) -> dict[str, Any]:
        """Return the field as numbers and lists."""
        return {
            "kind": self.kind, "cells": list(self.cells), "bounds": list(self.bounds),
            "coefficients": self.coefficients.tolist(), "errors": self.errors.tolist(),
            "scores": dict(self.scores), "scales": list(self.scales),
        }  # fmt: skip

    def to_json(self) -> str:
        """Return the field as JSON text, to the last digit."""
        return json.dumps(self.to_dict()) + "\n"

    @classmethod
    def from_dict(cls, items: Mapping[str, Any]) -> ShiftField:
        """Read what `to_dict` returned.

        Raises
        ------
        InputError
            Where it is not that.
        """
        try:
            found = cls(
                kind=items["kind"], cells=tuple(items["cells"]), bounds=tuple(items["bounds"]),
                coefficients=np.asarray(items["coefficients"], dtype=np.float64),
                errors=np.asarray(items["errors"], dtype=np.float64),
                scores=dict(items.get("scores", {})), scales=tuple(items["scales"]),
            )  # fmt: skip
            good = found.kind in KINDS and found.coefficients.shape == (3, found.basis.size)
            placed = [math.isfinite(v) for v in found.bounds]
            good &= placed == [True] * 4
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            msg = f"not a field of shifts ({type(error).__name__}: {error})"
            raise InputError(msg) from error
        if not good or found.errors.ndim != 3:
            msg = f"not a field of shifts: kind {found.kind!r} with coefficients of shape {found.coefficients.shape}"
            raise InputError(msg)
        return found


def fit_field(
    places: tuple[Float, Float],
    shifts: Float,
    errors: Float,
    *,
    size: tuple[float, float],
    kind: Kind | None = None,
) -> ShiftField:
    """Fit a field to the shifts of blocks.

    Parameters
    ----------
    places
        x and y (n,) of the blocks' middles [m].
    shifts, errors
        (n, 3) shifts in x, y and z and their standard errors [m].
    size
        Width and height of a block [m]: what was found in it is the mean over it, and cells of splines are not smaller.
    kind
        What it is made of; by default the simplest whose predictions of blocks that were left out are
        within one standard error of the best (Hastie et al. 2009, section 7.10).

    Raises
    ------
    FitError
        Where there is no block, or there are too few for the kind that was asked for.
    """
    x, y = places
    number = x.size
    if number == 0:
        msg = "no block is good: there is nothing to make a field of"
        raise FitError(msg)
    if kind is not None and number < _LEAST[kind]:
        msg = f"{number} good blocks: a field of kind {kind!r} needs at least {_LEAST[kind]}; take smaller blocks"
        raise FitError(msg)
    half_x, half_y = size[0] / 2.0, size[1] / 2.0
    bounds = (
        float(x.min()) - half_x, float(y.min()) - half_y, float(x.max()) + half_x, float(y.max()) + half_y,
    )  # fmt: skip
    cells = _cells(bounds, size)
    place = _unit(bounds, x, y)
    width = size[0] / (bounds[2] - bounds[0]), size[1] / (bounds[3] - bounds[1])
    scores: dict[str, float] = {}
    if kind is None:
        spans = min(np.ptp(x) / size[0], np.ptp(y) / size[1]) >= 0.5
        possible = [k for k in KINDS if number >= _LEAST[k] and (spans or k == "constant")]
    else:
        possible = [kind]
    kind, found = _chosen(possible, cells, (place, width), _columns(shifts, errors), scores)
    steps = [np.linspace(0.0, 1.0, _NODES * c + 1) for c in cells]
    v, u = (g.reshape(-1) for g in np.meshgrid(steps[1], steps[0], indexing="ij"))
    design = Basis(kind=kind, cells=cells).seen(u, v)
    spread = [f.variances(design) for f in found]
    nodes = (3, steps[1].size, steps[0].size)
    return ShiftField(
        kind=kind, cells=cells, bounds=bounds, scores=scores,
        coefficients=np.stack([f.coefficients for f in found]),
        errors=np.sqrt(np.maximum(np.stack(spread), 0.0)).reshape(nodes),
        scales=(found[0].scale, found[1].scale, found[2].scale),
    )  # fmt: skip


def _chosen(  # noqa: PLR0917
    possible: Sequence[Kind],
    cells: tuple[int, int],
    blocks: tuple[tuple[Float, Float], tuple[float, float]],
    columns: Columns,
    scores: dict[str, float],
) -> tuple[Kind, list[Smoothed]]:
    """Return the simplest kind that predicts blocks left out about as well as the best does, and x, y and z of it."""
    fold = _folds(blocks[0])
    found: dict[Kind, list[Smoothed]] = {}
    misses: dict[Kind, Float] = {}
    for kind in possible:
        basis = Basis(kind=kind, cells=cells)
        seen = basis.seen(*blocks[0], blocks[1])
        found[kind] = [Smoothed.of(basis, seen, *column) for column in columns]
        if len(possible) == 1:
            return kind, found[kind]
        misses[kind] = _misses(basis, seen, columns, fold, found[kind])
        scores[kind] = float(np.median(np.abs(misses[kind])))
    # The surprise at a miss, if misses had heavy tails: a block that lies far off surprises all kinds alike.
    lost = {k: np.log1p(m**2).mean(axis=1) for k, m in misses.items()}
    best = min(possible, key=lambda k: lost[k].mean())
    # What misses by far cannot be preferred for being simple, even if it predicts no worse.
    fair = {k for k, m in misses.items() if np.median(np.abs(m), axis=0).max() <= _FAIR}
    for kind in possible:
        more = lost[kind] - lost[best]
        if kind in fair and more.mean() <= more.std() / math.sqrt(more.size):
            return kind, found[kind]
    return best, found[best]


def _misses(  # noqa: PLR0917
    basis: Basis, seen: Design, columns: Columns, fold: NDArray[np.intp], found: Sequence[Smoothed]
) -> Float:
    """Return by how many standard errors each block (n, 3) is missed by what is found without its fold."""
    out = np.empty((fold.size, 3))
    for axis, ((values, sigma), whole) in enumerate(zip(columns, found, strict=True)):
        for one in np.unique(fold):
            kept, left = fold != one, fold == one
            rest = Smoothed.of(
                basis, seen.of(kept), values[kept], sigma[kept], near=whole.stiffness, with_covariance=False
            )  # fmt: skip
            predicted = seen.of(left).sums(rest.coefficients)
            out[left, axis] = (values[left] - predicted) / sigma[left]
    return out


def _folds(place: tuple[Float, Float]) -> NDArray[np.intp]:
    """Put blocks into folds such that of neighbours no two are left out together."""
    side = max(round(math.sqrt(place[0].size)), 2)
    col, row = (np.minimum((t * side).astype(np.intp), side - 1) for t in place)
    return np.asarray((col + 2 * row) % _FOLDS)


def _cells(bounds: Bounds, size: tuple[float, float]) -> tuple[int, int]:
    """Return the cells of splines along x and y: one for each block."""
    lengths = bounds[2] - bounds[0], bounds[3] - bounds[1]
    along, across = (
        min(max(round(length / step), 1), _MOST_CELLS)
        for length, step in zip(lengths, size, strict=True)
    )
    return along, across


def _unit(bounds: Bounds, x: Float, y: Float) -> tuple[Float, Float]:
    """Return places in the unit square that the bounds become; what lies beyond comes to lie on the edge."""
    width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
    u = (x - bounds[0]) / width if width > 0.0 else np.full(x.shape, 0.5)
    v = (y - bounds[1]) / height if height > 0.0 else np.full(y.shape, 0.5)
    # A place that is not known (a projection that is not defined there) must still find a cell: it is blanked later.
    return np.clip(np.nan_to_num(u), 0.0, 1.0), np.clip(np.nan_to_num(v), 0.0, 1.0)


def _columns(shifts: Float, errors: Float) -> Columns:
    return [(shifts[:, k].copy(), errors[:, k].copy()) for k in range(3)]
