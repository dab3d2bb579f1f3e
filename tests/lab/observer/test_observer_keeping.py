"""What an observer measures is kept as it comes; overhead and thinning are said; a failing store stops nothing."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer
from gnomon.lab import measuring
from gnomon.lab.observer import Observer, log_spaced
from gnomon.lab.store import Store
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, Subject


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Slow(Estimator):
    """Takes a given time."""

    name = "slow_in_test"
    quantities = (Quantity(name="slow_in_test", symbol="s", definition="s", source="this test"),)
    needs = frozenset({"weights"})

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        return Cost()

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        self._clock.now += self._seconds
        return [Measurement.ok(self.quantities[0], 1.0, Uncertainty.exact(), estimator=self.name)]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        return ()


class Quick(Slow):
    """Another."""

    name = "quick_in_test"
    quantities = (Quantity(name="quick_in_test", symbol="q", definition="q", source="this test"),)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """One clock for training, the observer and what measurements say that they took."""
    made = Clock()
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=made))
    return made


def subject() -> Subject:
    return Subject(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), loss=CrossEntropy())


def train(observer: Observer, clock: Clock, steps: int, pace: float) -> None:
    network = subject()
    for step in range(steps + 1):
        observer(step, network)
        clock.now += pace


def test_the_limit_is_held_and_what_was_skipped_is_said_once(clock: Clock) -> None:
    lines: list[str] = []
    schedule = log_spaced(1000, 30)
    instruments = [Slow(clock, 1.0), Quick(clock, 0.01)]
    observer = Observer(instruments, schedule=schedule, overhead=0.05, clock=clock, say=lines.append)
    train(observer, clock, 1000, 0.1)
    assert observer.training_seconds == pytest.approx(100.0)
    assert observer.seconds <= 5.0
    assert len(lines) == 1
    assert lines[0].startswith(
        "slow_in_test skips step 1 (it takes about 0.1 s)"
    )  # as nothing but its first reading is known
    read = {
        q: [int(m.labels["step"]) for m in observer.measurements if m.quantity == q]
        for q in ("slow_in_test", "quick_in_test")
    }
    assert (read["slow_in_test"][0], read["slow_in_test"][-1]) == (0, 1000)
    assert len(read["slow_in_test"]) == 4
    skipped = {n: [t.step for t in observer.thinned if t.estimator == n] for n in read}
    assert set(skipped["quick_in_test"]) <= {1}
    for name in read:
        assert sorted(read[name] + skipped[name]) == list(schedule)
    said = observer.statement()
    assert "beside 100 s of training (4." in said
    assert "limit 5 %" in said
    assert "Thinned to keep within it: " in said
    assert f"slow_in_test read at 4 of {len(schedule)} steps." in said


def test_what_is_never_skipped_may_exceed_the_limit_and_then_that_is_said(clock: Clock) -> None:
    observer = Observer([Slow(clock, 5.0)], schedule=range(11), clock=clock, say=lambda _: None)
    train(observer, clock, 10, 1.0)
    assert [m.labels["step"] for m in observer.measurements] == ["0", "10"]
    assert observer.statement().endswith("slow_in_test took 10 s, more than its share of 0.5 s.")


def test_without_a_limit_all_steps_are_observed(clock: Clock) -> None:
    observer = Observer([Slow(clock, 5.0)], schedule=range(11), overhead=None, clock=clock)
    train(observer, clock, 10, 0.001)
    assert len(observer.measurements) == 11
    assert observer.thinned == []
    assert observer.statement().endswith("no limit).")


def test_time_is_shared_out_by_what_each_measurement_took(clock: Clock) -> None:
    observer = Observer([Slow(clock, 3.0), Quick(clock, 1.0)], schedule=[0], clock=clock, overhead=None)
    train(observer, clock, 1, 1.0)
    assert observer.seconds == pytest.approx(4.0)
    assert {m.quantity: m.cost.seconds for m in observer.measurements} == pytest.approx(
        {"slow_in_test": 3.0, "quick_in_test": 1.0}
    )


def test_on_the_real_clock_observing_keeps_to_its_share() -> None:
    """A sanity check with a bound that no load of the machine fails: a busy machine slows both sides."""
    network = subject()
    inputs = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    data = ArrayData(inputs, (inputs[:, 0] > 0).long())
    observer = Observer(["nll", "accuracy"], schedule=range(0, 401, 4), data={"all": data}, say=lambda _: None)
    for step in range(401):
        observer(step, network)
        time.sleep(0.002)
    steps = {m.labels["step"] for m in observer.measurements}
    assert {"0", "400"} <= steps
    assert observer.seconds <= 0.5 * observer.training_seconds + 2.0
    assert len(observer.thinned) + len(observer.measurements) == 2 * 101


def observe_all(observer: Observer, steps: int = 3) -> None:
    network = subject()
    for step in range(steps):
        observer(step, network)
    observer.finish()


def test_measurements_go_to_the_store_as_they_come(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        network = subject()
        observer = Observer(["frobenius_norm"], schedule=[0, 1], store=store, overhead=None)
        observer(0, network)
        run = store.runs(kind="observe")[0]
        assert store.measurements(run=run.id) == observer.measurements
        assert not run.finished
        assert run.spec["quantities"] == ["frobenius_norm"]
        observer(1, network)
        observer.finish(1, network)
        assert store.measurements(run=run.id) == observer.measurements
        assert [r.finished for r in store.runs()] == [True]
        assert {m.labels["step"] for m in store.measurements()} == {"0", "1"}


def test_what_took_long_is_stored_before_the_observation_ends(clock: Clock, tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        seen: list[int] = []

        class Looking(Slow):
            name = "zz_looking_in_test"

            def measure(self, *args: object, **how: object) -> list[Measurement]:  # type: ignore[override]
                seen.append(len(store.measurements()))
                return []

        instruments = [Quick(clock, 0.5), Slow(clock, 2.0), Looking(clock, 0.0)]
        Observer(instruments, schedule=[0], store=store, overhead=None, clock=clock)(0, subject())
        assert seen == [2]
        Observer([Quick(clock, 0.25), Looking(clock, 0.0)], schedule=[0], store=store, clock=clock)(0, subject())
        assert seen == [2, 2]
        assert len(store.measurements()) == 3


class Interrupting(Slow):
    """Is interrupted."""

    name = "zz_interrupted_in_test"

    def measure(self, *args: object, **how: object) -> list[Measurement]:  # type: ignore[override]
        raise KeyboardInterrupt


def test_what_was_finished_before_ctrl_c_is_in_the_store(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        observer = Observer(["frobenius_norm", Interrupting(Clock(), 0.0)], schedule=[0], store=store, overhead=None)
        with pytest.raises(KeyboardInterrupt):
            observer(0, subject())
        assert {m.quantity for m in store.measurements()} == {"frobenius_norm"}


def test_a_full_disk_is_one_line_and_what_waits_is_kept_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Store.open(tmp_path) as store:
        observer = Observer(["frobenius_norm"], schedule=range(10), store=store, overhead=None)
        network = subject()
        observer(0, network)
        kept = len(store.measurements())

        def full(*_: object, **__: object) -> None:
            raise GnomonError(f"the disk of {tmp_path} is full", mend="free some space")

        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(Store, "add", full)
            observer(1, network)
            observer(2, network)
        assert len(caplog.records) == 1
        line = caplog.records[0].getMessage()
        assert line == (
            f"the disk of {tmp_path} is full; free some space; training goes on, and what is measured waits in memory"
        )
        assert len(store.measurements()) == kept
        assert f"{2 * kept} measurements could not be stored." in observer.statement()
        observer(3, network)
        assert len(store.measurements()) == 4 * kept == len(observer.measurements)
        assert "could not be stored" not in observer.statement()


def test_a_store_that_never_works_does_not_end_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise OSError(errno.EIO, "the disk is gone")

    lines: list[str] = []
    with Store.open(tmp_path) as store:
        monkeypatch.setattr(Store, "start_run", broken)
        observer = Observer(["frobenius_norm"], schedule=[0, 1], store=store, overhead=None, say=lines.append)
        observe_all(observer)
    assert len(lines) == 1
    assert "training goes on" in lines[0]
    assert len(observer.measurements) > 0
