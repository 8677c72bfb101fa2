"""Results: what is written is what is read, whatever is not known, and two are equal where all of them is."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from known_terrain import ORIGIN, UTM33
from trueground.coreg import Alignment, Chain, Correction, read_result
from trueground.coreg.base import translation
from trueground.coreg.bias.curves import Powers, Sines, Spline, Table
from trueground.coreg.bias.shapes import Along, OfVariable, Surface

NUMBER = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)
FIGURE = st.one_of(NUMBER, st.just(math.nan))
NAMES = st.sampled_from(["median", "nmad", "rmse", "step"])
LINE = st.dictionaries(NAMES, FIGURE)
FIGURES = st.dictionaries(st.sampled_from(["before", "after", "added"]), LINE)
SHAPES = (
    Surface(order=1, centre=(1.0, 2.0), scale=(3.0, 4.0), coefficients=(0.1, 0.2, 0.3)),
    Along(bearing=30.0, origin=(1.0, 2.0), curve=Spline(nodes=(0.0, 1.0), values=(0.0, 2.0))),
    Along(
        bearing=30.0, origin=(1.0, 2.0),
        curve=Sines(constant=0.1, frequencies=(0.5,), cosines=(1.0,), sines=(2.0,)),
    ),
    OfVariable(variable="slope", curve=Table(nodes=(0.0, 5.0), values=(1.0, 2.0))),
    OfVariable(
        variable="aspect",
        curve=Powers(centre=0.0, scale=1.0, coefficients=(1.0, 2.0), reach=(0.0, 9.0)),
    ),
)  # fmt: skip

SHARED = {
    "method": st.sampled_from(["test", "nuth-kaab + deramp"]),
    "nmad_before": FIGURE,
    "nmad_after": FIGURE,
    "samples": st.integers(0, 10**9),
    "converged": st.booleans(),
    "parameters": st.just({"bins": 72, "slope_range": (1.0, 40.0), "trim": None, "kind": "a"}),
    "on_samples": FIGURES,
    "warnings": st.sampled_from([(), ("weak", "bent")]),
}
MOVED = {"iterations": st.lists(LINE, max_size=3).map(tuple), "statistics": FIGURES}


def square(size):
    """Covariances, of which parts are not known; variances are not negative."""
    part = st.one_of(st.floats(0.0, 1e9), st.just(math.nan))
    line = st.tuples(*[part] * size)
    return st.tuples(*[line] * size)


ALIGNMENTS = st.builds(
    Alignment,
    matrix=st.tuples(NUMBER, NUMBER, NUMBER).map(translation),
    centroid=st.just((*ORIGIN, 100.0)),
    crs=st.sampled_from([None, UTM33.to_wkt()]),
    covariance=st.one_of(st.none(), square(3), square(6), square(7)),
    effective_samples=FIGURE,
    **SHARED,
    **MOVED,
)
CORRECTIONS = st.sampled_from(SHAPES).flatmap(
    lambda shape: st.builds(
        Correction,
        shape=st.just(shape),
        crs=st.sampled_from([None, UTM33.to_wkt()]),
        motion=st.one_of(st.none(), ALIGNMENTS),
        errors=st.lists(
            FIGURE, min_size=len(shape.coefficients), max_size=len(shape.coefficients)
        ).map(tuple),
        covariance=st.one_of(st.none(), square(len(shape.coefficients))),
        found=LINE,
        **SHARED,
    )
)
CHAINS = st.builds(
    Chain,
    corrections=st.lists(CORRECTIONS, max_size=2).map(tuple),
    alignment=ALIGNMENTS,
    **SHARED,
    **MOVED,
)


@given(one=st.one_of(ALIGNMENTS, CORRECTIONS, CHAINS))
def test_what_is_written_is_what_is_read(one):
    text = one.to_json()
    json.loads(text, parse_constant=pytest.fail)  # neither NaN nor Infinity: any program reads it
    for again in (type(one).from_json(text), read_result(text)):
        assert again == one
        assert again.to_json() == text


def nowhere_known():
    """One result of each kind, without any figure."""
    nan = math.nan
    figures = {"nmad_before": nan, "nmad_after": nan, "samples": 0, "crs": None, "method": "test"}
    alignment = Alignment(
        matrix=translation((1.0, 2.0, 3.0)), centroid=(0.0, 0.0, 0.0),
        covariance=np.full((3, 3), nan), iterations=({"nmad": nan},), **figures,
    )  # fmt: skip
    correction = Correction(
        shape=SHAPES[0], errors=(nan,) * 3, found={"explained": nan}, motion=alignment, **figures
    )
    figures.pop("crs")
    return alignment, correction, Chain(corrections=(correction,), alignment=alignment, **figures)


@pytest.mark.parametrize("kind", range(3), ids=["alignment", "correction", "chain"])
def test_what_is_not_known_equals_itself_and_no_number(kind):
    one, again = nowhere_known()[kind], nowhere_known()[kind]
    assert one == again
    assert one != replace(one, nmad_after=0.0)
    assert replace(one, nmad_after=0.0) != one
    assert one != replace(one, on_samples={"before": {"nmad": 1.0}})
    assert one != replace(one, warnings=("weak",))
    assert one not in nowhere_known()[:kind]
    assert one != one.to_dict()


def test_each_part_of_an_alignment_counts():
    one = nowhere_known()[0]
    for change in (
        {"matrix": translation((1.0, 2.0, 3.5))},
        {"centroid": (0.0, 0.0, 1.0)},
        {"crs": UTM33.to_wkt()},
        {"covariance": np.zeros((3, 3))},
        {"covariance": None},
        {"iterations": ({"nmad": 0.0},)},
        {"iterations": ({"step": math.nan},)},
        {"iterations": ()},
        {"effective_samples": 1.0},
        {"parameters": {"trim": None}},
        {"statistics": {"before": {}}},
    ):
        assert replace(one, **change) != one, change


def test_statistics_are_added_to_those_that_are_there():
    alignment, _, chain = nowhere_known()
    for one in (alignment, chain):
        first = one.with_statistics(before={"nmad": 2.0})
        both = first.with_statistics(after={"nmad": 1.0})
        assert both.statistics == {"before": {"nmad": 2.0}, "after": {"nmad": 1.0}}
        assert one.statistics == {}
