"""Laws with known parameters at realistic inputs: 30-80 points, 2-6 decades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.laws import Form, Table, form

Array = NDArray[np.float64]


def decades(low: float, high: float, n: int) -> Array:
    return np.geomspace(low, high, n)[:, None]


def ladder() -> Array:
    """Sizes of 8 models, each with 5 ratios of tokens."""
    sizes, ratios = np.meshgrid(np.geomspace(1e7, 1e10, 8), [2.0, 8.0, 20.0, 60.0, 200.0], indexing="ij")
    return np.stack([sizes.ravel(), (sizes * ratios).ravel()], -1)


@dataclass(frozen=True)
class Known:
    """A form, its true natural parameters, and where it is measured."""

    form: Form
    natural: Array
    x: Array

    @property
    def theta(self) -> Array:
        return self.form.coordinates(self.natural)

    @property
    def mean(self) -> Array:
        return self.form.value(self.x, self.theta)

    def noisy(self, noise: str, draws: int, seed: int, size: float = 0.02) -> Array:
        """Measurements, shape ``(draws, n)``, that scatter by ``size`` of the value (its mean when linear)."""
        random = np.random.default_rng(seed)
        shape = (draws, len(self.x))
        scatter = random.normal(size=shape) if "normal" in noise else random.laplace(size=shape) / np.sqrt(2)
        if noise.startswith("log"):
            return self.mean * np.exp(size * scatter)
        return self.mean + size * np.abs(self.mean).mean() * scatter

    def table(self, y: Array) -> Table:
        return Table(x=self.x, y=y, columns=self.form.columns or ("x",), target="y")


def _known(name: str, natural: list[float], x: Array) -> tuple[str, Known]:
    return name, Known(form(name), np.array(natural), x)


KNOWN = dict(
    [
        _known("constant", [2.0], decades(1, 1e3, 30)),
        _known("log_linear", [5.0, -0.4], decades(1, 1e3, 30)),
        _known("log_linear_2", [9.0, -0.2, -0.1], ladder()),
        _known("log_linear_3", [9.0, -0.2, -0.1, 0.3], np.column_stack([ladder(), np.tile([1.0, 2, 4, 8], 10)])),
        _known("inverse", [22.5, 305.0], decades(1, 100, 30)),
        _known("pure_power_law", [10.0, 0.3], decades(1, 1e4, 30)),
        _known("power_law", [1.5, 8.0, 0.35], decades(1, 1e4, 40)),
        _known("growing_power_law", [2.0, 0.5, 0.8], decades(0.3, 300, 40)),
        _known("saturating_exponential", [1.0, 3.0, 30.0], np.linspace(0, 150, 40)[:, None]),
        _known("logistic", [0.1, 0.9, 100.0, 0.5], decades(1, 1e4, 40)),
        _known("chinchilla", [1.8, 480.0, 2100.0, 0.348, 0.366], ladder()),
        _known("broken_power_law", [0.5, 3.0, 0.1, 0.6, 100.0, 0.5], decades(1, 1e4, 60)),
        _known("broken_power_law_2", [0.2, 3.0, 0.05, 0.6, -0.5, 30.0, 3e3, 0.3, 0.3], decades(1, 1e6, 80)),
        _known(
            "broken_power_law_3",
            [0.2, 3.0, 0.05, 0.6, -0.6, 0.5, 30.0, 1e3, 5e4, 0.3, 0.3, 0.3],
            decades(1, 1e7, 120),
        ),
    ]
)
