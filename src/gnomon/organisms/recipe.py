"""What every recipe for modular arithmetic has in common: the pairs, the split, the optimiser."""

from __future__ import annotations

import abc
from typing import Annotated, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ModelWrapValidatorHandler, model_validator
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.organisms.residues import Residues
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Data, Loss, Site, Subject
from gnomon.subjects.symmetry import Symmetry

Modulus = Annotated[int, Field(ge=2, le=211)]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Recipe(Spec, abc.ABC):
    r"""A network that learns to add or to multiply modulo p, and how it is trained: full batch, AdamW.

    The numbers are n symbols, the residues in ascending order: all p of them where they are added, the p − 1 that are
    not zero where they are multiplied (see `gnomon.organisms.residues`). A subclass adds its ``kind``, its sizes, and
    what is abstract here; `train` and `Organism` need nothing else.
    """

    p: Modulus
    train_share: Share
    seed: int = Field(default=0, ge=0)
    init_scale: Positive
    steps: Count
    learning_rate: Positive
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = Field(default=1.0, ge=0)

    @model_validator(mode="wrap")
    @classmethod
    def _possible(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        spec: Self = handler(values)
        if not all(0 <= beta < 1 for beta in spec.betas):
            raise GnomonError(f"bad {cls.__name__}: betas {spec.betas} are not in [0, 1)", mend="mend the field")
        if not 0 < spec.train_size < spec.symbols**2:
            raise GnomonError(
                f"bad {cls.__name__}: train_share {spec.train_share} of {spec.symbols**2} pairs leaves a split empty",
                mend="choose a share nearer to 0.5",
            )
        return spec

    @property
    def symbols(self) -> int:
        """Number n of symbols that an operand or an answer may be."""
        return self.residues.order

    @property
    def train_size(self) -> int:
        """Number of training pairs."""
        return round(self.train_share * self.symbols**2)

    def train_pairs(self) -> NDArray[np.int64]:
        """Indices a·n + b of the training pairs of symbols, ascending; the others are the test pairs."""
        order = torch.randperm(self.symbols**2, generator=Rng(self.seed).child("pairs").torch())
        return np.sort(order[: self.train_size].numpy())

    def data(self, train_pairs: NDArray[np.int64] | None = None) -> tuple[ArrayData, ArrayData]:
        """Training and test examples: the pair of symbols as `encode` writes it, and the symbol of the answer."""
        indices = np.arange(self.symbols**2)
        train = self.train_pairs() if train_pairs is None else train_pairs
        return self._examples(train, "train"), self._examples(np.setdiff1d(indices, train), "test")

    def _examples(self, indices: NDArray[np.int64], split: str) -> ArrayData:
        a, b = np.divmod(indices, self.symbols)
        inputs, answers = self.encode(torch.from_numpy(a), torch.from_numpy(b)), self.residues.compose(a, b)
        return ArrayData(inputs, torch.from_numpy(answers), description=f"{split} pairs of {self.residues.name}")

    def pairs(self, data: ArrayData) -> NDArray[np.int64]:
        """Indices a·n + b of the examples of ``data``: what `data` was given."""
        batch, symbol = data.batch(range(len(data))), np.array(self.residues.elements)
        a, b = (symbol[operand.read(batch).numpy()] for operand in self.symmetry().operands)
        return np.asarray(a * self.symbols + b)

    def subject(self, module: nn.Module, data: Data) -> Subject:
        """``module``, a network of this recipe, as a subject with its loss, its sites and its symmetry."""
        return Subject(
            module,
            loss=self.loss(),
            data=data,
            sites=self.sites(),
            name=self.residues.name,
            symmetry=self.symmetry(),
        )

    @property
    @abc.abstractmethod
    def residues(self) -> Residues:
        """The numbers and what is done with them."""

    @abc.abstractmethod
    def encode(self, a: Tensor, b: Tensor) -> Tensor:
        """Inputs of the network for the pairs of symbols (a, b), one a row."""

    @abc.abstractmethod
    def network(self) -> nn.Sequential:
        """The network before training, on the CPU, drawn from the recipe's seed only."""

    @abc.abstractmethod
    def loss(self) -> Loss:
        """What is minimised, as the subject's loss."""

    @abc.abstractmethod
    def objective(self, output: Tensor, classes: Tensor) -> Tensor:
        """What is minimised: the mean of `loss` over the rows of ``output``."""

    @abc.abstractmethod
    def sites(self) -> tuple[Site, ...]:
        """Places of the network, by name."""

    @abc.abstractmethod
    def symmetry(self) -> Symmetry:
        """Where the network has the elements of the group of residues: its two operands, and its answers."""
