"""Keys and values of any valid TOML have places, and the text there is theirs."""

from __future__ import annotations

import json
import tomllib
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from trueground.jobs.toml_places import Place, Places

TEXT = '''\
a = 1 # ] }
"b c".d = "x # \\" ] = "  # comment
'e' = \'\'\'
lines ''of''
[not] = a heading\'\'\'
f = """one\\
  "two" \\""" ""three"""""
g = [1, [2, 3], # two, three
  {h = "i, }", "j".k = 4},
]
[l.m]
n = 1979-05-27 07:32:00 # a date
[[o]]
p = -inf
[[o.q]]
r = {s = {}}
[o.q.t]
u = true
[[o]]
 v . w = 0x1F
'''


def paths_of(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths_of(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths_of(item, (*path, number))


def test_all_that_toml_can_say():
    places = Places(TEXT)
    lines = TEXT.split("\n")
    wanted = {
        ("a",): "a = 1", ("b c", "d"): "d = ", ("e",): "'e'", ("f",): "f = ", ("l", "m", "n"): "n = ",
        ("g", 2, "h"): "h = ", ("g", 2, "j", "k"): "k = 4", ("o", 0, "p"): "p =", ("o", 0, "q", 0): "[[o.q]]",
        ("o", 0, "q", 0, "r", "s"): "s = {}", ("o", 0, "q", 0, "t", "u"): "u = ", ("o", 1, "v", "w"): "w = 0x",
        ("o", 1): "[[o]]", ("l", "m"): "[l.m]",
    }  # fmt: skip
    for path, text in wanted.items():
        line, column = places.keys[path].line, places.keys[path].column
        assert lines[line - 1][column - 1 :].startswith(text), path
    assert places.values["g", 1, 1] == Place(8, 13)
    assert places.values["l", "m", "n"] == Place(12, 5)
    found = set(places.keys) | set(places.values)
    assert set(paths_of(tomllib.loads(TEXT))) - found == {()}
    assert places.of(("o", 1, "missing")) == places.keys["o", 1]
    assert places.of(("nothing",)) == Place(1, 1)


quoted = partial(json.dumps, ensure_ascii=False)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x7f")
KEYS = st.text(CHARACTERS, min_size=1, max_size=6)
SCALARS = st.integers(-(2**40), 2**40) | st.booleans() | st.text(CHARACTERS, max_size=9)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def inline(value) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{quoted(k)} = {inline(v)}" for k, v in value.items())
        return "{" + pairs + "}"
    if isinstance(value, list):
        return "[" + "".join(f"{inline(v)}, # ]\n" for v in value) + "]"
    return quoted(value)


@given(
    st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.dictionaries(KEYS, VALUES), max_size=3)
)
@settings(max_examples=200, deadline=None)
def test_any_document(table, scenes):
    """Every path of what was read has a place, and a key's place begins with the key."""
    text = "".join(f" {quoted(k)}\t= {inline(v)} # x\n" for k, v in table.items() if k != "scene")
    for scene in scenes:
        text += "[[scene]]\n" + "".join(f"{quoted(k)}={inline(v)}\n" for k, v in scene.items())
    data = tomllib.loads(text)
    places = Places(text)
    lines = text.split("\n")
    for path in paths_of(data):
        if not path or path == ("scene",):
            continue
        assert path in places.keys or path in places.values
        place = places.of(path, key=True)
        said = lines[place.line - 1][place.column - 1 :]
        if isinstance(path[-1], str):
            assert said.startswith(quoted(path[-1]))
