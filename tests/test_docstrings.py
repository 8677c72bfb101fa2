"""What public names say of themselves: every parameter, every field, every error, an example that runs."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, ClassVar, get_origin

import pytest

import trueground

PACKAGES = (
    "trueground", "trueground.cluster", "trueground.control", "trueground.convergence", "trueground.coreg",
    "trueground.jobs", "trueground.ortho", "trueground.plot", "trueground.pointfiles", "trueground.quality",
    "trueground.report", "trueground.rpc", "trueground.samples",
)  # fmt: skip
# Abstract, or what a function returns whose example makes one.
NO_EXAMPLE = {"Raster", "TruegroundError", "AutomaticControl"}
# A docstring that sends the reader to another for its parameters.
ELSEWHERE = re.compile(r"(?:[Aa]s|[Pp]arameters) (?:of|as|in|as of) `|[Ss]ee `|[Aa]s `|As of `")


def public() -> dict[str, Any]:
    """All public classes and functions, each once, by where they are imported from."""
    found: dict[int, tuple[str, Any]] = {}
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found.setdefault(id(thing), (f"{package}.{name}", thing))
    accessor = import_module("trueground.accessor").TruegroundAccessor
    return {**dict(found.values()), "trueground.accessor.TruegroundAccessor": accessor}


PUBLIC = public()


def own_functions(thing: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """A function itself, or the public methods that a class defines."""
    if inspect.isfunction(thing):
        yield thing.__name__, thing
        return
    for name, value in vars(thing).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def parameters(function: Callable[..., Any]) -> list[str]:
    return [
        p
        for p in inspect.signature(function).parameters
        if p not in {"self", "cls"} and not p.startswith("_")
    ]


def described(doc: str) -> list[str] | None:
    """Names in the section of parameters; None where there is none."""
    section = re.search(r"(?ms)^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-{3,}|\Z)", doc)
    if section is None:
        return None
    heads = re.findall(r"(?m)^(\w[\w, *]*)$", section.group(1))
    return [name.strip(" *") for head in heads for name in head.split(",")]


def raised(function: Callable[..., Any]) -> set[str]:
    """Errors that the function itself raises, by name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Raise)
            and isinstance(node.exc, ast.Call)
            and isinstance(node.exc.func, ast.Name)
        ):
            found.add(node.exc.func.id)
    return {name for name in found if hasattr(import_module("trueground.errors"), name)}


def fields_without_words(thing: type) -> list[str]:
    """Fields of a dataclass that neither a string below them nor the class's docstring describes."""
    own = vars(thing).get("__annotations__", {})
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(thing))).body
    assert isinstance(tree, ast.ClassDef)
    silent = []
    for here, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not isinstance(here, ast.AnnAssign) or not isinstance(here.target, ast.Name):
            continue
        name = here.target.id
        text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        constant = "ClassVar" in str(own.get(name)) or get_origin(own.get(name)) is ClassVar
        if not (
            name.startswith("_")
            or text
            or constant
            or re.search(rf"\b{name}\b", thing.__doc__ or "")
        ):
            silent.append(name)
    return silent


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_says_what_it_is(name):
    """In a sentence of its own: dataclasses without one show their signature."""
    doc = inspect.cleandoc(PUBLIC[name].__doc__ or "")
    first = doc.split("\n\n")[0]
    assert first.endswith((".", ":")), first
    assert not first.startswith(f"{name.rsplit('.', 1)[1]}(")
    for label, function in own_functions(PUBLIC[name]):
        assert inspect.getdoc(function), f"{name}.{label} says nothing"


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_sections_of_parameters_are_whole_and_true(name):
    """What is described is in the signature, and what is in the signature is described."""
    for label, function in own_functions(PUBLIC[name]):
        doc = inspect.getdoc(function) or ""
        known, there = described(doc), parameters(function)
        if known is not None:
            assert set(known) <= set(there), f"{label} describes what it does not take"
            assert ELSEWHERE.search(doc) or set(there) <= set(known), f"{label} does not say all"
        elif inspect.isfunction(PUBLIC[name]):
            silent = [p for p in there if not re.search(rf"\b{p}\b", doc)]
            assert not silent or ELSEWHERE.search(doc) or len(there) == 1, f"{label}: {silent}"


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_errors_that_are_raised_are_named(name):
    for label, function in own_functions(PUBLIC[name]):
        doc = inspect.getdoc(function) or ""
        missing = {error for error in raised(function) if error not in doc}
        assert not missing, f"{label} does not say that it raises {missing}"


@pytest.mark.parametrize("name", [n for n in trueground.__all__ if not n.startswith("_")])
def test_fields_have_their_units_or_meaning(name):
    thing = getattr(trueground, name)
    if dataclasses.is_dataclass(thing) and inspect.isclass(thing):
        assert fields_without_words(thing) == []


@pytest.mark.parametrize("name", [n for n in trueground.__all__ if not n.startswith("_")])
def test_every_name_of_the_face_has_an_example_that_runs(name):
    """As a doctest, in the class or in one of its methods; all of them run with the tests."""
    thing = getattr(trueground, name)
    words = [
        inspect.getdoc(thing) or "",
        *(inspect.getdoc(f) or "" for _, f in own_functions(thing)),
    ]
    assert name in NO_EXAMPLE or any(">>>" in text for text in words)


def test_the_checks_can_fail():
    """On a function and a class that break each of the rules."""
    from trueground.errors import InputError

    def short(first: int, second: int) -> None:
        """Do something.

        Parameters
        ----------
        first
            One.
        third
            None.
        """
        raise InputError("no")

    @dataclasses.dataclass
    class Silent:
        """Something."""

        width: float
        height: float
        """Metres."""

    assert described(inspect.getdoc(short) or "") == ["first", "third"]
    assert raised(short) == {"InputError"}
    assert fields_without_words(Silent) == ["width"]
