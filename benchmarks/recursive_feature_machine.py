"""A recursive feature machine, ours against xRFM: time and explained variance on a rotated target of rank three.

    python benchmarks/recursive_feature_machine.py --peer-python PATH [--defaults] [--json]

The peer runs in its own environment (PATH is its python). 4,000 examples of 100 standard normal inputs in float32,
1,000 more for validation and 4,000 to test on; the target is h₀h₁ + h₂² of three hidden directions. One core, A B A B
in processes of their own, several times over. Both have the Laplace kernel and ridge 10⁻³, learn the metric five times
from all examples, with the AGOP itself for the metric (as xRFM does with the kernel of its defaults), and keep the best
round by validation. xRFM divides the metric by its largest entry, ours has the trace of the identity, and a largest
entry of 6.24 here: its bandwidth of 10 is ours of 25 once a metric is learned.

``--defaults`` has each with its own defaults instead, validation and all: `xRFM` with the 1,000 examples for
validation; `RecursiveFeatureRegressor` with all 5,000, of which it chooses its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 3
TRAIN, VALIDATION, TEST, WIDTH, HIDDEN = 4000, 1000, 4000, 100, 3
BANDWIDTH, PEER_BANDWIDTH, RIDGE, ROUNDS = 25.0, 10.0, 1e-3, 5
WANTED = 1.5


def main() -> int:
    """Run it; the exit code is 1 when ours is not 1.5 times as fast, or explains less."""
    parser = argparse.ArgumentParser(description="A recursive feature machine, ours against xRFM")
    parser.add_argument("--peer-python", type=Path, help="python of an environment that has xrfm")
    parser.add_argument("--defaults", action="store_true", help="each with its own defaults")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", choices=tuple(WORKERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(work(arguments.worker, arguments.folder)))
        return 0
    if arguments.peer_python is None or not arguments.peer_python.exists():
        parser.error("--peer-python: give the python of an environment that has xrfm")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "examples.npz", **examples(seed=0))
        found = compare(arguments.peer_python, folder, "_defaults" if arguments.defaults else "")
    found["ratio"] = found["peer"]["median"] / found["ours"]["median"]
    found["ratio_cpu"] = found["peer"]["median_cpu"] / found["ours"]["median_cpu"]
    passed = found["ratio"] >= WANTED and found["ours"]["r2"] >= found["peer"]["r2"]
    if arguments.json:
        print(json.dumps(found | {"passed": passed}))
    else:
        show(found)
    return 0 if passed else 1


def examples(seed: int) -> dict[str, np.ndarray]:
    """Inputs and targets to fit, to validate and to test."""
    generator = np.random.default_rng(seed)
    basis = np.linalg.qr(generator.normal(size=(WIDTH, HIDDEN)))[0]
    found = {"basis": basis}
    for part, rows in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        x = generator.normal(size=(rows, WIDTH))
        hidden = x @ basis
        found[f"{part}_x"] = x.astype(np.float32)
        found[f"{part}_y"] = (hidden[:, :1] * hidden[:, 1:2] + hidden[:, 2:] ** 2).astype(np.float32)
    return found


def compare(peer_python: Path, folder: Path, which: str) -> dict[str, Any]:
    """Both sides in turn."""
    pythons = {"ours": sys.executable, "peer": str(peer_python)}
    found: dict[str, Any] = {side: {"seconds": [], "cpu": []} for side in pythons}
    for _ in range(REPEATS):
        for side, python in pythons.items():
            report = worker(python, side + which, folder)
            for name in ("seconds", "cpu"):
                found[side][name].append(report.pop(name))
            found[side] |= report
    for side in pythons:
        found[side]["median"] = statistics.median(found[side]["seconds"])
        found[side]["median_cpu"] = statistics.median(found[side]["cpu"])
    return found


def worker(python: str, name: str, folder: Path) -> dict[str, Any]:
    """What one process of one side reports."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    # -P: this file is not to shadow a package
    command = [python, "-P", __file__, "--worker", name, "--folder", str(folder)]
    environment = os.environ | dict.fromkeys(threads, "1")
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} cannot run in {python}: {done.stderr.strip().splitlines()[-1]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def work(name: str, folder: Path) -> dict[str, Any]:
    """Fit few examples, then all of them against the clock, and test."""
    import torch

    torch.set_num_threads(1)
    given = {key: torch.from_numpy(values) for key, values in np.load(folder / "examples.npz").items()}
    WORKERS[name]({key: values[:200] for key, values in given.items()})
    wall, cpu = time.perf_counter(), time.process_time()
    predict, metric = WORKERS[name](given)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    y = given["test_y"].double()
    wrong = (torch.as_tensor(predict(given["test_x"])).reshape(-1, 1).double() - y).square().mean()
    directions = torch.linalg.eigh(torch.as_tensor(metric).double()).eigenvectors[:, -HIDDEN:]
    return {
        "seconds": wall,
        "cpu": cpu,
        "r2": float(1 - wrong / y.var(unbiased=False)),
        "overlap": float(torch.linalg.svdvals(given["basis"].T @ directions).square().mean()),
    }


def ours(given: dict[str, Any]) -> tuple[Callable[[Any], Any], Any]:
    """Our machine with given hyperparameters."""
    from gnomon.structure import RecursiveFeatureMachine
    from gnomon.structure.kernels import Laplace

    recipe = RecursiveFeatureMachine(kernel=Laplace(BANDWIDTH), ridge=RIDGE, rounds=ROUNDS)
    machine = recipe.fit(given["train_x"], given["train_y"], validation=(given["validation_x"], given["validation_y"]))
    return machine.predict, machine.metric


def peer(given: dict[str, Any]) -> tuple[Callable[[Any], Any], Any]:
    """The peer with the same."""
    from xrfm.rfm_src import RFM

    machine = RFM(
        "l2_high_dim",
        iters=ROUNDS,
        bandwidth=PEER_BANDWIDTH,
        exponent=1.0,
        device="cpu",
        verbose=False,
        tuning_metric="mse",
    )
    machine.fit(
        (given["train_x"], given["train_y"]),
        (given["validation_x"], given["validation_y"]),
        iters=ROUNDS,
        reg=RIDGE,
        verbose=False,
        early_stop_rfm=False,
    )
    return machine.predict, machine.M


def ours_defaults(given: dict[str, Any]) -> tuple[Callable[[Any], Any], Any]:
    """Our regressor as it comes."""
    from gnomon.structure.scikit import RecursiveFeatureRegressor

    x, y = (np.concatenate([given[f"train_{a}"], given[f"validation_{a}"]]) for a in "xy")
    machine = RecursiveFeatureRegressor().fit(x, y[:, 0])
    return lambda new: machine.predict(new.numpy()), machine.metric_


def peer_defaults(given: dict[str, Any]) -> tuple[Callable[[Any], Any], Any]:
    """The peer as it comes."""
    from xrfm import xRFM

    machine = xRFM(device="cpu", verbose=False, tuning_metric="mse")
    machine.fit(given["train_x"], given["train_y"], given["validation_x"], given["validation_y"])
    return machine.predict, machine.trees[0]["model"].M


def show(found: dict[str, Any]) -> None:
    """Both sides as text."""
    for side in ("ours", "peer"):
        one = found[side]
        times = " ".join(f"{s:.2f}" for s in one["seconds"])
        cpu = " ".join(f"{s:.2f}" for s in one["cpu"])
        print(f"{side}: {times} s (CPU {cpu}); R² {one['r2']:.4f}; overlap of the directions {one['overlap']:.4f}")
    print(f"ratio of medians {found['ratio']:.2f} ({found['ratio_cpu']:.2f} of CPU time); {WANTED} is wanted")


WORKERS = {"ours": ours, "peer": peer, "ours_defaults": ours_defaults, "peer_defaults": peer_defaults}

if __name__ == "__main__":
    sys.exit(main())
