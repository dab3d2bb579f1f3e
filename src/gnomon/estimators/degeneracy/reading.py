"""From the record of some chains to the mean excess energy, with its error and what may be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from gnomon.estimators.degeneracy.convergence import drift, effective_samples, split_r_hat
from gnomon.estimators.degeneracy.langevin import Trace

_MAX_R_HAT = 1.1
_FEWEST_SAMPLES = 40.0
_DRIFTING = 6.0  # standard errors, of the raw energy
_LEVEL = 0.95
_BLOCKS = 8


@dataclass(frozen=True, kw_only=True)
class Reading:
    r"""The mean of :math:`\tau K` under the posterior.

    Parameters
    ----------
    value : :math:`\overline{\tau K} - a \bar\eta - c \bar\xi`: without the heating, and most of the noise.
    error : its standard error over chains, from a jackknife that includes the choice of a and c.
    half_width : of the Student interval at level 0.95.
    uncorrected : :math:`\overline{\tau K}`.
    heating : :math:`a \bar\eta`, the part of the energy that step size and minibatches brought.
    coefficient : c.
    spread : mean of :math:`\gamma|\delta|^2`.
    """

    value: float
    error: float
    half_width: float
    uncorrected: float
    heating: float
    coefficient: float
    spread: float
    r_hat: float
    effective_samples: float
    drift: float
    drift_error: float

    @property
    def unsettled(self) -> str:
        """Why the chains cannot be trusted, or ``""``."""
        if self.r_hat > _MAX_R_HAT:
            return f"the chains do not agree: R-hat is {self.r_hat:.2f}, above {_MAX_R_HAT}"
        if self.effective_samples < _FEWEST_SAMPLES:
            return f"the chains hold {self.effective_samples:.0f} effective samples, fewer than {_FEWEST_SAMPLES:.0f}"
        if abs(self.drift) > _DRIFTING * self.drift_error:
            return f"the chains still drift: their second halves lie {self.drift:+.3g} from their first"
        return ""


def read(trace: Trace) -> Reading:
    r"""Average ``trace``, of at least two chains; see `Trace` for its heating :math:`\eta` and noise :math:`\xi`.

    *Heating.* A share of the virial is a share of the energy: :math:`a = \overline{\tau K} / \overline{\tau \delta
    \cdot \nabla K}`, one half if K is quadratic.

    *Noise.* It has mean zero, so :math:`c\bar\xi` may be taken off for any c; the one that varies least, over blocks
    of the chains, takes most of the sampling noise along if K is nearly quadratic. Where chains are adjusted the mean
    is zero only once they have settled in all directions, also those that the loss does not feel. So c is then
    multiplied by :math:`s^2 / (s^2 + \max(0, \bar\xi^2 - 4 s^2))`, s the standard error of :math:`\bar\xi`: a mean
    that is surely not zero is no noise.
    """
    chains = trace.energy.shape[1]
    value, heating, c = _corrected(trace)
    without = np.array([_corrected(trace.of(np.delete(np.arange(chains), i)))[0] for i in range(chains)])
    error = float(np.sqrt((chains - 1) / chains * np.square(without - without.mean()).sum()))
    moved, moved_error = drift(trace.energy)
    return Reading(
        value=value,
        error=error,
        half_width=error * float(t.ppf(0.5 + _LEVEL / 2, chains - 1)),
        uncorrected=float(trace.energy.mean()),
        heating=heating,
        coefficient=c,
        spread=float(trace.spread.mean()),
        r_hat=split_r_hat(trace.energy),
        effective_samples=effective_samples(trace.energy),
        drift=moved,
        drift_error=moved_error,
    )


def _corrected(trace: Trace) -> tuple[float, float, float]:
    """The value, the heating taken off, and the coefficient of the noise."""
    energy, noise = float(trace.energy.mean()), float(trace.noise.mean())
    virial = float(trace.virial.mean())
    heating = float(trace.heating.mean()) * (min(energy / virial, 1.0) if virial > 0 < energy else 0.5)
    e, v = _blocks(trace.energy), _blocks(trace.noise)
    variance = float(v.var())
    c = float(np.clip(np.mean((e - e.mean()) * (v - v.mean())) / variance, 0.0, 1.0)) if variance > 0 else 0.0
    if not trace.heating.any():
        alike = trace.noise.mean(axis=0) if trace.noise.shape[1] > 1 else v
        known = float(alike.var(ddof=1)) / alike.size
        c *= known / (known + max(0.0, noise**2 - 4 * known)) if noise else 1.0
    return energy - heating - c * noise, heating, c


def _blocks(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of consecutive draws of each chain, ``(blocks, chains)``."""
    return np.array([part.mean(axis=0) for part in np.array_split(x, min(_BLOCKS, len(x)))])
