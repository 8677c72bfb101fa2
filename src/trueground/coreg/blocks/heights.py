"""Corrections of heights alone, as a block tells them: the shift up at its middle."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from pyproj import CRS

from trueground.coreg.base import Alignment, translation
from trueground.coreg.combine import Combined, Step, steps_of
from trueground.coreg.plain import matrix_of
from trueground.coreg.rigid.method import RigidMethod
from trueground.coreg.sampled import Sampled
from trueground.engine import Engine, Progress
from trueground.projection import project
from trueground.raster import Raster

_CELLS = 100.0  # that err together, where nothing better is known: errors of neighbours are alike


@dataclass(frozen=True)
class UpAtMiddle(Combined):
    """Corrections, told as the shift up that they make at the middle of the cells of the reference.

    Of a correction by a variable of the ground, it is the median of what is added.
    """

    method: Combined
    """A bias method, or a pipeline of nothing else."""

    @property
    def name(self) -> str:
        """That of the corrections."""
        return cast("Step", self.method).name

    def fit(
        self,
        reference: Raster,
        moving: Raster,
        *,
        valid: Raster | None = None,
        weights: Raster | None = None,
        initial: Alignment | None = None,  # noqa: ARG002 (nothing is looked for that it leads to)
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> Alignment:
        """Find the corrections, and return the shift."""
        found: Any = cast("Step", self.method).fit(
            reference, moving, valid=valid, weights=weights, engine=engine, progress=progress
        )
        corrections = getattr(found, "corrections", (found,))
        x, y = _middle(reference, corrections[0].crs)
        told = [_at(one, x, y) for one in corrections]
        up, variance = (sum(values) for values in zip(*told, strict=True))
        return Alignment(
            matrix=translation((0.0, 0.0, up)), centroid=(x, y, 0.0), crs=corrections[0].crs,
            covariance=matrix_of(np.diag([0.0, 0.0, variance])), method=found.method,
            nmad_before=found.nmad_before, nmad_after=found.nmad_after, samples=found.samples,
            converged=found.converged, warnings=found.warnings,
        )  # fmt: skip


def corrections_of(method: Combined) -> tuple[str, ...]:
    """Return the names of the steps that correct heights."""
    steps: tuple[Any, ...] = steps_of(method)
    found = [s for s in steps if isinstance(s, Sampled) and not isinstance(s, RigidMethod)]
    return tuple(cast("Step", s).name for s in found)


def of_block(method: Combined) -> Step:
    """Return what finds a shift: the method itself, or what its corrections, where it has nothing else, make up."""
    alone = len(corrections_of(method)) == len(steps_of(method))
    return cast("Step", UpAtMiddle(method) if alone else method)


def _middle(reference: Raster, crs: str | None) -> tuple[float, float]:
    """Return the middle of the cells with heights, in a CRS."""
    grid = reference.grid
    row, col = (v.mean() + 0.5 for v in np.isfinite(reference.read(grid.window)[0]).nonzero())
    x, y = grid.xy(np.array([row]), np.array([col]))
    if crs is not None and grid.crs is not None:
        x, y = project(grid.crs, CRS.from_wkt(crs), x, y)
    return float(x[0]), float(y[0])


def _at(found: Any, x: float, y: float) -> tuple[float, float]:
    """Return what a correction adds [m] at a place, and its variance [m^2]."""
    shape = found.shape
    if shape.kind == "variable":
        value = found.on_samples["added"]["median"]
    else:
        value = float(shape.at(np.array(x), np.array(y)))
    if shape.kind == "surface" and found.covariance is not None:
        units = np.eye(len(shape.coefficients)).tolist()
        parts = [replace(shape, coefficients=tuple(u)).at(np.array(x), np.array(y)) for u in units]
        basis = np.array(parts, dtype=np.float64)
        return value, float(basis @ np.asarray(found.covariance) @ basis)
    error = found.nmad_after / math.sqrt(max(found.samples / _CELLS, 1.0))
    return value, error**2
