"""Faults of real life, provoked: files that are damaged or change, too little memory, missing rights, interruptions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from cli_scene import Run, simple_rpc
from faults import bound_by_permissions
from trueground.cli.main import run as command
from trueground.coreg import Alignment
from trueground.quiet import quiet
from trueground.writer import write_text

pytestmark = pytest.mark.filterwarnings("default")  # the command line says them itself
TILE = 64
ORTHO = ("ortho", "image.tif", "--dem", "reference.tif", "--heights", "ellipsoid")


@pytest.fixture
def here(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the scene's files in tiles, a transform, and a folder `out`."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("reference.tif", "moving.tif", "image.tif"):
        with quiet(NotGeoreferencedWarning), rasterio.open(scene / name) as source:
            profile = {**source.profile, "blockxsize": TILE, "blockysize": TILE}
            rpc = source.tags(ns="RPC")
            with rasterio.open(folder / name, "w", **profile) as target:
                target.update_tags(
                    ns="RPC", **rpc
                )  # before the pixels: the directory is not at the end then
                target.write(source.read())
    write_text(folder / "shift.json", Alignment.of_shift(3.0, 4.0, 5.0).to_json())
    (folder / "out").mkdir()
    monkeypatch.chdir(folder)
    return folder


def fails(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that fails; return its one line of error."""
    capsys.readouterr()
    assert command([str(w) for w in words]) == 1
    said = capsys.readouterr().err.splitlines()
    errors = [line for line in said if line.startswith("error: ")]
    assert len(errors) == 1, said
    assert not any("Traceback" in line or "please report" in line for line in said), said
    return errors[0]


def damage_middle(path: Path) -> None:
    """Overwrite the middle tile."""
    with quiet(NotGeoreferencedWarning), rasterio.open(path) as dataset:
        middle = dataset.height // TILE // 2
        at, size = (
            int(dataset.get_tag_item(f"BLOCK_{what}_{middle}_{middle}", "TIFF", bidx=1))
            for what in ("OFFSET", "SIZE")
        )
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * size)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 6 // 10)


JOBS: dict[str, tuple[tuple[str, ...], str]] = {
    "align": (("align", "reference.tif", "moving.tif", "-o", "out/o.tif"), "moving.tif"),
    "align, reference": (("align", "reference.tif", "moving.tif", "-o", "out/o.tif"), "reference.tif"),
    "align --blocks": (
        ("align", "reference.tif", "moving.tif", "-o", "out/o.tif", "--blocks", "80", "--tiles-table", "out/b.csv"),
        "moving.tif",
    ),
    "align -o .zarr": (("align", "reference.tif", "moving.tif", "-o", "out/o.zarr"), "moving.tif"),
    "ortho, image": ((*ORTHO, "-o", "out/o.tif"), "image.tif"),
    "ortho, DEM": ((*ORTHO, "-o", "out/o.tif", "--cog"), "reference.tif"),
    "diff": (("diff", "reference.tif", "moving.tif", "-o", "out/o.tif"), "moving.tif"),
    "apply": (("apply", "shift.json", "moving.tif", "-o", "out/o.tif"), "moving.tif"),
    "locate": (
        ("locate", "image.tif", "--dem", "reference.tif", "--heights", "ellipsoid", "-o", "out/o.tif"),
        "reference.tif",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", [damage_middle, cut_short])
@pytest.mark.parametrize("job", JOBS)
def test_a_damaged_input_names_its_place(
    here: Path, capsys: pytest.CaptureFixture[str], job: str, damage: Callable[[Path], None]
) -> None:
    words, name = JOBS[job]
    damage(here / name)
    said = fails(words, capsys)
    assert f"{name} cannot be read at rows " in said
    assert "columns" in said
    assert "may be damaged or cut short" in said
    assert list((here / "out").iterdir()) == []


# ---------------------------------------------------------------------------- changed while it is read


class _Changes:
    """Changes a file when a block is read for the n-th time."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None], *, at: int
    ) -> None:
        from trueground.file_raster import FileRaster

        self.left, before = at, FileRaster.read

        def read(raster: FileRaster, window: object) -> object:
            self.left -= 1
            if self.left == 0:
                change()
            return before(raster, window)

        monkeypatch.setattr(FileRaster, "read", read)


def _replaced(path: Path) -> None:
    """By another of the same size, as a program does that writes beside and renames."""
    other = path.with_name("other")
    shutil.copy(path, other)
    other.replace(path)


def _written_to(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\0")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # clocks tick slowly


def _with_a_clock_set_back(path: Path) -> None:
    os.utime(path, (0, 0))


@pytest.mark.parametrize("change", [_replaced, _written_to, _with_a_clock_set_back, Path.unlink])
@pytest.mark.parametrize("job", ["align", "align --blocks", "ortho, image", "diff", "apply"])
def test_an_input_that_changes_while_it_is_read(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    change: Callable[[Path], None],
) -> None:
    words, name = JOBS[job]
    (here / "out/o.tif").write_bytes(b"old")
    changes = _Changes(monkeypatch, lambda: change(here / name), at=1)
    said = fails([*words, "--workers", "1"], capsys)
    assert changes.left < 1
    assert f"{name} has changed, or was replaced, since it was opened" in said or (
        change is Path.unlink and f"{name} does not exist" in said
    )
    assert [p.name for p in (here / "out").iterdir()] == ["o.tif"]
    assert (here / "out/o.tif").read_bytes() == b"old"


def test_a_change_after_the_last_block_was_read_is_none(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trueground import writer

    before = writer.check_tiles

    def changed(path: Path) -> None:
        (here / "moving.tif").unlink()
        before(path)

    monkeypatch.setattr(writer, "check_tiles", changed)
    assert command(["apply", "shift.json", "moving.tif", "-o", "out/o.tif"]) == 0


# ---------------------------------------------------------------------------- clocks


def test_nothing_depends_on_what_time_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files of the past and of the future: inputs, what is replaced, locks of the dead, tiles that were finished."""
    words = (*ORTHO, "-o", "out/t", "--tiles", "64")
    assert command([*words]) == 0
    with rasterio.open("out/t/t.vrt") as dataset:
        expected = dataset.read()
    tiles = sorted(Path("out/t/tiles").iterdir())
    tiles[0].unlink()
    (here / "out/t/.lock").write_text('{"pid": 1, "host": "' + os.uname().nodename + '"}')
    for when in (0, 4_000_000_000):
        for path in (*here.glob("*"), *(here / "out").rglob("*"), here / "out/t/.lock"):
            if path.exists():
                os.utime(path, (when, when))
        assert command([*words, "--resume"]) == 0
        assert command(["apply", "shift.json", "moving.tif", "-o", "out/o.tif"]) == 0
    with rasterio.open("out/t/t.vrt") as dataset:
        np.testing.assert_array_equal(dataset.read(), expected)
    assert all(p.stat().st_mtime == 4_000_000_000 for p in tiles[1:])  # they were kept


# ---------------------------------------------------------------------------- memory


MORE = (0, 16)  # MB beyond what the process has once it has done a small job of the same kind
LIMITED = """
import resource, sys
from trueground.cli.main import main, run
more, small, large = int(sys.argv[1]), sys.argv[2].split("|"), sys.argv[3].split("|")
assert run(small) == 0
size = next(line for line in open("/proc/self/status") if line.startswith("VmSize"))
limit = (int(size.split()[1]) << 10) + (more << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main(large)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the addresses of a process")
@pytest.mark.parametrize("job", ["align", "align --blocks", "ortho", "diff", "apply to .zarr"])
def test_too_little_memory(large: Path, here: Path, job: str) -> None:
    """Wherever the data take too much: one line of error, and nothing half-written; or there was enough."""
    small = dict(JOBS, ortho=JOBS["ortho, image"])[job.replace("apply to .zarr", "align -o .zarr")]
    words = [str(large / w) if (large / w).is_file() else w for w in LONG[job]]
    out, codes, named = here / "out", [], 0
    for more in MORE:
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(more), "|".join(small[0]), "|".join(words)],
            capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        codes.append(done.returncode)
        said = done.stderr.splitlines()
        assert "Traceback" not in done.stderr, more
        if done.returncode == 1:
            assert sum(line.startswith("error: ") for line in said) == 1, (more, said)
            named += "memory" in said[-1] or "allocate" in said[-1]
            assert not [p for p in out.rglob(".*") if ".part" in p.name]
        else:  # GDAL, Blosc and LLVM may abort where they get no memory: then it is as with kill -9
            assert done.returncode in (0, -signal.SIGABRT, -signal.SIGSEGV), (more, done.stderr)
        if done.returncode == 0:
            break
    assert codes[0] != 0
    assert (
        named or 1 not in codes or job == "align"
    )  # where PROJ gets no memory, it says that a WKT is wrong


# ---------------------------------------------------------------------------- rights


def _bound(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trueground", *words],
        capture_output=True, text=True, check=False, timeout=120, preexec_fn=bound_by_permissions,
    )  # fmt: skip


@pytest.fixture
def binding(here: Path) -> Path:
    """The same, where permissions bind."""
    probe = here / "probe"
    probe.touch(mode=0)
    done = subprocess.run(
        ["cat", str(probe)], capture_output=True, check=False, preexec_fn=bound_by_permissions
    )
    if done.returncode == 0:
        pytest.skip("permissions do not bind this user")
    return here


@pytest.mark.skipif(sys.platform != "linux", reason="permissions of POSIX")
def test_without_the_right_to(binding: Path) -> None:
    out = binding / "out"
    (out / "o.tif").write_bytes(b"old")
    diff = JOBS["diff"][0]

    def refused(*words: str) -> None:
        done = _bound(diff)
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert done.returncode == 1
        assert len(errors) == 1
        assert "Traceback" not in done.stderr
        for word in words:
            assert word in errors[0]
        assert [p.name for p in out.iterdir()] == ["o.tif"]
        assert (out / "o.tif").read_bytes() == b"old"

    out.chmod(0o555)
    refused("cannot be written", "Permission denied")
    out.chmod(0o755)
    (binding / "moving.tif").chmod(0)
    refused("moving.tif", "Permission denied")
    (binding / "moving.tif").chmod(0o644)
    if (
        shutil.which("chattr")
        and not subprocess.run(
            ["chattr", "+i", str(out / "o.tif")], capture_output=True, check=False
        ).returncode
    ):
        try:
            refused("o.tif", "could not be written", "not permitted")
        finally:
            subprocess.run(["chattr", "-i", str(out / "o.tif")], check=True)
    assert _bound(diff).returncode == 0


# ---------------------------------------------------------------------------- interruptions

LONG: dict[str, tuple[str, ...]] = {
    "align": ("align", "big.tif", "big_moved.tif", "-o", "out/o.tif"),
    "align --blocks": ("align", "big.tif", "big_moved.tif", "-o", "out/o.tif", "--blocks", "100"),
    "ortho": (*ORTHO, "-o", "out/o.tif", "--resolution", "0.05"),
    "ortho --tiles": (*ORTHO, "-o", "out/o", "--tiles", "512", "--resolution", "0.05"),
    "apply": ("apply", "shift.json", "big.tif", "-o", "out/o.tif", "--resampling", "cubic"),
    "apply to .zarr": ("apply", "shift.json", "big.tif", "-o", "out/o.zarr"),
    "diff": ("diff", "big.tif", "big_moved.tif", "-o", "out/o.tif"),
    "locate": (
        "locate", "big_image.tif", "--dem", "reference.tif", "--heights", "ellipsoid", "-o", "out/o.tif",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def large(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DEMs and an image whose work takes many seconds: they are sparse files that say much."""
    folder = tmp_path_factory.mktemp("large")
    for name in ("reference.tif", "image.tif"):
        shutil.copy(scene / name, folder / name)
    with rasterio.open(scene / "reference.tif") as source:
        terrain, profile = source.read(1), source.profile
    values = np.tile(terrain, (42, 42))  # 10080 x 10080
    big = {
        **profile,
        "height": values.shape[0],
        "width": values.shape[1],
        "compress": "none",
        "predictor": 1,
    }
    for name, step in (("big.tif", 0), ("big_moved.tif", 1)):
        with rasterio.open(folder / name, "w", **big) as target:
            target.write(np.roll(values, step, axis=1) + np.float32(step), 1)
    with quiet(NotGeoreferencedWarning):
        with rasterio.open(scene / "image.tif") as source:
            profile = {**source.profile, "height": 12_000, "width": 12_000, "sparse_ok": True}
        with rasterio.open(folder / "big_image.tif", "w", **profile) as target:
            target.update_tags(ns="RPC", **simple_rpc(12_000).to_tags())
    write_text(folder / "shift.json", Alignment.of_shift(3.0, 4.0, 5.0).to_json())
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("job", LONG)
def test_interrupted(large: Path, tmp_path: Path, job: str, number: signal.Signals) -> None:
    """It ends within two seconds, says so in one line, and leaves nothing but finished tiles."""
    words = [w.replace("out/", f"{tmp_path}/") for w in LONG[job]]
    process = subprocess.Popen(
        [sys.executable, "-m", "trueground", *words, "--workers", "2"], cwd=large,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    until = time.monotonic() + 60.0
    fits = job == "align --blocks"  # it is stopped while it fits
    while not (any(tmp_path.iterdir()) or (fits and _seconds_used(process) > 4.0)):
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    time.sleep(0.1)
    start = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    took = time.monotonic() - start
    assert process.returncode == -number
    assert said.splitlines()[-1] == "error: interrupted; nothing half-written was left"
    assert "Traceback" not in said
    assert took < 2.0
    left = [p.name for p in tmp_path.rglob("*") if not p.is_dir()]
    if job == "ortho --tiles":
        assert all(n == "manifest.json" or n.startswith("r0") for n in left)
    else:
        assert left == []
        assert list(tmp_path.iterdir()) == []


def _seconds_used(process: subprocess.Popen[str]) -> float:
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_two_commands_with_one_output(run: Run, large: Path, tmp_path: Path) -> None:
    """The second is refused as long as the first writes."""
    words = [w.replace("out/", f"{tmp_path}/") for w in LONG["apply"]]
    first = subprocess.Popen(
        [sys.executable, "-m", "trueground", *words, "--workers", "1"], cwd=large,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not any(".part" in p.name for p in tmp_path.iterdir()):
            assert first.poll() is None
            time.sleep(0.02)
        done = run("diff", "reference.tif", "moving.tif", "-o", "out/o.tif")
        assert done.returncode == 1
        assert f"is being written by process {first.pid} on" in done.stderr
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    assert run("diff", "reference.tif", "moving.tif", "-o", "out/o.tif").returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == ["o.tif"]


# ---------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["a\0b.tif", "/vsicurl/http://127.0.0.1:9/a\0b.tif"])
@pytest.mark.parametrize(
    "words",
    [
        ("diff", "NAME", "reference.tif", "-o", "out/o.tif"),
        ("diff", "moving.tif", "reference.tif", "-o", "NAME"),
        ("diff", "moving.tif", "reference.tif", "-o", "out/o.tif", "--exclude", "NAME"),
        ("apply", "NAME", "moving.tif", "-o", "out/o.tif"),
        ("run", "NAME"),
        (*ORTHO, "-o", "NAME", "--tiles", "64"),
        (*ORTHO, "-o", "out/o.tif", "--rpc", "NAME"),
        ("locate", "image.tif", "--height", "900", "--points", "NAME", "-o", "out/p.csv"),
    ],
)
def test_a_name_that_no_file_can_have(
    here: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str], name: str
) -> None:
    fails([name if w == "NAME" else w for w in words], capsys)
    assert list((here / "out").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_name_whose_bytes_are_no_text(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"d\xe9j\xe0.tif")
    shutil.copy("moving.tif", name)
    said = fails(("diff", name, "reference.tif", "-o", "out/o.tif"), capsys)
    assert "no UTF-8" in said
    assert "rename" in said
