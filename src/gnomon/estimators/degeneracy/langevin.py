"""Chains that sample the localised, tempered posterior around a subject's parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.estimators.degeneracy.potential import Potential
from gnomon.randomness import Rng

Scheme = Literal["adjusted", "splitting", "euler"]

TRIALS = 24  # single steps that find the step size's order of magnitude
_TARGET = 0.9  # of trajectories accepted
_FIRST_GAIN = 1.5  # of the logarithm of the time step, halved whenever a trial turns back
_GAIN = 0.7
_LARGEST_ANGLE = 1.0  # by which a step may turn what only the localisation holds
# each trajectory's time step is drawn log-uniformly down to a quarter of the largest: where the valley is narrow, only
# short steps are accepted, and without them a chain would neither enter nor leave
_SHORTEST = math.log(1 / 4)


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    r"""What was recorded, ``(draws, chains)`` each.

    Under the posterior the virial theorem holds, :math:`\mathbb{E}[\delta \cdot \nabla U] = d`. Of a chain that has a
    finite step, and may not have settled in directions that the loss does not feel, it is known exactly how it fails:
    :math:`\overline{\delta \cdot \nabla U} - d = \bar\eta + \bar\xi` up to terms of its ends.

    Parameters
    ----------
    energy : :math:`\tau K(\delta)` with :math:`\tau = n\beta`.
    virial : :math:`\tau \delta \cdot \nabla K`, twice the energy if K is quadratic.
    spread : :math:`\gamma |\delta|^2`.
    heating : :math:`\eta`, what step size and minibatches add, in directions that the loss feels; 0 where
        trajectories are adjusted.
    noise : :math:`\xi`, of mean zero: always for the schemes that are not adjusted, for those that are once they
        have settled.
    accepted : share of the proposals that were accepted.
    """

    energy: NDArray[np.float64]
    virial: NDArray[np.float64]
    spread: NDArray[np.float64]
    heating: NDArray[np.float64]
    noise: NDArray[np.float64]
    accepted: float

    @property
    def finite(self) -> bool:
        """Whether no chain has run away."""
        return bool(np.isfinite(self.energy).all() and np.isfinite(self.virial).all())

    def of(self, chains: NDArray[np.int64]) -> Trace:
        """Some of the chains, by their numbers."""
        return Trace(
            energy=self.energy[:, chains],
            virial=self.virial[:, chains],
            spread=self.spread[:, chains],
            heating=self.heating[:, chains],
            noise=self.noise[:, chains],
            accepted=self.accepted,
        )


class Chains:
    r"""Chains on :math:`U(\delta) = \tau K(\delta) + \frac{\gamma}{2}|\delta|^2`, all started at the centre.

    *splitting* is the BAOAB discretisation of Langevin dynamics (Leimkuhler & Matthews, arXiv:1203.5428): a half kick,
    a half drift, friction and noise, a half drift, a half kick. On a quadratic U its positions have the exact
    distribution at any stable step. *adjusted* runs trajectories of it and accepts or rejects each by the work that
    the discretisation did (Riou-Durand & Vogrinc, arXiv:2202.13230), so that the distribution is exact for every U;
    it needs a single batch. *euler* is stochastic gradient Langevin dynamics,
    :math:`\delta' = \delta - \frac{\epsilon}{2} \nabla U + \sqrt{\epsilon}\,\xi` (Welling & Teh, ICML 2011).

    Parameters
    ----------
    temperatures : :math:`\tau`, one for each chain.
    step_size : :math:`\epsilon`, the square of the time step of the splitting.
    persistence : steps over which a momentum is forgotten, and length of a trajectory.
    """

    def __init__(
        self,
        potential: Potential,
        temperatures: Tensor,
        localisation: float,
        scheme: Scheme,
        rng: Rng,
        *,
        step_size: float,
        persistence: int = 1,
    ) -> None:
        self.potential = potential
        self.localisation = localisation
        self.scheme = scheme
        self.persistence = persistence
        self.taus = temperatures.to(potential.device)
        shape = (len(temperatures), potential.dimension)
        self.steps = torch.full((shape[0], 1), step_size, dtype=torch.float64, device=potential.device)
        self.positions = torch.zeros(shape, dtype=potential.dtype, device=potential.device)
        self._noise = rng.child("noise").torch()
        self._momenta = self._normal()
        self._uniform = rng.child("uniform").torch()
        self._shuffle = rng.child("shuffle").numpy()
        self._epoch: list[int] = []
        self._excess, self._slope = potential.excess(self.positions)

    def tune(self, steps: int) -> None:
        """Choose the step sizes while running ``steps`` steps: first single ones, then whole trajectories.

        Chains of one temperature share their step size. Batches are left as they are: the first serves throughout.
        """
        log_step = 0.5 * torch.log(self.steps[:, 0])
        longest = torch.full_like(log_step, math.log(_LARGEST_ANGLE / math.sqrt(self.localisation)))
        gain, before = torch.full_like(log_step, _FIRST_GAIN), torch.zeros_like(log_step)
        persistence, self.persistence = self.persistence, 1
        for _ in range(TRIALS):
            sign = torch.sign(self._shared(self._trajectory()) - _TARGET)
            gain = torch.where(sign * before < 0, gain / 2, gain)
            log_step, before = torch.minimum(log_step + gain * sign, longest), sign
            self.steps = torch.exp(2 * log_step)[:, None]
        self.persistence = persistence
        trajectories = steps // persistence
        late = torch.zeros_like(log_step)
        for k in range(trajectories):
            error = self._shared(self._trajectory()) - _TARGET
            error = torch.where(error > 0, error / (1 - _TARGET), error / _TARGET)  # from −1 to 1
            log_step = torch.minimum(log_step + _GAIN / (k + 1) ** 0.6 * error, longest)
            self.steps = torch.exp(2 * log_step)[:, None]
            if k >= trajectories // 2:
                late += log_step / (trajectories - trajectories // 2)
        if trajectories:
            self.steps = torch.exp(2 * late)[:, None]

    def run(self, steps: int) -> Trace:
        """``steps`` steps; a draw is recorded after each, or after each trajectory of *adjusted*."""
        kept: list[tuple[Tensor, ...]] = []
        accepted: list[float] = []
        if self.scheme == "adjusted":
            for _ in range(-(-steps // self.persistence)):
                accepted.append(float(self._trajectory().mean()))
                readings = self._readings()
                unsettled = readings[1] + readings[2] - self.potential.dimension
                kept.append((*readings, torch.zeros_like(unsettled), unsettled))
        else:
            step = self._euler if self.scheme == "euler" else self._split
            for _ in range(steps):
                self._next_batch()
                self._evaluate()
                kept.append((*self._readings(), *step()))
        energy, virial, spread, heating, noise = (torch.stack(c).cpu().numpy() for c in zip(*kept, strict=True))
        return Trace(
            energy=energy,
            virial=virial,
            spread=spread,
            heating=heating,
            noise=noise,
            accepted=float(np.mean(accepted)) if accepted else 1.0,
        )

    def _trajectory(self) -> Tensor:
        """One adjusted trajectory of each chain; the probabilities ``(chains,)`` with which they were accepted."""
        before = (self.positions, self._excess, self._slope)
        self._momenta = self._normal()
        shorter = torch.exp(_SHORTEST * torch.rand(len(self.steps), 1, generator=self._uniform, dtype=torch.float64))
        time = torch.sqrt(self.steps) * shorter.to(self.steps.device)
        decay = math.exp(-1 / self.persistence)
        work = -self.taus * self._excess
        for _ in range(self.persistence):
            work += self._kick(time / 2)
            self._rotate(time / 2)
            self._momenta = decay * self._momenta + math.sqrt(1 - decay**2) * self._normal()
            self._rotate(time / 2)
            self._evaluate()
            work += self._kick(time / 2)
        work += self.taus * self._excess
        chance = torch.nan_to_num(torch.exp(-work.clamp(min=0)), nan=0.0)
        drawn = torch.rand(len(chance), generator=self._uniform, dtype=torch.float64).to(chance.device)
        taken = drawn < chance
        self.positions = torch.where(taken[:, None], self.positions, before[0])
        self._excess = torch.where(taken, self._excess, before[1])
        self._slope = torch.where(taken[:, None], self._slope, before[2])
        return chance

    def _kick(self, time: Tensor) -> Tensor:
        """Let the loss alone act for ``time``; the kinetic energy ``(chains,)`` that it gave."""
        kick = (time * self.taus[:, None]).to(self._slope.dtype) * self._slope
        gained = _dot(kick, kick) / 2 - _dot(kick, self._momenta)
        self._momenta = self._momenta - kick
        return gained

    def _rotate(self, time: Tensor) -> None:
        """Let the localisation alone act for ``time``: a rotation of positions and momenta, without any error."""
        frequency = math.sqrt(self.localisation)
        cosine, sine = (f(frequency * time).to(self.positions.dtype) for f in (torch.cos, torch.sin))
        positions, momenta = self.positions, self._momenta
        self.positions = cosine * positions + sine / frequency * momenta
        self._momenta = cosine * momenta - sine * frequency * positions

    def _split(self) -> tuple[Tensor, Tensor]:
        """A step of the splitting that starts and ends between its two half kicks; heating and noise."""
        time, decay = torch.sqrt(self.steps), math.exp(-1 / self.persistence)
        force = self._force()
        half = time[:, 0] / 2 * _dot(self._momenta - time.to(force.dtype) / 2 * force, force)
        kinetic = _dot(self._momenta, self._momenta) - 2 * half
        self._momenta = self._momenta - time.to(force.dtype) * force
        noise = self._drift(time.to(force.dtype), decay)
        return kinetic - self.potential.dimension, noise / (decay * time[:, 0])

    def _drift(self, time: Tensor, decay: float) -> Tensor:
        """Half a drift, friction and noise, half a drift; the noise's product with the position between."""
        middle = self.positions + time / 2 * self._momenta
        kick = math.sqrt(1 - decay**2) * self._normal()
        self._momenta = decay * self._momenta + kick
        self.positions = middle + time / 2 * self._momenta
        return _dot(middle, kick)

    def _euler(self) -> tuple[Tensor, Tensor]:
        """A step of gradient descent with noise; heating and noise."""
        step, force, drawn = self.steps[:, 0], self._force(), self._normal()
        noise = _dot(drawn, drawn) - self.potential.dimension - torch.sqrt(step) * _dot(drawn, force)
        noise += 2 / torch.sqrt(step) * _dot(drawn, self.positions)
        time = torch.sqrt(self.steps).to(force.dtype)
        self.positions = self.positions - time**2 / 2 * force + time * drawn
        felt = self.taus[:, None].to(force.dtype) * self._slope
        return step / 4 * _dot(felt, force), noise

    def _evaluate(self) -> None:
        batch = self._epoch[-1] if self._epoch else 0
        self._excess, self._slope = self.potential.excess(self.positions, batch)

    def _next_batch(self) -> None:
        """Every batch once, in an order drawn anew, before any is used again."""
        if self._epoch:
            self._epoch.pop()
        if not self._epoch:
            self._epoch = self._shuffle.permutation(self.potential.batches).tolist()

    def _force(self) -> Tensor:
        """Gradient of U."""
        return self.taus[:, None].to(self._slope.dtype) * self._slope + self.localisation * self.positions

    def _readings(self) -> tuple[Tensor, Tensor, Tensor]:
        virial = self.taus * _dot(self.positions, self._slope)
        return self.taus * self._excess, virial, self.localisation * _dot(self.positions, self.positions)

    def _normal(self) -> Tensor:
        """Drawn on the CPU, so that it is the same on every device."""
        drawn = torch.randn(self.positions.shape, generator=self._noise, dtype=self.positions.dtype)
        return drawn.to(self.positions.device)

    def _shared(self, chances: Tensor) -> Tensor:
        """Mean acceptance among the chains of each temperature."""
        same = (self.taus[:, None] == self.taus).double()
        return (same @ chances) / same.sum(dim=1)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Inner product of each row, ``(chains,)``."""
    found: Tensor = torch.linalg.vecdot(x, y)
    return found.double()
