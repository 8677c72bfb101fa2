"""Readers of RPC files: one answer from every format, one-line errors from damaged ones."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from affine import Affine

from trueground.errors import InputError, RpcError, TruegroundError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, open_raster
from trueground.rpc.readers import read_rpc, rpc_for_image, rpc_of_image
from trueground.writer import write

PHR = "phr_2017/PHR1B_P_201709281038393_SEN_PRG_FC_178609-001"
XML = "phr_2017/RPC_PHR1B_P_201709281038393_SEN_PRG_FC_178609-001.XML"
V1 = "phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML"
V2 = "phr_2017/RPC_P1BP--2017092838284574CP.XML"


def _one_line(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


@pytest.mark.parametrize("file", [f"{PHR}.geom", f"{PHR}.tif", XML])
def test_three_formats_one_answer(data_folder, file):
    """shareloc's case 1: column 100.5, row 200.5."""
    rpc = read_rpc(data_folder / file)
    row, col = rpc.project(7.048662660737769592, 43.72774839443545858, 0.0)
    assert (row, col) == (pytest.approx(200.5, abs=1e-2), pytest.approx(100.5, abs=1e-2))
    others = rpc.localize(200.5, 100.5, 0.0)
    tag = read_rpc(data_folder / f"{PHR}.tif").localize(200.5, 100.5, 0.0)
    np.testing.assert_allclose(others[:2], tag[:2], atol=1e-9)


def test_geom_of_another_scene(data_folder):
    """shareloc's case 2."""
    rpc = read_rpc(data_folder / "phr_2017/PHR1B_P_201709281038045_SEN_PRG_FC_178608-001.geom")
    row, col = rpc.project(7.11526088296757, 43.68428117931357, 850.0)
    assert row == pytest.approx(10236.4310, abs=1e-2)
    assert col == pytest.approx(10121.5657, abs=1e-2)
    xml = read_rpc(data_folder / V2)
    place = 7.115, 43.684, 850.0
    np.testing.assert_allclose(xml.project(*place), rpc.project(*place), atol=1e-2)


def test_nitf(data_folder):
    """shareloc's cases 3 and 4: WorldView-3; its 80 coefficients against the bytes of the file."""
    rpc = read_rpc(data_folder / "wv3/wv3_20.NTF")
    assert (rpc.samp_off, rpc.line_off) == (20749.0, 17495.0)
    assert rpc.pixel_origin == 0
    assert (rpc.height_off, rpc.height_scale) == (31.0, 501.0)
    _, _, extension = (data_folder / "wv3/wv3_20.NTF").read_bytes().partition(b"RPC00B01041")
    terms = [float(extension[i : i + 12]) for i in range(81, 81 + 80 * 12, 12)]
    assert [*rpc.line_num, *rpc.line_den, *rpc.samp_num, *rpc.samp_den] == terms
    found = rpc.localize(501.0, 501.0, 10.0)
    np.testing.assert_allclose(rpc.project(*found[:3]), (501.0, 501.0), atol=1e-9)


def test_dimap_v1(data_folder):
    """shareloc's case 5; cases 5 and 6 with the direct model are in test_readers_formats.py."""
    rpc = read_rpc(data_folder / V1)
    found = rpc.localize(200.0, 600.0, 125.0)
    np.testing.assert_allclose(rpc.project(*found[:3]), (200.0, 600.0), atol=1e-7)


def test_ground_to_image_and_back(data_folder):
    """shareloc's case 11."""
    rpc = read_rpc(data_folder / XML)
    dem = open_raster(data_folder / "phr_2017/MNT_P1BP--2017092838284574CP.tif")
    lon, lat = dem.grid.xy(10.5 + 0.5, 20.5 + 0.5)
    height = dem.read(Window(row=10, col=20, height=2, width=2)).mean()  # bilinear, at (10.5, 20.5)
    row, col = rpc.project(lon, lat, height)
    back = rpc.localize(row, col, height)
    assert (back.lon, back.lat) == pytest.approx((lon, lat), abs=1e-9)
    assert back.height == height


def test_a_crop_counts_its_own_pixels(data_folder, tmp_path):
    image = data_folder / "ventoux/left_image.tif"
    scene = read_rpc(data_folder / "ventoux/left_image.geom")
    own = rpc_for_image(open_raster(image), data_folder / "ventoux/left_image.geom")
    lon, lat, height, _ = scene.localize(5010.0, 5020.0, 1000.0)
    np.testing.assert_allclose(own.project(lon, lat, height), (10.0, 20.0), atol=1e-6)


def test_an_image_that_carries_its_rpc_needs_no_offset(data_folder, tmp_path):
    rpc = read_rpc(data_folder / "ventoux/left_image.geom").cropped(5000, 5000)
    grid = Grid(crs=None, transform=Affine(1, 0, 5000.0, 0, 1, 5000.0), shape=(20, 30))
    pixels = ArrayRaster(array=np.zeros((20, 30), dtype=np.uint16), grid=grid)
    path = write(pixels, tmp_path / "image.tif", rpc_tags=rpc.to_tags())
    found = rpc_for_image(open_raster(path))
    lon, lat, height, _ = rpc.localize(7.0, 9.0, 1000.0)
    np.testing.assert_allclose(found.project(lon, lat, height), (7.0, 9.0), atol=1e-6)
    # GDAL shows doubles with 15 digits.
    np.testing.assert_allclose(found.line_num, rpc.line_num, rtol=1e-14)


def test_an_image_without_rpc(data_folder, write_tif):
    path = write_tif(np.zeros((5, 5), dtype=np.uint8))
    assert rpc_of_image(str(path)) is None
    with pytest.raises(RpcError, match=r"raster\.tif") as caught:
        read_rpc(path)
    _one_line(caught)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(
    "file",
    [V2, V1],
)
def test_truncated_xml(data_folder, tmp_path, file, keep):
    text = (data_folder / file).read_text()
    path = tmp_path / "cut.xml"
    path.write_text(text[: int(len(text) * keep)])
    with pytest.raises(TruegroundError, match=r"cut\.xml") as caught:
        read_rpc(path)
    _one_line(caught)


def _break(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(new.join(text.rsplit(old, 1)))  # the last: DIMAP has the direct model first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("line_num_coeff_03", "line_num_coeff_xx"),
        ("lat_scale", "no_scale"),
        ("height_off:", "height_off: much #"),
        ("samp_den_coeff_00:", "samp_den_coeff_00: nan #"),
        ("samp_den_coeff_00:", "samp_den_coeff_00: 1e999 #"),
    ],
)
def test_damaged_geom(data_folder, tmp_path, old, new):
    path = tmp_path / "broken.geom"
    shutil.copy(data_folder / f"{PHR}.geom", path)
    _break(path, old, new)
    with pytest.raises(RpcError, match=r"broken\.geom") as caught:
        read_rpc(path)
    _one_line(caught)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<LINE_NUM_COEFF_3>", "<LINE_NUM_COEFF_3>text "),
        ("<LINE_OFF>", "<LINE_OFF>  <!-- -->"),
        ("Inverse_Model>", "Other_Model>"),
        ("<LAT_SCALE>", "<LAT_SCALE>0</LAT_SCALE><LAT_SCALE>"),
        ("<HEIGHT_OFF>", "<HEIGHT_OFF>nan</HEIGHT_OFF><HEIGHT_OFF>"),
    ],
)
def test_damaged_dimap(data_folder, tmp_path, old, new):
    path = tmp_path / "broken.xml"
    shutil.copy(data_folder / V2, path)
    if new.endswith("-->"):
        text = path.read_text()
        start = text.index(old)
        end = text.index("</LINE_OFF>")
        path.write_text(text[:start] + old + text[end:])
    else:
        _break(path, old, new)
    with pytest.raises(RpcError, match=r"broken\.xml") as caught:
        read_rpc(path)
    _one_line(caught)


def test_entity_bomb_is_refused_at_once(tmp_path):
    lol = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))
    path = tmp_path / "bomb.xml"
    head = f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "l">{lol}]>'
    path.write_text(f"{head}<Global_RFM>&l9;</Global_RFM>")
    with pytest.raises(RpcError, match="entities") as caught:
        read_rpc(path)
    _one_line(caught)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", bytes(range(256)) * 50),
        ("b.geom", b"\x00\xff" * 5000),
        ("c.geom", b"hello: world\n"),
        ("d.xml", b"<Global_RFM></Global_RFM>"),
        ("e.xml", b"<a><Global_RFM>\xff\xfe</Global_RFM></a>"),
        ("f.tif", b""),
        ("g.RPB", b"satId = \"X\";\n"),
    ],
)  # fmt: skip
def test_garbage(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((RpcError, InputError)) as caught:
        read_rpc(path)
    assert name in _one_line(caught)


def test_missing_files(tmp_path):
    for path in (tmp_path / "none.geom", tmp_path):
        with pytest.raises((InputError, RpcError)) as caught:
            read_rpc(path)
        _one_line(caught)
