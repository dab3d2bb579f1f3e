"""Predictive entropy: how unsure a network says it is."""

from __future__ import annotations

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.loss import known
from gnomon.estimators.loss.mean_loss import MeanOverPredictions
from gnomon.measurement import Quantity, Unit

PREDICTIVE_ENTROPY = Quantity(
    name="predictive_entropy",
    symbol=r"H_p",
    unit=Unit.parse("nat/prediction"),
    definition=r"H_p = \mathbb{E}\Bigl[-\sum_k p(k \mid x) \log p(k \mid x)\Bigr]",
    convention="Evaluation mode; natural logarithm; per predicted token, or per example. Needs no knowledge of labels.",
    source="Shannon, Bell System Technical Journal 27 (1948) 379",
    invariances=("logit_shift", "example_permutation"),
    lowest=0.0,
)


@register
class PredictiveEntropy(MeanOverPredictions):
    r"""Mean entropy of the predicted distribution, :math:`H_p = -\mathbb E \sum_k p_k \log p_k`.

    It equals the mean negative log-likelihood for a calibrated model, and is below it for an over-confident one.
    Cluster-robust error, covers the data. Cost: one forward pass, shared.

    Source: Shannon (1948); cluster-robust error as in Miller, arXiv:2411.00640.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, CrossEntropy, Subject
    >>> subject = Subject(torch.nn.Identity(), loss=CrossEntropy())
    >>> data = ArrayData(torch.zeros(10, 4), torch.arange(10) % 4)
    >>> (m,) = PredictiveEntropy().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> round(m.value, 4)
    1.3863
    """

    name = "predictive_entropy"
    quantities = (PREDICTIVE_ENTROPY,)
    needs = frozenset({"predictions", "probabilities"})
    column = "entropies"

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Softmax subjects over contexts of known frequency."""
        return (
            KnownAnswer(name="softmax", quantity="predictive_entropy", make=known.softmax_entropy),
            KnownAnswer(name="Markov chain", quantity="predictive_entropy", make=known.chain_entropy),
        )
