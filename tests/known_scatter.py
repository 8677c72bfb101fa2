"""Standard errors that a fit tells of itself, against the scatter of the fit over many realisations of noise."""

from __future__ import annotations

from itertools import islice

import numpy as np

from known_motion import shift_of, steep
from known_terrain import dem
from simulated_fields import fields
from trueground.engine import Serial
from trueground.raster import ArrayRaster
from trueground.variogram_model import Part, VariogramModel

SHIFT = (7.3, -4.1, 2.2)
WHITE = 0.3  # m, in the moving DEM: what is correlated stands in the reference


def correlated(kind, pixels, pixel):
    """Noise of 1 m, correlated over a range of so many pixels; white where the range is 0."""
    if not pixels:
        return VariogramModel(nugget=1.0, parts=())
    return VariogramModel(nugget=0.0, parts=(Part(kind=kind, range=pixels * pixel, sill=1.0),))


def realisations(model, on, *, seed=0):
    """Yield pairs of noise, of the reference by a model and white of the moving DEM, without end."""
    rng = np.random.default_rng(seed)
    while True:
        if model.parts:
            made = fields(model, on.shape, int(rng.integers(2**31)), pixel=on.transform.a)
        else:
            made = rng.normal(0.0, np.sqrt(model.nugget), (1, *on.shape))
        for field in made:
            yield field, rng.normal(0.0, WHITE, on.shape)


def noisy_pairs(method, on, noise):
    """Yield references and moving DEMs of known terrain; for heights alone, without a horizontal shift."""
    shift = SHIFT if method.needs_slopes else (0.0, 0.0, SHIFT[2])
    one, two = (dem(on, s, surface=steep).array[0] for s in ((0.0, 0.0, 0.0), shift))
    for first, second in noise:
        yield tuple(
            ArrayRaster(array=(z + n).astype(np.float32), grid=on)
            for z, n in ((one, first), (two, second))
        )


def scatter(method, on, model, *, count, seed=0):
    """Return median told errors over the scatter, of each parameter found, and the median of independent cells."""
    values, errors, independent = [], [], []
    for reference, moving in islice(
        noisy_pairs(method, on, realisations(model, on, seed=seed)), count
    ):
        found = method.fit(reference, moving, engine=Serial())
        values.append([*shift_of(found), *np.radians(found.rotations), found.scale])
        errors.append(np.sqrt(np.diag(found.covariance)))
        independent.append(found.effective_samples)
    told = np.median(errors, axis=0)
    known = told > 0.0
    ratio = told[known] / np.std(values, axis=0, ddof=1)[: told.size][known]
    return ratio, float(np.median(independent))
