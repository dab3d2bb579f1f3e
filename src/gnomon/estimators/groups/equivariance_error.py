"""Equivariance error: how far the output is from moving along when the input is moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, register
from gnomon.estimators.groups import known
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng, hashed
from gnomon.subjects import Batch, Data, Reads, Subject
from gnomon.subjects.accumulate import positions_within
from gnomon.subjects.symmetry import Action

EQUIVARIANCE_ERROR = Quantity(
    name="equivariance_error",
    symbol=r"\epsilon_G",
    definition=r"\epsilon_G^2 = \frac{\mathrm{E}\|f(g x) - \rho(g) f(x)\|^2}"
    r"{\frac{1}{2}\mathrm{E}\bigl[\|f(g x)\|^2 + \|f(x)\|^2\bigr]}",
    convention="Of the network's output, in eval mode; over the examples x and over g uniform in the whole group, the "
    "identity included. 0 where the network is equivariant; the root of 2 where f(gx) and ρ(g)f(x) are uncorrelated.",
    source="Kondor & Trivedi, arXiv:1802.03690 (equivariance); Finzi, Welling & Wilson, arXiv:2104.09459 (its error)",
    invariances=("example_permutation",),
    lowest=0.0,
    highest=2.0,
)

_FEWEST = 8  # clusters below which the jackknife's interval is not to be trusted
_ROUNDING = 64.0  # in units of the output's machine precision
_LEVEL = 0.95


@register
class EquivarianceError(Estimator):
    r"""Error of :math:`f(gx) = \rho(g)f(x)`, relative to the output's size.

    :math:`\epsilon_G^2 = \mathrm{E}\|f(gx) - \rho(g)f(x)\|^2 / \tfrac{1}{2}\mathrm{E}[\|f(gx)\|^2 + \|f(x)\|^2]` for a
    group that acts on the inputs and, by :math:`\rho`, on the outputs. Each example is moved by a few random elements
    (by all of them where there are no more); the numerator and the denominator are means over the same examples. What
    is compared is of like size on both sides even where the examples are of another kind than what they are moved to.

    The interval (95 %, a jackknife over clusters of examples, Student's t) covers the choice of examples and of
    elements. The systematic part is an allowance of 64 units in the last place for the rounding of the network itself.
    Fewer than 8 clusters, or outputs that are all zero, are ``insufficient``. Dimensionless.

    What acts is what the subject declares (`Subject.symmetry`): for a network that composes elements, a on the left
    and b on the right, :math:`(ga)(bh) = g(ab)h`; or any `gnomon.subjects.symmetry.Action`.

    Parameters
    ----------
    action : in place of the subject's own.
    elements : random elements for each example.
    examples : at most so many are used.

    Cost: ``1 + elements`` forward passes an example.

    Source: Finzi, Welling & Wilson, arXiv:2104.09459; Efron, The Jackknife (1982).

    >>> from gnomon.subjects import ArrayData
    >>> from gnomon.subjects.symmetry import Cyclic, Permutations, Symmetry
    >>> mirror = Permutations(np.array([[0, 1, 2], [2, 1, 0]]), np.array([[0, 1, 2], [2, 1, 0]]))
    >>> subject = Subject(torch.nn.ReLU(), symmetry=Symmetry(group=Cyclic(2), action=mirror))
    >>> data = ArrayData(np.random.default_rng(0).normal(size=(50, 3)))
    >>> [m] = EquivarianceError().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.value
    0.0
    """

    name = "equivariance_error"
    quantities = (EQUIVARIANCE_ERROR,)
    needs = frozenset({"activations"})
    rate = -0.5

    def __init__(self, *, action: Action | None = None, elements: int = 4, examples: int = 512) -> None:
        if elements < 1 or examples < 1:
            raise GnomonError("elements and examples are counts", mend="give at least 1")
        self.action = action
        self.elements = elements
        self.examples = examples

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`."""
        if self._acting(subject) is None:
            return f"{subject.name} declares nothing that it should be equivariant under"
        return super().inapplicable(subject, data)

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        del sites
        action = self._acting(subject)
        if data is None or action is None:
            return Cost()
        n = self._examples(data, budget)
        return Cost(forward_passes=float(n * (1 + self._moves(action))), peak_bytes=16 * n)

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`. Raises GnomonError when there is no action, or the data is not what it acts on."""
        del sites
        action = self._acting(subject)
        if data is None or action is None:
            raise GnomonError(self.inapplicable(subject, data), mend="declare a symmetry, and give data")
        data = data.sample(self._examples(data, budget), rng)
        clusters = np.unique(data.clusters, return_inverse=True)[1]
        if clusters.max() + 1 < _FEWEST:
            reason = f"{clusters.max() + 1} independent examples do not show how far their mean may be off"
            return [
                Measurement.insufficient(
                    EQUIVARIANCE_ERROR, reason, suffices={"examples": _FEWEST}, estimator=self.name
                )
            ]
        errors, sizes, precision = self._passed(subject, action, data, budget, rng)
        if not (np.isfinite(errors).all() and np.isfinite(sizes).all()):
            raise GnomonError("the output is NaN or infinite", mend="check the weights, the data or the precision")
        summed = [np.asarray(np.bincount(clusters, of_each), np.float64) for of_each in (errors, sizes)]
        return [self._reading(summed[0], summed[1], precision)]

    def _acting(self, subject: Subject) -> Action | None:
        declared = None if subject.symmetry is None else subject.symmetry.action
        return declared if self.action is None else self.action

    def _examples(self, data: Data, budget: Budget) -> int:
        return min(len(data), self.examples, budget.examples or len(data))

    def _moves(self, action: Action) -> int:
        return min(self.elements, action.order)

    def _passed(
        self, subject: Subject, action: Action, data: Data, budget: Budget, rng: Rng
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Mean squared error and mean squared size of each example's outputs, and their machine precision."""
        errors, sizes, precision = np.zeros(len(data)), np.zeros(len(data)), 0.0
        with subject.evaluating(), torch.no_grad():
            for batch in data.batches(max_positions=positions_within(subject, data, Reads(), budget.bytes)):
                batch = batch.to(subject.device)
                rows = batch.examples.numpy()
                output = subject.output(batch)
                precision = float(torch.finfo(output.dtype).eps)
                sizes[rows] = _squares(action.compared(output)) / 2
                for chosen in self._chosen(action, batch, rng):
                    moved = action.compared(subject.output(action.on_inputs(batch, chosen).to(subject.device)))
                    expected = action.compared(action.on_outputs(output, chosen))
                    errors[rows] += _squares(moved - expected) / self._moves(action)
                    sizes[rows] += _squares(moved) / 2 / self._moves(action)
        return errors, sizes, precision

    def _chosen(self, action: Action, batch: Batch, rng: Rng) -> Iterator[Tensor]:
        """The elements that move each example: all there are, or random ones that do not depend on the batching."""
        key = rng.child("elements").key
        for move in range(self._moves(action)):
            if action.order <= self.elements:
                yield torch.full((len(batch),), move)
            else:
                drawn = hashed(key, batch.examples.numpy(), np.array(move)) % np.uint64(action.order)
                yield torch.from_numpy(drawn.astype(np.int64))

    def _reading(self, errors: NDArray[np.float64], sizes: NDArray[np.float64], precision: float) -> Measurement:
        """From the sums over each cluster."""
        if not sizes.sum() > 0:
            return Measurement.insufficient(EQUIVARIANCE_ERROR, "the output is zero", estimator=self.name)
        value = min(2.0, float(np.sqrt(errors.sum() / sizes.sum())))
        n = len(errors)
        without = np.sqrt(np.maximum(errors.sum() - errors, 0) / np.maximum(sizes.sum() - sizes, np.finfo(float).tiny))
        spread = float(np.sqrt((n - 1) / n * np.square(without - without.mean()).sum()))
        symmetric = Uncertainty.stderr(value, spread, covers={"data"}, level=_LEVEL, degrees_of_freedom=n - 1)
        uncertainty = Uncertainty.interval(
            max(0.0, float(np.asarray(symmetric.low))),
            float(np.asarray(symmetric.high)),
            covers={"data", "probe"},
            level=_LEVEL,
            effective_samples=float(n),
            systematic=_ROUNDING * precision,
            systematic_source="rounding of the forward pass",
        )
        return Measurement.ok(EQUIVARIANCE_ERROR, value, uncertainty, estimator=self.name)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Networks that compose by representations, and the same with a bias that no group element leaves alone."""
        name = "equivariance_error"
        return (
            KnownAnswer(name="exact composition in S₃", quantity=name, make=known.equivariant_s3),
            KnownAnswer(name="composition in S₃ with a bias", quantity=name, make=known.biased_s3),
            KnownAnswer(name="addition modulo 23 with a bias", quantity=name, make=known.biased_c23),
        )


def _squares(values: Tensor) -> NDArray[np.float64]:
    """Squared norm of each example's values."""
    return np.asarray(values.cpu().double().square().flatten(1).sum(dim=1).numpy())
