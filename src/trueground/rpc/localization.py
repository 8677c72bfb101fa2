"""The ground points of all pixels of an image, as a raster that is computed when it is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray

from trueground.dem import Dem
from trueground.engine import Engine, Threads
from trueground.errors import InputError
from trueground.findings import Findings
from trueground.grid import Grid, Window
from trueground.raster import computed
from trueground.rpc.classic import Solver
from trueground.rpc.filled import OnNodata
from trueground.rpc.localize import check_choices, localize_on
from trueground.rpc.located import HALF_PIXEL, Located
from trueground.rpc.model import Rpc
from trueground.status import Status
from trueground.surface import ComputedCodes, ComputedSurface

BANDS = ("longitude", "latitude", "height")

# Points are located together, and their last digits depend on who is together: a piece of the image is always the
# same one, whatever window of it is asked for.
_TILE = 512  # px
_OFF_IMAGE = 255


def locate(  # noqa: PLR0917 (model, ground, row, col: the order of localize_on)
    rpc: Rpc,
    ground: Dem | float,
    row: ArrayLike,
    col: ArrayLike,
    *,
    solver: Solver = "certified",
    on_nodata: OnNodata = "fail",
) -> Located:
    """Return what image positions show on a DEM or at one height; where the RPC says nothing, `OUTSIDE_IMAGE`.

    Parameters
    ----------
    rpc
        Model of the image.
    ground
        The elevation model, or one height above the WGS 84 ellipsoid [m].
    row, col
        Pixels from the outer corner of the image's first pixel, any shape, broadcast.
    solver, on_nodata
        See `localize_on`; for a DEM only.

    Returns
    -------
    Located
        Longitude, latitude, height and a status for each point; NaN where it is not `OK`.

    Raises
    ------
    InputError
        Where solver and `on_nodata` do not go with the ground or with each other.
    """
    check(ground, solver=solver, on_nodata=on_nodata)
    if isinstance(ground, Dem):
        found = localize_on(rpc, ground, row, col, solver=solver, on_nodata=on_nodata)
    else:
        found = rpc.localize(row, col, np.float64(ground))
    far = (found.status == Status.OK) & ~rpc.in_domain(found.lon, found.lat, found.height)
    if far.any():
        for values in found[:3]:
            values[far] = np.nan
        found.status[far] = Status.OUTSIDE_IMAGE
    return found


def check(ground: Dem | float, *, solver: Solver, on_nodata: OnNodata) -> None:
    """Raise where a solver, and what is done at holes, do not go with the ground or with each other."""
    check_choices(solver, on_nodata)
    if isinstance(ground, Dem):
        return
    if not math.isfinite(ground):
        msg = f"height {ground}: must be a finite number of metres above the ellipsoid"
        raise InputError(msg)
    if not (isinstance(solver, str) and solver == "certified") or on_nodata != "fail":
        msg = "at one height there is nothing to choose: solver and on_nodata are for a DEM"
        raise InputError(msg)


@dataclass(frozen=True, kw_only=True)
class Localization(ComputedSurface):
    """Longitude, latitude [degrees] and height [m above the ellipsoid] of every pixel of an image.

    Three bands of float64 on the image's own grid, each value at the centre of its pixel; NaN where the point failed,
    and `status` says why. The values depend neither on the windows that are read nor on threads.

    Examples
    --------
    >>> from trueground.samples import small_dem, small_rpc
    >>> rpc, dem = small_rpc(), small_dem()
    >>> from trueground import Localization, Window
    >>> pixels = Grid(crs=None, transform=Affine.identity(), shape=(1000, 1000))
    >>> whole = Localization(rpc=rpc, ground=dem, image_grid=pixels)
    >>> whole.read(Window(499, 499, 1, 1)).ravel().round(3)
    array([  9.9,  46.4, 900. ])
    """

    rpc: Rpc
    """In the image's own pixels (`rpc_for_image`)."""
    ground: Dem | float
    """The elevation model, or one height above the WGS 84 ellipsoid [m]."""
    image_grid: Grid
    """Grid of the image (`open_raster(path).grid`)."""
    step: int = 1
    """Every how many rows and columns a pixel is located."""
    solver: Solver = "certified"
    """See `localize_on`."""
    on_nodata: OnNodata = "fail"
    """See `localize_on`."""
    _counts: Findings[tuple[int, int], NDArray[np.int64]] = field(
        default_factory=Findings, init=False, repr=False, compare=False
    )
    """How many points of each tile located so far have each status."""

    def __post_init__(self) -> None:
        if self.step < 1:
            msg = f"step {self.step}: every so many rows and columns, from 1"
            raise InputError(msg)
        check(self.ground, solver=self.solver, on_nodata=self.on_nodata)

    @property
    def grid(self) -> Grid:
        """Grid of the image; with a step, larger pixels about the centres of those that are located."""
        if self.step == 1:
            return self.image_grid
        rows, cols = (-(-n // self.step) for n in self.image_grid.shape)
        aside = HALF_PIXEL * (1 - self.step)  # the first centre stays, its pixel grows to all sides
        x, y = self.image_grid.xy(aside, aside)
        t, step = self.image_grid.transform, self.step
        grown = Affine(t.a * step, t.b * step, float(x), t.d * step, t.e * step, float(y))
        return replace(self.image_grid, transform=grown, shape=(rows, cols))

    @property
    def count(self) -> int:
        """Three bands; `BANDS` has their names."""
        return len(BANDS)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float64: float32 holds a longitude to 1 m only."""
        return np.dtype(np.float64)

    @property
    def status(self) -> LocalizationStatus:
        """The `Status` of every pixel, as a raster; cheap after the localization itself was read."""
        return LocalizationStatus(source=self)

    def read(self, window: Window) -> NDArray[np.float64]:
        """Return a window of longitudes, latitudes and heights."""
        return computed(self, window, self._compute)

    def counts(self, *, engine: Engine | None = None) -> dict[Status, int]:
        """Return how many pixels have each status, of those that occur; what was not read yet is computed."""
        missing = [tile for at, tile in self.tiles(self.grid.window) if at not in self._counts]
        for _ in (engine or Threads()).map(lambda tile: self.located(tile).status.size, missing):
            pass
        total = np.sum([self._counts[at] for at, _ in self.tiles(self.grid.window)], axis=0)
        return {Status(i): int(n) for i, n in enumerate(total) if n}

    def tiles(self, window: Window) -> Iterator[tuple[tuple[int, int], Window]]:
        """Yield place and window of the tiles that a window touches, in which pixels are located together."""
        for i in range(window.row // _TILE, -(-(window.row + window.height) // _TILE)):
            for j in range(window.col // _TILE, -(-(window.col + window.width) // _TILE)):
                tile = Window(i * _TILE, j * _TILE, _TILE, _TILE)
                yield (i, j), tile.intersect(self.grid.window)

    def located(self, tile: Window) -> Located:
        """Return the ground points of a whole tile."""
        rows, cols = tile.pixel_centres()
        found = locate(
            self.rpc,
            self.ground,
            (rows - HALF_PIXEL) * self.step + HALF_PIXEL,
            (cols - HALF_PIXEL) * self.step + HALF_PIXEL,
            solver=self.solver,
            on_nodata=self.on_nodata,
        )
        tally = np.bincount(found.status.reshape(-1), minlength=len(Status))
        self._counts[tile.row // _TILE, tile.col // _TILE] = tally
        return found

    def only_status(self, place: tuple[int, int]) -> Status | None:
        """Return the status that all points of a tile have; None where they differ, or it was not read yet."""
        tally = self._counts.get(place)
        if tally is None or np.count_nonzero(tally) != 1:
            return None
        return Status(int(tally.argmax()))

    def _compute(self, window: Window) -> NDArray[np.float64]:
        out = np.empty((self.count, *window.shape))
        for _, tile in self.tiles(window):
            found = self.located(tile)
            cut = tile.intersect(window)
            for band, values in zip(out, found[:3], strict=True):
                band[cut.slices_in(window)] = values[cut.slices_in(tile)]
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalizationStatus(ComputedCodes):
    """The `Status` of every pixel of a `Localization`; 255 beyond the image."""

    source: Localization

    @property
    def grid(self) -> Grid:
        """Grid of the localization."""
        return self.source.grid

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Return a window of statuses; tiles of which only one is known already are not located again."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.uint8]:
        out = np.empty((1, *window.shape), dtype=np.uint8)
        for place, tile in self.source.tiles(window):
            cut = tile.intersect(window)
            known = self.source.only_status(place)
            out[0][cut.slices_in(window)] = (
                self.source.located(tile).status[cut.slices_in(tile)] if known is None else known
            )
        return out
