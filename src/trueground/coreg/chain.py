"""What a pipeline finds that moves a DEM and corrects its heights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.coreg.base import Alignment
from trueground.coreg.blocks.result import BlockwiseAlignment
from trueground.coreg.corrected import Corrected
from trueground.coreg.correction import Correction
from trueground.coreg.plain import figures_from, number_or_nan, plain
from trueground.coreg.shapes import OfVariable
from trueground.datum_shift import in_datum_of
from trueground.errors import InputError
from trueground.grid import Grid
from trueground.raster import Raster, as_float, name_of
from trueground.sampling import Resampling

if TYPE_CHECKING:
    from trueground.coreg.aligned import AlignedDem

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Corrections of a moving DEM's heights, and the motion of the corrected DEM: it is resampled once."""

    corrections: tuple[Correction, ...]
    """In the order in which they were found; each knows the motion under which it was."""
    alignment: Alignment
    """The motion, of all rigid steps together; its figures are those of the last of them."""
    method: str
    nmad_before: float
    """NMAD [m] of reference - moving on the cells used, before all."""
    nmad_after: float
    """The same after all."""
    samples: int
    """Number of cells used."""
    converged: bool = True
    iterations: tuple[Mapping[str, float], ...] = ()
    """Those of all rigid steps."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    on_samples: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Median, NMAD and RMSE [m] of reference - moving on the cells used, `before` and `after`."""
    warnings: tuple[str, ...] = ()
    """What is weakly fixed, or may be something else."""
    statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Figures of reference - moving on all usable cells, `before` and `after`, where asked for."""

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

    def with_statistics(self, **statistics: Mapping[str, float]) -> Chain:
        """Return the same chain with figures of the differences."""
        return replace(self, statistics={**self.statistics, **statistics})

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
        if dem.count != 1:
            msg = f"{name_of(dem)} has {dem.count} bands; a DEM has one"
            raise InputError(msg)
        if grid is not None:
            dem = in_datum_of(grid, dem)
        better = Corrected(source=as_float(dem), corrections=self.corrections)
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

    def to_json(self) -> str:
        """Return the chain as JSON text, to the last digit."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Chain:
        """Read a chain that `to_json` wrote.

        Raises
        ------
        InputError
            Where the text is not such JSON, or the shifts at its top are not those of its alignment.
        """
        try:
            items = json.loads(text)
            found = cls(
                corrections=tuple(Correction.from_dict(c) for c in items["corrections"]),
                alignment=Alignment.from_json(json.dumps(items["alignment"])),
                method=str(items.get("method", "unknown")),
                nmad_before=number_or_nan(items.get("nmad_before")),
                nmad_after=number_or_nan(items.get("nmad_after")),
                samples=int(items.get("samples", 0)),
                converged=bool(items.get("converged", True)),
                iterations=tuple(
                    {k: np.nan if v is None else v for k, v in i.items()}
                    for i in items.get("iterations", ())
                ),
                parameters=dict(items.get("parameters", {})),
                on_samples=figures_from(items.get("on_samples", {})),
                warnings=tuple(str(w) for w in items.get("warnings", ())),
                statistics=figures_from(items.get("statistics", {})),
            )
            shifts = [float(items.get(f"shift_{a}", getattr(found, f"shift_{a}"))) for a in "xyz"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = (
                f"not a chain of corrections and a motion ({type(error).__name__}: {error}): "
                "give JSON that 'trueground align --transform' wrote"
            )
            raise InputError(msg) from error
        own = [found.shift_x, found.shift_y, found.shift_z]
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
    """
    try:
        items = json.loads(text)
    except ValueError as error:
        msg = f"not JSON ({error}): give what 'trueground align --transform' wrote"
        raise InputError(msg) from error
    if isinstance(items, dict) and items.get("kind") == "blockwise":
        return BlockwiseAlignment.from_json(text)
    if isinstance(items, dict) and "corrections" in items:
        return Chain.from_json(text)
    if isinstance(items, dict) and "correction" in items:
        return Correction.from_json(text)
    return Alignment.from_json(text)
