"""Coregistration block by block: any method on a grid of blocks, and a smooth field of shifts out of them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import KW_ONLY, dataclass, replace
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.blocks.bases import POLYNOMIALS, Kind
from trueground.coreg.blocks.block import BlockFit, BlockFitter, counts
from trueground.coreg.blocks.field import OneAfterTheOther, ShiftField, Shifts, fit_field
from trueground.coreg.blocks.heights import corrections_of, of_block
from trueground.coreg.blocks.neighbours import outliers
from trueground.coreg.blocks.patch import in_memory, patches
from trueground.coreg.blocks.result import BlockwiseAlignment
from trueground.coreg.blocks.warped import WarpedDem
from trueground.coreg.cells import metric_crs
from trueground.coreg.combine import Combined, Step
from trueground.coreg.pairs import one_band, pixel_of
from trueground.coreg.rigid.method import RigidMethod
from trueground.coreg.rigid.nuth_kaab import NuthKaab
from trueground.coreg.sampled import Sampled
from trueground.datum_shift import in_common_datum
from trueground.difference import check_overlap
from trueground.engine import Engine, Progress, Threads
from trueground.errors import FitError, InputError
from trueground.grid import Window
from trueground.raster import Raster
from trueground.warp import on_grid

Float = NDArray[np.float64]
FieldKind = Literal["auto", "constant", "plane", "quadratic", "separable", "smooth"]
_BLOCK_SAMPLES = 2_500, 8_000, 16_000  # cells of a block: of very many, of many, and at most
_KNOWN = 0.03  # px of standard error, for which no more cells are looked at; of more than
_MANY = 64  # blocks a field makes a mean, and each may be less certain
_ALL_SAMPLES = 2_000_000  # cells of very many blocks at first
_BLOCK_TOLERANCE = 0.01  # px, unless the method is laxer
_SCOUT_SAMPLES, _SCOUT_TOLERANCE = 4_000, 0.2
_BLOCK_ITERATIONS = 20
_SCOUTS = 9  # blocks that look for the common shift
_REACH = 24.0  # px from the start that a shift may lead
_SCOUT_REACH = 96.0  # px
_REACH_LATER = 8.0  # px, when a field is known
_VAGUE = 0.5  # px
_BIAS = 0.01  # px, by which the mean of a block may be off its middle, above which it is looked at again
_WORSE = 0.6  # times as many good blocks: a pass with fewer is no better than that before it
_NOISIER = 0.2  # of the variance in blocks, that shifts which differ within them may make up
_STEEP = 0.5  # rise over run of terrain on which shifts tell
_LEAST_SIDE = 16  # px


@dataclass(frozen=True)
class Blockwise:
    """Coregister where shifts differ from place to place.

    The reference is cut into blocks. A few of them look for the common shift first, from which all set out. Each block
    is read once, fitted by `method` in memory and judged: too few cells, terrain that does not fix a shift, no
    convergence, a vague shift, an outlier among its neighbours. What is left becomes a field of shifts (`ShiftField`):
    constant, plane, quadratic or smooth, as predictions of blocks left out tell. The moving DEM is resampled once.

    Examples
    --------
    >>> from trueground.coreg import Blockwise, NuthKaab
    >>> Blockwise(NuthKaab(), block_size=200).name
    'blockwise nuth-kaab'
    """

    method: Combined = dataclasses.field(default_factory=NuthKaab)
    """Any method, or a pipeline of them."""
    _: KW_ONLY
    block_size: float = 500.0
    """Side of a block, in `unit`."""
    unit: Literal["px", "m"] = "px"
    """Pixels of the reference, or metres."""
    overlap: int | Literal["auto"] = "auto"
    """Pixels of the reference beside a block that are looked at as well: a twentieth of its side."""
    min_valid: float = 0.1
    """Least share of usable cells in a block."""
    field: FieldKind = "auto"
    """What the field is made of."""
    passes: int = 2
    """Times the fit is done at most, each on what the one before leaves: shifts that differ within a block mislead what
    is found in it, and are gone the next time. Where the field is no mere polynomial, blocks are then half as wide."""

    def __post_init__(self) -> None:
        if not self.block_size > 0.0 or self.unit not in {"px", "m"}:
            msg = f"block size {self.block_size} {self.unit}: must be a number of px or m above 0"
            raise InputError(msg)
        if not 0.0 <= self.min_valid <= 1.0:
            msg = f"least share of usable cells {self.min_valid}: must be from 0 to 1"
            raise InputError(msg)
        if self.field not in get_args(FieldKind):
            msg = f"field {self.field!r}: must be one of {', '.join(get_args(FieldKind))}"
            raise InputError(msg)
        if self.overlap != "auto" and self.overlap < 0:
            msg = f"overlap {self.overlap}: must be 'auto' or a number of pixels from 0"
            raise InputError(msg)
        if self.passes < 1:
            msg = f"{self.passes} passes: must be at least 1"
            raise InputError(msg)

    @property
    def name(self) -> str:
        """The method's, block by block."""
        return f"blockwise {cast('Step', self.method).name}"

    def fit(
        self,
        reference: Raster,
        moving: Raster,
        *,
        valid: Raster | None = None,
        weights: Raster | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> BlockwiseAlignment:
        """Find the field of shifts.

        Parameters
        ----------
        reference, moving
            Heights [m] above the same surface; grids, extents and CRS may differ.
        valid
            Mask of stable terrain on any grid: cells where it is 0 are left out.
        weights
            How much each cell counts, on any grid.
        engine
            Where blocks are fitted; threads on all processors by default.
        progress
            Called with blocks done and their total.

        Raises
        ------
        FitError
            Where no block is good: the message says how many have which verdict.
        OverlapError, DatumError
            Where the DEMs share no ground, or one of them alone declares a vertical datum.
        """
        check_overlap(reference, moving)
        reference, moving = one_band(reference), one_band(moving)
        moving = in_common_datum(reference, moving, undeclared="accept")
        use = engine or Threads()
        crs = metric_crs(reference.grid)
        pixel = pixel_of(reference.grid, crs)
        side = self._side(reference, pixel)
        # What is small is read once, and not again for each pass and for what blocks share.
        reference, source = (in_memory(r, use) for r in (reference, moving))
        done: list[tuple[ShiftField, list[BlockFit]]] = []
        shifts: Shifts | None = None
        for turn in range(self.passes):
            kind = None if self.field == "auto" else self.field
            if turn:
                kind = done[-1][0].kind  # of a simpler one the errors would be understated
                side = side if kind in POLYNOMIALS else max(side // 2, _LEAST_SIDE)
            current = source
            if shifts is not None:
                current = WarpedDem(
                    source=source, shifts=shifts, crs=crs, grid=moving.grid, resampling="cubic"
                )
            number = len(_windows(reference.grid.shape, side))
            fitter = BlockFitter(
                reference=reference, moving=current, crs=crs,
                methods=_sparing(self.method, number), known=_KNOWN * math.sqrt(max(number / _MANY, 1.0)),
                pixel=pixel, valid=None if valid is None else on_grid(valid, reference.grid, resampling="nearest"),
                weights=None if weights is None else on_grid(weights, reference.grid, resampling="nearest"),
                overlap=max(side // 20, 1) if self.overlap == "auto" else self.overlap,
                reach=(_REACH_LATER if turn else _REACH) * max(pixel, pixel_of(moving.grid, crs)),
                min_valid=self.min_valid, vague=_VAGUE,
            )  # fmt: skip
            try:
                blocks, made = self._pass(
                    fitter, side, use, progress, kind=kind, look_around=not done
                )
            except FitError:
                if done:  # blocks of a half tell less than those of the whole did
                    break
                raise
            if done and _good(blocks) < _WORSE * _good(done[-1][1]):
                break
            if done and kind not in POLYNOMIALS and not _gained(blocks):
                break
            done.append((made, blocks if shifts is None else _in_all(blocks, shifts)))
            shifts = made if shifts is None else OneAfterTheOther(first=shifts, second=made)
            if not _worth_another(made, blocks, side=side * pixel, pixel=pixel):
                break
        return BlockwiseAlignment(
            fields=tuple(f for f, _ in done), crs=None if crs is None else crs.to_wkt(),
            method=self.name, blocks=tuple(done[-1][1]), first_blocks=tuple(done[0][1]),
            block_px=done[-1][1][0].window.width, parameters=self._parameters(),
        )  # fmt: skip

    def _pass(  # noqa: PLR0917 (what a pass is made of)
        self,
        fitter: BlockFitter,
        side: int,
        engine: Engine,
        progress: Progress | None,
        *,
        kind: Kind | None,
        look_around: bool,
    ) -> tuple[list[BlockFit], ShiftField]:
        """Fit all blocks and make a field of them."""
        windows = _windows(fitter.reference.grid.shape, side)
        start = None
        if look_around:
            scout = _thrifty(self.method, _SCOUT_SAMPLES, _SCOUT_TOLERANCE)
            far = replace(
                fitter, reach=fitter.reach * _SCOUT_REACH / _REACH, methods=(of_block(scout),)
            )
            start = _common(far, list(windows), engine)
        number = len(windows)
        together = patches(windows)

        def fit(patch: Window) -> list[BlockFit]:
            near = fitter.reading(patch, start)
            found, begin = [], start
            for window in together[patch]:
                found.append(near.fit(windows[window], window, begin))
                if found[-1].verdict == "ok":  # not far from what is found beside it
                    begin = found[-1].shift
            return found

        blocks: list[BlockFit] = []
        for _, found in engine.map(fit, together):
            blocks += found
            if progress is not None:
                progress(len(blocks), number)
        blocks = _without_outliers(sorted(blocks, key=lambda b: b.index))
        good = [b for b in blocks if b.verdict == "ok"]
        if not good:
            said = ", ".join(f"{n} {v}" for v, n in counts(blocks).items())
            first = next(b.reason for b in blocks)
            msg = (
                f"none of the {number} blocks is good ({said}): {first}; take larger blocks, a smaller --min-valid, or "
                "a global method"
            )
            raise FitError(msg)
        one = next(iter(windows))
        size = one.width * fitter.pixel, one.height * fitter.pixel
        made = fit_field(
            (np.array([b.x for b in good]), np.array([b.y for b in good])),
            np.array([b.shift for b in good]), np.array([b.error for b in good]), size=size, kind=kind,
        )  # fmt: skip
        return blocks, made

    def _side(self, reference: Raster, pixel: float) -> int:
        side = round(self.block_size if self.unit == "px" else self.block_size / pixel)
        if side < _LEAST_SIDE:
            msg = f"blocks of {side} px: must be at least {_LEAST_SIDE} px wide"
            raise InputError(msg)
        return min(side, max(reference.grid.shape))

    def _parameters(self) -> dict[str, Any]:
        own = {
            k: getattr(self, k)
            for k in ("block_size", "unit", "overlap", "min_valid", "field", "passes")
        }
        return {"method": repr(self.method), "corrections": corrections_of(self.method), **own}


def _windows(shape: tuple[int, int], side: int) -> dict[Window, tuple[int, int]]:
    """Return the blocks, and row and column of each: all of about one size, so that none is a mere rest."""
    edges = [
        np.linspace(0, n, max(round(n / side), 1) + 1).round().astype(int).tolist() for n in shape
    ]
    rows, cols = ([(a, b - a) for a, b in pairwise(e)] for e in edges)
    return {
        Window(top, left, height, width): (i, j)
        for i, (top, height) in enumerate(rows)
        for j, (left, width) in enumerate(cols)
    }


def _common(
    fitter: BlockFitter, windows: list[Window], engine: Engine
) -> tuple[float, float, float] | None:
    """Return the shift [m] that most of a few blocks find which look far; None where they find none."""
    every = max(len(windows) // _SCOUTS, 2)
    some = windows[every // 2 :: every]
    for asked in (some, [w for w in windows if w not in some][:_SCOUTS]):
        found = [b for _, b in engine.map(lambda w: fitter.fit((0, 0), w, None), asked)]
        good = [b.shift for b in found if b.verdict in {"ok", "vague"}]
        if good:
            break
    else:
        return None
    x, y, z = np.median(np.array(good), axis=0).tolist()
    return x, y, z


def _sparing(method: Combined, blocks: int) -> tuple[Step, ...]:
    """Return a method that takes no more pains with a block than one of so many is worth: few cells, and more."""
    least, some, most = _BLOCK_SAMPLES
    number = most if blocks <= _MANY else min(max(_ALL_SAMPLES // blocks, least), some)
    few, more = (_thrifty(method, n, _BLOCK_TOLERANCE) for n in (number, most))
    return tuple(of_block(one) for one in ((few,) if few == more else (few, more)))


def _thrifty(method: Combined, samples: int, tolerance: float) -> Combined:
    """Return a method with so many samples at most, and a tolerance [px] that is no less."""
    steps = getattr(method, "steps", None)
    if steps is not None:
        return replace(method, steps=tuple(_thrifty(s, samples, tolerance) for s in steps))  # type: ignore[type-var]
    if isinstance(method, RigidMethod):
        method = replace(
            method,
            tolerance=max(method.tolerance, tolerance),
            max_iterations=min(method.max_iterations, _BLOCK_ITERATIONS),
        )
    if isinstance(method, Sampled):
        return replace(method, samples=min(method.samples, samples))
    return method


def _in_all(blocks: list[BlockFit], before: Shifts) -> list[BlockFit]:
    """Add to what blocks of a further pass found what the passes before had moved them by."""
    out = []
    for block in blocks:
        shift = np.array(block.shift)
        if np.isfinite(shift).all():
            shift = shift + before.at(block.x - shift[0], block.y - shift[1])
        x, y, z = shift.tolist()
        out.append(replace(block, shift=(x, y, z)))
    return out


def _without_outliers(blocks: list[BlockFit]) -> list[BlockFit]:
    """Give the verdict `outlier` to blocks that nothing beside them bears out."""
    good = [k for k, b in enumerate(blocks) if b.verdict == "ok"]
    if not good:
        return blocks
    chosen = [blocks[k] for k in good]
    places = np.array([b.x for b in chosen]), np.array([b.y for b in chosen])
    off = outliers(places, np.array([b.shift for b in chosen]), np.array([b.error for b in chosen]))
    out = list(blocks)
    for k in np.flatnonzero(off).tolist():
        out[good[k]] = replace(
            chosen[k], verdict="outlier", reason="its neighbours are shifted differently"
        )
    return out


def _worth_another(field: ShiftField, blocks: list[BlockFit], *, side: float, pixel: float) -> bool:
    """Tell whether shifts within a block of a side [m] differ by so much that blocks should be looked at again.

    Where they bend, their mean is not that of the middle. Where they differ evenly by D they scatter by D / sqrt(12),
    which is noise to a block: it makes its shift less certain, but not wrong.
    """
    if field.bias_within(side) > _BIAS * pixel:
        return True
    flat, up = field.differs_within(side)
    left = float(np.median([b.nmad_after for b in blocks if b.verdict == "ok"]))
    return (up**2 + (_STEEP * flat) ** 2) / 12.0 > _NOISIER * left**2


def _good(blocks: list[BlockFit]) -> float:
    """Return the share of good blocks."""
    return sum(b.verdict == "ok" for b in blocks) / len(blocks)


def _gained(after: list[BlockFit]) -> bool:
    """Tell whether what blocks of a further pass find, in x, y or z, is more than they do not know."""
    shifts = np.array([b.shift for b in after if b.verdict == "ok"])
    errors = np.array([b.error for b in after if b.verdict == "ok"])
    if not len(shifts):
        return False
    return bool(np.median((shifts / errors) ** 2, axis=0).max() > 2.0 * math.log(2.0))
