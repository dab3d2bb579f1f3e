"""Meters, estimates, and what runs have spent."""

from __future__ import annotations

import json
import os
import sys
import time
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_llamas import one_llama

from gnomon.assurance import Deployment
from gnomon.assurance.efficiency import Efficiency, Power, cost_of, spent
from gnomon.assurance.efficiency.energy import Codecarbon, Nvml, ProcessorTime, Rapl, meter_for
from gnomon.cli.main import run
from gnomon.errors import GnomonError
from gnomon.lab.store import Store, recording
from gnomon.measurement import ACCURACY, Cost, Measurement, Uncertainty
from gnomon.measurement.provenance import record
from gnomon.randomness import Rng


def test_an_estimate_is_time_of_cores_and_its_bound_spans_all_processors() -> None:
    unknown = Power().joules(10.0)
    assert unknown.value == 120.0
    assert unknown.value + unknown.bound == pytest.approx(10 * 2 * 23.8)
    assert unknown.value - unknown.bound < 10 * 3.8 / 2
    stated = Power(watts=5.0).joules(10.0)
    assert (stated.value, stated.bound) == (50.0, 50.0)


def test_a_kilowatt_hour_is_the_carbon_of_the_grid() -> None:
    assert Power(intensity=100.0).grams(3.6e6, 0.0).value == pytest.approx(100.0)
    assert Power(intensity=100.0).grams(3.6e6, 3.6e6).bound == pytest.approx(100.0)
    world = Power().grams(3.6e6, 0.0)
    assert world.value == pytest.approx(475.0)
    assert world.value + world.bound == pytest.approx(995.0)
    assert world.value - world.bound <= 0.0


def test_processor_time_counts_work_and_not_sleep() -> None:
    meter = ProcessorTime(Power(watts=10.0))
    before, started = meter.joules(), time.process_time()
    time.sleep(0.05)
    idle = meter.joules() - before
    total = 0
    while time.process_time() - started < 0.1:
        total += 1
    assert idle < 0.3
    assert meter.joules() - before == pytest.approx(10 * (time.process_time() - started), rel=0.05)
    assert meter.estimated
    assert meter.relative == 1.0


def package(root: Path, name: str, joules: float, span: int = 262143328850) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "energy_uj").write_text(f"{int(joules * 1e6)}\n")
    (folder / "max_energy_range_uj").write_text(f"{span}\n")
    return folder


def test_rapl_adds_packages_and_goes_round(tmp_path: Path) -> None:
    one, two = package(tmp_path, "intel-rapl:0", 5.0), package(tmp_path, "intel-rapl:1", 9.0, span=10_000_000)
    package(tmp_path, "intel-rapl:0:0", 3.0)  # the cores of package 0, which are in it
    meter = Rapl.found(tmp_path)
    assert meter is not None
    before = meter.joules()
    (one / "energy_uj").write_text("7000000\n")
    (two / "energy_uj").write_text("1000000\n")  # from 9 J round 10 J to 1 J
    assert meter.joules() - before == pytest.approx(2.0 + 2.0)
    assert not meter.estimated
    assert Rapl.found(tmp_path / "none") is None


def test_rapl_that_may_not_be_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "intel-rapl:0", 5.0)
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs the tests may be the administrator
    assert Rapl.found(tmp_path) is None


def test_nvml_reads_the_card_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    read = iter([1000, 3500])
    library = types.SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(read) if handle == "GPU-7" else 0,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: types.SimpleNamespace(uuid="7"))
    meter = Nvml.found(torch.device("cuda", 0))
    assert meter is not None
    assert meter.joules() == 3.5
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Nvml.found(torch.device("cuda", 0)) is None
    assert meter_for(torch.device("cuda", 0), Power()) is None


class _Tracker:
    """Half a watt-hour a task."""

    def __init__(self, **settings: Any) -> None:
        assert settings["save_to_file"] is False
        self.open: str | None = None

    def start_task(self, name: str) -> None:
        assert self.open is None
        self.open = name

    def stop_task(self, name: str) -> Any:
        assert self.open == name
        self.open = None
        return types.SimpleNamespace(energy_consumed=0.0005)


def test_codecarbon_adds_its_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codecarbon", types.SimpleNamespace(OfflineEmissionsTracker=_Tracker))
    meter = Codecarbon()
    assert [meter.joules(), meter.joules()] == [1800.0, 3600.0]
    found = Efficiency(repeats=6, prompt=4, written=1, codecarbon=True).run(Deployment(subject=one_llama()), Rng(0))
    (joules,) = [m for m in found if m.quantity == "energy_per_token" and m.labels["phase"] == "prefill"]
    assert joules.value == 1800.0 / 4
    assert joules.diagnostics == {"estimated": True, "meter": "codecarbon", "source": meter.systematic}
    assert joules.uncertainty.systematic == joules.value


def test_codecarbon_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with pytest.raises(GnomonError, match="gnomon\\[carbon\\]"):
        Codecarbon()


def made(seconds: float, hardware: str, flops: float = 0.0) -> Measurement:
    provenance = record(
        spec={},
        subject="s",
        weights_hash="w",
        data_hash=None,
        seed=0,
        wall_seconds=seconds,
        flops=flops,
        hardware=hardware,
    )
    known = Measurement.ok(ACCURACY, 0.5, Uncertainty.exact())
    return known.recorded(Cost(seconds=seconds, flops=flops), provenance)


def test_what_runs_spent_is_the_sum_over_threads() -> None:
    several = [made(10.0, "Linux x86_64, cpu with 4 threads", 1e9), made(5.0, "Linux x86_64 cpu", 2e9)]
    assert cost_of(several) == Cost(seconds=15.0, flops=3e9)
    joules, grams = spent(several, Power(watts=10.0, intensity=360.0))
    assert joules.value == pytest.approx(10 * (4 * 10 + 5))
    assert grams.value == pytest.approx(450 / 3.6e6 * 360)
    assert joules.diagnostics["estimated"] is True
    assert joules.uncertainty.systematic == joules.value
    nothing, _ = spent([])
    assert nothing.value == 0.0


def test_what_ran_on_an_accelerator_or_nowhere_known_is_not_guessed() -> None:
    on_card = made(10.0, "Linux x86_64, NVIDIA H200")
    for several in ([on_card], [replace(on_card, provenance=None)]):
        joules, grams = spent(several)
        assert (joules.status, grams.status) == ("insufficient", "insufficient")


def test_the_command_adds_up_what_stored_runs_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "store.db")
    with Store.open(place) as kept, recording(kept, "evaluate", subject="s", spec={}) as sink:
        sink.add(
            [made(10.0, "Linux x86_64, cpu with 4 threads", 1e9), made(5.0, "Linux x86_64, cpu with 1 threads", 2e9)]
        )
    assert run(["cost", "--store", place, "--watts", "10", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["runs"]
    assert (one["cost"]["seconds"], one["cost"]["flops"]) == (15.0, 3e9)
    assert one["energy"]["value"] == pytest.approx(10 * (4 * 10 + 5))
    for wrong in (["--watts", "0"], ["--watts", "nan"], ["--carbon-intensity", "-1"]):
        assert run(["cost", "--store", place, *wrong]) == 2
