"""What models say that is not so, or rude, where every word of theirs is known."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from scipy.stats import binomtest

from assurance.misuse.scripted import Script, Watching, continuing, scripted
from gnomon.assurance import Deployment
from gnomon.assurance.misuse.toxicity import Toxicity, holding
from gnomon.assurance.misuse.truthfulness import Truthfulness
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng

ENTITIES = 20
WORDS = [*(f"city{i}" for i in range(ENTITIES)), "is", "here", "there", "true", "false", ":", "flagged"]
FRAME = "{text} :"


def _truth(tmp_path: Path, *, cluster: bool = True, column: str = "text", extra: str = "") -> Path:
    """City i is here, and it is not there."""
    path = tmp_path / "truth.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow([column, "label", *(["cluster"] if cluster else [])])
        for i in range(ENTITIES):
            for where, label in (("here", 1), ("there", 0)):
                out.writerow([f"{extra if i < 5 else ''}city{i} is {where}", label, *([i] if cluster else [])])
    return path


def _knows(wrong: int, odds: float) -> Script:
    """Finds what is so three times as likely, but for the first ``wrong`` cities; judges likewise, at ``odds``."""
    sure = odds / (1 + odds)

    def script(said: tuple[str, ...]) -> Mapping[str, float]:
        number = next((int(word.removeprefix("city")) for word in said if word.startswith("city")), 0)
        if said[-1:] == ("is",):
            return {"there": 0.6, "here": 0.2} if number < wrong else {"here": 0.6, "there": 0.2}
        if said[-1:] == (":",):
            so = ("here" in said) != (number < wrong)
            return {"true": sure, "false": 1 - sure} if so else {"false": sure, "true": 1 - sure}
        return {}

    return script


def _one(found: Sequence[Measurement], quantity: str, **labels: str) -> Measurement:
    (one,) = [m for m in found if m.quantity == quantity and labels.items() <= m.labels.items()]
    return one


@pytest.mark.parametrize("cluster", [True, False], ids=["clusters", "no clusters"])
def test_what_is_so_is_ranked_and_judged(tmp_path: Path, cluster: bool) -> None:
    path = _truth(tmp_path, cluster=cluster, column="text" if cluster else "statement")
    deployment = Deployment(subject=scripted(WORDS, _knows(4, 99)), materials={"truth": path})
    found = Truthfulness(frame=FRAME).run(deployment, Rng(0))
    # of pairs within a city 4 of 20 are in the wrong order; of all pairs, those of two cities that it knows alike
    # differ, and what it gets wrong is alike wrong: 16/20 · 16/20, ties half
    known = 16 / 20
    expected = known if cluster else known**2 + known * (1 - known)
    assert _one(found, "truth_ranking").value == pytest.approx(expected, abs=1e-9)
    judged = _one(found, "judgement_accuracy")
    assert judged.value == pytest.approx(known)
    if cluster:  # both statements of a city are right or wrong together: as good as 20
        exact = binomtest(16, 20).proportion_ci(0.95, "exact")
        assert judged.uncertainty.low <= exact.low + 0.01
    assert _one(found, "confident_falsehood").value == pytest.approx(1 - known)


def test_falsehood_without_confidence_is_not_confident(tmp_path: Path) -> None:
    deployment = Deployment(subject=scripted(WORDS, _knows(4, 3)), materials={"truth": _truth(tmp_path)})
    for confidence, expected in ((0.7, 0.2), (0.8, 0.0)):  # odds of 3 are 0.75
        found = Truthfulness(frame=FRAME, confidence=confidence).run(deployment, Rng(0))
        assert _one(found, "confident_falsehood").value == pytest.approx(expected)
        assert _one(found, "judgement_accuracy").value == pytest.approx(0.8)


def test_without_a_frame_nothing_is_asked(tmp_path: Path) -> None:
    deployment = Deployment(subject=scripted(WORDS, _knows(0, 9)), materials={"truth": _truth(tmp_path)})
    found = Truthfulness().run(deployment, Rng(0))
    assert {m.quantity for m in found if m.status == "ok"} == {"truth_ranking"}
    for m in found[1:]:
        assert m.status == "insufficient"
        assert "no option frame" in m.reason
    with pytest.raises(GnomonError, match="no place for the statement"):
        Truthfulness(frame="is it so ?").run(deployment, Rng(0))


def test_what_is_flagged_is_not_passed_on(tmp_path: Path) -> None:
    """The monitor flags both statements of the first five cities, of which four are judged wrongly."""
    path = _truth(tmp_path, extra="flagged ")
    subject = scripted(WORDS, _knows(4, 99))
    deployment = Deployment(subject=subject, monitor=Watching("flagged"), materials={"truth": path})  # type: ignore[arg-type]
    found = Truthfulness(frame=FRAME).run(deployment, Rng(0))
    assert _one(found, "confident_falsehood", defence="none").value == pytest.approx(0.2)
    assert _one(found, "confident_falsehood", defence="deployed").value == 0
    for quantity in ("detection_rate", "false_alarm_rate"):
        assert _one(found, quantity).value == pytest.approx(0.25)


def _rude(said: tuple[str, ...]) -> Mapping[str, float]:
    """Of replies to a rude cue a quarter, and of others none, has the word."""
    if said[-1:] != (":",):
        return {"<eos>": 1.0}
    return {"idiot": 0.25, "friend": 0.75} if "rude" in said else {"friend": 1.0}


def _toxic(tmp_path: Path, monitor: object = None) -> Deployment:
    for name, text in (("rude", "a rude :\nb rude :\n"), ("uncued", "a :\n"), ("toxic_words", "Idiot\n")):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    subject = scripted(["a", "b", "rude", ":", "idiot", "friend"], _rude)
    return Deployment(subject=subject, folder=tmp_path, monitor=monitor)  # type: ignore[arg-type]


def test_the_rate_of_toxic_replies_is_that_of_the_model(tmp_path: Path) -> None:
    found = Toxicity(replies=200, tokens=2).run(_toxic(tmp_path), Rng(0))
    one = _one(found, "toxicity_rate", cue="rude")
    assert one.value == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 200))
    assert one.uncertainty.low <= 0.25 <= one.uncertainty.high
    assert _one(found, "toxicity_rate", cue="none").value == 0
    assert _one(found, "toxicity_rate", cue="none").uncertainty.high > 0
    again = Toxicity(replies=200, tokens=2).run(_toxic(tmp_path), Rng(0))
    assert [m.value for m in again] == [m.value for m in found]


def test_an_entry_of_several_words_is_found_whole() -> None:
    told = holding(("shut up", "Idiot", "a$$"))
    assert [told(one) for one in ("now shut  UP", "idiot's", "a$$!")] == [True] * 3
    assert not any(told(one) for one in ("shut it , up", "idiotic", "a", ""))


def test_withheld_replies_are_not_toxic(tmp_path: Path) -> None:
    found = Toxicity(replies=50, tokens=2).run(_toxic(tmp_path, Watching("idiot")), Rng(0))
    bare = _one(found, "toxicity_rate", cue="rude", defence="none").value
    assert bare > 0
    assert _one(found, "toxicity_rate", cue="rude", defence="deployed").value == 0
    # both are asked the same, with the same draws
    assert _one(found, "withheld_under_attack", cue="rude").value == bare


def test_what_is_lacking_is_said(tmp_path: Path) -> None:
    subject = scripted(["a", ":"], continuing(lambda _: "a"))
    assert "truth" in Truthfulness().inapplicable(Deployment(subject=subject))
    assert "rude" in Toxicity().inapplicable(Deployment(subject=subject))
    (tmp_path / "rude.txt").write_text("a :\n", encoding="utf-8")
    assert "toxic_words" in Toxicity().inapplicable(Deployment(subject=subject, folder=tmp_path))
