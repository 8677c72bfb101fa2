"""Methods that find a motion step by step: each step is what the differences then ask for."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import motion
from trueground.coreg.base import Alignment, translation
from trueground.coreg.covariance import clustered, effective_number
from trueground.coreg.pairs import Pair, require_samples
from trueground.coreg.plain import Matrix, matrix_of
from trueground.coreg.rigid.method import RigidMethod, Seen
from trueground.coreg.rigid.nodes import height_without_blunders
from trueground.engine import Progress
from trueground.errors import FitError, InputError, OverlapError
from trueground.stats import nmad

Float = NDArray[np.float64]
Stepper = Callable[[Seen], Float]
"""From the differences to the small motion (7,) that they ask for."""
_FURTHEST = 1000.0  # px; a step beyond it is no shift but a failure
_FIRST = 60_000  # cells that are enough on the way there
_TOLD = 5_000  # cells whose NMAD is told of each iteration
_WORTH = 3  # times that, and as many iterations, for the way to be gone apart
_CLOSE = 0.1  # px; the length of a step at which all cells are looked at
_BACK = 0.5  # of a step, that the next goes back: too much
_LEAST_SHARE = 0.25  # of a step, that is gone


@dataclass(frozen=True, kw_only=True)
class SteppingMethod(RigidMethod):
    """A method that repeats a step until it is short, and knows what each cell adds to the errors of the last."""

    def fit_pair(
        self, pair: Pair, *, initial: Alignment | None = None, progress: Progress | None = None
    ) -> Alignment:
        """Find the motion of a pair that has been sampled already."""
        stepper = self._stepper(pair)
        still = pair.start(self.name)
        found = still if initial is None else pair.start(self.name, initial)
        history: list[dict[str, float]] = []
        if pair.cells.x.size > _WORTH * _FIRST and self.max_iterations > _WORTH:
            few = pair.thinned(_FIRST)  # the way to the place costs less than the place itself
            with suppress(FitError, OverlapError):
                found = self._iterated(stepper, few, found, history, _CLOSE, progress)[0]
        found, dh = self._iterated(stepper, pair, found, history, self.tolerance, progress)
        covariance, effective = self._covariance(pair, found, dh)
        if self.needs_slopes and (lift := height_without_blunders(pair, found, dh)):
            up = np.asarray(translation((0.0, 0.0, lift)))
            found, dh = replace(found, matrix=matrix_of(up @ np.asarray(found.matrix))), dh - lift
        found = self._measured(
            found, pair.dh(still), dh, iterations=tuple(history), parameters=dict(vars(self)),
            covariance=covariance, effective_samples=effective,
        )  # fmt: skip
        doubts = self._doubts(pair, found)
        return replace(found, warnings=doubts) if doubts else found

    def _stepper(self, pair: Pair) -> Stepper:  # noqa: ARG002 (for those who need it)
        """Return what makes the steps of one fit; it may remember those before."""
        return self._step

    def _iterated(  # noqa: PLR0917 (the state of the loop)
        self,
        stepper: Stepper,
        pair: Pair,
        found: Alignment,
        history: list[dict[str, float]],
        tolerance: float,
        progress: Progress | None,
    ) -> tuple[Alignment, Float]:
        """Stepper until the steps are small; return the motion and the differences that it leaves."""
        dh = pair.dh(found)
        before, share = np.zeros(7), 1.0
        spare = _WORTH if tolerance > self.tolerance else 0
        for iteration in range(len(history) + 1, self.max_iterations + 1 - spare):
            if self.needs_slopes:
                pair = pair.under(found)
            require_samples(dh, self.least_samples)
            step = stepper(self._kept(pair, found.centroid, dh))
            length = _length(pair, step)
            if step[:3] @ before[:3] < -_BACK * (before[:3] @ before[:3]):
                share = max(share / 2.0, _LEAST_SHARE)  # to and fro: the place lies between
            before, step = step, share * step
            if not length <= _FURTHEST * pair.pixel:
                msg = (
                    f"iteration {iteration} asks for a move of {length:.6g} m: the terrain does not fix the motion; "
                    "take a larger area, a simpler motion or vertical-shift"
                )
                raise FitError(msg)
            try:
                found = replace(
                    found,
                    matrix=matrix_of(motion.small(step) @ np.asarray(found.matrix)),
                    converged=length < tolerance * pair.pixel,
                )
            except InputError as error:
                msg = f"iteration {iteration} leads to no rigid motion: the terrain does not fix the scale"
                raise FitError(msg) from error
            level = not (step[:2].any() or step[3:].any())
            if level or (
                found.converged and not step[3:].any()
            ):  # so short a step that slopes tell its effect
                east, north = pair.cells.slope_x, pair.cells.slope_y
                dh = dh + (east * step[0] + north * step[1] - step[2])
            else:
                dh = pair.dh(found)
            history.append(_line(iteration, found, length, dh))
            if progress is not None:
                progress(iteration, self.max_iterations)
            if found.converged:
                break
        return found, dh

    @abstractmethod
    def _step(self, seen: Seen) -> Float:
        """Return the small motion (7,) that the differences ask for: shift [m], rotation vector, scale - 1."""

    @abstractmethod
    def _influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:
        """Return what each cell adds to the error of each unknown, (n, unknowns).

        `rise` is that of the moved DEM [m per m]: how differences really answer to a shift. The reference's own slope
        holds noise beside the terrain, which looks like steepness on flat ground and is none. It is NaN at cells where
        it was not looked at: some are enough.
        """

    def _covariance(self, pair: Pair, found: Alignment, dh: Float) -> tuple[Matrix | None, float]:
        if self.needs_slopes:
            pair = pair.under(found)
        seen = self._kept(pair, found.centroid, dh)
        influence = self._influence(seen, self._rise(pair, found, seen))
        part = clustered(influence, *seen.places[:2])
        if part is None:
            return None, np.nan
        whole = np.zeros((7, 7))
        whole[np.ix_(self.unknowns, self.unknowns)] = part
        size = max(max(self.unknowns) + 1, 3)
        return matrix_of(whole[:size, :size]), effective_number(influence, part)


def _length(pair: Pair, step: Float) -> float:
    """Return how far the farthest cell is moved by a step, at most [m]."""
    length = math.hypot(*step[:3])
    if step[3:].any():
        reach = float(np.hypot(np.ptp(pair.cells.x), np.ptp(pair.cells.y))) / 2.0
        length += reach * math.hypot(*step[3:])
    return length


def _line(  # noqa: PLR0917 (what an iteration found)
    iteration: int, found: Alignment, length: float, dh: Float
) -> dict[str, float]:
    about_x, about_y, about_z = found.rotations
    return {
        "iteration": iteration,
        "shift_x": found.shift_x, "shift_y": found.shift_y, "shift_z": found.shift_z,
        "rotation_x": about_x, "rotation_y": about_y, "rotation_z": about_z, "scale": found.scale,
        "step": length,
        "nmad": nmad(dh[:: max(dh.size // _TOLD, 1)]),
    }  # fmt: skip
