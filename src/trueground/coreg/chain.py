"""What a pipeline finds that moves a DEM and corrects its heights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.coreg.base import Alignment
from trueground.coreg.bias.corrected import Corrected
from trueground.coreg.bias.correction import Correction
from trueground.coreg.bias.shapes import OfVariable
from trueground.coreg.blocks.result import BlockwiseAlignment
from trueground.coreg.fit_result import FitResult, WithStatistics
from trueground.coreg.moving import dem_to_move
from trueground.coreg.plain import line_from, plain
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.raster import Raster
from trueground.sampling import Resampling

if TYPE_CHECKING:
    from trueground.coreg.aligned import AlignedDem

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain(FitResult, WithStatistics):
    """Corrections of a moving DEM's heights, and the motion of the corrected DEM: it is resampled once.

    Examples
    --------
    >>> from trueground.samples import small_dems
    >>> reference, moving = small_dems()
    >>> from trueground.coreg import Deramp, NuthKaab
    >>> found = (NuthKaab() + Deramp()).fit(reference, moving)
    >>> round(found.shift_x, 1), round(found.shift_y, 1)
    (6.0, -4.0)
    """

    corrections: tuple[Correction, ...]
    """In the order in which they were found; each knows the motion under which it was."""
    alignment: Alignment
    """The motion, of all rigid steps together; its figures are those of the last of them."""
    iterations: tuple[Mapping[str, float], ...] = ()
    """Those of all rigid steps."""

    kind_of_result: ClassVar[str] = "a chain of corrections and a motion"

    @property
    def crs(self) -> str | None:
        """WKT of the system in which shifts and places are counted."""
        return self.alignment.crs

    @property
    def shift_x(self) -> float:
        """Metres to add to x of the moving DEM."""
        return self.alignment.shift_x

    @property
    def shift_y(self) -> float:
        """Metres to add to y of the moving DEM."""
        return self.alignment.shift_y

    @property
    def shift_z(self) -> float:
        """Metres to add to the heights of the moving DEM, beside its corrections."""
        return self.alignment.shift_z

    def __str__(self) -> str:
        return (
            f"{self.method}: shift x {self.shift_x:+.3f}, y {self.shift_y:+.3f}, z {self.shift_z:+.3f} m; "
            f"{'; '.join(f'{c.method} {c.shape.describe()}' for c in self.corrections)}; "
            f"NMAD {self.nmad_before:.3f} -> {self.nmad_after:.3f} m on {self.samples} cells"
        )

    def with_variable(self, raster: Raster) -> Chain:
        """Return the same chain, with values of the variable of its terrain bias taken from a raster.

        Raises
        ------
        InputError
            Where no correction, or more than one, depends on a variable.
        """
        asking = [isinstance(c.shape, OfVariable) for c in self.corrections]
        if sum(asking) != 1:
            msg = f"{sum(asking)} corrections of the chain depend on a variable: one raster is for one of them"
            raise InputError(msg)
        pairs = zip(self.corrections, asking, strict=True)
        return replace(
            self, corrections=tuple(c.with_variable(raster) if asks else c for c, asks in pairs)
        )

    def apply(
        self, dem: Raster, *, grid: Grid | None = None, resampling: Resampling = "bilinear"
    ) -> AlignedDem:
        """Return the corrected and moved DEM as a raster that is computed when it is read.

        Corrections are added at the DEM's own nodes, and what comes out is resampled once, by the motion.

        Parameters
        ----------
        dem
            The moving DEM, or another raster of heights that has the same error.
        grid
            Grid of the result; the DEM's own by default.
        resampling
            `nearest`, `bilinear` or `cubic`.

        Raises
        ------
        InputError
            Where the raster has more than one band, or a variable that nobody gave is needed.
        """
        better = Corrected(source=dem_to_move(dem, grid), corrections=self.corrections)
        return self.alignment.apply(better, grid=grid, resampling=resampling)

    def transform(
        self, x: ArrayLike, y: ArrayLike, z: ArrayLike, *, crs: CRS | None = None
    ) -> tuple[Float, Float, Float]:
        """Correct and move points as the DEM is.

        Parameters
        ----------
        x, y, z
            Places and heights [m].
        crs
            What x and y count in; the chain's own CRS by default.

        Returns
        -------
        x, y, z
            In the same CRS.

        Raises
        ------
        InputError
            Where a correction depends on a variable that nobody gave.
        """
        for correction in self.corrections:
            x, y, z = correction.transform(x, y, z, crs=crs)
        return self.alignment.transform(x, y, z, crs=crs)

    def to_dict(self) -> dict[str, Any]:
        """Return the chain as plain numbers, text, lists and dictionaries; None is NaN."""
        items = {
            "method": self.method,
            "shift_x": self.shift_x,
            "shift_y": self.shift_y,
            "shift_z": self.shift_z,
            "nmad_before": self.nmad_before,
            "nmad_after": self.nmad_after,
            "samples": self.samples,
            "converged": self.converged,
            "warnings": list(self.warnings),
            "on_samples": {k: dict(v) for k, v in self.on_samples.items()},
            "iterations": [dict(i) for i in self.iterations],
            "parameters": dict(self.parameters),
            "statistics": {k: dict(v) for k, v in self.statistics.items()},
            "crs": self.crs,
            "corrections": [c.to_dict() for c in self.corrections],
            "alignment": self.alignment.to_dict(),
        }
        return dict(plain(items))

    @classmethod
    def _from_items(cls, items: Mapping[str, Any]) -> Self:
        found = cls(
            corrections=tuple(Correction.from_dict(c) for c in items["corrections"]),
            alignment=Alignment.from_dict(items["alignment"]),
            iterations=tuple(line_from(i) for i in items.get("iterations", ())),
            **cls._figures_of(items), **cls._statistics_of(items),
        )  # fmt: skip
        own = [found.shift_x, found.shift_y, found.shift_z]
        shifts = [float(items.get(f"shift_{a}", v)) for a, v in zip("xyz", own, strict=True)]
        if not np.allclose(own, shifts, atol=1e-9):
            msg = f"shift_x, shift_y, shift_z {shifts} contradict the alignment's {own}: one of them was edited"
            raise InputError(msg)
        return found


Result = Alignment | Correction | Chain | BlockwiseAlignment


def read_result(text: str) -> Result:
    """Read what `to_json` of an alignment, a correction, a chain or a blockwise alignment wrote.

    Raises
    ------
    InputError
        Where the text is none of them.

    Examples
    --------
    >>> from trueground import Alignment, read_result
    >>> read_result(Alignment.of_shift(1.0, 2.0, 3.0).to_json()).shift_z
    3.0
    """
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON ({error}): give what 'trueground align --transform' wrote"
        raise InputError(msg) from error
    if isinstance(items, dict) and items.get("kind") == "blockwise":
        return BlockwiseAlignment.from_json(text)
    if isinstance(items, dict) and "corrections" in items:
        return Chain.from_json(text)
    if isinstance(items, dict) and "correction" in items:
        return Correction.from_json(text)
    return Alignment.from_json(text)
