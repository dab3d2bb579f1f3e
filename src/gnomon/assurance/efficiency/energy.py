r"""Energy, read off a meter where there is one and otherwise estimated; and the carbon that it stands for.

Watts of a core: 12 where nothing is known of it, and 3.8 to 23.8 over the 80 processors of the same table
(Lannelongue, Grealey & Inouye, Advanced Science 8 (2021) 2100707, ``TDP_cpu.csv`` of Green Algorithms v3.0). Power at
full load and what a meter reads differ by up to a factor of about two in either direction (codecarbon, "Accuracy and
validation"), so that a core draws 1.9 to 47.6 W. A reader who knows the processor states its watts.

Carbon of a kilowatt-hour: 475 g, the world's average of 2018 (IEA, Global Energy & CO₂ Status Report 2019; codecarbon's
default). Grids span from almost nothing to coal's 995 g (codecarbon, ``carbon_intensity_per_source.json``).
"""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from gnomon.errors import GnomonError

WATTS_PER_CORE = 12.0
_HIGHEST_WATTS = 47.6
WORLD_INTENSITY = 475.0
_COAL_INTENSITY = 995.0
_JOULES_PER_KWH = 3.6e6
_RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True, kw_only=True)
class Power:
    """What turns time into energy and energy into carbon.

    Parameters
    ----------
    watts : of one core at work; ``None`` for `WATTS_PER_CORE` and a bound that spans all processors.
    intensity : g of carbon dioxide a kilowatt-hour; ``None`` for `WORLD_INTENSITY` and a bound that spans all grids.
    """

    watts: float | None = None
    intensity: float | None = None

    def joules(self, seconds: float) -> Estimate:
        """Energy of so much time of one core, estimated."""
        if self.watts is not None:
            # of a stated processor the factor of two remains
            return Estimate(
                seconds * self.watts, seconds * self.watts, f"{self.watts:g} W a core, as stated, × 1/2 to 2"
            )
        bound = seconds * (_HIGHEST_WATTS - WATTS_PER_CORE)
        source = f"{WATTS_PER_CORE:g} W a core where 1.9 to {_HIGHEST_WATTS:g} are possible (Green Algorithms)"
        return Estimate(seconds * WATTS_PER_CORE, bound, source)

    def grams(self, joules: float, bound: float | None) -> Estimate:
        """Carbon of so much energy, which is known within ``bound``."""
        kwh, most = joules / _JOULES_PER_KWH, (joules + (bound or 0.0)) / _JOULES_PER_KWH
        if self.intensity is not None:
            return Estimate(kwh * self.intensity, (most - kwh) * self.intensity, f"{self.intensity:g} g/kWh, as stated")
        value = kwh * WORLD_INTENSITY
        source = f"{WORLD_INTENSITY:g} g/kWh, the world in 2018 (IEA), where 0 to {_COAL_INTENSITY:g} are possible"
        return Estimate(value, max(value, most * _COAL_INTENSITY - value), source)


@dataclass(frozen=True)
class Estimate:
    """A value, how far the truth may be from it, and why."""

    value: float
    bound: float
    source: str


class Meter(Protocol):
    """Reads energy."""

    name: str
    estimated: bool
    systematic: str  # what it reads beside this process, leaves out, or may be wrong by
    relative: float | None  # how far the truth may be from what it reads, in units of that; None where nobody says

    def joules(self) -> float:
        """Since some time in the past."""


class Rapl:
    """Intel's and AMD's counters of the energy of each processor package, which Linux shows below ``root``.

    They are of everything that runs on the package, and wrap around. Since 2020 Linux lets only the administrator
    read them (CVE-2020-8694).
    """

    name = "RAPL"
    estimated = False
    relative: float | None = None
    systematic = "all that ran on the package, idle power included"

    def __init__(self, packages: list[Path]) -> None:
        self._packages = packages
        self._last = [self._read(p, "energy_uj") for p in packages]
        self._ranges = [self._read(p, "max_energy_range_uj") for p in packages]
        self._total = 0

    @classmethod
    def found(cls, root: Path = _RAPL) -> Rapl | None:
        """The packages' counters, where they can be read."""
        packages = [p for p in sorted(root.glob("intel-rapl:*")) if p.name.count(":") == 1]
        if not packages or not all(os.access(p / "energy_uj", os.R_OK) for p in packages):
            return None
        return cls(packages)

    def joules(self) -> float:
        """Since it was found. It has to be read before a counter has gone round once, which takes minutes."""
        now = [self._read(p, "energy_uj") for p in self._packages]
        for before, after, span in zip(self._last, now, self._ranges, strict=True):
            self._total += after - before if after >= before else after - before + span
        self._last = now
        return self._total / 1e6

    @staticmethod
    def _read(package: Path, name: str) -> int:
        return int((package / name).read_text())


class Nvml:
    """NVIDIA's counter of the energy of one card (Volta and later), through the package ``nvidia-ml-py``."""

    name = "NVML"
    estimated = False
    relative: float | None = None
    systematic = "all that ran on the card, idle power included"

    def __init__(self, library: Any, handle: Any) -> None:
        self._library, self._handle = library, handle

    @classmethod
    def found(cls, device: torch.device) -> Nvml | None:
        """The counter of ``device``, where it is a card of NVIDIA and the package is installed."""
        try:
            library = importlib.import_module("pynvml")
            library.nvmlInit()
            uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            meter = cls(library, library.nvmlDeviceGetHandleByUUID(uuid))
            meter.joules()
        except Exception:  # noqa: BLE001 - the library has its own exceptions, and without a meter there is an answer
            return None
        return meter

    def joules(self) -> float:
        """Since the driver was loaded."""
        return float(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3


class ProcessorTime:
    """No meter: the time that this process kept cores busy, times watts."""

    name = "processor time"
    estimated = True

    def __init__(self, power: Power) -> None:
        self._power = power
        second = power.joules(1.0)
        self.systematic = second.source
        self.relative: float | None = second.bound / second.value

    def joules(self) -> float:
        """Since the process began."""
        return self._power.joules(time.process_time()).value


class Codecarbon:
    """The package codecarbon, an extra: this process's share of what it reads or estimates of processor, card and RAM.

    It reads RAPL and NVML where it can, and otherwise has tables of processors; what it did it does not say for each
    number, so that all of it counts as estimated. Its factor of about two is stated as the bound.

    Raises GnomonError where it is not installed.
    """

    name = "codecarbon"
    estimated = True
    systematic = "a factor of about two (codecarbon, Accuracy and validation); 10 W or more of RAM included"
    relative: float | None = 1.0

    def __init__(self) -> None:
        try:
            library = importlib.import_module("codecarbon")
        except ImportError:
            raise GnomonError("codecarbon is not installed", mend="pip install gnomon[carbon]") from None
        # the country only makes carbon of energy, and we do that; offline, it asks no server where we are
        self._tracker = library.OfflineEmissionsTracker(
            country_iso_code="FRA",
            save_to_file=False,
            log_level="critical",
            tracking_mode="process",
            measure_power_secs=3600,
            allow_multiple_runs=True,
        )
        self._total, self._task = 0.0, 0
        self._tracker.start_task("0")

    def joules(self) -> float:
        """Since it was made."""
        found = self._tracker.stop_task(str(self._task))
        self._total += float(found.energy_consumed) * _JOULES_PER_KWH
        self._task += 1
        self._tracker.start_task(str(self._task))
        return self._total


def meter_for(device: torch.device, power: Power, *, codecarbon: bool = False) -> Meter | None:
    """The meter of ``device``; without one, an estimate for a processor and nothing for an accelerator."""
    if codecarbon:
        return Codecarbon()
    if device.type == "cuda":
        return Nvml.found(device)
    return Rapl.found() or ProcessorTime(power) if device.type == "cpu" else None
