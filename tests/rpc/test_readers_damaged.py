"""Damaged, hostile and endless files: one line of error, soon, whatever the format."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import rpc_products as products
from trueground.errors import InputError, RpcError, TruegroundError
from trueground.rpc import Rpc
from trueground.rpc.readers import is_rpc_file, read_rpc
from trueground.rpc.writers import write_rpc

BOTH = products.with_direct(products.rpc())
TEXTS = {
    "text": products.key_value(BOTH),
    "rpb": products.rpb(BOTH),
    "geom": products.geom(BOTH),
    "worldview": products.worldview(BOTH),
    "dimap1": products.dimap_v1(BOTH),
    "dimap2": products.dimap(BOTH),
    "dimap3": products.dimap(BOTH, profile="PNEO_SENSOR", first=0),
}
REAL = {
    "dimap1": "phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML",
    "dimap2": "phr_2017/RPC_P1BP--2017092838284574CP.XML",
    "geom": "ventoux/left_image.geom",
}
# How each format writes the number of LAT_SCALE, and one coefficient of the line's denominator.
SCALE = {
    "text": "LAT_SCALE: {}\n", "rpb": "latScale = {};", "geom": "\nlat_scale:  {}\n",
    "worldview": "<LATSCALE>{}</LATSCALE>", "dimap1": "<Lat><A>{}</A>",
    "dimap2": "<LAT_SCALE>{}</LAT_SCALE>", "dimap3": "<LAT_SCALE>{}</LAT_SCALE>",
}  # fmt: skip


def refused(path, match=None, kind=RpcError):
    """The error is one line with the name of the file, and comes soon."""
    start = time.monotonic()
    with pytest.raises(kind, match=match) as caught:
        read_rpc(path)
    assert time.monotonic() - start < 5.0
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    assert len(text) < 500
    return text


def put(folder, text, name="file.bin"):
    path = folder / name
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text)
    return path


def replaced(name, value):
    """The text with another value of LAT_SCALE."""
    before, after = SCALE[name].split("{}")
    head, _, rest = TEXTS[name].partition(before)
    assert rest, name
    _, _, tail = rest.partition(after)
    return f"{head}{before}{value}{after}{tail}"


VALUES = [
    "nan",
    "inf",
    "-Infinity",
    "1e999",
    "0",
    "",
    "much",
    "1,5",
    "1_0",
    "0x1p3",
    "1.#IND",
    "٣",
    "12 13",
    "--1",
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", TEXTS)
def test_values_that_are_no_numbers(tmp_path, name, value):
    assert read_rpc(put(tmp_path, replaced(name, "0.09895069330751483"))) == BOTH
    refused(put(tmp_path, replaced(name, value)))


def without(name, what):
    """The text with one of its terms gone, by the name that this format gives it."""
    text = TEXTS[name]
    assert what in text, (name, what)
    start = text.rindex(what)
    end = text.index("\n", start)
    return text[:start] + text[end:]


MISSING = [
    ("text", "LONG_OFF:"), ("text", "SAMP_DEN_COEFF_7:"), ("rpb", "longOffset"), ("geom", "long_off:"),
    ("geom", "samp_den_coeff_07:"), ("worldview", "<LONGOFFSET>"), ("worldview", "<SAMPDENCOEFList>"),
    ("dimap1", "<Lon>"), ("dimap1", "<F_ROW>"), ("dimap1", "<F_LON>"), ("dimap2", "<LONG_OFF>"),
    ("dimap2", "<SAMP_DEN_COEFF_7>"), ("dimap3", "<LONG_OFF>"), ("dimap3", "<SAMP_DEN_COEFF_7>"),
    ("dimap3", "<LAT_DEN_COEFF_7>"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "what"), MISSING)
def test_missing_terms(tmp_path, name, what):
    refused(put(tmp_path, without(name, what)))


@pytest.mark.parametrize(
    ("name", "old", "new", "rule"),
    [
        ("rpb", "lineNumCoef = (\n", "lineNumCoef = (\n\t\t\t1.0,\n", "21 coefficients"),
        ("rpb", "lineNumCoef = (\n", "lineNumCoef = 5;\nother = (\n", "1 coefficients"),
        ("worldview", "<SAMPNUMCOEF>", "<SAMPNUMCOEF>1.0 ", "21 coefficients"),
        ("worldview", "<RPB>", "<RPB></RPB><RPB>", "2 blocks"),
        ("dimap1", "<F_COL>", "<F_COL>1.0 ", "41 coefficients"),
        ("dimap1", "<F_LAT>", "<F_LAT>1.0 ", "41 coefficients"),
        ("dimap1", "RFM_Validity", "Other", "RFM_Validity"),
        ("dimap2", "RFM_Validity", "Other", "RFM_Validity"),
        ("dimap2", "Inverse_Model", "Other", "Inverse_Model"),
        ("dimap3", "GroundtoImage_Values", "Other", "GroundtoImage_Values"),
        ("dimap2", "<LAT_OFF>", "<LAT_OFF>1</LAT_OFF><LAT_OFF>", "given twice"),
        ("text", "LAT_OFF:", "LAT_OFF: 1\nLAT_OFF:", "given twice"),
        ("rpb", "\tlatOffset", "\tlatOffset = 1;\n\tlatOffset", "given twice"),
        ("geom", "lat_off:", "other.lat_off: 1\nlat_off:", "given twice"),
        ("worldview", "<LATOFFSET>", "<LATOFFSET>1</LATOFFSET><LATOFFSET>", "given twice"),
    ],
)
def test_wrong_counts_and_contradictions(tmp_path, name, old, new, rule):
    assert old in TEXTS[name]
    refused(put(tmp_path, TEXTS[name].replace(old, new)), rule)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.1, 0.3, 0.5, 0.8, 0.95])
def test_truncated(tmp_path, name, keep):
    text = TEXTS[name]
    refused(put(tmp_path, text[: int(len(text) * keep)]))


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_truncated_real_files(data_folder, tmp_path, name, keep):
    raw = Path(data_folder / REAL[name]).read_bytes()
    if name == "geom":  # the end of the list is not needed
        keep *= 0.6
    refused(put(tmp_path, raw[: int(len(raw) * keep)]))


# ---------------------------------------------------------------------------- hostile


def bomb(levels=9):
    entities = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, levels))
    return f'<!DOCTYPE l [<!ENTITY l0 "l">{entities}]>'


@pytest.mark.parametrize("name", ["worldview", "dimap1", "dimap2", "dimap3"])
@pytest.mark.parametrize(
    "declaration",
    [
        bomb(), '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1:9/x"> %e;]>',
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_document_types_and_entities_are_refused(tmp_path, name, declaration, encoding):
    text = TEXTS[name].partition("?>\n")[2] or TEXTS[name]
    path = put(tmp_path, f"{declaration}{text}".encode(encoding))
    refused(path, "refused")


@pytest.mark.parametrize(
    "text",
    [
        "<a>" * 200_000 + "<Global_RFM>",
        "<a>" * 100_000 + "<Global_RFM/>" + "</a>" * 100_000,
        "<RPB>" * 100_000 + "</RPB>" * 100_000,
        '{"trueground-rpc": ' + "[" * 500_000,
        '{"format": "trueground-rpc", "line_off": ' + "1" * 100_000 + "}",
        "lineNumCoef = (\n" * 100_000,
        "LINE_OFF: 1\n" * 100_000,
        "LINE_OFF:" + " " * 1_000_000,
        "line_num_coeff_00: 1\n" + "a." * 500_000,
        " " * 1_000_000 + "\n" * 1_000_000,
        "<" + "x" * 10_000_000,
        "<RPB>" + "<i/>" * 3_000_000 + "</RPB>",
        "1" * 1_900_000 + "\nLINE_OFF: " + "1" * 100_000,
    ],
    ids=range(13),
)
def test_patterns_that_could_take_forever(tmp_path, text):
    refused(put(tmp_path, text))


@pytest.mark.parametrize(
    "head", [b"", b"LINE_OFF: 5\n", b"<isd><RPB>", b"{", b"\xff\xfe<\0", b"II*\0"]
)
def test_two_gigabytes_are_not_read(tmp_path, head, monkeypatch):
    """A sparse file of 2 GB; no more of it is asked for than an RPC file may have."""
    path = put(tmp_path, head)
    os.truncate(path, 2 << 30)
    refused(path)
    path = put(tmp_path, head + b" " * (20 << 20))
    refused(path)


def test_a_large_file_is_read_to_a_bound(tmp_path, monkeypatch):
    asked = []
    path = put(tmp_path, b"LINE_OFF: 5\n" * (1 << 19))
    whole = Path.open

    def opened(self, *args, **kwargs):
        file = whole(self, *args, **kwargs)
        read = file.read
        reader = type(
            "Reader", (), {"__enter__": lambda s: s, "__exit__": lambda s, *e: file.close()}
        )()
        reader.read = lambda n=-1: asked.append(n) or read(n)
        return reader

    monkeypatch.setattr(Path, "open", opened)
    assert not is_rpc_file(path)
    assert asked
    assert min(asked) > 0
    assert sum(asked) <= (1 << 24) + 1


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\xff", bytes(range(256)) * 50, b"\xff\xfe", b"\xff\xfeabc", b"hello: world\n", b"{}", b"<a/>",
     b'{"format": "other"}', b"Global_RFM", b"<Global_RFM/>", b"<Global_RFM></Global_RFM>", b"<RPB/>",
     b"<a><Global_RFM>\xff\xfe</Global_RFM></a>", b'satId = "X";\n', b"LINE_OFF:\n", b"lineOffset = ;\n",
     b'{"trueground-rpc": 1}', b'{"trueground-rpc"', b"polynomial_format: B\n", b"\n\n\n"],
)  # fmt: skip
def test_small_garbage(tmp_path, content):
    refused(put(tmp_path, content))


@pytest.mark.parametrize("root", ["Dimap_Document", "PHR_Dimap_Document", "isd"])
def test_a_product_without_an_rpc(tmp_path, root):
    """GDAL would cite the damaged bytes in a message that is no UTF-8."""
    refused(put(tmp_path, f"<{root}><a></a></{root}>"), "neither an image")
    for damaged in (f"<{root}><\xff></a></{root}>", f"x<{root}></{root}>"):
        refused(put(tmp_path, damaged.encode("latin-1")), "malformed")
    refused(put(tmp_path, f"<{root}><\xff\0></a></{root}>".encode("latin-1")), "binary")


def test_folders_pipes_and_nothing(tmp_path):
    refused(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused(pipe, "regular", InputError)
    refused(tmp_path / "none.geom", "does not exist", InputError)
    for path in (tmp_path, pipe, tmp_path / "none.geom"):
        assert not is_rpc_file(path)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = put(tmp_path, TEXTS["rpb"])
    monkeypatch.setattr(Path, "open", denied)
    refused(path, "Permission denied", InputError)


def test_an_image_file_is_no_rpc_file(data_folder):
    assert not is_rpc_file(data_folder / "wv3/wv3_20.NTF")
    assert not is_rpc_file(data_folder / "ventoux/left_image.tif")
    assert is_rpc_file(data_folder / "ventoux/left_image.geom")


# ---------------------------------------------------------------------------- mutations

WORDS = [
    b"nan", b"1e400", b"-", b"0", b"(", b")", b"<", b">", b"</", b"&", b"\"", b"{", b"[", b"\n", b"\0", b":", b"=",
    b";", b"\xff", b"<RPB>", b"Global_RFM", b"LINE_OFF", b"<!DOCTYPE", b"\xef\xbb\xbf", b"1" * 400,
]  # fmt: skip
pieces = st.one_of(st.sampled_from(WORDS), st.binary(max_size=8))
edits = st.lists(
    st.tuples(st.floats(0.0, 1.0), st.integers(0, 400), pieces), min_size=1, max_size=6
)


def mutated(raw, changes):
    for place, length, piece in changes:
        start = int(place * len(raw))
        raw = raw[:start] + piece + raw[start + length :]
    return raw


def survives(path, raw):
    """Either an RPC comes out, that answers, or an error of ours."""
    path.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*px apart", category=UserWarning)
        try:
            found = read_rpc(path)
        except TruegroundError as error:
            said = str(error)
            found = None
    if found is None:
        assert "\n" not in said
        return
    assert isinstance(found, Rpc)
    found.project(found.long_off, found.lat_off, found.height_off)
    found.localize(found.line_off, found.samp_off, found.height_off)


@pytest.fixture(scope="module")
def mutant(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants")
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    write_rpc(BOTH, folder / "json", format="JSON")
    return folder / "mutant.bin"


@pytest.mark.parametrize("name", [*TEXTS, "json"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=edits)
@example(changes=[(0.5, 1, b"9")])
def test_mutated_files(mutant, name, changes):
    survives(mutant, mutated(mutant.with_name(name).read_bytes(), changes))


@pytest.mark.parametrize("name", REAL)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=edits)
def test_mutated_real_files(data_folder, mutant, name, changes):
    survives(mutant, mutated(Path(data_folder / REAL[name]).read_bytes(), changes))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=2000))
def test_random_bytes(mutant, raw):
    survives(mutant, raw)
