"""GeoTIFFs with other bytes in their headers, and folders of tiles whose manifest lies or leads elsewhere."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fuzz_settings import TIMES, Survives, tried

READER = Path(__file__).with_name("read_many.py")
ORTHO = ["ortho", "image.tif", "--dem", "dem.tif", "--heights", "ellipsoid", "--like", "dem.tif"]
HEAD = 4096  # bytes in which the header and its tags lie
CASES = 60


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return a file with some bytes of its first kilobytes changed, as a whole, bit by bit or by numbers that hurt."""
    out = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        at = chance.randrange(min(HEAD, len(out)))
        kind = chance.randrange(4)
        if kind == 0:
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            out[at] = chance.randrange(256)
        elif kind == 2:
            number = chance.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 100_000])
            out[at : at + 4] = number.to_bytes(4, "little")
        else:
            del out[at : at + chance.randrange(1, 64)]
    return bytes(out[: chance.randrange(8, len(out))] if chance.random() < 0.1 else out)


def test_a_file_that_claims_to_have_very_many_bands(place: Path, survives: Survives) -> None:
    """Each band is asked a few times, not once for each of the others."""
    content = bytearray((place / "in/image.tif").read_bytes())
    at = content.index(b"\x15\x01\x03\x00\x01\x00\x00\x00\x01\x00")  # SamplesPerPixel
    content[at + 8 : at + 10] = (1000).to_bytes(2, "little")
    path = place / "out/many.tif"
    path.write_bytes(content)
    words = ["ortho", str(path), "--dem", "dem.tif", "--heights", "ellipsoid", "--like", "dem.tif"]
    survives([*words, "-o", "../out/o.tif", "--workers", "1"])


def test_headers_of_geotiffs(place: Path, tmp_path: Path) -> None:
    """In a process of its own: what would crash GDAL is named."""
    cases = tmp_path / "cases"
    cases.mkdir()
    chance = random.Random(0)
    for number in range(CASES * TIMES):
        source = (place / "in" / chance.choice(["moving.tif", "image.tif"])).read_bytes()
        (cases / f"{number:06d}.tif").write_bytes(damaged(source, chance))
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        [sys.executable, str(READER), str(cases), str(place / "in"), str(out)],
        capture_output=True, text=True, check=False, timeout=60 + 30 * TIMES,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    wrong = [line for line in lines if not line.endswith("\t")]
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-500:])
    assert not wrong
    assert len(lines) == CASES * TIMES
    assert {p.name for p in out.iterdir()} <= {"o.tif"}


NAMES = st.sampled_from(
    ["../beside/precious.tif", "../../beside/precious.tif", "/etc/passwd", "tiles/../../beside/precious.tif",
     "tiles/r0000_c0000.tif", "tiles/r0001_c0000.tif", "tiles/r9999_c9999.tif", "", ".", "tiles", "manifest.json",
     "\x00", "x" * 300]
)  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | NAMES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["format", "version", "grid", "pixels", "tile_size", "parameters", "inputs", "tiles"]
)


@given(
    st.dictionaries(KEYS, ANY, max_size=2), st.dictionaries(NAMES, ANY, max_size=3), st.booleans()
)
@tried(40)
def test_manifests_of_tiles(
    place: Path, survives: Survives, items: dict[str, Any], tiles: dict[str, Any], linked: bool
) -> None:
    """Nothing that a manifest names, and no link in the folder, has anything written outside of it."""
    folder = place / "out/t"
    words = [*ORTHO, "-o", str(folder), "--tiles", "64", "--workers", "1"]
    made = place / "made"
    if not made.exists():
        assert survives(words, clean=False) == ""
        shutil.copytree(folder, made)
        shutil.rmtree(folder)
    shutil.copytree(made, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tiles"] |= tiles
    (folder / "manifest.json").write_text(json.dumps(manifest | items))
    if linked:
        for name in ("tiles/r0000_c0000.tif", ".lock", "t.vrt", "tiles/.r0000_c0001.tif.lock"):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(place / "beside/precious.tif")
    survives([*words, "--resume"])


def test_a_folder_of_tiles_that_is_a_link_elsewhere(place: Path, survives: Survives) -> None:
    folder = place / "out/t"
    folder.mkdir()
    (folder / "tiles").symlink_to(place / "beside")
    said = survives([*ORTHO, "-o", str(folder), "--tiles", "64", "--resume"])
    assert "tiles is a link" in said
