"""Blockwise coregistration from end to end: truth, limits, the same each time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from known_field import PIXEL, TrueField, field_error, moved, pair, raster, rms, steep
from known_terrain import UTM33, dem, grid
from trueground.coreg import Blockwise, Deramp, NuthKaab
from trueground.coreg.blocks.warped import WarpedDem
from trueground.coreg.combine import Combined
from trueground.engine import Serial, Threads
from trueground.errors import FitError, InputError, OverlapError
from trueground.grid import Grid
from trueground.stats import nmad
from trueground.surface import ComputedSurface
from trueground.windowed import computed

TWO = Threads(2)


@dataclass(frozen=True)
class SometimesBroken(Combined):
    """Nuth and Kaab's method with a bug that shows in the west."""

    name = "sometimes broken"

    def fit(self, reference, moving, **known):
        if reference.grid.bounds[0] < 500_100.0:
            raise ZeroDivisionError("a bug")
        return NuthKaab().fit(reference, moving, **known)


def left(reference, moved_dem):
    """NMAD [m] of what remains."""
    off = reference.array[0] - moved_dem.read(reference.grid.window)[0]
    return nmad(off[np.isfinite(off)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pixels", "up"),
    [
        ("constant", 0.03, 0.1),
        ("plane", 0.03, 0.1),
        ("quadratic", 0.03, 0.1),
        ("bumps", 0.04, 0.15),  # hardly wider than a block: what lost blocks hid is guessed
        ("sine", 0.1, 0.2),
        ("seam", 0.6, 0.6),  # no smooth field has a step: half of it is missed beside it
    ],
)
def test_truth(name, pixels, up):
    """A fifth of the blocks is empty or flat, with noise of 1 m on both DEMs."""
    reference, moving = pair(name)
    on = reference.grid
    found = Blockwise(NuthKaab(), block_size=150).fit(reference, moving, engine=TWO)
    error = rms(field_error(found.shifts, name, on)[0])
    assert error[:2].max() / PIXEL < pixels, error
    assert error[2] < up, error
    after = left(reference, found.apply(moving))
    best = left(reference, WarpedDem(source=moving, shifts=TrueField(name, on), crs=UTM33, grid=on))
    alone = left(reference, NuthKaab().fit(reference, moving, engine=TWO).apply(moving))
    assert after <= 1.05 * best or name == "seam"
    assert after <= 1.001 * alone


@pytest.mark.slow
def test_stated_error_covers_the_truth():
    """60 to 76 % of the area within one sigma, over realisations, x, y and z; other kinds in test_field.py."""
    share = {}
    for name in ("quadratic",):
        within = []
        for seed in range(3):
            reference, moving = pair(name, seed=seed)
            found = Blockwise(NuthKaab(), block_size=150).fit(reference, moving, engine=TWO)
            error, stated = field_error(found.shifts, name, reference.grid)
            within.append(np.mean(np.abs(error) < stated))
        share[name] = np.mean(within)
    assert 0.60 <= np.mean(list(share.values())) <= 0.76, share


@pytest.fixture(scope="module")
def small():
    """A pair of 400 x 400 pixels."""
    return pair("plane", size=400, spoilt=0.0)


def fit(small, size=100, **known):
    engine = known.pop("engine", TWO)
    valid = known.pop("valid", None)
    method = known.pop("method", NuthKaab())
    return Blockwise(method, block_size=size, **known).fit(*small, engine=engine, valid=valid)


def off_px(found, name, on, pixel=PIXEL):
    return rms(field_error(found.shifts, name, on)[0])[:2].max() / pixel


def test_two_runs_and_two_engines_are_identical(small):
    one = fit(small).to_json()
    assert fit(small).to_json() == one
    assert fit(small, engine=Threads(1)).to_json() == one
    assert fit(small, engine=Serial()).to_json() == one


def test_progress_counts_the_blocks(small):
    seen = []
    Blockwise(block_size=100).fit(*small, progress=lambda done, total: seen.append((done, total)))
    assert seen[:16] == [(n, 16) for n in range(1, 17)]


def test_an_empty_block_is_filled_by_the_field(small):
    reference, moving = small
    loose = moving.array[0].copy()
    loose[:100, :100] = np.nan
    found = fit((reference, raster(loose, reference.grid)))
    assert found.blocks[0].verdict == "too few"
    assert found.verdicts["ok"] >= 12
    assert off_px(found, "plane", reference.grid) < 0.1


def test_all_blocks_empty_is_told(small):
    on = small[0].grid
    nothing = raster(np.zeros(on.shape), on)
    with pytest.raises(
        FitError, match=r"none of the 16 blocks is good \(16 too few\).*global method"
    ):
        fit(small, valid=nothing)


def test_flat_ground_everywhere_is_told():
    on = grid((300, 300), PIXEL)
    one, two = np.random.default_rng(0).normal(size=(2, *on.shape))
    with pytest.raises(FitError, match="none of the 9 blocks is good"):
        fit((raster(one, on), raster(two, on)))


@pytest.mark.parametrize("size", [400, 5000])
def test_one_block_is_the_global_method(size):
    reference, moving = pair("constant", size=400, spoilt=0.0)
    found = fit((reference, moving), size)
    assert len(found.blocks) == 1
    assert found.fields[-1].kind == "constant"
    alone = NuthKaab().fit(reference, moving)
    middle = found.shifts.at(502_000.0, 7_998_000.0)
    known = [alone.shift_x, alone.shift_y, alone.shift_z]
    np.testing.assert_allclose(middle, known, atol=0.3)


@pytest.mark.parametrize("along", [0, 1])
def test_one_row_of_blocks(along):
    shape = (100, 800) if along == 0 else (800, 100)
    on = grid(shape, PIXEL)
    reference, moving = (
        dem(on, s, surface=steep, noise=0.5, seed=k)
        for k, s in enumerate([(0.0, 0.0, 0.0), (9.0, -4.0, 1.0)])
    )
    found = fit((reference, moving))
    assert found.fields[-1].kind == "constant"
    np.testing.assert_allclose(found.shifts.at(501_000.0, 7_999_500.0), (9.0, -4.0, 1.0), atol=0.3)


def test_a_shift_larger_than_a_block():
    """80 px with blocks of 64 px: the scouts look that far."""
    on = grid((640, 640), PIXEL)
    reference = dem(on, surface=steep, noise=0.5)
    moving = dem(on, (800.0, -60.0, 3.0), surface=steep, noise=0.5, seed=1)
    found = fit((reference, moving), 64)
    np.testing.assert_allclose(found.shifts.at(503_000.0, 7_996_000.0), (800, -60, 3), atol=0.3)


def test_blocks_of_50_pixels(small):
    found = fit(small, 50)
    assert len(found.first_blocks) == 64
    assert off_px(found, "plane", small[0].grid) < 0.1


@dataclass(frozen=True, kw_only=True)
class Ridges(ComputedSurface):
    """Terrain that is made when it is read, moved by a shift."""

    grid: Grid
    shift: tuple[float, float, float]

    def read(self, window):
        return computed(self, window, self._compute)

    def _compute(self, window):
        x, y = self.grid.xy(*window.pixel_centres())
        x, y = x + self.shift[0], y + self.shift[1]
        heights = 150.0 * np.sin(x / 170.0) * np.cos(y / 230.0) + 80.0 * np.sin(
            x / 410.0 + y / 530.0
        )
        return (heights - self.shift[2])[np.newaxis].astype(np.float32)


@pytest.mark.slow
def test_blocks_of_5000_pixels():
    on = grid((5000, 10_000), PIXEL)
    reference, moving = (Ridges(grid=on, shift=s) for s in ((0.0, 0.0, 0.0), (-23.0, 17.0, 4.0)))
    found = fit((reference, moving), 5000)
    assert [b.window.shape for b in found.blocks] == [(5000, 5000)] * 2
    off = found.shifts.at([520_000.0, 580_000.0], [7_970_000.0] * 2) - np.array(
        [[-23.0], [17.0], [4.0]]
    )
    assert np.abs(off).max() < 0.03


def test_shifts_that_hardly_differ_within_a_block_are_looked_at_once():
    """By 0.05 px: that tells less than the noise."""
    on = grid((400, 400), PIXEL)
    reference = dem(on, surface=steep, noise=0.5)
    moving = dem(
        on, surface=lambda x, y: steep(x + 0.0005 * (x - on.bounds[0]), y), noise=0.5, seed=1
    )
    found = fit((reference, moving), 100)
    assert found.fields[0].kind != "constant"
    assert len(found.fields) == 1


@pytest.mark.parametrize("axis", [0, 1])
def test_shifts_that_differ_within_a_block_are_looked_at_again(axis):
    """In x by 1.2 px, which misleads; or in z alone, so that what is left in a block is the tilt of it."""
    on = grid((400, 400), PIXEL)
    across = ((0.012, 0.0), (0.0, 0.01))[axis]

    def bent(x, y):
        east = np.asarray(x) - on.bounds[0]
        return steep(x + across[0] * east, y) + across[1] * east

    reference = dem(on, surface=steep, noise=0.5)
    found = fit((reference, dem(on, surface=bent, noise=0.5, seed=1)), 100)
    assert len(found.fields) == 2


def test_blocks_in_metres(small):
    assert fit(small, 1000.0, unit="m").to_dict()["blocks"] == fit(small).to_dict()["blocks"]


def test_half_metre_pixels_with_a_shift_of_ten():
    def gullies(x, y):
        return 0.1 * steep(500_000 + 20 * (x - 500_000), 8_000_000 + 20 * (y - 8_000_000))

    on = grid((400, 400), 0.5)
    reference = dem(on, surface=gullies, noise=0.05)
    moving = dem(on, (5.0, -2.0, 0.5), surface=gullies, noise=0.05, seed=1)
    found = fit((reference, moving))
    np.testing.assert_allclose(found.shifts.at(500_100.0, 7_999_900.0), (5.0, -2.0, 0.5), atol=0.02)


def test_pixels_of_500_metres():
    def mountains(x, y):
        return 20.0 * steep(500_000 + (x - 500_000) / 50, 8_000_000 + (y - 8_000_000) / 50)

    on = grid((300, 300), 500.0)
    reference = dem(on, surface=mountains, noise=1.0)
    moving = dem(on, (700.0, -300.0, 4.0), surface=mountains, noise=1.0, seed=1)
    found = fit((reference, moving))
    off = found.shifts.at(575_000.0, 7_925_000.0) - (700.0, -300.0, 4.0)
    assert np.abs(off[:2]).max() / 500.0 < 0.03
    assert abs(off[2]) < 0.5


def degrees_like(on, step=1e-4):
    """A grid in degrees that covers another."""
    from pyproj import Transformer

    west, south, east, north = on.bounds
    lon, lat = Transformer.from_crs(UTM33, 4326, always_xy=True).transform(
        [west, east, west, east], [south, south, north, north]
    )
    shape = int((max(lat) - min(lat)) / step), int((max(lon) - min(lon)) / (2.5 * step))
    transform = Affine(2.5 * step, 0, min(lon), 0, -step, max(lat))
    return Grid(crs=CRS(4326), transform=transform, shape=shape)


def test_reference_in_degrees():
    on = grid((400, 400), PIXEL)
    reference = dem(degrees_like(on), surface=steep, noise=0.5)
    moving = dem(on, (9.0, -4.0, 1.0), surface=steep, noise=0.5, seed=1)
    found = fit((reference, moving))
    assert found.crs is not None
    assert CRS.from_wkt(found.crs) == UTM33
    np.testing.assert_allclose(found.shifts.at(502_000.0, 7_998_000.0), (9, -4, 1), atol=0.3)
    assert left(reference, found.apply(moving, grid=reference.grid)) < 0.8


def test_moving_dem_in_another_system():
    on = grid((400, 400), PIXEL)
    reference = dem(on, surface=steep, noise=0.5)
    moving = dem(degrees_like(on), (9.0, -4.0, 1.0), surface=steep, noise=0.5, seed=1)
    found = fit((reference, moving))
    np.testing.assert_allclose(found.shifts.at(502_000.0, 7_998_000.0), (9, -4, 1), atol=0.3)
    assert left(reference, found.apply(moving, grid=on)) < 0.8


def test_pipeline(small):
    found = fit(small, method=NuthKaab() + Deramp())
    assert found.method == "blockwise nuth-kaab + deramp"
    assert off_px(found, "plane", small[0].grid) < 0.1


def test_a_bug_in_some_blocks_is_not_the_end(small):
    found = fit(small, method=SometimesBroken())
    assert [b.verdict for b in found.first_blocks[::4]] == ["failed"] * 4
    assert found.first_blocks[0].reason == "ZeroDivisionError: a bug"
    assert sum(b.verdict == "ok" for b in found.first_blocks) >= 10


def test_apply_does_not_depend_on_windows(small):
    reference, moving = small
    aligned = fit(small).apply(moving)
    whole = aligned.read(reference.grid.window)[0]
    for block in reference.grid.blocks(77):
        w = block.core
        part = aligned.read(w)[0]
        np.testing.assert_array_equal(
            part, whole[w.row : w.row + w.height, w.col : w.col + w.width]
        )


def test_no_seams_between_blocks():
    """Second differences across the edges of blocks are what they are elsewhere; one step of 0.05 px is found."""
    on = grid((600, 600), PIXEL)
    reference, moving = dem(on, surface=steep), raster(moved("bumps", on), on)
    found = fit((reference, moving), 100, passes=1)
    edges = np.arange(100, 600, 100)
    exact = reference.array[0]

    def seen(shifts):
        warped = WarpedDem(source=moving, shifts=shifts, crs=UTM33, grid=on, resampling="cubic")
        off = (warped.read(on.window)[0] - exact)[20:-20]
        second = np.abs(off[:, 2:] - 2.0 * off[:, 1:-1] + off[:, :-2]).mean(axis=0)
        borders = np.ravel([edges - 2, edges - 1])
        beside = np.setdiff1d(np.arange(60, 540), np.ravel([edges + k for k in range(-4, 4)]))
        return second[borders].mean() / np.median(second[beside])

    @dataclass(frozen=True)
    class WithSteps:
        errors_at = None

        def at(self, x, y):
            shift = found.shifts.at(x, y)
            shift[0] += 0.5 * (np.floor((np.asarray(x) - on.bounds[0]) / 1000.0) % 2)
            return shift

    assert seen(found.shifts) < 1.1
    assert seen(WithSteps()) > 1.5


def test_extents_differ():
    """The moving DEM covers the eastern half alone: blocks elsewhere are empty, and the field goes on flatly."""
    on = grid((400, 400), PIXEL)
    reference = dem(on, surface=steep, noise=0.5)
    half = grid((400, 200), PIXEL, origin=(502_000.0, 8_000_000.0))
    moving = dem(half, (9.0, -4.0, 1.0), surface=steep, noise=0.5, seed=1)
    found = fit((reference, moving))
    assert {b.verdict for b in found.blocks if b.index[1] == 0} == {"too few"}
    np.testing.assert_allclose(found.shifts.at(503_000.0, 7_998_000.0), (9, -4, 1), atol=0.3)


def test_no_common_ground_is_told():
    far = grid((100, 100), PIXEL, origin=(600_000.0, 8_000_000.0))
    with pytest.raises(OverlapError):
        fit((dem(grid((100, 100), PIXEL)), dem(far)))


def test_a_field_that_was_asked_for(small):
    assert fit(small, 50, field="quadratic").fields[0].kind == "quadratic"
    with pytest.raises(FitError, match="needs at least 12"):
        fit(small, 200, field="smooth")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"block_size": 0}, "above 0"),
        ({"block_size": float("nan")}, "above 0"),
        ({"unit": "km"}, "px or m"),
        ({"min_valid": 2.0}, "from 0 to 1"),
        ({"field": "cubic"}, "must be one of auto"),
        ({"overlap": -1}, "from 0"),
        ({"passes": 0}, "at least 1"),
    ],
)
def test_wrong_configuration_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Blockwise(**wrong)


def test_tiny_blocks_are_refused(small):
    with pytest.raises(InputError, match="at least 16 px"):
        fit(small, 5)


def test_one_block_is_no_more_certain_than_it_says():
    """Nothing is left over to tell the scatter of a single block: its own standard error stands."""
    on = grid((100, 100), 10.0)
    found = Blockwise(NuthKaab(), block_size=100).fit(
        dem(on, noise=0.3), dem(on, (6.0, -4.0, 2.0), noise=0.3, seed=3), engine=Serial()
    )
    (block,) = found.blocks
    stated = np.ravel(found.shifts.errors_at(block.x, block.y))
    np.testing.assert_allclose(stated, block.error, rtol=1e-6)


def test_a_pass_that_fails_leaves_what_the_one_before_found(monkeypatch):
    reference, moving = pair("bumps", size=400, spoilt=0.0)
    method = Blockwise(NuthKaab(), block_size=50, field="smooth", passes=1)
    first = method.fit(reference, moving, engine=Serial())
    passes, passed = [], Blockwise._pass

    def once(self, *args, **settings):
        passes.append(settings["kind"])
        if len(passes) > 1:
            raise FitError("none of the blocks is good")
        return passed(self, *args, **settings)

    monkeypatch.setattr(Blockwise, "_pass", once)
    again = replace(method, passes=2).fit(reference, moving, engine=Serial())
    assert len(passes) == 2
    assert again.fields == first.fields or again.to_dict()["fields"] == first.to_dict()["fields"]
