"""An algorithm of the toolbox out of the description of a command."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingUtils,
)

from .commands import LEFT_OUT, OUTPUTS, Command, Parameter, words
from .running import CancelledError, CommandError, program_named, run

_NUMBER = QgsProcessingParameterNumber
_READ = {  # what QGIS reads a field with, where it is no text
    "raster-out": "OutputLayer", "points-out": "OutputLayer", "page-out": "FileOutput",
    "json-out": "FileOutput", "number": "Double", "whole": "Int",
}  # fmt: skip
_VECTORS = ["gpkg", "geojson", "shp"]  # that are read as they are; others are converted


class Algorithm(QgsProcessingAlgorithm):
    """One command."""

    def __init__(self, command: Command, program: Callable[[], str]) -> None:
        super().__init__()
        self._command = command
        self._program = program

    def createInstance(self) -> Algorithm:
        """Return another one, for a run."""
        return Algorithm(self._command, self._program)

    def name(self) -> str:
        """Return the name in scripts."""
        return self._command.name

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return self._command.title

    def shortHelpString(self) -> str:
        """Return what stands beside the dialog."""
        said = [f"{p.label}: {p.help}." for p in self._command.parameters if p.help]
        return "\n\n".join([self._command.help, *said])

    def initAlgorithm(self, _configuration: Any = None) -> None:
        """Declare the parameters."""
        for parameter in self._command.parameters:
            declared = _declared(parameter)
            if parameter.advanced:
                advanced = QgsProcessingParameterDefinition.FlagAdvanced
                declared.setFlags(declared.flags() | advanced)
            self.addParameter(declared)

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Say what is wrong before anything runs."""
        fine, said = super().checkParameterValues(parameters, context)
        if fine and self._command.name == "locate":
            given = [
                self.parameterAsString(parameters, n, context) != "" for n in ("DEM", "HEIGHT")
            ]
            if given[0] == given[1]:
                return False, "Give either a DEM or one height."
        return fine, said

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Run the command."""
        chosen = _Chosen(self, parameters, context, feedback=feedback)
        values = {p.name: chosen.value(p) for p in self._command.parameters}
        try:
            program = program_named(self._program())
            given = words(self._command, values)
            feedback.pushCommandInfo(shlex.join([program, *given]))
            run(program, given, feedback)
        except CancelledError:
            return {}
        except (CommandError, ValueError) as error:
            raise QgsProcessingException(str(error)) from error
        outputs = (p.name for p in self._command.parameters if p.kind in OUTPUTS)
        return {name: values[name] for name in outputs if values[name]}


class _Chosen:
    """What was chosen in the dialog, as `words` takes it."""

    def __init__(
        self,
        algorithm: Algorithm,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        *,
        feedback: QgsProcessingFeedback,
    ) -> None:
        self._algorithm = algorithm
        self._parameters, self._context, self._feedback = parameters, context, feedback

    def value(self, parameter: Parameter) -> Any:
        """Return what was chosen; None where nothing was."""
        special = {
            "raster": self._raster,
            "outlines": self._outlines,
            "bounds": self._bounds,
            "crs": self._crs,
            "choice": self._choice,
        }
        if parameter.kind not in OUTPUTS and self._parameters.get(parameter.name) is None:
            return None
        if parameter.kind in special:
            return special[parameter.kind](parameter)
        return self._of(_READ.get(parameter.kind, "String"), parameter.name)

    def _of(self, kind: str, name: str, *more: Any) -> Any:
        read = getattr(self._algorithm, f"parameterAs{kind}")
        return read(self._parameters, name, self._context, *more)

    def _raster(self, parameter: Parameter) -> str:
        layer = self._of("RasterLayer", parameter.name)
        if layer is None or not layer.isValid():
            said = self._algorithm.invalidRasterError(self._parameters, parameter.name)
            raise QgsProcessingException(said)
        if layer.providerType() != "gdal":
            msg = f"{parameter.label}: {layer.name()} is no file ({layer.providerType()}); export it first"
            raise QgsProcessingException(msg)
        return str(layer.source())

    def _outlines(self, parameter: Parameter) -> list[str]:
        """Return files of the features of layers: their own, or some that are written now."""
        return [
            QgsProcessingUtils.convertToCompatibleFormat(
                layer, False, "outlines", _VECTORS, "gpkg", self._context, self._feedback
            )
            for layer in self._of("LayerList", parameter.name)
        ]

    def _crs(self, parameter: Parameter) -> str | None:
        crs = self._of("Crs", parameter.name)
        return (crs.authid() or crs.toWkt()) if crs.isValid() else None

    def _bounds(self, parameter: Parameter) -> tuple[float, ...] | None:
        """Return an extent in the CRS of the output."""
        crs = self._of("Crs", "CRS")
        if not crs.isValid():
            msg = f"{parameter.label}: no CRS is chosen; choose the CRS of the output, too"
            raise QgsProcessingException(msg)
        found = self._of("Extent", parameter.name, crs)
        if found.isNull():
            return None
        return found.xMinimum(), found.yMinimum(), found.xMaximum(), found.yMaximum()

    def _choice(self, parameter: Parameter) -> str | None:
        return (None, *parameter.choices)[self._of("Enum", parameter.name)]


def _declared(parameter: Parameter) -> QgsProcessingParameterDefinition:
    name, label, optional = parameter.name, parameter.label, not parameter.required
    plain: dict[str, Callable[[], QgsProcessingParameterDefinition]] = {
        "raster": lambda: QgsProcessingParameterRasterLayer(name, label, optional=optional),
        "outlines": lambda: QgsProcessingParameterMultipleLayers(
            name, label, QgsProcessing.TypeVectorPolygon, optional=optional
        ),
        "file": lambda: QgsProcessingParameterFile(name, label, optional=optional),
        "crs": lambda: QgsProcessingParameterCrs(name, label, optional=optional),
        "bounds": lambda: QgsProcessingParameterExtent(name, label, optional=optional),
        "text": lambda: QgsProcessingParameterString(name, label, optional=optional),
        "words": lambda: QgsProcessingParameterString(name, label, optional=optional),
        "number": lambda: _NUMBER(name, label, _NUMBER.Double, None, optional),
        "whole": lambda: _NUMBER(name, label, _NUMBER.Integer, None, optional, 0),
        "choice": lambda: QgsProcessingParameterEnum(
            name, label, [LEFT_OUT, *parameter.choices], defaultValue=0
        ),
        "raster-out": lambda: QgsProcessingParameterRasterDestination(name, label),
        "points-out": lambda: _GeoJson(name, label),
        "page-out": lambda: QgsProcessingParameterFileDestination(
            name, label, "HTML files (*.html)", None, True, False
        ),
        "json-out": lambda: QgsProcessingParameterFileDestination(
            name, label, "JSON files (*.json)", None, True, False
        ),
    }
    return plain[parameter.kind]()


class _GeoJson(QgsProcessingParameterVectorDestination):
    """Points, written as GeoJSON whatever QGIS writes else."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(name, label, QgsProcessing.TypeVectorPoint)

    def clone(self) -> _GeoJson:
        """Return another one."""
        return _GeoJson(self.name(), self.description())

    def defaultFileExtension(self) -> str:
        """Return how temporary files end."""
        return "geojson"

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """Return how files may end."""
        return ["geojson"]
