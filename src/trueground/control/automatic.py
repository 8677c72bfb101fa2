"""Ground control without a hand: patches of a reference orthoimage, found in an image, refine its RPC."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trueground.control.credible import WORST, change, check_known, check_steady, refine_held
from trueground.control.patches import (
    NO_DATA,
    NO_TEXTURE,
    OUTVOTED,
    USED,
    Trial,
    judged,
    limits_of,
    nothing,
    try_place,
)
from trueground.control.result import AutomaticControl, Patches
from trueground.control.scene import Scene
from trueground.control.texture import Places, choose_places
from trueground.dem import Dem
from trueground.engine import Engine, Progress, Threads
from trueground.errors import FitError, InputError
from trueground.grid import Window
from trueground.raster import Raster
from trueground.rpc.correction import Model, fewest
from trueground.rpc.gcps import Gcps
from trueground.rpc.model import Rpc
from trueground.rpc.refine import Refinement

Float = NDArray[np.float64]

PATCH_SIZES = (256, 128, 64)
_SMALLEST = 32  # px
_NEAR = 8  # px, that a patch is looked for where the RPC is right to a pixel or two
_LEAST_TEXTURE = 1e-3  # of the brightness per pixel: that of the noise of a flat surface
_FEWEST = 6  # matches that agree
_FEW = 0.25  # share of the patches asked for, below which smaller ones are taken
_AGREEING = 0.5  # share of the matches that must agree
_SCATTER = (6.0, 2.0)  # px of the grid, of matches that agree: by the RPC given, and refined
_SETTLED = 0.02  # px of the image, change of the refined RPC that ends the rounds
_ROUNDS = (3, 8)  # fewest and most
_ACCURACY = (3.0, WORST)  # px of the grid, of more than a shift anywhere in the image: as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How patches are matched.

    Examples
    --------
    >>> from trueground import Matching
    >>> Matching(patches=200, search=32).sizes
    (256, 128, 64)
    """

    patches: int = 100
    """About how many are tried, spread over the common ground."""
    sizes: tuple[int, ...] = PATCH_SIZES
    """Edges [px of the coarser of both images], largest first."""
    search: int = 64
    """How far from where the RPC says a patch is looked for at first [px of the coarser of both images]."""

    def __post_init__(self) -> None:
        if self.patches < _FEWEST:
            msg = f"{self.patches} patches: must be at least {_FEWEST}, which have to agree"
            raise InputError(msg)
        sizes = self.sizes
        falling = all(a > b for a, b in pairwise(sizes))
        if not sizes or not falling or any(s < _SMALLEST or s % 2 for s in sizes):
            msg = f"patch sizes {sizes}: must be even, at least {_SMALLEST} px, the largest first"
            raise InputError(msg)
        if not 1 <= self.search <= sizes[0]:
            msg = f"search of {self.search} px: must be from 1 to the largest patch, {sizes[0]} px"
            raise InputError(msg)


def automatic_control(
    image: Raster,
    rpc: Rpc,
    reference: Raster,
    *,
    dem: Dem,
    model: Model | None = None,
    matching: Matching | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> AutomaticControl:
    """Refine an RPC so that the image's orthoimage lies on a reference orthoimage.

    The image is orthorectified around patches of the reference that have texture. Ground `Q` of the reference that the
    orthoimage shows at `Q + d` makes a ground control point: `Q` with the DEM's height, seen where the RPC puts
    `Q + d` with the height there. The points go to `rpc.refine`, and all is done again by the refined RPC until it
    changes by less than 0.02 px over the image. A drift or an affine correction is made only where the matches spread
    over half of the image's rows and columns at least.

    Parameters
    ----------
    image
        The image.
    rpc
        Its RPC, in its own pixels.
    reference
        Orthoimage of the same ground, in any CRS and of about any resolution: both are brought to the coarser one's.
    dem
        Heights of that ground.
    model
        Of the correction, see `rpc.refine`.
    matching
        Number and sizes of patches.
    engine
        Where patches are matched; threads by default.
    progress
        Called with patches done and their total, round by round.

    Returns
    -------
    AutomaticControl

    Raises
    ------
    FitError
        Where the image does not match the reference: too little texture, peaks that are not above chance, or matches
        that do not agree, or do not tell the correction to a pixel all over the image. Nothing is bent then.
    OverlapError
        Where both share no ground.

    Examples
    --------
    An image straight from above over flat ground, whose RPC is wrong by three rows:

    >>> from affine import Affine
    >>> from scipy.ndimage import gaussian_filter
    >>> from trueground import ArrayRaster, Dem, Grid, Matching, Rpc, automatic_control
    >>> from trueground.projection import WGS84
    >>> values = 1.0 + gaussian_filter(np.random.default_rng(0).normal(size=(400, 400)), 2.0)
    >>> pixels = Grid(crs=None, transform=Affine.identity(), shape=values.shape)
    >>> ground = Grid(
    ...     crs=WGS84, transform=Affine(1e-5, 0, 7.0, 0, -1e-5, 0.004), shape=values.shape
    ... )
    >>> flat = Grid(crs=WGS84, transform=Affine(0.01, 0, 6.98, 0, -0.01, 0.02), shape=(4, 4))
    >>> dem = Dem.open(
    ...     ArrayRaster(array=np.zeros(flat.shape, np.float32), grid=flat), heights="ellipsoid"
    ... )
    >>> down, right, one = (
    ...     (*terms, *[0.0] * 16) for terms in ((0, 0, -1, 0), (0, 1, 0, 0), (1, 0, 0, 0))
    ... )
    >>> rpc = Rpc(
    ...     line_off=202.5,
    ...     samp_off=199.5,
    ...     lat_off=0.002,
    ...     long_off=7.002,
    ...     height_off=0.0,
    ...     line_scale=200.0,
    ...     samp_scale=200.0,
    ...     lat_scale=2e-3,
    ...     long_scale=2e-3,
    ...     height_scale=500.0,
    ...     line_num=down,
    ...     line_den=one,
    ...     samp_num=right,
    ...     samp_den=one,
    ... )
    >>> found = automatic_control(
    ...     ArrayRaster(array=values, grid=pixels),
    ...     rpc,
    ...     ArrayRaster(array=values, grid=ground),
    ...     dem=dem,
    ...     model="shift",
    ...     matching=Matching(patches=16, sizes=(64, 32), search=16),
    ... )
    >>> [
    ...     round(float(v), 2) for v in found.rpc.project(7.002, 0.002, 0.0)
    ... ]  # the middle of the image
    [200.0, 200.0]
    """
    how = matching or Matching()
    use = engine or Threads()
    scene = Scene(image=image, rpc=rpc, dem=dem, reference=reference)
    sizes = tuple(s for s in how.sizes if s <= min(scene.core.shape)) or how.sizes[-1:]
    sizes, places = _places(scene, sizes, number=how.patches, engine=use)
    _check_texture(places)
    shape, limit = image.grid.shape, WORST * max(scene.pixel, 1.0)
    current, changes = rpc, list[float]()
    last: Refinement | None = None
    limits: dict[tuple[int, int], float] = {}
    for round_ in range(_ROUNDS[1]):
        steps = _steps(round_, sizes, how.search)
        new = any(step not in limits for step in steps)
        step_done = None if progress is None else _shifted(progress, round_, places.row.size)
        trials = _tried(scene, places, current, (steps, new), engine=use, progress=step_done)
        if new:
            limits |= dict(zip(steps, limits_of(trials, len(steps)), strict=True))
        chance = [limits[step] for step in steps]
        verdicts = [judged(t, chance) for t in trials]
        _check_number(verdicts, chance[0], model)
        patches = _placed(scene, places, trials, verdicts, rpc=current)
        strict = min(round_, 1)
        held = _ACCURACY[strict] * max(scene.pixel, 1.0)
        found = _agreed(
            rpc, patches, model, scatter=_SCATTER[strict] * scene.pixel, shape=shape, accuracy=held
        )
        changes.append(change(last, found, shape))
        check_steady(changes, limit=limit)
        last, current = found, found.rpc
        if round_ + 1 >= _ROUNDS[0] and changes[-1] < _SETTLED:
            break
    check_known(found, changes, shape=shape, limit=limit)
    return AutomaticControl(
        refinement=found,
        patches=_with_residuals(patches, found, current),
        sizes=sizes,
        search=how.search,
        chance=tuple(limits[step] for step in _steps(1, sizes, how.search)),
        changes=tuple(changes),
        pixel=scene.pixel,
    )


def _places(
    scene: Scene, sizes: tuple[int, ...], *, number: int, engine: Engine
) -> tuple[tuple[int, ...], Places]:
    """Choose places; without the largest patches where the ground that both show is too narrow for them."""
    places = choose_places(scene, number=number, sizes=sizes, engine=engine)
    while len(sizes) > 1 and places.row.size < max(_FEWEST, _FEW * number):
        smaller = choose_places(scene, number=number, sizes=sizes[1:], engine=engine)
        if smaller.row.size <= places.row.size:
            break
        sizes, places = sizes[1:], smaller
    return sizes, places


def _steps(round_: int, sizes: tuple[int, ...], search: int) -> list[tuple[int, int]]:
    """Return sizes and ranges of a round: the largest alone, all of them, then all but the largest."""
    if round_ == 0:
        return [(sizes[0], search)]
    return [(s, 2 * _NEAR if k == 0 else _NEAR) for k, s in enumerate(sizes)]


def _shifted(progress: Progress, round_: int, number: int) -> Progress:
    return lambda done, _total: progress(round_ * number + done, _ROUNDS[0] * number)


def _tried(  # noqa: PLR0917
    scene: Scene,
    places: Places,
    rpc: Rpc,
    how: tuple[list[tuple[int, int]], bool],
    *,
    engine: Engine,
    progress: Progress | None,
) -> list[Trial]:
    """Match at all places, by an RPC."""
    steps, chance = how
    ortho = scene.ortho(rpc)
    half = max(size // 2 + margin for size, margin in steps) + _NEAR
    textured = dict(zip(_windows(places, half), places.texture, strict=True))

    def tried(window: Window) -> Trial:
        if not textured[window] >= _LEAST_TEXTURE:
            return nothing(NO_TEXTURE)
        reference, image = scene.reference_at(window), scene.image_at(ortho, window)
        return try_place(reference, image, steps, chance=chance)

    out = []
    for done, (_, trial) in enumerate(engine.map(tried, textured), start=1):
        out.append(trial)
        if progress is not None:
            progress(done, len(textured))
    return out


def _windows(places: Places, half: int) -> list[Window]:
    at = zip(places.row.tolist(), places.col.tolist(), strict=True)
    return [Window(row - half, col - half, 2 * half, 2 * half) for row, col in at]


def _check_texture(places: Places) -> None:
    good = int((places.texture >= _LEAST_TEXTURE).sum())
    if good >= _FEWEST:
        return
    flat, empty = places.texture.size - good, places.cells - places.texture.size
    msg = (
        f"{good} of {places.cells} patches of the reference have texture ({flat} are flat, under {empty} it, the image "
        f"or the DEM has no data): {_FEWEST} at least must have some; give a reference with more than water, snow or "
        "cloud of more of the image's ground, or measure ground control points by hand"
    )
    raise FitError(msg)


def _check_number(verdicts: Sequence[str], limit: float, model: Model | None) -> None:
    """Raise where too few patches match for anything to be believed."""
    good = sum(not v for v in verdicts)
    needed = max(_FEWEST, 2 * fewest(model or "shift"))
    if good >= needed:
        return
    why = "; ".join(f"{n} {reason}" for reason, n in Counter(filter(None, verdicts)).most_common())
    msg = (
        f"the image does not match the reference: {good} of {len(verdicts)} patches are found ({why}; chance reaches a "
        f"coherence of {limit:.2f}), {needed} at least must be; check that both show the same place without clouds "
        "and in a like season, and that the RPC is off by less than the search range"
    )
    raise FitError(msg)


def _placed(  # noqa: PLR0917
    scene: Scene, places: Places, trials: Sequence[Trial], verdicts: Sequence[str], *, rpc: Rpc
) -> Patches:
    """Return where the patches of the reference are on the ground, and where the image shows them."""
    d_row, d_col = (np.array(d) for d in zip(*((t.d_row, t.d_col) for t in trials), strict=True))
    at = places.row.astype(np.float64), places.col.astype(np.float64)
    lon, lat, height = scene.ground(*at)
    good = np.array([not v for v in verdicts])
    moved = np.where(good, d_row, 0.0), np.where(good, d_col, 0.0)
    row, col = rpc.project(*scene.ground(at[0] + moved[0], at[1] + moved[1]))
    lost = good & ~(np.isfinite(row) & np.isfinite(height))
    words = [NO_DATA if gone else v or USED for v, gone in zip(verdicts, lost, strict=True)]
    nothing_yet = np.full((2, d_row.size), np.nan)
    return Patches(
        lon=lon,
        lat=lat,
        height=height,
        row=row,
        col=col,
        d_row=np.where(good, d_row, np.nan),
        d_col=np.where(good, d_col, np.nan),
        coherence=np.array([t.coherence[-1] if t.coherence else np.nan for t in trials]),
        correlation=np.array([t.correlation if t.coherence else np.nan for t in trials]),
        ratio=np.array([t.ratio if t.coherence else np.nan for t in trials]),
        texture=places.texture,
        before=nothing_yet,
        after=nothing_yet,
        verdict=tuple(words),
    )


def _agreed(
    rpc: Rpc,
    patches: Patches,
    model: Model | None,
    *,
    scatter: float,
    shape: tuple[int, int],
    accuracy: float,
) -> Refinement:
    """Refine by the matches, which must agree."""
    used = np.flatnonzero(patches.used)
    if used.size < _FEWEST:
        msg = f"the DEM has heights under {used.size} of the matches: {_FEWEST} at least are needed; give a larger DEM"
        raise FitError(msg)
    found = refine_held(
        rpc,
        Gcps(
            row=patches.row[used],
            col=patches.col[used],
            lon=patches.lon[used],
            lat=patches.lat[used],
            height=patches.height[used],
            label=tuple(str(i + 1) for i in used),
        ),
        model,
        shape=shape,
        limit=accuracy,
    )
    agreeing = int((~found.blunders).sum())
    needed = max(_FEWEST, math.ceil(_AGREEING * used.size))
    if agreeing < needed or not found.sigma <= scatter:
        msg = (
            f"the matches find no consensus: {agreeing} of {used.size} agree with one correction ({found.model}), and "
            f"scatter by {found.sigma:.1f} px about it; at least {needed} must, "
            f"and by less than {scatter:.1f} px; check that the reference shows this place and the DEM fits it"
        )
        raise FitError(msg)
    return found


def _with_residuals(patches: Patches, found: Refinement, rpc: Rpc) -> Patches:
    """Add the errors of all matches before and after, and who was outvoted."""
    used = np.flatnonzero(patches.used)
    before, after = patches.before.copy(), patches.after.copy()
    before[:, used], after[:, used] = found.raw, found.residuals
    words = list(patches.verdict)
    for i in used[found.blunders]:
        words[i] = OUTVOTED
    row, col = rpc.project(patches.lon, patches.lat, patches.height)
    matched = np.isfinite(after[0])
    return replace(
        patches,
        row=np.where(matched, patches.row, row),
        col=np.where(matched, patches.col, col),
        before=before,
        after=after,
        verdict=tuple(words),
    )
