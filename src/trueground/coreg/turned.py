"""Where the surface of a turned DEM is met: windows and points, in one reference system or through two."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg.base import Alignment
from trueground.coreg.motion import is_translation
from trueground.coreg.plane_lattice import PlaneLattice, pixel_size, pixels_at
from trueground.grid import Grid, Window
from trueground.kernels import rigid
from trueground.raster import Raster
from trueground.sampling import Resampling, is_plain, sample_surface, surface_in

Float = NDArray[np.float64]
_KINDS = {"nearest": rigid.NEAREST, "bilinear": rigid.BILINEAR, "cubic": rigid.CUBIC}
_REACH = 5  # px that kernels look at around a point, and at a height to begin with
_HIGHEST = 50_000.0  # m above or below the centroid, that no ground is
_RELIEF = 2000.0  # m above or below the centroid for which a window is read at first
_CELL = 64.0  # px of a lattice
_TILE = 1024  # px, for points that are scattered wide
_LARGEST_WINDOW = 1 << 23  # px read at once
_ROUNDS = 30
_TOLERANCE = 1e-6  # px
_ENDS = (np.min, np.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Where points of the moving surface lie that come to lie above a place, by their height."""

    back: Float
    """(2, 2) from the place, about the moved centroid, to the point at the centroid's height, about the centroid."""
    lean: Float
    """(2,) what is to be taken off for each metre above."""
    tilt: Float
    """(2,) height that a horizontal plane gains for each unit of the place."""
    gain: float
    """Metres for each metre above the centroid."""
    centroid: Float
    """(3,) before the motion."""
    moved: Float
    """(3,) and after."""

    @classmethod
    def of(cls, alignment: Alignment) -> Lines:
        """Take an alignment apart."""
        matrix, centroid = np.asarray(alignment.matrix), np.asarray(alignment.centroid)
        back = np.linalg.inv(matrix[:2, :2])
        tilt = matrix[2, :2] @ back
        return cls(
            back=back, lean=back @ matrix[:2, 2], tilt=tilt,
            gain=float(matrix[2, 2] - tilt @ matrix[:2, 2]),
            centroid=centroid, moved=centroid + matrix[:3, 3],
        )  # fmt: skip


def affine_between(result: Grid, source: Grid, alignment: Alignment) -> Float:
    """Return row and column of the source and height of the plane, (3, 3), of 1, row and col of a result."""
    lines = Lines.of(alignment)
    s, r = source.transform, result.transform
    pixels = _pixels_of(source)
    ground = np.array([[r.b, r.a], [r.e, r.d]])  # x, y of row, col
    alike = (s.a, s.b, s.d, s.e) == (r.a, r.b, r.d, r.e)
    turn = lines.back - np.eye(2)
    off = np.array([r.c, r.f]) - lines.moved[:2]
    shift = lines.moved[:2] - lines.centroid[:2]
    out = np.empty((3, 3))
    # What is large cancels first, so that whole pixels stay whole.
    out[:2, 0] = pixels @ (np.array([r.c - s.c, r.f - s.f]) - shift + turn @ off)
    out[:2, 1:] = (np.eye(2) if alike else pixels @ ground) + pixels @ turn @ ground
    out[2, 0] = lines.moved[2] + lines.tilt @ off
    out[2, 1:] = lines.tilt @ ground
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """The surface of a DEM under a rigid transform.

    What is asked of it depends on the place alone: neither on the other places that are asked for with it, nor on the
    windows of the source that are read.
    """

    source: Raster
    alignment: Alignment
    resampling: Resampling
    plane: CRS | None
    """System of the alignment where the source is in another; None where an affine map is all."""
    result: Grid
    """Grid whose pixels are in proportion to the distance of the points that are asked for."""

    def over(self, window: Window, affine: Float, out: NDArray[np.float32]) -> None:
        """Fill in heights of a window's cells, whose place in the source is an affine map of row and column."""
        lines = Lines.of(self.alignment)
        lean = _pixels_of(self.source.grid) @ lines.lean
        whole = self.source.grid.window
        margins = _margins(float(np.abs(lean).max()))
        for part, first in parts(self.source, window, affine, margins[0]):
            target = out[part.slices_in(window)]
            target[...] = np.nan
            wanted = [first, *(_below(part, affine, m).intersect(whole) for m in margins[1:])]
            for below in wanted:
                if not below.size:
                    continue
                values, held = surface_in(self.source, below)
                left = rigid.over_window(
                    values, held.row, held.col, *whole.shape, _KINDS[self.resampling], lines.centroid[2],
                    *lean, affine, lines.gain, part.row, part.col, target,
                )  # fmt: skip
                if not left or held == whole:
                    break

    def heights(self, x: Float, y: Float) -> Float:
        """Return heights at points (n,) of the alignment's system; NaN where there is none."""
        is_shift = self.plane is None and is_translation(self.alignment.matrix)
        if is_shift and self.resampling != "nearest":
            return self._shifted(x, y)
        lines = Lines.of(self.alignment)
        u, v = x - lines.moved[0], y - lines.moved[1]
        out = np.full(x.size, np.nan)
        with np.errstate(invalid="ignore", over="ignore"):  # of points that lie nowhere
            if self.plane is None:
                self._meet_affine(u, v, lines, out)
            else:
                self._meet_projected(self.plane, u, v, lines, out)
        out[~np.isfinite(out)] = np.nan
        return out

    def _shifted(self, x: Float, y: Float) -> Float:
        """Return heights at points where nothing is turned: all points of a line lie at one place."""
        grid, (cx, cy, _) = self.source.grid, self.alignment.centroid
        shift_x, shift_y, up = (line[3] for line in self.alignment.matrix[:3])
        moved = cx + shift_x, cy + shift_y

        def meet(values: NDArray[Any], held: Window, *, chosen: Any) -> Float:
            some_x, some_y = x[chosen], y[chosen]
            found = np.empty(some_x.size)
            rigid.shifted(
                values, held.row, held.col, _KINDS[self.resampling], grid.transform[:6], (cx, cy), moved,
                up, some_x, some_y, found,
            )  # fmt: skip
            return found

        if is_plain(self.source):
            return meet(*surface_in(self.source, grid.window), chosen=slice(None))
        out = np.full(x.size, np.nan)
        with np.errstate(invalid="ignore", over="ignore"):  # of points that lie nowhere
            row, col = grid.rowcol(x - shift_x, y - shift_y)
            self._by_groups(row, col, 0.0, meet, out)
        return out

    def _meet_affine(self, u: Float, v: Float, lines: Lines, out: Float) -> None:  # noqa: PLR0917
        """Fill in heights at points whose place in the source is an affine map of them."""
        grid = self.source.grid
        pixels = _pixels_of(grid)
        lean = pixels @ lines.lean
        place = np.empty((3, 3))
        place[:2, 0] = pixels @ (lines.centroid[:2] - [grid.transform.c, grid.transform.f])
        place[:2, 1:] = pixels @ lines.back
        place[2] = lines.moved[2], *lines.tilt

        def meet(values: NDArray[Any], held: Window, *, chosen: Any) -> Float:
            some_u, some_v = u[chosen], v[chosen]
            found = np.empty(some_u.size)
            rigid.at_points(
                values, held.row, held.col, *grid.shape, _KINDS[self.resampling], lines.centroid[2],
                *lean, place, lines.gain, some_u, some_v, found,
            )  # fmt: skip
            return found

        if is_plain(self.source):
            out[...] = meet(*surface_in(self.source, grid.window), chosen=slice(None))
            return
        row, col = (line[0] + line[1] * u + line[2] * v for line in place[:2])
        self._by_groups(row, col, float(np.abs(lean).max()), meet, out)

    def _by_groups(  # noqa: PLR0917
        self, row: Float, col: Float, reach: float, meet: Callable[..., Float], out: Float
    ) -> None:
        """Fill in what `meet` finds at pixels, read for those that lie close together."""
        for chosen in _groups(row, col, _LARGEST_WINDOW):
            some = partial(meet, chosen=chosen)
            out[chosen] = self._read_for(row[chosen], col[chosen], reach, some)

    def _meet_projected(  # noqa: PLR0917
        self, plane: CRS, u: Float, v: Float, lines: Lines, out: Float
    ) -> None:
        """Fill in heights at points that a map projection brings to the source."""
        grid = self.source.grid
        sizes = pixel_size(plane, grid), pixel_size(plane, self.result)
        if not np.isfinite(sizes).all():
            out[...] = self._exactly(u, v)
            return
        place = np.column_stack([lines.centroid[:2], lines.back])
        place = np.vstack([place, [lines.moved[2], *lines.tilt]])
        reach = float(np.abs(lines.lean).max()) / sizes[0]
        largest = _LARGEST_WINDOW * (
            16 if is_plain(self.source) else 1
        )  # of nodes, if nothing is read
        for chosen in _groups(u / sizes[0], v / sizes[0], largest):
            some_u, some_v = u[chosen], v[chosen]
            corners = np.array([(1.0, a(some_u), b(some_v)) for a in _ENDS for b in _ENDS]).T
            x, y = place[:2] @ corners
            net = PlaneLattice.over(plane, grid, x, y, step=_CELL * max(sizes))
            at = net.nodes, *net.first, net.step, net.good, some_u, some_v

            def meet(values: NDArray[Any], held: Window, at: Any = at) -> Float:
                found = np.empty(at[-1].size)
                rigid.through_lattice(
                    values, held.row, held.col, *grid.shape, _KINDS[self.resampling],
                    lines.centroid[2], *lines.lean, place, lines.gain, *at, found,
                )  # fmt: skip
                return found

            row, col = np.empty((2, some_u.size))
            if not is_plain(self.source):
                rigid.pixels_through_lattice(place, *at, row, col)
            found = self._read_for(row, col, reach, meet)
            lost = np.flatnonzero(found == rigid.UNKNOWN)
            if lost.size:
                found[lost] = self._exactly(some_u[lost], some_v[lost])
            out[chosen] = found

    def _read_for(  # noqa: PLR0917
        self, row: Float, col: Float, reach: float, meet: Callable[[NDArray[Any], Window], Float]
    ) -> Float:
        """Return what `meet` finds in as much of the source as it needs around some pixels."""
        whole = self.source.grid.window
        if is_plain(self.source):
            return meet(*surface_in(self.source, whole))
        found = np.full(row.size, np.nan)
        for margin in _margins(reach):
            below = _around(row, col, margin).intersect(whole)
            if not below.size:
                if reach * _HIGHEST <= margin:  # no height brings them to the source
                    break
                continue
            values, held = surface_in(self.source, below)
            found = meet(values, held)
            if held == whole or not (found == rigid.LEFT).any():
                break
        return found

    def _exactly(self, u: Float, v: Float) -> Float:
        """Return heights at points about the moved centroid, each projected at every step.

        A turned point's place depends on its height, so the source point is moved until its image
        falls on the cell: a contraction by (rotation x slope), which is far below one for the
        rotations of DEMs.
        """
        lines, grid = Lines.of(self.alignment), self.source.grid
        rotation = np.asarray(self.alignment.matrix)[:3, :3]
        cx, cy, cz = lines.centroid
        dx = lines.back[0, 0] * u + lines.back[0, 1] * v
        dy = lines.back[1, 0] * u + lines.back[1, 1] * v
        result: Float = np.full(u.size, np.nan)
        left = np.arange(u.size)
        size = min(grid.resolution) if self.plane is None else pixel_size(self.plane, grid)
        tolerance = _TOLERANCE * (size if np.isfinite(size) else 1.0)
        for _ in range(_ROUNDS):
            place = pixels_at(self.plane, grid, dx[left] + cx, dy[left] + cy)
            above = sample_surface(self.source, *place, resampling=self.resampling) - cz
            at = dx[left], dy[left], above
            moved = [line[0] * at[0] + line[1] * at[1] + line[2] * at[2] for line in rotation]
            off_x, off_y = moved[0] - u[left], moved[1] - v[left]
            result[left] = moved[2] + lines.moved[2]
            with np.errstate(invalid="ignore"):
                far = np.hypot(off_x, off_y) > tolerance
            dx[left] -= np.where(far, off_x, 0.0)
            dy[left] -= np.where(far, off_y, 0.0)
            left = left[far]  # a point that met a hole is NaN and stays so
            if left.size == 0:
                break
        result[left] = np.nan
        return result


def parts(  # noqa: PLR0917
    source: Raster, window: Window, affine: Float, margin: int
) -> Iterator[tuple[Window, Window]]:
    """Yield parts of a window, and what of the source is needed for each: not too much at once."""
    below = _below(window, affine, margin).intersect(source.grid.window)
    if is_plain(source) or below.size <= _LARGEST_WINDOW or window.size <= _TILE:
        yield window, below
        return
    height, width = window.height, window.width
    half = (height + 1) // 2, (width + 1) // 2
    for row, rows in ((0, half[0]), (half[0], height - half[0])):
        for col, cols in ((0, half[1]), (half[1], width - half[1])):
            if rows and cols:
                part = Window(window.row + row, window.col + col, rows, cols)
                yield from parts(source, part, affine, margin)


def _margins(reach: float) -> tuple[int, int]:
    """Return how much of the source to read around places, first and at most; `reach` is px for a metre of height."""
    most = int(rigid.MOST) + _REACH
    return min(math.ceil(min(reach * _RELIEF, 1e6)) + _REACH, most), most


def _pixels_of(grid: Grid) -> Float:
    """Return the (2, 2) from steps in x, y to steps in row, col."""
    t = grid.transform
    return np.array([[-t.d, t.a], [t.e, -t.b]]) / (t.a * t.e - t.b * t.d)


def _below(window: Window, affine: Float, margin: int) -> Window:
    """Return the window of the source below a window's corners, and a margin."""
    rows = np.array([0, 0, 1, 1]) * window.height + window.row
    cols = np.array([0, 1, 0, 1]) * window.width + window.col
    row, col = (line[0] + line[1] * rows + line[2] * cols for line in affine[:2])
    return _around(row, col, margin)


def _around(row: Float, col: Float, margin: int) -> Window:
    """Return the window that holds some pixels, and a margin; nothing where one of them has no place."""
    extremes = row.min(), row.max(), col.min(), col.max()
    if not np.isfinite(extremes).all():
        known = np.isfinite(row) & np.isfinite(col)
        return _around(row[known], col[known], margin) if known.any() else Window(0, 0, 0, 0)
    top, bottom, left, right = (math.floor(e) for e in extremes)
    return Window(
        top - margin, left - margin, bottom - top + 1 + 2 * margin, right - left + 1 + 2 * margin
    )


def _groups(row: Float, col: Float, largest: int) -> Iterator[Any]:
    """Yield indices of points, in pixels of any raster, that lie close together; not those that lie nowhere."""
    if not row.size:
        return
    with np.errstate(invalid="ignore", over="ignore"):
        size = (row.max() - row.min() + 1.0) * (col.max() - col.min() + 1.0)
    if size <= largest:  # not for NaN
        yield slice(None)
        return
    chosen = np.flatnonzero((np.abs(row) < 1e9) & (np.abs(col) < 1e9))
    if not chosen.size:
        return
    tiles = np.floor(row[chosen] / _TILE).astype(np.int64) * (1 << 22) + np.floor(
        col[chosen] / _TILE
    ).astype(np.int64)
    order = np.argsort(tiles, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(tiles[order])) + 1):
        yield chosen[group]
