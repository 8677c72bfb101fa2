"""A blockwise result: points, tables, JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from pyproj import CRS, Transformer

from known_blocks import ON, result
from known_field import FIELDS, PIXEL, steep
from known_terrain import UTM33, dem, grid
from trueground.coreg import BlockwiseAlignment
from trueground.errors import InputError
from trueground.grid import Window
from trueground.raster import ArrayRaster
from trueground.sampling import sample_surface


@pytest.fixture(scope="module")
def found():
    return result()


def test_points_go_where_the_dem_goes(found):
    """A point on the moving DEM lies, moved, on the DEM that `apply` makes."""
    source = dem(ON, surface=steep)
    aligned = found.apply(source, resampling="cubic")
    rng = np.random.default_rng(0)
    row, col = rng.uniform(20.0, 780.0, (2, 500))
    z = sample_surface(source, row, col, resampling="cubic")
    x, y, z = found.transform(*ON.xy(row, col), z)
    there = sample_surface(
        ArrayRaster(array=aligned.read(ON.window)[0], grid=ON),
        *ON.rowcol(x, y),
        resampling="cubic",
    )
    known = np.isfinite(there)
    assert known.mean() > 0.95
    np.testing.assert_allclose(there[known], z[known], atol=0.05)  # m, of interpolating twice


def test_transform_is_the_place_whose_shift_leads_there(found):
    x, y, z = np.array([502_000.0]), np.array([7_996_000.0]), np.array([100.0])
    to_x, to_y, to_z = found.transform(x, y, z)
    shift = found.shifts.at(to_x, to_y)
    np.testing.assert_allclose([to_x - x, to_y - y, to_z - z], shift, atol=1e-5)


def test_points_in_degrees(found):
    to_utm = Transformer.from_crs(4326, UTM33, always_xy=True)
    lon, lat = to_utm.transform(504_000.0, 7_996_000.0, direction="INVERSE")
    there = found.transform(lon, lat, 10.0, crs=CRS(4326))
    here = found.transform(504_000.0, 7_996_000.0, 10.0)
    np.testing.assert_allclose(to_utm.transform(*there[:2]), here[:2], atol=1e-4)
    assert there[2] == pytest.approx(here[2].item())


def test_json_there_and_back(found):
    again = BlockwiseAlignment.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.blocks[:5] == found.blocks[:5]
    assert again.blocks[5].verdict == "too few"
    assert np.isnan(again.blocks[5].shift).all()
    source = dem(ON, surface=steep)
    np.testing.assert_array_equal(
        again.apply(source).read(ON.window), found.apply(source).read(ON.window)
    )


def test_json_that_is_no_result(found):
    items = found.to_dict()
    for text in ("{}", "no", json.dumps({**items, "crs": "nowhere"})):
        with pytest.raises(InputError, match="not a blockwise alignment"):
            BlockwiseAlignment.from_json(text)


def test_figures_are_those_of_the_good_blocks(found):
    assert found.verdicts == {"ok": 62, "too few": 2}
    good = [n for n in range(64) if n not in {5, 40}]
    assert found.samples == sum(1000 + n for n in good)
    assert found.nmad_before == 5.0
    assert found.nmad_after == pytest.approx(np.median([1.0 + n / 100.0 for n in good]))
    assert "62 ok, 2 too few" in str(found)
    assert found.to_dict()["nmad_of"].startswith("median over the good blocks")


def test_nmad_before_is_that_of_the_first_pass(found):
    first = tuple(replace(b, nmad_before=9.0, nmad_after=4.0) for b in found.blocks[:20])
    twice = replace(found, first_blocks=first)
    assert (twice.nmad_before, twice.nmad_after) == (9.0, found.nmad_after)


def test_what_corrections_do_within_a_block_is_told_to_be_lost(found):
    assert found.warnings == ()
    (said,) = replace(found, parameters={"corrections": ("deramp",)}).warnings
    assert "what deramp adds there" in said


def test_a_field_that_is_too_plain_is_told(found):
    plain = replace(found.fields[-1], scales=(1.2, 4.53, 3.0))
    (said,) = replace(found, fields=(*found.fields[:-1], plain)).warnings
    assert "blocks lie 4.5 times their standard errors off the field" in said
    assert f"of {found.block_px // 2} px" in said


def test_extrapolated_is_what_lies_beyond_the_good_blocks(found):
    assert found.extrapolated == 0.0
    west = result(bad=tuple(range(0, 64, 8)))  # the first column of eight
    assert west.extrapolated == pytest.approx(1.0 / 8.0)
    assert west.to_dict()["extrapolated"] == west.extrapolated


def test_field_raster(found):
    values = found.field_raster(ON).read(Window(100, 200, 1, 1))[:, 0, 0]
    place = ON.xy(100.5, 200.5)
    np.testing.assert_allclose(values[:3], found.shifts.at(*place), atol=0.01)
    np.testing.assert_allclose(values[3:], found.shifts.errors_at(*place), atol=0.01)


def test_table(found):
    tiles = found.tiles
    assert dict(tiles.sizes) == {"row": 8, "col": 8}
    block = found.blocks[19]
    here = tiles.isel(row=2, col=3)
    assert (float(here.shift_x), float(here.shift_y), float(here.shift_z)) == block.shift
    assert float(here.field_x) == pytest.approx(found.shifts.at(block.x, block.y)[0])
    assert here.verdict.item() == "ok"
    assert tiles.verdict[0, 5].item() == "too few"
    assert np.isnan(tiles.shift_x[0, 5])


def test_points_with_attributes(found):
    frame = found.to_geodataframe()
    assert frame.crs == UTM33
    assert len(frame) == 64
    line = frame[(frame.row == 2) & (frame.col == 3)].iloc[0]
    assert (line.geometry.x, line.geometry.y) == (found.blocks[19].x, found.blocks[19].y)
    assert line.shift_x == found.blocks[19].shift[0]


def test_as_xdem_has_it(found):
    meta = found.as_xdem_meta()
    assert list(meta)[:3] == ["0_0", "0_1", "0_2"]
    assert meta["2_3"] == dict(
        zip(("shift_x", "shift_y", "shift_z"), found.blocks[19].shift, strict=True)
    )
    assert np.isnan(meta["0_5"]["shift_x"])


def test_more_than_one_band_is_refused(found):
    two = ArrayRaster(array=np.zeros((2, 10, 10), dtype=np.float32), grid=grid((10, 10), PIXEL))
    with pytest.raises(InputError, match="2 bands"):
        found.apply(two)


@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"seam"}))
def test_any_kind_goes_through_json(name):
    one = result(name)
    assert BlockwiseAlignment.from_json(one.to_json()).to_json() == one.to_json()
