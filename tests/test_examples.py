"""The programs of examples/ run on the sample world, and what they print holds against its truth."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

# What each of them must have said and drawn.
SAID = {
    "blockwise_coregistration": (r"Error before: (4\.\d+) m", r"Error after: (0\.[3-5]\d+) m"),
    "hidden_ground": (r"(0\.43) % of the ground is hidden", r"pixels, (0) are judged unlike"),
    "locate_and_converge": (
        r"pixels: ok",
        r"farthest from its line of sight: (\d\.\de-(09|1\d)) px",
    ),
    "mean_change": (r"glacier: \+(13\.\d+) \+- (0\.\d+) m",),
}
DRAWN = {
    "blockwise_coregistration": 3,
    "hidden_ground": 1,
    "locate_and_converge": 1,
    "mean_change": 2,
}


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(EXAMPLES / f"{name}.py"), *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, "MPLBACKEND": "agg"},
    )  # fmt: skip


def test_all_examples_are_tested():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SAID) == set(DRAWN)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, Path]]:
    """What an example printed, and the folder that it wrote into; each runs once."""

    @cache
    def go(name: str) -> tuple[str, Path]:
        folder = tmp_path_factory.mktemp(name)
        done = run(name, "--output", folder)
        assert done.returncode == 0, done.stderr
        return done.stdout, folder

    return go


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SAID))
def test_on_the_sample_world(name, ran):
    from PIL import Image

    said, folder = ran(name)
    for pattern in SAID[name]:
        assert re.search(pattern, said), f"{pattern} in:\n{said}"
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == DRAWN[name]
    for picture in pictures:
        with Image.open(picture) as image:
            low, high = image.convert("L").getextrema()
        assert high - low > 100, f"{picture.name} is blank"


@pytest.mark.slow
def test_the_mean_change_holds_the_truth(ran):
    """The glacier lost 13.409 m over the cells with data (docs/uncertainty.md): within two standard errors."""
    found = re.search(r"glacier: \+(\S+) \+- (\S+) m", ran("mean_change")[0])
    assert found is not None
    mean, error = map(float, found.groups())
    assert abs(mean - 13.409) < 2.0 * error < 2.0


@pytest.mark.parametrize("name", sorted(SAID))
def test_half_of_the_inputs_is_an_error(name, tmp_path):
    done = run(name, "one.tif", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "sample world" in done.stderr
    assert not (tmp_path / "out").exists()
