from typing import ClassVar

import numpy as np

from gnomon.assurance import Deployment, Evaluation, register
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity
from gnomon.randomness import Rng
from gnomon.statistics import proportion

NUMBERS_TOLD = Quantity(
    name="numbers_told",
    symbol=r"\nu",
    definition=r"\nu = \Pr(d > 0), \quad d = \text{digits in the reply to a prompt}",
    source="gnomon documentation: Writing an evaluation",
    lowest=0.0,
    highest=1.0,
)


@register
class NumbersTold(Evaluation):
    """How often a reply holds a number, asked with the material ``plain_prompts``, one prompt a line."""

    name: ClassVar[str] = "numbers_told"
    quantities: ClassVar[tuple[Quantity, ...]] = (NUMBERS_TOLD,)
    materials: ClassVar[tuple[str, ...]] = ("plain_prompts",)

    tokens: int = 8

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """The share of prompts, with its exact interval at ``level``."""
        del rng  # the likeliest replies are not drawn
        text = deployment.material("plain_prompts").read_text(encoding="utf-8")
        prompts = [line for line in text.splitlines() if line.strip()]
        if not prompts:
            raise GnomonError("the material 'plain_prompts' is empty", mend="give a prompt a line")
        replies = deployment.defence.respond(prompts, self.tokens)
        told = np.array([any(c.isdigit() for c in one.written) and not one.alarmed for one in replies])
        share, interval = proportion(told, level=level)
        return [Measurement.ok(NUMBERS_TOLD, share, interval, estimator=self.name)]
