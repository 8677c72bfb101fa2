"""Overviews, colours and figures."""

from __future__ import annotations

import io
import warnings

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import Polygon, box

from trueground import plot
from trueground.engine import Serial, Threads
from trueground.errors import InputError, OverlapError, ProjectionError
from trueground.grid import Grid, Window
from trueground.plot import (
    colour_scale,
    colours_of_dh,
    figure,
    figure_png,
    histogram_of,
    overview,
    plot_dh,
    plot_histogram,
    plot_image,
    scale_bar,
    shared_limit,
    stretch,
    theme,
)
from trueground.plot.colours import NODATA_COLOUR
from trueground.raster import ArrayRaster
from trueground.vectors import OutlineMask

UTM = CRS(32632)


def grid_of(shape: tuple[int, int], step: float = 10.0) -> Grid:
    return Grid(crs=UTM, transform=Affine(step, 0, 5e5, 0, -step, 5e6), shape=shape)


def raster(array: NDArray[np.generic], *, nodata: float | None = None) -> ArrayRaster:
    return ArrayRaster(array=array, grid=grid_of(array.shape[-2:]), nodata=nodata)


class Watched(ArrayRaster):
    """Remembers the largest window that was read."""

    largest = 0

    def read(self, window: Window) -> NDArray[np.generic]:
        Watched.largest = max(Watched.largest, window.size)
        return super().read(window)


def test_overview_is_the_mean_of_what_is_valid() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(23, 31)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[4:8, 8:12] = np.nan
    small = overview(raster(values), max_pixels=8)
    assert small.grid.shape == (6, 8)
    assert small.grid.resolution == (40.0, 40.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of an empty cell
        expected = [
            [np.nanmean(values[r : r + 4, c : c + 4]) for c in range(0, 31, 4)]
            for r in range(0, 23, 4)
        ]
    np.testing.assert_allclose(small.array[0], expected, rtol=1e-5)
    assert np.isnan(small.array[0, 1, 2])


def test_overview_streams_and_does_not_depend_on_the_engine() -> None:
    values = np.random.default_rng(6).normal(size=(2500, 3100)).astype(np.float32)
    source = Watched(array=values, grid=grid_of(values.shape))
    Watched.largest = 0
    small = overview(source, max_pixels=300, engine=Threads(2))
    assert max(small.grid.shape) <= 300
    assert Watched.largest <= 1100**2
    again = overview(source, max_pixels=300, engine=Serial())
    np.testing.assert_array_equal(small.array, again.array)


def test_overview_turns_south_up_rasters() -> None:
    values = np.zeros((4, 5), dtype=np.float32)
    values[3, 0] = 7.0  # last row of a raster whose rows run north: its north-west
    grid = Grid(crs=UTM, transform=Affine(10, 0, 5e5, 0, 10, 5e6), shape=(4, 5))
    small = overview(ArrayRaster(array=values, grid=grid))
    assert small.array[0, 0, 0] == 7.0
    assert small.array.sum() == 7.0


def test_overview_leaves_out_nodata_of_integers() -> None:
    small = overview(raster(np.array([[0, 8], [4, 0]], dtype=np.uint8), nodata=0), max_pixels=1)
    assert small.array.item() == 6.0
    with pytest.raises(InputError, match="at least 1"):
        overview(small, max_pixels=0)


def test_colours_are_symmetric_and_nodata_is_grey() -> None:
    from matplotlib import colormaps

    dh = np.array([[-9.0, -3.0, -1.5, 0.0, 1.5, 3.0, 9.0, np.nan]])
    colours = colours_of_dh(dh, limit=3.0)[0]
    ramp = colormaps["RdBu"]
    np.testing.assert_allclose(colours[0], ramp(0.0)[:3])
    np.testing.assert_allclose(colours[1], ramp(0.0)[:3])
    np.testing.assert_allclose(colours[2], ramp(0.25)[:3])
    np.testing.assert_allclose(colours[4], ramp(0.75)[:3])
    np.testing.assert_allclose(colours[6], ramp(1.0)[:3])
    assert colours[3].min() > 0.95  # zero is white
    np.testing.assert_allclose(colours[7], to_rgb(NODATA_COLOUR))
    assert len(colour_scale(5)) == 5


def test_level_ground_keeps_its_colour() -> None:
    dh = np.zeros((1, 3))
    level = np.sin(np.radians(45.0))
    colours = colours_of_dh(dh, limit=1.0, shade=np.array([[level, 0.0, np.nan]]))[0]
    np.testing.assert_allclose(colours[0], colours[2])
    assert colours[0].min() > 0.95
    assert colours[1].max() < 0.6


@pytest.mark.parametrize(
    ("median", "nmad", "limit"),
    [(0.0, 1.0, 3.0), (0.2, 1.2, 4.0), (-20.0, 3.0, 30.0), (0.0, 0.0, 1.0), (0.0, 0.011, 0.04)],
)
def test_shared_limit(median: float, nmad: float, limit: float) -> None:
    assert shared_limit(median, nmad) == limit


def drawn(image: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


def test_north_west_is_drawn_at_the_top_left() -> None:
    values = np.zeros((20, 20), dtype=np.float32)
    values[:5, :5] = 10.0  # blue
    values[-5:, -5:] = -10.0  # red
    fig = figure(2, 2, layout=None)
    ax = plot_dh(raster(values), fig.add_axes((0, 0, 1, 1)), limit=10.0, decorations=False)
    picture = drawn(figure_png(fig)).astype(int)
    assert picture[10, 10, 2] > picture[10, 10, 0] + 50
    assert picture[-10, -10, 0] > picture[-10, -10, 2] + 50
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert (left, right) == (5e5, 5e5 + 200)
    assert (bottom, top) == (5e6 - 200, 5e6)


def test_map_with_everything() -> None:
    values = np.random.default_rng(1).normal(size=(60, 80)).astype(np.float32)
    dem = raster(np.cumsum(values, axis=1))
    shape = box(5e5 + 100, 5e6 - 400, 5e5 + 400, 5e6 - 100)
    holed = Polygon(shape.exterior, [box(500200, 4999700, 500300, 4999800).exterior])
    outlines = gpd.GeoDataFrame(geometry=[holed, None], crs=UTM).to_crs(4326)
    with theme("dark"):
        fig = figure(4, 4)
        ax = plot_dh(
            raster(values), fig.subplots(), hillshade=dem, outlines=outlines, title="<before>"
        )
    assert ax.get_title() == "<before>"
    assert ax.get_aspect() == 1.0
    assert len(ax.collections[0].get_paths()) == 2  # shell and hole
    assert [t.get_text() for t in ax.texts] == ["200 m"]
    bar = fig.axes[1]
    assert bar.get_xlim()[0] == -bar.get_xlim()[1]
    assert drawn(figure_png(fig)).std() > 20
    with pytest.raises(ProjectionError, match="declare no CRS"):
        plot_dh(raster(values), figure(2, 2).subplots(), outlines=gpd.GeoSeries([shape]))


def test_geographic_maps_have_true_proportions() -> None:
    grid = Grid(crs=CRS(4326), transform=Affine(1e-3, 0, 10, 0, -1e-3, 60.01), shape=(20, 20))
    values = ArrayRaster(array=np.zeros(grid.shape, dtype=np.float32), grid=grid)
    ax = plot_dh(values, figure(2, 2).subplots())
    assert ax.get_aspect() == pytest.approx(2.0, rel=0.01)
    bar = scale_bar(grid)
    assert bar is not None
    assert bar.label == "200 m"
    assert bar.share * 20e-3 * 111_320 * 0.5 == pytest.approx(200.0, rel=0.01)


def test_images_are_stretched_and_clear_where_empty() -> None:
    values = np.arange(400, dtype=np.uint16).reshape(20, 20) * 3 + 100
    values[0] = 0
    colours = stretch(overview(raster(values, nodata=0)))
    assert colours.shape == (20, 20, 4)
    assert (colours[0, :, 3] == 0).all()
    assert (colours[1:, :, 3] == 255).all()
    assert colours[1, 0].tolist() == [0, 0, 0, 255]
    assert colours[-1, -1].tolist() == [255, 255, 255, 255]
    bands = np.stack([np.zeros((4, 4)), np.eye(4), np.ones((4, 4)), np.ones((4, 4))])
    colours = stretch(overview(raster(bands.astype(np.float32))))
    assert colours[0, 0, 1] == 255
    assert colours[0, 1, 1] == 0
    plot_image(raster(values), figure(2, 2).subplots(), title="image")
    empty = stretch(overview(raster(np.full((3, 3), np.nan, dtype=np.float32))))
    assert not empty.any()


def test_histogram_counts_each_pixel_once() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(1300, 1100)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    source = raster(values)
    edges = np.linspace(-2, 2, 41)
    found = histogram_of(source, edges)
    finite = values[np.isfinite(values)].astype(np.float64)
    inside = finite[(finite >= -2) & (finite < 2)]
    np.testing.assert_array_equal(found.counts, np.histogram(inside, edges)[0])
    assert found.below == (finite < -2).sum()
    assert found.total == finite.size
    shape = gpd.GeoSeries([box(5e5, 5e6 - 13000, 5e5 + 5500, 5e6)], crs=UTM)
    east = OutlineMask(outlines=shape, grid=source.grid, invert=True)
    assert histogram_of(source, edges, valid=east).total == np.isfinite(values[:, 550:]).sum()
    with pytest.raises(InputError, match="ascending"):
        histogram_of(source, [0.0, 0.0])
    with pytest.raises(OverlapError, match="must be the same"):
        histogram_of(source, edges, valid=raster(values[:5]))


def test_histogram_says_median_and_nmad() -> None:
    values = raster(np.random.default_rng(2).normal(size=(50, 50)).astype(np.float32))
    edges = np.linspace(-5, 5, 51)
    before = histogram_of(values, edges, median=-1.234, nmad=2.5)
    after = histogram_of(values, edges, median=-0.0001, nmad=1.0)
    ax = plot_histogram(before, after, figure(4, 3).subplots())
    legend = ax.get_legend()
    assert legend is not None
    texts = [t.get_text() for t in legend.get_texts()]
    assert texts[0] == "before, median \N{MINUS SIGN}1.23 m, NMAD 2.50 m"
    assert texts[1] == "after, median 0.00 m, NMAD 1.00 m"
    assert ax.get_xlim() == (-5.0, 5.0)
    plot_histogram(before, None, figure(4, 3).subplots())


def test_figures_are_the_same_each_time() -> None:
    def one() -> bytes:
        fig = figure(2, 2)
        fig.subplots().plot([0, 1])
        return figure_png(fig)

    assert one() == one()


# What is public -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawings():
    """Every public figure, with what it draws."""
    from known_blocks import result
    from trueground import Difference
    from trueground.convergence import study
    from trueground.samples import small_dem, small_dems, small_rpc

    reference, moving = small_dems()
    dh = Difference(first=reference, second=moving)
    pixels = np.linspace(200.0, 800.0, 4)
    return {
        "plot_dh": (dh,),
        "plot_tiles": (result(),),
        "plot_shift_field": (result(),),
        "plot_histogram": (dh,),
        "plot_convergence": (study(small_rpc(), small_dem(), pixels, pixels),),
        "plot_residuals": ([0.2, -0.4, 0.1], [0.0, 0.3, -0.3]),
    }


PUBLIC = (
    "plot_dh",
    "plot_tiles",
    "plot_shift_field",
    "plot_histogram",
    "plot_convergence",
    "plot_residuals",
)


@pytest.mark.parametrize("name", PUBLIC)
def test_figures_take_axes_and_return_them(name, drawings):
    import matplotlib.pyplot as plt

    draw = getattr(plot, name)
    own = figure(4, 4).subplots()
    assert draw(*drawings[name], ax=own) is own
    assert plt.get_fignums() == []  # nothing global was touched
    try:
        new = draw(*drawings[name])
        assert plt.get_fignums() == [new.figure.number]  # pyplot knows it, so notebooks show it
        if name not in {"plot_dh", "plot_shift_field"}:  # maps have scale bars and no axes
            assert new.get_xlabel()
            assert new.get_ylabel()
        assert drawn(figure_png(new.figure)).std() > 10
    finally:
        plt.close("all")


def test_colours_reach_as_far_to_both_sides(drawings):
    tiles = plot.plot_tiles(*drawings["plot_tiles"], figure(4, 4).subplots(), axis="y")
    values = np.asarray(tiles.images[0].get_array())
    low, high = tiles.images[0].get_clim()
    assert (low + high) / 2.0 == pytest.approx(np.nanmedian(values))
    assert max(high - np.nanmax(values), np.nanmin(values) - low) >= 0.0
    field = plot.plot_shift_field(*drawings["plot_shift_field"], figure(4, 4).subplots())
    values = np.asarray(field.images[0].get_array())
    assert sum(field.images[0].get_clim()) / 2.0 == pytest.approx(np.median(values))
    ax = plot.plot_residuals(*drawings["plot_residuals"], figure(4, 4).subplots())
    assert ax.get_xlim()[0] == -ax.get_xlim()[1]


@pytest.mark.parametrize(
    ("size", "written"), [((4.0, 3.0), False), ((9.0, 7.0), True), ((14.0, 9.0), True)]
)
def test_numbers_stay_in_their_cells(size, written, drawings):
    """Also where there are several axes in a figure; where they could not be read, there are none."""
    fig = figure(*size)
    ax = fig.subplots(2, 3)[1, 2]
    plot.plot_tiles(*drawings["plot_tiles"], ax, axis="y")
    fig.canvas.draw()
    rows, cols = ax.images[0].get_array().shape
    cell = ax.bbox.width / cols, ax.bbox.height / rows
    for text in ax.texts:
        box = text.get_window_extent()
        assert box.width < cell[0] * 1.05
        assert box.height < cell[1] * 1.05
    assert len(ax.texts) == (rows * cols if written else 0)


def test_histogram_of_rasters_is_that_of_their_counts(drawings):
    (dh,) = drawings["plot_histogram"]
    ax = plot_histogram(dh, dh, figure(4, 3).subplots(), labels=("one", "two"))
    values = dh.read(dh.grid.window)[0].astype(np.float64)
    legend = ax.get_legend()
    assert legend is not None
    first, second = (t.get_text() for t in legend.get_texts())
    assert f"median {np.median(values):.2f} m" in first
    assert first.removeprefix("one") == second.removeprefix("two")
    low, high = ax.get_xlim()
    assert low == -high
    share = 100.0 * np.mean((values >= low) & (values < high))
    assert sum(ax.patches[0].get_data().values) == pytest.approx(share, abs=0.1)
