"""What the methods that find a correction of heights share: the sample, and the figures before and after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import regression
from trueground.coreg.base import Alignment
from trueground.coreg.bias.correction import Correction
from trueground.coreg.bias.shapes import OfVariable, Shape
from trueground.coreg.bias.variable import Variable
from trueground.coreg.covariance import clustered
from trueground.coreg.design import gradient_design
from trueground.coreg.pairs import Pair, require_samples
from trueground.coreg.plain import Matrix, matrix_of, plain
from trueground.coreg.sampled import Sampled, figures
from trueground.engine import Engine, Progress
from trueground.pointcloud import PointCloud
from trueground.raster import Raster

Float = NDArray[np.float64]
_MOST_WRITTEN = 64  # coefficients whose covariance is kept; of more, their standard errors alone
_ROUNDS = 10  # of the robust regression, each begun where the last one ended
_ENOUGH = 50_000  # cells that tell about where a fit ends
_CLOSE = 0.01  # of what a mean of the residuals is uncertain by, were they independent: a step that changes nothing
_RESEMBLES = 0.05  # px of a shift that a correction may look like before a warning says so
_QUANTILES = {"least": 0.0, "q05": 0.05, "median": 0.5, "q95": 0.95, "greatest": 1.0}


class Sample(NamedTuple):
    """Cells at which both DEMs have heights; all (n,)."""

    x: Float
    y: Float
    """Places in the working CRS [m]."""
    weight: Float
    dh: Float
    """Reference - moving, as moved by the initial alignment [m]."""
    value: Float
    """Of the variable; zeros where there is none."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a method found."""

    shape: Shape
    covariance: Float | None
    """Of the coefficients."""
    converged: bool = True
    found: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BiasMethod(Sampled, ABC):
    """A method that finds a correction: what is looked at."""

    name: ClassVar[str]
    least_samples: ClassVar[int] = 100
    looks_like_shift: ClassVar[bool] = False
    """Whether a correction may be taken for a horizontal shift, and is looked at for that."""

    def fit(
        self,
        reference: Raster | PointCloud,
        moving: Raster,
        *,
        valid: Raster | None = None,
        weights: Raster | None = None,
        initial: Alignment | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> Correction:
        """Find what has to be added to the moving DEM.

        Parameters
        ----------
        reference, moving
            Heights [m] above the same surface; grids and CRS may differ, and the reference may be points. What does not
            count in metres is looked at in UTM (polar stereographic near the poles), which the result names.
        valid
            Mask of stable terrain on any grid: cells where it is 0 are left out.
        weights
            How much each cell counts, on any grid: 1 / sigma^2 where sigma [m] is known.
        initial
            How the moving DEM is moved before it is looked at; the correction remembers it and does not include it.
        engine
            Where blocks are read; threads on all processors by default.
        progress
            Called once, at the end.

        Raises
        ------
        FitError
            Where there are too few usable cells, or they do not fix the correction.
        OverlapError, DatumError
            Where the DEMs share no ground, or one of them alone declares a vertical datum.
        """
        pair = Pair.of(
            reference, moving, valid=valid, weights=weights, samples=self.samples, seed=self.seed,
            slope_range=self.slope_range,
            with_slopes=self.looks_like_shift or self.slope_range is not None,
            resampling=self.resampling, initial=initial, engine=engine,
        )  # fmt: skip
        moved = None if initial is None else pair.start(initial.method, initial)
        placed = moved or pair.start(self.name)
        if self.looks_like_shift:
            pair = pair.under(placed)
        dh = pair.dh(placed)
        x, y, z = pair.cells[:3]
        value = np.zeros(x.size)
        if isinstance(
            reference, PointCloud
        ):  # the terrain is the DEM's own, as it is where this is applied
            variable, own = None, self._variable(moving)
            if own is not None and not own.given and own.name == "elevation":
                value = z - dh
            elif own is not None and not own.given:
                value = own.at(*placed.inverse().transform(x, y, z)[:2], pair.crs)
            elif own is not None:
                variable, value = own, own.at(x, y, pair.crs)
        else:
            variable = self._variable(reference)
            if variable is not None:
                value = variable.at(x, y, pair.crs)
        known = np.isfinite(dh) & np.isfinite(value)
        require_samples(np.where(known, dh, np.nan), self.least_samples)
        sample = Sample(*(v[known] for v in (x, y, pair.cells.weight, dh, value)))
        found = self._trimmed(sample)
        added = self._added(found.shape, sample)
        before, after = figures(sample.dh), figures(sample.dh - added)
        quantiles = np.quantile(added, list(_QUANTILES.values())).tolist()
        errors = () if found.covariance is None else np.sqrt(np.diag(found.covariance)).tolist()
        doubts = found.warnings + (
            self._doubts(pair, known, added) if self.looks_like_shift else ()
        )
        if progress is not None:
            progress(1, 1)
        return Correction(
            shape=found.shape, crs=None if pair.crs is None else pair.crs.to_wkt(),
            method=self.name, nmad_before=before["nmad"], nmad_after=after["nmad"],
            samples=int(known.sum()), motion=moved, errors=tuple(errors),
            covariance=_written(found.covariance), converged=found.converged,
            found=found.found, parameters=self._parameters(), warnings=doubts, variable=variable,
            on_samples={
                "before": before, "after": after,
                "added": dict(zip(_QUANTILES, quantiles, strict=True)),
            },
        )  # fmt: skip

    @abstractmethod
    def _fitted(self, sample: Sample) -> Fitted:
        """Return the correction that the differences ask for."""

    def _variable(self, reference: Raster) -> Variable | None:  # noqa: ARG002 (of the place alone)
        """Return the variable on which the correction depends."""
        return None

    @staticmethod
    def _added(shape: Shape, sample: Sample) -> Float:
        """Return what a correction adds [m] at the cells."""
        if isinstance(shape, OfVariable):
            return shape.of(sample.value)
        return shape.at(sample.x, sample.y)

    def _trimmed(self, sample: Sample) -> Fitted:
        """Fit, and where cells are to be trimmed, fit again without those that the first fit leaves far off."""
        found = self._fitted(sample)
        if self.trim is None:
            return found
        use = self.within_trim(sample.dh - self._added(found.shape, sample))
        require_samples(np.where(use, sample.dh, np.nan), self.least_samples)
        return self._fitted(Sample(*(v[use] for v in sample)))

    def _parameters(self) -> dict[str, Any]:
        """Return the configuration as JSON has it."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return dict(plain({k: v for k, v in values.items() if not isinstance(v, Raster)}))

    def _doubts(self, pair: Pair, known: NDArray[np.bool_], added: Float) -> tuple[str, ...]:
        """Warn where a correction looks like a horizontal shift to a method that knows of none."""
        slope_x, slope_y = pair.cells.slope_x[known], pair.cells.slope_y[known]
        design = gradient_design(slope_x, slope_y)
        shift = np.linalg.lstsq(design.T @ design, design.T @ added)[0][:2]
        if not np.hypot(*shift) > _RESEMBLES * pair.pixel:
            return ()
        return (
            f"what {self.name} adds looks like a shift of x {shift[0]:+.3g} m, y {shift[1]:+.3g} m to a method that "
            "finds a shift without it: find both in turns, 'nuth-kaab + terrain-bias + nuth-kaab + terrain-bias'",
        )


def regressed(design: Float, dh: Float, weight: Float) -> Float:
    """Regress differences on a design, robustly, until nothing changes any more.

    Where the function bends much, its first residuals are those of a constant, and what is far from that is not far
    from the function: some of the cells tell where to begin with all.
    """
    close = _CLOSE / np.sqrt(dh.size)
    every = dh.size // _ENOUGH
    if every > 1:
        some = [np.ascontiguousarray(v[::every]) for v in (design, dh, weight)]
        solution = regressed(*some)
        reach = regression.reach_of(some[1] - some[0] @ solution, some[2])
        return regression.polished(
            design, dh, weight, solution=solution, reach=reach, close=close * reach
        )
    solution = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        residual = dh - design @ solution
        step = regression.robust(design, residual, weight)
        solution = solution + step
        size = np.sqrt((design**2).mean(axis=0))
        if (np.abs(step) * size).max() <= close * float(residual.std()):
            break
    return solution


def covariance_of(design: Float, residual: Float, sample: Sample) -> Float | None:
    """Return the covariance of the coefficients of a robust regression; None where there are too few cells to tell."""
    influence = regression.influence(design, residual, sample.weight, answers=design)
    return clustered(influence, sample.x, sample.y)


def _written(covariance: Float | None) -> Matrix | None:
    if covariance is None or len(covariance) > _MOST_WRITTEN:
        return None
    return matrix_of(covariance)
