"""Perplexity."""

from __future__ import annotations

import numpy as np

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.loss import known
from gnomon.estimators.loss.mean_loss import MeanOverPredictions
from gnomon.measurement import Quantity, Uncertainty

PERPLEXITY = Quantity(
    name="perplexity",
    symbol=r"\mathrm{PPL}",
    definition=r"\mathrm{PPL} = \exp\bigl(-\mathbb{E}\,\log p(y \mid x)\bigr)",
    convention="Exponential of the quantity nll, with its conventions: per predicted token, or per example.",
    source="Jelinek, Mercer, Bahl & Baker, Journal of the Acoustical Society of America 62 (1977) S63",
    invariances=("logit_shift", "example_permutation"),
    lowest=1.0,
)


@register
class Perplexity(MeanOverPredictions):
    r"""Exponential of the mean negative log-likelihood, :math:`\mathrm{PPL} = e^{\mathcal L}`.

    The interval's ends are the exponentials of those of the mean negative log-likelihood, which keeps its coverage
    exactly. Cost: one forward pass, shared.

    Source: Jelinek et al. (1977); cluster-robust error as in Miller, arXiv:2411.00640.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, CrossEntropy, Subject
    >>> subject = Subject(torch.nn.Identity(), loss=CrossEntropy())
    >>> data = ArrayData(torch.zeros(10, 4), torch.arange(10) % 4)
    >>> (m,) = Perplexity().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> round(m.value, 4)
    4.0
    """

    name = "perplexity"
    quantities = (PERPLEXITY,)
    needs = frozenset({"predictions", "probabilities"})
    column = "losses"

    def transformed(self, mean: float, uncertainty: Uncertainty) -> tuple[float, Uncertainty]:
        """The exponential of the mean and of the interval's ends."""
        ends = np.array([uncertainty.low, uncertainty.high], dtype=np.float64)
        low, high = np.exp(np.minimum(ends, 700.0))
        return float(np.exp(mean)), Uncertainty.interval(
            float(low),
            float(high),
            covers=uncertainty.covers,
            effective_samples=uncertainty.effective_samples,
            systematic=0.0,
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """A softmax whose labels are drawn from it, and a Markov chain."""
        return (
            KnownAnswer(name="softmax, labels drawn from it", quantity="perplexity", make=known.softmax_perplexity),
            KnownAnswer(name="Markov chain, its own model", quantity="perplexity", make=known.chain_perplexity),
        )
