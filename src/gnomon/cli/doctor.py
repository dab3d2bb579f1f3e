"""`gnomon doctor`: is this installation in order?"""

from __future__ import annotations

import importlib.util
import platform
from typing import Any

from gnomon.cli.options import AsJson, StorePath, print_json
from gnomon.errors import GnomonError


def doctor(store: StorePath = None, as_json: AsJson = False) -> int:
    """Show versions, devices, instruments and the store's health; exit 1 if something is wrong."""
    from gnomon.cli.tables import print_table

    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": _packages(),
        "devices": _devices(),
    }
    problems: list[str] = []
    found["instruments"] = _instruments(problems)
    found["phenomena"] = _phenomena(problems)
    found["executors"] = _executors()
    found["store"] = _store(store, problems)
    found["problems"] = problems
    if as_json:
        print_json({"healthy": not problems, **found})
    else:
        rows = [("python", found["python"])]
        rows += [(name, version) for name, version in found["packages"].items()]
        rows += [("device", device) for device in found["devices"]]
        rows += [(name, str(found[name])) for name in ("instruments", "phenomena")]
        rows += [("executor", executor) for executor in found["executors"]]
        rows += [(f"store {key}", str(value)) for key, value in found["store"].items()]
        rows += [("PROBLEM", problem) for problem in problems]
        print_table("healthy" if not problems else "not healthy", ("what", "state"), rows)
    return 1 if problems else 0


def _packages() -> dict[str, str]:
    from gnomon.measurement.provenance import installed_packages

    return dict(installed_packages())


def _devices() -> list[str]:
    import torch

    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def _instruments(problems: list[str]) -> int:
    from gnomon.estimators import estimators

    try:
        return len(estimators())
    except GnomonError as error:
        problems.append(str(error))
        return 0


def _phenomena(problems: list[str]) -> int:
    from gnomon.phenomena import phenomena

    try:
        return len(phenomena())
    except GnomonError as error:
        problems.append(str(error))
        return 0


def _executors() -> list[str]:
    """Where sweeps can be run; those of a cluster need packages that are not required."""
    needed = {"local": "", "ray": "ray", "slurm": "submitit"}
    return [name for name, package in needed.items() if not package or importlib.util.find_spec(package)]


def _store(location: str | None, problems: list[str]) -> dict[str, Any]:
    from gnomon.lab.store import NoStoreError, Store

    try:
        with Store.open(location, create=False) as store:
            health = store.health()
    except NoStoreError as error:
        return {"path": error.place, "rows": "none yet"}
    except GnomonError as error:
        problems.append(str(error))
        return {}
    if not health.get("intact", True):
        problems.append(f"the store {health.get('path')} is damaged; restore it from a copy")
    return health
