"""Alignment in height alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from trueground.coreg.base import Alignment, translation
from trueground.coreg.pairs import Pair, require_samples
from trueground.engine import Engine, Progress
from trueground.raster import Raster
from trueground.stats import nmad


@dataclass(frozen=True, slots=True, kw_only=True)
class VerticalShift:
    """Shift the moving DEM by the median of reference - moving.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from trueground.grid import Grid
    >>> from trueground.raster import ArrayRaster
    >>> grid = Grid(crs=None, transform=Affine(10, 0, 0, 0, -10, 0), shape=(50, 50))
    >>> high = ArrayRaster(array=np.full((50, 50), 102.5, dtype=np.float32), grid=grid)
    >>> low = ArrayRaster(array=np.full((50, 50), 100.0, dtype=np.float32), grid=grid)
    >>> VerticalShift().fit(high, low).shift_z
    2.5
    """

    samples: int = 2_000_000
    """Cells of the reference to look at, at most."""
    seed: int = 0
    """Chooses the cells, where there are more."""

    def fit(
        self,
        reference: Raster,
        moving: Raster,
        *,
        valid: Raster | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> Alignment:
        """Find the shift.

        Parameters
        ----------
        reference, moving
            Heights [m] above the same surface; grids and CRS may differ.
        valid
            Mask of stable terrain on any grid: cells where it is 0 are left out.
        engine
            Where blocks are read; threads on all processors by default.
        progress
            Called with steps done and their total.
        """
        pair = Pair.of(
            reference,
            moving,
            valid=valid,
            engine=engine,
            samples=self.samples,
            seed=self.seed,
            with_slopes=False,
        )
        dh = pair.dh(0.0, 0.0)
        require_samples(dh, 1)
        dh = dh[np.isfinite(dh)]
        spread = nmad(dh)
        if progress is not None:
            progress(1, 1)
        crs = pair.reference.grid.crs
        return Alignment(
            matrix=translation((0.0, 0.0, float(np.median(dh)))),
            centroid=pair.centroid,
            crs=None if crs is None else crs.to_wkt(),
            method="vertical-shift",
            nmad_before=spread,
            nmad_after=spread,
            samples=int(dh.size),
            parameters=asdict(self),
        )
