"""A piece of an image over a window of a DEM, with all that is needed to trace its lines of sight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.dem import Dem
from trueground.errors import InputError
from trueground.grid import Window
from trueground.kernels import pyramid, rays
from trueground.raster import name_of
from trueground.rpc.located import Float
from trueground.rpc.terms import cubic_terms
from trueground.status import Status

if TYPE_CHECKING:
    from trueground.rpc.model import Rpc

Heights = tuple[float, float]
"""Lowest and highest [m above the ellipsoid]."""
Box = tuple[float, float, float, float]
"""First and last row, first and last column [px]."""

LARGEST_WINDOW = 1 << 24  # px of the DEM read at once
# m above the ellipsoid, beyond which no ground lies, on any planet and with relief exaggerated; and, where the model
# fails so far out, that of the Earth.
_GROUND = ((-12_000.0, 30_000.0), (-600.0, 9000.0))
_MARGIN = 1.0  # m above and below the DEM's range
_NARROWINGS = 6  # of the range of heights that there can be
# px allowed to the cubics: of the image, where Newton's method mends it; and of the DEM, where the way from there to
# longitude and latitude is not straight.
ALLOWED = (2e-5, 1e-8)
_STRAIGHT = 1e-9  # px of the DEM
_MANY_ROUNDS = 4  # of polishing, where cubics are worse than allowed
_SMALLEST = 1.0  # px and m, half the size of a patch
_HELPS = 0.5  # of its error is what a quarter of a piece has at most where halving helps
_USELESS = 1e3  # times the allowed error; cubics that are further off may find the wrong ground
_THINNEST = 20.0  # m, of heights that are not divided any more
_MOST_HALVINGS = 4  # of heights; a model that needs more slabs is none of a sensor
_LAST = 1e-3  # px, size of a piece that is not halved any more


def _nodes(along: Float, up: Float) -> tuple[Float, Float, Float]:
    col, row, level = np.meshgrid(along, along, up, indexing="ij")
    return col.reshape(-1), row.reshape(-1), level.reshape(-1)


def _chebyshev(number: int) -> Float:
    return np.asarray(np.cos(np.pi * (np.arange(number) + 0.5) / number))


_FIT = _nodes(_chebyshev(6), _chebyshev(5))
_INVERSE = np.linalg.pinv(cubic_terms(*_FIT))
_CHECK = _nodes(np.linspace(-1.0, 1.0, 6), np.linspace(-1.0, 1.0, 4))
_CHECK_TERMS = cubic_terms(*_CHECK)


class Halve(NamedTuple):
    """The piece has to be halved."""

    error: float
    """Of its cubics, in units of what is allowed."""


class NoGround(NamedTuple):
    """The DEM has no heights in the slab: its lines of sight pass through it as they came."""


class Slab(NamedTuple):
    """Heights between which lines of sight are followed [m above the ellipsoid]."""

    low: float
    high: float
    halvings: int
    """How often all the heights were halved to come to these."""


class Slabs(NamedTuple):
    """The piece has to be followed through the upper slab of heights first, then through the lower."""

    lower: Slab
    upper: Slab


class UnfitPatchError(Exception):
    """The piece is too large, or the RPC cannot be inverted somewhere in it: halve it."""

    def __init__(self, error: float = math.inf, *, heights: Heights | None = None) -> None:
        super().__init__(error)
        self.error = error
        """Error of the cubics in units of what is allowed; infinite where there are none."""
        self.heights = heights
        """Between which lines of sight would have been followed, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """A window of the DEM, and what is known of its blocks before lines of sight are followed through them."""

    surface: NDArray[np.float32]
    """Heights above the ellipsoid [m]."""
    maxima: NDArray[np.float32]
    starts: NDArray[np.int64]
    widths: NDArray[np.int64]
    """The pyramid, see `pyramid.build_pyramid`."""
    gentle: NDArray[np.uint8]
    """Blocks above which a line of sight meets the surface once, see `pyramid.mark_gentle`."""
    shift: int
    """`1 << shift` cells make the edge of these blocks."""
    bulge: float
    """How far a line of sight leaves its chord at most [cells]."""

    @classmethod
    def of(cls, surface: NDArray[np.float32], cubics: Float, *, half: float) -> Relief:
        """Look at a window through which lines of sight run as `cubics` (20, 4) say, falling by `half` [m] a unit."""
        rows, cols = surface.shape[0] - 1, surface.shape[1] - 1
        levels = pyramid.pyramid_levels(rows, cols)
        starts, widths = np.empty(levels, dtype=np.int64), np.empty(levels, dtype=np.int64)
        size = pyramid.build_pyramid(surface, starts, widths, np.empty(0, dtype=np.float32))
        maxima = np.empty(size, dtype=np.float32)
        pyramid.build_pyramid(surface, starts, widths, maxima)
        q = np.abs(cubics[:, :2])
        per_row, per_col = (
            q[[3, 5, 6, 10, 17, 18]].sum(axis=0) + 2.0 * q[[9, 13, 16]].sum(axis=0) + 3.0 * q[19]
        )
        reach = math.ceil(2.0 * max(per_row, per_col, pyramid.BASE / 2.0))
        shift = (reach - 1).bit_length()
        edge = 1 << shift
        gentle = np.empty((-(-rows // edge), -(-cols // edge)), dtype=np.uint8)
        pyramid.mark_gentle(surface, edge, per_row, per_col, half, gentle)
        return cls(
            surface=surface,
            maxima=maxima,
            starts=starts,
            widths=widths,
            gentle=gentle,
            shift=shift,
            bulge=float((q[[9, 13, 16, 19]].sum(axis=0)).max()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Cubics that say where the lines of sight of a piece of the image run through a window of the DEM."""

    rpc: Rpc
    box: Float
    """Middle and half size of row, column [px] and height [m above the ellipsoid]."""
    cubics: Float
    """(80,) row and column in the window, normalised longitude and latitude; see `rays.trace`."""
    jacobian: Float
    """(2, 2) rows and columns of the window by normalised longitude and latitude."""
    rounds: int
    """How often a hit has to be polished."""
    relief: Relief

    @classmethod
    def of(
        cls,
        rpc: Rpc,
        dem: Dem,
        box: Box,
        *,
        slab: Slab | None = None,
        allowed: tuple[float, float] = ALLOWED,
        bound: float = 1.0,
    ) -> Patch | Status | NoGround:
        """Prepare a piece of the image, with cubics whose error is at most `bound` times what is allowed.

        `allowed` are pixels of the image and of the DEM; `slab` are the heights to which lines of sight are followed,
        where not all that the DEM has.

        Returns
        -------
        Patch
            Or the status of all of its points, where they do not look at the DEM or see nothing but a hole.

        Raises
        ------
        UnfitPatchError
            Where the piece has to be halved.
        """
        window, heights = _window_below(rpc, dem, box, slab)
        if window.size == 0:
            return Status.OUTSIDE_DEM
        if window.size > LARGEST_WINDOW:
            raise UnfitPatchError(heights=heights)
        surface = dem.surface.read(window)[0]
        low, high = (
            float(np.fmin.reduce(surface, axis=None)),
            float(np.fmax.reduce(surface, axis=None)),
        )
        _check_heights(low, high, dem)
        if math.isnan(low):  # nothing but a hole: which lines end in it, and which beside the DEM?
            low, high = rpc.height_range
        low, high = low - _MARGIN, high + _MARGIN
        if slab is not None:
            low, high = max(low, slab[0]), min(high, slab[1])
            if not low < high:
                return NoGround()
        if min(window.shape) < 2:
            return Status.OUTSIDE_DEM
        placed = _box_of(box, (low, high))
        values = _seen(rpc, dem, placed, nodes=_FIT, window=window)
        cubics = _INVERSE @ values
        errors = np.abs(
            _CHECK_TERMS @ cubics - _seen(rpc, dem, placed, nodes=_CHECK, window=window)
        ).max(axis=0)
        jacobian, bend = _jacobian(values)
        error = (
            float(max(errors[2] * abs(rpc.samp_scale), errors[3] * abs(rpc.line_scale)))
            / allowed[0]
        )
        if (
            bend > _STRAIGHT
        ):  # else the error of row and column is that of longitude and latitude, and goes with it
            error = max(error, float(errors[:2].max()) / allowed[1])
        if not error <= bound:
            raise UnfitPatchError(error, heights=(low, high))
        relief = Relief.of(surface, cubics, half=placed[5])
        return cls(
            rpc=rpc,
            box=placed,
            cubics=np.ascontiguousarray(cubics.T).reshape(-1),
            jacobian=jacobian,
            rounds=1 if error <= 1.0 else _MANY_ROUNDS,
            relief=relief,
        )

    @classmethod
    def attempt(
        cls,
        rpc: Rpc,
        dem: Dem,
        box: Box,
        *,
        slab: Slab | None = None,
        before: tuple[float, float],
        allowed: tuple[float, float] = ALLOWED,
    ) -> Patch | Status | NoGround | Halve | Slabs:
        """Prepare a piece of the image, or tell how it has to be divided.

        `before` are the errors of the pieces of which this is a half and a quarter. Where halving both ways does not
        help, the model bends so much over the DEM's heights that they are gone through in slabs, from the top.

        Returns
        -------
        Patch
            Or the status of all of its points; or how to divide it.
        """
        try:
            return cls.of(rpc, dem, box, slab=slab, allowed=allowed)
        except UnfitPatchError as unfit:
            last = max(box[1] - box[0], box[3] - box[2]) < _LAST
            useful = unfit.error < _USELESS
            if not last and not (useful and unfit.error > _HELPS * before[1]):
                return Halve(unfit.error)
            halvings = 1 if slab is None else slab.halvings + 1
            low, high = unfit.heights or (0.0, 0.0)
            if high - low > _THINNEST and halvings <= _MOST_HALVINGS:
                middle = (low + high) / 2.0
                return Slabs(Slab(low, middle, halvings), Slab(middle, high, halvings))
            if not useful:
                return Status.DIVERGED
            return cls.of(rpc, dem, box, slab=slab, allowed=allowed, bound=_USELESS)

    def trace(  # noqa: PLR0917 (what the kernel takes)
        self,
        row: Float,
        col: Float,
        tolerance: float,
        out: tuple[Float, Float, Float, NDArray[np.uint8], Float],
    ) -> None:
        """Find the first point that each position [px] sees, within `tolerance` [px]; see `rays.trace`."""
        relief = self.relief
        rays.trace(
            self.rpc.packed, self.cubics, relief.surface, relief.maxima, relief.starts, relief.widths, relief.gentle,
            relief.shift, relief.bulge, self.box, self.jacobian, self.rounds, tolerance, row, col, *out,
        )  # fmt: skip


def _box_of(box: Box, heights: tuple[float, float]) -> Float:
    """Return middle and half size of row, column and height."""
    out = []
    for low, high in (box[:2], box[2:], heights):
        out += [(low + high) / 2.0, max((high - low) / 2.0, _SMALLEST)]
    return np.array(out)


def _seen(
    rpc: Rpc, dem: Dem, box: Float, *, nodes: tuple[Float, Float, Float], window: Window
) -> Float:
    """Return (nodes, 4) row and column in the window, normalised longitude and latitude, of nodes of a box."""
    col, row, level = nodes
    at = rpc.localize(box[0] + row * box[1], box[2] + col * box[3], box[4] - level * box[5])
    if (at.status != Status.OK).any():
        raise UnfitPatchError
    rows, cols = dem.rowcol(at.lon, at.lat)
    if not np.isfinite(rows + cols).all():
        raise UnfitPatchError
    x = (np.mod(at.lon - rpc.long_off + 180.0, 360.0) - 180.0) / rpc.long_scale
    y = (at.lat - rpc.lat_off) / rpc.lat_scale
    return np.stack([rows - window.row - 0.5, cols - window.col - 0.5, x, y], axis=1)


def _check_heights(low: float, high: float, dem: Dem) -> None:
    lowest, highest = _GROUND[0]
    if low < lowest or high > highest:
        value = low if low < lowest else high
        msg = (
            f"{name_of(dem.raster)} has a height of {value:g} m: beyond any ground ({lowest:g} to {highest:g} m). "
            "If it stands for no data, declare it: gdal_edit.py -a_nodata"
        )
        raise InputError(msg)


def _window_below(  # noqa: PLR0917 (model, ground, piece)
    rpc: Rpc, dem: Dem, box: Box, slab: Slab | None
) -> tuple[Window, Heights | None]:
    """Return the part of the DEM that the lines of sight pass on their way through its heights, and these heights.

    It starts from the heights between which all ground lies, and narrows them to what the DEM has in the window.
    """
    whole = dem.surface.grid.window
    heights, *others = _GROUND if slab is None else (slab[:2],)
    window = whole
    known: Heights | None = None
    for _ in range(_NARROWINGS):
        try:
            nodes = _levels(rpc, heights)
            seen = _seen(rpc, dem, _box_of(box, heights), nodes=nodes, window=Window(0, 0, 1, 1))
        except UnfitPatchError as unfit:
            if window is not whole or slab is not None:
                raise UnfitPatchError(unfit.error, heights=known or (slab and slab[:2])) from unfit
            # The model fails so far above or below its domain: at last, the heights that the DEM really has.
            heights = others.pop(0) if others else dem.height_range()
            if math.isnan(heights[0]):
                return window, None
            continue
        (first_row, first_col), (last_row, last_col) = (
            seen[:, :2].min(axis=0),
            seen[:, :2].max(axis=0),
        )
        spare = 2 + 0.02 * max(
            last_row - first_row, last_col - first_col
        )  # between the nodes lines may bulge
        first = math.floor(first_row - spare), math.floor(first_col - spare)
        last = math.ceil(last_row + spare), math.ceil(last_col + spare)
        smaller = Window(*first, last[0] - first[0] + 1, last[1] - first[1] + 1).intersect(whole)
        if smaller.size >= window.size and window is not whole:
            break
        window = smaller
        if window.size == 0:
            break
        low, high = dem.height_range(window)
        if math.isnan(low):
            break
        _check_heights(low, high, dem)
        heights = low - 2 * _MARGIN, high + 2 * _MARGIN
        if slab is not None:
            heights = max(heights[0], slab[0]), min(heights[1], slab[1])
            if not heights[0] < heights[1]:
                break
        known = heights
    return window, known


def _levels(rpc: Rpc, heights: Heights) -> tuple[Float, Float, Float]:
    """Return nodes over a piece and between two heights: dense where the model was made, as far off it may turn."""
    middle, half = (heights[0] + heights[1]) / 2.0, max((heights[1] - heights[0]) / 2.0, _SMALLEST)
    own = rpc.height_off + abs(rpc.height_scale) * np.array(
        [-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0]
    )
    up = np.concatenate([np.linspace(-1.0, 1.0, 9), (middle - own) / half])
    return _nodes(np.linspace(-1.0, 1.0, 3), up[np.abs(up) <= 1.0])


def _jacobian(values: Float) -> tuple[Float, float]:
    """Return how rows and columns change with normalised longitude and latitude, and how far from linear [px]."""
    design = np.column_stack([values[:, 2:] - values[:, 2:].mean(axis=0), np.ones(len(values))])
    solution = np.linalg.lstsq(design, values[:, :2], rcond=None)[0]
    bend = float(np.abs(design @ solution - values[:, :2]).max())
    return np.ascontiguousarray(solution[:2].T), bend
