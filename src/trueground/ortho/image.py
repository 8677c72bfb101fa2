"""Orthoimages: an image with an RPC, put in its true place over a DEM, computed when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.dem import Dem
from trueground.errors import RpcError
from trueground.grid import Grid, Window
from trueground.imagery import as_image
from trueground.kernels.occlusion import HIDDEN
from trueground.kernels.resample import extent
from trueground.ortho.geometry import Geometry, Ground
from trueground.ortho.occlusion import Counts, HiddenMask, Occlusion, OcclusionMode, check_mode
from trueground.projection import WGS84, project
from trueground.raster import Raster, computed
from trueground.rpc.located import Float
from trueground.rpc.model import Rpc
from trueground.sampling import (
    IMAGE,
    UNSCALED,
    Held,
    ImageResampling,
    check_resampling,
    fill_of,
    image_reach,
    sample_image,
    scale_at,
)
from trueground.shown import Shown
from trueground.status import Status

_LARGEST_SOURCE = 1 << 23  # px of the image read for one piece of the output
_SPARSE = 4  # px of the image, for each of the output, that are read at once at most
_AT_ONCE = 256  # rows made in one pass, over a part of the DEM that is read at once
_FOREIGN = 20.0  # times the RPC's own half height or width, from its middle, where no pixel of its image lies
_STRIP = 64  # rows worked out at a time: what is known of their pixels stays in the second cache


@dataclass(frozen=True, kw_only=True)
class Orthoimage(Shown):
    """An image on the ground.

    For every pixel of the output: its position in longitude and latitude (map projection on a
    checked lattice), the height of the DEM there, the image position by the RPC, and the image's
    value there. DEM and RPC are evaluated at each pixel.

    Examples
    --------
    >>> from trueground.samples import small_scene
    >>> image, rpc, dem = small_scene()
    >>> from trueground import Orthoimage, Window, ortho_grid
    >>> lying = ortho_grid(image, rpc, dem, resolution=5.0)
    >>> ortho = Orthoimage(image=image, rpc=rpc, dem=dem, grid=lying)
    >>> ortho.read(Window(100, 100, 1, 2))
    array([[[1, 1]]], dtype=uint8)
    """

    image: Raster
    """Any number of bands; its mask and alpha say what is no data."""
    rpc: Rpc
    """In the image's own pixels."""
    dem: Dem
    """Heights, whose datum is known."""
    grid: Grid
    """Where the result lies, in any CRS; `ortho_grid` finds one."""
    resampling: ImageResampling = "bilinear"
    """How values are made, as in `sampling.sample_image`."""
    antialias: bool = True
    """Whether kernels are stretched where the output is coarser than the image."""
    scale: tuple[float, float] = field(default=UNSCALED, init=False, compare=False)
    """Pixels of the image, along its rows and columns, in one of the output: at the image's centre, for all of it."""
    occlusion: OcclusionMode = "fill"
    """Hidden ground: `fill` makes it no data; `mask` keeps its values, `hidden` goes with them; `ignore` keeps them."""
    geometry: Geometry = field(init=False, repr=False, compare=False)
    """The way from the grid into the image."""
    hidden: HiddenMask = field(init=False, repr=False, compare=False)
    """Raster of bytes, computed when it is read: 1 hidden, 0 visible, 255 without height or beside the image."""

    def __post_init__(self) -> None:
        check_resampling(self.resampling, IMAGE)
        object.__setattr__(self, "image", as_image(self.image))
        _check_together(self.rpc, self.image.grid.shape)
        geometry = Geometry(grid=self.grid, rpc=self.rpc, dem=self.dem)
        object.__setattr__(self, "geometry", geometry)
        check_mode(self.occlusion)
        occlusion = Occlusion(geometry=geometry, shape=self.image.grid.shape)
        object.__setattr__(self, "hidden", HiddenMask(occlusion=occlusion))
        object.__setattr__(self, "scale", self._scale())

    def _scale(self) -> tuple[float, float]:
        """Return the scale at the image's centre: not the grid's, so that all cuts of a grid have the same."""
        rows, cols = self.image.grid.shape
        height = self.rpc.height_off
        centre = self.rpc.localize(rows / 2.0, cols / 2.0, height)
        lon, lat = (
            (float(centre.lon), float(centre.lat))
            if centre.status == Status.OK
            else (self.rpc.long_off, self.rpc.lat_off)
        )
        x, y = project(WGS84, self.grid.crs, lon, lat)

        def pixels(x: Float, y: Float) -> tuple[Float, Float]:
            there = project(self.grid.crs, WGS84, x, y)
            return self.rpc.project(*there, np.full(x.shape, height))

        return scale_at(pixels, self.grid.transform, (float(x), float(y)))

    @property
    def count(self) -> int:
        """Bands of the image."""
        return self.image.count

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the image."""
        return self.image.dtype

    @property
    def nodata(self) -> float:
        """The image's nodata; 0 where an image of integers has none, NaN for real numbers.

        Where an image of integers has none, its own zeros become ones, so that they stay valid.
        """
        return fill_of(self.image)

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window of the orthoimage."""
        return computed(self, window, self._compute)

    def hidden_share(self) -> float | None:
        """Return the share of hidden pixels, of all computed so far that have a height and lie in the image.

        It is counted where `fill` reads the orthoimage, and wherever `hidden` is read; None where neither was.
        """
        return self.hidden.occlusion.share()

    def _compute(self, window: Window) -> NDArray[Any]:
        out = np.empty((self.count, *window.shape), dtype=self.dtype)
        ground = self.geometry.over(window)
        source = self._source(ground, window)
        fill, occlusion = self.occlusion == "fill", self.hidden.occlusion
        done, counts = 0, Counts(0, 0)
        if (
            isinstance(source, Held)
            and self._is_plain
            and not (fill and occlusion.may_hide(window))
        ):
            done, shown = self._in_one_pass(ground, window, source, out=out)
            counts = Counts(0, shown)
        for first in range(done, window.height, _STRIP):
            height = min(_STRIP, window.height - first)
            strip = Window(window.row + first, window.col, height, window.width)
            at = ground.at(strip)
            values = self._resample(source, at.row, at.col)
            if fill:
                mask = occlusion.mask(strip, at)
                values[:, mask == HIDDEN] = self.nodata
                counts = counts.plus(Counts.of(mask))
            out[:, first : first + height] = values
        if fill:
            occlusion.count(window, counts)
        return out

    def _in_one_pass(
        self, ground: Ground, window: Window, source: Held, *, out: NDArray[Any]
    ) -> tuple[int, int]:
        """Fill the rows of a window, from the first on, without keeping positions.

        Returns how many could be filled, and how many of their pixels the image shows.
        """
        shown = 0
        for first in range(0, window.height, _AT_ONCE):
            height = min(_AT_ONCE, window.height - first)
            part = Window(window.row + first, window.col, height, window.width)
            done, number = ground.orthorectify(part, source, fill=self.nodata, begin=first, out=out)
            shown += number
            if done < height:
                return first + done, shown
        return window.height, shown

    @property
    def _is_plain(self) -> bool:
        """Whether values are interpolated bilinearly between four pixels, with kernels that are not stretched."""
        reach = image_reach(self.resampling, scale=self.scale, antialias=self.antialias)
        unscaled = image_reach("bilinear", scale=UNSCALED, antialias=False)
        known = self.dtype.kind in "iuf"
        return known and self.resampling == "bilinear" and reach == unscaled

    def _source(self, ground: Ground, window: Window) -> Raster:
        """Return the image, with what the window sees of it read at once, where that is not much more than it needs."""
        seen = ground.image_window(window, shape=self.image.grid.shape)
        if seen is None or seen.size == 0 or seen.size > _SPARSE * window.size + _STRIP**2:
            return self.image
        reach = image_reach(self.resampling, scale=self.scale, antialias=self.antialias)
        seen = seen.pad(reach).intersect(self.image.grid.window)
        return Held.of(self.image, seen)

    def _resample(
        self, source: Raster, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> NDArray[Any]:
        """Resample, in pieces where the part of the image that is needed, and not read yet, would be large."""
        if not isinstance(source, Held) and row.size > 1:
            rows, cols = self.image.grid.shape
            top, bottom, left, right, number = extent(row.reshape(-1), col.reshape(-1), rows, cols)
            span = (bottom - top) * (right - left) * self.image.count
            if number and span > _LARGEST_SOURCE:
                axis = 0 if row.shape[0] >= row.shape[1] else 1
                parts = zip(
                    np.array_split(row, 2, axis=axis),
                    np.array_split(col, 2, axis=axis),
                    strict=True,
                )
                return np.concatenate(
                    [self._resample(source, r, c) for r, c in parts], axis=axis + 1
                )
        return sample_image(
            source,
            row,
            col,
            fill=self.nodata,
            resampling=self.resampling,
            scale=self.scale,
            antialias=self.antialias,
        )


def _check_together(rpc: Rpc, shape: tuple[int, int]) -> None:
    """Raise where an image reaches so far beyond what an RPC was made for that it must be another image's.

    Raises
    ------
    RpcError
        With the sizes of both.
    """
    middles, halves = (rpc.line_off, rpc.samp_off), (abs(rpc.line_scale), abs(rpc.samp_scale))
    far = [
        max(abs(middle), abs(size - middle)) / half
        for size, middle, half in zip(shape, middles, halves, strict=True)
    ]
    if max(far) > _FOREIGN:
        rows, cols = (
            f"{round(m - h)} to {round(m + h)}" for m, h in zip(middles, halves, strict=True)
        )
        msg = (
            f"an image of {shape[0]} x {shape[1]} pixels with an RPC for rows {rows} and columns {cols}: they do not "
            "belong together; give the RPC of this image (trueground rpc --crop makes that of a crop)"
        )
        raise RpcError(msg)
