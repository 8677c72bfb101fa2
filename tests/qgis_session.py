"""A session of QGIS without a window that runs the plugin, for a Python that has QGIS.

`python3 qgis_session.py FOLDER PROGRAM` prints what came of it as JSON. QGIS is imported late, for pytest looks
through this file without it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PLUGINS = Path(__file__).parents[1] / "qgis"
_OWN = "/usr/share/qgis/python/plugins"  # where Debian keeps the processing framework


def session(folder: Path, program: str) -> dict[str, Any]:
    """Run the algorithms on the small scene of the command line's tests."""
    sys.path[:0] = [_OWN, str(PLUGINS)]
    from processing.core.Processing import Processing
    from processing.core.ProcessingConfig import ProcessingConfig
    from qgis.core import Qgis, QgsApplication, QgsProcessingFeedback

    app = QgsApplication([], False)
    app.initQgis()
    Processing.initialize()
    import processing
    from trueground_processing import classFactory

    class Heard(QgsProcessingFeedback):
        """Remembers what is said, and cancels where it is asked to."""

        def __init__(self, *, cancel: bool = False) -> None:
            super().__init__(False)
            self.said: list[str] = []
            self.done: list[float] = []
            self.progressChanged.connect(self.done.append)
            self._cancel = cancel

        def pushInfo(self, info: str) -> None:
            self.said.append(info)

        def pushWarning(self, warning: str) -> None:
            self.said.append(f"warning: {warning}")

        def isCanceled(self) -> bool:
            return self._cancel

    plugin = classFactory(None)
    plugin.initProcessing()
    ProcessingConfig.setSettingValue("TRUEGROUND_PROGRAM", program)
    provider = QgsApplication.processingRegistry().providerById("trueground")
    found: dict[str, Any] = {
        "version": Qgis.QGIS_VERSION,
        "algorithms": sorted(a.id() for a in provider.algorithms()),
        "icon": not provider.icon().isNull(),
    }

    def run(name: str, *, cancel: bool = False, **values: Any) -> dict[str, Any]:
        heard = Heard(cancel=cancel)
        try:
            result = processing.run(f"trueground:{name}", values, feedback=heard)
        except Exception as error:  # what the user would be told
            return {"error": str(error), "said": heard.said}
        return {**result, "said": heard.said, "progress": heard.done}

    scene = {n: str(folder / f"{n}.tif") for n in ("reference", "moving", "image", "no_rpc")}
    pixels = folder / "pixels.csv"
    found["align"] = run(
        "align", REFERENCE=scene["reference"], MOVING=scene["moving"], EXCLUDE=[str(folder / "outline.geojson")],
        RESAMPLING=3, OUTPUT=str(folder / "aligned.tif"), TRANSFORM=str(folder / "shift.json"),
    )  # fmt: skip
    ground = {"DEM": scene["reference"], "HEIGHTS": "ellipsoid"}
    found["ortho"] = run(
        "ortho", IMAGE=scene["image"], **ground, CRS="EPSG:32632", RESOLUTION=5.0,
        BOUNDS="400000,400400,5144800,5145200 [EPSG:32632]", OUTPUT=str(folder / "a b.tif"),
    )  # fmt: skip
    found["locate"] = run(
        "locate",
        IMAGE=scene["image"],
        POINTS=str(pixels),
        **ground,
        OUTPUT=str(folder / "ground.geojson"),
    )
    found["failing"] = run("ortho", IMAGE=scene["no_rpc"], **ground, OUTPUT=str(folder / "no.tif"))
    found["both"] = run(
        "locate", IMAGE=scene["image"], POINTS=str(pixels), OUTPUT="TEMPORARY_OUTPUT"
    )
    found["cancelled"] = run(
        "ortho", cancel=True, IMAGE=scene["image"], **ground, OUTPUT=str(folder / "cancelled.tif")
    )
    plugin.unload()
    found["left"] = QgsApplication.processingRegistry().providerById("trueground") is not None
    app.exitQgis()
    return found


if __name__ == "__main__":
    print(f"\n{json.dumps(session(Path(sys.argv[1]), sys.argv[2]))}")
