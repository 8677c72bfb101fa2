"""A rigorous pushbroom sensor: orbit, attitude and look angles, in earth-centred coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

# WGS 84: NIMA TR8350.2, 3rd edition, tables 3.1 and 3.3.
SEMI_MAJOR_M = 6378137.0
FLATTENING = 1.0 / 298.257223563
SEMI_MINOR_M = SEMI_MAJOR_M * (1.0 - FLATTENING)
EARTH_RATE_RAD_S = 7292115.0e-11
GM_M3_S2 = 3.986004418e14

ORBIT_HEIGHT_M = 694_000.0  # of Pleiades, above the equator's radius
_ECCENTRICITY2 = FLATTENING * (2.0 - FLATTENING)
_HEIGHT_TOLERANCE_M = 1e-7
_ROW_TOLERANCE_PX = 1e-10
_ITERATIONS = 20


def to_ecef(lon: Float, lat: Float, height: Float) -> Float:
    """Return earth-centred coordinates (..., 3) [m] of degrees and metres above WGS 84."""
    lam, phi = np.radians(lon), np.radians(lat)
    n = SEMI_MAJOR_M / np.sqrt(1.0 - _ECCENTRICITY2 * np.sin(phi) ** 2)
    across = (n + height) * np.cos(phi)
    z = (n * (1.0 - _ECCENTRICITY2) + height) * np.sin(phi)
    return np.stack(np.broadcast_arrays(across * np.cos(lam), across * np.sin(lam), z), axis=-1)


def to_geodetic(ecef: Float) -> tuple[Float, Float, Float]:
    """Return longitude, latitude [degrees] and height [m] of earth-centred coordinates (..., 3).

    Bowring's method (Survey Review 28, 1985), iterated to the last bit.
    """
    x, y, z = ecef[..., 0], ecef[..., 1], ecef[..., 2]
    p = np.hypot(x, y)
    beta = np.arctan2(z * SEMI_MAJOR_M, p * SEMI_MINOR_M)
    second = _ECCENTRICITY2 / (1.0 - _ECCENTRICITY2)
    for _ in range(3):
        phi = np.arctan2(
            z + second * SEMI_MINOR_M * np.sin(beta) ** 3,
            p - _ECCENTRICITY2 * SEMI_MAJOR_M * np.cos(beta) ** 3,
        )
        beta = np.arctan2((1.0 - FLATTENING) * np.sin(phi), np.cos(phi))
    sin, cos = np.sin(phi), np.cos(phi)
    height = p * cos + z * sin - SEMI_MAJOR_M * np.sqrt(1.0 - _ECCENTRICITY2 * sin**2)
    return np.degrees(np.arctan2(y, x)), np.degrees(phi), height


@dataclass(frozen=True, slots=True, kw_only=True)
class Angle:
    """An attitude angle: `constant + rate t + amplitude sin(2 pi t / period + phase)`."""

    constant: float
    """[rad]"""
    rate: float = 0.0
    """[rad/s]"""
    amplitude: float = 0.0
    """[rad]"""
    period: float = 1.0
    """[s]"""
    phase: float = 0.0
    """[rad]"""

    def at(self, time: Float) -> Float:
        """Return the angle at times from the middle of the image [s]."""
        wave = np.sin(2.0 * math.pi * time / self.period + self.phase)
        return self.constant + self.rate * time + self.amplitude * wave


@dataclass(frozen=True, slots=True, kw_only=True)
class PushbroomSensor:
    """A line of detectors that sweeps the ground: an instant a row, an angle a column.

    The orbit is a circle in inertial space, which coincides with the earth-fixed frame in the
    middle of the image; the earth turns below it. The body frame is x forward, y right, z down,
    turned by yaw about z, pitch about y (forward is positive) and roll about x (right is positive).
    There is no refraction and no aberration.
    """

    shape: tuple[int, int]
    """Rows and columns of the image."""
    radial: tuple[float, float, float]
    """Unit vector from the earth's centre to the satellite in the middle of the image."""
    forward: tuple[float, float, float]
    """Unit vector of the inertial velocity there."""
    radius: float
    """Of the orbit [m]."""
    line_period: float
    """From row to row [s]."""
    column_angle: float
    """From column to column in the middle of the line [rad]; negative: columns run to the left."""
    distortion: float
    """Cubic term of the optics: an angle x is seen at x + distortion * x^3."""
    roll: Angle
    pitch: Angle
    yaw: Angle

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PushbroomSensor:
        """Make the sensor of a `truth.json`."""
        angles = {name: Angle(**values[name]) for name in ("roll", "pitch", "yaw")}
        vectors = {name: tuple(values[name]) for name in ("shape", "radial", "forward")}
        return cls(**{**values, **angles, **vectors})

    def state(self, row: Float) -> tuple[Float, Float, Float, Float]:
        """Return position and the axes x, y, z of the body before roll (..., 3), earth-fixed."""
        time = (row - self.shape[0] / 2.0) * self.line_period
        rate = math.sqrt(GM_M3_S2 / self.radius**3)
        up0, forward0 = np.array(self.radial), np.array(self.forward)
        c, s = np.cos(rate * time)[..., np.newaxis], np.sin(rate * time)[..., np.newaxis]
        angle = EARTH_RATE_RAD_S * time
        up = _turned(c * up0 + s * forward0, angle)
        ahead = _turned(c * forward0 - s * up0, angle)
        right = np.cross(ahead, up)
        yaw, pitch = self.yaw.at(time)[..., np.newaxis], self.pitch.at(time)[..., np.newaxis]
        x_yawed = np.cos(yaw) * ahead + np.sin(yaw) * right
        y = np.cos(yaw) * right - np.sin(yaw) * ahead
        z = np.sin(pitch) * x_yawed - np.cos(pitch) * up
        x = np.cos(pitch) * x_yawed + np.sin(pitch) * up
        return self.radius * up, x, y, z

    def line_of_sight(self, row: ArrayLike, col: ArrayLike) -> tuple[Float, Float]:
        """Return the position of the sensor and the unit vector of its look, both (..., 3) [m]."""
        row, col = np.broadcast_arrays(np.asarray(row, dtype=float), np.asarray(col, dtype=float))
        position, _, y, z = self.state(row)
        time = (row - self.shape[0] / 2.0) * self.line_period
        angle = (self.roll.at(time) + self._look(col))[..., np.newaxis]
        return position, np.sin(angle) * y + np.cos(angle) * z

    def _look(self, col: Float) -> Float:
        angle = (col - self.shape[1] / 2.0) * self.column_angle
        return angle + self.distortion * angle**3

    def locate(self, row: ArrayLike, col: ArrayLike, height: ArrayLike) -> tuple[Float, Float]:
        """Return longitude and latitude [degrees] where the look meets a height above WGS 84 [m].

        Newton's method along the line of sight, to 1e-7 m of height.
        """
        row, col, height = np.broadcast_arrays(
            *(np.asarray(a, dtype=np.float64) for a in (row, col, height))
        )
        position, look = self.line_of_sight(row, col)
        scale = np.stack([SEMI_MAJOR_M + height] * 2 + [SEMI_MINOR_M + height], axis=-1)
        p, d = position / scale, look / scale
        a, b, c = (d * d).sum(-1), (p * d).sum(-1), (p * p).sum(-1) - 1.0
        distance = (-b - np.sqrt(b * b - a * c)) / a
        for _ in range(_ITERATIONS):
            lon, lat, z = to_geodetic(position + distance[..., np.newaxis] * look)
            error = height - z
            lam, phi = np.radians(lon), np.radians(lat)
            normal = [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]
            climb = (look * np.stack(normal, axis=-1)).sum(-1)
            distance = distance + error / climb
            if not np.abs(error).max(initial=0.0) > _HEIGHT_TOLERANCE_M:
                break
        lon, lat, _ = to_geodetic(position + distance[..., np.newaxis] * look)
        return lon, lat

    def project(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> tuple[Float, Float]:
        """Return the row and column at which a ground point is seen, were nothing in between.

        The instant is found by Newton's method: the point has to lie in the plane of the detectors.
        """
        point = to_ecef(*(np.asarray(a, dtype=np.float64) for a in (lon, lat, height)))
        row = np.full(point.shape[:-1], self.shape[0] / 2.0)
        for _ in range(_ITERATIONS):
            step = (self._ahead(row, point)[0]) / (
                self._ahead(row + 0.5, point)[0] - self._ahead(row - 0.5, point)[0]
            )
            row = row - step
            if not np.abs(step).max(initial=0.0) > _ROW_TOLERANCE_PX:
                break
        angle = self._ahead(row, point)[1]
        time = (row - self.shape[0] / 2.0) * self.line_period
        angle = angle - self.roll.at(time)
        look = angle
        for _ in range(4):
            look = angle - self.distortion * look**3
        return row, look / self.column_angle + self.shape[1] / 2.0

    def _ahead(self, row: Float, point: Float) -> tuple[Float, Float]:
        """Return how far a point lies ahead of the detectors' plane, and its angle to the right."""
        position, x, y, z = self.state(row)
        to = point - position
        down = (to * z).sum(-1)
        return (to * x).sum(-1) / down, np.arctan2((to * y).sum(-1), down)


def _turned(vectors: Float, angle: Float) -> Float:
    """Bring inertial vectors (..., 3) to the frame of an earth that has turned by `angle`."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([c * x + s * y, c * y - s * x, vectors[..., 2]], axis=-1)


def aimed(
    sensor: PushbroomSensor, lon: float, lat: float, *, height: float, heading: float
) -> PushbroomSensor:
    """Move a sensor in its orbit so that the middle of its image shows a ground point.

    Parameters
    ----------
    sensor
        Attitude, optics and timing; its place on the orbit is found.
    lon, lat, height
        The point [degrees, m above WGS 84].
    heading
        Of the inertial velocity at the satellite, from north by east [rad].
    """
    below = np.array([lon, lat])
    middle = sensor.shape[0] / 2.0, sensor.shape[1] / 2.0
    cos = math.cos(math.radians(lat))

    def miss(place: Float) -> tuple[PushbroomSensor, Float]:
        lam, phi = np.radians(place)
        up = np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
        east = np.array([-np.sin(lam), np.cos(lam), 0.0])
        ahead = math.cos(heading) * np.cross(up, east) + math.sin(heading) * east
        moved = replace(sensor, radial=tuple(up.tolist()), forward=tuple(ahead.tolist()))
        seen_lon, seen_lat = moved.locate(*middle, height)
        return moved, np.array([float(seen_lon) - lon, float(seen_lat) - lat])

    for _ in range(_ITERATIONS):
        moved, error = miss(below)
        if np.hypot(error[0] * cos, error[1]) < 1e-11:
            break
        nudge = 1e-3
        jacobian = np.stack(
            [(miss(below + nudge * axis)[1] - error) / nudge for axis in np.eye(2)], axis=1
        )
        below = below - np.linalg.solve(jacobian, error)
    return moved
