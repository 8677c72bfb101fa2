"""Methods one after the other, as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.base import Alignment
from trueground.coreg.bias.corrected import Corrected
from trueground.coreg.bias.correction import Correction
from trueground.coreg.bias.method import BiasMethod
from trueground.coreg.chain import Chain
from trueground.coreg.combine import Combined, Step, steps_of
from trueground.coreg.pairs import Pair, one_band
from trueground.coreg.plain import Matrix, matrix_of, plain
from trueground.coreg.sampled import Sampled, figures
from trueground.datum_shift import InDatum, declaring
from trueground.engine import Engine, Progress
from trueground.errors import FitError, InputError
from trueground.pointcloud import PointCloud
from trueground.raster import Raster, as_float

Float = NDArray[np.float64]
_PARTS = 1000  # of the progress of a step
_ALL = 7  # numbers of a motion: shift (3), rotation (3), scale


@dataclass(frozen=True, kw_only=True)
class Pipeline(Combined):
    """Methods that are fitted one after the other: `NuthKaab() + Deramp() + VerticalShift()`.

    A method that finds a motion begins with the motion so far and returns all of it, about one point: the moving DEM is
    never resampled in between. A method that finds a correction sees the DEM as it is moved so far, and the correction
    is added at the nodes of the DEM itself, at the places that they are moved to. So all that is done in the end is a
    sum at the nodes and one motion: one resampling, whatever the number of steps.

    What two methods share, such as a shift and a tilt of terrain that is not the same everywhere, is divided between
    them in the order in which they come, and better with each turn: `Pipeline(steps=(NuthKaab(), Deramp()) * 3)`.

    Without a correction the result is an `Alignment`, with the iterations of all steps (`part` counts them). Its
    covariance holds for each part of the motion that of the last step that looked for it. With a correction it is a
    `Chain`.

    Examples
    --------
    >>> from trueground.coreg import Deramp, NuthKaab, VerticalShift
    >>> (NuthKaab() + Deramp() + VerticalShift()).name
    'nuth-kaab + deramp + vertical-shift'
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            msg = "a pipeline of no methods: give at least one"
            raise InputError(msg)
        flat = tuple(one for step in self.steps for one in steps_of(cast("Combined", step)))
        object.__setattr__(self, "steps", flat)

    @property
    def name(self) -> str:
        """The names of the methods, joined by `+`."""
        return " + ".join(step.name for step in self.steps)

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
    ) -> Alignment | Chain:
        """Find the motion, and the corrections, that the methods find one after the other.

        Parameters
        ----------
        reference, moving
            Heights [m] above the same surface; grids and CRS may differ, and the reference may be points.
        valid
            Mask of stable terrain on any grid: cells where it is 0 are left out.
        weights
            How much each cell counts, on any grid: 1 / sigma^2 where sigma [m] is known.
        initial
            Where to begin; the result includes it.
        engine
            Where blocks are read; threads on all processors by default.
        progress
            Called with thousandths of steps done and their number.

        Raises
        ------
        FitError
            Where a step finds too few usable cells, or they do not fix what it looks for; its message names the step.
        OverlapError, DatumError
            Where the DEMs share no ground, or one of them alone declares a vertical datum.
        """
        if isinstance(cast("object", moving), PointCloud) and any(
            isinstance(step, BiasMethod) for step in self.steps
        ):
            one_band(moving)  # says why not, before any step
        total, current = initial, moving
        results: list[Alignment | Correction] = []
        for number, step in enumerate(self.steps):
            try:
                found = step.fit(
                    reference, current, valid=valid, weights=weights, initial=total, engine=engine,
                    progress=_part_of(progress, number, len(self.steps)),
                )  # fmt: skip
            except FitError as error:
                if len(self.steps) == 1:
                    raise
                msg = f"step {number + 1} of {len(self.steps)}, {step.name}: {error}"
                raise FitError(msg) from error
            results.append(found)
            if isinstance(found, Alignment):
                total = found
            else:
                current = _corrected(moving, results)
        if all(isinstance(r, Alignment) for r in results):
            return self._alignment(results)
        pair = self._pair(
            reference, moving, valid=valid, weights=weights, initial=total, engine=engine
        )
        return self._chain(results, total, pair)

    def _alignment(self, results: list[Alignment | Correction]) -> Alignment:
        """Return the last motion, which is that of all steps, with what the others found on the way."""
        rigid = _rigid(results)
        if len(rigid) == 1:
            return rigid[0]
        return replace(
            rigid[-1], method=self.name, iterations=_iterations(rigid),
            converged=all(a.converged for a in rigid), parameters=self._parameters(results),
            warnings=_warnings(results), covariance=_covariance(rigid),
        )  # fmt: skip

    def _chain(
        self, results: list[Alignment | Correction], total: Alignment | None, pair: Pair
    ) -> Chain:
        """Add figures before and after all, on the same cells."""
        nothing = pair.start("none")
        final = nothing if total is None else total
        rigid = _rigid(results)
        if rigid:
            final = replace(final, covariance=_covariance(rigid))
        before = pair.dh(nothing)
        after = replace(pair, moving=_corrected(pair.moving, results)).dh(final)
        both = np.isfinite(before) & np.isfinite(after)
        # An initial shift may lead to another place.
        known = both if both.any() else np.isfinite(after)
        first, last = figures(before[both]), figures(after[known])
        return Chain(
            corrections=_corrections(results), alignment=final, method=self.name,
            nmad_before=first["nmad"], nmad_after=last["nmad"], samples=int(known.sum()),
            converged=all(r.converged for r in results), iterations=_iterations(rigid),
            parameters=self._parameters(results), on_samples={"before": first, "after": last},
            warnings=_warnings(results),
        )  # fmt: skip

    def _pair(
        self,
        reference: Raster | PointCloud,
        moving: Raster,
        *,
        valid: Raster | None,
        weights: Raster | None,
        initial: Alignment | None,
        engine: Engine | None,
    ) -> Pair:
        """Choose the cells for the figures: as the first step does that samples."""
        use = next((s for s in self.steps if isinstance(s, Sampled)), Sampled())
        return Pair.of(
            reference, moving, valid=valid, weights=weights, engine=engine, samples=use.samples,
            seed=use.seed, slope_range=use.slope_range, with_slopes=use.slope_range is not None,
            resampling=use.resampling, initial=initial,
        )  # fmt: skip

    def _parameters(self, results: list[Alignment | Correction]) -> dict[str, Any]:
        """Return the configuration of each step as JSON has it."""
        pairs = zip(self.steps, results, strict=True)
        steps = [{"method": step.name, **found.parameters} for step, found in pairs]
        return dict(plain({"steps": steps}))


def _rigid(results: Sequence[Alignment | Correction]) -> list[Alignment]:
    return [r for r in results if isinstance(r, Alignment)]


def _corrections(results: Sequence[Alignment | Correction]) -> tuple[Correction, ...]:
    return tuple(r for r in results if isinstance(r, Correction))


def _corrected(moving: Raster, results: Sequence[Alignment | Correction]) -> Raster:
    """Return the moving DEM with what has been found added, above the same datum."""
    better = Corrected(source=as_float(moving), corrections=_corrections(results))
    return declaring(better, moving.after) if isinstance(moving, InDatum) else better


def _part_of(progress: Progress | None, number: int, steps: int) -> Progress | None:
    """Return the progress of one step, as that of all."""
    if progress is None:
        return None
    return lambda done, total: progress(_PARTS * number + _PARTS * done // total, _PARTS * steps)


def _iterations(rigid: list[Alignment]) -> tuple[dict[str, float], ...]:
    return tuple({"part": n, **i} for n, a in enumerate(rigid, start=1) for i in a.iterations)


def _warnings(results: list[Alignment | Correction]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{r.method}: {w}" for r in results for w in r.warnings))


def _covariance(rigid: list[Alignment]) -> Matrix | None:
    """Return the covariance of the motion, about the last centroid: of each part as the last step has it that found it.

    What a later step finds anew is taken as independent of what it left alone.
    """
    whole = np.zeros((_ALL, _ALL))
    size = 3
    for number, step in enumerate(rigid):
        if step.covariance is None:
            return None
        if number:
            whole = _about(whole, rigid[number - 1].centroid, step.centroid)
        part = np.zeros((_ALL, _ALL))
        count = len(step.covariance)
        part[:count, :count] = step.covariance
        size = max(size, count)
        anew = np.diag(part) > 0.0
        whole[anew, :] = whole[:, anew] = 0.0
        whole += part
    return matrix_of(whole[:size, :size])


def _about(
    covariance: Float, old: tuple[float, float, float], new: tuple[float, float, float]
) -> Float:
    """Return the covariance of the same motion about another centroid."""
    change = np.eye(_ALL)
    way = np.subtract(new, old)
    change[:3, 3:6] = np.cross(np.eye(3), way).T  # a small rotation turns the way between the two
    change[:3, 6] = way
    return np.asarray(change @ covariance @ change.T)
