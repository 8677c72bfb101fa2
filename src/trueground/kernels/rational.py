"""Rational polynomials of RPCs: value, derivatives, and the inverse at a height.

A model is a vector of 90 numbers: line, sample, latitude, longitude and height offset; their scales; then the 20
coefficients of line numerator, line denominator, sample numerator and sample denominator, in the order of RPC00B.
"""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import kernel

LINE_OFF, SAMP_OFF, LAT_OFF, LONG_OFF, HEIGHT_OFF = 0, 1, 2, 3, 4
LINE_SCALE, SAMP_SCALE, LAT_SCALE, LONG_SCALE, HEIGHT_SCALE = 5, 6, 7, 8, 9
LINE_NUM, LINE_DEN, SAMP_NUM, SAMP_DEN = 10, 30, 50, 70
SIZE = 90

OK, DIVERGED = 0, 5
MAX_ITERATIONS = 20
FAR = 16.0  # normalised units; no sensor's domain reaches that far from its centre


@kernel
def polynomial(m, k, x, y, h):
    """Cubic polynomial in normalised longitude `x`, latitude `y`, height `h`, as nested Horner schemes."""
    a = (
        m[k]
        + h * (m[k + 3] + h * (m[k + 9] + h * m[k + 19]))
        + y * (m[k + 2] + h * (m[k + 6] + h * m[k + 16]) + y * (m[k + 8] + h * m[k + 18] + y * m[k + 15]))
    )
    b = m[k + 1] + h * (m[k + 5] + h * m[k + 13]) + y * (m[k + 4] + h * m[k + 10] + y * m[k + 12])
    c = m[k + 7] + y * m[k + 14] + h * m[k + 17]
    return a + x * (b + x * (c + x * m[k + 11]))


@kernel
def polynomial_gradient(m, k, x, y, h):
    """Value of the polynomial and its derivatives by longitude and latitude (normalised)."""
    a1 = m[k + 2] + h * (m[k + 6] + h * m[k + 16])
    a2 = m[k + 8] + h * m[k + 18]
    a = m[k] + h * (m[k + 3] + h * (m[k + 9] + h * m[k + 19])) + y * (a1 + y * (a2 + y * m[k + 15]))
    ay = a1 + y * (2.0 * a2 + 3.0 * y * m[k + 15])
    b1 = m[k + 4] + h * m[k + 10]
    b = m[k + 1] + h * (m[k + 5] + h * m[k + 13]) + y * (b1 + y * m[k + 12])
    by = b1 + 2.0 * y * m[k + 12]
    c = m[k + 7] + y * m[k + 14] + h * m[k + 17]
    d = m[k + 11]
    value = a + x * (b + x * (c + x * d))
    dx = b + x * (2.0 * c + 3.0 * x * d)
    dy = ay + x * (by + x * m[k + 14])
    return value, dx, dy


@kernel
def wrap(degrees):
    """Bring a difference of longitudes into [-180, 180]."""
    if degrees > 180.0:
        return degrees - 360.0
    if degrees < -180.0:
        return degrees + 360.0
    return degrees


@kernel
def project(model, lon, lat, height, row, col):
    """Image position (pixel centres at whole numbers, as the formulas have it) of ground points."""
    for k in range(lon.size):
        x = wrap(lon[k] - model[LONG_OFF]) / model[LONG_SCALE]
        y = (lat[k] - model[LAT_OFF]) / model[LAT_SCALE]
        h = (height[k] - model[HEIGHT_OFF]) / model[HEIGHT_SCALE]
        line = polynomial(model, LINE_NUM, x, y, h) / polynomial(model, LINE_DEN, x, y, h)
        samp = polynomial(model, SAMP_NUM, x, y, h) / polynomial(model, SAMP_DEN, x, y, h)
        row[k] = line * model[LINE_SCALE] + model[LINE_OFF]
        col[k] = samp * model[SAMP_SCALE] + model[SAMP_OFF]


@kernel
def localize_point(model, row, col, height, tolerance):
    """Newton's method with the analytic Jacobian, from the centre of the domain.

    Returns longitude, latitude, status, iterations and the residual [px].
    """
    line = (row - model[LINE_OFF]) / model[LINE_SCALE]
    samp = (col - model[SAMP_OFF]) / model[SAMP_SCALE]
    h = (height - model[HEIGHT_OFF]) / model[HEIGHT_SCALE]
    if not (math.isfinite(line) and math.isfinite(samp) and math.isfinite(h)):
        return np.nan, np.nan, DIVERGED, 0, np.nan
    x, y = 0.0, 0.0
    residual = np.inf
    sign_l, sign_s = 0.0, 0.0
    for iteration in range(MAX_ITERATIONS):
        nl, nlx, nly = polynomial_gradient(model, LINE_NUM, x, y, h)
        dl, dlx, dly = polynomial_gradient(model, LINE_DEN, x, y, h)
        ns, nsx, nsy = polynomial_gradient(model, SAMP_NUM, x, y, h)
        ds, dsx, dsy = polynomial_gradient(model, SAMP_DEN, x, y, h)
        if iteration == 0:
            sign_l, sign_s = dl, ds
        if not (dl * sign_l > 0.0 and ds * sign_s > 0.0):  # beyond a pole of the model
            return np.nan, np.nan, DIVERGED, iteration, residual
        fl = nl / dl
        fs = ns / ds
        el = line - fl
        es = samp - fs
        residual = max(abs(el * model[LINE_SCALE]), abs(es * model[SAMP_SCALE]))
        if residual <= tolerance:
            lon = wrap(x * model[LONG_SCALE] + model[LONG_OFF])
            return lon, y * model[LAT_SCALE] + model[LAT_OFF], OK, iteration, residual
        lx = (nlx - fl * dlx) / dl
        ly = (nly - fl * dly) / dl
        sx = (nsx - fs * dsx) / ds
        sy = (nsy - fs * dsy) / ds
        det = lx * sy - ly * sx
        x += (el * sy - es * ly) / det
        y += (es * lx - el * sx) / det
        if not (abs(x) < FAR and abs(y) < FAR):
            return np.nan, np.nan, DIVERGED, iteration, residual
    return np.nan, np.nan, DIVERGED, MAX_ITERATIONS, residual


@kernel
def localize(model, row, col, height, tolerance, lon, lat, status):
    """Ground position at given heights of image positions; NaN and a status where there is none."""
    for k in range(row.size):
        lon[k], lat[k], status[k], _, _ = localize_point(model, row[k], col[k], height[k], tolerance)
