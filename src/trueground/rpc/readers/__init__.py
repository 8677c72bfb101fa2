"""Read RPCs: what GDAL attaches to an image, and files that hold an RPC alone, told by content, not by name."""

from __future__ import annotations

import codecs
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

from trueground.errors import InputError, RpcError
from trueground.file_raster import FileRaster, is_local
from trueground.raster import Raster, open_raster
from trueground.rpc.direct import direct_difference
from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers import dimap, gdal, geom, own_json, text, worldview
from trueground.rpc.readers.xml_tree import parsed

_HEAD = 1 << 12  # bytes from which text is told from images
_LARGEST_XML = 1 << 24  # bytes; Maxar's XML holds the orbit as well and has some 1 MB
_LARGEST_TEXT = 1 << 21  # bytes; other RPC files have some 10 kB
_DISAGREEMENT = 1.0  # px between the direct and the inverse model that are worth a warning
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KINDS = "DIMAP XML, Maxar XML, .RPB, _RPC.TXT, .geom, JSON of trueground"
_NO_RPC = (
    "{} has no RPC; give the file that holds it with --rpc ("
    + _KINDS
    + ", or an image with RPC tags)"
)

_PRODUCT = re.compile(rb"<((PHR_)?Dimap_Document|isd)", re.IGNORECASE)

_Parser = Callable[[str, PixelOrigin | None], Rpc]
_XML: tuple[tuple[Callable[[str], bool], _Parser], ...] = (
    (dimap.looks_like, lambda t, o: dimap.parse(t, origin=o)),
    (worldview.looks_like, lambda t, o: worldview.parse(t, origin=o)),
)
_TEXT: tuple[tuple[Callable[[str], bool], _Parser], ...] = (
    (own_json.looks_like, lambda t, o: own_json.parse(t, origin=o)),
    (geom.looks_like, lambda t, o: geom.parse(t, origin=o)),
    (text.is_rpb, lambda t, o: text.parse_rpb(t, origin=o)),
    (text.is_key_value, lambda t, o: text.parse_key_value(t, origin=o)),
)


def read_rpc(path: str | os.PathLike[str], *, origin: PixelOrigin | None = None) -> Rpc:
    """Read the RPC of an image, or of a file that holds an RPC alone.

    Parameters
    ----------
    path
        An image with RPC metadata that GDAL reads (GeoTIFF tag, NITF, VRT, _RPC.TXT or .RPB beside
        it, ...); or a local file with an RPC: DIMAP XML (Pleiades, SPOT 6/7, Pleiades Neo), XML or
        .RPB of Maxar, _RPC.TXT (IKONOS, GeoEye, Planet), .geom of OTB, JSON of trueground.
    origin
        What the file calls the centre of its first pixel, 0 or 1. Default: what its product does,
        which is 1 for DIMAP before Pleiades Neo and 0 for all others.

    Returns
    -------
    Rpc
        Counted from the centre of the first pixel of the scene that the RPC describes.

    Raises
    ------
    RpcError
        Where there is none, or it is malformed.
    InputError
        Where there is no such file.

    Warns
    -----
    UserWarning
        Where the direct and the inverse model of a DIMAP file are more than 1 px apart.

    Examples
    --------
    >>> import tempfile
    >>> from trueground.samples import small_rpc
    >>> rpc = small_rpc()
    >>> from trueground import read_rpc, write_rpc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     back = read_rpc(write_rpc(rpc, f"{folder}/scene.RPB"))
    >>> abs(back.line_off - rpc.line_off) < 1e-9
    True
    """
    name = os.fspath(path)
    _check(origin)
    if is_local(name):
        parse = _text_format(name)
        if parse is not None:
            return _named(name, lambda: parse(origin))
        _check_product(name)
    try:
        rpc = rpc_of_image(name, origin=origin)
    except (InputError, UnicodeDecodeError) as error:  # what GDAL says of garbage may be no UTF-8
        msg = (
            f"{name} is neither an image that GDAL reads nor an RPC file that trueground knows: "
            f"{_KINDS}, of at most {_LARGEST_XML >> 20} MB"
        )
        raise RpcError(msg) from error
    if rpc is None:
        raise RpcError(_NO_RPC.format(name))
    return rpc


def is_rpc_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether a local file holds an RPC as text, whole or damaged, rather than an image."""
    name = os.fspath(path)
    return is_local(name) and Path(name).is_file() and _text_format(name) is not None


def rpc_of_image(path: str, *, origin: PixelOrigin | None = None) -> Rpc | None:
    """Return the RPC that GDAL attaches to an image, in the image's own pixels; None where there is none."""
    _check(origin)
    try:
        return gdal.read(path, origin=origin)
    except RpcError as error:
        msg = f"{path}: {error}"
        raise RpcError(msg) from error


def rpc_for_image(
    image: Raster,
    rpc_path: str | os.PathLike[str] | None = None,
    *,
    origin: PixelOrigin | None = None,
) -> Rpc:
    """Return the RPC in the image file's own pixels, with the offset of a crop taken off.

    Parameters
    ----------
    image
        The image.
    rpc_path
        File with the RPC of the full scene. None: the RPC that the image carries, which counts its
        own pixels, or else that of a `.geom` file of the same name beside it, which counts those of
        the scene.
    origin
        What the file with the RPC calls the centre of its first pixel; see `read_rpc`.

    Raises
    ------
    RpcError
        Where there is no RPC, or it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from trueground.samples import small_scene
    >>> image, rpc, dem = small_scene()
    >>> from trueground import open_raster, rpc_for_image, write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write(image, f"{folder}/scene.tif", rpc_tags=rpc.to_tags())
    ...     found = rpc_for_image(open_raster(path))
    >>> round(found.lat_off, 6)
    46.4
    """
    if rpc_path is not None:
        return read_rpc(rpc_path, origin=origin).cropped(*crop_offset(image))
    if not isinstance(image, FileRaster):
        msg = "an image in memory carries no RPC: give the file that holds it"
        raise RpcError(msg)
    found = rpc_of_file(image, origin=origin)
    if found is None:
        raise RpcError(_NO_RPC.format(image.path))
    return found


def rpc_of_file(image: FileRaster, *, origin: PixelOrigin | None = None) -> Rpc | None:
    """Return the RPC that an image file carries, or that of the `.geom` file beside it; None where there is none."""
    own = rpc_of_image(image.path, origin=origin)
    if own is not None or not is_local(image.path):
        return own
    beside = Path(image.path).with_suffix(".geom")
    if not beside.is_file():
        return None
    return read_rpc(beside, origin=origin).cropped(*crop_offset(image))


def rpc_of(
    path: str,
    rpc_path: str | os.PathLike[str] | None = None,
    *,
    origin: PixelOrigin | None = None,
) -> Rpc:
    """Return the RPC of an image in its own pixels, or that of a file which holds an RPC alone."""
    if rpc_path is None and is_rpc_file(path):
        return read_rpc(path, origin=origin)
    return rpc_for_image(open_raster(path), rpc_path, origin=origin)


def crop_offset(image: Raster) -> tuple[float, float]:
    """Return the row and column of the scene at which an image was cut out, by its geotransform; (0, 0) otherwise."""
    t = image.grid.transform
    if image.grid.crs is not None or t.b != 0.0 or t.d != 0.0 or abs(t.a) != 1.0 or abs(t.e) != 1.0:
        return 0.0, 0.0
    return t.f / t.e, t.c / t.a


def _check(origin: object) -> None:
    if origin not in (None, 0, 1):
        msg = f"origin {origin!r}: a file calls the centre of its first pixel 0 or 1; give one of them"
        raise InputError(msg)


def _named(name: str, parse: Callable[[], Rpc]) -> Rpc:
    """Run a parser; what it stumbles over becomes an error with the file's name."""
    try:
        rpc = parse()
    except RpcError as error:
        msg = f"{name}: {error}"
        raise RpcError(msg) from error
    if rpc.direct is not None and not (apart := direct_difference(rpc)) <= _DISAGREEMENT:
        warnings.warn(
            f"{name}: its direct and inverse models are up to {apart:.3g} px apart within their domain; "
            "the inverse one is used, is the file damaged?",
            stacklevel=3,
        )
    return rpc


def _text_format(name: str) -> Callable[[PixelOrigin | None], Rpc] | None:
    """Return the parser of a text file that holds an RPC, by its content; None for anything else."""
    content = _text_of(name)
    if content is None:
        return None
    formats = _XML if content.lstrip().startswith("<") else _TEXT
    known = next((parse for looks_like, parse in formats if looks_like(content)), None)
    return None if known is None else lambda origin: known(content, origin)


def _check_product(name: str) -> None:
    """Raise where a product's XML without an RPC is malformed: what GDAL says of it need not even be UTF-8."""
    if not Path(name).is_file():
        return
    with Path(name).open("rb") as file:
        head = file.read(_HEAD)
    if _PRODUCT.search(head) is None:
        return
    content = _text_of(name)
    if content is None:
        msg = (
            f"{name}: the XML holds binary data, or is larger than any RPC file; the RPC is damaged"
        )
        raise RpcError(msg)
    try:
        parsed(content)
    except RpcError as error:
        msg = f"{name}: {error}"
        raise RpcError(msg) from error


def _text_of(name: str) -> str | None:
    """Return the text of a file; None where it is binary, a folder, or larger than any RPC file."""
    path = Path(name)
    if not path.exists():
        msg = f"{name} does not exist; check the path"
        raise InputError(msg)
    if path.is_dir():
        return None
    if not path.is_file():
        msg = f"{name} is not a regular file; give the name of one"
        raise InputError(msg)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            start = _decoded(head)
            if start is None:
                return None
            limit = _LARGEST_XML if start.lstrip().startswith("<") else _LARGEST_TEXT
            raw = head + file.read(limit + 1 - len(head))
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror}; check its permissions"
        raise InputError(msg) from error
    return None if len(raw) > limit else _decoded(raw)


def _decoded(raw: bytes) -> str | None:
    """Return text in UTF-8, in UTF-16 with a byte order mark, or in a code of one byte; None for binary data."""
    known = next((code for mark, code in _BYTE_ORDER_MARKS if raw.startswith(mark)), None)
    if known is None and b"\0" in raw:
        return None
    content = raw.decode(known or "utf-8", errors="replace")
    return None if "\0" in content else content
