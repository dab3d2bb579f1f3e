"""Mean squared error."""

from __future__ import annotations

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.loss import known
from gnomon.estimators.loss.mean_loss import MeanOverPredictions
from gnomon.measurement import Quantity, Unit
from gnomon.subjects import Data, SquaredError, Subject

SQUARED_ERROR = Quantity(
    name="squared_error",
    symbol=r"\mathrm{MSE}",
    unit=Unit.parse("output^2"),
    definition=r"\mathrm{MSE} = \mathbb{E}\,\tfrac{1}{m}\lVert f(x) - y \rVert^2",
    convention="Mean over the m outputs and over examples; class targets are compared as one-hot vectors.",
    source="Gauss, Theoria combinationis observationum erroribus minimis obnoxiae (1823)",
    invariances=("example_permutation",),
    lowest=0.0,
)


@register
class MeanSquaredError(MeanOverPredictions):
    r"""Mean squared difference of outputs and targets, :math:`\mathbb E \lVert f(x) - y\rVert^2 / m`.

    Cluster-robust error, covers the data. Cost: one forward pass, shared.

    Source: Gauss (1823); cluster-robust error as in Liang & Zeger, Biometrika 73 (1986) 13.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> subject = Subject(torch.nn.Identity(), loss=SquaredError())
    >>> data = ArrayData(torch.zeros(10, 1), torch.full((10, 1), 2.0))
    >>> (m,) = MeanSquaredError().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.value
    4.0
    """

    name = "squared_error"
    quantities = (SQUARED_ERROR,)
    needs = frozenset({"predictions"})
    column = "losses"

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`: only the squared-error loss has one."""
        reason = super().inapplicable(subject, data)
        if not reason and not isinstance(subject.loss, SquaredError):
            assert subject.loss is not None
            return f"the loss of {subject.name} is {subject.loss.name}"
        return reason

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Targets with Gaussian noise of known variance; groups that share their noise; classes of known rates."""
        return (
            KnownAnswer(name="Gaussian noise", quantity="squared_error", make=known.noisy_targets),
            KnownAnswer(name="noise shared in groups", quantity="squared_error", make=known.grouped_noise),
            KnownAnswer(name="class targets", quantity="squared_error", make=known.one_hot_error),
        )
