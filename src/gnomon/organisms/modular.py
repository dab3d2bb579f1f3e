"""Modular addition: all of its p² examples are known, and so is what a network that understands them does."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.measurement import hash_json
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Data, Site, SquaredError, Subject
from gnomon.subjects.symmetry import Cyclic, ElementWeights, OneHot, Symmetry

_SITES = (Site("embed", "embed"), Site("blocks.0", "square"), Site("logits", ""))


class ModularAddition(BaseModel):
    r"""Recipe of a network that learns :math:`a + b \;\mathrm{mod}\; p`; the same recipe gives the same organism.

    The network is :math:`f(a, b) = W_2\,(W_1 [e_a; e_b])^{\odot 2}` on one-hot inputs, without biases, entries of
    both matrices drawn from :math:`N(0, \sigma^2)` with :math:`\sigma = s / (2N)^{1/3}` for width :math:`N`. It is
    trained on the full batch by AdamW on the mean squared error to one-hot targets. With the defaults it fits its
    training pairs within some 20 steps and generalises some 300 steps later; without weight decay it never does.

    Parameters
    ----------
    p : modulus, 2 to 211 (all pairs are held in memory, 8 p³ bytes).
    train_share : share of the p² pairs (a, b) that it is trained on.
    seed : which pairs those are, and the initial weights.
    width : number N of hidden units.
    init_scale : the s above.
    steps : training steps.
    learning_rate, betas, weight_decay : AdamW.

    Raises
    ------
    GnomonError : one line that names each bad field.

    Source: Gromov, arXiv:2301.02679 (quadratic network, its analytic solution); Power et al., arXiv:2201.02177
    (grokking).

    >>> ModularAddition(p=5).data()[0].inputs.shape
    torch.Size([15, 10])
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["modular_addition"] = "modular_addition"
    p: int = Field(default=23, ge=2, le=211)
    train_share: float = Field(default=0.6, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    width: int = Field(default=256, ge=1)
    init_scale: float = Field(default=0.5, gt=0)
    steps: int = Field(default=600, ge=1)
    learning_rate: float = Field(default=5e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = Field(default=1.0, ge=0)

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: ModelWrapValidatorHandler[ModularAddition]) -> ModularAddition:
        try:
            spec = handler(values)
        except ValidationError as error:
            faults = (
                f"{'.'.join(map(str, e['loc'])) or 'spec'}: {e['msg']} (got {e['input']!r})" for e in error.errors()
            )
            raise GnomonError(f"bad {cls.__name__}: {'; '.join(faults)}", mend="mend the field") from None
        if not all(0 <= beta < 1 for beta in spec.betas):
            raise GnomonError(f"bad {cls.__name__}: betas {spec.betas} are not in [0, 1)", mend="mend the field")
        if not 0 < spec.train_size < spec.p**2:
            raise GnomonError(
                f"bad {cls.__name__}: train_share {spec.train_share} of {spec.p**2} pairs leaves a split empty",
                mend="choose a share nearer to 0.5",
            )
        return spec

    @property
    def hash(self) -> str:
        """SHA-256 of the recipe's canonical JSON."""
        return hash_json(self.model_dump(mode="json"))

    @property
    def train_size(self) -> int:
        """Number of training pairs."""
        return round(self.train_share * self.p**2)

    def train_pairs(self) -> NDArray[np.int64]:
        """Indices a·p + b of the training pairs, ascending; the others are the test pairs."""
        order = torch.randperm(self.p**2, generator=Rng(self.seed).child("pairs").torch())
        return np.sort(order[: self.train_size].numpy())

    def data(self, train_pairs: NDArray[np.int64] | None = None) -> tuple[ArrayData, ArrayData]:
        """Training and test examples: ``[e_a; e_b]`` of shape ``(n, 2p)`` and the class a + b mod p."""
        indices = np.arange(self.p**2)
        train = self.train_pairs() if train_pairs is None else train_pairs
        return self._examples(train, "train"), self._examples(np.setdiff1d(indices, train), "test")

    def _examples(self, indices: NDArray[np.int64], split: str) -> ArrayData:
        a, b = (torch.from_numpy(i) for i in np.divmod(indices, self.p))
        one_hot = torch.eye(self.p)
        return ArrayData(
            torch.cat([one_hot[a], one_hot[b]], dim=1),
            (a + b) % self.p,
            description=f"{split} pairs of addition mod {self.p}",
        )

    def network(self) -> nn.Sequential:
        """The network before training, on the CPU."""
        generator = Rng(self.seed).child("weights").torch()
        std = self.init_scale / (2 * self.width) ** (1 / 3)
        parts = OrderedDict(
            embed=_linear(2 * self.p, self.width, std, generator),
            square=Square(),
            unembed=_linear(self.width, self.p, std, generator),
        )
        return nn.Sequential(parts)

    def subject(self, module: nn.Module, data: Data) -> Subject:
        """``module``, a network of this recipe, as a subject: sites ``embed``, ``blocks.0`` and ``logits``."""
        name = f"addition mod {self.p}"
        return Subject(module, loss=SquaredError(), data=data, sites=_SITES, name=name, symmetry=self.symmetry())

    def symmetry(self) -> Symmetry:
        """Where the network has the integers modulo p: its two operands, and its answers."""
        first, second = tuple(range(self.p)), tuple(range(self.p, 2 * self.p))
        return Symmetry(
            group=Cyclic(self.p),
            weights=(
                ElementWeights("embed.weight", "inputs", first, "a"),
                ElementWeights("embed.weight", "inputs", second, "b"),
                ElementWeights("unembed.weight", "outputs", first, "answer"),
            ),
            operands=(OneHot(0, self.p), OneHot(self.p, self.p)),
        )


class Square(nn.Module):
    """The elementwise square, as an activation function."""

    def forward(self, x: Tensor) -> Tensor:
        """The square of every entry of ``x``."""
        return x.square()


def _linear(inputs: int, outputs: int, std: float, generator: torch.Generator) -> nn.Linear:
    # skip_init: the default initialisation would draw from the global generator
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=False)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.normal_(0.0, std, generator=generator)
    return layer
