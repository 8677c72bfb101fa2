"""The public names: they load, lazily, and quickly."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import trueground


@pytest.mark.parametrize("name", [n for n in trueground.__all__ if not n.startswith("_")])
def test_every_public_name_loads_and_says_what_it_is(name):
    thing = getattr(trueground, name)
    assert thing.__doc__
    assert thing.__name__.split(".")[-1] == name  # no module hides behind a function's name


def test_type_checkers_see_the_same_names():
    """The imports that only they run, and the table that all others use."""
    tree = ast.parse(Path(trueground.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    table = {
        (f"trueground.{home}", name) for home, names in trueground._HOMES.items() for name in names
    }
    assert seen == table


@pytest.mark.parametrize(
    "name",
    ["Mosaic", "TileStore", "automatic_control", "Matching", "AutomaticControl", "common_grids"],
)
def test_what_the_commands_do_can_be_done_in_python(name):
    assert name in trueground.__all__


def test_names_stay_what_they_are_when_all_modules_are_loaded():
    """A module of the same name would take the place of a function once it is imported."""
    script = """
import pkgutil, importlib, trueground
for module in pkgutil.walk_packages(trueground.__path__, "trueground."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import types
print([n for n in trueground.__all__ if isinstance(getattr(trueground, n), types.ModuleType)])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_import_loads_nothing_heavy():
    script = "import sys, trueground; print([m for m in ('numpy', 'numba', 'rasterio', 'scipy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_heavy():
    script = """
import sys
from trueground.cli import app
print([m for m in ("numpy", "numba", "rasterio", "scipy", "pandas") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = trueground.nonsense
    assert set(trueground.__all__) <= set(dir(trueground))
