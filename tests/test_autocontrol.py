"""Automatic ground control: what was wrong on purpose is found again, and what does not match is refused."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from control_scene import Small, biased, error, random_texture, small
from trueground import open_raster, ortho_grid
from trueground.control import Matching, automatic_control, residual_vectors, texture_of
from trueground.control.patches import (
    AMBIGUOUS,
    CHANCE,
    ONE_WAY,
    UNLIKE,
    Trial,
    judged,
    limits_of,
    try_place,
)
from trueground.control.pixels import Grey, scaled
from trueground.control.scene import Scene
from trueground.dem import Dem
from trueground.engine import Serial, Threads
from trueground.errors import FitError, InputError, OverlapError
from trueground.grid import Grid
from trueground.ortho import Orthoimage
from trueground.projection import project_bounds
from trueground.raster import ArrayRaster, Raster
from trueground.report.control import write_refinement_report
from trueground.rpc.model import Rpc
from trueground.rpc.readers import rpc_for_image
from trueground.samples import World
from trueground.samples import world as synthetic_world
from trueground.warp import on_grid

FEW = Matching(patches=36)
NEAR = Matching(patches=25, sizes=(64, 32), search=24)
PROMISED = 0.1  # px


@pytest.fixture(scope="module")
def world() -> World:
    return synthetic_world()


@pytest.fixture(scope="module")
def view(world: World) -> tuple[Raster, Rpc, Dem]:
    """Left image, its true RPC, the true DEM."""
    image = open_raster(world.images[0])
    return image, rpc_for_image(image), Dem.open(world.reference, heights="ellipsoid")


@pytest.fixture(scope="module")
def texture(world: World) -> np.ndarray:
    raster = open_raster(world.texture)
    return raster.read(raster.grid.window)[0].astype(np.float32)


@pytest.fixture(scope="module")
def scene() -> Small:
    return small()


def on_texture(world: World, values: np.ndarray) -> ArrayRaster:
    return ArrayRaster(array=values.astype(np.float32), grid=open_raster(world.texture).grid)


def brought_back(view, reference: Raster, **more):
    """Refine the left image's biased RPC, and hold it against the true one and against the sensor."""
    image, rpc, dem = view
    wrong = biased(rpc)
    assert error(wrong, rpc, dem, image.grid.shape)[0] > 9.0
    found = automatic_control(image, wrong, reference, dem=dem, matching=FEW, **more)
    rms, worst = error(found.rpc, rpc, dem, image.grid.shape)
    assert rms < PROMISED
    assert worst < 2 * PROMISED
    return found, rms, worst


def test_true_texture(world, view):
    found, rms, worst = brought_back(view, open_raster(world.texture))
    # Measured 0.001 and 0.002 px: twenty times better than promised, so that it shows when something gets lost.
    assert rms < 0.01
    assert worst < 0.02
    assert found.refinement.model == "drift"
    assert found.changes[-1] < 0.02
    assert found.ce90 < 0.05
    # The sensor itself, not its RPC.
    sensor = world.sensors[0]
    row, col = np.meshgrid(np.linspace(100, 1400, 9), np.linspace(100, 1400, 9))
    x, y, z = (a.reshape(-1) for a in world.view("left").trace(row, col))
    seen_at_all = np.isfinite(z)
    x, y, z = x[seen_at_all], y[seen_at_all], z[seen_at_all]
    assert z.size > 40
    lon, lat = project_back(world, x, y)
    seen = sensor.project(lon, lat, z)
    ours = found.rpc.project(lon, lat, z)
    assert np.hypot(seen[0] - ours[0], seen[1] - ours[1]).max() < 0.02


def project_back(world, x, y):
    from trueground.projection import WGS84, project

    return project(open_raster(world.reference).grid.crs, WGS84, x, y)


def other_view(world: World, dem: Dem) -> ArrayRaster:
    image = open_raster(world.images[1])
    rpc = rpc_for_image(image)
    grid = ortho_grid(image, rpc, dem, crs=dem.crs, resolution=2.0)
    ortho = Orthoimage(image=Grey(source=image), rpc=rpc, dem=dem, grid=grid)
    return ArrayRaster(array=ortho.read(grid.window), grid=grid)


@pytest.mark.slow
def test_orthoimage_of_the_other_view(world, view):
    _, rms, _ = brought_back(view, other_view(world, view[2]))
    assert rms < 0.02


@pytest.mark.slow
def test_clouds_over_two_fifths_of_the_reference(world, view, texture):
    rng = np.random.default_rng(0)
    shape = texture.shape
    puffs = ndimage.gaussian_filter(rng.normal(size=shape).astype(np.float32), 60)
    white = 1500.0 + 1600.0 * ndimage.gaussian_filter(rng.normal(size=shape).astype(np.float32), 8)
    cloudy = np.where(puffs > np.quantile(puffs, 0.6), white, texture)
    found, _, _ = brought_back(view, on_texture(world, cloudy))
    assert found.refused
    under = puffs > np.quantile(puffs, 0.6)
    share = ndimage.uniform_filter(under.astype(float), 128)  # cells of 1 m
    grid = open_raster(world.texture).grid
    from trueground.projection import WGS84, project

    row, col = grid.rowcol(*project(WGS84, grid.crs, found.patches.lon, found.patches.lat))
    inside = share[
        np.clip(row.astype(int), 0, shape[0] - 1), np.clip(col.astype(int), 0, shape[1] - 1)
    ]
    assert not (found.patches.used & (inside > 0.95)).any()


@pytest.mark.slow
def test_a_coarser_reference(world, view, texture):
    rows, cols = texture.shape
    grid = open_raster(world.texture).grid
    coarse = texture.reshape(rows // 4, 4, cols // 4, 4).mean(axis=(1, 3))
    coarser = Grid(crs=grid.crs, transform=scaled(grid.transform, 4.0), shape=coarse.shape)
    found, _, _ = brought_back(view, ArrayRaster(array=coarse, grid=coarser))
    assert found.pixel == pytest.approx(2.0, abs=0.05)


@pytest.mark.slow
def test_a_reference_in_longitude_and_latitude_with_holes_in_both(world, view, texture):
    grid = open_raster(world.texture).grid
    holes = texture.copy()
    holes[500:1200, 800:1500] = np.nan
    holes[:, :300] = np.nan
    holes[np.random.default_rng(1).random(holes.shape) < 1e-5] = np.nan
    lonlat = CRS.from_epsg(4326)
    bounds = project_bounds(grid.crs, lonlat, grid.bounds)
    degrees = Grid.covering(bounds, (1.5e-5, 1.2e-5), crs=lonlat)
    warped = on_grid(on_texture(world, holes), degrees, resampling="cubic")
    reference = ArrayRaster(array=warped.read(degrees.window), grid=degrees)
    image, rpc, dem = view
    dark = image.read(image.grid.window)[0]
    dark[700:900, 200:600] = 0  # the image's nodata
    patched = ArrayRaster(array=dark, grid=image.grid, nodata=0)
    brought_back((patched, rpc, dem), reference)


def refused(view, reference: Raster, what: str, **more) -> str:
    image, rpc, dem = view
    with pytest.raises(FitError, match=what) as caught:
        automatic_control(image, biased(rpc), reference, dem=dem, **{"matching": FEW, **more})
    return str(caught.value)


@pytest.mark.parametrize("kind", ["water", "noise", "quarter turn", "half turn", "shifted"])
def test_a_wrong_reference_is_refused(world, view, texture, kind):
    rng = np.random.default_rng(0)
    references = {
        "water": lambda: 120.0 + rng.normal(0.0, 1.0, texture.shape),
        "noise": lambda: 500.0 + 100.0 * rng.normal(size=texture.shape),
        "quarter turn": lambda: np.rot90(texture),
        "half turn": lambda: texture[::-1, ::-1],
        "shifted": lambda: np.roll(texture, (400, 400), axis=(0, 1)),
    }
    message = refused(
        view,
        on_texture(world, references[kind]()),
        "have texture" if kind == "water" else "does not match the reference",
    )
    assert "at least" in message


def test_another_place_is_refused(scene):
    """The same kind of ground, drawn anew."""
    other = replace(scene.reference, array=random_texture(scene.reference.grid.shape, 7))
    where = scene.image, scene.rpc, scene.dem
    message = refused(where, other, "does not match the reference", matching=NEAR)
    assert "above chance" in message or "no peak" in message


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_an_image_of_water_is_refused(scene, noise):
    flat = 100.0 + noise * np.random.default_rng(0).normal(size=scene.image.grid.shape)
    water = ArrayRaster(array=flat.astype(np.float32), grid=scene.image.grid)
    refused((water, scene.rpc, scene.dem), scene.reference, "does not match", matching=NEAR)


def test_a_bias_beyond_the_search_is_refused_and_found_with_a_wider_one(scene):
    far = replace(scene.rpc, samp_off=scene.rpc.samp_off + 40.0)
    with pytest.raises(FitError, match="less than the search range"):
        automatic_control(
            scene.image, far, scene.reference, dem=scene.dem,
            matching=Matching(patches=25, sizes=(64, 32), search=16),
        )  # fmt: skip
    found = automatic_control(
        scene.image, far, scene.reference, dem=scene.dem, matching=Matching(patches=25, sizes=(128, 64), search=64)
    )  # fmt: skip
    assert error(found.rpc, scene.rpc, scene.dem, scene.image.grid.shape)[0] < 0.05


def test_matches_without_consensus_are_refused(scene):
    """Each patch of the reference is right, and they lie about at random."""
    tiles = scene.reference.array[0].copy()
    rng = np.random.default_rng(3)
    for i in range(0, 500, 100):
        for j in range(0, 500, 100):
            part = scene.reference.array[0][i : i + 100, j : j + 100]
            tiles[i : i + 100, j : j + 100] = np.roll(part, rng.integers(-15, 16, 2), axis=(0, 1))
    where = scene.image, scene.rpc, scene.dem
    reference = replace(scene.reference, array=tiles)
    refused(where, reference, "consensus|does not match", matching=NEAR)


def test_a_small_scene_the_same_for_any_engine(scene, tmp_path):
    found = [
        automatic_control(
            scene.image, biased(scene.rpc), scene.reference, dem=scene.dem, matching=NEAR, engine=engine
        )
        for engine in (Serial(), Threads(3))
    ]  # fmt: skip
    one, two = found
    assert one.rpc == two.rpc
    assert error(one.rpc, scene.rpc, scene.dem, scene.image.grid.shape)[0] < 0.03
    rows = list(csv.DictReader(io.StringIO(one.to_csv())))
    assert len(rows) == len(one.patches.verdict)
    assert sum(r["verdict"] == "used" for r in rows) == int(one.patches.used.sum())
    features = json.loads(one.to_geojson())["features"]
    assert [f["properties"]["verdict"] for f in features] == list(one.patches.verdict)
    assert f"{int(one.patches.used.sum())} of {len(rows)} patches match" in one.summary()
    # Ground control: the true RPC puts the ground of a match where the image was found to show it.
    used = one.patches.used
    p = one.patches
    row, col = scene.rpc.project(p.lon[used], p.lat[used], p.height[used])
    assert np.quantile(np.hypot(row - p.row[used], col - p.col[used]), 0.9) < 0.1
    page = tmp_path / "r.html"
    write_refinement_report(
        page, result=one, image=scene.image, inputs={"image": "s/<scene>.tif"}, command="trueground refine"
    )  # fmt: skip
    text = page.read_text(encoding="utf-8")
    for word in (
        "The RPC of &lt;scene&gt;.tif",
        "CE90",
        'id="patches"',
        'id="residuals"',
        "Limit of chance",
    ):
        assert word in text
    saved = re.findall(r'base64,([^"]+)" download="(\w+).csv"', text)
    saved = {name: base64.b64decode(content).decode() for content, name in saved}
    assert saved["patches"] == one.to_csv()
    assert saved["points"] == one.refinement.to_csv()
    write_refinement_report(page, result=one.refinement, image=None, inputs={}, command="")
    assert 'id="patches"' not in page.read_text(encoding="utf-8")


def test_ground_that_is_not_shared_and_references_without_place(scene):
    t = scene.reference.grid.transform
    moved = Affine(t.a, t.b, t.c + 5e4, t.d, t.e, t.f)
    far = replace(scene.reference, grid=replace(scene.reference.grid, transform=moved))
    with pytest.raises(OverlapError, match="share no ground"):
        automatic_control(scene.image, scene.rpc, far, dem=scene.dem)
    nowhere = replace(scene.reference, grid=replace(scene.reference.grid, crs=None))
    with pytest.raises(InputError, match="no CRS"):
        automatic_control(scene.image, scene.rpc, nowhere, dem=scene.dem)


def test_settings_are_checked():
    for wrong in (
        {"patches": 3}, {"sizes": ()}, {"sizes": (64, 128)}, {"sizes": (63,)}, {"sizes": (16,)}, {"search": 0},
        {"search": 300},
    ):  # fmt: skip
        with pytest.raises(InputError, match="must be"):
            Matching(**wrong)


def test_the_grid_has_the_pixels_of_the_coarser_one(scene):
    plain = Scene(image=scene.image, rpc=scene.rpc, dem=scene.dem, reference=scene.reference)
    assert plain.factors == (1, 1)
    offset = (plain.grid.transform.c - scene.reference.grid.transform.c) / 2.0
    assert offset == round(offset)  # on the pixels of the reference
    at = plain.core
    row, col = scene.reference.grid.rowcol(*plain.grid.xy(at.row + 40, at.col + 40))
    window = replace_window(at, 40, 8)
    i, j = round(float(row)), round(float(col))
    np.testing.assert_array_equal(
        plain.reference_at(window), scene.reference.array[0][i : i + 8, j : j + 8]
    )


def replace_window(core, offset, size):
    from trueground.grid import Window

    return Window(core.row + offset, core.col + offset, size, size)


def test_texture_wants_two_directions():
    rng = np.random.default_rng(0)
    image = np.full((200, 200), 100.0)
    image[:, 100:] = 200.0  # a lone edge
    assert texture_of(image, 32)[100, 100] < 1e-6
    image[60:, :] += 50.0  # and a corner
    assert texture_of(image, 32)[60, 100] > 1e-2
    noisy = 100.0 + rng.normal(0.0, 1.0, (200, 200))
    assert np.nanmedian(texture_of(noisy, 32)) < 1e-3
    holes = image.copy()
    holes[:100] = np.nan
    assert np.isnan(texture_of(holes, 32)[60, 100])
    assert np.isnan(texture_of(np.full((50, 50), np.nan), 32)).all()


def test_both_directions_must_agree():
    """The reference shows a patch twice, the image once: forward is right, backward may go to the other."""
    field = random_texture((400, 400), 2)
    twin = field.copy()
    twin[168:232, 208:272] = field[168:232, 168:232]
    trial = try_place(twin, field, [(64, 40)], chance=True)
    assert trial.reason or abs(trial.d_row) < 0.5
    good = try_place(field, np.roll(field, (5, -3), axis=(0, 1)), [(128, 16), (64, 8)], chance=True)
    assert good.reason == ""
    assert (good.d_row, good.d_col) == pytest.approx((5.0, -3.0), abs=2e-3)
    assert len(good.coherence) == len(good.chance) == 2


def test_what_is_refused():
    trial = Trial(0.0, 0.0, (0.8, 0.9), 0.9, 2.0, "", ((0.1,), (0.2,)))
    limits = (0.3, 0.4)
    assert judged(trial, limits) == ""
    assert judged(trial._replace(coherence=(0.2, 0.9)), limits) == CHANCE
    assert judged(trial._replace(ratio=1.1), limits) == AMBIGUOUS
    assert judged(trial._replace(correlation=0.1), limits) == UNLIKE
    assert judged(trial._replace(reason=ONE_WAY), limits) == ONE_WAY
    chance = np.random.default_rng(0).normal(0.2, 0.02, (50, 2))
    limit = limits_of([trial._replace(chance=(tuple(c),)) for c in chance], 1)[0]
    assert limit == pytest.approx(0.26, abs=0.01)


def shifted(values: np.ndarray, d_row: float, d_col: float) -> np.ndarray:
    f = [np.fft.fftfreq(n) for n in values.shape]
    turn = np.exp(-2j * np.pi * (f[0][:, np.newaxis] * d_row + f[1] * d_col))
    return np.fft.ifft2(np.fft.fft2(values) * turn).real


def as_ortho(values: np.ndarray, pixel: float = 2.0) -> ArrayRaster:
    transform = Affine(pixel, 0.0, 4e5, 0.0, -pixel, 5e6)
    return ArrayRaster(
        array=values.astype(np.float32),
        grid=Grid(crs=CRS.from_epsg(32632), transform=transform, shape=values.shape),
    )


def test_residual_vectors():
    reference = random_texture((512, 512), 4)
    found = residual_vectors(as_ortho(shifted(reference, 0.3, -0.7)), as_ortho(reference))
    assert found.used.sum() == found.row.size == 64
    assert found.median == pytest.approx((0.3, -0.7), abs=2e-3)
    assert found.ce90 == pytest.approx(math.hypot(0.3, 0.7), abs=0.01)
    x, y = found.vectors
    assert np.median(x) == pytest.approx(-1.4, abs=4e-3)  # [m]: columns run east, rows south
    assert np.median(y) == pytest.approx(-0.6, abs=4e-3)
    assert found.quality.min() > found.chance


def test_residual_vectors_of_a_finer_and_a_coarser_reference():
    fine = random_texture((1024, 1024), 5)
    fine = ndimage.gaussian_filter(fine, 2.0, mode="wrap")
    coarse = fine.reshape(512, 2, 512, 2).mean(axis=(1, 3))
    moved = as_ortho(shifted(coarse, 0.4, 0.2))
    found = residual_vectors(moved, as_ortho(fine, 1.0), number=50)
    assert found.median == pytest.approx((0.4, 0.2), abs=0.01)
    again = residual_vectors(as_ortho(shifted(fine, 0.8, -1.2), 1.0), as_ortho(coarse), number=50)
    assert again.median == pytest.approx((0.8, -1.2), abs=0.02)


def test_residual_vectors_of_something_else():
    one, two = random_texture((512, 512), 6), random_texture((512, 512), 7)
    found = residual_vectors(as_ortho(one), as_ortho(two))
    assert found.used.mean() < 0.1
    one[:200] = np.nan
    holes = residual_vectors(as_ortho(one), as_ortho(one))
    assert "no data" in holes.verdict
    assert 0 < holes.used.sum() < 64
    empty = residual_vectors(as_ortho(np.full((128, 128), 5.0)), as_ortho(two))
    assert math.isnan(empty.ce90)
    assert math.isnan(empty.median[0])
    with pytest.raises(InputError, match="smaller patch"):
        residual_vectors(as_ortho(one[:50]), as_ortho(two))
    with pytest.raises(InputError, match="must be"):
        residual_vectors(as_ortho(one), as_ortho(two), patch=20)
