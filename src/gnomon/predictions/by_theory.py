"""A statistic along one setting, foretold by a theory."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy.stats import chi2

from gnomon.lab.sweep import Results
from gnomon.laws.baselines import baselines
from gnomon.laws.distribution import Mixture, Scale
from gnomon.laws.ledger.prediction import Prediction, by_theory
from gnomon.measurement import hash_json
from gnomon.predictions.along import Along, At
from gnomon.theory import Theory

_COMPONENTS = 64


class ByTheory(Along[At]):
    r"""The theory is asked at the setting that is foretold, and corrected by nothing.

    The settings that were seen say how far measurements are from it, in units of `precision`. The root mean square of
    m settings is the width of what is believed: Student's distribution about the theory, with m degrees of freedom, as
    the width is itself uncertain. It holds the scatter over seeds and the theory's own error. Where the theory states a
    bound on the latter, the width is not less than that of a uniform distribution within it.

    Attributes
    ----------
    scale : ``log`` where distances are relative.
    """

    scale: ClassVar[Scale] = "log"

    @abc.abstractmethod
    def theories(self, at: At) -> Sequence[Theory]:
        """The theory at a setting: one, or one for each of its seeds, of which the mean is taken."""

    def precision(self, at: At) -> float:  # noqa: ARG002
        """To what a distance from the theory at ``at`` is proportional; here the same everywhere."""
        return 1.0

    def predict(self, known: Results) -> dict[str, Prediction]:
        """See `Challenge.predict`."""
        rows = self.rows(known)
        table = self.table(rows)
        errors = [(self._on_scale(y) - self._on_scale(_mean(self.theories(at)))) / self.precision(at) for at, y in rows]
        width = float(np.sqrt(np.mean(np.square(errors))))
        found = {}
        for name, at in self.unseen.items():
            theories = self.theories(at)
            found[name] = Prediction(
                name=f"{self.name}/{name}",
                by=_resting_on(theories),
                domain=theories[0].domain,
                outside=tuple(dict.fromkeys(reason for theory in theories for reason in theory.outside())),
                inputs={"seen": {"x": table.x.tolist(), "y": table.y.tolist(), "columns": list(table.columns)}},
                target=self.target(name),
                distribution=self._believed(theories, width * self.precision(at), len(rows)),
                baselines=baselines(table, dict(zip(self.columns, self.inputs(at), strict=True))),
            )
        return found

    def _on_scale(self, y: float) -> float:
        return float(np.log(y)) if self.scale == "log" else y

    def _believed(self, theories: Sequence[Theory], width: float, degrees: int) -> Mixture:
        value = _mean(theories)
        bounds = [theory.systematic() for theory in theories]
        bound = max((b for b in bounds if b is not None), default=0.0) / (value if self.scale == "log" else 1.0)
        return student(self._on_scale(value), width, degrees, least=bound / 3**0.5, scale=self.scale)


def student(location: float, width: float, degrees: int, *, least: float, scale: Scale) -> Mixture:
    r"""Student's distribution by normals of variances :math:`\nu w^2/\chi^2_\nu`, none narrower than ``least``."""
    levels = (np.arange(_COMPONENTS) + 0.5) / _COMPONENTS
    spreads = np.maximum(width * np.sqrt(degrees / chi2.ppf(levels, degrees)), least)
    return Mixture(locations=np.full(_COMPONENTS, location), spreads=spreads, weights=np.ones(_COMPONENTS), scale=scale)


def _mean(theories: Sequence[Theory]) -> float:
    return float(np.mean([float(theory.value()) for theory in theories]))


def _resting_on(theories: Sequence[Theory]) -> dict[str, object]:
    if len(theories) == 1:
        return by_theory(theories[0])
    return {"kind": "theory", "name": theories[0].name, "hash": hash_json([theory.hash for theory in theories])}
