"""The quality of an orthoimage, as it was kept as JSON: the numbers, without the maps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import InputError
from trueground.grid import Grid
from trueground.quality import OrthoQuality, Residuals
from trueground.quality.result import DomainAxis, GridFacts, QualityMaps, Sight, Spread

_NUMBERS = ("azimuth", "bearing", "hidden", "coverage", "image_coverage", "outside")
_WORDS = ("datum", "rpc_origin", "resampling", "occlusion", "step", "hidden_is_whole")
_PLACES = ("x", "y", "east", "north", "d_row", "d_col", "d_height", "weight")


def quality_of(items: Mapping[str, Any]) -> OrthoQuality:
    """Return what `OrthoQuality.to_dict` wrote; its maps, which are not kept, are empty.

    Raises
    ------
    InputError
        Where something is missing or is not what it should be.
    """
    try:
        output, dem = (_facts(items[name]) for name in ("output", "dem"))
        rows, cols = items["image_shape"]
        return OrthoQuality(
            output=output,
            dem=dem,
            image_shape=(int(rows), int(cols)),
            incidence=Spread(**{k: _number(v) for k, v in items["incidence"].items()}),
            domain=tuple(DomainAxis(**axis) for axis in items["domain"]),
            vectors=tuple(_residuals(v) for v in items["vectors"]),
            maps=_no_maps(output),
            **_own(items),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"the numbers of an orthoimage are not whole ({error!r}): give what 'trueground ortho --report' wrote"
        raise InputError(msg) from error


def _own(items: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: _number(items[name]) for name in _NUMBERS}
    return numbers | {name: items[name] for name in _WORDS}


def _facts(items: Mapping[str, Any]) -> GridFacts:
    own: dict[str, Any] = {k: v if isinstance(v, str) else tuple(v) for k, v in items.items()}
    return GridFacts(**own)


def _no_maps(output: GridFacts) -> QualityMaps:
    crs = CRS.from_user_input(output.crs) if output.crs else None
    west, south, east, north = output.bounds
    grid = Grid.covering(output.bounds, max(east - west, north - south), crs=crs)
    unknown: NDArray[np.float32] = np.full(grid.shape, np.nan, dtype=np.float32)
    sight = np.full(grid.shape, Sight.BESIDE, dtype=np.uint8)
    return QualityMaps(grid=grid, sight=sight, incidence=unknown, beyond=unknown)


def _residuals(items: Mapping[str, Any]) -> Residuals:
    label = tuple(map(str, items["label"]))
    unknown = [None] * len(label)
    columns = {n: np.array([_number(v) for v in items.get(n, unknown)]) for n in _PLACES}
    if any(values.shape != (len(label),) for values in columns.values()):
        msg = f"columns of the residuals against {items['against']} differ in length"
        raise ValueError(msg)
    refused = tuple((str(k), int(n)) for k, n in items["refused"].items())
    return Residuals(against=str(items["against"]), label=label, refused=refused, **columns)


def _number(value: object) -> float:
    """Return a number; what JSON has none for is NaN."""
    return math.nan if value is None else float(value)  # type: ignore[arg-type]
