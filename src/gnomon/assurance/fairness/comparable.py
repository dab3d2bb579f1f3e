"""Evaluations whose readings are means of rows, so that a deployment can be compared with its bare network."""

from __future__ import annotations

import abc

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.fairness.rows import Rows
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import MaskedToken, NextToken


class Comparable(Evaluation, abc.ABC):
    """An evaluation that says of what its readings are the means."""

    @abc.abstractmethod
    def rows(self, deployment: Deployment, rng: Rng) -> list[Rows]:
        """Its readings of ``deployment``, with the controller in force."""

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`."""
        return [one.measurement(level) for one in self.rows(deployment, rng)]


def no_language_model(deployment: Deployment, *, masked: bool = False) -> str:
    """Why the subject of ``deployment`` cannot be asked for the likelihood of texts; empty when it can."""
    kinds = (NextToken, MaskedToken) if masked else (NextToken,)
    if isinstance(deployment.subject.loss, kinds) and deployment.subject.tokenizer is not None:
        return ""
    return f"{deployment.subject.name} is no {'language model' if masked else 'causal language model'} that reads texts"
