"""What all coregistration methods share: the result of a fit, and the DEM that it moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from trueground.datum_shift import in_datum_of
from trueground.engine import Engine, Progress
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.kernels import lattice
from trueground.projection import GridProjection, count_longitudes_as, project, same_place
from trueground.raster import Raster, as_float, computed, name_of
from trueground.sampling import Resampling, check_resampling, sample_surface
from trueground.surface import ComputedSurface
from trueground.warp import PixelMap

Float = NDArray[np.float64]
Matrix = tuple[tuple[float, ...], ...]
_LATTICE = 64  # px between the corners of a cell on which a shift is interpolated
_LATTICE_TOLERANCE = 1e-4  # px
_QUARTER = np.array([0.375, 0.75, -0.125])  # weights of three nodes at a quarter of a cell
_RIGID_ROUNDS = 30
_MOST_SCALE = 0.1  # by which an alignment may scale; more is no alignment of two DEMs of one ground
_RIGID_TOLERANCE = 1e-6  # px


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
    """Figures of reference - moving on all usable cells, `before` and `after`, where asked for."""

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            msg = f"matrix of shape {matrix.shape}: must be 4 x 4 finite numbers"
            raise InputError(msg)
        rotation = matrix[:3, :3]
        scale = float(np.cbrt(np.linalg.det(rotation)))
        if not abs(scale - 1.0) < _MOST_SCALE or not np.allclose(
            rotation @ rotation.T, scale**2 * np.eye(3), atol=1e-6
        ):
            msg = (
                "the matrix is not rigid: its upper left 3 x 3 part must be a rotation, "
                "or one scaled by less than a tenth"
            )
            raise InputError(msg)
        if not np.array_equal(matrix[3], [0.0, 0.0, 0.0, 1.0]):
            msg = f"the matrix's last row is {matrix[3].tolist()}: must be 0, 0, 0, 1"
            raise InputError(msg)
        centroid = np.asarray(self.centroid, dtype=np.float64)
        if centroid.shape != (3,) or not np.isfinite(centroid).all():
            msg = f"centroid {self.centroid}: must be three finite numbers x, y, z"
            raise InputError(msg)
        object.__setattr__(self, "matrix", tuple(tuple(float(v) for v in line) for line in matrix))
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
    def scale(self) -> float:
        """What lengths about the centroid are multiplied by."""
        return float(np.cbrt(np.linalg.det(np.asarray(self.matrix)[:3, :3])))

    @property
    def rotations(self) -> tuple[float, float, float]:
        """Angles [degrees] about the x, y and z axis through the centroid, applied in this order."""
        r = np.asarray(self.matrix)[:3, :3] / self.scale
        about_x = np.arctan2(r[2, 1], r[2, 2])
        about_y = -np.arcsin(np.clip(r[2, 0], -1.0, 1.0))
        about_z = np.arctan2(r[1, 0], r[0, 0])
        return tuple(float(np.degrees(a)) for a in (about_x, about_y, about_z))  # type: ignore[return-value]

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
        if dem.count != 1:
            msg = f"{name_of(dem)} has {dem.count} bands; a DEM has one"
            raise InputError(msg)
        if grid is not None:
            dem = in_datum_of(grid, dem)
        return AlignedDem(
            source=as_float(dem), alignment=self, grid=grid or dem.grid, resampling=resampling
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the alignment as plain numbers, text, lists and dictionaries; None is NaN."""
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
        return dict(_without_nan(items))

    def to_json(self) -> str:
        """Return the alignment as JSON text, to the last digit."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Alignment:
        """Read an alignment that `to_json` wrote.

        Raises
        ------
        InputError
            Where the text is not such JSON.
        """
        nan = float("nan")
        try:
            items = json.loads(text)
            shifts = [float(items[f"shift_{a}"]) for a in "xyz"]
            crs = items.get("crs")
            found = cls(
                matrix=items["matrix"],
                centroid=items["centroid"],
                crs=None if crs is None else CRS.from_user_input(crs).to_wkt(),
                method=str(items.get("method", "unknown")),
                nmad_before=_or_nan(items.get("nmad_before")),
                nmad_after=_or_nan(items.get("nmad_after")),
                samples=int(items.get("samples", 0)),
                iterations=tuple(
                    {k: nan if v is None else v for k, v in i.items()}
                    for i in items.get("iterations", ())
                ),
                converged=bool(items.get("converged", True)),
                parameters=dict(items.get("parameters", {})),
                statistics={
                    name: {k: nan if v is None else v for k, v in figures.items()}
                    for name, figures in items.get("statistics", {}).items()
                },
            )
        except (ValueError, KeyError, TypeError, AttributeError, CRSError) as error:
            msg = (
                f"not an alignment ({type(error).__name__}: {error}): "
                "give JSON that 'trueground align --transform' wrote"
            )
            raise InputError(msg) from error
        if not np.allclose([found.shift_x, found.shift_y, found.shift_z], shifts, atol=1e-9):
            msg = (
                f"shift_x, shift_y, shift_z {shifts} contradict the matrix's last column "
                f"{[line[3] for line in found.matrix[:3]]}: one of them was edited"
            )
            raise InputError(msg)
        return found

    def with_statistics(self, **statistics: Mapping[str, float]) -> Alignment:
        """Return the same alignment with figures of the differences."""
        return replace(self, statistics={**self.statistics, **statistics})


def translation(shift: ArrayLike) -> Matrix:
    """Return the 4 x 4 matrix of a shift (x, y, z)."""
    matrix = np.eye(4)
    matrix[:3, 3] = np.asarray(shift, dtype=np.float64)
    return tuple(tuple(float(v) for v in line) for line in matrix)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


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
class AlignedDem(ComputedSurface):
    """A DEM moved by an alignment, on any grid, resampled once."""

    source: Raster
    """The moving DEM, float32."""
    alignment: Alignment
    grid: Grid
    resampling: Resampling = "bilinear"
    _map: PixelMap = field(init=False, repr=False, compare=False)
    """From the cells of the result to those of the source where nothing moves."""
    _crs: CRS | None = field(init=False, repr=False, compare=False)
    """System of the alignment."""

    def __post_init__(self) -> None:
        check_resampling(self.resampling)
        own, declared = self.source.grid.crs, self.alignment.crs
        crs = own if own is None or declared is None else CRS.from_wkt(declared)
        object.__setattr__(self, "_crs", crs)
        object.__setattr__(self, "_map", PixelMap(source=self.grid, target=self.source.grid))

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of the moved DEM."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        matrix = np.asarray(self.alignment.matrix)
        if np.array_equal(matrix[:3, :3], np.eye(3)):
            height = self._shifted(window, matrix[:3, 3])
        else:
            height = self._rotated(window, matrix)
        out: NDArray[np.float32] = height[np.newaxis].astype(np.float32)
        return out

    @property
    def _same_system(self) -> bool:
        crs, own = self._crs, self.source.grid.crs
        return crs is None or own is None or same_place(crs, own)

    def _shifted(self, window: Window, shift: Float) -> Float:
        """Sample where each cell was before the shift."""
        source = self.source.grid
        row, col = self._map.at(window)
        if self._same_system:
            t = source.transform
            area = t.a * t.e - t.b * t.d
            row = row - (t.a * shift[1] - t.d * shift[0]) / area
            col = col - (t.e * shift[0] - t.b * shift[1]) / area
        else:
            back_row, back_col = self._shift_in_pixels(window, shift)
            row, col = row - back_row, col - back_col
        height = sample_surface(self.source, row, col, resampling=self.resampling)
        return height + float(shift[2])

    def _shift_in_pixels(self, window: Window, shift: Float) -> tuple[Float, Float]:
        """Return the shift, given in another system, in rows and columns of the source.

        It changes so slowly with the place (by the difference of two map projections' scale and
        bearing) that a lattice carries it: 1e-9 of a shift of one pixel is lost. Cells of the
        lattice that do not hold it (near a pole, or where a projection is not defined) are computed
        pixel by pixel.
        """
        first = Window(window.row // _LATTICE, window.col // _LATTICE, 0, 0)
        last_row = (window.row + window.height - 1) // _LATTICE
        last_col = (window.col + window.width - 1) // _LATTICE
        rows = np.arange(2 * first.row, 2 * last_row + 3) * (_LATTICE / 2.0)
        cols = np.arange(2 * first.col, 2 * last_col + 3) * (_LATTICE / 2.0)
        nodes = self._shift_at(rows[:, np.newaxis], cols[np.newaxis, :], shift)
        out = np.empty(window.shape), np.empty(window.shape)
        for node, moved in zip(nodes, out, strict=True):
            lattice.biquadratic(
                node, first.row, first.col, float(_LATTICE), window.row, window.col, moved
            )
        wrong = np.zeros(((rows.size - 1) // 2, (cols.size - 1) // 2), dtype=bool)
        for along in (_QUARTER, _QUARTER[::-1]):  # errors along both axes add up at one of them
            where = 0.25 if along is _QUARTER else 0.75
            true = self._shift_at(
                rows[:-1:2, np.newaxis] + 0.25 * _LATTICE,
                cols[np.newaxis, :-1:2] + where * _LATTICE,
                shift,
            )
            for node, exact in zip(nodes, true, strict=True):
                cells = np.lib.stride_tricks.sliding_window_view(node, (3, 3))[::2, ::2]
                error = np.abs(np.einsum("ijkl,k,l->ij", cells, _QUARTER, along) - exact)
                wrong |= ~(error <= _LATTICE_TOLERANCE)  # also where it is NaN
        for i, j in np.argwhere(wrong).tolist():
            cell = Window(
                (first.row + i) * _LATTICE, (first.col + j) * _LATTICE, _LATTICE, _LATTICE
            ).intersect(window)
            inside = cell.slices_in(window)
            out[0][inside], out[1][inside] = self._shift_at(*cell.pixel_centres(), shift)
        return out

    def _shift_at(
        self, rows: NDArray[Any], cols: NDArray[Any], shift: Float
    ) -> tuple[Float, Float]:
        """Return the shift in rows and columns of the source, exactly, at pixels of the result."""
        crs, source = self._crs, self.source.grid
        x, y = project(self.grid.crs, crs, *self.grid.xy(rows, cols))
        here_x, here_y = project(crs, source.crs, x, y)
        there_x, there_y = project(crs, source.crs, x - shift[0], y - shift[1])
        step_x, step_y = here_x - there_x, here_y - there_y
        if source.crs is not None and source.crs.is_geographic:
            step_x = step_x - 360.0 * np.round(step_x / 360.0)
        t = source.transform
        area = t.a * t.e - t.b * t.d
        return (t.a * step_y - t.d * step_x) / area, (t.e * step_x - t.b * step_y) / area

    def _height(self, x: Float, y: Float) -> Float:
        """Sample the moving DEM at coordinates of the alignment's system."""
        grid = self.source.grid
        if not self._same_system:
            x, y = project(self._crs, grid.crs, x, y)
        x = count_longitudes_as(grid, x)
        return sample_surface(self.source, *grid.rowcol(x, y), resampling=self.resampling)

    def _rotated(self, window: Window, matrix: Float) -> Float:
        """Find for each cell the point of the moving surface that the transform brings there.

        A rotated point's place depends on its height, so the source point is moved until its image
        falls on the cell: a contraction by (rotation x slope), which is far below one for the
        rotations of DEMs. Each cell is iterated until it has converged itself, whatever the others
        do, so that it does not depend on the window.
        """
        x, y = (v.reshape(-1) for v in self._xy(window))
        return self._transformed(x, y, matrix).reshape(window.shape)

    def heights(self, x: Float, y: Float) -> Float:
        """Return heights of the moved DEM [m] at points (n,) of the alignment's system; NaN where it has none."""
        return self._transformed(x, y, np.asarray(self.alignment.matrix))

    def _transformed(self, x: Float, y: Float, matrix: Float) -> Float:
        """Find the moved surface at points; see `_rotated`."""
        cx, cy, cz = self.alignment.centroid
        rotation, (tx, ty, tz) = matrix[:3, :3], matrix[:3, 3]
        # The first guess: the plane through the centroid's height.
        flat = np.linalg.inv(rotation[:2, :2])
        ux, uy = x - tx - cx, y - ty - cy
        dx, dy = flat[0, 0] * ux + flat[0, 1] * uy, flat[1, 0] * ux + flat[1, 1] * uy
        result: Float = np.full(x.size, np.nan)
        left = np.arange(x.size)
        for _ in range(_RIGID_ROUNDS):
            at = dx[left], dy[left], self._height(dx[left] + cx, dy[left] + cy) - cz
            moved = [line[0] * at[0] + line[1] * at[1] + line[2] * at[2] for line in rotation]
            off_x, off_y = moved[0] - ux[left], moved[1] - uy[left]
            result[left] = moved[2] + tz + cz
            with np.errstate(invalid="ignore"):
                far = np.hypot(off_x, off_y) > _RIGID_TOLERANCE * min(self.source.grid.resolution)
            dx[left] -= np.where(far, off_x, 0.0)
            dy[left] -= np.where(far, off_y, 0.0)
            left = left[far]  # a cell that met a hole is NaN and stays so
            if left.size == 0:
                break
        result[left] = np.nan
        return result

    def _xy(self, window: Window) -> tuple[Float, Float]:
        """Return coordinates of the cells in the alignment's system."""
        if self._crs is not None and self.grid.crs is not None:
            return GridProjection(self.grid, self._crs).at(window)
        x, y = self.grid.xy(*window.pixel_centres())
        return np.broadcast_to(x, window.shape), np.broadcast_to(y, window.shape)
