"""The reference of the public names, by what they are for."""

from __future__ import annotations

from importlib import import_module

GROUPS: dict[str, tuple[str, str, dict[str, tuple[str, ...]]]] = {
    "coregistration": (
        "Coregistration",
        "Methods are configuration; `fit` returns a frozen result; a result applies itself.",
        {
            "trueground.coreg": ("*",),
            "trueground": ("Variogram", "VariogramModel", "ErrorModel", "MeanChange", "mean_changes"),
        },
    ),
    "images": (
        "Images and RPCs",
        "From pixel to ground and back, orthoimages, ground control, and how good they are.",
        {
            "trueground": (
                "Rpc", "Located", "Status", "Localization", "localize_on", "read_rpc", "rpc_for_image", "write_rpc",
                "fit_rpc", "refine", "read_gcps", "triangulate",
            ),
            "trueground.ortho": ("*",),
            "trueground.control": ("*",),
            "trueground.quality": ("*",),
            "trueground.convergence": ("*",),
        },
    ),
    "rasters": (
        "Rasters, points and datums",
        "A raster has a grid and can read a window of itself; products are computed when they are read.",
        {
            "trueground": (
                "Raster", "ArrayRaster", "open_raster", "Grid", "Window", "Block", "Dem", "Datum", "Difference",
                "Resampled", "on_grid", "Slope", "Curvature", "Statistics", "statistics", "outline_mask",
                "stable_terrain", "PointCloud", "open_points", "to_xarray", "write", "TileStore",
            ),
            "trueground.pointfiles": ("*",),
            "trueground.accessor": ("TruegroundAccessor",),
        },
    ),
    "pictures": (
        "Pictures and reports",
        "Each function draws into the axes that it is given and returns them; reports are one file each.",
        {"trueground.plot": ("*",), "trueground.report": ("*",)},
    ),
    "running": (
        "Running, and the sample world",
        "Where blocks are computed, jobs of many scenes, errors, and a world whose truth is known.",
        {
            "trueground": ("Serial", "Threads", "TruegroundError"),
            "trueground.errors": ("*",),
            "trueground.cluster": ("*",),
            "trueground.jobs": ("*",),
            "trueground.samples": ("*",),
        },
    ),
}  # fmt: skip


def pages() -> dict[str, str]:
    """Return the pages by their places."""
    made = {f"reference/{key}.md": page(*group) for key, group in GROUPS.items()}
    return {**made, "reference/python.md": overview()}


def names_of(module: str, names: tuple[str, ...]) -> list[str]:
    """Return what a group takes from a module: all its public classes and functions for `*`."""
    if names != ("*",):
        return list(names)
    loaded = import_module(module)
    listed = getattr(loaded, "__all__", None) or [
        n
        for n, thing in vars(loaded).items()
        if getattr(thing, "__module__", "") == module and not n.startswith("_")
    ]
    return [n for n in listed if not n.startswith("_")]


def documented(group: str) -> list[tuple[str, str]]:
    """Return (module, name) of all that a group documents, each thing once."""
    seen: dict[int, tuple[str, str]] = {}
    for module, names in GROUPS[group][2].items():
        for name in names_of(module, names):
            thing = getattr(import_module(module), name)
            if (
                callable(thing)
                and getattr(thing, "__doc__", None)
                and hasattr(thing, "__qualname__")
            ):
                seen.setdefault(id(thing), (module, name))
    return list(seen.values())


def page(title: str, intro: str, _modules: dict[str, tuple[str, ...]]) -> str:
    """Return the page of a group."""
    group = next(key for key, value in GROUPS.items() if value[0] == title)
    parts = [f"# {title}\n\n{intro}\n"]
    last = ""
    for module, name in documented(group):
        if module != last:
            parts.append(f"## `{module}`\n")
            last = module
        home = getattr(import_module(module), name).__module__
        parts.append(f"::: {home}.{name}\n")
    return "\n".join(parts)


def overview() -> str:
    """Return the page that leads to all names."""
    import trueground

    found = {name: key for key in GROUPS for _, name in documented(key)}
    rows = []
    for name in trueground.__all__:
        if name.startswith("_"):
            continue
        thing = getattr(trueground, name)
        first = (thing.__doc__ or "").strip().splitlines()[0]
        anchor = f"{thing.__module__}.{thing.__qualname__}"
        rows.append(
            f"| [`{name}`]({found[name]}.md#{anchor}) | {first.replace('|', chr(92) + '|')} |"
        )
    head = "# Python\n\n`from trueground import ...`; modules are loaded when a name is first used.\n\n"
    return head + "| name | |\n|---|---|\n" + "\n".join(rows) + "\n"
