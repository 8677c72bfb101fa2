"""What notebooks show: tables that hold the numbers, pictures where they are cheap, and never an error."""

from __future__ import annotations

import base64
import importlib
import inspect
import io
import pkgutil
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

import trueground
from known_blocks import result
from trueground import (
    Alignment,
    ArrayRaster,
    Deramp,
    Grid,
    NuthKaab,
    VerticalShift,
    notebook,
    open_raster,
    write,
)
from trueground.difference import Difference
from trueground.file_raster import FileRaster
from trueground.notebook import html_of
from trueground.plot import overview
from trueground.samples import small_dems, small_raster, small_rpc
from trueground.shown import Shown
from trueground.surface import ComputedSurface
from trueground.terrain import Slope


def cells(html: str) -> dict[str, str]:
    return dict(re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", html))


def picture(html: str):
    """The picture in it as (rows, cols, 4), or None."""
    from PIL import Image

    found = re.search(r"base64,([A-Za-z0-9+/=]+)", html)
    if found is None:
        return None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGBA"))


def raster(array, step: float = -10.0) -> ArrayRaster:
    transform = Affine(10.0, 0, 5e5, 0, step, 8e6)
    return ArrayRaster(
        array=array, grid=Grid(crs=CRS(32633), transform=transform, shape=array.shape[-2:])
    )


def raster_classes() -> list[type]:
    """All classes of the package that others may get hold of and that are rasters."""
    found = set()
    for module in pkgutil.walk_packages(trueground.__path__, "trueground."):
        if module.name.endswith("__main__"):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            own = inspect.isclass(thing) and thing.__module__.startswith("trueground.")
            if own and not name.startswith("_") and not getattr(thing, "_is_protocol", False):
                fields = {f for c in thing.__mro__ for f in vars(c)} | set(
                    getattr(thing, "__dataclass_fields__", ())
                )
                if {"read", "grid", "count", "dtype", "nodata"} <= fields:
                    found.add(thing)
    return sorted(found, key=lambda c: c.__name__)


def test_every_raster_shows_itself():
    classes = raster_classes()
    names = {c.__name__ for c in classes}
    assert {
        "ArrayRaster",
        "FileRaster",
        "XarrayRaster",
        "Orthoimage",
        "Mosaic",
        "Resampled",
        "Slope",
    } <= names
    assert [c.__name__ for c in classes if not issubclass(c, Shown)] == []


def test_the_table_of_a_raster():
    shown = cells(small_raster()._repr_html_())
    assert shown["kind"] == "raster, 3 rows x 4 cols, 1 band(s) of float64"
    assert shown["CRS"] == "WGS 84 / UTM zone 33N"
    assert shown["pixel"] == "10 x 10 metre"
    assert shown["heights"] == "no vertical datum declared"


@pytest.mark.parametrize("step", [-10.0, 10.0])
def test_pictures_have_north_on_top(step):
    values = np.zeros((30, 40), np.float32)
    values[0 if step < 0 else -1, 0] = 9.0  # the north-west
    seen = picture(raster(values, step)._repr_html_())
    assert seen.shape == (30, 40, 4)
    assert seen[0, 0, 0] > seen[-1, 0, 0]
    assert seen[0, 0, 0] > seen[0, -1, 0]


def test_large_arrays_are_thinned_and_no_data_is_clear():
    values = np.ones((3000, 2400), np.uint8)
    values[:, :1200] = 0
    seen = picture(replace(raster(values), nodata=0.0)._repr_html_())
    assert max(seen.shape) <= 220
    assert (seen[:, : seen.shape[1] // 2 - 1, 3] == 0).all()
    assert (seen[:, seen.shape[1] // 2 + 1 :, 3] == 255).all()


def test_differences_are_white_at_zero():
    reference, _ = small_dems()
    seen = picture(Difference(first=reference, second=reference)._repr_html_())
    assert seen[..., :3].min() > 240


@dataclass
class Dear(ComputedSurface):
    """A raster that may not be read."""

    grid: Grid

    def read(self, window):
        raise AssertionError("it was read")


def test_what_is_dear_is_not_computed():
    grid = raster(np.zeros((2, 2))).grid
    html = Dear(replace(grid, shape=(20_000, 20_000)))._repr_html_()
    assert picture(html) is None
    assert "picture" not in cells(html)
    assert "it was read" in cells(Dear(grid)._repr_html_())["picture"]


def test_large_files_are_read_by_their_overviews_alone(tmp_path, monkeypatch):
    values = np.repeat(np.arange(2600, dtype=np.uint16)[:, np.newaxis], 2600, axis=1)
    plain = open_raster(write(raster(values), tmp_path / "plain.tif"))
    cog = open_raster(write(raster(values), tmp_path / "cog.tif", driver="COG"))
    monkeypatch.setattr(FileRaster, "read", lambda *_: pytest.fail("all of it was read"))
    assert picture(plain._repr_html_()) is None
    seen = picture(cog._repr_html_())
    assert max(seen.shape) <= 220
    assert seen[0, 0, 0] < 5
    assert seen[-1, 0, 0] > 250


def test_the_overview_that_is_read_is_small(tmp_path, monkeypatch):
    cog = open_raster(
        write(raster(np.ones((2600, 2600), np.uint8)), tmp_path / "cog.tif", driver="COG")
    )
    read = []
    monkeypatch.setattr(notebook, "_READ", 1300 * 1300 - 1)
    monkeypatch.setattr(
        notebook,
        "overview",
        lambda small, **k: (read.append(small.grid.shape), overview(small, **k))[1],
    )
    assert picture(cog._repr_html_()) is not None
    assert read == [(650, 650)]


def test_files_that_are_gone_say_so(tmp_path):
    path = write(small_raster(), tmp_path / "gone.tif")
    gone = open_raster(path)
    gone._local.__dict__.clear()
    path.unlink()
    shown = cells(gone._repr_html_())
    assert shown["CRS"] == "WGS 84 / UTM zone 33N"
    assert "does not exist" in shown["picture"]


def test_lazy_arrays_are_not_computed():
    import dask.array as da
    import xarray as xr

    def dear(*_, **__):
        raise AssertionError("it was computed")

    lazy = da.zeros((20, 30), chunks=10, dtype=np.float32).map_blocks(
        dear, dtype=np.float32, meta=np.zeros((0, 0))
    )
    axes = {"y": -10.0 * np.arange(20), "x": 10.0 * np.arange(30)}
    html = open_raster(xr.DataArray(lazy, dims=("y", "x"), coords=axes))._repr_html_()
    assert picture(html) is None
    assert "20 rows x 30 cols" in html


def test_what_names_say_is_text(tmp_path):
    path = write(small_raster(), tmp_path / "<img src=x onerror=alert(1)>&.tif")
    html = open_raster(path)._repr_html_()
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;.tif" in html


def test_alignments_say_shifts_with_errors():
    reference, moving = small_dems()
    shown = cells(NuthKaab().fit(reference, moving)._repr_html_())
    assert re.fullmatch(r"\+(5\.99|6\.00)\d ± 0\.\d{3} m", shown["shift x"])
    assert re.match(r"\d\.\d{3} m before, \d\.\d{3} m after", shown["NMAD"])
    known = cells(Alignment.of_shift(1.0, -2.0, 0.5)._repr_html_())
    assert known["shift y"] == "-2.000 m"
    chain = cells((VerticalShift() + Deramp()).fit(reference, moving)._repr_html_())
    assert {"shift z", "deramp", "NMAD"} <= set(chain)
    assert "found" in cells(Deramp().fit(reference, moving)._repr_html_())


def test_blockwise_alignments_show_their_blocks():
    found = result()
    html = found._repr_html_()
    assert "62 ok, 2 too few" in cells(html)["blocks"]
    assert cells(html)["field"] == "smooth"
    seen = picture(html)
    assert seen[..., :3].std() > 20


def test_rpcs_say_where_they_look():
    shown = cells(small_rpc()._repr_html_())
    assert shown["RPC heights"] == "500 to 1500 m above the ellipsoid"
    assert shown["ground sampling"].endswith("(rows x cols), at the centre")


def test_nothing_is_ever_raised():
    class Odd:
        def __str__(self):
            raise ValueError("<no>")

    assert "ValueError: &lt;no&gt;" in html_of(Odd())
    assert "Slope" in html_of(Slope(small_dems()[0]))


def test_credentials_of_addresses_are_not_shown(monkeypatch):
    secret = "https://me:word@host/dem.tif?X-Amz-Signature=a1b2"

    class Remote:
        def __str__(self):
            return f"raster of {secret}"

    def failing(_):
        raise OSError(f"{secret} is gone")

    monkeypatch.setattr(notebook, "_picture", failing)
    html = html_of(Remote())
    assert html.count("host/dem.tif") == 2
    assert "word" not in html
    assert "a1b2" not in html
