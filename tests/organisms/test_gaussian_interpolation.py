"""The risk of interpolation against brute force and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.organisms.gaussian_interpolation import LinearData, interpolate
from gnomon.randomness import Rng


def _data(p: int, *, noise: float = 0.3, seed: int = 0) -> LinearData:
    generator = np.random.default_rng(seed)
    return LinearData(
        spectrum=generator.uniform(0.2, 2.0, p), coefficients=generator.standard_normal(p) / np.sqrt(p), noise=noise
    )


def test_the_risk_is_that_of_brute_force() -> None:
    """Many noise draws, each interpolated by the pseudo-inverse and tested on fresh examples."""
    data, n, rng = _data(40), 20, Rng(1)
    found = interpolate(data, n, rng)
    x = rng.child("inputs", 0).numpy().standard_normal((n, 40)) * np.sqrt(data.spectrum)
    generator = np.random.default_rng(0)
    inverse = np.linalg.pinv(x)
    excess = np.empty(4_000)
    for i in range(len(excess)):
        fitted = inverse @ (x @ data.coefficients + np.sqrt(data.noise) * generator.standard_normal(n))
        test = generator.standard_normal((50, 40)) * np.sqrt(data.spectrum)
        excess[i] = ((test @ (fitted - data.coefficients)) ** 2).mean()
    z = (excess.mean() - found.total) / (excess.std(ddof=1) / np.sqrt(len(excess)))
    assert abs(z) < 3
    clean = inverse @ (x @ data.coefficients) - data.coefficients
    assert found.bias == pytest.approx(float((data.spectrum * clean**2).sum()), rel=1e-9)
    assert found.train_error < 1e-20


@pytest.mark.parametrize("p", [45, 60, 100, 300])
def test_isotropic_variance_and_bias_have_their_closed_forms(p: int) -> None:
    """At finite n and p: V = σ² n/(p − n − 1) and B = (1 − n/p)|θ|² (the trace of an inverse Wishart matrix)."""
    n, noise, theta = 30, 0.7, np.full(p, 2 / np.sqrt(p))
    data = LinearData(spectrum=np.ones(p), coefficients=theta, noise=noise)
    found = [interpolate(data, n, Rng(seed)) for seed in range(400)]
    for values, truth in (
        ([f.variance for f in found], noise * n / (p - n - 1)),
        ([f.bias for f in found], 4 * (1 - n / p)),
    ):
        z = (np.mean(values) - truth) / (np.std(values, ddof=1) / np.sqrt(len(values)))
        assert abs(z) < 3, (p, truth, np.mean(values))


@settings(max_examples=10, deadline=None)
@given(block=st.integers(1, 90), seed=st.integers(0, 50))
def test_the_bias_is_that_without_noise_and_the_variance_is_linear_in_it(block: int, seed: int) -> None:
    p = 100
    quiet, loud = (interpolate(_data(p, noise=s), block, Rng(seed)) for s in (0.0, 2.0))
    assert quiet.variance == 0
    assert quiet.bias == loud.bias
    unit = interpolate(_data(p, noise=1.0), block, Rng(seed))
    assert loud.variance == pytest.approx(2 * unit.variance)


def test_dimensions_beyond_a_block_are_summed() -> None:
    """A tail longer than a block of columns: the closed forms hold there too."""
    n, p = 20, 5_000
    data = LinearData(spectrum=np.ones(p), coefficients=np.full(p, p**-0.5), noise=1.0)
    found = [interpolate(data, n, Rng(seed)).variance for seed in range(60)]
    z = (np.mean(found) - n / (p - n - 1)) / (np.std(found, ddof=1) / np.sqrt(60))
    assert abs(z) < 3


@pytest.mark.parametrize("examples", [0, 40, 41])
def test_what_cannot_be_interpolated_is_refused(examples: int) -> None:
    with pytest.raises(GnomonError, match="fewer examples than dimensions"):
        interpolate(_data(40), examples, Rng(0))


def test_data_that_do_not_fit_are_refused() -> None:
    with pytest.raises(GnomonError, match="do not fit"):
        LinearData(spectrum=np.ones(3), coefficients=np.ones(4), noise=0.0)
    with pytest.raises(GnomonError, match="not positive"):
        LinearData(spectrum=np.zeros(3), coefficients=np.ones(3), noise=0.0)
