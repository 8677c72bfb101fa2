"""Job files with whatever in them: said in lines, never a traceback, never slow, nothing outside the output folder."""

from __future__ import annotations

import json
import re
import string
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz_settings import SLOW, tried
from pretend_commands import JOB, PretendCommands, files_below
from trueground.errors import TruegroundError
from trueground.jobs import plan, read_job, run_job
from trueground.jobs.kinds import KINDS, SCENE_KEYS


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with inputs, a folder beside it, and a link from one to the other."""
    top = tmp_path_factory.mktemp("fuzz")
    (top / "beside").mkdir()
    (top / "beside" / "file.tif").write_bytes(b"beside")
    folder = top / "job"
    folder.mkdir()
    (folder / "link").symlink_to(top / "beside")
    for name in ("reference", "moving", "other", "image"):
        (folder / f"{name}.tif").write_bytes(name.encode())
    return folder


def survives(place: Path, text: str) -> None:
    """Check, plan and run a job: it works or says in lines why not, and writes in one folder alone."""
    file = place / "job.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    commands = PretendCommands()
    before = files_below(place.parent)
    start = time.process_time()
    folder, said = None, "nothing"
    try:
        job = read_job(file, commands=commands)
        folder = job.folder
        plan(job, commands=commands)
        run_job(job, commands=commands)
    except TruegroundError as error:
        said = str(error)
    assert time.process_time() - start < SLOW
    assert all(line.strip() for line in said.split("\n"))
    after = files_below(place.parent)
    new = {k for k in after if after[k] != before.get(k)} | (before.keys() - after.keys())
    if folder is not None:
        inside = f"{folder.relative_to(place.parent)}/"
        new = {name for name in new if not name.startswith(inside)}
    assert not new
    assert sorted(p.name for p in (place.parent / "beside").iterdir()) == ["file.tif"]


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return (
        str(value).lower().replace("infinity", "inf")
        if not isinstance(value, float)
        else f"{value!r}"
    )


PIECES = st.sampled_from([
    "..", "/", "../beside", "link", "link/x", "/tmp/x", "{align}", "{", "}", "{x}", '"', "'", '"""', "\n", "\\",
    "\\u0000", "=", "[", "]", "[[", "[[scene]]", "#", ",", ".", "\t", "\r", "\x00", "\x7f", "\u2028", "\U0001f600",
    "1e999", "-1", "nan", "9" * 5000, "[" * 300, "a." * 300, "true", "--", "-o", "--output=/tmp/x", "$(touch x)",
    "`x`", ";", "~", "%s", "*", "http://localhost:1/x.tif", "file.tif", "step.json", " ",
]) | st.text(string.printable, max_size=4)  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, len(JOB)), st.integers(0, 12), PIECES), min_size=1, max_size=3
    )
)
@tried(100)
def test_a_valid_job_with_pieces_replaced(place, changes):
    text = JOB
    for at, length, piece in changes:
        text = text[:at] + piece + text[at + length :]
    survives(place, text)


NAMES = [
    "reference.tif", "moving.tif", "image.tif", "{align}", "{ortho}/a.tif", "ellipsoid", "x.json", "a", "b c", "ALIGN",
    "results/north", "a/b", "align", "x:align", "cubic", "step.json", "south", "../job/results",
]  # fmt: skip
WORDS = PIECES.filter(lambda p: len(p) < 40) | st.sampled_from(NAMES)
TEXTS = re.findall(r'"[^"\n]*"', JOB)


@given(st.lists(st.tuples(st.integers(0, len(TEXTS) - 1), WORDS), min_size=1, max_size=2))
@example(changes=[(TEXTS.index('"north"'), "../beside")])
@example(changes=[(TEXTS.index('"results"'), "link")])
@example(changes=[(TEXTS.index('"shift.json"'), "../../../../beside/file.tif")])
@example(changes=[(TEXTS.index('"shift.json"'), "/tmp/../tmp/x")])
@example(changes=[(TEXTS.index('"{align}"'), "/")])
@example(changes=[(TEXTS.index('"results"'), "\x00")])
@example(changes=[(TEXTS.index('"north"'), "\x00")])
@example(changes=[(TEXTS.index('"south"'), "a\x00b")])
@example(changes=[(TEXTS.index('"reference.tif"'), "\x7f")])
@example(changes=[(TEXTS.index('"results"'), "x" * 300)])
@example(changes=[(TEXTS.index('"results"'), "a/" * 3000)])
@tried(60)
def test_a_valid_job_with_other_texts(place, changes):
    """Valid TOML: what is tried are names, files, references and datums."""
    parts = re.split(r'("[^"\n]*")', JOB)
    for number, word in changes:
        parts[2 * number + 1] = toml(word)
    survives(place, "".join(parts))


@given(st.binary(max_size=200))
@tried(50)
def test_any_bytes(place, content):
    survives(place, content.decode("utf-8", "surrogateescape"))


SCALARS = WORDS | st.integers(-3, 600) | st.floats(allow_nan=True) | st.booleans()
ITEMS = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=4), st.dictionaries(WORDS, SCALARS, max_size=2)
)
PARAMETERS = sorted({n for c in KINDS for n in PretendCommands().parameters(c)})
TABLE = st.dictionaries(st.sampled_from(PARAMETERS), ITEMS, max_size=4)
STEPS = st.lists(
    st.sampled_from([*KINDS, "report", "x:diff", "../y:align"]), min_size=1, max_size=4
)
SCENE = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "link", "..", "a/b", "c d"]),
        "steps": STEPS,
        "reference": st.just("reference.tif"),
        "moving": st.just("moving.tif"),
    },
    optional={**dict.fromkeys(SCENE_KEYS[2:], ITEMS), **dict.fromkeys(KINDS, TABLE)},
)
OUTPUTS = st.sampled_from(
    ["results", "link", "link/in", ".", "a/b", "..", "/tmp/nowhere", "reference.tif", ""]
)


@given(
    OUTPUTS,
    st.dictionaries(st.sampled_from([*KINDS, "scene"]), TABLE, max_size=2),
    st.lists(SCENE, min_size=1, max_size=2),
)
@tried(80)
def test_any_structure(place, output, defaults, scenes):
    text = (
        f"job = {toml({'output': output})}\ndefaults = {toml(defaults)}\nscene = {toml(scenes)}\n"
    )
    tomllib.loads(text)  # what is tried is the meaning, not the syntax
    survives(place, text)
