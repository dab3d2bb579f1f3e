"""What the theories of regression have in common: a risk by deterministic equivalents, and how far off they are."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.ridge_equivalent import EXCESS_RISK, Risk, risk
from gnomon.theory.ridge_spectra import Spectrum
from gnomon.theory.theory import Theory

_FEWEST = 16
_FARTHEST = 0.25
_MARGIN = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class EquivalentRisk(Theory):
    r"""Excess risk of ridge regression by deterministic equivalents.

    They are exact for Gaussian features as n, N and the number of directions grow together. At finite size they are off
    by a relative O(1/n), which grows towards the interpolation peak just as the risk's own dependence on one example or
    one feature does. `systematic` is therefore twice what one example or feature more or less would change, bias and
    variance each at its worst, and where that is more than a quarter of the risk the theory does not hold.

    Parameters
    ----------
    samples : n, the number of training examples.
    penalty : λ of :math:`\lVert y - \Phi w\rVert^2 + \lambda\lVert w\rVert^2`; 0 is ridgeless, of least norm.
    noise : σ² of the labels, summed over outputs.
    """

    samples: int
    penalty: float = 0.0
    noise: float = 0.0

    predicts: ClassVar[Quantity] = EXCESS_RISK

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 2 or not self.penalty >= 0 or not self.noise >= 0:
            raise GnomonError(
                f"{self.samples} examples with penalty {self.penalty} and noise {self.noise}",
                mend="take 2 examples or more, and no negative penalty or noise",
            )
        self.spectrum()

    @abc.abstractmethod
    def spectrum(self) -> Spectrum:
        """Of the covariance or kernel."""

    @property
    def width(self) -> float:
        """N; infinite where regression is on all features."""
        return math.inf

    @property
    def label_attenuation(self) -> float:
        """What multiple of the target the labels' mean is."""
        return 1.0

    def value(self) -> float:
        """The excess risk; infinite at the interpolation peak."""
        return float(self.parts().total[0])

    def parts(self) -> Risk:
        """Bias and variance, arrays of one."""
        return self._risk(np.array([0]), np.array([0]))

    def systematic(self) -> float:
        """See the class."""
        steps = [(0, 0), (1, 0), (-1, 0)]
        if math.isfinite(self.width):
            steps += [(0, 1), (0, -1)]
        found = self._risk(*np.array(steps).T)
        if not np.isfinite(found.total).all():
            return math.inf
        return float(_MARGIN * sum(np.abs(part - part[0]).max() for part in (found.bias, found.variance)))

    def outside(self) -> tuple[str, ...]:
        """Too few examples or features, or too near the interpolation peak."""
        reasons = []
        fewest = min(self.samples, self.width)
        if fewest < _FEWEST:
            reasons.append(f"{fewest:g} examples or features are fewer than {_FEWEST}")
        if not EquivalentRisk.systematic(self) <= _FARTHEST * self.value() < math.inf:
            reasons.append("one example or feature more or less would change the risk too much (interpolation peak)")
        return tuple(reasons)

    def _risk(self, more_examples: np.ndarray, more_features: np.ndarray) -> Risk:
        return risk(
            self.spectrum(),
            self.samples + more_examples,
            penalty=self.penalty,
            noise=self.noise,
            features=self.width + more_features,
            attenuation=self.label_attenuation,
        )
