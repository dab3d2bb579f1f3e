"""The local learning coefficient of a 10k-parameter MLP, ours against devinterp: draws a CPU second, and the readings.

    python benchmarks/learning_coefficient.py --peer-python PATH [--threads 1] [--json]

The peer runs in its own environment (PATH is its python). Both sample the same network on the same examples with the
same stochastic gradient Langevin dynamics: nβ, γ, ε, batch size, chains and draws are equal. They run in turn, A B A B,
in processes of their own with the same number of threads; a process warms up and reports the median of its repeats.

The readings are compared with that of full gradients in adjusted trajectories, which no step size or minibatch biases.
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
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

ROUNDS = 3
REPEATS = 3
CHAINS, DRAWS, BURN_IN, BATCH = 10, 400, 100, 64
EXAMPLES, FEATURES, HIDDEN, CLASSES = 1024, 64, 128, 10
WANTED = 2.0
SETTINGS = {"nbeta": EXAMPLES / float(np.log(EXAMPLES)), "localization": 1000.0, "lr": 5e-4}


def main() -> int:
    """Run it; the exit code is 1 when the ratio is below 2 or our reading leaves its interval."""
    parser = argparse.ArgumentParser(description="the local learning coefficient, ours against devinterp")
    parser.add_argument("--peer-python", type=Path, help="python of an environment that has devinterp")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", choices=("ours", "peer", "exact"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.worker:
        print(json.dumps(WORKERS[arguments.worker](arguments.folder)))
        return 0
    if arguments.peer_python is None or not arguments.peer_python.exists():
        parser.error("--peer-python: give the python of an environment that has devinterp")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        found = compare(arguments.peer_python, folder, arguments.threads)
    ours, exact = found["ours"], found["exact"]
    allowed = ours["half_width"] + ours["systematic"] + exact["half_width"]
    passed = found["ratio"] >= WANTED and abs(ours["value"] - exact["value"]) <= allowed
    if arguments.json:
        print(json.dumps(found | {"passed": passed}))
        return 0 if passed else 1
    for side in ("ours", "peer"):
        print(f"{side}: {' '.join(f'{r:.0f}' for r in found[side]['draws_per_second'])} draws a second")
    print(f"ratio of medians {found['ratio']:.1f} (wanted: {WANTED:.0f})")
    print(f"full gradients, adjusted: {exact['value']:.1f} ± {exact['half_width']:.1f}")
    print(f"ours: {ours['value']:.1f} ± {ours['half_width']:.1f}, systematic {ours['systematic']:.1f}")
    print(f"peer: {found['peer']['value']:.1f} ± {found['peer']['half_width']:.1f} (spread over chains)")
    return 0 if passed else 1


def network() -> nn.Sequential:
    """9,610 parameters."""
    return nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, CLASSES))


def make(folder: Path) -> None:
    """The examples, and the network trained on them to a minimum of its penalised loss."""
    torch.manual_seed(0)
    x = torch.randn(EXAMPLES, FEATURES)
    teacher = torch.randn(FEATURES, CLASSES) / 4
    y = torch.distributions.Categorical(logits=x @ teacher).sample()
    module = network()
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=2000, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        penalty = sum(p.square().sum() for p in module.parameters())
        loss = nn.functional.cross_entropy(module(x), y) + 3e-3 * penalty
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.save({"x": x, "y": y, "weights": module.state_dict()}, folder / "problem.pt")


def load(folder: Path) -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    problem = torch.load(folder / "problem.pt", weights_only=True)
    module = network()
    module.load_state_dict(problem["weights"])
    return module, problem["x"], problem["y"]


def compare(peer_python: Path, folder: Path, threads: int) -> dict[str, Any]:
    """Both sides in turn, and what they found."""
    pythons = {"ours": sys.executable, "peer": str(peer_python)}
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONWARNINGS": "ignore"}

    def run(side: str, python: str) -> dict[str, Any]:
        command = [python, __file__, "--worker", side, "--folder", str(folder), "--threads", str(threads)]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{side} cannot run in {python}: {done.stderr.strip().splitlines()[-1]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    found: dict[str, Any] = {side: {"draws_per_second": []} for side in pythons}
    for _ in range(ROUNDS):
        for side, python in pythons.items():
            report = run(side, python)
            found[side]["draws_per_second"].append(report.pop("draws_per_second"))
            found[side] |= report
    medians = {side: statistics.median(found[side]["draws_per_second"]) for side in pythons}
    return found | {"ratio": medians["ours"] / medians["peer"], "exact": run("exact", sys.executable)}


def ours(folder: Path, **options: Any) -> dict[str, Any]:
    from gnomon.estimators import Budget
    from gnomon.estimators.degeneracy import LocalLearningCoefficient
    from gnomon.randomness import Rng
    from gnomon.subjects import ArrayData, CrossEntropy, Subject

    module, x, y = load(folder)
    subject, data = Subject(module, loss=CrossEntropy()), ArrayData(x, y)
    given = {
        "chains": CHAINS,
        "steps": DRAWS,
        "burn_in": BURN_IN,
        "n_beta": SETTINGS["nbeta"],
        "localisation": SETTINGS["localization"],
        "step_size": SETTINGS["lr"],
        "batch_size": BATCH,
        "scheme": "euler",
    }
    estimator = LocalLearningCoefficient(**(given | options))
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        (m,) = estimator.measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
        seconds.append(time.process_time() - started)
    value = m.diagnostics["estimate"]
    half = float(m.uncertainty.half_width) if m.status == "ok" else float("nan")
    rate = CHAINS * (DRAWS + BURN_IN) / statistics.median(seconds)
    systematic = m.uncertainty.systematic or 0.0
    return {
        "draws_per_second": rate,
        "value": value,
        "half_width": half,
        "systematic": systematic,
        "reason": m.reason,
        "diagnostics": dict(m.diagnostics),
    }


def exact(folder: Path) -> dict[str, Any]:
    """Full gradients in adjusted trajectories."""
    return ours(folder, batch_size=None, scheme="adjusted", step_size=None, steps=640, burn_in=320)


def peer(folder: Path) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    from devinterp.optim import SGLD
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary
    from torch.utils.data import DataLoader, TensorDataset

    module, x, y = load(folder)

    def evaluate(model: nn.Module, batch: Any) -> torch.Tensor:
        inputs, targets = batch
        return nn.functional.cross_entropy(model(inputs), targets)

    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        found = estimate_learning_coeff_with_summary(
            module,
            DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True),
            evaluate=evaluate,
            sampling_method=SGLD,
            optimizer_kwargs=dict(SETTINGS),
            num_draws=DRAWS,
            num_chains=CHAINS,
            num_burnin_steps=BURN_IN,
            seed=0,
            verbose=False,
        )
        seconds.append(time.process_time() - started)
    rate = CHAINS * (DRAWS + BURN_IN) / statistics.median(seconds)
    return {"draws_per_second": rate, "value": found["llc/mean"], "half_width": found["llc/std"]}


WORKERS = {"ours": ours, "peer": peer, "exact": exact}

if __name__ == "__main__":
    sys.exit(main())
