"""Kernel, ridge, powers and number of rounds of a recursive feature machine, by validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernel_machine import KernelMachine
from gnomon.structure.kernels import Kernel
from gnomon.structure.recursive_feature_machine import (
    RecursiveFeatureMachine,
    Round,
    learned_metric,
    mean_squared_error,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """What validation chose, and the machine that it makes of all examples.

    Parameters
    ----------
    recipe : with the kernel, ridge, powers and rounds chosen.
    machine : fitted by ``recipe`` to the examples and the validation examples together.
    validation_error : mean squared error of the recipe on the validation examples before they were fitted; as it was
        minimised, it is optimistic.
    """

    recipe: RecursiveFeatureMachine
    machine: KernelMachine
    validation_error: float


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What is tried.

    First, on ``rows`` examples drawn at random, every kernel with the middle ridge, then every ridge with the best
    kernel, each by its best round. Then, on all examples but those for validation, round by round every power, of
    which the best is kept; then the number of rounds. The recipe so found is run again on everything.

    Parameters
    ----------
    kernels : candidates.
    ridges : candidates, in rising order.
    powers : candidates; the first is that of the search on ``rows`` examples.
    rounds : at most.
    share : of the examples, drawn at random, that are kept for validation.
    rows : examples of the first search at most.

    Source of the greedy powers and of best-round selection: this package; without them it is the algorithm of
    Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881.
    """

    kernels: Sequence[Kernel]
    ridges: Sequence[float]
    powers: Sequence[float] = (1.0, 3.0)
    rounds: int = 8
    share: float = 0.2
    rows: int = 2000

    def __post_init__(self) -> None:
        if not (self.kernels and self.ridges and self.powers):
            raise GnomonError("there is no candidate", mend="give at least one kernel, ridge and power")
        if not 0 < self.share < 1:
            raise GnomonError(f"share {self.share} is not between 0 and 1")

    def run(self, inputs: Tensor, targets: Tensor, base: RecursiveFeatureMachine, *, rng: Rng) -> Tuned:
        """Choose, and fit.

        Parameters
        ----------
        inputs, targets : as for `RecursiveFeatureMachine.fit`; at least three examples.
        base : gives what is not tuned.
        rng : splits, draws rows.

        Raises
        ------
        GnomonError : with fewer than three examples, where the share leaves none to fit, and as
            `RecursiveFeatureMachine.fit` does.
        """
        n = len(inputs)
        if n < 3:
            raise GnomonError(f"{n} examples are too few to keep some for validation", mend="give at least 3")
        order = torch.randperm(n, generator=rng.child("validation").torch()).to(inputs.device)
        count = max(1, round(self.share * n))
        if count == n:
            raise GnomonError(
                f"a share of {self.share} leaves none of {n} examples to fit", mend="give a smaller share"
            )
        kept, rest = order[:count], order[count:]
        examples, validation = (inputs[rest], targets[rest]), (inputs[kept], targets[kept])
        few = tuple(values[: self.rows] for values in examples)
        middle = self.ridges[len(self.ridges) // 2]
        kernel, ridge, errors = self.kernels[0], self.ridges[0], dict[float, float]()
        if len(self.kernels) > 1:
            tried = [
                (self._least(replace(base, kernel=one, ridge=middle), few, validation), one) for one in self.kernels
            ]
            errors[middle], kernel = min(tried, key=lambda pair: pair[0])
        plain = replace(base, kernel=kernel)
        if len(self.ridges) > 1:
            for one in self.ridges:
                if one not in errors:
                    errors[one] = self._least(replace(plain, ridge=one), few, validation)
            ridge = min(self.ridges, key=lambda one: errors[one])
        schedule, error = self._schedule(replace(plain, ridge=ridge), examples, validation, rng)
        recipe = replace(base, kernel=kernel, ridge=ridge, rounds=len(schedule), power=schedule)
        return Tuned(recipe=recipe, machine=recipe.fit(inputs, targets, rng=rng), validation_error=error)

    def _least(
        self, recipe: RecursiveFeatureMachine, examples: tuple[Tensor, ...], validation: tuple[Tensor, Tensor]
    ) -> float:
        """The least validation error over rounds; infinite where the system cannot be solved."""
        recipe = replace(recipe, rounds=min(self.rounds, 4), power=self.powers[0])
        least = math.inf
        try:
            for one in recipe.iterate(*examples):
                least = min(least, mean_squared_error(one.machine, *validation))
        except GnomonError:
            return least
        return least

    def _schedule(
        self,
        recipe: RecursiveFeatureMachine,
        examples: tuple[Tensor, Tensor],
        validation: tuple[Tensor, Tensor],
        rng: Rng,
    ) -> tuple[tuple[float, ...], float]:
        """Powers up to the best round, and its validation error."""

        def tried(metric: Tensor, number: int) -> tuple[float, Round]:
            one = recipe.round(*examples, metric, number, rng=rng)
            return mean_squared_error(one.machine, *validation), one

        error, one = tried(torch.eye(examples[0].shape[1]).to(examples[0]), 0)
        taken: list[float] = []
        best: tuple[tuple[float, ...], float] = ((), error)
        for number in range(1, self.rounds + 1):
            try:
                agop = one.agop
                rivals = [(*tried(learned_metric(agop, power), number), power) for power in self.powers]
            except GnomonError:
                break  # a predictor that does not depend on its inputs, or a singular system: there is no next round
            error, one, power = min(rivals, key=lambda rival: rival[0])
            taken.append(power)
            if error < best[1]:
                best = (tuple(taken), error)
            elif error > 1.1 * best[1]:
                break
        return best
