"""Mean negative log-likelihood."""

from __future__ import annotations

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.loss import known
from gnomon.estimators.loss.mean_loss import MeanOverPredictions
from gnomon.measurement import Quantity, Unit

NLL = Quantity(
    name="nll",
    symbol=r"\mathcal{L}",
    unit=Unit.parse("nat/prediction"),
    definition=r"\mathcal{L} = -\mathbb{E}\,\log p(y \mid x)",
    convention=(
        "Evaluation mode; natural logarithm; a prediction is a predicted token for token losses and an example "
        "otherwise; every prediction weighs the same."
    ),
    source="Shannon, Bell System Technical Journal 27 (1948) 379",
    invariances=("logit_shift", "example_permutation"),
    lowest=0.0,
)


@register
class NegativeLogLikelihood(MeanOverPredictions):
    r"""Mean negative log-likelihood of what was observed, in nats per prediction.

    :math:`\hat{\mathcal L} = \sum_c s_c / \sum_c m_c`, where cluster :math:`c` (a sequence with all that depends on
    it) holds :math:`m_c` predictions whose losses sum to :math:`s_c`. The interval is robust to any dependence
    inside a cluster (`gnomon.measurement.cluster_mean`) and covers the data. Cost: one forward pass, shared.

    Source: Shannon (1948); cluster-robust error as in Miller, arXiv:2411.00640.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, CrossEntropy, Subject
    >>> subject = Subject(torch.nn.Identity(), loss=CrossEntropy())
    >>> data = ArrayData(torch.zeros(10, 4), torch.arange(10) % 4)
    >>> (m,) = NegativeLogLikelihood().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> round(m.value, 4), str(m.unit)
    (1.3863, 'nat/prediction')
    """

    name = "nll"
    quantities = (NLL,)
    needs = frozenset({"predictions", "probabilities"})
    column = "losses"

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Softmax subjects whose labels are drawn from known probabilities, and a Markov chain."""
        return (
            KnownAnswer(name="softmax, labels drawn from it", quantity="nll", make=known.softmax_nll),
            KnownAnswer(name="tempered softmax", quantity="nll", make=known.tempered_nll),
            KnownAnswer(name="Markov chain, its own model", quantity="nll", make=known.chain_nll),
            KnownAnswer(name="clusters of copies", quantity="nll", make=known.copies_nll),
        )
