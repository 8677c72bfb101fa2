"""Horizontal and vertical shift from the dependence of the difference on slope and aspect."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.base import Alignment, translation
from trueground.coreg.pairs import Pair, require_projected, require_samples
from trueground.engine import Engine, Progress
from trueground.errors import FitError, InputError
from trueground.raster import Raster
from trueground.stats import nmad

Float = NDArray[np.float64]
_LEAST_SAMPLES = 100
_LEAST_BINS = 8  # of the aspect, for three unknowns that they must separate
_FLATTEST = 1e-6  # rise over run below which aspect means nothing
_FURTHEST = 1000.0  # px; a step beyond it is no shift but a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class NuthKaab:
    r"""Coregister by the cosine that a horizontal shift leaves in the difference of heights.

    A moving DEM that lacks a shift :math:`(s_x, s_y, s_z)` differs from the reference by

    .. math:: dh = s_z - \tan\alpha \, (s_x \cos\psi + s_y \sin\psi),

    where :math:`\alpha` is the slope of the reference and :math:`\psi` the direction in which it
    rises (eq. 1-3 of the paper, with the direction instead of the aspect).
    :math:`(dh - \mathrm{median}\, dh) / \tan\alpha` is binned by direction, a cosine is fitted to
    the medians of the bins, the shift is applied and all is repeated.

    References
    ----------
    Nuth & Kaab (2011), The Cryosphere 5, 271-290, doi:10.5194/tc-5-271-2011.
    """

    max_iterations: int = 20
    tolerance: float = 0.001
    """Length of the last step [px of the reference] below which the shift has converged."""
    bins: int = 72
    """Number of bins of the direction."""
    samples: int = 2_000_000
    """Cells of the reference to look at, at most."""
    seed: int = 0
    """Chooses the cells, where there are more."""

    def __post_init__(self) -> None:
        if self.max_iterations < 1 or not self.tolerance > 0.0 or self.bins < _LEAST_BINS:
            msg = f"{self}: iterations from 1, tolerance above 0, bins from {_LEAST_BINS}"
            raise InputError(msg)

    def fit(
        self,
        reference: Raster,
        moving: Raster,
        *,
        valid: Raster | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> Alignment:
        """Find the shift of the whole DEM.

        Parameters
        ----------
        reference, moving
            Heights [m] above the same surface; grids and CRS may differ. The reference's CRS must
            be projected.
        valid
            Mask of stable terrain on any grid: cells where it is 0 are left out.
        engine
            Where blocks are read; threads on all processors by default.
        progress
            Called with iterations done and their greatest number.

        Raises
        ------
        FitError
            Where there are too few usable cells, or they do not fix the shift (flat, or all slopes
            face one way).
        """
        crs = reference.grid.crs
        require_projected(reference.grid)
        pair = Pair.of(
            reference,
            moving,
            valid=valid,
            engine=engine,
            samples=self.samples,
            seed=self.seed,
            with_slopes=True,
        )
        slope_x, slope_y = pair.slopes
        steepness = np.hypot(slope_x, slope_y)
        bearing = np.arctan2(slope_y, slope_x)
        pixel = min(reference.grid.resolution)
        shift = np.zeros(2)
        dh = first = pair.dh(0.0, 0.0)
        require_samples(dh, _LEAST_SAMPLES)
        history: list[dict[str, float]] = []
        converged = False
        for iteration in range(1, self.max_iterations + 1):
            step = self._step(dh, steepness, bearing)
            length = float(np.hypot(*step))
            if length > _FURTHEST * pixel:
                msg = (
                    f"iteration {iteration} asks for a step of {length:.6g} m: the terrain does "
                    "not fix the shift; take a larger area or vertical-shift"
                )
                raise FitError(msg)
            shift = shift + step
            dh = pair.dh(*shift)
            require_samples(dh, _LEAST_SAMPLES)
            known = dh[np.isfinite(dh)]
            history.append(
                {
                    "iteration": iteration,
                    "shift_x": float(shift[0]),
                    "shift_y": float(shift[1]),
                    "shift_z": float(np.median(known)),
                    "step": length,
                    "nmad": nmad(known),
                }
            )
            if progress is not None:
                progress(iteration, self.max_iterations)
            if length < self.tolerance * pixel:
                converged = True
                break
        both = np.isfinite(first) & np.isfinite(dh)
        require_samples(np.where(both, dh, np.nan), _LEAST_SAMPLES)
        return Alignment(
            matrix=translation((*shift, float(np.median(dh[np.isfinite(dh)])))),
            centroid=pair.centroid,
            crs=None if crs is None else crs.to_wkt(),
            method="nuth-kaab",
            nmad_before=nmad(first[both]),
            nmad_after=nmad(dh[both]),
            samples=int(both.sum()),
            iterations=tuple(history),
            converged=converged,
            parameters=asdict(self),
        )

    def _step(self, dh: Float, steepness: Float, bearing: Float) -> Float:
        """Fit the cosine to the medians of the bins and return the shift that it stands for."""
        use = np.isfinite(dh) & (steepness > _FLATTEST)
        if use.sum() < _LEAST_SAMPLES:
            msg = (
                f"{int(use.sum())} cells with a slope: at least {_LEAST_SAMPLES} are needed; the "
                "terrain is too flat: take a larger area or vertical-shift"
            )
            raise FitError(msg)
        scaled = (dh[use] - np.median(dh[use])) / steepness[use]
        number = np.minimum(
            ((bearing[use] + np.pi) / (2.0 * np.pi) * self.bins).astype(np.intp), self.bins - 1
        )
        centres, medians = _bin_medians(number, scaled, self.bins)
        angle = (centres + 0.5) / self.bins * 2.0 * np.pi - np.pi
        design = np.column_stack([-np.cos(angle), -np.sin(angle), np.ones_like(angle)])
        if angle.size < _LEAST_BINS or np.linalg.cond(design) > 1e3:
            msg = (
                "all slopes face the same way, so that the shift is not fixed: "
                "take a larger area or vertical-shift"
            )
            raise FitError(msg)
        solution = np.linalg.lstsq(design, medians, rcond=None)[0]
        return np.asarray(solution[:2])


def _bin_medians(number: NDArray[np.intp], values: Float, bins: int) -> tuple[Float, Float]:
    """Return the numbers of the bins that hold values, and the median of each."""
    order = np.lexsort((values, number))
    sorted_values = values[order]
    counts = np.bincount(number, minlength=bins)
    ends = np.cumsum(counts)
    filled = np.flatnonzero(counts)
    first = ends[filled] - counts[filled]
    low = first + (counts[filled] - 1) // 2
    high = first + counts[filled] // 2
    return filled.astype(np.float64), (sorted_values[low] + sorted_values[high]) / 2.0
