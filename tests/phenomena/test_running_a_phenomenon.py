"""A phenomenon through the lab: verdict, control, store, page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.store import Store
from gnomon.lab.sweep.executors import Local
from gnomon.phenomena import run
from gnomon.report.phenomena import write_phenomena
from toy_phenomenon import BiasedCoin


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def executor() -> Local:
    return Local(1)


def test_a_biased_coin_is_shown_and_its_control_is_not(store: Store, executor: Local) -> None:
    report = run(BiasedCoin(), store=store, executor=executor)
    assert (report.verdict, report.control) == ("shown", "not shown")
    assert report.points == 10
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    (claim,) = document["claims"]
    assert claim["passed"]
    assert claim["low"] <= claim["value"] <= claim["high"]
    assert claim["threshold"] == 0.6
    (control,) = document["control"]["claims"]
    assert control["arm"] == "fair"
    assert not control["passed"]


def test_what_was_found_is_in_the_store_with_its_origin(store: Store, executor: Local) -> None:
    report = run(BiasedCoin(), store=store, executor=executor)
    kept = store.measurements(run=report.run)
    assert {m.labels["arm"] for m in kept} == {"claim", "fair"}
    for m in kept:
        assert m.provenance is not None
        assert set(m.provenance.parents) == {p.key for p in store.points(run=report.run)}
    (found,) = [r for r in store.runs() if r.id == report.run]
    assert found.finished
    assert found.spec["seeds"] == [0, 1, 2, 3, 4]


def test_a_second_run_tosses_nothing_again(store: Store, executor: Local) -> None:
    first = run(BiasedCoin(), store=store, executor=executor)

    class Refusing:
        name, workers = "refusing", 1

        def run(self, jobs: object) -> None:
            raise AssertionError("nothing was left to run")

    again = run(BiasedCoin(), store=store, executor=Refusing())  # type: ignore[arg-type]
    assert again.finding.claims[0].measurement.value == first.finding.claims[0].measurement.value


def test_settings_change_the_experiment_and_only_fields_that_exist(store: Store, executor: Local) -> None:
    fair = run(BiasedCoin(), store=store, executor=executor, changes={"bias": "0.5"})
    assert fair.verdict == "not shown"
    with pytest.raises(UnknownNameError, match="unknown field of Coins 'bia'; did you mean 'bias'"):
        run(BiasedCoin(), store=store, executor=executor, changes={"bia": "0.5"})


def test_no_seeds_and_nothing_but_failures_are_one_line(store: Store, executor: Local) -> None:
    with pytest.raises(GnomonError, match="needs seeds"):
        run(BiasedCoin(), store=store, executor=executor, seeds=0)
    with pytest.raises(GnomonError, match="every point of toy_biased_coin failed: a coin that is never tossed"):
        run(BiasedCoin(), store=store, executor=executor, changes={"tosses": 0})


def test_too_few_seeds_decide_nothing(store: Store, executor: Local) -> None:
    report = run(BiasedCoin(), store=store, executor=executor, seeds=4)
    assert (report.verdict, report.control) == ("insufficient", "insufficient")


def test_the_page_shows_claims_controls_and_figures(store: Store, executor: Local, tmp_path: Path) -> None:
    pages = write_phenomena([run(BiasedCoin(), store=store, executor=executor)], tmp_path)
    html = pages.page.read_text(encoding="utf-8")
    for text in ("A biased coin", "control: fair", "The median share of heads is above 0.6.", "Coins have no memory."):
        assert text in html
    assert "http://" not in html.split("<script")[0].replace("http://www.w3.org", "")
    assert [Path(f).name for f in pages.figures[0]] == ["toy-biased-coin-running.svg", "toy-biased-coin-tiles.svg"]
    assert all(Path(f).is_file() and Path(f).with_suffix(".pdf").is_file() for f in pages.figures[0])
