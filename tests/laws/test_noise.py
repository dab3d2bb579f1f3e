"""Likelihoods against scipy's densities and quadrature; the choice among families."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import KNOWN
from scipy import integrate, stats

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.laws import Noise, fit
from gnomon.laws.fitting import fit_many
from gnomon.laws.noise import candidates, families, log_likelihood, loss, spread


@pytest.mark.parametrize(("kind", "scale"), [("normal", "linear"), ("normal", "log"), ("laplace", "linear")])
def test_likelihood_is_that_of_the_density(kind: str, scale: str) -> None:
    random = np.random.default_rng(0)
    y = np.exp(random.normal(size=50))
    noise = Noise(kind=kind, scale=scale, delta=1e-7 if kind == "laplace" else 0.0, spread=np.nan)  # type: ignore[arg-type]
    residual = loss(noise).residual(y, np.full(50, 1.1))
    objective = loss(noise).of(residual).mean()
    width = float(spread(noise, objective))
    density = {
        ("normal", "linear"): stats.norm(1.1, width),
        ("normal", "log"): stats.lognorm(width, scale=1.1),
        ("laplace", "linear"): stats.laplace(1.1, width),
    }[kind, scale]
    assert float(log_likelihood(noise, objective, y)) == pytest.approx(density.logpdf(y).sum(), rel=1e-5)


@pytest.mark.parametrize("ratio", [0.02, 0.5, 1.0, 5.0, 200.0])
def test_a_rounded_laplace_is_a_density_with_the_likeliest_spread(ratio: float) -> None:
    noise = Noise(kind="laplace", scale="linear", delta=0.3, spread=np.nan)
    b = ratio * noise.delta

    def density(r: float) -> float:
        return float(np.exp(-loss(noise).of(np.array(r)) / (noise.delta * b)))

    def mean(of: object) -> float:
        parts = ((0.0, noise.delta), (noise.delta, noise.delta + 60 * b))
        return 2 * sum(integrate.quad(lambda r: of(r) * density(r), *part)[0] for part in parts)  # type: ignore[operator]

    total = mean(lambda r: 1.0)
    expected = mean(lambda r: float(loss(noise).of(np.array(r)))) / total
    # residuals whose mean loss is the expected one have b for their likeliest spread
    assert float(spread(noise, expected)) == pytest.approx(b, rel=1e-6)
    per_row = float(log_likelihood(noise, expected, np.ones(10))) / 10
    assert per_row == pytest.approx(-np.log(total) - expected / (noise.delta * b), rel=1e-6)


@pytest.mark.parametrize("name", families)
def test_the_family_that_made_the_noise_is_the_likeliest(name: str) -> None:
    known = KNOWN["power_law"]
    y = known.noisy(name, 60, seed=2, size=0.1)
    likelihoods = []
    for family in candidates("auto", y[0]):
        found = fit_many(known.form, known.x, y, noise=family, starts=known.theta[None])
        likelihoods.append([log_likelihood(family, each, one) for each, one in zip(found.objective, y, strict=True)])
    chosen = np.argmax(likelihoods, axis=0)
    kinds = [family.kind for family in families.values()]
    place = list(families).index(name)
    # 40 rows tell the shape in four of five tables; the scale, where values span a factor of 6, in most
    assert np.mean([kinds[one] == families[name].kind for one in chosen]) >= 0.75
    assert np.mean(chosen == place) >= 0.6


def test_fit_chooses_it() -> None:
    known = KNOWN["power_law"]
    y = known.noisy("log_laplace", 1, seed=0)[0]
    chosen = fit(known.table(y), known.form, draws=0).noise
    assert (chosen.kind, chosen.scale, chosen.delta) == ("laplace", "log", 1e-3)
    assert chosen.spread == pytest.approx(0.02 / np.sqrt(2), rel=0.5)
    named = fit(known.table(y), known.form, noise="log_normal", draws=0)
    assert named.noise.kind == "normal"
    assert named.log_likelihood < fit(known.table(y), known.form, noise=chosen, draws=0).log_likelihood


def test_logarithms_need_positive_values() -> None:
    y = np.array([1.0, -1.0, 2.0])
    assert {one.scale for one in candidates("auto", y)} == {"linear"}
    with pytest.raises(GnomonError, match="needs positive values, and one is -1"):
        candidates("log_normal", y)
    with pytest.raises(UnknownNameError, match="did you mean 'normal'"):
        candidates("norml", y)
