"""Points with a height: altimetry, lidar, or the cells of a raster. Each stands where it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS
from pyproj.crs import CompoundCRS
from pyproj.exceptions import CRSError

from trueground.datum_shift import InDatum, same_vertical
from trueground.errors import DatumError, InputError
from trueground.grid import Bounds
from trueground.projection import WGS84, count_longitudes_about, horizontal, project, same_place
from trueground.raster import Raster, as_float, name_of
from trueground.thinning import Draw, chances, chances_of
from trueground.vertical import HEIGHTS_HELP, Datum

Float = NDArray[np.float64]
Transform = Callable[[Float, Float, Float], tuple[ArrayLike, ArrayLike, ArrayLike]]
"""From x, y, z (n,) to x, y, z (n,), all in one CRS; NaN where a point cannot be moved."""

_CHUNK = 1 << 20  # points that are worked on at a time
_BLOCK = 1024  # px, edge of the blocks in which a raster is read


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PointCloud:
    """Points with heights, in memory. Read them from a file with `open_points`.

    A point whose x, y or z is not a finite number, or whose sigma is not a positive one, keeps its
    place in the arrays and is left out of use: see `usable`.

    Examples
    --------
    >>> import numpy as np
    >>> cloud = PointCloud(x=np.arange(4.0), y=np.zeros(4), z=np.array([5.0, np.nan, 7.0, 8.0]))
    >>> cloud.within((0.0, -1.0, 2.0, 1.0)).z
    array([5., 7.])
    """

    x: Float
    """(n,) easting or longitude, in units of the CRS."""
    y: Float
    """(n,) northing or latitude, in units of the CRS."""
    z: Float
    """(n,) [m] height."""
    crs: CRS | None = None
    """Reference system; a compound or three-dimensional one says what heights are above."""
    sigma: Float | None = None
    """(n,) [m] standard error of the heights."""
    heights: Datum | None = None
    """What heights are above, where that is said beside the CRS; it counts more than the CRS."""
    name: str = "the points"
    """What to call them in a message: the path of their file."""

    def __post_init__(self) -> None:
        names = ("x", "y", "z") if self.sigma is None else ("x", "y", "z", "sigma")
        arrays = [np.ascontiguousarray(getattr(self, name), dtype=np.float64) for name in names]
        if any(
            np.ndim(getattr(self, n)) != 1 or a.shape != arrays[0].shape
            for n, a in zip(names, arrays, strict=True)
        ):
            shapes = ", ".join(f"{n} {np.shape(getattr(self, n))}" for n in names)
            msg = f"points of {self.name} have the shapes {shapes}: must be vectors of one length"
            raise InputError(msg)
        for name, values in zip(names, arrays, strict=True):
            fixed = values.view()
            fixed.flags.writeable = False
            object.__setattr__(self, name, fixed)

    def __len__(self) -> int:
        return int(self.x.size)

    def __repr__(self) -> str:
        crs = "no CRS" if self.crs is None else self.crs.name
        return f"PointCloud({self.size} points, {crs}, {self.name})"

    @property
    def size(self) -> int:
        """Number of points, usable or not."""
        return int(self.x.size)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n,) where x, y and z are finite and sigma, if there is one, is a positive number."""
        return usable(self.x, self.y, self.z, self.sigma)

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north of the usable points, in units of the CRS.

        Raises
        ------
        InputError
            Where no point is usable.
        """
        keep = self.usable
        if not keep.any():
            msg = f"{self.name}: none of its {self.size} points has a finite x, y and z; check its columns"
            raise InputError(msg)
        low, high = (
            [float(pick(v, where=keep, initial=start)) for v in (self.x, self.y)]
            for pick, start in ((np.min, np.inf), (np.max, -np.inf))
        )
        return low[0], low[1], high[0], high[1]

    def take(self, which: NDArray[np.bool_] | NDArray[np.integer[Any]]) -> PointCloud:
        """Return some of the points, by a mask (n,) or by their indices."""
        sigma = None if self.sigma is None else self.sigma[which]
        return replace(self, x=self.x[which], y=self.y[which], z=self.z[which], sigma=sigma)

    def finite(self) -> PointCloud:
        """Return the usable points; itself where all are."""
        keep = self.usable
        return self if keep.all() else self.take(keep)

    def within(self, bounds: Bounds) -> PointCloud:
        """Return the usable points inside of bounds or on their edge.

        Longitudes may be counted from -180 or from 0, by the points and by the bounds.

        Raises
        ------
        InputError
            Where a bound is not a finite number, or west lies east of east.
        """
        west, south, east, north = bounds
        if not (all(map(math.isfinite, bounds)) and west <= east and south <= north):
            msg = f"bounds {bounds}: must be finite, with west <= east and south <= north"
            raise InputError(msg)
        x = count_longitudes_about(self.crs, self.x, (west + east) / 2.0)
        inside = (west <= x) & (x <= east) & (south <= self.y) & (self.y <= north)
        return self.take(inside & self.usable)

    def thinned(self, samples: int, seed: int = 0) -> PointCloud:
        """Return at most so many usable points, chosen by a hash of their place in the cloud and a seed.

        They stay in their order. More samples of the same seed hold those of fewer.
        """
        draw = Draw(samples=samples)
        for part in _parts(self.size):
            keep = np.flatnonzero(usable(*(None if a is None else a[part] for a in self._arrays)))
            chance = chances_of(part.start, part.stop - part.start, seed)
            draw.add(chance[keep], keep + part.start, np.empty((0, keep.size)))
        return self.take(draw.drawn()[0])

    @property
    def _arrays(self) -> tuple[Float, Float, Float, Float | None]:
        return self.x, self.y, self.z, self.sigma

    @property
    def datum(self) -> Datum | None:
        """What heights are above, as said or as the CRS declares; None where nothing says it.

        Raises
        ------
        DatumError
            Where the CRS declares heights that trueground has no grid for.
        """
        return Datum.of_crs(self.crs) if self.heights is None else self.heights

    def in_crs(self, crs: CRS) -> PointCloud:
        """Return the points in another CRS: x and y are projected, heights are left as they are.

        Only the horizontal part of `crs` counts: what heights are above does not change.

        Raises
        ------
        ProjectionError
            Where the points have no CRS, or PROJ knows no transformation.
        DatumError
            Where heights are above an ellipsoid that is not the one of WGS 84.
        """
        if self.crs is not None and same_place(self.crs, crs):
            return self
        x, y = np.empty(self.size), np.empty(self.size)
        for part in _parts(self.size):
            x[part], y[part] = project(self.crs, crs, self.x[part], self.y[part])
        return replace(self, x=x, y=y, **self._declaring_in(horizontal(crs)))

    def _declaring_in(self, plane: CRS) -> dict[str, Any]:
        """Return the fields by which the same heights are declared above another horizontal CRS."""
        crs = self.crs
        if self.heights is None and crs is not None and crs.is_compound:
            vertical = crs.sub_crs_list[-1]
            name = f"{plane.name} + {vertical.name}"
            try:
                return {"crs": CompoundCRS(name=name, components=[plane, vertical])}
            except CRSError:
                pass
        return {"crs": plane, "heights": self.datum}

    def heights_in(
        self, datum: str | Datum | CRS | None, *, heights: str | Datum | None = None
    ) -> PointCloud:
        """Return the points with heights above another vertical datum.

        Parameters
        ----------
        datum
            What heights shall be above: `ellipsoid`, `egm96`, `egm2008` or a grid file; or as a CRS
            declares. None where nobody knows.
        heights
            What heights are above now. Default: as the points declare.

        Returns
        -------
        PointCloud
            The points as they are where neither says anything: heights are taken to be above the same surface.

        Raises
        ------
        DatumError
            Where one of them is known and the other is not.
        """
        if isinstance(datum, CRS):
            if heights is None and self.heights is None and same_vertical(self.crs, datum):
                return self  # be it a datum that there is a grid for or not
            datum = Datum.of_crs(datum)
        before = self.datum if heights is None else Datum.parse(heights)
        if before is None and datum is None:
            return self
        if before is None or datum is None:
            after = "unknown" if datum is None else Datum.parse(datum)
            msg = (
                f"heights of {self.name} have no declared vertical datum, and they are to be above {after}; "
                f"say which with --points-heights ({HEIGHTS_HELP})"
                if before is None
                else f"heights of {self.name} are above {before}, and nothing says what those of the other data are "
                f"above; say it with --heights ({HEIGHTS_HELP})"
            )
            raise DatumError(msg)
        after = Datum.parse(datum)
        if before == after:
            return replace(self, heights=after)
        if self.crs is None:
            msg = f"{self.name} has no CRS, so its heights cannot be brought to {after}; say which with --points-crs"
            raise DatumError(msg)
        z = self.z.copy()
        for part in _parts(self.size):
            lon, lat = project(self.crs, WGS84, self.x[part], self.y[part])
            at = usable(lon, lat, self.z[part])
            lon, lat = np.where(at, lon, np.nan), np.where(at, lat, np.nan)
            z[part] += before.undulation(lon, lat) - after.undulation(lon, lat)
        return replace(self, z=z, crs=horizontal(self.crs), heights=after)

    @classmethod
    def of_raster(cls, raster: Raster, *, samples: int | None = None, seed: int = 0) -> PointCloud:
        """Take the cells of a raster as points: a cell's value stands at its centre.

        The raster is read block by block; memory grows with the samples alone.

        Parameters
        ----------
        raster
            Heights [m], of one band. Cells without data are left out.
        samples
            At most so many cells, chosen by a hash of row, column and seed. Default: all.
        seed
            Another number chooses other cells.

        Returns
        -------
        PointCloud
            In the order of rows and columns.

        Raises
        ------
        InputError
            Where the raster has several bands.
        """
        if raster.count != 1:
            msg = f"{name_of(raster)} has {raster.count} bands; a DEM has one"
            raise InputError(msg)
        grid, source = raster.grid, as_float(raster)
        draw = Draw(samples=grid.window.size if samples is None else samples)
        for block in grid.blocks(_BLOCK):
            window = block.core
            z = source.read(window)[0]
            row, col = np.nonzero(np.isfinite(z))
            order = (row + window.row) * grid.shape[1] + (col + window.col)
            draw.add(
                chances(window, seed)[row, col], order, z[np.newaxis, row, col].astype(np.float64)
            )
        order, values = draw.drawn()
        x, y = grid.xy(order // grid.shape[1] + 0.5, order % grid.shape[1] + 0.5)
        said = raster.after if isinstance(raster, InDatum) else None
        return cls(
            x=x,
            y=y,
            z=values[0] if order.size else np.empty(0),
            crs=grid.crs,
            heights=said,
            name=name_of(raster),
        )


def usable(  # noqa: PLR0917 (the order of a cloud's arrays)
    x: Float | None, y: Float | None, z: Float | None, sigma: Float | None = None
) -> NDArray[np.bool_]:
    """Tell which points have finite coordinates and, where it is known, a positive standard error."""
    keep = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)  # type: ignore[arg-type]
    if sigma is not None:
        keep &= np.isfinite(sigma) & (sigma > 0.0)
    return np.asarray(keep)


def _parts(size: int) -> Iterator[slice]:
    """Cut so many points into slices that are worked on at a time."""
    for start in range(0, size, _CHUNK):
        yield slice(start, min(start + _CHUNK, size))


def transformed(  # noqa: PLR0917 (x, y, z: the order that everybody knows)
    transform: Transform, x: Float, y: Float, z: Float
) -> tuple[Float, Float, Float]:
    """Return x, y, z (n,) of points after a transform; NaN in all three where one was not to be had.

    The transform sees finite coordinates only.

    Raises
    ------
    InputError
        Where it returns another number of points.
    """
    at = usable(x, y, z)
    out = np.full((3, x.size), np.nan)
    if at.any():
        result = [np.asarray(v, dtype=np.float64) for v in transform(x[at], y[at], z[at])]
        count = int(np.count_nonzero(at))
        if len(result) != 3 or any(v.shape != (count,) for v in result):
            shapes = ", ".join(str(v.shape) for v in result)
            msg = f"a transform of {count} points returned the shapes {shapes}: it must return x, y and z of each"
            raise InputError(msg)
        out[:, at] = result
        out[:, ~np.isfinite(out).all(axis=0)] = np.nan
    return out[0], out[1], out[2]


def moved(cloud: PointCloud, transform: Transform) -> PointCloud:
    """Return points after a transform in their own CRS.

    Those that it cannot move are NaN, and so left out of use.

    Parameters
    ----------
    cloud
        Points.
    transform
        From x, y, z (n,) to x, y, z (n,); it sees finite coordinates only.
    """
    out = np.empty((3, cloud.size))
    for part in _parts(cloud.size):
        out[:, part] = transformed(transform, cloud.x[part], cloud.y[part], cloud.z[part])
    return replace(cloud, x=out[0], y=out[1], z=out[2])
