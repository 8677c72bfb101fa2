"""Derivatives of image positions by longitude, latitude and height."""

from __future__ import annotations

import numpy as np

from trueground.kernels import fused, inlined
from trueground.kernels.rational import (
    HEIGHT_OFF,
    HEIGHT_SCALE,
    LAT_OFF,
    LAT_SCALE,
    LINE_DEN,
    LINE_NUM,
    LINE_SCALE,
    LONG_OFF,
    LONG_SCALE,
    SAMP_DEN,
    SAMP_NUM,
    SAMP_SCALE,
    polynomial_gradient,
    wrap,
)


@inlined
def polynomial_slope(m, k, x, y, h):
    """Differentiate a cubic polynomial by height (normalised); see `rational.polynomial`."""
    constant = m[k + 3] + x * (m[k + 5] + x * m[k + 17] + y * m[k + 10])
    constant += y * (m[k + 6] + y * m[k + 18])
    return constant + h * (2.0 * (m[k + 9] + x * m[k + 13] + y * m[k + 16]) + 3.0 * h * m[k + 19])


@inlined
def ratio_gradient(m, num, den, x, y, h):
    """Differentiate a ratio of polynomials by longitude, latitude and height (normalised)."""
    n, nx, ny = polynomial_gradient(m, num, x, y, h)
    d, dx, dy = polynomial_gradient(m, den, x, y, h)
    per_d = 1.0 / d
    f = n * per_d
    fh = polynomial_slope(m, num, x, y, h) - f * polynomial_slope(m, den, x, y, h)
    return (nx - f * dx) * per_d, (ny - f * dy) * per_d, fh * per_d


@fused
def project_jacobian(model, lon, lat, height, jacobian):
    """Fill (n, 2, 3): rows and columns by longitude, latitude [px per degree] and height [px per metre].

    NaN where a coordinate is, or a denominator vanishes.
    """
    per_lon = 1.0 / model[LONG_SCALE]
    per_lat = 1.0 / model[LAT_SCALE]
    per_height = 1.0 / model[HEIGHT_SCALE]
    for k in range(lon.size):
        x = wrap(lon[k] - model[LONG_OFF]) * per_lon
        y = (lat[k] - model[LAT_OFF]) * per_lat
        h = (height[k] - model[HEIGHT_OFF]) * per_height
        lx, ly, lh = ratio_gradient(model, LINE_NUM, LINE_DEN, x, y, h)
        sx, sy, sh = ratio_gradient(model, SAMP_NUM, SAMP_DEN, x, y, h)
        jacobian[k, 0, 0] = lx * per_lon * model[LINE_SCALE]
        jacobian[k, 0, 1] = ly * per_lat * model[LINE_SCALE]
        jacobian[k, 0, 2] = lh * per_height * model[LINE_SCALE]
        jacobian[k, 1, 0] = sx * per_lon * model[SAMP_SCALE]
        jacobian[k, 1, 1] = sy * per_lat * model[SAMP_SCALE]
        jacobian[k, 1, 2] = sh * per_height * model[SAMP_SCALE]
        finite = True
        for i in range(2):
            for j in range(3):
                finite &= abs(jacobian[k, i, j]) < np.inf
        if not finite:
            jacobian[k] = np.nan
