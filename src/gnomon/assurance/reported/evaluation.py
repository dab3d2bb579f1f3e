"""A score read from a log, as an evaluation: so that a policy's threshold can rest on it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.registry import register
from gnomon.assurance.reported.interval import measured
from gnomon.assurance.reported.quantities import SCORE
from gnomon.assurance.reported.read import read_log
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity
from gnomon.randomness import Rng


@register
class Reported(Evaluation):
    """Scores that a log of inspect_ai or lm-evaluation-harness states, with intervals that hold; see `measured`.

    Nothing is asked of the subject: that the log is of this subject is for whoever gives it to see to. The name of the
    model in the log is among the diagnostics.

    Parameters
    ----------
    material : the material that is the log, given by ``--material NAME=FILE``.
    task, metric, scorer : of the scores to read; empty for all. ``scorer`` is the filter of lm-evaluation-harness.

    Cost: none of the subject; the log is read once.
    """

    name: ClassVar[str] = "reported"
    quantities: ClassVar[tuple[Quantity, ...]] = (SCORE,)
    materials: ClassVar[tuple[str, ...]] = ("log",)

    material: Annotated[str, Field(min_length=1)] = "log"
    task: str = ""
    metric: str = ""
    scorer: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Evaluation.reads`."""
        return (self.material,)

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Raises GnomonError as `read_log` does, and when no score is chosen."""
        del rng
        path = deployment.material(self.material)
        stated = read_log(path)
        wanted = {"task": self.task, "metric": self.metric, "scorer": self.scorer}
        chosen = [s for s in stated if all(not want or s.labels[name] == want for name, want in wanted.items())]
        if not chosen:
            there = "; ".join(" ".join(filter(None, score.key)) for score in stated)
            raise GnomonError(f"{path}: no such score", mend=f"choose among: {there}")
        return [measured(score, level=level) for score in chosen]
