"""Rigid motion from the least height difference: the difference against the gradient of the terrain."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.base import Alignment, Matrix
from trueground.coreg.pairs import Pair, require_projected, require_samples
from trueground.engine import Engine, Progress
from trueground.errors import FitError, InputError
from trueground.raster import Raster
from trueground.sampling import Resampling, check_resampling
from trueground.stats import nmad

Float = NDArray[np.float64]
Motion = Literal["translation", "rigid", "similarity"]

_UNKNOWNS: dict[Motion, int] = {"translation": 3, "rigid": 6, "similarity": 7}
_LEAST_SAMPLES = 100
_BIWEIGHT = (
    4.685  # sigmas, beyond which a difference does not count: 95 % efficient for normal noise
)
_ROUNDS = 5  # of reweighting within an iteration
_FLATTEST = 1e-4  # rise over run, left of the terrain's slopes where nothing else explains them
_FURTHEST = 1000.0  # px


@dataclass(frozen=True, slots=True, kw_only=True)
class Lzd:
    r"""Coregister by least height differences, linear in a small motion.

    A point :math:`p = (X, Y, Z)` about the centroid, moved by :math:`d = t + \omega \times p + \sigma p`, changes the
    height of the surface at a fixed place by :math:`d_z - g_x d_x - g_y d_y`, where :math:`g` is the gradient of the
    terrain. The difference of heights is regressed on that (eq. 4 of the paper, with a scale beside), weighted against
    blunders by Tukey's biweight; the motion is applied to the DEM itself and all is repeated.

    References
    ----------
    Rosenholm & Torlegard (1988): Three-dimensional absolute orientation of stereo models using digital elevation
    models, Photogrammetric Engineering & Remote Sensing 54, 1385-1389.
    """

    motion: Motion = "rigid"
    """`translation`; `rigid`: and rotation; `similarity`: and scale."""
    max_iterations: int = 50
    tolerance: float = 1e-4
    """Largest move of any point by the last step [px of the reference] below which the motion has converged."""
    samples: int = 1_000_000
    """Cells of the reference to look at, at most."""
    seed: int = 0
    """Chooses the cells, where there are more."""
    resampling: Resampling = "cubic"
    """How heights of the moving DEM are made between its nodes."""

    def __post_init__(self) -> None:
        check_resampling(self.resampling)
        if self.motion not in _UNKNOWNS:
            msg = f"motion {self.motion!r}: must be one of {', '.join(_UNKNOWNS)}"
            raise InputError(msg)
        if self.max_iterations < 1 or not self.tolerance > 0.0:
            msg = f"{self}: iterations from 1, tolerance above 0"
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
        """Find the motion of the whole DEM.

        Parameters
        ----------
        reference, moving
            Heights [m] above the same surface; grids and CRS may differ. The reference's CRS must be projected.
        valid
            Mask of stable terrain on any grid: cells where it is 0 are left out.
        engine
            Where blocks are read; threads on all processors by default.
        progress
            Called with iterations done and their greatest number.

        Raises
        ------
        FitError
            Where there are too few usable cells, or they do not fix the motion (flat, or all slopes face one way).
        """
        crs = reference.grid.crs
        require_projected(reference.grid)
        pair = Pair.of(
            reference, moving, valid=valid, engine=engine,
            samples=self.samples, seed=self.seed, with_slopes=True,
        )  # fmt: skip
        centroid = pair.centroid
        design = self._design(pair, centroid)
        x, y, _ = pair.xyz
        reach = float(np.hypot(np.ptp(x), np.ptp(y))) / 2.0
        pixel = min(reference.grid.resolution)
        found = Alignment(
            matrix=_matrix(np.zeros(7)), centroid=centroid,
            crs=None if crs is None else crs.to_wkt(),
            method="lzd", nmad_before=np.nan, nmad_after=np.nan, samples=0,
        )  # fmt: skip
        dh = first = pair.dh_under(found, resampling=self.resampling)
        require_samples(dh, _LEAST_SAMPLES)
        history: list[dict[str, float]] = []
        converged = False
        for iteration in range(1, self.max_iterations + 1):
            step = _solve(design, dh)
            length = float(np.linalg.norm(step[:3]) + reach * np.linalg.norm(step[3:]))
            if not length <= _FURTHEST * pixel:
                msg = (
                    f"iteration {iteration} asks for a move of {length:.6g} m: the terrain does not fix the motion; "
                    "take a larger area or motion='translation'"
                )
                raise FitError(msg)
            matrix = np.asarray(_matrix(step)) @ np.asarray(found.matrix)
            found = replace(found, matrix=tuple(map(tuple, matrix.tolist())))
            dh = pair.dh_under(found, resampling=self.resampling)
            require_samples(dh, _LEAST_SAMPLES)
            history.append(_line(iteration, found, length, dh))
            if progress is not None:
                progress(iteration, self.max_iterations)
            if length < self.tolerance * pixel:
                converged = True
                break
        both = np.isfinite(first) & np.isfinite(dh)
        require_samples(np.where(both, dh, np.nan), _LEAST_SAMPLES)
        return replace(
            found, nmad_before=nmad(first[both]), nmad_after=nmad(dh[both]), samples=int(both.sum()),
            iterations=tuple(history), converged=converged, parameters=asdict(self),
        )  # fmt: skip

    def _design(self, pair: Pair, centroid: tuple[float, float, float]) -> Float:
        """Return (cells, unknowns): how the height at each cell changes with each part of the motion."""
        gx, gy = pair.slopes
        x, y, z = (v - c for v, c in zip(pair.xyz, centroid, strict=True))
        columns = [-gx, -gy, np.ones(gx.size)]
        if self.motion != "translation":
            columns += [y + gy * z, -x - gx * z, gx * y - gy * x]
        if self.motion == "similarity":
            columns.append(z - gx * x - gy * y)
        design = np.stack(columns, axis=1)
        flat = design[:, :2] - design[:, :2].mean(axis=0)
        weakest = float(np.sqrt(np.linalg.eigvalsh(flat.T @ flat / len(flat))[0]))
        if not weakest > _FLATTEST:
            msg = (
                f"slopes of the terrain differ by {weakest:.2g} only in one direction: it is flat, or all slopes face "
                "one way, and a shift that way leaves no trace; take a larger area or vertical-shift"
            )
            raise FitError(msg)
        return design


def _solve(design: Float, dh: Float) -> Float:
    """Regress differences on the design, reweighted against blunders; return all seven parts of the motion."""
    known = np.isfinite(dh)
    a, b = design[known], dh[known]
    size = np.sqrt((a**2).mean(axis=0))
    a = a / size
    weights = _biweight(b - np.median(b))
    for _ in range(_ROUNDS):
        weighted = a * weights[:, np.newaxis]
        solution = np.linalg.lstsq(weighted.T @ a, weighted.T @ b, rcond=None)[0]
        weights = _biweight(b - a @ solution)
    step = np.zeros(7)
    step[: a.shape[1]] = solution / size
    return step


def _biweight(residual: Float) -> Float:
    """Return Tukey's weights; ones where more than half of the residuals are alike."""
    sigma = nmad(residual)
    if not sigma > 0.0:
        return np.ones(residual.size)
    u = residual / (_BIWEIGHT * sigma)
    return np.where(np.abs(u) < 1.0, (1.0 - u**2) ** 2, 0.0)


def _matrix(step: Float) -> Matrix:
    """Return the 4 x 4 matrix of a small motion: shift, rotation vector, scale."""
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = (1.0 + step[6]) * Rotation.from_rotvec(step[3:6]).as_matrix()
    matrix[:3, 3] = step[:3]
    return tuple(tuple(float(v) for v in line) for line in matrix)


def _line(  # noqa: PLR0917 (what an iteration found)
    iteration: int, found: Alignment, length: float, dh: Float
) -> dict[str, float]:
    about_x, about_y, about_z = found.rotations
    return {
        "iteration": iteration,
        "shift_x": found.shift_x, "shift_y": found.shift_y, "shift_z": found.shift_z,
        "rotation_x": about_x, "rotation_y": about_y, "rotation_z": about_z, "scale": found.scale,
        "step": length,
        "nmad": nmad(dh[np.isfinite(dh)]),
    }  # fmt: skip
