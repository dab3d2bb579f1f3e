"""Challenges through the lab and the ledger: registered, measured, scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from gnomon.errors import GnomonError
from gnomon.lab.store import Store
from gnomon.lab.sweep import Point, Results, run_points
from gnomon.laws.ledger.book import Book
from gnomon.laws.ledger.ledger import Ledger
from gnomon.laws.ledger.prediction import Prediction
from gnomon.laws.ledger.totals import totals
from gnomon.predictions import Challenge
from gnomon.predictions.registry import challenges, registry
from gnomon.predictions.running import register_challenges, score_challenges
from here import Here
from toy_challenge import Coins, Series


class OtherCoins(Coins):
    """It sees what `Coins` is to predict."""

    name: ClassVar[str] = "toy_a_other_coins"
    seen: ClassVar[Sequence[float]] = (0.5, 0.6)
    unseen: ClassVar[Mapping[str, float]] = {"rare": 0.1}


class BrokenCoins(Coins):
    """The points of its targets fail."""

    name: ClassVar[str] = "toy_broken_coins"
    unseen: ClassVar[Mapping[str, float]] = {"fair": 0.55}
    trouble: ClassVar[str] = "fell off the table"


@pytest.fixture
def executor() -> Here:
    return Here()


@pytest.fixture
def there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    challenges()
    kinds = {kind.name: kind for kind in (Coins, OtherCoins, BrokenCoins)}
    monkeypatch.setattr(registry, "_registered", kinds)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Store.open(tmp_path) as store:
        yield Ledger(tmp_path / "ledger.jsonl", store)


@pytest.mark.usefixtures("there_are")
def test_from_nothing_to_totals(ledger: Ledger, executor: Here) -> None:
    (done,) = register_challenges([Coins()], ledger=ledger, executor=executor)
    assert (done.state, done.numbers) == ("registered", {"fair": 1, "biased": 2, "wrong": 3})
    assert len(ledger.store.points()) == 8  # what may be seen, and no more
    assert score_challenges(ledger, executor=executor) == []
    assert len(ledger.store.points()) == 8 + 12
    book = Book.read(ledger.entries())
    assert [r.state for r in book.records.values()] == ["hit", "hit", "miss"]
    assert next(r.registered.target for r in book.listed()) == "wrong"
    found = totals(book.records.values())
    assert (found.predictions, found.challenges, found.clusters) == (3, 1, 1)
    assert found.coverage["90"].value == pytest.approx(2 / 3)
    assert ledger.verify().fault is None
    for record in book.records.values():
        assert record.scored is not None
        assert record.scored.measured_at >= record.registered.time
        kept = [m for m in ledger.store.measurements() if m.labels["prediction"] == record.registered.prediction.name]
        assert kept == [record.scored.measurement]
        assert kept[0].provenance is not None
        assert list(kept[0].provenance.parents) == record.scored.origin["points"]


@pytest.mark.usefixtures("there_are")
def test_a_second_time_nothing_is_registered_run_or_scored(ledger: Ledger, executor: Here) -> None:
    register_challenges([Coins()], ledger=ledger, executor=executor)
    score_challenges(ledger, executor=executor)

    class Refusing:
        name, workers = "refusing", 1

        def run(self, jobs: object) -> None:
            raise AssertionError("nothing was left to run")

    entries = ledger.entries()
    (again,) = register_challenges([Coins()], ledger=ledger, executor=Refusing())  # type: ignore[arg-type]
    assert (again.state, again.numbers) == ("present", {"fair": 1, "biased": 2, "wrong": 3})
    assert score_challenges(ledger, executor=Refusing()) == []  # type: ignore[arg-type]
    assert ledger.entries() == entries


def test_a_challenge_whose_target_was_run_is_refused_and_others_are_not(ledger: Ledger, executor: Here) -> None:
    run_points(Coins().targets()["biased"][:1], store=ledger.store, executor=executor)
    far = type("Far", (Coins,), {"name": "toy_far", "unseen": {"far": 0.9}})()
    refused, done = register_challenges([Coins(), far], ledger=ledger, executor=executor)
    assert refused.state == "refused"
    assert "toy_coins/biased is measured already: the store holds a point of it" in refused.reason
    assert done.state == "registered"
    assert [r.registered.prediction.name for r in Book.read(ledger.entries()).records.values()] == ["toy_far/far"]


def test_who_is_seen_by_another_is_registered_first(ledger: Ledger, executor: Here) -> None:
    found = register_challenges([OtherCoins(), Coins()], ledger=ledger, executor=executor)
    assert [one.state for one in found] == ["registered", "registered"]
    assert [one.challenge for one in found] == ["toy_a_other_coins", "toy_coins"]
    assert found[0].numbers == {"rare": 4}
    clusters = {r.registered.cluster for r in Book.read(ledger.entries()).records.values()}
    assert clusters == {"toy_a_other_coins"}  # what one predicts the other sees
    circle = type("Circle", (Coins,), {"name": "toy_circle", "seen": (0.1,), "unseen": {"x": 0.5}})()
    with pytest.raises(GnomonError, match=r"toy_circle.* each know what another predicts"):
        register_challenges([circle, OtherCoins()], ledger=ledger, executor=executor)


@pytest.mark.usefixtures("there_are")
def test_points_that_failed_leave_a_prediction_unscored(ledger: Ledger, executor: Here) -> None:
    register_challenges([BrokenCoins()], ledger=ledger, executor=executor)
    (left,) = score_challenges(ledger, executor=executor)
    assert left.reason == "4 of its 4 points failed: the coin fell off the table"
    assert [r.number for r in Book.read(ledger.entries()).unscored()] == [left.registered.number] == [1]


@pytest.mark.usefixtures("there_are")
def test_a_challenge_that_changed_or_went_is_not_scored(
    ledger: Ledger, executor: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_challenges([Coins()], ledger=ledger, executor=executor)
    with monkeypatch.context() as patch:
        patch.setattr(Coins, "unseen", {"fair": 0.51, "biased": 0.6})
        first, second = score_challenges(ledger, executor=executor)
    assert "challenge toy_coins has changed: the points of 'fair' are not those that were frozen" in first.reason
    assert "points of 'wrong'" in second.reason
    assert [r.state for r in Book.read(ledger.entries()).records.values()] == ["unscored", "hit", "unscored"]
    monkeypatch.setattr(registry, "_registered", {})
    assert "unknown challenge 'toy_coins'" in score_challenges(ledger, executor=executor)[0].reason


@pytest.mark.usefixtures("there_are")
def test_points_that_were_run_before_registration_elsewhere_score_nothing(
    ledger: Ledger, executor: Here, tmp_path: Path
) -> None:
    """The store in which they are is brought in afterwards."""
    with Store.open(tmp_path / "other") as other:
        run_points(Coins().targets()["fair"], store=other, executor=executor)
        old = [replace(r, created="2026-01-01T00:00:00+00:00") for r in other.points()]
    register_challenges([Coins()], ledger=ledger, executor=executor)
    ledger.store.add_points(old)
    (left,) = score_challenges(ledger, executor=executor)
    assert "but measured at 2026-01-01T00:00:00.999999Z" in left.reason


class TestContract:
    class Misnamed(Coins):
        name: ClassVar[str] = "toy_misnamed"

        def predict(self, known: Results) -> dict[str, Prediction]:
            return {k: replace(p, name="x") for k, p in super().predict(known).items()}

    class Forgetful(Coins):
        name: ClassVar[str] = "toy_forgetful"

        def predict(self, known: Results) -> dict[str, Prediction]:
            return {"fair": super().predict(known)["fair"]}

    class Knowing(Coins):
        name: ClassVar[str] = "toy_knowing"
        unseen: ClassVar[Mapping[str, float]] = {"known": 0.4}

    class Elsewhere(Coins):
        name: ClassVar[str] = "toy_elsewhere"

        def targets(self) -> dict[str, list[Point]]:
            return {name: [Point("toy_series", Series(seed=99))] for name in super().targets()}

    @pytest.mark.parametrize(
        ("kind", "reason"),
        [
            (Misnamed, "the prediction of toy_misnamed/fair is called 'x'"),
            (Forgetful, r"predicts \['fair'\], but its targets are"),
            (Knowing, "points of toy_knowing/known are among those that toy_knowing knows"),
            (Elsewhere, "the target of toy_elsewhere/fair is not made of its points"),
        ],
        ids=["misnamed", "forgetful", "knowing", "elsewhere"],
    )
    def test_what_breaks_it_is_refused(
        self, kind: type[Challenge], reason: str, ledger: Ledger, executor: Here
    ) -> None:
        with pytest.raises(GnomonError, match=reason):
            _raise(register_challenges([kind()], ledger=ledger, executor=executor)[0].reason)
        assert ledger.entries() == ()


def _raise(reason: str) -> None:
    raise GnomonError(reason)
