"""What all coregistration methods share: the result of a fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.coreg import motion
from trueground.coreg.fit_result import FitResult, WithStatistics, wkt_of
from trueground.coreg.moving import dem_to_move
from trueground.coreg.plain import Matrix, line_from, matrix_of, number_or_nan, plain
from trueground.engine import Engine, Progress
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.pointcloud import PointCloud
from trueground.projection import project
from trueground.raster import Raster
from trueground.sampling import Resampling

if TYPE_CHECKING:
    from trueground.coreg.aligned import AlignedDem

Float = NDArray[np.float64]
_NOT_RIGID = 1e-5  # of a product of its axes
_MOST_SCALE = 0.1  # by which an alignment may scale; more is no alignment of two DEMs of one ground


class Method(Protocol):
    """A way to find an alignment: configuration alone, no state."""

    def fit(
        self,
        reference: Raster | PointCloud,
        moving: Raster | PointCloud,
        *,
        valid: Raster | None = None,
        weights: Raster | None = None,
        initial: Alignment | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> Alignment:
        """Find how `moving` has to be moved onto `reference`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment(FitResult, WithStatistics):
    """A rigid transform that brings a moving DEM onto a reference, and how well it does.

    Examples
    --------
    >>> from trueground import Alignment
    >>> known = Alignment.of_shift(10.0, -5.0, 2.0)
    >>> known.inverse().shift_x
    -10.0
    >>> x, y, z = known.transform(np.array([500.0]), np.array([800.0]), np.array([100.0]))
    >>> float(x[0]), float(y[0]), float(z[0])
    (510.0, 795.0, 102.0)
    """

    matrix: Matrix
    """4 x 4, about `centroid`; the last column holds the shifts [units of the CRS, m]."""
    centroid: tuple[float, float, float]
    """Point (x, y, z) about which the matrix rotates."""
    crs: str | None
    """WKT of the system in which the shifts are counted: the reference's."""
    iterations: tuple[Mapping[str, float], ...] = ()
    """For each iteration what was found."""
    covariance: Matrix | None = None
    """Of the shifts [m] and, where they were found, of rotations about x, y, z [rad] and the scale: 3, 6 or 7 square,
    about `centroid`; 0 for what was not looked for. None where there are too few cells to tell."""
    effective_samples: float = float("nan")
    """Independent cells that would fix the motion as well; more than `samples` where errors of neighbours cancel."""

    kind_of_result: ClassVar[str] = "an alignment"

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, dtype=np.float64)
        lines = matrix_of(matrix) if matrix.shape == (4, 4) else ()
        if not (lines and math.isfinite(sum(map(sum, lines)))):
            msg = f"matrix of shape {matrix.shape}: must be 4 x 4 finite numbers"
            raise InputError(msg)
        if not _is_rigid(matrix[:3, :3]):
            msg = (
                "the matrix is not rigid: its upper left 3 x 3 part must be a rotation, "
                "or one scaled by less than a tenth"
            )
            raise InputError(msg)
        if lines[3] != (0.0, 0.0, 0.0, 1.0):
            msg = f"the matrix's last row is {list(lines[3])}: must be 0, 0, 0, 1"
            raise InputError(msg)
        centroid = np.asarray(self.centroid, dtype=np.float64)
        if centroid.shape != (3,) or not all(map(math.isfinite, centroid.tolist())):
            msg = f"centroid {self.centroid}: must be three finite numbers x, y, z"
            raise InputError(msg)
        object.__setattr__(self, "matrix", lines)
        if self.covariance is not None:
            covariance = np.asarray(self.covariance, dtype=np.float64)
            if covariance.shape not in ((3, 3), (6, 6), (7, 7)):
                msg = f"covariance of shape {covariance.shape}: must be 3, 6 or 7 square"
                raise InputError(msg)
            object.__setattr__(self, "covariance", matrix_of(covariance))
        object.__setattr__(self, "centroid", tuple(centroid.tolist()))

    @property
    def shift_x(self) -> float:
        """Metres (units of the CRS) to add to x of the moving DEM."""
        return self.matrix[0][3]

    @property
    def shift_y(self) -> float:
        """Metres (units of the CRS) to add to y of the moving DEM."""
        return self.matrix[1][3]

    @property
    def shift_z(self) -> float:
        """Metres to add to the heights of the moving DEM."""
        return self.matrix[2][3]

    @property
    def errors(self) -> tuple[float, ...]:
        """Standard errors of the shifts [m], and of rotations [degrees] and the scale where they were found."""
        if self.covariance is None:
            return (float("nan"),) * 3
        found = np.sqrt(np.diag(np.asarray(self.covariance)))
        found[3:6] = np.degrees(found[3:6])
        return tuple(found.tolist())

    @property
    def matrix_about_origin(self) -> Matrix:
        """The same motion about the origin of the CRS: what tools without a centroid ask for.

        A rotation's shift is then made of the coordinates' millions: 1e-9 of them are lost, millimetres.
        """
        return matrix_of(motion.about(self.matrix, self.centroid, (0.0, 0.0, 0.0)))

    def inverse(self) -> Alignment:
        """Return the alignment that undoes this one: it brings the reference onto the moving DEM."""
        return replace(
            self,
            matrix=matrix_of(motion.invert(self.matrix, self.centroid)),
            nmad_before=self.nmad_after,
            nmad_after=self.nmad_before,
            on_samples={
                "before": self.on_samples.get("after", {}),
                "after": self.on_samples.get("before", {}),
            },
            method=f"inverse of {self.method}",
            iterations=(),
            statistics={},
        )

    def transform(
        self, x: ArrayLike, y: ArrayLike, z: ArrayLike, *, crs: CRS | None = None
    ) -> tuple[Float, Float, Float]:
        """Move points as the DEM is moved.

        Parameters
        ----------
        x, y, z
            Places and heights [m].
        crs
            What x and y count in; the alignment's own CRS by default.

        Returns
        -------
        x, y, z
            In the same CRS.
        """
        x, y, z = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x, y, z)))
        own = None if self.crs is None else CRS.from_wkt(self.crs)
        if crs is None or own is None:
            return motion.transform_points(self.matrix, self.centroid, x, y, z)
        there = *project(crs, own, x, y), z
        x, y, z = motion.transform_points(self.matrix, self.centroid, *there)
        return *project(own, crs, x, y), z

    @property
    def scale(self) -> float:
        """What lengths about the centroid are multiplied by."""
        return motion.scale(self.matrix)

    @property
    def rotations(self) -> tuple[float, float, float]:
        """Angles [degrees] about the x, y and z axis through the centroid, applied in this order."""
        return motion.rotations(self.matrix)

    def __str__(self) -> str:
        return (
            f"{self.method}: shift x {self.shift_x:+.3f}, y {self.shift_y:+.3f}, "
            f"z {self.shift_z:+.3f} m; NMAD {self.nmad_before:.3f} -> {self.nmad_after:.3f} m "
            f"on {self.samples} cells"
        )

    def apply(
        self, dem: Raster, *, grid: Grid | None = None, resampling: Resampling = "bilinear"
    ) -> AlignedDem:
        """Return the moved DEM as a raster that is computed when it is read.

        Parameters
        ----------
        dem
            The moving DEM, or another raster of heights that has the same error.
        grid
            Grid of the result; the DEM's own by default. It is resampled once, straight from the
            DEM's own cells. Where both declare a vertical datum, heights are brought to the grid's.
        resampling
            `nearest`, `bilinear` or `cubic`.

        Raises
        ------
        InputError
            Where the raster has more than one band.
        """
        from trueground.coreg.aligned import AlignedDem  # it holds an alignment

        source = dem_to_move(dem, grid)
        return AlignedDem(
            source=source, alignment=self, grid=grid or source.grid, resampling=resampling
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the alignment as plain numbers, text, lists and dictionaries; None is NaN."""
        items: dict[str, Any] = {
            "shift_x": self.shift_x,
            "shift_y": self.shift_y,
            "shift_z": self.shift_z,
            "matrix": self.matrix,
            "centroid": self.centroid,
            "matrix_about_origin": self.matrix_about_origin,
            "rotations": self.rotations,
            "scale": self.scale,
            "covariance": self.covariance,
            "errors": self.errors,
            "effective_samples": self.effective_samples,
            "nmad_before": self.nmad_before,
            "nmad_after": self.nmad_after,
            "method": self.method,
            "samples": self.samples,
            "converged": self.converged,
            "warnings": list(self.warnings),
            "on_samples": {k: dict(v) for k, v in self.on_samples.items()},
            "iterations": [dict(i) for i in self.iterations],
            "parameters": dict(self.parameters),
            "statistics": {k: dict(v) for k, v in self.statistics.items()},
            "crs": self.crs,
        }
        return dict(plain(items))

    @classmethod
    def _from_items(cls, items: Mapping[str, Any]) -> Self:
        shifts = [float(items[f"shift_{a}"]) for a in "xyz"]
        found = cls(
            matrix=items["matrix"], centroid=items["centroid"], crs=wkt_of(items),
            iterations=tuple(line_from(i) for i in items.get("iterations", ())),
            covariance=items.get("covariance"),
            effective_samples=number_or_nan(items.get("effective_samples")),
            **cls._figures_of(items), **cls._statistics_of(items),
        )  # fmt: skip
        if not np.allclose([found.shift_x, found.shift_y, found.shift_z], shifts, atol=1e-9):
            msg = (
                f"shift_x, shift_y, shift_z {shifts} contradict the matrix's last column "
                f"{[line[3] for line in found.matrix[:3]]}: one of them was edited"
            )
            raise InputError(msg)
        return found

    def to_xdem_meta(self) -> dict[str, Any]:
        """Return what xDEM keeps in `coreg.meta["outputs"]["affine"]`: shifts to add, matrix and its centroid."""
        return {
            "shift_x": self.shift_x,
            "shift_y": self.shift_y,
            "shift_z": self.shift_z,
            "matrix": np.asarray(self.matrix),
            "centroid": self.centroid,
        }

    @classmethod
    def of_shift(
        cls, shift_x: float, shift_y: float, shift_z: float = 0.0, *, crs: CRS | None = None
    ) -> Alignment:
        """Return a shift [m] that is known from elsewhere, to begin a fit with or to apply.

        `crs` is what it counts in; by default that of the DEM that it is applied to.
        """
        return cls(
            matrix=translation((shift_x, shift_y, shift_z)), centroid=(0.0, 0.0, 0.0),
            crs=None if crs is None else crs.to_wkt(), method="given",
            nmad_before=float("nan"), nmad_after=float("nan"), samples=0,
        )  # fmt: skip


def translation(shift: ArrayLike) -> Matrix:
    """Return the 4 x 4 matrix of a shift (x, y, z)."""
    x, y, z = np.asarray(shift, dtype=np.float64).tolist()
    return (1.0, 0.0, 0.0, x), (0.0, 1.0, 0.0, y), (0.0, 0.0, 1.0, z), (0.0, 0.0, 0.0, 1.0)


def _is_rigid(linear: NDArray[np.float64]) -> bool:
    """Tell whether a (3, 3) is a rotation, or one scaled by a little."""
    if motion.is_translation(linear):
        return True
    square = linear @ linear.T
    scale = math.copysign(math.sqrt(np.trace(square) / 3.0), np.linalg.det(linear))
    off = np.abs(square - scale**2 * np.eye(3)).max()
    return bool(abs(scale - 1.0) < _MOST_SCALE and off <= _NOT_RIGID)
