"""Several orthoimages as one: each pixel from the first, the last, or the one that looks down most steeply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.file_raster import FileRaster
from trueground.grid import Grid, Window
from trueground.imagery import Image, metadata_of
from trueground.metadata import Metadata
from trueground.ortho.image import Orthoimage
from trueground.projection import WGS84, count_longitudes_as, project
from trueground.raster import Raster, computed, fill_value, name_of
from trueground.rpc.located import Float
from trueground.shown import Shown

MosaicRule = Literal["first", "last", "nearest-nadir"]
_MESH = 9  # points along each side of an image at which its angle is worked out
_TERMS = 6  # of a polynomial of the second degree in two variables


@dataclass(frozen=True, kw_only=True)
class Mosaic(Shown):
    """Several orthoimages on one grid, put together pixel by pixel.

    A pixel has data in an image where one of its bands has. All its bands come from one image.

    Examples
    --------
    Two images side by side, straight from above over flat ground; `common_grids` finds the grid of both:

    >>> from affine import Affine
    >>> from trueground import ArrayRaster, Dem, Mosaic, Orthoimage, Rpc, common_grids
    >>> down, right, one = (
    ...     (*terms, *[0.0] * 16) for terms in ((0, 0, -1, 0), (0, 1, 0, 0), (1, 0, 0, 0))
    ... )
    >>> rpcs = [
    ...     Rpc(
    ...         line_off=49.5,
    ...         samp_off=49.5,
    ...         lat_off=0.0,
    ...         long_off=lon,
    ...         height_off=0.0,
    ...         line_scale=50.0,
    ...         samp_scale=50.0,
    ...         lat_scale=5e-4,
    ...         long_scale=5e-4,
    ...         height_scale=500.0,
    ...         line_num=down,
    ...         line_den=one,
    ...         samp_num=right,
    ...         samp_den=one,
    ...     )
    ...     for lon in (7.0, 7.0008)
    ... ]
    >>> pixels = Grid(crs=None, transform=Affine.identity(), shape=(100, 100))
    >>> images = [
    ...     ArrayRaster(array=np.full(pixels.shape, k, np.uint8), grid=pixels, nodata=0)
    ...     for k in (1, 2)
    ... ]
    >>> flat = Grid(crs=WGS84, transform=Affine(0.01, 0, 6.98, 0, -0.01, 0.02), shape=(4, 4))
    >>> dem = Dem.open(
    ...     ArrayRaster(array=np.zeros(flat.shape, np.float32), grid=flat), heights="ellipsoid"
    ... )
    >>> views = list(zip(images, rpcs))
    >>> grids = common_grids(views, dem, same=True)
    >>> ortho = [Orthoimage(image=i, rpc=r, dem=dem, grid=g) for (i, r), g in zip(views, grids)]
    >>> shown = Mosaic(images=tuple(ortho), rule="first").read(grids[0].window)
    >>> [int((shown == k).sum() / (shown > 0).sum() * 100.0 + 0.5) for k in (1, 2)]
    [56, 44]
    """

    images: tuple[Orthoimage, ...]
    """On one grid, with as many bands of one type and with one nodata."""
    rule: MosaicRule = "first"
    """Of the images that have data there: `first`, `last`, or `nearest-nadir`, the one of the smallest incidence."""
    _slopes: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    """(images, 2, terms): tangent of the angle of incidence, east and north, over the grid."""

    def __post_init__(self) -> None:
        if self.rule not in get_args(MosaicRule):
            msg = f"rule {self.rule!r}: must be one of {', '.join(get_args(MosaicRule))}"
            raise InputError(msg)
        object.__setattr__(self, "images", tuple(self.images))
        if not self.images:
            msg = "a mosaic of no image: give at least one"
            raise InputError(msg)
        first = self.images[0]
        for number, other in enumerate(self.images[1:], start=2):
            for what in ("grid", "count", "dtype"):
                if getattr(other, what) != getattr(first, what):
                    msg = (
                        f"image {number} of the mosaic has {what} {getattr(other, what)}, the first "
                        f"{getattr(first, what)}: they must be the same"
                    )
                    raise InputError(msg)
            if fill_value(other.dtype, other.nodata) != self._fill and first.dtype.kind != "f":
                msg = (
                    f"image {number} of the mosaic has nodata {other.nodata:g}, the first {first.nodata:g}: they "
                    "must be the same; choose one for all (--nodata, or as_image(image, nodata=...))"
                )
                raise InputError(msg)
            _check_meaning(number, other.image, first.image)
        slopes = np.zeros((len(self.images), 2, _TERMS))
        if self.rule == "nearest-nadir":
            slopes = np.stack([_slopes_of(image) for image in self.images])
        object.__setattr__(self, "_slopes", slopes)

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self.images[0].grid

    @property
    def count(self) -> int:
        """Bands of each image."""
        return self.images[0].count

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the images."""
        return self.images[0].dtype

    @property
    def nodata(self) -> float:
        """Nodata of the images."""
        return self.images[0].nodata

    @property
    def _fill(self) -> float:
        return fill_value(self.dtype, self.nodata)

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window of the mosaic."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[Any]:
        if self.rule == "nearest-nadir":
            return self._steepest(window)
        ordered = self.images if self.rule == "first" else self.images[::-1]
        out = ordered[0].read(window)
        for image in ordered[1:]:
            empty = ~self._shown(out)
            if not empty.any():
                break
            out[:, empty] = image.read(window)[:, empty]
        return out

    def _steepest(self, window: Window) -> NDArray[Any]:
        out = np.full((self.count, *window.shape), self._fill, dtype=self.dtype)
        best = np.full(window.shape, np.inf)
        rows, cols = window.pixel_centres()
        for image, slopes in zip(self.images, self._slopes, strict=True):
            values = image.read(window)
            terms = _terms(self.grid, rows, cols)
            angle = sum((_polynomial(slope, terms)) ** 2 for slope in slopes)
            better = self._shown(values) & (angle < best)
            out[:, better] = values[:, better]
            best[better] = np.broadcast_to(angle, window.shape)[better]
        return out

    def _shown(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Find the pixels that have data."""
        known = ~np.isnan(values) if values.dtype.kind == "f" else values != self._fill
        return np.asarray(known.any(axis=0))


def _check_meaning(number: int, image: Raster, first: Raster) -> None:
    """Raise where equal values of two images mean different things, as far as their files say."""
    one, other = (metadata_of(r).without_alpha() for r in (first, image))
    if not one.bands or not other.bands:
        return
    for what, old, new in _meanings(one, other):
        if old != new:
            source = image.source if isinstance(image, Image) else image
            name = f" ({name_of(source)})" if isinstance(source, FileRaster) else ""
            msg = (
                f"image {number} of the mosaic{name} has {what} {new}, the first {old}: they must be the "
                "same, as one file can say only one; bring the images to the same values first"
            )
            raise InputError(msg)


def _meanings(one: Metadata, other: Metadata) -> Iterator[tuple[str, object, object]]:
    """Yield what gives values a meaning, by its name, in one and in the other."""
    for band, (a, b) in enumerate(zip(one.bands, other.bands, strict=True), start=1):
        yield f"in band {band} scale", a.scale, b.scale
        yield f"in band {band} offset", a.offset, b.offset
        yield f"in band {band} unit", a.unit or "none", b.unit or "none"
    if one.palette is None or other.palette is None:
        old, new = ("none" if p is None else "one" for p in (one.palette, other.palette))
        yield "as palette", old, new
        return
    for value in sorted({*one.palette, *other.palette}):
        yield f"for value {value} the colour", one.palette.get(value), other.palette.get(value)


def _slopes_of(image: Orthoimage) -> Float:
    r"""Fit the tangent of the angle of incidence, east and north, over the grid.

    The direction in which an image looks changes little and smoothly over it: a polynomial of the second degree in row
    and column of the grid holds it to a few hundredths of a degree, is cheap, and knows nothing of blocks. Its two
    components are fitted rather than the angle, which has a kink straight below the sensor.
    """
    height, width = image.image.grid.shape
    at = (np.arange(_MESH) + 0.5) / _MESH
    row, col = (a.reshape(-1) for a in np.meshgrid(at * height, at * width, indexing="ij"))
    level = image.rpc.height_off
    place = image.rpc.localize(row, col, level)
    view = image.rpc.viewing(row, col, level)
    x, y = project(WGS84, image.grid.crs, place.lon, place.lat)
    rows, cols = image.grid.rowcol(count_longitudes_as(image.grid, x), y)
    tangent, azimuth = np.tan(np.radians(view.incidence)), np.radians(view.azimuth)
    terms = np.stack(_terms(image.grid, rows, cols), axis=-1)
    wanted = np.stack([tangent * np.sin(azimuth), tangent * np.cos(azimuth)], axis=-1)
    known = np.isfinite(terms).all(axis=-1) & np.isfinite(wanted).all(axis=-1)
    if known.sum() < 2 * _TERMS:
        msg = "the RPC does not say from where the image was taken: it is damaged; use the rule first or last"
        raise InputError(msg)
    found, *_ = np.linalg.lstsq(terms[known], wanted[known], rcond=None)
    return np.asarray(found.T)


def _terms(grid: Grid, row: Float, col: Float) -> tuple[Float, ...]:
    """Return the terms of a polynomial of the second degree in row and column, from -1 to 1 over the grid."""
    u, v = 2.0 * row / grid.shape[0] - 1.0, 2.0 * col / grid.shape[1] - 1.0
    one = np.ones(np.broadcast_shapes(u.shape, v.shape))
    return one, u * one, v * one, u * u * one, u * v, v * v * one


def _polynomial(slope: Float, terms: tuple[Float, ...]) -> Float:
    total: Float = slope[0] * terms[0]
    for coefficient, term in zip(slope[1:], terms[1:], strict=True):
        total = total + coefficient * term
    return total
