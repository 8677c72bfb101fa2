"""What the house style asks of every file, and what no linter knows."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest
from numba.core.registry import CPUDispatcher

import trueground
from trueground import errors

PACKAGE = Path(trueground.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
KERNELS = sorted((PACKAGE / "kernels").glob("[!_]*.py"))


def _names(files):
    return [str(f.relative_to(PACKAGE)) for f in files]


@pytest.mark.parametrize("path", FILES, ids=_names(FILES))
def test_no_star_imports_and_no_drawers_for_everything(path):
    assert path.stem not in {"utils", "common", "helpers", "misc", "tools"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names)
        assert not isinstance(node, ast.Assert), "asserts vanish with python -O"


@pytest.mark.parametrize("path", KERNELS, ids=_names(KERNELS))
def test_kernels_are_serial_cached_and_free_of_the_gil(path):
    module = importlib.import_module(f"trueground.kernels.{path.stem}")
    found = [f for _, f in inspect.getmembers(module) if isinstance(f, CPUDispatcher)]
    assert found
    for function in found:
        options = function.targetoptions
        assert options["nogil"]
        assert not options.get("parallel")
        fast = options.get("fastmath") or set()
        assert isinstance(fast, set)
        assert fast <= {"reassoc", "contract", "arcp", "nsz"}  # others break NaN
        assert function.stats.cache_path is not None


def test_errors_are_few_and_have_one_base():
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if kind is not errors.TruegroundError
    ]
    assert len(kinds) <= 8
    assert all(issubclass(kind, errors.TruegroundError) for kind in kinds)
