"""Learning curves from spectra, against kernel ridge regressions on the hypercube and the sphere."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from kernel_regressions import errors, of_cosine
from test_kernel_spectra import PROFILES

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.theory import OutOfDomainError
from gnomon.theory.eigenlearning import KernelRidge, learning_curve
from gnomon.theory.hypercube import corners, hypercube_spectrum, parity_eigenvalues, parity_multiplicities, parity_power
from gnomon.theory.ridge_spectra import PopulationSpectrum
from gnomon.theory.sphere import sphere_spectrum, zonal_power

NOISE = 0.05


def _signs(x: np.ndarray) -> np.ndarray:
    return x[..., 0] * x[..., 1] + 0.5 * x[..., 2] + 0.3 * x[..., 1] * x[..., 2] * x[..., 3]


def _polynomial(t: np.ndarray) -> np.ndarray:
    return 5 * t**2 + 3 * t


def _cube(bits: int, samples: int, ridge: float, repeats: int) -> tuple[PopulationSpectrum, np.ndarray, np.ndarray]:
    profile, rng = PROFILES["exponential"], Rng(1).child("cube", samples).numpy()
    x, z = (rng.choice([-1.0, 1.0], size=(repeats, m, bits)) for m in (samples, 500))
    noisy = [_signs(a) + math.sqrt(NOISE) * rng.normal(size=a.shape[:2]) for a in (x, z)]
    test, train = errors(of_cosine(profile, bits), x, noisy[0][..., None], z, noisy[1][..., None], ridge)
    power = np.zeros(bits + 1)
    power[1:4] = 0.25, 1.0, 0.09
    return hypercube_spectrum(profile, power), test.mean(axis=1), train.mean(axis=1)


def _sphere(samples: int, ridge: float, repeats: int) -> tuple[PopulationSpectrum, np.ndarray, np.ndarray]:
    profile, rng, d = PROFILES["arc-cosine"], Rng(2).child("sphere", samples).numpy(), 10
    x, z = (rng.normal(size=(repeats, m, d)) for m in (samples, 500))
    x, z = (a / np.linalg.norm(a, axis=-1, keepdims=True) for a in (x, z))
    noisy = [_polynomial(a[..., 0]) + math.sqrt(NOISE) * rng.normal(size=a.shape[:2]) for a in (x, z)]
    test, train = errors(of_cosine(profile, 1), x, noisy[0][..., None], z, noisy[1][..., None], ridge)
    return sphere_spectrum(profile, d, zonal_power(_polynomial, d, 40)), test.mean(axis=1), train.mean(axis=1)


@pytest.mark.parametrize("place", ["cube", "sphere"])
@pytest.mark.parametrize(("samples", "ridge", "repeats"), [(24, 0.05, 300), (100, 1e-3, 60), (300, 0.05, 12)])
def test_regressions_err_as_foretold(place: str, samples: int, ridge: float, repeats: int) -> None:
    if place == "cube":
        spectrum, test, train = _cube(14, samples, ridge, repeats)
    else:
        spectrum, test, train = _sphere(samples, ridge, repeats)
    theory = KernelRidge.of(spectrum, samples=samples, penalty=ridge, noise=NOISE)
    bound, error = theory.predict().uncertainty.systematic, test.std(ddof=1) / math.sqrt(repeats)
    assert bound is not None
    assert abs(test.mean() - NOISE - theory.value()) < bound + 3 * error
    assert bound + 3 * error < 0.25 * theory.value()
    curve = learning_curve(spectrum, samples, penalty=ridge, noise=NOISE)
    assert curve.test_error.item() == pytest.approx(theory.value() + NOISE)
    spread = train.std(ddof=1) / math.sqrt(repeats)
    if ridge > 0.01:  # with a small one, the two noises of a single repeated corner outweigh all other residuals
        assert abs(train.mean() - curve.train_error.item()) < 3 * spread + bound / theory.value() * train.mean()


def test_learnability_is_conserved_and_is_what_is_learned() -> None:
    """Simon et al.: the modewise learnabilities of real regressions sum to n exactly without a ridge."""
    bits, n, repeats = 8, 24, 400
    x = corners(bits)
    profile = PROFILES["exponential"]
    kernel = profile(x @ x.T / bits)
    eigenvalues, counts = parity_eigenvalues(profile, bits), parity_multiplicities(bits)
    order = np.argsort([i.bit_count() for i in range(2**bits)], kind="stable")
    modes = np.array([x[:, [j for j in range(bits) if i >> (bits - 1 - j) & 1]].prod(axis=1) for i in order]).T
    rng, learned = Rng(3).numpy(), []
    for _ in range(repeats):
        chosen = rng.choice(2**bits, n, replace=False)
        coefficients = modes.T @ kernel[:, chosen] @ np.linalg.solve(kernel[np.ix_(chosen, chosen)], modes[chosen])
        learned.append(np.diag(coefficients) / 2**bits)
        assert learned[-1].sum() == pytest.approx(n)  # the conservation law, for each sample
    means = np.split(np.mean(learned, axis=0), np.cumsum(counts.astype(int))[:-1])
    curve = learning_curve(PopulationSpectrum(eigenvalues, np.zeros(9), multiplicity=counts), n)
    assert (curve.learnability[0] @ counts).item() == pytest.approx(n)
    for level in range(4):
        assert means[level].mean() == pytest.approx(curve.learnability[0, level], abs=0.035)
    ridged = learning_curve(PopulationSpectrum(eigenvalues, np.zeros(9), multiplicity=counts), n, penalty=0.7)
    assert (ridged.learnability[0] @ counts + 0.7 / ridged.kappa).item() == pytest.approx(n)


def test_limits() -> None:
    spectrum = PopulationSpectrum(np.array([1.0, 0.1]), np.array([2.0, 1.0]), multiplicity=np.array([1.0, 20.0]))
    curve = learning_curve(spectrum, [1, 10, 100, 10**6], penalty=1e-3, noise=0.3)
    assert (np.diff(curve.test_error[1:]) < 0).all()
    assert curve.test_error[-1] == pytest.approx(0.3, rel=1e-4)
    np.testing.assert_allclose(curve.train_error[-1], 0.3, rtol=1e-4)
    # with infinite ridge nothing is learned, and training error is test error
    stiff = learning_curve(spectrum, 10, penalty=1e9, noise=0.3)
    assert stiff.test_error.item() == pytest.approx(3.3)
    assert stiff.train_error.item() == pytest.approx(3.3)
    assert stiff.overfitting.item() == pytest.approx(1.0)
    # more examples than modes and no ridge: ordinary least squares, n/(n − p)
    exact = learning_curve(spectrum, 84, noise=0.3)
    assert exact.test_error.item() == pytest.approx(0.3 * 84 / 63)
    assert exact.train_error.item() == pytest.approx(0.3 * 63 / 84)
    peak = learning_curve(spectrum, 21, noise=0.3)
    assert math.isinf(peak.test_error.item())
    assert peak.train_error.item() == 0.0


def test_on_few_points_what_is_memorised_is_mistaken_for_learning() -> None:
    """The trap: on all 256 corners theory is up to 15 times below what unseen corners show, and it refuses."""
    bits, ridge, profile = 8, 1e-6, PROFILES["exponential"]
    x = corners(bits)
    y, kernel = _signs(x), profile(x @ x.T / bits)
    spectrum = hypercube_spectrum(profile, parity_power(y))
    rng, ratios = Rng(4).numpy(), {}
    for n in (28, 128, 200, 240):
        found = []
        for _ in range(40):
            order = rng.permutation(256)
            seen, unseen = order[:n], order[n:]
            weights = np.linalg.solve(kernel[np.ix_(seen, seen)] + ridge * np.eye(n), y[seen])
            found.append(((kernel[np.ix_(unseen, seen)] @ weights - y[unseen]) ** 2).mean())
        theory = KernelRidge.of(spectrum, samples=n, penalty=ridge)
        ratios[n] = float(np.mean(found)) / theory.value()
        if n > 32:
            with pytest.raises(OutOfDomainError, match="memorised"):
                theory.predict()
        else:
            bound = theory.predict().uncertainty.systematic
            assert bound is not None
            assert abs(np.mean(found) - theory.value()) < bound + 3 * np.std(found) / math.sqrt(40)
    assert 1.8 < ratios[128] < 3
    assert ratios[200] > 4
    assert 10 < ratios[240] < 40


def test_what_has_no_meaning_is_refused() -> None:
    spectrum = PopulationSpectrum(np.ones(3), np.ones(3))
    with pytest.raises(GnomonError, match="drawn from 0"):
        replace(KernelRidge.of(spectrum, samples=20), support=0)
    with pytest.raises(GnomonError, match="negative"):
        learning_curve(spectrum, 10, penalty=-1.0)
    with pytest.raises(OutOfDomainError, match="interpolation peak"):
        KernelRidge.of(PopulationSpectrum(np.ones(100), np.ones(100)), samples=100, noise=1.0).predict()
