"""The test error of a wide network that was trained by gradient descent, from its kernels at infinite width."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.randomness import Rng
from gnomon.theory.infinite_width import Activation, Array, FullyConnected
from gnomon.theory.registry import register
from gnomon.theory.tangent_regression import TangentFlow
from gnomon.theory.theory import Theory

SOURCE = "Jacot, Gabriel & Hongler, arXiv:1806.07572; Lee et al., arXiv:1902.06720"

TEST_ERROR = Quantity(
    name="trained_network_error",
    symbol=r"\mathbb{E}_{\theta_0} E_\mathrm{test}",
    definition=r"\mathbb{E}_{\theta_0} \frac{1}{mc} \sum_{j=1}^m \lVert f_t(z_j) - y_j \rVert^2",
    convention="mean over m test inputs, c outputs and random starts; the examples are given; "
    r"gradient flow for a time t on \frac{1}{2n}\sum_i \lVert f(x_i) - y_i \rVert^2",
    source=SOURCE,
    lowest=0.0,
)


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class WideNetwork(Theory):
    r"""Mean squared test error over random starts, :math:`\mathbb{E}\,(f_t(z) - y)^2`, of a network in `TangentFlow`.

    What finite width adds is of order 1/N. The kernel at the start differs from its limit by :math:`\sqrt{n/N}` in
    operator norm, which enters the error squared, and training moves the parameters, of variance 1 each, by
    :math:`\lVert \Delta\theta \rVert^2` in all, spread over N units; hence the relative bound
    :math:`(n + \lVert \Delta\theta \rVert^2)/N`. It is a scale that was seen to hold in simulations, not a theorem.

    Parameters
    ----------
    train_inputs, train_targets : training examples, ``(n, d)`` and ``(n, outputs)``.
    test_inputs, test_targets : ``(m, d)`` and ``(m, outputs)``.
    width : N, of every hidden layer; needed to know whether it is wide enough.
    hidden, activation, weight_variance, bias_variance : as `FullyConnected`, in the NTK parametrisation.
    time : t; ``None``: until the examples are fitted. s steps at a rate η, at most half the critical one, are
        :math:`t = s \eta`.
    start_subtracted : whether :math:`f_t - f_0` is what predicts.

    >>> wide, = WideNetwork.examples()["inside"]
    >>> found = wide.predict()
    >>> round(found.value, 3), round(found.uncertainty.systematic, 3)
    (0.414, 0.021)
    """

    name: ClassVar[str] = "wide_network"
    title: ClassVar[str] = "Test error of a wide network"
    domain: ClassVar[str] = (
        "(n + squared movement of the parameters)/N is at most 1/4 and bounds the relative error; at most N/20 hidden "
        "layers; full-batch gradient descent in the NTK parametrisation"
    )
    source: ClassVar[str] = SOURCE
    predicts: ClassVar[Quantity] = TEST_ERROR

    train_inputs: Array
    train_targets: Array
    test_inputs: Array
    test_targets: Array
    width: int
    hidden: int = 1
    activation: Activation = "relu"
    weight_variance: float = 2.0
    bias_variance: float = 0.0
    time: float | None = None
    start_subtracted: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise GnomonError(f"a width of {self.width} is not positive")
        if self.test_inputs.ndim != 2 or self.train_inputs.ndim != 2:
            raise GnomonError("inputs are not two matrices", mend="give a row an example")
        if self.test_targets.shape != (len(self.test_inputs), *self.train_targets.shape[1:]):
            raise GnomonError(
                f"test targets {self.test_targets.shape} do not fit {len(self.test_inputs)} test inputs and targets "
                f"{self.train_targets.shape}"
            )
        self.flow.movement(self._time)  # refuses what has no meaning

    @functools.cached_property
    def flow(self) -> TangentFlow:
        """The flow that it takes the prediction from; its critical rate bounds that of gradient descent."""
        network = FullyConnected(
            hidden=self.hidden,
            activation=self.activation,
            weight_variance=self.weight_variance,
            bias_variance=self.bias_variance,
        )
        return TangentFlow.of(
            network, self.train_inputs, self.train_targets, self.test_inputs, start_subtracted=self.start_subtracted
        )

    def value(self) -> float:
        """See the class."""
        return self.flow.at(self._time).squared_error(self.test_targets)

    def outside(self) -> tuple[str, ...]:
        """Too narrow, too deep, or examples that cannot be told apart."""
        reasons = []
        if self._departure() > 0.25:
            reasons.append(
                f"a width of {self.width} is small for {len(self.train_targets)} examples and a squared movement of "
                f"{self.flow.movement(self._time):.3g}"
            )
        if 20 * self.hidden > self.width:
            reasons.append(f"{self.hidden} hidden layers are deep for a width of {self.width}")
        if self.time is None and self.flow.condition > 1e10:
            reasons.append("examples that the tangent kernel cannot tell apart are never fitted")
        return tuple(reasons)

    def systematic(self) -> float:
        r""":math:`(n + \lVert \Delta\theta \rVert^2)/N` of the value; see the class."""
        return self._departure() * self.value()

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """Twenty points of a product of two coordinates, at a width that is enough and at one that is not."""
        x = Rng(0).child("wide_network").numpy().standard_normal((40, 4))
        y = x[:, :1] * x[:, 1:2]
        wide, narrow = (
            cls(train_inputs=x[:20], train_targets=y[:20], test_inputs=x[20:], test_targets=y[20:], width=width)
            for width in (512, 16)
        )
        return {"inside": [wide], "outside": [narrow]}

    @property
    def _time(self) -> float:
        return math.inf if self.time is None else self.time

    def _departure(self) -> float:
        return (len(self.train_targets) + self.flow.movement(self._time)) / self.width
