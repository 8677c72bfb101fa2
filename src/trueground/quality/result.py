"""What is known about the quality of an orthoimage: numbers that are kept as JSON, and maps of some hundred pixels."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Bounds, Grid

Float = NDArray[np.float64]

_CE90 = 0.9  # share of the points that a circular error of 90 % holds


class Sight(IntEnum):
    """What is known about a place of the ground."""

    VISIBLE = 0
    HIDDEN = 1
    """The line of sight meets other ground before."""
    NO_HEIGHT = 2
    """The image reaches there, by the RPC at its middle height, but the DEM has no height."""
    BESIDE = 3
    """The image does not reach there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFacts:
    """What a raster's grid is, in words and numbers that can be kept."""

    crs: str
    """Code or WKT; empty without one."""
    shape: tuple[int, int]
    """Rows and columns."""
    resolution: tuple[float, float]
    """Width and height of a pixel [units of the CRS]."""
    bounds: Bounds
    """West, south, east, north [units of the CRS]."""

    @classmethod
    def of(cls, grid: Grid) -> GridFacts:
        """Take them from a grid."""
        code = None if grid.crs is None else grid.crs.to_authority()
        text = "" if grid.crs is None else ":".join(code) if code else grid.crs.to_wkt()
        return cls(crs=text, shape=grid.shape, resolution=grid.resolution, bounds=grid.bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Mean, lowest and highest of some values; NaN of none."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Float) -> Spread:
        """Take them from the values that are known."""
        known = values[np.isfinite(values)]
        if not known.size:
            return cls(mean=math.nan, low=math.nan, high=math.nan)
        return cls(mean=float(known.mean()), low=float(known.min()), high=float(known.max()))


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainAxis:
    """One coordinate of what an RPC was made for."""

    name: str
    """Longitude, latitude, height, rows or columns."""
    low: float
    """[unit]"""
    high: float
    """[unit]"""
    unit: str
    beyond: float
    """How far the orthoimage reaches beyond it, at most [unit]; 0 inside."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residuals:
    """How far an orthoimage is off at some places; arrays are (n,)."""

    against: str
    """What the truth is: the name of the ground control or of the reference."""
    label: tuple[str, ...]
    x: Float
    """True place [units of the orthoimage's CRS]."""
    y: Float
    east: Float
    """How much further east the orthoimage shows it [m]; NaN where it does not."""
    north: Float
    """[m]"""
    d_row: Float
    """Ground control: row measured less row by the RPC [px]; NaN against a reference."""
    d_col: Float
    """[px]"""
    d_height: Float
    """Ground control: height of the DEM less that of the point [m]; NaN against a reference."""
    weight: Float
    """Against a reference: quality of the match from 0 to 1; NaN for ground control."""
    refused: tuple[tuple[str, int], ...] = ()
    """Reasons for which patches were refused, and how many."""

    @property
    def distance(self) -> Float:
        """(n,): length on the ground [m]."""
        return np.asarray(np.hypot(self.east, self.north))

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,): the places that the orthoimage shows."""
        return np.asarray(np.isfinite(self.distance))

    @property
    def ce90(self) -> float:
        """Distance on the ground that 90 % of the places do not exceed [m]; NaN of none."""
        return _circular(self.distance)

    @property
    def ce90_px(self) -> float:
        """The same in the image [px]; NaN against a reference."""
        return _circular(np.hypot(self.d_row, self.d_col))

    @property
    def rms(self) -> float:
        """Root of the mean square of the distances on the ground [m]; NaN of none."""
        known = self.distance[self.known]
        return float(np.sqrt((known**2).mean())) if known.size else math.nan

    @property
    def median(self) -> tuple[float, float]:
        """Medians of east and north [m]: what all places have in common."""
        if not self.known.any():
            return math.nan, math.nan
        return float(np.median(self.east[self.known])), float(np.median(self.north[self.known]))

    def table(self) -> dict[str, Float]:
        """Return all places by column; those of which nothing is known are left out."""
        columns = ("x", "y", "east", "north", "d_row", "d_col", "d_height", "weight")
        arrays = {name: getattr(self, name) for name in columns}
        return {name: values for name, values in arrays.items() if np.isfinite(values).any()}

    def to_csv(self) -> str:
        """Return all places as CSV; what is not known is empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        table = self.table()
        writer.writerow(["label", *table])
        for label, *values in zip(self.label, *(v.tolist() for v in table.values()), strict=True):
            writer.writerow([label, *(repr(v) if math.isfinite(v) else "" for v in values)])
        return out.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """Return numbers and vectors as JSON has them."""
        east, north = self.median
        return {
            "against": self.against,
            "count": int(self.known.sum()),
            "ce90_m": self.ce90,
            "ce90_px": self.ce90_px,
            "rms_m": self.rms,
            "median_east_m": east,
            "median_north_m": north,
            "refused": dict(self.refused),
            "label": list(self.label),
            **{name: values.tolist() for name, values in self.table().items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QualityMaps:
    """What is known at the pixels of a coarse grid; arrays are (rows, cols)."""

    grid: Grid
    """North up, in the CRS of the orthoimage."""
    sight: NDArray[np.uint8]
    """`Sight` of each pixel's centre."""
    incidence: NDArray[np.float32]
    """[degrees] from the vertical; NaN where there is no height and beside the image."""
    beyond: NDArray[np.float32]
    """How far outside of the RPC's domain [scales]; NaN as for the incidence."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrthoQuality:
    """What is known about an orthoimage, from a sample of its pixels."""

    output: GridFacts
    dem: GridFacts
    image_shape: tuple[int, int]
    """Rows and columns of the image."""
    datum: str
    """What the heights of the DEM are above."""
    rpc_origin: str
    """Where the RPC was read from."""
    resampling: str
    occlusion: str
    """What was done with hidden ground."""
    step: int
    """Pixels of the output from one of the sample to the next."""
    incidence: Spread
    """Angle between the line of sight and the vertical, on the ground [degrees]."""
    azimuth: float
    """From the ground to the sensor, clockwise from north, mean [degrees]."""
    bearing: float
    """The same, clockwise from up in the output [degrees]: maps are not north up everywhere."""
    hidden: float
    """Share of the ground with heights that the image reaches but could not see; NaN where there is none."""
    hidden_is_whole: bool
    """Whether every pixel of the output was counted, not the sample alone."""
    coverage: float
    """Share with heights of the ground within the output that the image reaches; NaN where it reaches none."""
    image_coverage: float
    """Share of the image whose lines of sight meet the DEM, within the output or not."""
    outside: float
    """Share outside of the RPC's domain, of what has heights; NaN where nothing has."""
    domain: tuple[DomainAxis, ...]
    vectors: tuple[Residuals, ...] = ()
    """Against ground control, against a reference."""
    maps: QualityMaps
    """Not kept as JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, without the maps, as JSON has them."""
        own: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "maps":
                continue
            if f.name == "vectors":
                own[f.name] = [v.to_dict() for v in value]
            elif f.name == "domain":
                own[f.name] = [asdict(axis) for axis in value]
            else:
                own[f.name] = asdict(value) if isinstance(value, GridFacts | Spread) else value
        found = _without_nan(own)
        return dict(found)

    def to_json(self) -> str:
        """Return the numbers as JSON; what is not known is null."""
        return json.dumps(self.to_dict(), indent=1) + "\n"


def _circular(distance: Float) -> float:
    known = distance[np.isfinite(distance)]
    return float(np.quantile(known, _CE90)) if known.size else math.nan


def _without_nan(value: Any) -> Any:
    """Return a value with None for what JSON has no number for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value
