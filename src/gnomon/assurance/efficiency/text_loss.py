"""How well a deployment predicts texts, text by text: what an efficiency change costs first."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.fairness.comparable import Comparable, no_language_model
from gnomon.assurance.fairness.rows import Rows
from gnomon.assurance.fairness.swap_files import read_swap_texts
from gnomon.assurance.registry import register
from gnomon.estimators.loss.nll import NLL
from gnomon.measurement import Quantity
from gnomon.organisms.language_models.next_words import sequence_log_probabilities
from gnomon.randomness import Rng
from gnomon.subjects.tokens import encode


@register
class TextLoss(Comparable):
    """Mean negative log-likelihood of a token of the material ``neutral``, paired by text between deployments.

    Parameters
    ----------
    texts : at most so many, drawn.

    Cost: a forward pass over each text, cut to the context.
    """

    name: ClassVar[str] = "text_loss"
    quantities: ClassVar[tuple[Quantity, ...]] = (NLL,)
    materials: ClassVar[tuple[str, ...]] = ("neutral",)

    texts: Annotated[int, Field(ge=2)] = 200

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`."""
        return super().inapplicable(deployment) or no_language_model(deployment)

    def rows(self, deployment: Deployment, rng: Rng) -> list[Rows]:
        """See `Comparable.rows`. A text is a row, of as much weight as it has tokens to predict."""
        known = read_swap_texts(deployment.material("neutral"))
        drawn = rng.child("texts").numpy().permutation(len(known))[: self.texts]
        ids = encode(deployment.subject, [known[i][0] for i in drawn])
        told = [place for place, one in enumerate(ids) if len(one) > 1]
        with deployment.defence.on() as subject:
            found = sequence_log_probabilities(subject, [ids[place][: subject.context] for place in told])
        return [
            Rows(
                quantity=NLL,
                keys=tuple(f"{drawn[place]}" for place in told),
                values=np.array([-one.mean() for one in found], dtype=np.float64),
                clusterings=(tuple(known[drawn[place]][1] for place in told),),
                weights=np.array([len(one) for one in found], dtype=np.float64),
                within=(0.0, np.inf),
                estimator=self.name,
            )
        ]
