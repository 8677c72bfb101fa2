"""Cells of rasters chosen by chance: a bounded number of them, the same for any blocks and threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueground.engine import Engine, Progress, Threads, reduce_blocks
from trueground.errors import InputError
from trueground.grid import Window
from trueground.kernels import choice
from trueground.raster import Raster, as_float
from trueground.vectors import usable

_BLOCK = 1024  # px


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subsample:
    """Some cells of a grid and the values of rasters there."""

    row: NDArray[np.int64]
    col: NDArray[np.int64]
    values: NDArray[np.float32]
    """(rasters, cells)."""
    rank: NDArray[np.float64]
    """Number of chance in [0, 1) by which each was chosen; cells stand in its order."""


def subsample(
    rasters: Sequence[Raster],
    samples: int,
    *,
    valid: Raster | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    progress: Progress | None = None,
    block_size: int = _BLOCK,
) -> Subsample:
    """Choose at most `samples` of the cells in which all rasters have data, in one pass.

    Each cell has a number of chance that depends on its row, its column and the seed alone; those
    with the lowest are chosen, so that neither blocks nor threads change the choice.

    Parameters
    ----------
    rasters
        Rasters on one grid; of each the first band.
    samples
        Most cells that are kept.
    valid
        Mask on the same grid; cells where it is 0 or has no data are left out.
    seed
        Another one gives another choice.
    engine, progress, block_size
        Where blocks of which size [px] are read, and what is told of them.

    Raises
    ------
    InputError
        Where the rasters do not lie on one grid, or no sample is asked for.
    """
    check_samples(samples)
    sources = [as_float(r) for r in rasters]
    require_one_grid([*sources, *([] if valid is None else [valid])])
    bound = [1.0]  # no cell above it can be chosen any more; it only falls

    def choose(window: Window) -> Subsample:
        values = np.stack([r.read(window)[0] for r in sources])
        chance = np.empty(window.shape)
        choice.uniform(window.row, window.col, seed, chance)
        keep = np.isfinite(values).all(axis=0) & (chance <= bound[0])
        if valid is not None:
            keep &= usable(valid, window)
        row, col = np.nonzero(keep)
        found = Subsample(
            row=row + window.row,
            col=col + window.col,
            values=values[:, row, col].astype(np.float32),
            rank=chance[row, col],
        )
        return _lowest(found, samples)

    def combine(one: Subsample, two: Subsample) -> Subsample:
        both = Subsample(
            row=np.concatenate([one.row, two.row]),
            col=np.concatenate([one.col, two.col]),
            values=np.concatenate([one.values, two.values], axis=1),
            rank=np.concatenate([one.rank, two.rank]),
        )
        kept = _lowest(both, samples)
        if kept.rank.size == samples:
            bound[0] = float(kept.rank.max())
        return kept

    windows = [b.core for b in sources[0].grid.blocks(block_size)]
    total = reduce_blocks(engine or Threads(), choose, combine, windows, progress=progress)
    if total is None:  # a grid has at least one block
        msg = "a grid without cells: rows and columns must be at least 1"
        raise InputError(msg)
    return _taken(total, np.lexsort((total.col, total.row, total.rank)))


def check_samples(samples: int) -> None:
    """Raise where no sample is asked for."""
    if samples < 1:
        msg = f"{samples} samples: must be at least 1"
        raise InputError(msg)


def require_one_grid(rasters: Sequence[Raster]) -> None:
    """Raise where rasters do not lie on the grid of the first."""
    for raster in rasters[1:]:
        if raster.grid != rasters[0].grid:
            msg = f"one raster lies on {rasters[0].grid}, another on {raster.grid}: bring it there with warp.on_grid"
            raise InputError(msg)


def _lowest(found: Subsample, samples: int) -> Subsample:
    if found.rank.size <= samples:
        return found
    return _taken(found, np.argpartition(found.rank, samples - 1)[:samples])


def _taken(found: Subsample, index: NDArray[np.intp]) -> Subsample:
    return Subsample(
        row=found.row[index],
        col=found.col[index],
        values=found.values[:, index],
        rank=found.rank[index],
    )
