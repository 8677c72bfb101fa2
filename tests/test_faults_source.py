"""What no line of the source does: start a shell, run text as code, unpickle files, read XML that declares entities."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import trueground

PACKAGE = Path(trueground.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
STARTS = {"system", "popen", "spawnl", "spawnv", "execv", "execl", "execve", "startfile"}
UNPICKLES = {"pickle", "cPickle", "_pickle", "dill", "joblib", "shelve", "marshal"}
# Functions that travel to workers, in memory, as all of distributed's do; and a hash of what is pickled.
PICKLES = {"cluster/shipped.py", "kept.py"}
# Parsers, each of which refuses document types and entities before it parses.
XML = {"fingerprint.py", "rpc/readers/xml_tree.py"}


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(PACKAGE)) for f in FILES])
def test_no_shell_no_code_from_text_no_pickles_no_foreign_xml(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    text = path.read_text()
    tree = ast.parse(text)
    modules = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert "subprocess" not in modules
    assert not modules & {"lxml", "yaml", "xmlrpc"}
    assert not modules & UNPICKLES or name in PICKLES
    for called, node in calls(tree):
        assert called not in RUNS_TEXT
        assert not (called.startswith("os.") and called.removeprefix("os.") in STARTS)
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        assert "shell" not in keywords
        assert keywords.get("allow_pickle", "False") == "False"
        assert not called.endswith(("pickle.load", "read_pickle", "Unpickler"))
        parses = called.endswith((".fromstring", ".parse", ".iterparse", ".XMLParser"))
        if parses and ("ElementTree" in called or "Xml" in called):
            assert name in XML
            assert "<!" in text
