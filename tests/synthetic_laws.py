"""Tables of a known law with known noise, in designs that show the law."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnomon.laws import bootstrap, form
from gnomon.laws import noise as noises
from gnomon.laws.fit import Fit
from gnomon.laws.fitting import fit_many
from gnomon.laws.form import Form
from gnomon.laws.table import Table
from gnomon.randomness import Rng

Array = NDArray[np.float64]

FORMS = (
    "constant",
    "log_linear",
    "inverse",
    "pure_power_law",
    "power_law",
    "growing_power_law",
    "saturating_exponential",
    "logistic",
    "broken_power_law",
)
"""The forms of one input that are compared; more breaks are the same family again."""


@dataclass(frozen=True)
class Design:
    """A law, the inputs it is measured at (``points`` of them, three times each) and the noise.

    ``log_normal`` noise of ``spread`` on positive laws, ``normal`` on those that are shares or have an exponential.
    """

    name: str
    natural: tuple[float, ...]
    low: float
    high: float
    noise: str
    spread: float
    points: int = 12

    @property
    def form(self) -> Form:
        return form(self.name)

    @property
    def x(self) -> Array:
        return np.repeat(np.geomspace(self.low, self.high, self.points), 3)[:, None]

    def values(self, x: Array, count: int, rng: Rng) -> Array:
        """``count`` measurements at each row of ``x``, shape ``(count, n)``."""
        law = self.form.value(x, self.form.coordinates(np.array(self.natural)))
        error = self.spread * rng.numpy().normal(size=(count, len(x)))
        return law * np.exp(error) if self.noise == "log_normal" else law + error

    def table(self, y: Array) -> Table:
        return Table(x=self.x, y=y, columns=("x",), target="y")

    @property
    def beyond(self) -> Array:
        """One decade out."""
        return np.array([[10 * self.high]])


DESIGNS = {
    one.name: one
    for one in (
        Design("constant", (2.0,), 1, 1e3, "log_normal", 0.05),
        Design("log_linear", (9.0, -0.7), 1, 1e3, "log_normal", 0.03),
        Design("inverse", (1.0, 5.0), 1, 1e2, "log_normal", 0.03),
        Design("pure_power_law", (4.0, 0.35), 1, 1e3, "log_normal", 0.03),
        Design("power_law", (1.0, 4.0, 0.5), 1, 1e4, "log_normal", 0.02),
        Design("growing_power_law", (1.0, 0.2, 0.5), 1, 1e4, "log_normal", 0.03),
        Design("saturating_exponential", (1.0, 4.0, 30.0), 1, 100, "normal", 0.05),
        Design("logistic", (0.1, 0.9, 100.0, 1.0), 1, 1e4, "normal", 0.02),
        Design("broken_power_law", (0.5, 3.0, 0.1, 0.7, 300.0, 0.3), 1, 1e5, "log_normal", 0.01),
    )
}


def fits(design: Design, name: str, y: Array, rng: Rng, *, draws: int = 0, starts: int = 16) -> list[Fit]:
    """Fits of the form ``name`` to every table of ``y`` (tables, n), in one batch and another for the bootstrap.

    They are those of `gnomon.laws.fitting.fit` but for the intervals of parameters, which no forecast rests on.
    """
    kind, x, noise = form(name), design.x, noises.candidates(design.noise, y)[0]
    tables, n = y.shape
    found = fit_many(kind, x, y, noise=noise, starts=np.stack([kind.starts(x, row, starts) for row in y]))
    p = found.theta.shape[1]
    drawn = np.empty((0, p))
    if draws:
        weights = bootstrap.multiplicities(n, tables * draws, rng)
        begin = np.repeat(found.theta, draws, axis=0)[:, None, :]
        drawn = fit_many(kind, x, np.repeat(y, draws, axis=0), noise=noise, starts=begin, weights=weights).theta
    each = []
    for k, row in enumerate(y):
        objective = float(found.objective[k])
        with np.errstate(all="ignore"):
            likelihood = float(noises.log_likelihood(noise, objective, row))
        each.append(
            Fit(
                form=kind,
                table=design.table(row),
                noise=replace(noise, spread=float(noises.spread(noise, objective * n / (n - p)))),
                theta=found.theta[k],
                draws=drawn[k * draws : (k + 1) * draws],
                parameters={},
                level=0.9,
                objective=objective,
                log_likelihood=likelihood,
                aic=2 * (p + 1) - 2 * likelihood,
                bic=(p + 1) * float(np.log(n)) - 2 * likelihood,
            )
        )
    return each
