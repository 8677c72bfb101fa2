"""How large the error of a difference is, as a function of slope, curvature or any other raster."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.engine import Engine, Progress
from trueground.errors import FitError, InputError
from trueground.grid import Grid, Window
from trueground.raster import Raster, as_float
from trueground.stats import nmad
from trueground.subsample import require_one_grid, subsample
from trueground.surface import ComputedSurface

Float = NDArray[np.float64]

_LEAST_IN_BIN = 50  # cells; the NMAD of fewer is more than 15 % off by chance
_LEAST_CELLS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorModel:
    """The 1-sigma error of a difference as a function of one or more variables.

    Examples
    --------
    >>> from affine import Affine
    >>> from trueground.raster import ArrayRaster
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(200, 200))
    >>> slope = np.tile(np.linspace(0.0, 40.0, 200), (200, 1))
    >>> error = (1.0 + 0.1 * slope) * np.random.default_rng(0).normal(size=grid.shape)
    >>> variables = {"slope": ArrayRaster(array=slope, grid=grid)}
    >>> model = ErrorModel.fit(ArrayRaster(array=error, grid=grid), variables)
    >>> round(float(model.sigma(slope=20.0)))
    3
    """

    names: tuple[str, ...]
    """Of the variables."""
    centres: tuple[tuple[float, ...], ...]
    """Of each variable, the medians of its bins, rising, in its units."""
    values: tuple[float, ...]
    """1-sigma error at the centres [units of the difference], last variable fastest; bins with too
    few cells have that of the nearest."""
    counts: tuple[int, ...]
    """Cells in the bins, in the same order."""
    scale: float
    """What the NMADs of the bins were multiplied by, so that standardised differences have NMAD 1."""

    def __post_init__(self) -> None:
        size = math.prod(len(c) for c in self.centres)
        if len(self.names) != len(self.centres) or not size == len(self.values) == len(self.counts):
            msg = (
                f"an error model of {len(self.names)} variables with {len(self.values)} values in "
                f"{size} bins: each bin needs one"
            )
            raise InputError(msg)

    @classmethod
    def fit(
        cls,
        difference: Raster,
        variables: Mapping[str, Raster],
        *,
        valid: Raster | None = None,
        bins: int = 10,
        samples: int = 500_000,
        seed: int = 0,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> ErrorModel:
        """Find the NMAD of a difference in bins of variables.

        Parameters
        ----------
        difference
            Difference of heights, such as a `Difference`.
        variables
            Name to raster on its grid, such as `Slope(dem)` and `Curvature(dem)`.
        valid
            Mask on its grid; cells where it is 0 or has no data are left out.
        bins
            Bins of each variable, of equal numbers of cells.
        samples
            Most cells that are looked at, chosen by chance.
        seed
            Another one gives another choice of cells.
        engine, progress
            Where blocks are read, and what is told of them.

        Raises
        ------
        FitError
            Where fewer than 200 cells have data, or no bin has 50.
        InputError
            Where there is less than one bin, or rasters do not lie on one grid.

        Notes
        -----
        Hugonnet et al. (2022), Uncertainty analysis of digital elevation models by spatial
        inference from stable terrain, IEEE JSTARS 15, 6456-6472, doi:10.1109/JSTARS.2022.3188922:
        NMAD in bins, linear between their centres and constant beyond them, then scaled
        so that ``NMAD(dh / sigma) = 1``. Without variables the error is the NMAD of all cells.
        """
        if bins < 1:
            msg = f"{bins} bins of a variable: must be at least 1"
            raise InputError(msg)
        found = subsample(
            [difference, *variables.values()], samples, valid=valid, seed=seed, engine=engine,
            progress=progress,
        )  # fmt: skip
        dh, *at = found.values.astype(np.float64)
        if dh.size < _LEAST_CELLS:
            msg = (
                f"{dh.size} cells with the difference and all of {', '.join(variables) or 'it'}: "
                f"an error model needs at least {_LEAST_CELLS}"
            )
            raise FitError(msg)
        centres, index = [], np.zeros(dh.size, dtype=np.intp)
        for values in at:
            edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
            own = np.searchsorted(edges, values, side="right")
            _, own = np.unique(own, return_inverse=True)  # a bin may be empty where values repeat
            centres.append(tuple(float(np.median(values[own == b])) for b in range(own.max() + 1)))
            index = index * len(centres[-1]) + own
        shape = tuple(len(c) for c in centres)
        counts = np.bincount(index, minlength=math.prod(shape))
        sigma = np.full(counts.size, np.nan)
        order = np.argsort(index, kind="stable")
        ends = np.cumsum(counts)[:-1]
        for b, members in enumerate(np.split(dh[order], ends)):
            if members.size >= _LEAST_IN_BIN:
                sigma[b] = nmad(members)
        if not (sigma > 0.0).any():
            msg = f"no bin has {_LEAST_IN_BIN} cells whose differences scatter: take fewer bins, or more terrain"
            raise FitError(msg)
        sigma[sigma == 0.0] = np.nan
        sigma = _filled(sigma.reshape(shape)).reshape(-1)
        plain = cls(
            names=tuple(variables),
            centres=tuple(centres),
            values=tuple(sigma.tolist()),
            counts=tuple(counts.tolist()),
            scale=1.0,
        )
        # The bins' medians are part of the scatter that is left.
        scale = nmad(dh / plain._at(at, dh.shape))
        return cls(
            names=plain.names,
            centres=plain.centres,
            values=tuple((scale * sigma).tolist()),
            counts=plain.counts,
            scale=scale,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins of each variable."""
        return tuple(len(c) for c in self.centres)

    def sigma(self, **variables: Any) -> Float:
        """Return the error at values of the variables, given by name, of any shape; NaN for NaN.

        Raises
        ------
        InputError
            Where the names are not those of the model.
        """
        if set(variables) != set(self.names):
            msg = f"values of {', '.join(variables) or 'nothing'}: the model is of {', '.join(self.names) or 'nothing'}"
            raise InputError(msg)
        at = np.broadcast_arrays(
            *(np.asarray(variables[n], dtype=np.float64) for n in self.names), np.zeros(())
        )
        return self._at(list(at[:-1]), at[-1].shape)

    def apply(self, variables: Mapping[str, Raster], *, grid: Grid | None = None) -> PredictedError:
        """Return the error of every cell as a raster; nothing is computed yet.

        Parameters
        ----------
        variables
            Rasters of the same names as those that it was fitted to, on one grid.
        grid
            Grid of the result; only a model without variables needs it.

        Raises
        ------
        InputError
            Where the names are not those of the model, or a grid is wanting.
        """
        if set(variables) != set(self.names):
            msg = f"rasters {', '.join(variables) or '(none)'}: the model is of {', '.join(self.names) or '(none)'}"
            raise InputError(msg)
        rasters = tuple(as_float(variables[n]) for n in self.names)
        require_one_grid(rasters)
        if grid is None:
            if not rasters:
                msg = "a model without variables has no grid of its own: give one"
                raise InputError(msg)
            grid = rasters[0].grid
        return PredictedError(model=self, variables=rasters, grid=grid)

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return {
            "names": list(self.names),
            "centres": [list(c) for c in self.centres],
            "values": list(self.values),
            "counts": list(self.counts),
            "scale": self.scale,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ErrorModel:
        """Return the model of such a dictionary."""
        return cls(
            names=tuple(values["names"]),
            centres=tuple(tuple(c) for c in values["centres"]),
            values=tuple(values["values"]),
            counts=tuple(values["counts"]),
            scale=values["scale"],
        )

    def _at(self, variables: list[Float], shape: tuple[int, ...]) -> Float:
        """Interpolate between the centres, the nearest of them beyond."""
        from scipy.interpolate import RegularGridInterpolator

        values = np.array(self.values).reshape(self.shape)
        # A variable with one bin carries nothing to interpolate.
        kept = [i for i, n in enumerate(self.shape) if n > 1]
        out = np.full(shape, float(values.flat[0]))
        if kept:
            axes = [np.array(self.centres[i]) for i in kept]
            # The interpolator refuses NaN beside other numbers; it comes back below.
            places = [
                np.clip(np.nan_to_num(variables[i], nan=axis[0]), axis[0], axis[-1])
                for i, axis in zip(kept, axes, strict=True)
            ]
            table = values.reshape([self.shape[i] for i in kept])
            found = RegularGridInterpolator(axes, table)(np.stack(places, axis=-1))
            out = np.asarray(found).reshape(shape)
        for variable in variables:
            out = np.where(np.isnan(variable), np.nan, out)
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictedError(ComputedSurface):
    """The 1-sigma error of every cell, NaN where a variable has no data."""

    model: ErrorModel
    variables: tuple[Raster, ...]
    """In the order of the model's names."""
    grid: Grid

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return (1, height, width) errors."""
        at = [v.read(window)[0].astype(np.float64) for v in self.variables]
        return self.model._at(at, window.shape)[np.newaxis].astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Standardised(ComputedSurface):
    """A difference over its error: what is left has one variance everywhere."""

    difference: Raster
    error: Raster
    """1-sigma error on the same grid."""
    _difference: Raster = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_one_grid([self.difference, self.error])
        object.__setattr__(self, "_difference", as_float(self.difference))

    @property
    def grid(self) -> Grid:
        """Where the pixels lie: the grid of the difference."""
        return self.difference.grid

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return (1, height, width) of difference over error."""
        out: NDArray[np.float32] = self._difference.read(window)[:1] / self.error.read(window)
        return out


def _filled(table: Float) -> Float:
    """Give bins without a value that of the nearest, counted in bins."""
    missing = np.isnan(table)
    if not missing.any():
        return table
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(table[tuple(nearest)])
