"""The mean elevation change of areas, and its standard error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueground.covariance_sum import CovarianceSum
from trueground.engine import Progress
from trueground.errors import InputError, OverlapError
from trueground.grid import Grid, Window
from trueground.projection import WGS84
from trueground.raster import Raster, as_float
from trueground.subsample import require_one_grid
from trueground.terrain import metres_per_unit
from trueground.variogram_model import VariogramModel
from trueground.vectors import OutlineMask, outline_mask

if TYPE_CHECKING:
    import geopandas as gpd

Float = NDArray[np.float64]
_Cells = tuple[Float, Float, NDArray[np.bool_]]  # difference, its error, whether a cell counts

NAME_COLUMNS = ("name", "rgi_id", "rgiid", "glims_id", "glac_id", "id", "fid")
"""Columns that an area may be called by, in any case of letters, the first that there is."""

_PIECE = 1024  # px
_HELD = 1 << 22  # px; the cells of smaller areas are read once and kept


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanChange:
    """The mean difference of the cells of an area that have data, and how sure it is.

    Examples
    --------
    >>> from trueground import MeanChange
    >>> one = MeanChange(
    ...     name="a",
    ...     area=4e4,
    ...     cells=100,
    ...     coverage=1.0,
    ...     mean=-2.0,
    ...     standard_error=0.5,
    ...     effective_samples=4.0,
    ...     sigma=1.0,
    ... )
    >>> one.to_dict()["standard_error"]
    0.5
    """

    name: str
    """Of the area."""
    area: float
    """On the ground, whole polygon [m^2]."""
    cells: int
    """Cells with data whose centre lies inside."""
    coverage: float
    """Part of the polygon that they cover, 0 to 1."""
    mean: float
    """Mean difference of these cells [m]; NaN where there is none."""
    standard_error: float
    """1-sigma error of this mean [m]; that cells without data may differ is not in it."""
    effective_samples: float
    """Independent cells of the same errors that would have this standard error."""
    sigma: float
    """Root mean square of the 1-sigma errors of the cells [m]."""

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return asdict(self)


def mean_changes(
    difference: Raster,
    areas: gpd.GeoDataFrame,
    model: VariogramModel,
    *,
    error: Raster | None = None,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> list[MeanChange]:
    """Return the mean difference over each polygon and its standard error.

    Parameters
    ----------
    difference
        Difference of heights [m]; its first band.
    areas
        Polygons in any CRS.
    model
        Variogram of the difference, or with `error` of the difference over its error.
    error
        1-sigma error of each cell [m] on the same grid, such as `ErrorModel.apply` gives; where it
        has no data, the mean of the other cells of the polygon stands in.
    names
        One for each polygon; else as `area_names` finds them.
    progress
        Called with polygons done and their total.

    Raises
    ------
    InputError
        Where rasters do not lie on one grid or an area is no polygon.

    Notes
    -----
    The mean of ``N`` cells with errors ``sigma_i`` and the correlation of the model has the variance ::

        s^2 = 1 / N^2  sum_i sum_j  sigma_i sigma_j C(|x_i - x_j|)

    summed here over all pairs of cells (see `covariance_sum.CovarianceSum`). Rolstad, Haug & Denby
    (2009), doi:10.3189/002214309789470950, have it in closed form for the middle of a disk
    and Hugonnet et al. (2022), doi:10.1109/JSTARS.2022.3188922, approximate it by the
    mean ``sigma`` times the standard error of the standardised difference. The effective number of
    samples is ``sum(sigma_i^2) C(0) / (N s^2)``.

    The model is that of random errors: a vertical shift or a tilt that the coregistration left is
    seen only as far as the variogram reaches.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> import geopandas as gpd, shapely
    >>> box = gpd.GeoDataFrame(geometry=[shapely.box(5e5, 7_999_980, 500_020, 8e6)], crs=32633)
    >>> from trueground import VariogramModel, mean_changes
    >>> white = VariogramModel(nugget=4.0, parts=())
    >>> (one,) = mean_changes(raster, box, white)
    >>> one.mean, one.standard_error
    (2.5, 1.0)
    """
    source = as_float(difference)
    require_one_grid([source, *([] if error is None else [error])])
    if (~areas.geom_type.isin(["Polygon", "MultiPolygon"])).any() or not len(areas):
        kinds = ", ".join(sorted({str(k) for k in areas.geom_type})) or "nothing"
        msg = f"areas hold {kinds}: each must be a polygon; take the others out"
        raise InputError(msg)
    called = area_names(areas) if names is None else names
    found = []
    for i, name in enumerate(called):
        area = _Area(
            difference=source,
            error=None if error is None else as_float(error),
            mask=outline_mask([areas.iloc[[i]]], source.grid),
        )
        ground = ground_area(areas.iloc[[i]])
        found.append(area.mean_change(model, name=name, ground=ground))
        if progress is not None:
            progress(i + 1, len(called))
    return found


def area_names(areas: gpd.GeoDataFrame, column: str | None = None) -> list[str]:
    """Return what areas are called: by a column, by one that is usual for it, or numbers from 1.

    Raises
    ------
    InputError
        Where there is no such column.
    """
    if column is not None and column not in areas.columns:
        columns = ", ".join(c for c in areas.columns if c != areas.geometry.name) or "(none)"
        msg = f"the areas have no column {column}: they have {columns}"
        raise InputError(msg)
    usual = {str(c).lower(): c for c in reversed(areas.columns)}
    chosen = column or next((usual[n] for n in NAME_COLUMNS if n in usual), None)
    numbers = [str(i + 1) for i in range(len(areas))]
    if chosen is None:
        return numbers
    cells = areas[chosen]
    return [
        n if missing else str(c) for n, c, missing in zip(numbers, cells, cells.isna(), strict=True)
    ]


def ground_area(areas: gpd.GeoDataFrame) -> float:
    """Return the area of all polygons on the ellipsoid [m^2]; in the plane where there is no CRS."""
    if areas.crs is None:
        return float(areas.area.sum())
    geod = WGS84.get_geod()
    if geod is None:  # WGS 84 has an ellipsoid
        return math.nan
    parts = areas.geometry.segmentize(_edge(areas)).to_crs(WGS84)
    return float(np.sum([abs(geod.geometry_area_perimeter(g)[0]) for g in parts]))


def _edge(areas: gpd.GeoDataFrame) -> float:
    """Return the length of edges, in units of the CRS, that stay the same in another one."""
    west, south, east, north = areas.total_bounds
    return max(float(east - west), float(north - south), 1e-9) / 64.0


@dataclass(frozen=True, kw_only=True)
class _Area:
    """The cells of a polygon."""

    difference: Raster
    error: Raster | None
    mask: OutlineMask

    def mean_change(self, model: VariogramModel, *, name: str, ground: float) -> MeanChange:
        """Return mean and standard error."""
        import shapely

        window = self._window()
        read = self._held(window)
        number = total = with_error = errors = 0.0
        for dh, sigma, keep in (read(piece) for piece in _pieces(window)):
            known = sigma[keep & ~np.isnan(sigma)]
            number += float(keep.sum())
            total += float(dh[keep].sum())
            with_error += float(known.size)
            errors += float(known.sum())
        if number == 0:
            return MeanChange(
                name=name, area=ground, cells=0, coverage=0.0, mean=math.nan,
                standard_error=math.nan, effective_samples=0.0, sigma=math.nan,
            )  # fmt: skip
        typical = errors / with_error if with_error else math.nan

        def weights(piece: Window) -> Float:
            _, sigma, keep = read(piece)
            filled = np.where(np.isnan(sigma), typical, sigma)
            return np.where(keep, filled, 0.0)

        metric = cell_metric(self.difference.grid, window)
        variance = squares = math.nan
        if with_error:
            variance = CovarianceSum(model=model, metric=metric).of(weights, window) / number**2
            squares = math.fsum(float(np.sum(weights(p) ** 2)) for p in _pieces(window))
            squares *= model.sill / number
        t = self.difference.grid.transform
        planar = float(shapely.area(self.mask.outlines.to_numpy()).sum())
        return MeanChange(
            name=name,
            area=ground,
            cells=int(number),
            coverage=min(float(number) * abs(t.a * t.e - t.b * t.d) / planar, 1.0),
            mean=float(total / number),
            standard_error=math.sqrt(max(variance, 0.0)) if with_error else math.nan,
            effective_samples=squares / variance if variance > 0.0 else math.nan,
            sigma=math.sqrt(squares) if with_error else math.nan,
        )

    def _window(self) -> Window:
        """Return the pixels about the polygon; none where it lies outside the raster."""
        shapes = self.mask.outlines
        if shapes.empty:
            return Window(0, 0, 0, 0)
        west, south, east, north = (float(v) for v in shapes.total_bounds)
        try:
            return self.difference.grid.window_of((west, south, east, north))
        except OverlapError:
            return Window(0, 0, 0, 0)

    def _held(self, window: Window) -> Callable[[Window], _Cells]:
        """Return what reads difference, error and which cells count; of small areas from memory."""
        if window.size > _HELD or window.size == 0:
            return self._read
        whole = self._read(window)

        def cut(piece: Window) -> _Cells:
            rows, cols = piece.slices_in(window)
            return whole[0][rows, cols], whole[1][rows, cols], whole[2][rows, cols]

        return cut

    def _read(self, window: Window) -> _Cells:
        dh = self.difference.read(window)[0].astype(np.float64)
        keep = np.isfinite(dh) & (self.mask.read(window)[0] != 0)
        if self.error is None:
            return dh, np.ones(window.shape), keep
        sigma = self.error.read(window)[0].astype(np.float64)
        sigma[~np.isfinite(sigma)] = np.nan
        return dh, sigma, keep


def cell_metric(grid: Grid, window: Window) -> Float:
    """Return (2, 2) such that ``[rows, cols] metric [rows, cols]`` is a squared distance [m^2].

    In a geographic CRS it is that of the middle of the window.
    """
    middle = Window(window.row + window.height // 2, window.col + window.width // 2, 1, 1)
    metres_x, metres_y = (
        float(np.asarray(m).reshape(-1)[0]) for m in metres_per_unit(grid, middle)
    )
    t = grid.transform
    step = np.array([[t.b * metres_x, t.a * metres_x], [t.e * metres_y, t.d * metres_y]])
    return np.asarray(step.T @ step)


def _pieces(window: Window) -> list[Window]:
    return [
        Window(row, col, _PIECE, _PIECE).intersect(window)
        for row in range(window.row, window.row + window.height, _PIECE)
        for col in range(window.col, window.col + window.width, _PIECE)
    ]
