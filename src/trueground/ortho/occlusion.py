"""Ground that the sensor could not see: its line of sight meets the DEM before.

Lines of sight are followed over pieces of the image, as in `localize_on`. Which pieces these are is decided by fixed
tiles of the output grid alone, so that what is hidden does not depend on the windows that are read.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.findings import Findings
from trueground.grid import Grid, Window
from trueground.kernels import occlusion
from trueground.kernels.occlusion import HIDDEN, UNKNOWN
from trueground.kernels.pyramid import BASE
from trueground.ortho.geometry import Geometry, Positions
from trueground.projection import WGS84, project
from trueground.raster import computed
from trueground.rpc.located import Float
from trueground.rpc.patch import Box, Halve, Patch, Slab, Slabs
from trueground.surface import ComputedCodes

OcclusionMode = Literal["fill", "mask", "ignore"]
"""What is done with hidden ground: no data, values that a mask goes with, or nothing."""
MODES: tuple[OcclusionMode, ...] = ("fill", "mask", "ignore")

_TILE = 1024  # px of the output, or of the DEM where that is finer: what a piece costs (1 ms) is spread over them
_SMALLEST_TILE = 16
_STEPS = 4  # along the edges of a tile, between positions that say which part of the image it shows
_SPARE = 2.0  # px, and
_SPARE_SHARE = 0.02  # of its size, by which it is taken larger: between the positions it may bulge
_OVERSHOOT = 0.15  # of the range of heights, by which cubics between nodes may leave it
# px of the image and of the DEM, allowed to lines of sight: as to the map projection.
_ALLOWED = (1e-3, 1e-3)
_FIRST = (math.inf, math.inf)  # errors before any piece was halved
_MILLIMETRE = 1e-3
# Which of the cubic terms the way down is in, see `rpc.terms`.
_STRAIGHT, _ONCE, _TWICE, _THRICE = 3, [5, 6, 10, 17, 18], [9, 13, 16], 19
_KEPT = 1 << 23  # px of the DEM in the pieces that are kept
_STRIP = 64  # rows worked out at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A piece of the image in which lines of sight may meet the ground twice."""

    patch: Patch
    claims: Float
    """First and end of rows, first and end of columns [px] of the image positions that it answers for."""
    clear: NDArray[np.uint8]
    """Blocks of the DEM before whose points no ground stands, see `occlusion.mark_clear`."""
    lowest: bool
    """Whether there is no slab of heights below."""


class Counts(NamedTuple):
    """Of pixels of an output."""

    hidden: int
    shown: int
    """With a height and in the image, hidden ones included."""

    @classmethod
    def of(cls, mask: NDArray[np.uint8]) -> Counts:
        """Count what a mask says."""
        hidden, unknown = (int(np.count_nonzero(mask == n)) for n in (HIDDEN, UNKNOWN))
        return cls(hidden, mask.size - unknown)

    def plus(self, other: Counts) -> Counts:
        """Add the pixels of another part of the output."""
        return Counts(self.hidden + other.hidden, self.shown + other.shown)


@dataclass(frozen=True, kw_only=True)
class Occlusion:
    """Which pixels of an output the sensor could not see.

    A pixel is hidden when the line of sight of its image position, coming down from the sensor, meets the bilinear
    surface of the DEM before a point 1 mm above the pixel's own ground: behind a ridge or a wall, and on ground that
    turns away from the sensor. What stands in a hole of the DEM, or beside it, is not known and hides nothing; but
    where a line comes out of there below the surface, the pixel is hidden.
    """

    geometry: Geometry
    shape: tuple[int, int]
    """Rows and columns of the image."""
    _tile: int = field(init=False, repr=False, compare=False)
    """[px] of the output, edge of the tiles."""
    _pieces: dict[tuple[int, int], tuple[_Piece, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _counts: Findings[Window, Counts] = field(
        default_factory=Findings, init=False, repr=False, compare=False
    )
    """Of the windows looked at so far."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tile", _tile_size(self.geometry))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pieces": {}}  # another process finds its own

    def hidden(self, window: Window) -> NDArray[np.bool_]:
        """Tell which pixels of a window on the grid are hidden; False too where there is no height."""
        return np.asarray(self.mask(window, self.geometry.at(window)) == HIDDEN)

    def mask(self, window: Window, at: Positions) -> NDArray[np.uint8]:
        """Tell which pixels of a window on the grid are hidden.

        Parameters
        ----------
        window
            Rows and columns of the output.
        at
            Their positions.

        Returns
        -------
        (rows, cols) of 1 hidden, 0 visible, 255 without height or beside the image.
        """
        mask = np.empty(window.shape, dtype=np.uint8)
        flat = (np.ascontiguousarray(a).reshape(-1) for a in at)
        occlusion.mark_shown(*flat, *self.shape, mask.reshape(-1))
        for tile, part in self._tiles(window):
            pieces = self._pieces_of(tile)
            if not pieces:
                continue
            place = part.slices_in(window)
            row, col, height = (np.ascontiguousarray(a[place]).reshape(-1) for a in at)
            found = mask[place].reshape(-1)  # a copy, where it is not the whole
            for piece in pieces:
                patch, relief = piece.patch, piece.patch.relief
                occlusion.hide(
                    patch.cubics, relief.surface, relief.maxima, relief.starts, relief.widths, relief.bulge,
                    piece.clear, piece.lowest, patch.box, piece.claims, row, col, height, found,
                )  # fmt: skip
            mask[place] = found.reshape(part.shape)
        return mask

    def may_hide(self, window: Window) -> bool:
        """Tell whether a line of sight may meet the ground twice anywhere in a window: else nothing in it is hidden."""
        return any(self._pieces_of(tile) for tile, _ in self._tiles(window))

    def count(self, window: Window, counts: Counts) -> None:
        """Remember how much of a window is hidden; a window that is read again counts once."""
        self._counts[window] = counts

    def counted(self, window: Window) -> Counts:
        """Return the counts of a window; zeros where it was not counted."""
        return self._counts.get(window, Counts(0, 0))

    def share(self) -> float | None:
        """Return the share of hidden pixels of the windows counted so far, among those that the image shows.

        None where there are none yet.
        """
        total = functools.reduce(Counts.plus, list(self._counts.values()), Counts(0, 0))
        return total.hidden / total.shown if total.shown else None

    def _tiles(self, window: Window) -> Iterator[tuple[Window, Window]]:
        """Yield the tiles that a window touches, and what it holds of each."""
        size = self._tile
        whole = self.geometry.grid.window
        for i in range(window.row // size, -(-(window.row + window.height) // size)):
            for j in range(window.col // size, -(-(window.col + window.width) // size)):
                tile = Window(i * size, j * size, size, size).intersect(whole)
                part = tile.intersect(window)
                if part.size:
                    yield tile, part

    def _pieces_of(self, tile: Window) -> tuple[_Piece, ...]:
        """Return the pieces of a tile, from memory where it was looked at before.

        Two threads may work out the same tile; they find the same.
        """
        key = tile.row, tile.col
        pieces = self._pieces.get(key)
        if pieces is None:
            pieces = tuple(self._look_at(tile))
            self._pieces[key] = pieces
            held = 0
            for old, kept in reversed(list(self._pieces.items())):
                held += sum(p.patch.relief.surface.size for p in kept)
                if held > _KEPT and old != key:
                    self._pieces.pop(old, None)
        return pieces

    def _look_at(self, tile: Window) -> Iterator[_Piece]:
        box = self._box(tile)
        if box is None:
            return
        rows, cols = self.shape
        # The last row and column of the image end where it ends, that included.
        ends = math.nextafter(rows, math.inf), math.nextafter(cols, math.inf)
        yield from self._cover(box, (0.0, ends[0], 0.0, ends[1]), before=_FIRST)

    def _cover(
        self, box: Box, claims: Box, *, before: tuple[float, float], slab: Slab | None = None
    ) -> Iterator[_Piece]:
        """Yield the pieces of a part of the image where a line of sight may meet the ground twice."""
        rpc, dem = self.geometry.rpc, self.geometry.dem
        patch = Patch.attempt(rpc, dem, box, slab=slab, before=before, allowed=_ALLOWED)
        if isinstance(patch, Halve):
            k = 0 if box[1] - box[0] >= box[3] - box[2] else 2  # rows or columns
            middle = (box[k] + box[k + 1]) / 2.0
            for end in (1, 0):
                half, own = list(box), list(claims)
                half[k + end] = own[k + end] = middle
                errors = patch.error, before[0]
                yield from self._cover(_four(half), _four(own), before=errors, slab=slab)
        elif isinstance(patch, Slabs):
            for part in (patch.upper, patch.lower):
                yield from self._cover(box, claims, before=_FIRST, slab=part)
        elif isinstance(patch, Patch):
            clear = _clear(patch)
            # Else the ground may go on below what was followed.
            lowest = slab is None or patch.box[4] - patch.box[5] > slab[0] + _MILLIMETRE
            if not (lowest and clear.all()):
                yield _Piece(patch=patch, claims=np.array(claims), clear=clear, lowest=bool(lowest))

    def _box(self, tile: Window) -> Box | None:
        """Return the part of the image that a tile may show; None where it shows nothing."""
        grid, dem = self.geometry.grid, self.geometry.dem
        along = np.linspace(0.0, 1.0, _STEPS + 1)
        x, y = grid.xy(tile.row + tile.height * along[:, np.newaxis], tile.col + tile.width * along)
        lon, lat = project(grid.crs, WGS84, x, y)
        r, c = dem.rowcol(lon, lat)
        known = np.isfinite(r + c)
        if not known.any():
            return None
        first, last = (a.astype(int) for a in _widened(np.array([r[known], c[known]])))
        below = Window(*first.tolist(), *(last - first).tolist())
        low, high = dem.height_range(below)
        if math.isnan(low):
            return None
        if dem.interpolation == "cubic":
            low, high = low - _OVERSHOOT * (high - low), high + _OVERSHOOT * (high - low)
        seen = np.array([self.geometry.rpc.project(lon, lat, z) for z in (low, high)])
        image = np.array(self.shape, dtype=np.float64)
        lower, upper = _widened(np.moveaxis(seen, 1, 0).reshape(2, -1))
        # Far beside the image an RPC may say anything, and a tile may hold the image between its positions.
        if not (known.all() and (lower >= -image).all() and (upper <= 2.0 * image).all()):
            return 0.0, float(image[0]), 0.0, float(image[1])
        lower, upper = np.maximum(lower, 0.0), np.minimum(upper, image)
        if not (lower < upper).all():
            return None
        return float(lower[0]), float(upper[0]), float(lower[1]), float(upper[1])


@dataclass(frozen=True, kw_only=True)
class HiddenMask(ComputedCodes):
    """A raster that tells which pixels of an orthoimage are hidden: 1 hidden, 0 visible, 255 neither."""

    occlusion: Occlusion

    @property
    def grid(self) -> Grid:
        """That of the orthoimage."""
        return self.occlusion.geometry.grid

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Return a window of the mask."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.uint8]:
        out = np.empty((1, *window.shape), dtype=np.uint8)
        ground = self.occlusion.geometry.over(window)
        for first in range(0, window.height, _STRIP):
            height = min(_STRIP, window.height - first)
            strip = Window(window.row + first, window.col, height, window.width)
            out[0, first : first + height] = self.occlusion.mask(strip, ground.at(strip))
        self.occlusion.count(window, Counts.of(out))
        return out


def check_mode(mode: OcclusionMode) -> None:
    """Raise where it is not known what has to be done with hidden ground."""
    if mode not in MODES:
        msg = f"occlusion {mode!r}: must be 'fill' (no data), 'mask' (values stay) or 'ignore'"
        raise InputError(msg)


def _tile_size(geometry: Geometry) -> int:
    """Choose how many pixels make the edge of a tile: a DEM that is much finer has many cells in each."""
    rows, cols = geometry.grid.shape
    r, c = np.array([0.0, 1.0, 0.0]) + rows / 2.0, np.array([0.0, 0.0, 1.0]) + cols / 2.0
    at = np.array(geometry.dem.rowcol(*project(geometry.grid.crs, WGS84, *geometry.grid.xy(r, c))))
    cells = float(np.hypot(*(at[:, 1:] - at[:, :1])).max())  # of the DEM along a pixel
    size = _TILE
    while size > _SMALLEST_TILE and not size * cells <= _TILE:  # NaN is not
        size //= 2
    return size


def _widened(positions: Float) -> tuple[Float, Float]:
    """Return whole bounds of positions (2, n), with what they may bulge between them; NaN where one is."""
    low, high = positions.min(axis=1), positions.max(axis=1)
    spare = _SPARE + _SPARE_SHARE * (high - low).max()
    return np.floor(low - spare), np.ceil(high + spare)


def _clear(patch: Patch) -> NDArray[np.uint8]:
    """Find the blocks of the window before whose points no ground stands."""
    relief = patch.relief
    q = patch.cubics.reshape(4, 20)[:2]  # row and column of the window
    # By the derivative of the cubic terms with the way down, between -1 and 1 in all three variables.
    spread = np.abs(q[:, _ONCE]).sum(axis=1) + 2.0 * np.abs(q[:, _TWICE]).sum(axis=1)
    spread += 3.0 * np.abs(q[:, _THRICE])
    rates = np.column_stack([q[:, _STRAIGHT] - spread, q[:, _STRAIGHT] + spread]).reshape(-1)
    rows, cols = (-(-(n - 1) // BASE) for n in relief.surface.shape)
    clear = np.empty((rows, cols), dtype=np.uint8)
    occlusion.mark_clear(
        relief.surface, relief.maxima, relief.starts, relief.widths, rates, patch.box[5], clear
    )
    return clear


def _four(values: list[float]) -> Box:
    first, last, left, right = values
    return first, last, left, right
