"""What a bias method finds: a function of the place, or of a variable of the ground, to add to the moving DEM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.coreg import motion
from trueground.coreg.base import Alignment
from trueground.coreg.bias.shapes import OfVariable, Shape, shape_from_dict, shape_to_dict
from trueground.coreg.bias.variable import Variable
from trueground.coreg.fit_result import FitResult, wkt_of
from trueground.coreg.plain import Matrix, matrix_of, number_or_nan, plain
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.projection import project
from trueground.raster import Raster
from trueground.sampling import Resampling

if TYPE_CHECKING:
    from trueground.coreg.bias.corrected import Corrected
    from trueground.warp import Resampled

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Correction(FitResult):
    """Heights to add to a moving DEM, as a function of the place or of a variable, and how much better it is then.

    Examples
    --------
    >>> from trueground.coreg import Deramp
    >>> import numpy as np
    >>> from affine import Affine
    >>> from trueground import ArrayRaster, Grid
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(80, 80))
    >>> level = np.zeros(grid.shape, np.float32)
    >>> found = Deramp().fit(
    ...     ArrayRaster(array=level, grid=grid), ArrayRaster(array=level + 3, grid=grid)
    ... )
    >>> round(
    ...     float(found.apply(ArrayRaster(array=level + 5, grid=grid)).read(grid.window)[0, 0, 0]),
    ...     6,
    ... )
    2.0
    """

    shape: Shape
    """The function: what it depends on, and its coefficients."""
    crs: str | None
    """WKT of the working CRS, in which places are looked at."""
    motion: Alignment | None = None
    """How the moving DEM was moved when the correction was found: its places are looked at as moved by it."""
    errors: tuple[float, ...] = ()
    """Standard errors of the coefficients, in their order; nothing where there are too few cells to tell."""
    covariance: Matrix | None = None
    """Of the coefficients; None where there are too few cells to tell, or too many coefficients to write down."""
    found: Mapping[str, float] = field(default_factory=dict)
    """Further figures of the method."""
    variable: Variable | None = field(default=None, repr=False, compare=False)
    """Where values of the variable are taken from: not written to JSON."""

    kind_of_result: ClassVar[str] = "a correction"

    def __post_init__(self) -> None:
        known = len(self.shape.coefficients)
        if self.errors and len(self.errors) != known:
            msg = f"{len(self.errors)} standard errors of {known} coefficients: must be as many"
            raise InputError(msg)
        if self.covariance is not None:
            covariance = np.asarray(self.covariance, dtype=np.float64)
            if covariance.shape != (known, known):
                msg = f"covariance of shape {covariance.shape}: must be {known} square, as there are coefficients"
                raise InputError(msg)
            object.__setattr__(self, "covariance", matrix_of(covariance))

    @property
    def coefficients(self) -> tuple[float, ...]:
        """What the function is made of; see its shape."""
        return self.shape.coefficients

    def __str__(self) -> str:
        return (
            f"{self.method}: {self.shape.describe()}; NMAD {self.nmad_before:.3f} -> {self.nmad_after:.3f} m "
            f"on {self.samples} cells"
        )

    def with_variable(self, raster: Raster) -> Correction:
        """Return the same correction, with values of its variable taken from a raster on any grid.

        Raises
        ------
        InputError
            Where it depends on no variable.
        """
        if not isinstance(self.shape, OfVariable):
            msg = f"{self.method} depends on no variable: give none"
            raise InputError(msg)
        given = Variable(name=self.shape.variable, source=raster, given=True)
        return replace(self, variable=given)

    def dz(self, x: Float, y: Float, z: Float, *, own: Callable[[], Float] | None = None) -> Float:
        """Return what is to be added [m] to points of the moving DEM.

        Parameters
        ----------
        x, y, z
            Places in the working CRS and heights, before any motion; x and y are broadcast to z.
        own
            Gives the variable at the points where the correction itself knows no value.
        """
        moved = self._moved(x, y, z)
        if isinstance(self.shape, OfVariable):
            out = self.shape.of(self._values(moved, own))
        else:
            out = self.shape.at(*moved[:2])
        # Added before the motion, which may scale heights.
        gain = 1.0 if self.motion is None else self.motion.matrix[2][2]
        return out if gain == 1.0 else out / gain

    def _moved(self, x: Float, y: Float, z: Float) -> tuple[Float, Float, Float]:
        if self.motion is None:
            return x, y, z
        matrix = self.motion.matrix
        if motion.is_translation(matrix):  # rows stay rows
            return x + matrix[0][3], y + matrix[1][3], z + matrix[2][3]
        return motion.transform_points(matrix, self.motion.centroid, x, y, z)

    def _values(self, moved: tuple[Float, Float, Float], own: Callable[[], Float] | None) -> Float:
        """Return the variable at moved points: from its raster, else their own."""
        x, y, z = moved
        values = np.full(np.shape(z), np.nan)
        if self.variable is not None:
            crs = None if self.crs is None else CRS.from_wkt(self.crs)
            values = self.variable.at(
                np.broadcast_to(x, values.shape), np.broadcast_to(y, values.shape), crs
            )
        if self.variable is not None and self.variable.given:
            return values
        missing = np.isnan(values)
        if missing.any():
            if isinstance(self.shape, OfVariable) and self.shape.variable == "elevation":
                return np.where(missing, z, values)
            if own is not None:
                return np.where(missing, own(), values)
        return values

    def apply(
        self, dem: Raster, *, grid: Grid | None = None, resampling: Resampling = "bilinear"
    ) -> Corrected | Resampled:
        """Return the corrected DEM as a raster that is computed when it is read.

        On its own grid nothing is resampled. A variable of the terrain that the reference does not know at a place, or
        one that was read from JSON, is that of the DEM itself.

        Parameters
        ----------
        dem
            The moving DEM, or another raster of heights that has the same error.
        grid
            Grid of the result; the DEM's own by default.
        resampling
            `nearest`, `bilinear` or `cubic`, where the grid is another.

        Raises
        ------
        InputError
            Where the raster has more than one band, or the correction depends on a variable that nobody gave.
        """
        from trueground.coreg.bias.corrected import corrected_on

        return corrected_on(dem, (self,), grid=grid, resampling=resampling)

    def transform(
        self, x: ArrayLike, y: ArrayLike, z: ArrayLike, *, crs: CRS | None = None
    ) -> tuple[Float, Float, Float]:
        """Correct the heights of points.

        Parameters
        ----------
        x, y, z
            Places and heights [m].
        crs
            What x and y count in; the working CRS by default.

        Returns
        -------
        x, y, z
            In the same CRS; z is NaN where a variable is not known.

        Raises
        ------
        InputError
            Where the correction depends on a variable that nobody gave: points have no slope.
        """
        x, y, z = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x, y, z)))
        if (
            isinstance(self.shape, OfVariable)
            and self.variable is None
            and self.shape.variable != "elevation"
        ):
            msg = (
                f"points have no {self.shape.variable} of their own: "
                "give its raster with Correction.with_variable"
            )
            raise InputError(msg)
        own = None if self.crs is None else CRS.from_wkt(self.crs)
        there_x, there_y = (x, y) if crs is None or own is None else project(crs, own, x, y)
        return x, y, np.asarray(z + self.dz(there_x, there_y, z))

    def to_dict(self) -> dict[str, Any]:
        """Return the correction as plain numbers, text, lists and dictionaries; None is NaN."""
        items = {
            "method": self.method,
            "correction": shape_to_dict(self.shape),
            "summary": self.shape.describe(),
            "errors": self.errors,
            "covariance": self.covariance,
            "nmad_before": self.nmad_before,
            "nmad_after": self.nmad_after,
            "samples": self.samples,
            "converged": self.converged,
            "found": dict(self.found),
            "on_samples": {k: dict(v) for k, v in self.on_samples.items()},
            "warnings": list(self.warnings),
            "parameters": dict(self.parameters),
            "motion": None if self.motion is None else self.motion.to_dict(),
            "crs": self.crs,
        }
        return dict(plain(items))

    @classmethod
    def _from_items(cls, items: Mapping[str, Any]) -> Self:
        moved = items.get("motion")
        return cls(
            shape=shape_from_dict(items["correction"]), crs=wkt_of(items),
            motion=None if moved is None else Alignment.from_dict(moved),
            errors=tuple(number_or_nan(v) for v in items.get("errors", ())),
            covariance=items.get("covariance"),
            found={k: number_or_nan(v) for k, v in items.get("found", {}).items()},
            **cls._figures_of(items),
        )  # fmt: skip
