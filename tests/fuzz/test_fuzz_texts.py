"""Text files with anything in them: RPCs, tables of points, outlines, transforms, virtual rasters."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rpc_products as products
from cli_scene import simple_rpc
from fuzz_settings import CHANGES, Survives, changed, tried
from trueground.coreg import Alignment, Blockwise, Deramp, NuthKaab, Pipeline
from trueground.metadata import Metadata
from trueground.raster import open_raster
from trueground.vrt import vrt_text

RPC = products.with_direct(simple_rpc(100))
RPCS = {
    "text": products.key_value(RPC), "rpb": products.rpb(RPC), "geom": products.geom(RPC),
    "worldview": products.worldview(RPC), "dimap1": products.dimap_v1(RPC), "dimap2": products.dimap(RPC),
    "dimap3": products.dimap(RPC, profile="PNEO_SENSOR", first=0),
}  # fmt: skip


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


@given(st.sampled_from(sorted(RPCS)), CHANGES)
@tried(25)
def test_rpc_files(place: Path, survives: Survives, kind: str, changes: Any) -> None:
    path = put(place / "in/rpc", changed(RPCS[kind], changes))
    survives(["rpc", path, "-o", "../out/x.RPB"])
    survives(["locate", "image.tif", "10", "20", "--height", "900", "--rpc", path])


POINTS = "row,col,height,x,y,z\n" + "".join(
    f"{k}.5,{2 * k},900,{399_100 + 20 * k},{5_146_000 - 20 * k},{900 + k}\n" for k in range(30)
)


@given(CHANGES, st.sampled_from(["csv", "txt", "xyz"]))
@tried(25)
def test_tables_of_points(place: Path, survives: Survives, changes: Any, ending: str) -> None:
    path = put(place / f"in/points.{ending}", changed(POINTS, changes))
    survives(["locate", "image.tif", "--height", "900", "--points", path, "-o", "../out/p.csv"])
    put(place / "in/shift.json", Alignment.of_shift(1.0, 2.0, 3.0).to_json())
    out = f"../out/p.{ending}"
    survives(["apply", "shift.json", path, "-o", out, "--points-crs", "EPSG:32632"])


RING = [[7.69, 46.44], [7.695, 46.44], [7.695, 46.445], [7.69, 46.445], [7.69, 46.44]]
OUTLINE = json.dumps(
    {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
        "features": [
            {"type": "Feature", "properties": {"a": 1}, "geometry": {"type": kind, "coordinates": shape}}
            for kind, shape in (("Polygon", [RING]), ("MultiPolygon", [[RING], [RING]]))
        ],
    }
)  # fmt: skip


@given(CHANGES)
@tried(25)
def test_outlines(place: Path, survives: Survives, changes: Any) -> None:
    path = put(place / "in/outline.geojson", changed(OUTLINE, changes))
    survives(
        ["diff", "dem.tif", "moving.tif", "-o", "../out/d.tif", "--exclude", path, "--workers", "1"]
    )


@pytest.fixture(scope="module")
def transforms(place: Path) -> dict[str, str]:
    """One of each kind."""
    dems = open_raster(place / "in/dem.tif"), open_raster(place / "in/moving.tif")
    return {
        "alignment": NuthKaab().fit(*dems).to_json(),
        "correction": Deramp().fit(*dems).to_json(),
        "chain": Pipeline(steps=(NuthKaab(), Deramp(order=1))).fit(*dems).to_json(),
        "blockwise": Blockwise(NuthKaab(), block_size=40).fit(*dems).to_json(),
    }


KINDS = st.sampled_from(["alignment", "correction", "chain", "blockwise"])


@given(KINDS, CHANGES)
@tried(25)
def test_transforms_as_text(
    place: Path, survives: Survives, transforms: dict[str, str], kind: str, changes: Any
) -> None:
    path = put(place / "in/t.json", changed(transforms[kind], changes))
    survives(["apply", path, "moving.tif", "-o", "../out/a.tif", "--workers", "1"])


VALUES = st.sampled_from(
    [None, True, -1, 0, 1e308, -1e308, 10**400, 1e-320, "", "x", "nan", [], [[]], {}, [1, 2], {"a": 1}, [None] * 4,
     "EPSG:999999", "GEOGCS[", [[0.0] * 4] * 4, [[1.0] * 3] * 3, "quadratic", 2**63, -(2**63), 1e16]
)  # fmt: skip


def leaves(items: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values, groups included."""
    pairs: Any = enumerate(items) if isinstance(items, list) else ()
    if isinstance(items, dict):
        pairs = items.items()
    return [path, *(way for key, value in pairs for way in leaves(value, (*path, key)))]


@given(
    KINDS, st.lists(st.tuples(st.floats(0, 0.999), VALUES), min_size=1, max_size=2), st.booleans()
)
@tried(50)
def test_transforms_with_other_values(
    place: Path,
    survives: Survives,
    transforms: dict[str, str],
    kind: str,
    changes: Any,
    remove: bool,
) -> None:
    """Valid JSON: what is tried is the meaning."""
    items = json.loads(transforms[kind])
    for share, value in changes:
        ways = [w for w in leaves(items) if w]
        if not ways:
            break
        *first, last = ways[int(share * len(ways))]
        holder = items
        for key in first:
            holder = holder[key]
        if remove:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(value)
    path = put(place / "in/t.json", json.dumps(items))
    survives(["apply", path, "moving.tif", "-o", "../out/a.tif", "--workers", "1"])
    if kind == "alignment":
        survives(["align", "dem.tif", "moving.tif", "-o", "../out/a.tif", "--initial", path])


DECLARATIONS = st.sampled_from(
    ["", '<!DOCTYPE x SYSTEM "file:///etc/passwd">', '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
     "<!DOCTYPE l [<!ENTITY l0 'lol'>"
     + "".join(f"<!ENTITY l{k} '{f'&l{k - 1};' * 10}'>" for k in range(1, 10))
     + "]>"]
)  # fmt: skip


@given(CHANGES, DECLARATIONS, st.booleans())
@example([(0.6, 0, "../beside/precious.tif")], "", False)
@tried(25)
def test_virtual_rasters(
    place: Path, survives: Survives, changes: Any, declaration: str, entity: bool
) -> None:
    raster = open_raster(place / "in/moving.tif")
    text = vrt_text(
        raster, [("moving.tif", raster.grid.window)], metadata=Metadata(), nodata=np.nan
    )
    if entity:
        text = re.sub(r">moving.tif<", ">&x;&l9;<", text)
    path = put(place / "in/v.vrt", declaration + changed(text, changes))
    survives(["info", path])
    survives(["diff", "dem.tif", path, "-o", "../out/d.tif", "--workers", "1"])
