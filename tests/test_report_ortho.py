"""The quality of orthoimages against known truth, and the page that shows it."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer
from scipy import ndimage

from ray_scenes import LAT, LON, UTM31, raster, slanted
from trueground.dem import Dem
from trueground.engine import Serial, Threads
from trueground.errors import WriteError
from trueground.grid import Grid
from trueground.ortho import Orthoimage
from trueground.plot import figure
from trueground.plot.ortho import (
    length_text,
    plot_incidence,
    plot_sight,
    plot_vectors,
    round_length,
)
from trueground.quality import Sight, assess, gcp_residuals, reference_residuals
from trueground.quality.assess import sample_grid
from trueground.raster import ArrayRaster
from trueground.report import write_ortho_report
from trueground.report.ortho_pictures import quick_look, shade_below
from trueground.rpc.gcps import Gcps
from trueground.rpc.viewing import domain

INCIDENCE, AZIMUTH = 30.0, 90.0  # degrees: the sensor stands in the east
SIZE = 1000  # px of 0.5 m
EDGE = 400  # m, of the orthoimages
WALL = 20.0  # m high
EAST, NORTH = Transformer.from_crs(CRS(4326), UTM31, always_xy=True).transform(LON, LAT)


def view():
    """The middle 1000 x 1000 px of a sensor at 30 degrees in the east."""
    return slanted(INCIDENCE, AZIMUTH, (-50.0, 100.0)).cropped(9500, 9500)


def image(*, bands=1):
    rng = np.random.default_rng(1)
    noise = ndimage.gaussian_filter(rng.normal(size=(bands, SIZE, SIZE)), (0, 2.5, 2.5))
    values = np.clip(1000.0 + 3000.0 * noise, 1, 4000).astype(np.uint16)
    grid = Grid(crs=None, transform=Affine.identity(), shape=(SIZE, SIZE))
    return ArrayRaster(array=values, grid=grid, nodata=0)


def dem(z=None):
    return Dem.open(raster(np.zeros((700, 700)) if z is None else z), heights="ellipsoid")


def grid_of(pixel=1.0, crs=UTM31):
    half = EDGE / 2
    bounds = (EAST - half, NORTH - half, EAST + half, NORTH + half)
    return Grid.covering(bounds, pixel, crs=crs)


def ortho(surface=None, grid=None, **settings):
    return Orthoimage(
        image=settings.pop("image", None) or image(), rpc=settings.pop("rpc", None) or view(),
        dem=surface or dem(), grid=grid or grid_of(), **settings,
    )  # fmt: skip


def wall():
    """A wall from north to south, 4 m thick, through the middle."""
    z = np.zeros((700, 700))
    z[:, 349:353] = WALL
    return dem(z)


@pytest.fixture(scope="module")
def walled():
    made = ortho(wall())
    rng = np.random.default_rng(3)
    row, col = rng.uniform(250, 750, (2, 12))
    at = made.rpc.localize_on(made.dem, row, col)
    gcps = Gcps(
        row=row + 0.5, col=col - 1.0, lon=at.lon, lat=at.lat, height=at.height,
        label=tuple(f"<p{i}>" for i in range(12)),
    )  # fmt: skip
    return made, assess(made, gcps=gcps, engine=Serial())


# --------------------------------------------------------------------- numbers against truth


def test_incidence_is_that_of_the_sensor():
    found = assess(ortho())
    # The sensor was aimed at the middle of the scene; 400 m further it turns by 0.03 degrees at 750 km.
    assert found.incidence.mean == pytest.approx(INCIDENCE, abs=0.02)
    assert 0.0 < found.incidence.high - found.incidence.low < 0.1
    assert found.azimuth == pytest.approx(AZIMUTH, abs=0.1)
    # UTM's north is turned by (3.4 - 3) degrees x sin(45 degrees) here.
    assert found.azimuth - found.bearing == pytest.approx(
        0.4 * math.sin(math.radians(LAT)), abs=0.01
    )
    # Nearer to the sensor the ground is seen more steeply.
    assert found.maps.incidence[200, -1] < found.maps.incidence[200, 0]


def test_the_bearing_near_the_pole():
    """In polar stereographic coordinates, at 90 degrees east, north is to the left."""
    polar = CRS(3413)  # straight up along 45 degrees west
    x, y = Transformer.from_crs(4326, polar, always_xy=True).transform(LON, LAT)
    grid = Grid.covering((x - 300, y - 300, x + 300, y + 300), 2.0, crs=polar)
    found = assess(ortho(grid=grid))
    assert (found.azimuth - found.bearing) % 360.0 == pytest.approx((LON + 45.0), abs=0.05)


def test_hidden_share_of_a_wall(walled):
    found = walled[1]
    shadow = WALL * math.tan(math.radians(INCIDENCE))  # m, west of the wall
    assert found.hidden == pytest.approx(shadow / EDGE, abs=0.75 / EDGE)  # whole pixels
    assert found.hidden_is_whole
    middle = found.maps.sight[EDGE // 2]
    hidden = np.flatnonzero(middle == Sight.HIDDEN)
    assert hidden.size == hidden.max() - hidden.min() + 1
    top = walled[0].dem.raster.grid.xy(350.0, 349.5)[0]  # the wall's western edge
    edge = (top - walled[0].grid.bounds[0]) / 1.0
    assert hidden.max() + 1 == pytest.approx(edge, abs=1.0)
    assert hidden.min() == pytest.approx(edge - shadow, abs=1.0)


def test_a_share_that_is_known_already():
    found = assess(ortho(wall()), hidden_share=0.125)
    assert found.hidden == 0.125
    assert found.hidden_is_whole


def test_a_sample_says_nearly_the_same(walled):
    whole = walled[1]
    coarse = assess(walled[0], max_pixels=134)
    assert coarse.step == 3
    assert not coarse.hidden_is_whole
    assert coarse.maps.sight.shape == (134, 134)
    assert coarse.hidden == pytest.approx(whole.hidden, abs=3.0 / EDGE)  # a pixel of the sample
    assert coarse.incidence.mean == pytest.approx(whole.incidence.mean, abs=1e-3)


def test_a_large_output_costs_what_a_small_one_does():
    """A billion pixels: only the sample is looked at."""
    big = ortho(grid=grid_of(EDGE / 32_000))
    found = assess(big, max_pixels=100)
    assert found.output.shape == (32_000, 32_000)
    assert found.maps.sight.shape == (100, 100)
    assert found.step == 320


def test_heights_that_are_missing():
    z = np.zeros((700, 700))
    z[:, :350] = np.nan
    found = assess(ortho(dem(z)))
    assert found.coverage == pytest.approx(0.5, abs=1.5 / EDGE)
    assert found.image_coverage == pytest.approx(0.5, abs=1.0 / 33)
    assert (found.maps.sight[:, 0] == Sight.NO_HEIGHT).all()
    assert np.isnan(found.maps.incidence[:, 0]).all()
    assert assess(ortho(dem(z), rpc=view().cropped(5000, 0))).to_dict()["coverage"] is None


def test_beyond_the_domain():
    """Ground 200 m above the heights that the RPC was made for."""
    rpc = view()
    name, low, high, _ = domain(rpc)[2]
    assert name == "height"
    found = assess(ortho(dem(np.full((700, 700), high + 200.0)), rpc=rpc))
    axis = next(a for a in found.domain if a.name == "height")
    assert (axis.low, axis.high) == (low, high)
    assert axis.beyond == pytest.approx(200.0, abs=1e-3)  # float32
    assert found.outside == 1.0
    assert assess(ortho()).outside == 0.0


def test_ground_control_in_the_image(walled):
    (control,) = walled[1].vectors
    np.testing.assert_allclose(control.d_row, 0.5, atol=1e-5)
    np.testing.assert_allclose(control.d_col, -1.0, atol=1e-5)
    assert control.ce90_px == pytest.approx(math.hypot(0.5, 1.0), abs=1e-5)
    assert control.label[3] == "<p3>"


def test_ground_control_above_the_dem():
    """A point that stands 10 m above the DEM is shown too far away from the sensor, which is in the east."""
    made = ortho()
    row, col = np.array([[300.0, 500.0], [400.0, 600.0]])
    at = made.rpc.localize(row, col, 10.0)
    found = gcp_residuals(
        made, Gcps(row=row, col=col, lon=at.lon, lat=at.lat, height=np.full(2, 10.0))
    )
    np.testing.assert_allclose(found.d_row, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.d_height, -10.0, atol=1e-6)
    np.testing.assert_allclose(found.east, -10.0 * math.tan(math.radians(INCIDENCE)), rtol=2e-3)
    np.testing.assert_allclose(found.north, 0.0, atol=0.02)
    x, y = Transformer.from_crs(4326, UTM31, always_xy=True).transform(at.lon, at.lat)
    np.testing.assert_allclose([found.x, found.y], [x, y], atol=1e-6)


def test_ground_control_beside_the_dem():
    made = ortho()
    gcps = Gcps(
        row=[500.0, 500.0],
        col=[500.0, 9000.0],
        lon=[LON, LON + 1.0],
        lat=[LAT, LAT],
        height=[0.0, 0.0],
    )
    found = gcp_residuals(made, gcps)
    assert found.known.tolist() == [True, False]
    assert found.to_dict()["count"] == 1


@pytest.mark.parametrize("crs", [UTM31, CRS(4326)])
def test_residuals_of_a_shifted_reference(crs):
    """The orthoimage shows everything 1.3 m further east and 0.7 m further south than the reference."""
    if crs.is_geographic:
        per_lon, per_lat = 78_846.8, 111_131.8  # m, at 45 degrees
        grid = Grid.covering((LON - 0.002, LAT - 0.0015, LON + 0.002, LAT + 0.0015), 1e-5, crs=crs)
    else:
        per_lon = per_lat = 1.0
        grid = grid_of(0.5)
    made = ortho(grid=grid)
    t = grid.transform
    moved = Affine(t.a, 0, t.c - 1.3 / per_lon, 0, t.e, t.f + 0.7 / per_lat)
    values = made.read(grid.window)
    reference = ArrayRaster(array=values, grid=replace(grid, transform=moved), nodata=0)
    found = reference_residuals(made, reference, name="ref.tif", engine=Threads(2))
    assert found.known.sum() > 15
    # UTM: metres of the map, whose scale is 0.9996 and whose north is turned by 0.3 degrees.
    np.testing.assert_allclose(found.median, (1.3, -0.7), atol=0.03)
    assert found.ce90 == pytest.approx(math.hypot(1.3, 0.7), abs=0.06)
    assert math.isnan(found.ce90_px)


def test_it_is_kept_as_json(walled):
    found = walled[1]
    kept = json.loads(found.to_json())
    assert kept["hidden"] == found.hidden
    assert kept["output"]["crs"] == "EPSG:32631"
    assert kept["vectors"][0]["label"][0] == "<p0>"
    assert len(kept["vectors"][0]["east"]) == 12
    assert "maps" not in kept
    assert "NaN" not in found.to_json()


def test_the_engine_changes_nothing(walled):
    again = assess(walled[0], engine=Threads(3))
    np.testing.assert_array_equal(again.maps.sight, walled[1].maps.sight)
    np.testing.assert_array_equal(again.maps.incidence, walled[1].maps.incidence)
    assert again.to_dict()["incidence"] == walled[1].to_dict()["incidence"]


def test_sample_grids():
    step, grid = sample_grid(grid_of(), 100)
    assert (step, grid.shape, grid.resolution) == (4, (100, 100), (4.0, 4.0))
    turned = Grid(crs=UTM31, transform=Affine(0.8, 0.6, 5e5, 0.6, -0.8, 5e6), shape=(300, 200))
    _, upright = sample_grid(turned, 50)
    assert max(upright.shape) <= 51
    assert upright.transform.b == upright.transform.d == 0.0
    assert upright.bounds[0] <= turned.bounds[0]
    assert upright.bounds[3] >= turned.bounds[3]


# ------------------------------------------------------------------------------ the pictures


def drawn(fig):
    fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba())


def colour_at(ax, pixels, x, y):
    col, row = ax.transData.transform((x, y))
    return pixels[pixels.shape[0] - 1 - int(row), int(col), :3].astype(int)


def test_maps_are_north_up(walled):
    found = walled[1]
    fig = figure(5, 5, dpi=160, layout=None)
    ax = fig.add_axes((0.0, 0.0, 1.0, 1.0))
    plot_sight(found, ax)
    pixels = drawn(fig)
    cols = np.flatnonzero(found.maps.sight[40] == Sight.HIDDEN)
    x, y = found.maps.grid.xy(40.5, float(cols.mean()) + 0.5)
    red, green, blue = colour_at(ax, pixels, float(x), float(y))
    assert red > 150 > max(green, blue) + 80
    red, _, blue = colour_at(ax, pixels, float(x) + 40.0, float(y))
    assert blue > red


def test_the_arrow_points_to_the_sensor(walled):
    from matplotlib.patches import FancyArrowPatch

    fig = figure(5, 5, dpi=100, layout=None)
    ax = fig.add_axes((0.1, 0.1, 0.8, 0.8))
    plot_incidence(walled[1], ax)
    drawn(fig)
    (arrow,) = (p for p in ax.patches if isinstance(p, FancyArrowPatch))
    vertices = arrow.get_transform().transform_path(arrow.get_path()).vertices
    middle = ax.transData.transform(np.mean([ax.get_xlim(), ax.get_ylim()], axis=1))
    ends = vertices[:-1]  # the last one closes the path
    assert ends[:, 0].max() - middle[0] > 20  # east
    assert abs(ends[:, 1] - middle[1]).max() < 8


def test_arrows_of_residuals(walled):
    from matplotlib.quiver import Quiver

    made, found = walled
    look = quick_look(made, made.dem, max_pixels=200)
    fig = figure(5, 5, dpi=100, layout=None)
    ax = plot_vectors(
        found.vectors[0], fig.subplots(), picture=look.image, grid=look.grid, convergence=90.0
    )
    (arrows,) = (c for c in ax.collections if isinstance(c, Quiver))
    known = found.vectors[0].known
    np.testing.assert_allclose(arrows.U, found.vectors[0].north[known], atol=1e-9)  # north is right
    np.testing.assert_allclose(arrows.V, -found.vectors[0].east[known], atol=1e-9)
    far = replace(found.vectors[0], east=np.where(np.arange(12) == 4, 50.0, 0.0), north=np.ones(12))
    ax = plot_vectors(far, figure(5, 5).subplots(), picture=look.image, grid=look.grid)
    (arrows,) = (c for c in ax.collections if isinstance(c, Quiver))
    np.testing.assert_allclose(
        np.hypot(arrows.U, arrows.V), np.where(np.arange(12) == 4, 2.0, 1.0), rtol=1e-6
    )
    assert ax.get_xlim() == (look.grid.bounds[0], look.grid.bounds[2])


def test_the_hillshade_shows_where_there_is_no_image():
    small = ortho(wall(), grid=grid_of(2.0), image=image(bands=4), rpc=view().cropped(0, 500))
    look = quick_look(small, small.dem, max_pixels=100)
    assert look.image.shape == (100, 100, 4)
    empty = (look.image == look.relief).all(axis=2)
    assert 0.2 < empty.mean() < 0.8
    assert (look.image[..., 3] == 255).all()
    assert np.ptp(look.image[~empty][:, :3], axis=1).max() > 0  # three bands, not one
    away = Grid.covering((0.0, 0.0, 100.0, 100.0), 1.0, crs=UTM31)
    assert np.isnan(shade_below(small.dem, away)).all()


def test_lengths():
    assert [round_length(v) for v in (0.0, math.nan, 0.0049, 7.0, 23.0)] == [
        0.0,
        0.0,
        0.002,
        5.0,
        20.0,
    ]
    assert [length_text(v) for v in (0.002, 0.05, 2.0, 1000.0)] == ["2 mm", "5 cm", "2 m", "1 km"]


# ---------------------------------------------------------------------------------- the page


def written(path: Path, walled, **changes) -> str:
    made, found = walled
    arguments = {
        "quality": found, "image": made, "dem": made.dem,
        "inputs": {"image": "in/scene.tif", "dem": "wall <1>.tif"}, "command": "trueground ortho scene.tif",
    } | changes  # fmt: skip
    write_ortho_report(path, **arguments)
    return path.read_text(encoding="utf-8")


def readable(page: str) -> str:
    body = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_page_says_what_was_found(walled, tmp_path):
    page = written(tmp_path / "r.html", walled, warnings=["A cloud."])
    text = readable(page)
    assert (
        "scene.tif was put on the ground over wall &lt;1&gt;.tif (heights above the WGS 84 ellipsoid)"
        in text
    )
    assert "400 x 400 pixels of 1 m, WGS 84 / UTM zone 31N" in text
    assert "Incidence 30.0°" in text
    assert f"{100 * walled[1].hidden:.2f} % of the ground is hidden" in text
    assert "CE90 against ground control points" in text
    assert "azimuth 90.0°" in text
    assert "All of the ground that the image reaches within the output has heights." in text
    assert "&lt;p3&gt;" in page
    assert "<p3>" not in page
    assert text.index("A cloud.") < text.index("Quick look")
    for anchor in (
        "quick-look",
        "incidence",
        "sight",
        "residuals-1",
        "grids",
        "domain",
        "inputs",
        "command",
    ):
        assert f'id="{anchor}"' in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "nan" not in text.lower().split()
    assert len(page) < 4_000_000


def downloads(page: str) -> dict[str, list[dict[str, str]]]:
    """Return the rows of the CSV files inside a page, by their names."""
    links = re.findall(
        r'href="data:text/csv;charset=utf-8;base64,([^"]+)" download="([^"]+)">', page
    )
    texts = {name: base64.b64decode(content).decode() for content, name in links}
    return {name: list(csv.DictReader(io.StringIO(text))) for name, text in texts.items()}


def test_all_residuals_can_be_saved_from_the_page(walled, tmp_path):
    """More than the table lists, with all digits; what is not known is empty."""
    (control,) = walled[1].vectors
    many = 40
    east = np.linspace(-1.0, 1.0, many) / 3.0
    east[5] = np.nan
    vectors = replace(
        control, label=tuple(f"<{k}>, \"x\"" for k in range(many)), east=east, north=np.zeros(many),
        **{name: np.full(many, 2.0) for name in ("x", "y", "d_row", "d_col", "d_height")},
        weight=np.full(many, np.nan),
    )  # fmt: skip
    page = written(tmp_path / "r.html", (walled[0], replace(walled[1], vectors=(control, vectors))))
    files = downloads(page)
    assert [n for n in files if n.startswith("residuals")] == ["residuals-1.csv", "residuals-2.csv"]
    rows = files["residuals-2.csv"]
    assert [row["label"] for row in rows] == list(vectors.label)
    assert [row["east"] for row in rows] == ["" if np.isnan(v) else repr(float(v)) for v in east]
    assert "weight" not in rows[0]
    assert "All 40 as CSV" in readable(page)


def test_warnings_stand_at_the_top(tmp_path):
    z = np.full((700, 700), 500.0)
    z[:, :300] = np.nan
    made = ortho(dem(z), occlusion="ignore")
    text = readable(written(tmp_path / "r.html", (made, assess(made))))
    assert "of the image; the rest of it is not shown." in text
    assert "of the ground lies outside of what the RPC was made for, most of all in height" in text
    assert text.index("Mind this") < text.index("Quick look")
    assert "No ground is hidden" in text


def test_an_orthoimage_of_nothing_is_still_a_page(tmp_path):
    made = ortho(rpc=view().cropped(50_000, 50_000))
    text = readable(written(tmp_path / "r.html", (made, assess(made))))
    assert "No ground with a height is seen." in text
    assert " nan" not in text.lower()


def test_the_same_results_give_the_same_page(walled, tmp_path):
    assert written(tmp_path / "a.html", walled) == written(tmp_path / "b.html", walled)


def test_nothing_half_written(walled, tmp_path):
    with pytest.raises(WriteError):
        written(tmp_path / "missing" / "r.html", walled)
