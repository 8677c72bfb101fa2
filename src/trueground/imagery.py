"""Images as they are put on the ground: without their alpha band, no data where they say that nothing is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.file_raster import FileRaster
from trueground.grid import Grid, Window
from trueground.metadata import Metadata
from trueground.raster import Raster, computed, fill_value, name_of
from trueground.shown import Shown
from trueground.windowed import held

_LOOKED_AT = 2048  # px, edge of the pieces in which an image is looked through
_MOST_VALUES = 1 << 16  # that a palette can have


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Shown):
    """An image with one value for no data, which its valid pixels do not have.

    Made by `as_image`.
    """

    source: Raster
    bands: tuple[int, ...]
    """Those that show something, from 0: all but an alpha band."""
    nodata: float
    moves: bool
    """Whether a valid pixel of the value `nodata` becomes its neighbour, so that it stays valid; else it is no data."""

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self.source.grid

    @property
    def count(self) -> int:
        """Number of bands that show something."""
        return len(self.bands)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the source."""
        return self.source.dtype

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window; `nodata`, or NaN for real numbers, where nothing is shown."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[Any]:
        values = self.source.read(window)
        if len(self.bands) < self.source.count:
            values = values[list(self.bands)]
        masked = isinstance(self.source, FileRaster) and self.source.has_mask
        hidden = ~self.source.read_mask(window) if masked else None  # type: ignore[attr-defined]
        declared = self.source.nodata
        fill = values.dtype.type(fill_value(values.dtype, self.nodata))
        if values.dtype.kind == "f" or declared == self.nodata:
            if hidden is not None:
                values[:, hidden] = fill
            return values
        missing = np.zeros(values.shape, dtype=bool) if declared is None else values == declared
        if hidden is not None:
            missing |= hidden
        if self.moves:
            values[values == fill] = values.dtype.type(_beside(values.dtype, self.nodata))
        values[missing] = fill
        return values


def _beside(dtype: np.dtype[Any], value: float) -> float:
    return value + 1.0 if value < np.iinfo(dtype).max else value - 1.0


def as_image(raster: Raster, *, nodata: float | None = None) -> Raster:
    """Return an image ready to be resampled; itself where there is nothing to change.

    Its alpha band is left out, and no data is what that band, its mask band or its nodata value says.

    Parameters
    ----------
    raster
        The image.
    nodata
        What is to stand for no data in an image of integers. None: what the image declares. Where it declares none:
        0, and valid zeros become ones; for classes (a palette, one bit) a value that no pixel has. If given and the
        image declares none itself, its pixels of that value are no data.

    Raises
    ------
    InputError
        For complex numbers; where the type has no such nodata, or classes leave none.
    """
    dtype = raster.dtype
    if dtype.kind not in "iuf":
        msg = f"{_name(raster)} holds values of type {dtype}: must hold integers or real numbers"
        raise InputError(msg)
    if dtype.kind != "f" and nodata is not None and held(dtype, nodata) is None:
        info = np.iinfo(dtype)
        msg = f"nodata {nodata:g}: the image holds {dtype}, give a whole number from {info.min} to {info.max}"
        raise InputError(msg)
    metadata = metadata_of(raster)
    alpha = metadata.alpha
    bands = tuple(k for k in range(raster.count) if k != alpha)
    if not bands:
        msg = f"{_name(raster)} has an alpha band alone; give an image that shows something"
        raise InputError(msg)
    masked = isinstance(raster, FileRaster) and raster.has_mask
    if dtype.kind == "f":
        value: float | None = float("nan")
        same = alpha is None
    else:
        value = raster.nodata if nodata is None else nodata
        if value is None and metadata.has_classes:
            value = unused_value(raster, metadata)
        same = not masked and value == raster.nodata
        value = 0.0 if value is None and masked else value
    if same or value is None:
        return raster
    moves = nodata is None or raster.nodata is not None
    return Image(source=raster, bands=bands, nodata=value, moves=moves)


def valid_nodata(image: Raster) -> str:
    """Return what becomes of an image's valid pixels whose value is that of no data: `none`, `lost` or `moved`.

    `none`: there are no such pixels, as its own no data has that value; `lost`: they are no data; `moved`: they take
    the value beside it, and stay valid.
    """
    if image.dtype.kind == "f":
        return "none"
    if isinstance(image, Image):
        if image.source.nodata == image.nodata:
            return "none"
        return "moved" if image.moves else "lost"
    return "moved" if image.nodata is None else "none"


def metadata_of(raster: Raster) -> Metadata:
    """Return what the file of an image says beside its pixels; nothing for one in memory."""
    source = raster.source if isinstance(raster, Image) else raster
    return source.metadata if isinstance(source, FileRaster) else Metadata()


def unused_value(raster: Raster, metadata: Metadata) -> float:
    """Return the highest value of an image's type that none of its pixels has.

    Raises
    ------
    InputError
        Where all values are in use.
    """
    top = int(np.iinfo(raster.dtype).max)
    if metadata.bits is not None and top >= 1 << metadata.bits:
        return float(top)
    if raster.dtype.kind != "u" or top >= _MOST_VALUES:
        return 0.0
    used = np.zeros(top + 1, dtype=bool)
    for block in raster.grid.blocks(_LOOKED_AT):
        used[np.unique(raster.read(block.core))] = True
    free = np.flatnonzero(~used)
    if not free.size:
        msg = f"{_name(raster)} uses all {top + 1} values of {raster.dtype}; say with --nodata which may mean no data"
        raise InputError(msg)
    return float(free[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class WithAlpha(Shown):
    """A raster with one band more: opaque where another band has data, else 0."""

    source: Raster

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self.source.grid

    @property
    def count(self) -> int:
        """Bands of the source and one."""
        return self.source.count + 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the source."""
        return self.source.dtype

    @property
    def nodata(self) -> float | None:
        """NaN for real numbers; integers need none."""
        return self.source.nodata if self.dtype.kind == "f" else None

    @property
    def opaque(self) -> int:
        """255; 65535 for unsigned integers of 16 bits, as GDAL has it; the highest of signed ones of 8."""
        if self.dtype == np.uint16:
            return 65535
        return 127 if self.dtype == np.int8 else 255

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window."""
        values = self.source.read(window)
        fill = fill_value(self.dtype, self.source.nodata)
        shown = ~np.isnan(values) if self.dtype.kind == "f" else values != fill
        band = np.where(shown.any(axis=0), self.opaque, 0).astype(self.dtype)
        return np.concatenate([values, band[np.newaxis]])


def _name(raster: Raster) -> str:
    return name_of(raster) if isinstance(raster, FileRaster) else "the image"
