"""Residual vectors: how an orthoimage lies against a reference orthoimage, patch by patch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueground.control.patches import Trial, judged, limits_of, try_place
from trueground.control.pixels import Grey, averaged, finer, pixel_size, scaled
from trueground.control.result import circular_error
from trueground.engine import Engine, Threads
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import Raster, name_of
from trueground.warp import on_grid

Float = NDArray[np.float64]

_SMALLEST = 32  # px


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidualVectors:
    """Where an orthoimage shows patches of a reference; arrays are (n,)."""

    grid: Grid
    """Of the orthoimage."""
    row: Float
    """Middle of the patch [px of the orthoimage]."""
    col: Float
    d_row: Float
    """Rows [px of the orthoimage] by which it shows the patch further down than the reference; NaN: refused."""
    d_col: Float
    """Columns [px] by which it shows it further right."""
    quality: Float
    """Coherence, from 0 to 1 (identical), see `matching.Match`; NaN where there was nothing to match."""
    chance: float
    """Quality that chance hardly reaches."""
    verdict: tuple[str, ...]
    """Empty, or why the patch was refused."""

    @property
    def used(self) -> NDArray[np.bool_]:
        """(n,): patches that were found."""
        return np.isfinite(self.d_row)

    @property
    def vectors(self) -> tuple[Float, Float]:
        """(n,) x and y, orthoimage less reference, in units of the CRS."""
        t = self.grid.transform
        return t.a * self.d_col + t.b * self.d_row, t.d * self.d_col + t.e * self.d_row

    @property
    def median(self) -> tuple[float, float]:
        """Median of the vectors' rows and columns [px]; NaN where no patch was found."""
        if not self.used.any():
            return math.nan, math.nan
        return float(np.nanmedian(self.d_row)), float(np.nanmedian(self.d_col))

    @property
    def ce90(self) -> float:
        """Length [px of the orthoimage] that 90 % of the vectors do not exceed."""
        return circular_error(self.d_row[self.used], self.d_col[self.used])


def residual_vectors(
    orthoimage: Raster,
    reference: Raster,
    *,
    patch: int = 64,
    search: int | None = None,
    number: int = 400,
    engine: Engine | None = None,
) -> ResidualVectors:
    """Measure how an orthoimage lies against a reference, patch by patch, to some hundredths of a pixel.

    Both are brought to the pixels of the coarser one, on the grid of the orthoimage. A patch is found where A on B and
    B on A agree and where the peak is higher than chance reaches with mirrored patches.

    Parameters
    ----------
    orthoimage, reference
        Rasters with a CRS, of any bands; they are read patch by patch.
    patch
        Edge of a patch [px of the coarser image], even.
    search
        How far a patch is looked for [px of the coarser image]. Default: a quarter of the patch.
    number
        Patches at most; they lie on a regular mesh.
    engine
        Where patches are matched; threads by default.

    Returns
    -------
    ResidualVectors

    Raises
    ------
    InputError
        Where one has no CRS, or the patch is larger than the orthoimage.
    """
    reach = patch // 4 if search is None else search
    if patch < _SMALLEST or patch % 2 or number < 1 or not 1 <= reach <= patch:
        msg = (
            f"patch {patch} px, search {reach} px, number {number}: a patch must be even and at least {_SMALLEST} px, "
            "the search from 1 px to a patch, the number positive"
        )
        raise InputError(msg)
    grid = orthoimage.grid
    if grid.crs is None or reference.grid.crs is None:
        name = name_of(orthoimage if grid.crs is None else reference)
        msg = f"{name} has no CRS, so its place is unknown; assign one with gdal_edit.py -a_srs"
        raise InputError(msg)
    own, other = math.sqrt(math.prod(grid.resolution)), pixel_size(reference.grid, grid.crs)
    coarser = max(round(other / own), 1) if math.isfinite(other) else 1
    of_reference = max(round(own / other), 1) if math.isfinite(other) else 1
    rows, cols = (n // coarser for n in grid.shape)
    if min(rows, cols) < patch:
        msg = f"patch of {patch} px: the orthoimage has {rows} x {cols} such pixels; take a smaller patch"
        raise InputError(msg)
    transform = scaled(grid.transform, coarser)
    common = Grid(crs=grid.crs, transform=transform, shape=(rows, cols))
    images = (
        (Grey(source=orthoimage), coarser),
        (
            on_grid(Grey(source=reference), finer(common, of_reference), resampling="cubic"),
            of_reference,
        ),
    )

    def tried(window: Window) -> Trial:
        wide = window.pad(reach + 1)
        second, first = (averaged(raster, wide, factor) for raster, factor in images)
        return try_place(first, second, [(patch, reach)], chance=True)

    windows = _mesh(rows, cols, patch, number=number)
    trials = [trial for _, trial in (engine or Threads()).map(tried, windows)]
    limits = limits_of(trials, 1)
    verdict = tuple(judged(t, limits) for t in trials)
    found = np.array(
        [[math.nan] * 2 if v else [t.d_row, t.d_col] for t, v in zip(trials, verdict, strict=True)]
    )
    return ResidualVectors(
        grid=grid,
        row=coarser * np.array([w.row + w.height / 2.0 for w in windows]),
        col=coarser * np.array([w.col + w.width / 2.0 for w in windows]),
        d_row=coarser * found[:, 0],
        d_col=coarser * found[:, 1],
        quality=np.array([t.coherence[-1] if t.coherence else math.nan for t in trials]),
        chance=limits[0],
        verdict=verdict,
    )


def _mesh(rows: int, cols: int, patch: int, *, number: int) -> list[Window]:
    """Return windows of patches on a regular mesh, not closer than a patch."""
    apart = max(float(patch), math.sqrt(rows * cols / number))
    at = []
    for n in (rows, cols):
        places = max(int(n / apart), 1)
        at.append(((np.arange(places) + 0.5) * n / places - patch / 2).astype(int).tolist())
    return [Window(i, j, patch, patch) for i in at[0] for j in at[1]]
