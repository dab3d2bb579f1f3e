"""A case cites explanations that are faithful and stable, and no others."""

from typing import Any, ClassVar

import pytest
from made_cases import command, made

from gnomon.assurance import Deployment, Evaluation
from gnomon.assurance.case import Argument, Case, load, save
from gnomon.assurance.case.citing import cite
from gnomon.assurance.explanations.quantities import FAITHFULNESS, STABILITY
from gnomon.assurance.registry import registry
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from toy_rates import deployment


class ToyExplanation(Evaluation):
    """Evidence of an explanation whose numbers are in the name of its directory: ``LOW-CHANCE-COSINE``."""

    name: ClassVar[str] = "explanation"
    quantities: ClassVar[tuple[Quantity, ...]] = (FAITHFULNESS, STABILITY)
    materials: ClassVar[tuple[str, ...]] = ()

    directory: str = ""

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        low, chance, cosine = (int(part) / 100 for part in self.directory.split("/")[-1].split("-"))

        def of(quantity: Quantity, low: float, high: float, **labels: str) -> Measurement:
            found = Uncertainty.interval(low, high, level=level, covers={"data"})
            return Measurement.ok(quantity, (low + high) / 2, found, labels=labels)

        return [
            of(FAITHFULNESS, low, 0.95, arm="explanation"),
            of(FAITHFULNESS, -0.1, chance, arm="random"),
            of(STABILITY, cosine, 1.0, over="examples"),
        ]


@pytest.fixture(autouse=True)
def with_an_explanation(only_the_toy: None) -> None:
    registry._registered = {**registry._registered, "explanation": ToyExplanation}


def cited(directory: str) -> tuple[Any, ...]:
    return cite(directory, deployment(), Rng(0), command=command)


@pytest.mark.parametrize("harm", [0, 60, 12])
def test_what_is_cited_stands_in_the_argument_and_leaves_the_verdict(harm: int, tmp_path: Any) -> None:
    case = made(harm, cited=(*cited("found/50-10-80"), *cited("found/90-20-99")))
    save(case, tmp_path)
    assert load(tmp_path) == case
    assert case.decision["verdict"] == made(harm).decision["verdict"]
    top, over = case.by_id["use"], case.by_id["explanations"]
    assert isinstance(over, Argument)
    assert "explanations" in getattr(top, "by", ())
    assert over.by == ("explanation:50-10-80", "explanation:90-20-99")
    assert case.states["explanations"] == "supported"
    leaves = [one for one in case.evidence() if one.id.startswith("explanation:50-10-80/")]
    assert [one.criterion.line for one in leaves] == [pytest.approx(0.10), pytest.approx(0.80)]


def test_a_cited_explanation_that_is_edited_does_not_pass() -> None:
    document = made(0, cited=cited("50-10-80")).to_json()
    leaf = next(node for node in document["nodes"] if node["id"] == "explanation:50-10-80/e2")
    leaf["measurement"]["uncertainty"]["low"] = 0.5
    with pytest.raises(GnomonError, match="its evidence gives 'insufficient'"):
        Case.model_validate(document)


@pytest.mark.parametrize(
    ("directory", "told"),
    [("10-10-99", "is not faithful"), ("50-10-79", "is not stable over examples"), ("none", "cannot be cited")],
)
def test_what_is_not_faithful_or_not_stable_cannot_be_cited(directory: str, told: str) -> None:
    with pytest.raises(GnomonError, match=told) as error:
        cited(directory)
    assert directory in str(error.value)
    assert "\n" not in str(error.value)
