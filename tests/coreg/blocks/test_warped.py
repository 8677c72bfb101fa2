"""A DEM moved by a field: where heights come from, and what stands at the borders of blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from scipy.ndimage import binary_dilation

from known_field import TrueField, moved, raster, steep, truth
from known_terrain import UTM33, dem, grid
from trueground.coreg.base import Alignment
from trueground.coreg.blocks.warped import WarpedDem
from trueground.grid import Grid, Window

ON = grid((400, 400), 10.0)


@dataclass(frozen=True)
class Known(TrueField):
    """A field that is known everywhere, on the grid of these tests."""

    on: Grid = ON


@dataclass(frozen=True)
class Stepped(Known):
    """The same, with a step of x at a column: a seam."""

    column: int = 200
    step: float = 0.5

    def at(self, x, y):
        edge = self.on.bounds[0] + self.column * 10.0
        shift = super().at(x, y)
        shift[0] += self.step * (np.asarray(x) >= edge)
        return shift


def warped(shifts, source, *, on=ON, crs=UTM33, resampling="bilinear"):
    return WarpedDem(source=source, shifts=shifts, crs=crs, grid=on, resampling=resampling)


@pytest.mark.parametrize("name", ["constant", "plane", "quadratic", "bumps"])
def test_true_field_brings_the_reference_back(name):
    source = raster(moved(name, ON), ON)
    off = (
        warped(Known(name), source, resampling="cubic").read(ON.window)[0]
        - dem(ON, surface=steep).array[0]
    )
    known = np.isfinite(off)
    assert known.mean() > 0.95
    assert np.sqrt(np.mean(off[known] ** 2)) < 0.02  # of cubic interpolation; heights span 1 km


def test_constant_field_is_the_rigid_shift():
    source = dem(ON, surface=steep, noise=1.0, holes=0.01)
    shift = truth("constant", ON, 0.0, 0.0).tolist()
    rigid = Alignment.of_shift(*shift, crs=UTM33).apply(source).read(ON.window)
    found = warped(Known("constant"), source).read(ON.window)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(rigid))
    np.testing.assert_allclose(found, rigid, atol=0.005)  # m: of tolerances of places, 1e-3 px


def test_windows_do_not_show():
    """Bit for bit, whatever the windows are."""
    field = warped(Known("bumps"), dem(ON, surface=steep, noise=1.0, holes=0.01))
    whole = field.read(ON.window)[0]
    for size in (37, 64, 150):
        out = np.empty_like(whole)
        for block in ON.blocks(size):
            w = block.core
            out[w.row : w.row + w.height, w.col : w.col + w.width] = field.read(w)[0]
        np.testing.assert_array_equal(out, whole)


@pytest.mark.parametrize(("resampling", "reach"), [("bilinear", 1), ("cubic", 2)])
def test_holes_do_not_spread(resampling, reach):
    """A hole grows by the kernel's footprint about where it has moved to, and no further."""
    source = dem(ON, surface=steep)
    source.array[0, 100:110, 200:203] = np.nan
    out = np.isnan(warped(Known("constant"), source, resampling=resampling).read(ON.window)[0])
    hole = np.zeros(ON.shape, dtype=bool)
    # 15 m to the east and 13 m to the south: one to two columns right, one to two rows down.
    hole[101:112, 201:205] = True
    inside = out.copy()
    inside[:6] = inside[-6:] = inside[:, :6] = inside[:, -6:] = False
    assert inside[103:109, 202:204].all()
    assert not (inside & ~binary_dilation(hole, np.ones((3, 3)), iterations=reach)).any()


def test_beyond_the_source_there_is_nothing():
    large = grid((500, 500), 10.0)
    out = warped(Known("constant"), dem(ON, surface=steep), on=large).read(large.window)[0]
    assert np.isnan(out[410:]).all()
    assert np.isnan(out[:, 410:]).all()


def bends(heights, near):
    """Second differences across columns near an edge, as the share of their spread elsewhere."""
    second = np.abs(heights[:, 2:] - 2.0 * heights[:, 1:-1] + heights[:, :-2])
    column = second.mean(axis=0)
    rest = np.delete(column, np.ravel([np.arange(e - 4, e + 4) for e in near]))
    at_edge = max(column[e - 2 : e + 1].max() for e in near)
    return (at_edge - rest.mean()) / rest.std()


INNER = slice(10, -10)


@pytest.mark.parametrize(("step", "seen"), [(0.0, False), (0.5, True)], ids=["smooth", "0.05 px"])
def test_no_seams(step, seen):
    """The test finds a seam of a twentieth of a pixel where there is one."""
    source = raster(moved("bumps", ON), ON)
    exact = dem(ON, surface=steep).array[0]
    out = warped(Stepped("bumps", step=step), source, resampling="cubic").read(ON.window)[0]
    assert (bends((out - exact)[INNER, INNER], [190]) > 5.0) == seen


def test_moving_dem_in_another_system():
    """A DEM in degrees, moved by a field in metres: as if it were on the grid of metres."""
    west, south, east, north = ON.bounds
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(UTM33, 4326, always_xy=True).transform(
        [west - 400.0, east + 400.0], [south - 400.0, north + 400.0]
    )
    step = 7e-5
    degrees = Grid(
        crs=CRS(4326), transform=Affine(2 * step, 0, lon[0], 0, -step, lat[1]),
        shape=(int((lat[1] - lat[0]) / step), int((lon[1] - lon[0]) / (2 * step))),
    )  # fmt: skip
    shift = truth("constant", ON, 0.0, 0.0)
    source = dem(degrees, tuple(shift), surface=steep)
    out = warped(Known("constant"), source, resampling="cubic").read(ON.window)[0]
    off = out - dem(ON, surface=steep).array[0]
    assert np.isfinite(off).mean() > 0.99
    assert np.nanstd(off) < 0.02
    assert abs(np.nanmean(off)) < 0.01


def test_small_windows_far_out():
    out = warped(Known("constant"), dem(ON, surface=steep)).read(Window(5000, 5000, 3, 4))
    assert out.shape == (1, 3, 4)
    assert np.isnan(out).all()


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
@pytest.mark.parametrize("step", [10.0, 7.0])
def test_rows_at_once_are_the_same_as_pixel_by_pixel(resampling, step):
    """On its own grid and on another; with holes, and with a step that no lattice holds."""
    source = moved("bumps", ON)
    source[np.random.default_rng(0).random(ON.shape) < 0.02] = np.nan
    on = grid((300, 280), step, origin=(500_123.0, 7_999_411.0))
    made = warped(Stepped("bumps"), raster(source, ON), on=on, resampling=resampling)
    window = Window(11, 23, 250, 240)
    row, col = made._map.at(window)
    expected = made._at(row, col, made._slowly.over(window))
    np.testing.assert_allclose(made.read(window)[0], expected, atol=1e-3)  # as float32
    assert np.isfinite(expected).mean() > 0.5
    assert len(made._slowly.nodes(window).wrong)
