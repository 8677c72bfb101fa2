"""Slow, obvious twins of the classic solvers, one point at a time. Nothing here is shared with the code under test."""

from __future__ import annotations

import math

import numpy as np

from reference import bilinear, rpc_project


def seen(rpc, lon, lat, height):
    """Row and column from the outer corner."""
    row, col = rpc_project(rpc, lon, lat, height)
    return float(row), float(col)


def ground(dem, lon, lat):
    """Height of a DEM in longitude and latitude, north up; and its row and column."""
    t = dem.raster.grid.transform
    row, col = (lat - t.f) / t.e, (lon - t.c) / t.a
    return bilinear(dem.raster.array[0], row, col), row, col


def gdal(rpc, dem, row, col, *, tolerance=0.1, iterations=20):
    """Longitude, latitude, height, iterations, error [px] and whether it arrived."""
    lon0, lat0 = rpc.long_off, rpc.lat_off
    h0 = ground(dem, lon0, lat0)[0]
    h0 = 0.0 if math.isnan(h0) else h0
    r0, c0 = seen(rpc, lon0, lat0, h0)
    re, ce = seen(rpc, lon0 + 1e-4, lat0, h0)
    rn, cn = seen(rpc, lon0, lat0 + 1e-4, h0)
    matrix = np.array([[re - r0, rn - r0], [ce - c0, cn - c0]]) / 1e-4
    inverse = np.linalg.inv(matrix)
    lon, lat = np.array([lon0, lat0]) + inverse @ [row - r0, col - c0]
    last, small, error = None, 0, math.nan
    for iteration in range(1, iterations + 1):
        h, dem_row, dem_col = ground(dem, lon, lat)
        if math.isnan(h):
            if iteration > 1:
                return math.nan, math.nan, math.nan, iteration, error, False
            rows, cols = dem.raster.grid.shape
            h = bilinear(
                dem.raster.array[0], min(dem_row, rows - 0.5), min(max(dem_col, 0.5), cols - 0.5)
            )
            h = h0 if math.isnan(h) else h
        r, c = seen(rpc, lon, lat, h)
        dr, dc = r - row, c - col
        error = max(abs(dr), abs(dc))
        if error < tolerance:
            return lon, lat, h, iteration, error, True
        if last is not None and dr * last[2] < 0 and dc * last[3] < 0:
            lon = (abs(dc) * last[0] + abs(last[3]) * lon) / (abs(dc) + abs(last[3]))
            lat = (abs(dr) * last[1] + abs(last[2]) * lat) / (abs(dr) + abs(last[2]))
            last, small = None, 0
            continue
        factor = 10.0 if small >= 5 and error < 2.0 else 1.0
        last = lon, lat, dr, dc
        step = inverse @ [dr, dc]
        lon, lat = lon - factor * step[0], lat - factor * step[1]
        small = small + 1 if error < 2.0 else 0
    return math.nan, math.nan, math.nan, iterations, error, False


def substitution(rpc, dem, row, col, start, *, damping=1.0, tolerance=0.1, iterations=20):
    """The same for height substitution."""
    h, error = start, math.nan
    for iteration in range(1, iterations + 1):
        at = rpc.localize(row, col, h)  # tested by itself
        lon, lat = float(at.lon), float(at.lat)
        z = ground(dem, lon, lat)[0]
        if math.isnan(z):
            return math.nan, math.nan, math.nan, iteration, error, False
        r, c = seen(rpc, lon, lat, z)
        error = max(abs(r - row), abs(c - col))
        if error < tolerance:
            return lon, lat, z, iteration, error, True
        h = h + damping * (z - h)
    return math.nan, math.nan, math.nan, iterations, error, False
