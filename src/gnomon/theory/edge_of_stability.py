r"""The edge of stability: the sharpness at which gradient descent on a network settles.

The sharpness is the largest eigenvalue of the Hessian of the loss. On a quadratic, descent with momentum β diverges
where it exceeds :math:`(2 + 2\beta)/\eta` (`gnomon.theory.gradient_descent`). Of a network the sharpness rises in
training; beyond that edge the oscillation along its direction grows, and through the third derivative of the loss
brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity
from gnomon.theory.registry import register
from gnomon.theory.theory import Theory

SETTLED_SHARPNESS = Quantity(
    name="settled_sharpness",
    symbol=r"\lambda_\mathrm{max}",
    definition=r"\operatorname*{median}_{t > 3T/4} \lambda_{\max}(\nabla^2 L(\theta_t))",
    convention="Over the last quarter of training.",
    source="Cohen, Kaur, Li, Kolter & Talwalkar, arXiv:2103.00065",
    lowest=0.0,
)


@register
@dataclass(frozen=True, kw_only=True)
class EdgeOfStability(Theory):
    r"""The sharpness at which gradient descent settles, :math:`\lambda_\mathrm{max} = (2 + 2\beta)/\eta`.

    Parameters
    ----------
    learning_rate, momentum : η and β, Polyak's.
    at_start : sharpness of the initial weights, where it is known.
    of_flow : the highest sharpness that training with a very small learning rate reaches, where it is known.

    Raises
    ------
    GnomonError : for a learning rate or a sharpness that is not positive, or a momentum outside [0, 1).

    >>> EdgeOfStability(learning_rate=0.02, momentum=0.9).predict().value
    190.0
    """

    name: ClassVar[str] = "edge_of_stability"
    title: ClassVar[str] = "The sharpness at which gradient descent settles"
    domain: ClassVar[str] = (
        "full batches, a constant learning rate, a loss without a floor in its curvature (squared error), and a "
        "sharpness that starts below the edge and would rise beyond it; it settles a few hundredths above the edge"
    )
    source: ClassVar[str] = (
        "Cohen, Kaur, Li, Kolter & Talwalkar, arXiv:2103.00065; why it does not diverge: Damian, Nichani & Lee, "
        "arXiv:2209.15594"
    )
    predicts: ClassVar[Quantity] = SETTLED_SHARPNESS

    learning_rate: float
    momentum: float = 0.0
    at_start: float | None = None
    of_flow: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [v for v in (self.learning_rate, self.at_start, self.of_flow) if v is not None]
        if not all(v > 0 for v in given) or not 0 <= self.momentum < 1:
            raise GnomonError(
                f"learning rate {self.learning_rate}, momentum {self.momentum}, sharpness {given[1:]}",
                mend="give positive numbers, and a momentum from 0 to below 1",
            )

    def value(self) -> float:
        """See the class."""
        return (2 + 2 * self.momentum) / self.learning_rate

    def outside(self) -> tuple[str, ...]:
        """A start beyond the edge, or an edge that is never reached."""
        reasons = []
        if self.at_start is not None and self.at_start > self.value():
            reasons.append(f"training starts at a sharpness of {self.at_start:.3g}, beyond {self.value():.3g}")
        if self.of_flow is not None and self.of_flow < self.value():
            reasons.append(f"the sharpness rises to {self.of_flow:.3g} only, below {self.value():.3g}")
        return tuple(reasons)

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """An edge at 2, between start and flow, and not."""
        return {
            "inside": [cls(learning_rate=1.0, at_start=0.1, of_flow=5.0), cls(learning_rate=1.0, momentum=0.5)],
            "outside": [cls(learning_rate=1.0, at_start=3.0), cls(learning_rate=1.0, of_flow=1.5)],
        }
