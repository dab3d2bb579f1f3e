"""A statistic along one setting, foretold by laws that are fitted to what was seen."""

from __future__ import annotations

from typing import ClassVar

from gnomon.lab.sweep import Results
from gnomon.laws.baselines import baselines
from gnomon.laws.comparison import compare
from gnomon.laws.forecast import forecast
from gnomon.laws.ledger.prediction import Prediction, by_laws
from gnomon.laws.registry import form
from gnomon.predictions.along import Along, At
from gnomon.randomness import Rng


class ByLaw(Along[At]):
    """The forms are compared on the known settings, and their forecasts are mixed as they did there.

    A forecast is of one more row of the table. As every row is the statistic over as many seeds as the target's, it is
    that of what will be measured.

    Attributes
    ----------
    forms : their names.
    noise : how the statistic scatters about the law.
    """

    forms: ClassVar[tuple[str, ...]]
    noise: ClassVar[str] = "log_normal"

    def predict(self, known: Results) -> dict[str, Prediction]:
        """See `Challenge.predict`."""
        table = self.table(self.rows(known))
        forms = [form(name) for name in self.forms]
        comparison = compare(table, forms, noise=self.noise, rng=Rng(0).child("challenge", self.name))
        found = {}
        for name, setting in self.unseen.items():
            at = dict(zip(self.columns, self.inputs(setting), strict=True))
            believed = forecast(comparison, at)
            found[name] = Prediction(
                name=f"{self.name}/{name}",
                by=by_laws(comparison),
                domain=f"{self.domain}; {believed.domain}",
                outside=believed.outside,
                inputs={"seen": {"x": table.x.tolist(), "y": table.y.tolist(), "columns": list(table.columns)}},
                target=self.target(name),
                distribution=believed.distribution,
                baselines=baselines(table, at),
            )
        return found
