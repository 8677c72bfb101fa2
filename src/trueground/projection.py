"""Map projections between the reference systems of rasters: exact, and on a checked lattice."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer
from pyproj.crs import CompoundCRS
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from trueground.errors import InputError, ProjectionError
from trueground.grid import Bounds, Grid, Window
from trueground.kernels import lattice
from trueground.quiet import quiet

# GeoTIFF has no three-dimensional projected CRS: GDAL drops all of it. A vertical CRS of this name survives.
ELLIPSOIDAL_HEIGHT = CRS.from_wkt(
    'VERTCRS["WGS 84 ellipsoidal height",VDATUM["WGS 84 ellipsoid"],CS[vertical,1],'
    'AXIS["ellipsoidal height (h)",up,LENGTHUNIT["metre",1]]]'
)
WGS84 = CRS.from_epsg(4326)
Float = NDArray[np.float64]
T = TypeVar("T")

_REMEMBERED = 256  # answers about reference systems
_CELL = 64  # pixels of the output between the corners of a lattice cell
_TOLERANCE = 1e-3  # px, bound on the error of an interpolated position


def parse_crs(text: str | int | CRS) -> CRS:
    """Read a CRS from a code, WKT or PROJ string, with an error that names it."""
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        msg = (
            f"CRS {text!r} is not understood; give a code such as EPSG:32631, WKT or a PROJ string"
        )
        raise InputError(msg) from error


def _remembered(function: Callable[..., T]) -> Callable[..., T]:
    """Remember what a function tells of reference systems.

    To compare two of them takes their WKT: those that are the very same objects are not compared.
    """
    by_value = lru_cache(maxsize=_REMEMBERED)(function)
    by_identity: dict[tuple[int, ...], tuple[tuple[CRS, ...], T]] = {}

    @wraps(function)
    def known(*systems: CRS) -> T:
        key = tuple(map(id, systems))
        found = by_identity.get(key)
        if found is None:
            if len(by_identity) >= _REMEMBERED:
                by_identity.clear()
            # The systems are held, so that no other gets their numbers.
            found = by_identity[key] = systems, by_value(*systems)
        return found[1]

    return known


@_remembered
def horizontal(crs: CRS) -> CRS:
    """Return the two-dimensional part of a CRS, without its vertical axis."""
    if crs.is_compound:
        return horizontal(crs.sub_crs_list[0])
    if crs.is_bound and crs.source_crs is not None and crs.source_crs.is_compound:
        return horizontal(crs.source_crs.sub_crs_list[0])
    return crs.to_2d()


@_remembered
def same_place(first: CRS, second: CRS) -> bool:
    """Tell whether equal x, y mean the same place in both; x always comes before y here.

    So they do in map projections that PROJ knows to be one but for the name of the datum, such as UTM of ETRS89 and of
    WGS 84: their ellipsoids differ by 0.1 mm.
    """
    one, two = horizontal(first), horizontal(second)
    if one.equals(two, ignore_axis_order=True):
        return True
    if not (one.is_projected and two.is_projected and is_geocentric(one) and is_geocentric(two)):
        return False
    try:
        way = Transformer.from_crs(one, two, always_xy=True, allow_ballpark=False)
    except ProjError:
        return False
    steps = way.definition.replace("ellps=GRS80", "ellps=WGS84").split(" step ")
    return len(steps) == 3 and steps[1] == f"inv {steps[2]}"


@_remembered
def _first_alike(crs: CRS) -> CRS:
    """Return the first system met that equals one."""
    return crs


_local = threading.local()
_warned: set[frozenset[CRS]] = set()  # pairs of reference systems looked at, warned of or not
_warning = threading.Lock()
_ACCURATE = 1.0  # m


class InaccurateProjectionWarning(UserWarning):
    """Two reference systems whose datums PROJ can only relate coarsely, or lacks the grids for."""


@_remembered
def is_geocentric(crs: CRS) -> bool:
    """Tell whether a CRS lies on the ellipsoid of WGS 84, or on GRS80, within 0.1 mm the same.

    National ellipsoids of old lie up to hundreds of metres beside it.
    """
    ellipsoid = crs.ellipsoid
    return (
        ellipsoid is not None
        and abs(ellipsoid.semi_major_metre - 6_378_137.0) < 0.01
        and abs(ellipsoid.inverse_flattening - 298.257) <= 1e-3
    )


def _warn_where_coarse(source: CRS, target: CRS) -> None:
    """Warn, once for a pair of systems, where its datums are not related to about a metre.

    Systems on the ellipsoid of WGS 84 agree within about 2 m, and are let pass.
    """
    pair = frozenset((source, target))
    with _warning:
        if pair in _warned:
            return
        _warned.add(pair)
    if is_geocentric(source) and is_geocentric(target):
        return
    with quiet(UserWarning):  # its own, that the best is not available, does not say how bad it is
        group = TransformerGroup(source, target, always_xy=True, allow_ballpark=False)
    known = [t.accuracy for t in group.transformers if t.accuracy >= 0.0]
    if group.best_available and max(known, default=0.0) <= _ACCURATE:
        return
    low, high = min(known, default=np.nan), max(known, default=np.nan)
    accuracy = f"{high:g} m" if low == high else f"{low:g} to {high:g} m"
    remedy = (
        "give the data a CRS with a modern datum"
        if group.best_available
        else "PROJ lacks the grids for the best transformation: get them with projsync"
    )
    warnings.warn(
        f"{source.name!r} to {target.name!r} is accurate to "
        f"{accuracy if known else 'an unknown degree'}, depending on the place; {remedy}",
        InaccurateProjectionWarning,
        stacklevel=2,
    )


def _transformer(source: CRS, target: CRS) -> Transformer:
    """Return this thread's transformer between the horizontal parts, x before y, never a guess."""
    cache: dict[tuple[int, int], tuple[CRS, CRS, Transformer]] = _local.__dict__.setdefault(
        "transformers", {}
    )
    source, target = _first_alike(source), _first_alike(target)
    key = id(source), id(target)
    if key not in cache:
        plane = horizontal(source), horizontal(target)
        for crs in plane:
            if not (crs.is_geographic or crs.is_projected):
                msg = f"CRS {crs.name!r} is neither geographic nor projected: it has no x and y"
                raise ProjectionError(msg)
        try:
            way = Transformer.from_crs(*plane, always_xy=True, allow_ballpark=False)
        except ProjError as error:
            msg = (
                f"no transformation from {source.name!r} to {target.name!r} is known to PROJ "
                "without guessing; give the data a CRS with a known datum"
            )
            raise ProjectionError(msg) from error
        _warn_where_coarse(*plane)
        cache[key] = source, target, way
    return cache[key][2]


def project(  # noqa: PLR0917 (from, to, x, y: the order that everybody knows)
    source: CRS | None, target: CRS | None, x: ArrayLike, y: ArrayLike
) -> tuple[Float, Float]:
    """Transform points between reference systems, exactly.

    Parameters
    ----------
    source, target
        Reference systems; only their horizontal parts count.
    x, y
        Easting or longitude, northing or latitude, any shape.

    Returns
    -------
    x, y
        float64 arrays of the same shape; NaN where the projection is not defined.
    """
    if source is None or target is None:
        msg = (
            "a raster without CRS cannot be placed on the ground; "
            "assign one with gdal_edit.py -a_srs"
        )
        raise ProjectionError(msg)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if same_place(source, target):
        return x, y
    px, py = _transformer(source, target).transform(x, y)
    px, py = np.asarray(px, dtype=np.float64), np.asarray(py, dtype=np.float64)
    bad = ~(np.isfinite(px) & np.isfinite(py))
    if bad.any():
        px, py = np.where(bad, np.nan, px), np.where(bad, np.nan, py)
    return px, py


def project_bounds(source: CRS | None, target: CRS | None, bounds: Bounds) -> Bounds:
    """Return the bounds in another CRS of a rectangle, with its sides densified.

    Longitudes are continuous: those of a rectangle across the antimeridian reach beyond 180, and a
    rectangle around a pole spans -180 to 180.
    """
    west, south, east, north = bounds
    edge = Grid.covering(bounds, (east - west, north - south), crs=source)
    x, y = project(source, target, *edge.outline())
    known = np.isfinite(x)
    if target is None or not known.any():
        name = "unknown" if target is None else target.name
        msg = f"bounds {bounds} lie outside the area where {name!r} is defined"
        raise ProjectionError(msg)
    x, y = x[known], y[known]
    turn = full_turn(target)
    if turn is not None:
        x = np.unwrap(x, period=turn)
    if not target.is_geographic:
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())
    pole_x, pole_y = project(target, source, np.zeros(2), np.array([-90.0, 90.0]))
    on_pole = (west <= pole_x) & (pole_x <= east) & (south <= pole_y) & (pole_y <= north)
    if on_pole.any() and source is not None and not source.is_geographic:
        lowest = -90.0 if on_pole[0] else float(y.min())
        highest = 90.0 if on_pole[1] else float(y.max())
        return -180.0, lowest, 180.0, highest
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


@_remembered
def full_turn(crs: CRS) -> float | None:
    """Return what x grows by once around the globe; None where x does not go around.

    360 for longitudes; metres for projections whose meridians are parallel lines, such as
    EPSG:3857.
    """
    if crs.is_geographic:
        return 360.0
    plane = horizontal(crs)
    operation = plane.coordinate_operation
    if not plane.is_projected or operation is None or plane.geodetic_crs is None:
        return None
    if not operation.method_name.startswith(_PARALLEL_MERIDIANS):
        return None
    degrees = np.arange(4.0)  # at most one step leaps
    x, _ = project(plane.geodetic_crs, plane, degrees, np.zeros(4))
    return 360.0 * float(np.median(np.diff(x)))


_PARALLEL_MERIDIANS = (
    "Popular Visualisation Pseudo Mercator",
    "Mercator",
    "Equidistant Cylindrical",
    "Lambert Cylindrical Equal Area",
)  # names of EPSG's methods; the transverse and oblique ones begin with those words


def count_longitudes_about(crs: CRS | None, x: Float, middle: float) -> Float:
    """Add full turns to x so that it is within half a turn of `middle`.

    What does not go around the globe is returned as it is.
    """
    turn = None if crs is None else full_turn(crs)
    return x if turn is None else turned_about(x, middle, turn)


def turned_about(x: Float, middle: float, turn: float) -> Float:
    """Add full turns of a known length to x so that it is within half a turn of `middle`."""
    turns = np.round((middle - x) / turn)
    return x + turn * turns if turns.any() else x


def count_longitudes_as(grid: Grid, x: Float) -> Float:
    """Add full turns to longitudes so that they are within half a turn of a grid's middle.

    Rasters may count longitudes from -180 or from 0, and beyond 180. Anything but longitudes is
    returned as it is.
    """
    west, _, east, _ = grid.bounds
    return count_longitudes_about(grid.crs, x, (west + east) / 2.0)


def storable(crs: CRS) -> CRS:
    """Return a CRS as GeoTIFF can hold it: a projected one with ellipsoidal heights becomes a compound one."""
    if not (crs.is_projected and len(crs.axis_info) == 3 and not crs.is_compound):
        return crs
    flat = horizontal(crs)
    name = f"{flat.name} + {ELLIPSOIDAL_HEIGHT.name}"
    return CompoundCRS(name=name, components=[flat, ELLIPSOIDAL_HEIGHT])


def utm_of(lon: float, lat: float) -> CRS:
    """Return the UTM zone of a point, or the polar stereographic system beyond 84 N and 80 S."""
    if lat > 84.0:
        return CRS.from_epsg(32661)
    if lat < -80.0:
        return CRS.from_epsg(32761)
    zone = int((lon + 180.0) // 6.0) % 60 + 1
    return CRS.from_epsg((32600 if lat >= 0.0 else 32700) + zone)


@dataclass(frozen=True)
class GridProjection:
    """The pixel centres of a grid in another reference system.

    The projection is evaluated exactly on a lattice of 64 px cells, anchored at the grid's origin,
    and interpolated biquadratically. Each cell is checked at two points inside; one whose error
    could exceed `tolerance` is evaluated exactly at each pixel. A position therefore depends on its
    pixel alone, not on the window that asks for it.
    """

    grid: Grid
    target: CRS
    tolerance: float = _TOLERANCE
    """Bound on the error in pixels of `grid`."""
    about: float | None = None
    """x of the target about which others are counted, so that they go on across the antimeridian and can be
    interpolated there; None: as the projection has them."""
    exact: bool = field(init=False)
    """Whether both systems are the same, so that the affine transform is all."""

    def __post_init__(self) -> None:
        if self.grid.crs is None:
            project(None, self.target, 0.0, 0.0)
        object.__setattr__(
            self, "exact", self.grid.crs is not None and same_place(self.grid.crs, self.target)
        )

    def _nodes(self, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[Float, Float]:
        x, y = project(self.grid.crs, self.target, *self.grid.xy(rows, cols))
        return x if self.about is None else count_longitudes_about(self.target, x, self.about), y

    def at(self, window: Window) -> tuple[Float, Float]:
        """Return x and y (height, width) in the target system of a window's pixel centres."""
        return self.over(window).at(window)

    def over(self, window: Window) -> Lattice:
        """Return what is needed to answer for windows within this one, evaluated once."""
        cell_row, cell_col = window.row // _CELL, window.col // _CELL
        n_rows = (window.row + window.height - 1) // _CELL - cell_row + 1
        n_cols = (window.col + window.width - 1) // _CELL - cell_col + 1
        half = _CELL / 2.0
        node_rows = (2 * cell_row + np.arange(2 * max(n_rows, 1) + 1)) * half
        node_cols = (2 * cell_col + np.arange(2 * max(n_cols, 1) + 1)) * half
        at = node_rows[:, np.newaxis], node_cols[np.newaxis, :]
        failed = np.empty((0, 2), dtype=np.intp)
        if self.exact:
            nodes = np.stack(np.broadcast_arrays(*self.grid.xy(*at)))
        else:
            x, y = self._nodes(*at)
            nodes = np.stack([x, y])
            if window.size:
                failed = np.argwhere(~self._cells_hold(x, y, (cell_row, cell_col)))
        return Lattice(projection=self, first_cell=(cell_row, cell_col), nodes=nodes, failed=failed)

    def _cells_hold(
        self, nodes_x: Float, nodes_y: Float, first_cell: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """Compare the interpolation with the exact projection at two points of each cell.

        A quadratic's error is largest near 0.21 and 0.79 of the cell. Errors along rows and columns
        that cancel at one of (1/4, 1/4) and (1/4, 3/4) add up at the other.
        """
        n_rows, n_cols = (nodes_x.shape[0] - 1) // 2, (nodes_x.shape[1] - 1) // 2
        first = np.array([0.375, 0.75, -0.125])  # quadratic weights at 1/4
        worst = np.zeros((n_rows, n_cols))
        along_row = _corner_steps(nodes_x, nodes_y, axis=1)
        along_col = _corner_steps(nodes_x, nodes_y, axis=0)
        for where, weights in ((0.25, first), (0.75, first[::-1])):
            rows = (first_cell[0] + np.arange(n_rows) + 0.25) * _CELL
            cols = (first_cell[1] + np.arange(n_cols) + where) * _CELL
            true_x, true_y = self._nodes(rows[:, np.newaxis], cols[np.newaxis, :])
            error_x = _at_quarter(nodes_x, first, weights) - true_x
            error_y = _at_quarter(nodes_y, first, weights) - true_y
            error = _in_pixels((error_x, error_y), along_row, along_col)
            worst = np.maximum(worst, error)
        return np.asarray(worst <= self.tolerance / 2.0)  # False for NaN


class Nodes(NamedTuple):
    """What a lattice holds for a window."""

    values: Float
    """(2, n, m) x and y at every half cell; contiguous."""
    first_cell: tuple[int, int]
    """Row and column of the first cell."""
    step: int
    """[px] along a cell."""
    failed: list[Window]
    """Parts of the window in which interpolation does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """A projection over a window: its nodes, and the cells in which interpolation does not hold."""

    projection: GridProjection
    first_cell: tuple[int, int]
    nodes: Float
    """(2, n, m) x and y at every half cell."""
    failed: NDArray[np.intp]
    """(k, 2) row and column of cells, counted from the first."""

    def below(self, window: Window) -> Nodes:
        """Return what is needed for a window within."""
        i, j = window.row // _CELL - self.first_cell[0], window.col // _CELL - self.first_cell[1]
        last_i = (window.row + max(window.height, 1) - 1) // _CELL - self.first_cell[0]
        last_j = (window.col + max(window.width, 1) - 1) // _CELL - self.first_cell[1]
        values = self.nodes[:, 2 * i : 2 * last_i + 3, 2 * j : 2 * last_j + 3]
        cells = (
            Window((first[0] + r) * _CELL, (first[1] + c) * _CELL, _CELL, _CELL).intersect(window)
            for first in [self.first_cell]
            for r, c in self.failed.tolist()
        )
        first_cell = self.first_cell[0] + i, self.first_cell[1] + j
        failed = [cell for cell in cells if cell.size]
        return Nodes(np.ascontiguousarray(values), first_cell, _CELL, failed)

    def at(self, window: Window) -> tuple[Float, Float]:
        """Return x and y (height, width) of the pixel centres of a window within."""
        projection = self.projection
        if projection.exact or window.size == 0:
            x, y = projection.grid.xy(*window.pixel_centres())
            return np.broadcast_to(x, window.shape), np.broadcast_to(y, window.shape)
        nodes = self.below(window)
        x, y = np.empty((2, *window.shape))
        for values, out in zip(nodes.values, (x, y), strict=True):
            lattice.biquadratic(
                values, *nodes.first_cell, float(_CELL), window.row, window.col, out
            )
        for cell in nodes.failed:
            inside = cell.slices_in(window)
            x[inside], y[inside] = projection._nodes(*cell.pixel_centres())
        return x, y


def _at_quarter(nodes: Float, row_weights: Float, col_weights: Float) -> Float:
    """Interpolate every cell at one place, from its 3 x 3 nodes."""
    n_rows, n_cols = (nodes.shape[0] - 1) // 2, (nodes.shape[1] - 1) // 2
    out = np.zeros((n_rows, n_cols))
    for i, wr in enumerate(row_weights):
        for j, wc in enumerate(col_weights):
            out += wr * wc * nodes[i : i + 2 * n_rows - 1 : 2, j : j + 2 * n_cols - 1 : 2]
    return out


def _corner_steps(nodes_x: Float, nodes_y: Float, *, axis: int) -> tuple[Float, Float]:
    """Return how far x and y go for a pixel along an axis, for every cell."""
    steps = []
    for nodes in (nodes_x, nodes_y):
        corners = nodes[::2, ::2]
        step = np.diff(corners, axis=axis) / _CELL
        steps.append(step[:, :-1] if axis == 0 else step[:-1, :])
    return steps[0], steps[1]


def _in_pixels(
    error: tuple[Float, Float], along_row: tuple[Float, Float], along_col: tuple[Float, Float]
) -> Float:
    """Solve for the pixel offset that a ground offset amounts to."""
    (ex, ey), (ax, ay), (bx, by) = error, along_row, along_col
    area = ax * by - bx * ay
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.hypot((by * ex - bx * ey) / area, (ax * ey - ay * ex) / area)
