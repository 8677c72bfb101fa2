"""Rational polynomials of RPCs: value, derivatives, and the inverse at a height.

A model is a vector of 90 numbers: line, sample, latitude, longitude and height offset; their scales; then the 20
coefficients of line numerator, line denominator, sample numerator and sample denominator, in the order of RPC00B.
Line and sample count from wherever the offsets do.
"""

from __future__ import annotations

import math

import numpy as np

from trueground.kernels import fused, inlined

LINE_OFF, SAMP_OFF, LAT_OFF, LONG_OFF, HEIGHT_OFF = 0, 1, 2, 3, 4
LINE_SCALE, SAMP_SCALE, LAT_SCALE, LONG_SCALE, HEIGHT_SCALE = 5, 6, 7, 8, 9
LINE_NUM, LINE_DEN, SAMP_NUM, SAMP_DEN = 10, 30, 50, 70
SIZE = 90

OK, DIVERGED, BAD_INPUT = 0, 5, 6  # as in trueground.status
MAX_ITERATIONS = 20
FAR = 16.0  # normalised units; no sensor's domain reaches that far from its centre

BATCH = 64  # points that go through Newton's method together; their work stays in the first cache
# One array with fixed places in it holds the work: of separate arrays LLVM has to prove that they do not overlap.
_X, _Y, _LINE, _SAMP, _H, _OFF, _WORK = (n * BATCH for n in range(7))


@inlined
def polynomial(m, k, x, y, h):
    """Cubic polynomial in normalised longitude `x`, latitude `y`, height `h`, as nested Horner schemes."""
    a = (
        m[k]
        + h * (m[k + 3] + h * (m[k + 9] + h * m[k + 19]))
        + y
        * (
            m[k + 2]
            + h * (m[k + 6] + h * m[k + 16])
            + y * (m[k + 8] + h * m[k + 18] + y * m[k + 15])
        )
    )
    b = m[k + 1] + h * (m[k + 5] + h * m[k + 13]) + y * (m[k + 4] + h * m[k + 10] + y * m[k + 12])
    c = m[k + 7] + y * m[k + 14] + h * m[k + 17]
    return a + x * (b + x * (c + x * m[k + 11]))


@inlined
def polynomial_at_centre(m, k, h):
    """Evaluate it at longitude and latitude 0."""
    return m[k] + h * (m[k + 3] + h * (m[k + 9] + h * m[k + 19]))


@inlined
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


@inlined
def wrap(degrees):
    """Bring a difference of longitudes into [-180, 180]."""
    if degrees > 180.0:
        return degrees - 360.0
    if degrees < -180.0:
        return degrees + 360.0
    return degrees


@fused
def project(model, lon, lat, height, row, col):
    """Image position of ground points; NaN where a coordinate is, or a denominator vanishes."""
    per_lon = 1.0 / model[LONG_SCALE]
    per_lat = 1.0 / model[LAT_SCALE]
    per_height = 1.0 / model[HEIGHT_SCALE]
    for k in range(lon.size):
        x = wrap(lon[k] - model[LONG_OFF]) * per_lon
        y = (lat[k] - model[LAT_OFF]) * per_lat
        h = (height[k] - model[HEIGHT_OFF]) * per_height
        line = polynomial(model, LINE_NUM, x, y, h) / polynomial(model, LINE_DEN, x, y, h)
        samp = polynomial(model, SAMP_NUM, x, y, h) / polynomial(model, SAMP_DEN, x, y, h)
        r = line * model[LINE_SCALE] + model[LINE_OFF]
        c = samp * model[SAMP_SCALE] + model[SAMP_OFF]
        finite = (abs(r) < np.inf) & (abs(c) < np.inf)
        row[k] = r if finite else np.nan
        col[k] = c if finite else np.nan


@inlined
def newton(model, line, samp, x, y, h):
    """One step of Newton's method in normalised coordinates: the better position, and how far off the image was."""
    nl, nlx, nly = polynomial_gradient(model, LINE_NUM, x, y, h)
    dl, dlx, dly = polynomial_gradient(model, LINE_DEN, x, y, h)
    ns, nsx, nsy = polynomial_gradient(model, SAMP_NUM, x, y, h)
    ds, dsx, dsy = polynomial_gradient(model, SAMP_DEN, x, y, h)
    per_l = 1.0 / dl
    per_s = 1.0 / ds
    fl = nl * per_l
    fs = ns * per_s
    el = line - fl
    es = samp - fs
    lx = (nlx - fl * dlx) * per_l
    ly = (nly - fl * dly) * per_l
    sx = (nsx - fs * dsx) * per_s
    sy = (nsy - fs * dsy) * per_s
    per_det = 1.0 / (lx * sy - ly * sx)
    return x + (el * sy - es * ly) * per_det, y + (es * lx - el * sx) * per_det, el, es


@inlined
def on_globe(model, x, y):
    """Tell whether normalised coordinates are at most half a turn from the centre, and not beyond a pole."""
    return (abs(x * model[LONG_SCALE]) <= 180.0) & (
        abs(y * model[LAT_SCALE] + model[LAT_OFF]) <= 90.0
    )


@fused
def localize_point(model, row, col, height, tolerance):
    """Newton's method with the analytic Jacobian, from the centre of the domain.

    Returns longitude, latitude, status, iterations and the residual [px].
    """
    line = (row - model[LINE_OFF]) / model[LINE_SCALE]
    samp = (col - model[SAMP_OFF]) / model[SAMP_SCALE]
    h = (height - model[HEIGHT_OFF]) / model[HEIGHT_SCALE]
    residual = np.nan
    if not (math.isfinite(row) and math.isfinite(col) and math.isfinite(height)):
        return np.nan, np.nan, BAD_INPUT, 0, residual
    sign_l = polynomial_at_centre(model, LINE_DEN, h)
    sign_s = polynomial_at_centre(model, SAMP_DEN, h)
    x, y = 0.0, 0.0
    for iteration in range(MAX_ITERATIONS):
        dl = polynomial(model, LINE_DEN, x, y, h)
        ds = polynomial(model, SAMP_DEN, x, y, h)
        if not (dl * sign_l > 0.0 and ds * sign_s > 0.0):  # beyond a pole of the model
            return np.nan, np.nan, DIVERGED, iteration, residual
        next_x, next_y, el, es = newton(model, line, samp, x, y, h)
        residual = max(abs(el * model[LINE_SCALE]), abs(es * model[SAMP_SCALE]))
        if residual <= tolerance:
            if not on_globe(model, x, y):
                return np.nan, np.nan, DIVERGED, iteration, residual
            lon = wrap(x * model[LONG_SCALE] + model[LONG_OFF])
            return lon, y * model[LAT_SCALE] + model[LAT_OFF], OK, iteration, residual
        x, y = next_x, next_y
        if not (abs(x) < FAR and abs(y) < FAR):
            return np.nan, np.nan, DIVERGED, iteration, residual
    return np.nan, np.nan, DIVERGED, MAX_ITERATIONS, residual


@inlined
def misfit(model, line, samp, x, y, h):
    """How far off an image position a ground point projects [px]; infinite beyond a pole of the model or the globe."""
    dl = polynomial(model, LINE_DEN, x, y, h)
    ds = polynomial(model, SAMP_DEN, x, y, h)
    el = line - polynomial(model, LINE_NUM, x, y, h) / dl
    es = samp - polynomial(model, SAMP_NUM, x, y, h) / ds
    off = max(abs(el * model[LINE_SCALE]), abs(es * model[SAMP_SCALE]))
    same_side = (
        (dl * polynomial_at_centre(model, LINE_DEN, h) > 0.0)
        & (ds * polynomial_at_centre(model, SAMP_DEN, h) > 0.0)
        & (abs(x) < FAR)
        & (abs(y) < FAR)
        & on_globe(model, x, y)
    )
    return off if same_side else np.inf


@fused
def localize(model, start, row, col, height, tolerance, steps, lon, lat, z, status):
    """Ground position at given heights of image positions; NaN and a status where there is none.

    `start` holds two cubic polynomials in normalised sample, line, height: about where the point lies. From there
    `steps` steps of Newton's method go over a batch of points together, without a branch, so that they vectorise; a
    point that has not reached the tolerance then, or left the domain, is solved by itself from the centre.
    """
    per_line = 1.0 / model[LINE_SCALE]
    per_samp = 1.0 / model[SAMP_SCALE]
    per_height = 1.0 / model[HEIGHT_SCALE]
    long_off, long_scale = model[LONG_OFF], model[LONG_SCALE]
    lat_off, lat_scale = model[LAT_OFF], model[LAT_SCALE]
    w = np.empty(_WORK)
    for first in range(0, row.size, BATCH):
        count = min(BATCH, row.size - first)
        for k in range(count):
            line = (row[first + k] - model[LINE_OFF]) * per_line
            samp = (col[first + k] - model[SAMP_OFF]) * per_samp
            h = (height[first + k] - model[HEIGHT_OFF]) * per_height
            w[_LINE + k], w[_SAMP + k], w[_H + k] = line, samp, h
            w[_X + k] = polynomial(start, 0, samp, line, h)
            w[_Y + k] = polynomial(start, 20, samp, line, h)
        for _ in range(steps):
            for k in range(count):
                x, y, _, _ = newton(
                    model, w[_LINE + k], w[_SAMP + k], w[_X + k], w[_Y + k], w[_H + k]
                )
                w[_X + k], w[_Y + k] = x, y
        for k in range(count):
            w[_OFF + k] = misfit(model, w[_LINE + k], w[_SAMP + k], w[_X + k], w[_Y + k], w[_H + k])
        for k in range(count):  # few arrays a loop: LLVM compares all pairs, or gives up
            lon[first + k] = wrap(w[_X + k] * long_scale + long_off)
            lat[first + k] = w[_Y + k] * lat_scale + lat_off
        for k in range(count):
            z[first + k] = height[first + k]
        for k in range(count):
            n = first + k
            status[n] = OK
            if not w[_OFF + k] <= tolerance:
                lon[n], lat[n], status[n], _, _ = localize_point(
                    model, row[n], col[n], height[n], tolerance
                )
                if status[n] != OK:
                    z[n] = np.nan
