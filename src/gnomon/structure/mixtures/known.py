"""Known answers: teachers whose gradients lie in subspaces that are planted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.randomness import Rng

_UNITS = 12  # of each output
_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class GatedTeacher:
    r"""A function that uses few directions at a time: :math:`y_j(x, s) = f_{sj}(U_s^\top x)`.

    The gate s is drawn with probabilities ``shares`` and given beside x, one-hot; :math:`f_{sj}` is a sum of 12
    tanh units, :math:`\sum_m v_m \tanh(a_m^\top z + b_m)`, so that every gradient in x lies in :math:`U_s`, exactly.
    Weights are standard normal and turned and stretched so that :math:`\sum_m v_m^2 a_m a_m^\top = 12`: otherwise the
    weakest of four directions holds 0.7 to 15 % of the squared gradient (mostly 5 %), and whether it can be found is
    a matter of luck; so it is 7 to 20 %. Rows x are standard normal.

    Parameters
    ----------
    strands, rank, dimension : k, r and d.
    outputs : c.
    shared : how many directions all strands have in common.
    shares : of the strands; equal by default.
    seed : of subspaces and units.

    Raises GnomonError when a strand has more directions than there are, or shares more than it has.
    """

    strands: int
    rank: int
    dimension: int
    outputs: int = 1
    shared: int = 0
    shares: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.rank < self.dimension or not 0 <= self.shared < self.rank or self.strands < 1:
            raise GnomonError("a teacher needs 1 ≤ rank < dimension, 0 ≤ shared < rank and a strand")
        if self.shares and len(self.shares) != self.strands:
            raise GnomonError(f"{len(self.shares)} shares for {self.strands} strands", mend="give one each")

    @property
    def bases(self) -> Tensor:
        """``(k, d, r)`` orthonormal bases."""
        generator = Rng(self.seed).child("bases").torch()
        common = torch.randn(self.dimension, self.shared, dtype=torch.float64, generator=generator)
        own = torch.randn(
            self.strands, self.dimension, self.rank - self.shared, dtype=torch.float64, generator=generator
        )
        orthonormal: Tensor = torch.linalg.qr(torch.cat([common.expand(self.strands, -1, -1), own], dim=2)).Q
        return orthonormal

    def _units(self) -> tuple[Tensor, Tensor, Tensor]:
        generator = Rng(self.seed).child("units").torch()
        k, c, r, m = self.strands, self.outputs, self.rank, _UNITS
        into = torch.randn(k, c, m, r, dtype=torch.float64, generator=generator)
        offsets = torch.randn(k, c, m, dtype=torch.float64, generator=generator)
        out = torch.randn(k, c, m, dtype=torch.float64, generator=generator)
        weighted = out[..., None] * into
        values, vectors = torch.linalg.eigh(weighted.mT @ weighted / m)
        return into @ (vectors * values.rsqrt()[..., None, :]) @ vectors.mT, offsets, out

    def draw(self, n: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Inputs ``(n, d)`` and gates ``(n,)``."""
        inputs = torch.randn(n, self.dimension, dtype=torch.float64, generator=rng.child("inputs").torch())
        p = np.array(self.shares) if self.shares else np.full(self.strands, 1 / self.strands)
        gates = rng.child("gates").numpy().choice(self.strands, size=n, p=p / p.sum())
        return inputs, torch.from_numpy(gates)

    def values(self, inputs: Tensor, gates: Tensor) -> Tensor:
        """``(n, c)``."""
        into, offsets, out = self._units()
        z = torch.einsum("nd,ndr->nr", inputs, self.bases[gates])
        return (out[gates] * torch.tanh(torch.einsum("ncmr,nr->ncm", into[gates], z) + offsets[gates])).sum(dim=2)

    def jacobians(self, inputs: Tensor, gates: Tensor) -> Tensor:
        """``(n, c, d)`` derivatives in x."""
        into, offsets, out = self._units()
        bases = self.bases[gates]
        z = torch.einsum("nd,ndr->nr", inputs, bases)
        slopes = 1 - torch.tanh(torch.einsum("ncmr,nr->ncm", into[gates], z) + offsets[gates]).square()
        inner = torch.einsum("ncm,ncmr->ncr", out[gates] * slopes, into[gates])
        return torch.einsum("ncr,ndr->ncd", inner, bases)

    def trained(self, *, width: int = 256, steps: int = 2000, rng: Rng) -> TrainedPupil:
        """A network of one hidden layer, trained on fresh examples by Adam with a cosine schedule."""
        generator = rng.child("weights").torch()
        inputs = self.dimension + self.strands
        up, down = nn.Linear(inputs, width), nn.Linear(width, self.outputs)
        with torch.no_grad():
            up.weight.copy_(torch.randn(width, inputs, generator=generator) * (2 / inputs) ** 0.5)
            # a gate is one input among many: it has to be heard over the contents
            up.weight[:, self.dimension :] *= inputs**0.5
            down.weight.copy_(torch.randn(self.outputs, width, generator=generator) * width**-0.5)
            up.bias.zero_()
            down.bias.zero_()
        pupil = TrainedPupil(up, down, self.strands)
        optimizer = torch.optim.Adam([*up.parameters(), *down.parameters()], lr=3e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for step in range(steps):
            x, gates = self.draw(_BATCH, rng.child("step", step))
            loss = (pupil(x.float(), gates) - self.values(x, gates).float()).square().mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        return pupil


@dataclass(frozen=True, eq=False)
class TrainedPupil:
    """A network that learned a `GatedTeacher`: tanh units on x and the gate, one-hot."""

    up: nn.Linear
    down: nn.Linear
    strands: int

    def __call__(self, inputs: Tensor, gates: Tensor) -> Tensor:
        """``(n, c)``."""
        values: Tensor = self.down(torch.tanh(self._hidden(inputs, gates)))
        return values

    def jacobians(self, inputs: Tensor, gates: Tensor) -> Tensor:
        """``(n, c, d)`` derivatives in x."""
        with torch.no_grad():
            slopes = 1 - torch.tanh(self._hidden(inputs.float(), gates)).square()
            into = self.up.weight[:, : inputs.shape[1]]
            jacobians: Tensor = torch.einsum("cw,nw,wd->ncd", self.down.weight, slopes, into)
        return jacobians

    def _hidden(self, inputs: Tensor, gates: Tensor) -> Tensor:
        one_hot = torch.nn.functional.one_hot(gates, self.strands).to(inputs)
        hidden: Tensor = self.up(torch.cat([inputs, one_hot], dim=1))
        return hidden


def noisy(jacobians: Tensor, level: float, rng: Rng) -> Tensor:
    """With isotropic noise of ``level`` times the root mean square norm, in all directions together."""
    n, c, d = jacobians.shape
    scale = level * float(jacobians.square().sum(dim=(1, 2)).mean().sqrt()) / (c * d) ** 0.5
    blurred: Tensor = jacobians + scale * torch.randn(n, c, d, dtype=jacobians.dtype, generator=rng.torch())
    return blurred
