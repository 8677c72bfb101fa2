"""The result of a blockwise coregistration: a field of shifts, the blocks that it is made of, and what it does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.coreg.blocks.block import BlockFit, counts
from trueground.coreg.blocks.field import OneAfterTheOther, ShiftField, Shifts
from trueground.coreg.blocks.field_raster import FieldRaster
from trueground.coreg.blocks.warped import WarpedDem
from trueground.coreg.fit_result import JsonResult, WithStatistics, wkt_of
from trueground.coreg.moving import dem_to_move
from trueground.coreg.plain import number_or_nan, number_or_none, plain
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.projection import project
from trueground.raster import Raster
from trueground.sampling import Resampling

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

Float = NDArray[np.float64]
NMAD_OF = "median over the good blocks, before any pass and after the last"
_ROUNDS = 30
_SETTLED = 1e-6  # m
_TOO_PLAIN = 3.0  # times their standard errors that blocks lie off the field, on average


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockwiseAlignment(JsonResult, WithStatistics):
    """Shifts that differ from place to place.

    Examples
    --------
    >>> from trueground.samples import small_dems
    >>> reference, moving = small_dems()
    >>> from trueground.coreg import Blockwise, NuthKaab
    >>> found = Blockwise(NuthKaab(), block_size=60, passes=1).fit(reference, moving)
    >>> found.verdicts
    {'ok': 4}
    >>> found.tiles.shift_x.shape
    (2, 2)
    """

    fields: tuple[ShiftField, ...]
    """One of each pass; each was found on what those before it had moved."""
    crs: str | None
    """WKT of the working CRS, in which places and shifts are counted [m]."""
    method: str
    """Name of the method of the blocks."""
    blocks: tuple[BlockFit, ...]
    """Of the last pass, row by row; their shifts are those of all passes together."""
    first_blocks: tuple[BlockFit, ...] = ()
    """Of the first."""
    block_px: int = 0
    """Side of a block [px of the reference]."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the fit was asked for, by name."""

    kind_of_result: ClassVar[str] = "a blockwise alignment"

    @property
    def shifts(self) -> Shifts:
        """The field of all passes together."""
        return reduce(lambda one, two: OneAfterTheOther(first=one, second=two), self.fields)  # type: ignore[arg-type, return-value]

    @property
    def converged(self) -> bool:
        """A field is always found; what did not converge is among the verdicts."""
        return True

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say where most blocks are not good, or lie off the field, and what of their corrections does not enter it."""
        said = []
        good = sum(b.verdict == "ok" for b in self.blocks)
        if 2 * good < len(self.blocks):
            told = ", ".join(f"{n} {v}" for v, n in self.verdicts.items())
            said.append(f"only {good} of {len(self.blocks)} blocks are good ({told})")
        last = self.fields[-1]
        if max(last.scales) > _TOO_PLAIN:
            said.append(
                f"blocks lie {max(last.scales):.1f} times their standard errors off the field ({last.kind}): shifts "
                f"vary more than so few blocks tell; take smaller blocks, of {self.block_px // 2} px or so, or align "
                "the parts of a mosaic one by one"
            )
        corrections = self.parameters.get("corrections", ())
        if corrections:
            said.append(
                f"of each block, the shift at its middle alone enters the field, with what {' and '.join(corrections)} "
                "adds there: how that differs within a block does not"
            )
        return tuple(said)

    @property
    def verdicts(self) -> dict[str, int]:
        """How many blocks have which verdict."""
        return counts(list(self.blocks))

    @property
    def extrapolated(self) -> float:
        """Share of the reference that lies beyond the good blocks, where the field goes on flatly."""
        west, south, east, north = self.fields[-1].bounds
        inside = [west <= b.x <= east and south <= b.y <= north for b in self.blocks]
        sizes = [b.window.size for b in self.blocks]
        return float(1.0 - np.average(inside, weights=sizes))

    @property
    def samples(self) -> int:
        """Cells that the good blocks looked at, together; blocks that overlap share some."""
        return sum(b.samples for b in self.blocks if b.verdict == "ok")

    @property
    def nmad_before(self) -> float:
        """Median over the good blocks of the first pass of their NMAD [m] of reference - moving, before any pass."""
        return self._median("nmad_before", self.first_blocks or self.blocks)

    @property
    def nmad_after(self) -> float:
        """The same over those of the last pass, after each block's own shift."""
        return self._median("nmad_after", self.blocks)

    @staticmethod
    def _median(name: str, blocks: tuple[BlockFit, ...]) -> float:
        values = [getattr(b, name) for b in blocks if b.verdict == "ok"]
        return float(np.median(values)) if values else float("nan")

    def __str__(self) -> str:
        verdicts = ", ".join(f"{n} {v}" for v, n in self.verdicts.items())
        return (
            f"{self.method}: {' then '.join(f.kind for f in self.fields)} field of {len(self.blocks)} blocks "
            f"({verdicts}); median NMAD of the blocks {self.nmad_before:.3f} -> {self.nmad_after:.3f} m"
        )

    def apply(
        self, dem: Raster, *, grid: Grid | None = None, resampling: Resampling = "bilinear"
    ) -> WarpedDem:
        """Return the moved DEM as a raster that is computed when it is read.

        Parameters
        ----------
        dem
            The moving DEM, or another raster of heights that has the same error.
        grid
            Grid of the result; the DEM's own by default. It is resampled once.
        resampling
            `nearest`, `bilinear` or `cubic`.
        """
        crs = None if self.crs is None else CRS.from_wkt(self.crs)
        return WarpedDem(
            source=dem_to_move(dem, grid), shifts=self.shifts, crs=crs, grid=grid or dem.grid,
            resampling=resampling,
        )  # fmt: skip

    def transform(
        self, x: ArrayLike, y: ArrayLike, z: ArrayLike, *, crs: CRS | None = None
    ) -> tuple[Float, Float, Float]:
        """Move points as the DEM is moved: to the place whose shift leads there.

        Parameters
        ----------
        x, y, z
            Places and heights [m].
        crs
            What x and y count in; the working CRS by default.
        """
        x, y, z = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x, y, z)))
        own = None if self.crs is None else CRS.from_wkt(self.crs)
        if crs is not None and own is not None:
            x, y = project(crs, own, x, y)
        to_x, to_y = x, y
        shift = self.shifts.at(to_x, to_y)
        for _ in range(_ROUNDS):
            before = shift
            to_x, to_y = x + shift[0], y + shift[1]
            shift = self.shifts.at(to_x, to_y)
            if np.nanmax(np.abs(shift - before), initial=0.0) < _SETTLED:
                break
        if crs is not None and own is not None:
            to_x, to_y = project(own, crs, to_x, to_y)
        return to_x, to_y, z + shift[2]

    def field_raster(self, grid: Grid) -> FieldRaster:
        """Return the field on a grid: six bands, shifts in x, y and z and their standard errors [m]."""
        crs = None if self.crs is None else CRS.from_wkt(self.crs)
        return FieldRaster(shifts=self.shifts, crs=crs, grid=grid)

    @property
    def tiles(self) -> xr.Dataset:
        """The blocks as a table of rows and columns: shifts, errors, samples, NMADs, verdicts."""
        import xarray as xr

        rows, cols = (max(b.index[k] for b in self.blocks) + 1 for k in (0, 1))

        def laid(value: Any, dtype: Any = np.float64) -> tuple[tuple[str, str], NDArray[Any]]:
            out = np.empty((rows, cols), dtype=dtype)
            for block in self.blocks:
                out[block.index] = value(block)
            return ("row", "col"), out

        columns: dict[str, Any] = {}
        for k, axis in enumerate("xyz"):
            columns[f"shift_{axis}"] = laid(lambda b, k=k: b.shift[k])
            columns[f"error_{axis}"] = laid(lambda b, k=k: b.error[k])
            columns[f"rotation_{axis}"] = laid(lambda b, k=k: b.rotation[k])
        for name in ("x", "y", "share", "nmad_before", "nmad_after"):
            columns[name] = laid(lambda b, name=name: getattr(b, name))
        for name in ("samples", "iterations"):
            columns[name] = laid(lambda b, name=name: getattr(b, name), np.int64)
        for name in ("verdict", "reason"):
            columns[name] = laid(lambda b, name=name: getattr(b, name), object)
        field_x, field_y, field_z = self.shifts.at(columns["x"][1], columns["y"][1])
        for axis, values in zip("xyz", (field_x, field_y, field_z), strict=True):
            columns[f"field_{axis}"] = ("row", "col"), values
        return xr.Dataset(
            columns, attrs={"method": self.method, "block_px": self.block_px, "crs": self.crs or ""}
        )

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Return the blocks as points with all that the table holds."""
        import geopandas as gpd

        table = self.tiles.to_dataframe().reset_index()
        places = gpd.points_from_xy(table["x"], table["y"])
        return gpd.GeoDataFrame(table, geometry=places, crs=self.crs)

    def as_xdem_meta(self) -> dict[str, dict[str, float]]:
        """Return shifts by `row_col`, as xDEM's `BlockwiseCoreg` keeps them; NaN for blocks that are not good."""
        nan = float("nan")
        return {
            f"{b.index[0]}_{b.index[1]}": dict(
                zip(
                    ("shift_x", "shift_y", "shift_z"),
                    b.shift if b.verdict == "ok" else (nan,) * 3,
                    strict=True,
                )
            )
            for b in self.blocks
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain numbers, text, lists and dictionaries; None is NaN."""
        return {
            "kind": "blockwise",
            "method": self.method,
            "crs": self.crs,
            "fields": [f.to_dict() for f in self.fields],
            "block_px": self.block_px,
            "nmad_of": NMAD_OF,
            "nmad_before": number_or_none(self.nmad_before),
            "nmad_after": number_or_none(self.nmad_after),
            "samples": self.samples,
            "verdicts": self.verdicts,
            "extrapolated": self.extrapolated,
            "parameters": plain(self.parameters),
            "statistics": plain(self.statistics),
            "blocks": [plain(asdict(b)) for b in self.blocks],
            "first_blocks": [plain(asdict(b)) for b in self.first_blocks],
        }

    def to_json(self) -> str:
        """Return JSON text, to the last digit, all in one line: of many blocks there are many numbers."""
        return json.dumps(self.to_dict()) + "\n"

    @classmethod
    def _from_items(cls, items: Mapping[str, Any]) -> Self:
        if not (items["fields"] and items["blocks"]):
            msg = "a blockwise alignment without fields or blocks"
            raise InputError(msg)
        return cls(
            fields=tuple(ShiftField.from_dict(f) for f in items["fields"]),
            crs=wkt_of(items), method=str(items["method"]), block_px=int(items["block_px"]),
            blocks=tuple(_block(b) for b in items["blocks"]),
            first_blocks=tuple(_block(b) for b in items["first_blocks"]),
            parameters=dict(items.get("parameters", {})), **cls._statistics_of(items),
        )  # fmt: skip


def _block(items: Mapping[str, Any]) -> BlockFit:
    known: dict[str, Any] = {**items}
    for name in ("shift", "error", "rotation"):
        known[name] = tuple(number_or_nan(v) for v in items[name])
    for name in ("x", "y", "share", "nmad_before", "nmad_after"):
        known[name] = number_or_nan(items[name])
    return BlockFit(
        **{**known, "index": tuple(items["index"]), "window": Window(**items["window"])}
    )
