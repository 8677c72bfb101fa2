"""Writers of RPC files: no digit is lost, GDAL is the oracle; whole files or none."""

from __future__ import annotations

import json
import stat
import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import RPCTransformer

import rpc_products as products
from trueground.errors import InputError, RpcError, WriteError
from trueground.rpc import Rpc
from trueground.rpc.readers import read_rpc, rpc_of_image
from trueground.rpc.writers import tag_image, write_rpc

MODEL = products.rpc()
NAMES = ["scene.RPB", "scene_RPC.TXT", "scene.json"]
REAL = [
    "phr_2017/RPC_PHR1B_P_201709281038393_SEN_PRG_FC_178609-001.XML",
    "phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML",
    "ventoux/RPC_PHR1B_P_201308051042194_SEN_690908101-001.XML",
    "wv3/wv3_20.NTF",
]
LOSS = 1e-9  # px


def image(path, driver="GTiff", **options):
    pixels = np.arange(20 * 30, dtype=np.uint16).reshape(1, 20, 30)
    profile = {"driver": driver, "width": 30, "height": 20, "count": 1, "dtype": "uint16"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile, **options) as dataset:
            dataset.write(pixels)
    return path


def pixels_of(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            return dataset.read()


def loss(rpc, path):
    """Largest distance between our projection and GDAL's, of 1000 points of the domain [px]."""
    rng = np.random.default_rng(0)
    x, y, h = rng.uniform(-1.0, 1.0, (3, 1000))
    lon, lat = rpc.long_off + rpc.long_scale * x, rpc.lat_off + rpc.lat_scale * y
    height = rpc.height_off + rpc.height_scale * h
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            rpcs = dataset.rpcs
    with RPCTransformer(rpcs) as gdal:
        found = gdal.rowcol(lon, lat, zs=height, op=lambda v: v)
    return float(np.abs(np.array(found) - rpc.project(lon, lat, height)).max())


@pytest.mark.parametrize("file", [None, *REAL])
def test_gdal_reads_what_was_written(data_folder, tmp_path, file):
    rpc = MODEL if file is None else read_rpc(data_folder / file)
    for name in ("a.RPB", "b_RPC.TXT"):
        write_rpc(rpc, tmp_path / name)
        path = image(tmp_path / f"{name[0]}.tif")
        assert loss(rpc, path) < LOSS
        assert rpc_of_image(str(path)) == read_rpc(tmp_path / name) == rpc
    copy = tag_image(image(tmp_path / "c.tif"), tmp_path / "d.tif", rpc)
    assert loss(rpc, copy) < LOSS
    np.testing.assert_array_equal(pixels_of(copy), pixels_of(tmp_path / "c.tif"))
    assert rpc_of_image(str(tmp_path / "c.tif")) is None


def test_a_tag_as_gdal_writes_it_loses_digits(tmp_path):
    """Or the test above would show nothing: the 16th digit of the offsets is worth 6e-9 px."""
    path = image(tmp_path / "plain.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(ns="RPC", **MODEL.to_tags())
    assert LOSS < loss(MODEL, path) < 1e-7


@given(st.floats(-90.0, 90.0), st.floats(-180.0, 180.0), st.floats(0.01, 1.0), st.floats(1.0, 4e4))
def test_tags_of_any_place(tmp_path_factory, lat, lon, degrees, pixels):
    """As long as a double of the longitude itself resolves 1e-9 px."""
    rpc = products.rpc(lat_off=lat, long_off=lon, lat_scale=degrees, long_scale=degrees,
                       line_scale=pixels, samp_scale=pixels)  # fmt: skip
    folder = tmp_path_factory.mktemp("tags")
    found = rpc_of_image(str(tag_image(image(folder / "a.tif"), folder / "b.tif", rpc)))
    x, y, h = np.random.default_rng(1).uniform(-1.0, 1.0, (3, 50))
    point = lon + degrees * x, lat + degrees * y, 1000.0 + 500.0 * h
    resolved = 2.0 * np.spacing(180.0) / degrees * pixels
    np.testing.assert_allclose(found.project(*point), rpc.project(*point), atol=LOSS + resolved)


finite = st.floats(-1e6, 1e6)
twenty = st.lists(finite, min_size=20, max_size=20)


@given(st.lists(finite, min_size=5, max_size=5), st.floats(1e-9, 1e9), twenty, twenty)
def test_any_numbers_come_back(tmp_path_factory, offsets, scale, num, den):
    names = ("line_off", "samp_off", "lat_off", "long_off", "height_off")
    rpc = products.rpc(
        **dict(zip(names, offsets, strict=True)), lat_scale=-scale, line_num=num, samp_den=[1.0, *den[1:]]
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("any")
    for name in NAMES:
        assert read_rpc(write_rpc(rpc, folder / name)) == rpc


def test_json_keeps_the_direct_model_and_where_it_came_from(tmp_path):
    both = products.with_direct(replace(MODEL, origin="from a test"))
    path = write_rpc(both, tmp_path / "scene.json")
    assert json.loads(path.read_text())["from"] == "from a test"
    assert read_rpc(path).direct == both.direct
    assert read_rpc(write_rpc(MODEL, path)).direct is None


@pytest.mark.parametrize("name", NAMES)
def test_formats_by_ending_or_by_name(tmp_path, name):
    path = write_rpc(MODEL, tmp_path / name)
    kind = path.suffix[1:].upper()
    for other in (name.lower(), "other.xyz", "other"):
        again = write_rpc(MODEL, tmp_path / other, format=kind)
        assert again.read_text() == path.read_text()
    assert write_rpc(MODEL, tmp_path / name.upper()).read_text() == path.read_text()


@pytest.mark.parametrize("arguments", [{}, {"format": "XML"}])
def test_unknown_formats(tmp_path, arguments):
    with pytest.raises(InputError, match=r"\.RPB, \.TXT, \.json"):
        write_rpc(MODEL, tmp_path / "scene.xyz", **arguments)
    assert not list(tmp_path.iterdir())


def test_files_are_whole_or_not_there(tmp_path, monkeypatch):
    with pytest.raises(WriteError, match="nowhere"):
        write_rpc(MODEL, tmp_path / "nowhere" / "a.RPB")
    path = write_rpc(MODEL, tmp_path / "a.RPB")
    before = path.read_text()
    monkeypatch.setattr("pathlib.Path.replace", _full)
    with pytest.raises(WriteError, match=r"a\.RPB"):
        write_rpc(replace(MODEL, line_off=1.0), path)
    source = image(tmp_path / "a.tif")
    with pytest.raises(WriteError, match=r"b\.tif"):
        tag_image(source, tmp_path / "b.tif", MODEL)
    monkeypatch.undo()
    assert path.read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.RPB", "a.tif"]


def _full(*_):
    raise OSError(28, "No space left on device")


def test_a_source_is_changed_only_when_asked(tmp_path):
    source = image(tmp_path / "a.tif")
    before = source.read_bytes()
    link = tmp_path / "link.tif"
    link.symlink_to(source)
    for target in (source, link):
        with pytest.raises(InputError, match="in_place=True"):
            tag_image(source, target, MODEL)
    assert source.read_bytes() == before
    source.chmod(0o640)
    tag_image(source, link, MODEL, in_place=True)
    assert link.is_symlink()
    assert stat.S_IMODE(source.stat().st_mode) == 0o640
    assert loss(MODEL, source) < LOSS
    np.testing.assert_array_equal(pixels_of(source).ravel(), np.arange(600))
    tag_image(source, source, replace(MODEL, line_off=5.0), in_place=True)
    assert rpc_of_image(str(source)).line_off == 5.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "link.tif"]


def test_a_read_only_source_gives_a_copy(tmp_path):
    source = image(tmp_path / "a.tif")
    source.chmod(0o444)
    assert loss(MODEL, tag_image(source, tmp_path / "b.tif", MODEL)) < LOSS
    assert source.stat().st_mode & 0o777 == 0o444


def test_a_cog_stays_a_geotiff(tmp_path):
    source = image(tmp_path / "a.tif", "COG")
    copy = tag_image(source, tmp_path / "b.tif", MODEL)
    assert loss(MODEL, copy) < LOSS
    np.testing.assert_array_equal(pixels_of(copy), pixels_of(source))


def test_only_geotiffs_have_the_tag(tmp_path):
    source = image(tmp_path / "a.png", "PNG")
    with pytest.raises(InputError, match=r"PNG.*\.RPB"):
        tag_image(source, tmp_path / "b.tif", MODEL)
    with pytest.raises(InputError, match="does not exist"):
        tag_image(tmp_path / "none.tif", tmp_path / "b.tif", MODEL)


@pytest.mark.parametrize("ending", [".RPB", "_RPC.TXT"])
def test_files_that_gdal_prefers_to_the_tag(tmp_path, ending):
    source = image(tmp_path / "a.tif")
    other = write_rpc(replace(MODEL, line_off=1.0), tmp_path / f"b{ending}")
    with pytest.raises(InputError, match=other.name):
        tag_image(source, tmp_path / "b.tif", MODEL)
    tag_image(source, tmp_path / "free.tif", MODEL)  # what the refusal is for
    (tmp_path / "free.tif").rename(tmp_path / "b.tif")
    assert rpc_of_image(str(tmp_path / "b.tif")).line_off == 1.0


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"version": 2}, "version 1"),
        ({"format": "other"}, "trueground-rpc"),
        ({"line_off": "5"}, "must be a number"),
        ({"line_off": None}, "line_off"),
        ({"line_off": True}, "must be a number"),
        ({"line_off": 10**400}, "finite"),
        ({"line_num": [1.0] * 19}, "19 coefficients"),
        ({"line_num": 5}, "list"),
        ({"samp_den": ["x"] * 20}, "must be a number"),
        ({"direct": 5}, "direct"),
        ({"direct": {"lon_num": [1.0] * 20}}, r"direct\.lon_den"),
    ],
)
def test_damaged_json(tmp_path, change, rule):
    path = write_rpc(MODEL, tmp_path / "scene.json")
    document = {**json.loads(path.read_text()), "note": "trueground-rpc", **change}
    path.write_text(json.dumps(document))
    with pytest.raises(RpcError, match=rule) as caught:
        read_rpc(path)
    assert "scene.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("first", [1.0, 2.0, -1.0])
def test_denominators_begin_as_before(tmp_path, first):
    odd = replace(MODEL, line_den=[first, *MODEL.line_den[1:]])
    found = rpc_of_image(str(tag_image(image(tmp_path / "a.tif"), tmp_path / "b.tif", odd)))
    assert found.line_den[0] == first
    assert found != odd
    point = 5.35, 44.2, 1500.0
    np.testing.assert_allclose(found.project(*point), odd.project(*point), atol=LOSS)


def test_a_denominator_that_begins_with_0(tmp_path):
    den = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, *[0.0] * 10]
    odd: Rpc = replace(MODEL, line_den=den)
    found = rpc_of_image(str(tag_image(image(tmp_path / "a.tif"), tmp_path / "b.tif", odd)))
    point = 5.35, 44.2, 1500.0
    np.testing.assert_allclose(found.project(*point), odd.project(*point), atol=1e-8)
