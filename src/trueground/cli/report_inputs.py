"""The inputs of a result that was kept: where they are now, and whether they are still what they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trueground.errors import InputError


@dataclass(kw_only=True)
class KeptInputs:
    """Files that a result names; what is wrong with them is collected in `said`."""

    result: Path
    prints: Mapping[str, str]
    """Fingerprints by role, where the result has them."""
    said: list[str] = field(default_factory=list)

    def find(self, role: str, name: str, *, key: str = "") -> str | None:
        """Return the path of an input, None where it is gone; say where it is gone or changed.

        `key` is that of its fingerprint; the role by default.
        """
        from trueground.file_raster import is_local

        if not is_local(name):
            return name
        places = [Path(name), self.result.parent / name, self.result.parent / Path(name).name]
        place = next((p for p in places if p.exists()), None)
        if place is None:
            self.said.append(f"{role.capitalize()} not found: {name}.")
            return None
        kept = self.prints.get(key or role)
        if kept is not None:
            if fingerprint_differs(str(place), kept):
                self.said.append(
                    f"The {role} {place} has changed since the result was made: pictures show it as it is now."
                )
        elif place.stat().st_mtime > self.result.stat().st_mtime:
            self.said.append(
                f"The {role} {place} is newer than {self.result.name}: if it was changed, pictures and numbers are not "
                "of the same data."
            )
        return str(place)


def fingerprint_differs(path: str, kept: str) -> bool:
    """Tell whether a file is another than when its fingerprint was taken; of no fingerprint nothing is known."""
    from trueground.fingerprint import fingerprint, raster_fingerprint

    if not kept:
        return False
    try:
        return kept not in (fingerprint(path), raster_fingerprint(path))
    except InputError:
        return True
