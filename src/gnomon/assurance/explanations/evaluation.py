"""The evidence for an explanation as an evaluation, so that a case can name the command that repeats it."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.explanations.evidence import evidence
from gnomon.assurance.explanations.explanation import Explanation
from gnomon.assurance.explanations.quantities import COMPLETENESS, FAITHFULNESS, STABILITY
from gnomon.assurance.registry import register
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity
from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept
from gnomon.structure.concepts.reading import read_concept
from gnomon.structure.dictionaries import load_dictionary
from gnomon.subjects.texts import read_table


@register
class ExplanationEvidence(Evaluation):
    """How faithful, complete and stable an explanation is, see `gnomon.assurance.explanations.evidence`.

    It is asked of the bare subject: an explanation is of the network.

    Parameters
    ----------
    directory : what ``gnomon directions --out`` or ``gnomon dictionary --out`` wrote.
    method, site : of directions; by default the first method, at the site that was chosen for it.
    latents : of a dictionary.
    others : directories of dictionaries trained on other seeds.
    concept : name of the material with labelled texts, for the stability: those that the explanation was found in. By
        default that of the explanation.
    judged : name of the material for faithfulness and completeness: texts that it was not found in. By default that of
        the concept with ``_test`` after it, and where there is none the texts of the concept.
    present, absent : answers that say the concept is there, and answers that say it is not; by default the network's
        own contrast of log-probabilities is explained.
    draws : random subspaces.
    """

    name: ClassVar[str] = "explanation"
    quantities: ClassVar[tuple[Quantity, ...]] = (FAITHFULNESS, COMPLETENESS, STABILITY)

    directory: str = ""
    method: str = ""
    site: str = ""
    latents: tuple[int, ...] = ()
    others: tuple[str, ...] = ()
    concept: str = ""
    judged: str = ""
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    draws: Annotated[int, Field(ge=2)] = 39

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Evaluation.reads`: the materials of the concept, where the explanation can be read."""
        concept = self.concept
        if not concept and self.directory:
            with contextlib.suppress(GnomonError):  # `run` says what is wrong with it
                concept = self._explanation().concept
        return (concept, self.judged or f"{concept}_test") if concept else ()

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`: other texts may be absent where they are not named."""
        if not self.directory:
            return "no explanation is given"
        asked = self.reads if self.judged else self.reads[:1]
        lacking = [name for name in asked if not deployment.has(name)]
        return f"no material {', '.join(map(repr, lacking))}" if lacking else ""

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Raises GnomonError as `Explanation.load`, `read_concept` and `evidence` do."""
        found = self._explanation()
        if bool(self.present) != bool(self.absent):
            raise GnomonError("answers of one side only are given", mend="give both present and absent")
        concept, judged = self.reads
        return evidence(
            deployment.subject,
            found,
            _read(deployment.material(concept)),
            rng,
            judged=_read(deployment.material(judged)) if deployment.has(judged) else None,
            words=(self.present, self.absent) if self.present else None,
            others=[load_dictionary(one)[0] for one in self.others],
            draws=self.draws,
            level=level,
        )

    def _explanation(self) -> Explanation:
        return Explanation.load(self.directory, method_name=self.method, site=self.site, latents=self.latents)


def _read(path: Path) -> Concept:
    return read_concept(path, cluster="cluster" if _has_clusters(path) else None)


def _has_clusters(path: Path) -> bool:
    """Whether the first row has a cluster."""
    return any("cluster" in row for _, row in itertools.islice(read_table(path), 1))
