"""One block of a pair of DEMs: read once, fitted in memory, judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg.base import Alignment
from trueground.coreg.blocks.patch import around, held
from trueground.coreg.cells import metric_crs
from trueground.coreg.combine import Step
from trueground.difference import bounds_as_in
from trueground.engine import Serial
from trueground.errors import FitError, OverlapError
from trueground.grid import Grid, Window
from trueground.kernels import filled
from trueground.projection import count_longitudes_as, project, same_place
from trueground.raster import ArrayRaster, Raster
from trueground.vectors import usable

Float = NDArray[np.float64]
Verdict = Literal[
    "ok", "too few", "not fixed", "not converged", "vague", "not better", "outlier", "failed"
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_NONE = (math.nan,) * 3
_NOWHERE = (0.0, 0.0, 0.0)
_LEAST_ERROR = 1e-3  # px; what says that it knows better is not believed
_TELLING = 3.0  # standard errors of a shift that is more than none
_ROOM = 1.5  # times the reach, that is read around blocks
_WORSE = 1.02  # times the NMAD before, which a fit must not leave


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFit:
    """What was found in a block."""

    index: tuple[int, int]
    """Row and column of the block."""
    window: Window
    """Pixels of the reference that are the block's own."""
    x: float
    y: float
    """Middle of the cells that were used, in the working CRS [m]."""
    verdict: Verdict
    reason: str = ""
    shift: tuple[float, float, float] = _NONE
    """To add to x, y and z of the moving DEM [m]."""
    error: tuple[float, float, float] = _NONE
    """Standard errors [m]."""
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """About x, y and z [degrees], where the method looks for it."""
    samples: int = 0
    share: float = 0.0
    """Of the reference's cells in the block, how many have a height and are not masked."""
    nmad_before: float = math.nan
    nmad_after: float = math.nan
    """[m] on the cells used."""
    iterations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFitter:
    """What all blocks have in common."""

    reference: Raster
    moving: Raster
    methods: tuple[Step, ...]
    """The method, as it looks at few cells, and at more where they do not tell enough."""
    crs: CRS | None
    """Working CRS."""
    pixel: float
    """Of the reference [m]."""
    valid: Raster | None
    weights: Raster | None
    overlap: int
    """Pixels of the reference around a block that are looked at as well."""
    reach: float
    """How far [m] from the start a shift may lead."""
    min_valid: float
    """Least share of usable cells."""
    vague: float
    """Standard error [px] of a shift above which a block does not count."""
    known: float
    """Standard error [px] of a shift that is good enough."""

    def reading(self, window: Window, start: tuple[float, float, float] | None) -> BlockFitter:
        """Return the same for blocks within a window [px of the reference], with what they need in memory."""
        grid = self.reference.grid
        outer = window.pad(self.overlap).intersect(grid.window)
        reach = _ROOM * self.reach  # a block may begin where one beside it has led
        below = self._below(self._local(grid.crop(outer)), start or _NOWHERE, reach=reach)
        return replace(
            self,
            reference=held(self.reference, outer),
            moving=held(self.moving, below),
            valid=None if self.valid is None else held(self.valid, outer),
            weights=None if self.weights is None else held(self.weights, outer),
        )

    def fit(
        self, index: tuple[int, int], window: Window, start: tuple[float, float, float] | None
    ) -> BlockFit:
        """Read and fit a block from a start (x, y, z) [m]; what goes wrong is its verdict."""
        grid = self.reference.grid
        outer = window.pad(self.overlap).intersect(grid.window)
        values, whole = around(self.reference, outer)
        heights = values[0, *outer.slices_in(whole)]
        if self.valid is not None:
            heights = np.where(usable(self.valid, outer), heights, np.float32(np.nan))
        heights = np.ascontiguousarray(heights)  # as kernels take it
        known, rows, cols = _counted(heights, Window(0, 0, *outer.shape))
        share = known / heights.size
        x, y = self._middle(outer, rows, cols)

        def said(verdict: Verdict, reason: str, **figures: Any) -> BlockFit:
            return BlockFit(
                index=index, window=window, verdict=verdict, reason=reason, share=share,
                **{"x": x, "y": y, **figures},
            )  # fmt: skip

        if share < self.min_valid:
            return said(
                "too few",
                f"{share:.1%} of the cells are usable, {self.min_valid:.1%} are asked for",
            )
        part = ArrayRaster(array=heights, grid=self._local(grid.crop(outer)))
        try:
            below = self._read_below(part.grid, start, share)
        except OverlapError as error:
            return said("too few", str(error))
        weights = None
        if self.weights is not None:
            weights = ArrayRaster(array=self.weights.read(outer)[0], grid=part.grid)
        for method in self.methods:
            found = self._tried(said, method, (part, below, weights), start)
            if found.verdict == "ok" and max(found.error[:2]) <= self.known * self.pixel:
                break
            if found.verdict in {"ok", "vague"}:
                start = found.shift
        return found

    @property
    def _is_plain(self) -> bool:
        """Whether both DEMs count in the working CRS, so that within a block it need not be asked for anything."""
        systems = self.reference.grid.crs, self.moving.grid.crs
        return self.crs is None or all(
            own is not None and same_place(own, self.crs) for own in systems
        )

    def _local(self, grid: Grid) -> Grid:
        return replace(grid, crs=None) if grid.crs is not None and self._is_plain else grid

    def _read_below(
        self, grid: Grid, start: tuple[float, float, float] | None, share: float
    ) -> ArrayRaster:
        """Read the moving DEM around a part of the reference, of which a share is usable.

        Raises
        ------
        OverlapError
            Where it has too little there.
        """
        begin = start or _NOWHERE
        target = self.moving.grid
        right_below = self._below(grid, begin, reach=0.0)
        below = self._below(grid, begin, reach=self.reach).intersect(target.window)
        if below.size == 0:
            msg = "the moving DEM does not reach there"
            raise OverlapError(msg)
        values, window = around(self.moving, below)
        moving = ArrayRaster(array=values, grid=self._local(target.crop(window)))
        inside = right_below.intersect(below)
        there = _counted(values[0], _in(inside, window))[0] / right_below.size
        if share * there < self.min_valid or not (
            there > 0.0 or _counted(values[0], _in(below, window))[0] > 0
        ):
            msg = (
                f"the moving DEM has heights in {there:.1%} of the block: with the reference's holes "
                f"{share * there:.1%} of the cells are usable, {self.min_valid:.1%} are asked for"
            )
            raise OverlapError(msg)
        return moving

    def _tried(  # noqa: PLR0917 (a block and where to look)
        self,
        said: Callable[..., BlockFit],
        method: Step,
        read: tuple[Raster, Raster, Raster | None],
        start: tuple[float, float, float] | None,
    ) -> BlockFit:
        """Fit what was read of the reference, the moving DEM and the weights, and judge."""
        part, moving, weights = read
        initial = self._start(part.grid, start)
        try:
            found = method.fit(part, moving, weights=weights, initial=initial, engine=Serial())
        except OverlapError as error:
            return said("too few", str(error))
        except FitError as error:
            return said("not fixed", str(error))
        except MemoryError:
            raise
        except Exception as error:  # a bug that shows in a block is not the end of all
            return said("failed", f"{type(error).__name__}: {error}")
        return self._judged(said, found)

    def _judged(self, said: Callable[..., BlockFit], found: Any) -> BlockFit:
        """Turn a result into a verdict."""
        alignment: Alignment = found if isinstance(found, Alignment) else found.alignment
        x, y, z = alignment.centroid
        figures: dict[str, Any] = {
            "samples": found.samples, "nmad_before": found.nmad_before, "nmad_after": found.nmad_after,
            "iterations": len(getattr(found, "iterations", ())),
        }  # fmt: skip
        own = self.crs if self._is_plain else metric_crs(self.reference.grid)
        if found.crs is not None:
            own = CRS.from_wkt(found.crs)
        to = x + alignment.shift_x, y + alignment.shift_y, z + alignment.shift_z
        if alignment is not found:
            there = found.transform(np.array([x]), np.array([y]), np.array([z]))
            to = float(there[0][0]), float(there[1][0]), float(there[2][0])
        if own is not None and self.crs is not None and own != self.crs:
            here = project(own, self.crs, np.array([x]), np.array([y]))
            moved = project(own, self.crs, np.array([to[0]]), np.array([to[1]]))
            shift = (
                float(moved[0][0] - here[0][0]),
                float(moved[1][0] - here[1][0]),
                to[2] - z,
            )
            x, y = float(here[0][0]), float(here[1][0])
        else:
            shift = to[0] - x, to[1] - y, to[2] - z
        errors = self._errors(alignment)
        figures |= {
            "x": x,
            "y": y,
            "shift": shift,
            "error": errors,
            "rotation": alignment.rotations,
        }
        last = alignment.iterations[-1]["step"] if alignment.iterations else math.inf
        if not found.converged and not last < max(
            errors
        ):  # to and fro within the error is no matter
            return said(
                "not converged", f"{figures['iterations']} iterations were not enough", **figures
            )
        if not all(math.isfinite(e) for e in errors):
            return said("vague", "the standard error is not known: too few cells", **figures)
        worst = max(errors[:2]) / self.pixel
        if worst > self.vague:
            return said("vague", f"the shift is known to {worst:.2g} px only", **figures)
        tells = any(abs(v) > _TELLING * e for v, e in zip(shift, errors, strict=True))
        if tells and found.nmad_after > _WORSE * found.nmad_before:
            reason = f"NMAD {found.nmad_before:.3g} m before and {found.nmad_after:.3g} m after"
            return said("not better", reason, **figures)
        return said("ok", "", **figures)

    def _errors(self, alignment: Alignment) -> tuple[float, float, float]:
        """Return standard errors [m] of the shift; NaN where they are not known."""
        if alignment.covariance is None:
            return _NONE
        least = _LEAST_ERROR * self.pixel
        x, y, z = (max(e, least) for e in alignment.errors[:3])
        return x, y, z

    def _start(self, grid: Grid, start: tuple[float, float, float] | None) -> Alignment | None:
        if start is None:
            return None
        if self._is_plain:
            return Alignment.of_shift(*start)
        crs = metric_crs(grid)
        if crs is None or self.crs is None or crs == self.crs:
            return Alignment.of_shift(*start, crs=self.crs)
        row, col = (size / 2.0 for size in grid.shape)
        x, y = project(grid.crs, self.crs, *grid.xy(np.array([row]), np.array([col])))
        one, two = project(self.crs, crs, x, y), project(self.crs, crs, x + start[0], y + start[1])
        return Alignment.of_shift(
            float(two[0][0] - one[0][0]), float(two[1][0] - one[1][0]), start[2], crs=crs
        )

    def _below(self, grid: Grid, start: tuple[float, float, float], *, reach: float) -> Window:
        """Return the window of the moving DEM that lies below a part of the reference, and `reach` [m] around it."""
        target = self._local(self.moving.grid)
        plain = target.crs is None or self.crs is None
        west, south, east, north = grid.bounds if plain else bounds_as_in(target, grid)
        ends = np.array([[west, east, east, west], [south, south, north, north]])
        x, y = ends if plain else project(target.crs, self.crs, *ends)
        aside = reach * np.array([[-1.0], [1.0]])
        corners = (x - start[0] + aside).repeat(2, 0), np.tile(y - start[1] + aside, (2, 1))
        x, y = corners if plain else project(self.crs, target.crs, *corners)
        row, col = target.rowcol(x if plain else count_longitudes_as(target, x), y)
        if not np.isfinite(row + col).all():  # where projections end
            return target.window
        more = 3 if reach else 0
        top, left = math.floor(row.min()) - more, math.floor(col.min()) - more
        bottom, right = math.ceil(row.max()) + more, math.ceil(col.max()) + more
        return Window(top, left, bottom - top, right - left)

    def _middle(
        self, window: Window, rows: NDArray[np.int32], cols: NDArray[np.int32]
    ) -> tuple[float, float]:
        """Return the middle of a window's usable cells, counted by row and column; its own where there are none."""
        row, col = window.height / 2.0, window.width / 2.0
        if 0 < rows.sum() < window.size:
            row = float(np.average(np.arange(window.height) + 0.5, weights=rows))
            col = float(np.average(np.arange(window.width) + 0.5, weights=cols))
        grid = self.reference.grid
        x, y = grid.xy(np.array([window.row + row]), np.array([window.col + col]))
        if self.crs is not None and grid.crs is not None:
            x, y = project(grid.crs, self.crs, x, y)
        return float(x[0]), float(y[0])


def _counted(
    values: NDArray[np.floating], window: Window
) -> tuple[int, NDArray[np.int32], NDArray[np.int32]]:
    """Return how many heights there are in a window of them, and in each of its rows and columns."""
    rows, cols = np.empty(window.height, dtype=np.int32), np.empty(window.width, dtype=np.int32)
    return filled.counted(values, window.row, window.col, rows, cols), rows, cols


def _in(window: Window, outer: Window) -> Window:
    """Return a window as it lies in another."""
    return replace(window, row=window.row - outer.row, col=window.col - outer.col)


def counts(blocks: Mapping[Any, BlockFit] | list[BlockFit]) -> dict[str, int]:
    """Return how many blocks have each verdict, those that occur."""
    listed = list(blocks.values()) if isinstance(blocks, Mapping) else blocks
    found = {v: sum(b.verdict == v for b in listed) for v in VERDICTS}
    return {v: n for v, n in found.items() if n}
