"""Every format of RPC files, alone and beside an image, with GDAL's readers as the oracle; pixel origins."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

import rpc_products as products
from trueground.describe import describe
from trueground.errors import InputError
from trueground.raster import open_raster
from trueground.rpc.readers import read_rpc, rpc_for_image, rpc_of, rpc_of_image

MODEL = products.rpc()
BOTH = products.with_direct(MODEL)

FORMATS = {
    "text": products.key_value(MODEL),
    "text with units": products.key_value(MODEL, units=True),
    "text with =": products.key_value(MODEL).replace(":", " ="),
    "gdalinfo": "\n".join(f"  {k}={v}" for k, v in MODEL.to_tags().items()),
    "rpb": products.rpb(MODEL),
    "rpb without semicolons": products.rpb(MODEL).replace(";\n", "\n"),
    "rpb in a group": f"BEGIN_GROUP = RPB\n{products.rpb(MODEL)}END_GROUP = RPB\n",
    "geom": products.geom(MODEL),
    "geom with prefix": products.geom(MODEL, prefix="image0.model."),
    "worldview": products.worldview(MODEL),
    "dimap 1": products.dimap_v1(BOTH),
    "dimap 2": products.dimap(BOTH),
    "dimap 2 of SPOT 7": products.dimap(BOTH, profile="S7_SENSOR"),
    "dimap 3": products.dimap(BOTH, profile="PNEO_SENSOR", first=0),
}
FIRST = {name: 1 if name.startswith(("dimap 1", "dimap 2")) else 0 for name in FORMATS}


def put(folder, text, name="file.bin", **options):
    path = folder / name
    path.write_text(text, **options)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_every_digit(tmp_path, name):
    """By its content: the name of the file says nothing."""
    found = read_rpc(put(tmp_path, FORMATS[name]))
    assert found == MODEL
    assert found.pixel_origin == FIRST[name]
    assert f"({FIRST[name]}, {FIRST[name]})" in found.origin
    assert found.direct == (BOTH.direct if name.startswith("dimap") else None)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("origin", [0, 1])
def test_the_user_may_say_the_pixel_origin(tmp_path, name, origin):
    found = read_rpc(put(tmp_path, FORMATS[name]), origin=origin)
    move = FIRST[name] - origin
    assert (found.line_off, found.samp_off) == (MODEL.line_off + move, MODEL.samp_off + move)
    assert found.pixel_origin == origin
    assert "as said by the user" in found.origin
    items = describe(str(tmp_path / "file.bin"), rpc_origin=origin)
    assert items["RPC pixel origin"].startswith(str(origin))


@pytest.mark.parametrize("origin", [2, -1, 0.5, "1"])
def test_a_pixel_origin_is_0_or_1(tmp_path, origin):
    with pytest.raises(InputError, match="0 or 1"):
        read_rpc(put(tmp_path, FORMATS["rpb"]), origin=origin)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path, name, encoding):
    text = FORMATS[name].replace("\n", "\r\n")
    head, _, tail = text.partition("\r\n")
    comment = "<!-- é -->" if "<" in text else "# é"
    path = put(tmp_path, f"{head}\r\n{comment}\r\n{tail}", encoding=encoding, newline="")
    assert read_rpc(path) == MODEL


def test_an_encoding_that_the_xml_claims_wrongly(tmp_path):
    text = FORMATS["dimap 2"].replace('encoding="UTF-8"', 'encoding="UTF-16"')
    assert read_rpc(put(tmp_path, text)) == MODEL


def test_namespaces(tmp_path):
    text = FORMATS["dimap 3"].replace("<Dimap_Document>", '<Dimap_Document xmlns="http://x.org/d">')
    assert read_rpc(put(tmp_path, text)) == MODEL


def test_the_profile_decides_on_the_pixel_origin_not_the_validity_domain(tmp_path):
    """GDAL 3.6 takes FIRST_COL for the origin, and is wrong where the domain begins elsewhere."""
    for domain in (0, 1, -791):
        for profile, first in (("PNEO_SENSOR", 0), ("PHR_SENSOR", 1), ("S6_SENSOR", 1)):
            text = products.dimap(MODEL, profile=profile, first=first, domain=domain)
            assert read_rpc(put(tmp_path, text)) == MODEL


def test_dimap_1_says_its_pixel_origin(tmp_path):
    for first in (0, 1):
        found = read_rpc(put(tmp_path, products.dimap_v1(MODEL, first=first)))
        assert (found, found.pixel_origin) == (MODEL, first)
    assert read_rpc(put(tmp_path, products.dimap_v1(MODEL, said=False))).pixel_origin == 1


# ---------------------------------------------------------------------------- GDAL reads the same


def image(path, **tags):
    profile = {"driver": "GTiff", "width": 10, "height": 12, "count": 1, "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(np.zeros((1, 12, 10), dtype=np.uint8))
            if tags:
                dataset.update_tags(ns="RPC", **tags)
    return path


def dimap_image(folder, text):
    """The files of a DIMAP 2 or 3 product, as GDAL looks for them by name."""
    (folder / "RPC_X_001.XML").write_text(text)
    profile = text.partition("<METADATA_PROFILE>")[2].partition("<")[0]
    head = f"<Metadata_Identification><METADATA_PROFILE>{profile}</METADATA_PROFILE></Metadata_Identification>"
    (folder / "DIM_X_001.XML").write_text(f"<Dimap_Document>{head}</Dimap_Document>")
    return image(folder / "IMG_X_001_R1C1.TIF")


@pytest.mark.parametrize(
    ("name", "beside"),
    [("text", "image_RPC.TXT"), ("rpb", "image.RPB"), ("worldview", "image.XML")],
)
def test_gdal_reads_the_same_beside_an_image(tmp_path, name, beside):
    path = image(tmp_path / "image.tif")
    put(tmp_path, FORMATS[name], beside)
    assert read_rpc(path) == MODEL
    assert read_rpc(tmp_path / beside) == MODEL


@pytest.mark.parametrize(
    ("profile", "first"),
    [("PHR_SENSOR", 1), ("S6_SENSOR", 1), ("S7_SENSOR", 1), ("PNEO_SENSOR", 0)],
)
def test_gdal_reads_dimap_with_the_same_pixel_origin(tmp_path, profile, first):
    path = dimap_image(tmp_path, products.dimap(MODEL, profile=profile, first=first))
    by_gdal, alone = read_rpc(path), read_rpc(tmp_path / "RPC_X_001.XML")
    assert by_gdal == alone == MODEL
    assert by_gdal.pixel_origin == alone.pixel_origin == first
    said = rpc_of_image(str(path), origin=1 - first)
    assert said == read_rpc(tmp_path / "RPC_X_001.XML", origin=1 - first)
    assert said.line_off == MODEL.line_off + (2 * first - 1)
    assert describe(str(path))["RPC pixel origin"].startswith(str(first))


def test_a_copy_of_a_dimap_image_counts_from_0(tmp_path):
    """`gdal_translate` writes the RPC that GDAL has brought to 0 into the tag."""
    path = image(tmp_path / "copy.tif", **products.rpc(lat_off=44.1, long_off=5.2).to_tags())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(METADATATYPE="DIMAP")
    found, said = read_rpc(path), read_rpc(path, origin=0)
    assert found == said
    assert found.pixel_origin == 0


@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="no GDAL beside rasterio's")
def test_another_gdal_reads_the_same_pixel_origin(tmp_path):
    path = dimap_image(tmp_path, FORMATS["dimap 2"])
    said = subprocess.run(["gdalinfo", path], capture_output=True, text=True, check=True).stdout
    assert f"LINE_OFF={MODEL.line_off}" in said


def test_gdal_and_ours_agree_on_a_vrt(tmp_path):
    items = "".join(f'<MDI key="{k}">{v}</MDI>' for k, v in MODEL.to_tags().items())
    band = '<VRTRasterBand dataType="Byte" band="1"/>'
    text = f'<Metadata domain="RPC">{items}</Metadata>{band}'
    text = f'<VRTDataset rasterXSize="9" rasterYSize="8">{text}</VRTDataset>'
    assert read_rpc(put(tmp_path, text, "image.vrt")) == MODEL
    assert rpc_of(str(tmp_path / "image.vrt")) == MODEL


def tre(order):
    """The text of the NITF extension RPC00A or RPC00B, and its coefficients by name."""

    def number(value):
        mantissa, _, power = f"{value:+.6E}".partition("E")
        return f"{mantissa}E{int(power):+d}"

    assert len(number(1.5e-3)) == 12
    rng = np.random.default_rng(3)
    terms = {}
    for name in ("line_num", "line_den", "samp_num", "samp_den"):
        values = rng.uniform(1e-3, 9e-3, 20)
        values[0] = 1.0 if name.endswith("den") else 0.001
        values[{"line_num": 2, "samp_num": 1}.get(name, 3)] += 1.0
        terms[name] = dict(zip(order, [float(f"{v:.6E}") for v in values], strict=True))
    head = "1" + "0003.00" + "0001.00" + "005000" + "06000" + "+44.1000" + "+005.2000" + "+1000"
    head += "005001" + "06001" + "+00.1000" + "+000.1200" + "+0500"
    text = head + "".join(number(v) for name in terms for v in terms[name].values())
    assert len(text) == 1041
    return text, terms


@pytest.mark.parametrize(
    ("kind", "order"), [("RPC00A", products.ORDER_A), ("RPC00B", products.ORDER_B)]
)
def test_nitf(tmp_path, kind, order):
    """RPC00A has other places for the same 20 terms: evaluated here by the names of the terms.

    GDAL itself mixes up four of them.
    """
    text, terms = tre(order)
    path = tmp_path / "image.ntf"
    profile = {"driver": "NITF", "width": 8, "height": 8, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, TRE=f"{kind}={text}") as dataset:
        dataset.write(np.zeros((1, 8, 8), dtype=np.uint8))
    found = read_rpc(path)
    for name, by_term in terms.items():
        assert getattr(found, name) == tuple(by_term[t] for t in products.ORDER_B)
    x, y, h = np.array([0.3]), np.array([-0.6]), np.array([0.8])
    design = products.terms_of(order, x, y, h)
    value = {name: design @ np.array(list(t.values())) for name, t in terms.items()}
    row, col = found.project(5.2 + 0.12 * x, 44.1 + 0.1 * y, 1000.0 + 500.0 * h)
    expected = value["line_num"] / value["line_den"] * 5001.0 + 5000.5
    np.testing.assert_allclose(row, expected, atol=1e-8)
    expected = value["samp_num"] / value["samp_den"] * 6001.0 + 6000.5
    np.testing.assert_allclose(col, expected, atol=1e-8)


@pytest.mark.parametrize(
    "form", [lambda m: products.geom(m, form="A"), lambda m: products.rpb(m, spec="RPC00A")]
)
def test_text_in_the_order_of_rpc00a(tmp_path, form):
    places = [products.ORDER_B.index(t) for t in products.ORDER_A]
    names = ("line_num", "line_den", "samp_num", "samp_den")
    old = replace(MODEL, **{n: [getattr(MODEL, n)[i] for i in places] for n in names})
    assert read_rpc(put(tmp_path, form(old))) == MODEL


# ---------------------------------------------------------------------------- images and crops


def test_the_origin_reaches_every_door(tmp_path):
    path = image(tmp_path / "image.tif", **products.rpc(lat_off=44.1, long_off=5.2).to_tags())
    rpb = put(tmp_path, products.rpb(MODEL), "other.RPB")
    for plain, said in (
        (read_rpc(path), read_rpc(path, origin=1)),
        (rpc_of(str(path)), rpc_of(str(path), origin=1)),
        (rpc_of(str(path), rpb), rpc_of(str(path), rpb, origin=1)),
        (rpc_of(str(rpb)), rpc_of(str(rpb), origin=1)),
        (rpc_for_image(open_raster(path)), rpc_for_image(open_raster(path), origin=1)),
    ):
        assert (said.line_off, said.samp_off) == (plain.line_off - 1, plain.samp_off - 1)
    put(tmp_path, products.geom(MODEL), "bare.geom")
    bare = open_raster(image(tmp_path / "bare.tif"))
    assert rpc_for_image(bare) == MODEL
    assert rpc_for_image(bare, origin=1).samp_off == MODEL.samp_off - 1


def test_a_crop_of_the_scene_of_an_rpc_file(tmp_path):
    path = tmp_path / "crop.tif"
    profile = {"driver": "GTiff", "width": 6, "height": 5, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", transform=Affine(1, 0, 300, 0, 1, 200), **profile) as dataset:
        dataset.write(np.zeros((1, 5, 6), dtype=np.uint8))
    put(tmp_path, FORMATS["dimap 2"], "scene.xml")
    found = rpc_for_image(open_raster(path), tmp_path / "scene.xml")
    assert (found.line_off, found.samp_off) == (MODEL.line_off - 200, MODEL.samp_off - 300)
    assert found.direct == BOTH.direct


def test_info_does_not_hide_a_damaged_rpc(tmp_path):
    path = image(tmp_path / "image.tif")
    put(tmp_path, FORMATS["rpb"].replace("longOffset", "noOffset"), "image.RPB")
    items = describe(str(path))
    assert "RPC" not in items or items["RPC"].startswith("damaged: ")


# ---------------------------------------------------------------------------- a real file


def test_real_dimap_beside_an_image(data_folder, tmp_path):
    """GDAL's reading of a Pleiades product, and ours of its XML alone."""
    name = "RPC_PHR1B_P_201709281038393_SEN_PRG_FC_178609-001.XML"
    text = Path(data_folder / "phr_2017" / name).read_text()
    found = read_rpc(dimap_image(tmp_path, text))
    alone = read_rpc(data_folder / "phr_2017" / name)
    assert found == alone
    assert found.pixel_origin == alone.pixel_origin == 1
