"""The contract of an evaluation: one question put to a deployment, answered with measurements."""

from __future__ import annotations

import abc
from typing import ClassVar

from gnomon.assurance.deployment import Deployment
from gnomon.lab.spec import Spec
from gnomon.measurement import Measurement, Quantity
from gnomon.randomness import Rng


class Evaluation(Spec, abc.ABC):
    """One question put to a deployment. The fields are its options, as a policy or ``--set`` states them.

    A subclass names itself and the quantities that it reads, says what is missing, and measures. It gives the same
    answer for the same rng, and leaves the subject as it found it.
    """

    name: ClassVar[str]
    quantities: ClassVar[tuple[Quantity, ...]]
    # materials that it reads, of the deployment; for the list of evaluations
    materials: ClassVar[tuple[str, ...]] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Materials that it reads with these options."""
        return self.materials

    def inapplicable(self, deployment: Deployment) -> str:
        """Why it cannot be put to ``deployment``, in one phrase; empty when it can. Knows the materials only."""
        lacking = [name for name in self.reads if not deployment.has(name)]
        return f"no material {', '.join(map(repr, lacking))}" if lacking else ""

    @abc.abstractmethod
    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """Ask, and measure with two-sided intervals at ``level``.

        What cannot be told with this material is ``insufficient``, with what would do. A decision that needs an upper
        bound at confidence c asks for the level 2c - 1.
        """
