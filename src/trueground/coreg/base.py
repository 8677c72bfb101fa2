"""What all coregistration methods share: the result of a fit, and the DEM that it moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.engine import Engine, Progress
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.projection import GridProjection, project, same_place
from trueground.raster import Raster, as_float, computed
from trueground.sampling import Resampling, check_resampling, sample_surface

Matrix = tuple[tuple[float, ...], ...]
_RIGID_ROUNDS = 20
_RIGID_TOLERANCE = 1e-4  # px


class Method(Protocol):
    """A way to find an alignment: configuration alone, no state."""

    def fit(
        self,
        reference: Raster,
        moving: Raster,
        *,
        valid: Raster | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> Alignment:
        """Find how `moving` has to be moved onto `reference`."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """A rigid transform that brings a moving DEM onto a reference, and how well it does."""

    matrix: Matrix
    """4 x 4, about `centroid`; the last column holds the shifts [units of the CRS, m]."""
    centroid: tuple[float, float, float]
    """Point (x, y, z) about which the matrix rotates."""
    crs: str | None
    """WKT of the system in which the shifts are counted: the reference's."""
    method: str
    nmad_before: float
    """NMAD [m] of reference - moving on the cells used, before."""
    nmad_after: float
    """The same after."""
    samples: int
    """Number of cells used."""
    iterations: tuple[Mapping[str, float], ...] = ()
    """For each iteration what was found."""
    converged: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Figures of reference - moving on all usable cells, `before` and `after`, where they were asked for."""

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            msg = f"matrix of shape {matrix.shape}: must be 4 x 4 finite numbers"
            raise InputError(msg)
        rotation = matrix[:3, :3]
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) or np.linalg.det(rotation) < 0.0:
            msg = "the matrix is not rigid: its upper left 3 x 3 part must be a rotation"
            raise InputError(msg)
        object.__setattr__(self, "matrix", tuple(tuple(float(v) for v in line) for line in matrix))
        object.__setattr__(self, "centroid", tuple(float(v) for v in self.centroid))

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

    def __str__(self) -> str:
        return (
            f"{self.method}: shift x {self.shift_x:+.3f}, y {self.shift_y:+.3f}, z {self.shift_z:+.3f} m; "
            f"NMAD {self.nmad_before:.3f} -> {self.nmad_after:.3f} m on {self.samples} cells"
        )

    def apply(self, dem: Raster, *, grid: Grid | None = None, resampling: Resampling = "bilinear") -> AlignedDem:
        """Return the moved DEM as a raster that is computed when it is read.

        Parameters
        ----------
        dem
            The moving DEM, or another raster of heights that has the same error.
        grid
            Grid of the result; the DEM's own by default. It is resampled once, straight from the DEM's own cells.
        resampling
            `nearest`, `bilinear` or `cubic`.
        """
        return AlignedDem(source=as_float(dem), alignment=self, grid=grid or dem.grid, resampling=resampling)

    def to_json(self) -> str:
        """Return the alignment as JSON text, to the last digit."""
        items: dict[str, Any] = {
            "shift_x": self.shift_x,
            "shift_y": self.shift_y,
            "shift_z": self.shift_z,
            "matrix": self.matrix,
            "centroid": self.centroid,
            "nmad_before": self.nmad_before,
            "nmad_after": self.nmad_after,
            "method": self.method,
            "samples": self.samples,
            "converged": self.converged,
            "iterations": [dict(i) for i in self.iterations],
            "parameters": dict(self.parameters),
            "statistics": {k: dict(v) for k, v in self.statistics.items()},
            "crs": self.crs,
        }
        return json.dumps(_without_nan(items), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Alignment:
        """Read an alignment that `to_json` wrote.

        Raises
        ------
        InputError
            Where the text is not such JSON.
        """
        try:
            items = json.loads(text)
            matrix = np.asarray(items["matrix"], dtype=np.float64)
            shifts = [float(items[f"shift_{a}"]) for a in "xyz"]
            centroid = tuple(float(v) for v in items["centroid"])
        except (ValueError, KeyError, TypeError) as error:
            msg = f"not an alignment ({type(error).__name__}: {error}): give JSON that 'trueground align --transform' wrote"
            raise InputError(msg) from error
        if matrix.shape == (4, 4) and not np.allclose(matrix[:3, 3], shifts, atol=1e-9):
            msg = f"shift_x, shift_y, shift_z {shifts} contradict the matrix's last column {matrix[:3, 3].tolist()}"
            raise InputError(msg)
        nan = float("nan")
        return cls(
            matrix=matrix,  # type: ignore[arg-type]
            centroid=centroid,  # type: ignore[arg-type]
            crs=items.get("crs"),
            method=str(items.get("method", "unknown")),
            nmad_before=nan if items.get("nmad_before") is None else float(items["nmad_before"]),
            nmad_after=nan if items.get("nmad_after") is None else float(items["nmad_after"]),
            samples=int(items.get("samples", 0)),
            iterations=tuple(items.get("iterations", ())),
            converged=bool(items.get("converged", True)),
            parameters=items.get("parameters", {}),
            statistics=items.get("statistics", {}),
        )

    def with_statistics(self, **statistics: Mapping[str, float]) -> Alignment:
        """Return the same alignment with figures of the differences."""
        return replace(self, statistics={**self.statistics, **statistics})


def translation(shift: ArrayLike) -> Matrix:
    """Return the 4 x 4 matrix of a shift (x, y, z)."""
    matrix = np.eye(4)
    matrix[:3, 3] = np.asarray(shift, dtype=np.float64)
    return tuple(tuple(float(v) for v in line) for line in matrix)


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: null instead."""
    if isinstance(value, Mapping):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


@dataclass(frozen=True, kw_only=True)
class AlignedDem:
    """A DEM moved by an alignment, on any grid, resampled once."""

    source: Raster
    """The moving DEM, float32."""
    alignment: Alignment
    grid: Grid
    resampling: Resampling = "bilinear"
    _place: GridProjection | None = field(init=False, repr=False, compare=False)
    _crs: CRS | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_resampling(self.resampling)
        crs = self.source.grid.crs if self.alignment.crs is None else CRS.from_wkt(self.alignment.crs)
        place = None if crs is None or self.grid.crs is None else GridProjection(self.grid, crs)
        object.__setattr__(self, "_crs", crs)
        object.__setattr__(self, "_place", place)

    @property
    def count(self) -> int:
        """Always one band."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    @property
    def nodata(self) -> float:
        """Always NaN."""
        return float("nan")

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of the moved DEM."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        if self._place is None:
            x, y = np.broadcast_arrays(*self.grid.xy(*window.pixel_centres()))
        else:
            x, y = self._place.at(window)
        matrix = np.asarray(self.alignment.matrix)
        if np.array_equal(matrix[:3, :3], np.eye(3)):
            height = self._height(x - matrix[0, 3], y - matrix[1, 3]) + matrix[2, 3]
        else:
            height = self._rotated(x, y, matrix)
        return height[np.newaxis].astype(np.float32)

    def _height(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sample the moving DEM at coordinates of the alignment's system."""
        grid = self.source.grid
        if self._crs is not None and grid.crs is not None and not same_place(self._crs, grid.crs):
            x, y = project(self._crs, grid.crs, x, y)
        return sample_surface(self.source, *grid.rowcol(x, y), resampling=self.resampling)

    def _rotated(
        self, x: NDArray[np.float64], y: NDArray[np.float64], matrix: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Find for each output cell the point of the moving surface that the rigid transform brings there.

        A rotated point's place depends on its height, so the source point is moved until its image falls on the cell: a
        contraction by (rotation x slope), which is far below one for the rotations of DEMs.
        """
        cx, cy, cz = self.alignment.centroid
        (rxx, rxy, rxz), (ryx, ryy, ryz), (rzx, rzy, rzz) = matrix[:3, :3]
        tx, ty, tz = matrix[:3, 3]
        px, py = x - tx, y - ty
        result = np.full(x.shape, np.nan)
        size = min(self.source.grid.resolution)
        for _ in range(_RIGID_ROUNDS):
            h = self._height(px, py)
            dx, dy, dz = px - cx, py - cy, h - cz
            off_x = rxx * dx + rxy * dy + rxz * dz + tx + cx - x
            off_y = ryx * dx + ryy * dy + ryz * dz + ty + cy - y
            result = rzx * dx + rzy * dy + rzz * dz + tz + cz
            if np.nanmax(np.hypot(off_x, off_y), initial=0.0) <= _RIGID_TOLERANCE * size:
                break
            known = np.isfinite(off_x)
            px, py = np.where(known, px - off_x, px), np.where(known, py - off_y, py)
        return result
