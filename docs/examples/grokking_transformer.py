"""Grokking, watched: accuracy, Fourier share of the embedding and local learning coefficient along training.

    python docs/examples/grokking_transformer.py --out reports/grokking

trains `gnomon.organisms.ModularTransformer` from several seeds, with weight decay and (the negative control) without,
measures along the way, and writes the figure ``grokking.svg``, ``readings.csv`` and ``summary.json``. Runs that are
finished are kept in ``runs/`` and not repeated.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from grokking_figure import draw_figure
from grokking_order import readings_table, summarise

from gnomon.estimators.degeneracy import LocalLearningCoefficient
from gnomon.estimators.groups import IrrepSpectrum
from gnomon.lab.observer import Observer
from gnomon.measurement import Measurement, hash_json
from gnomon.organisms import ModularTransformer, train

# The localisation and the step size are the same at all steps and seeds: they are part of what λ̂ means.
LAMBDA = {"steps": 160, "burn_in": 60, "localisation": 100.0, "step_size": 2e-4, "scheme": "splitting"}


def schedule(steps: int, observations: int) -> list[int]:
    """Step 0 and ``observations`` − 1 steps evenly spaced in the logarithm, from a hundredth of ``steps`` on."""
    first = max(1, steps // 100)
    return sorted({0, *np.geomspace(first, steps, max(2, observations - 1)).round().astype(int).tolist()})


def grow(recipe: dict[str, Any], chains: int, observations: int) -> dict[str, Any]:
    """Train one organism and observe it; plain numbers, ready for JSON."""
    spec = ModularTransformer(**recipe)
    data = spec.data()[0]
    observer = Observer(
        [IrrepSpectrum(), LocalLearningCoefficient(chains=chains, positions=len(data), **LAMBDA)],
        schedule=schedule(spec.steps, observations),
        data={"train": data},
        sites=["embed"],
        overhead=None,  # the readings are the purpose here, not the training
        seed=spec.seed,
    )
    started = time.perf_counter()
    organism = train(spec, observe=observer)
    history = organism.history
    return {
        "recipe": spec.model_dump(mode="json"),
        "grows": spec.weight_decay > 0,
        "seconds": time.perf_counter() - started,
        "observing_seconds": observer.seconds,
        "train_accuracy": history.train_accuracy.round(5).tolist(),
        "test_accuracy": history.test_accuracy.round(5).tolist(),
        "readings": [_plain(m) for m in observer.measurements if m.quantity != "irrep_power"],
    }


def _plain(measurement: Measurement) -> dict[str, Any]:
    told = measurement.diagnostics
    ok = measurement.status == "ok"
    return {
        "step": int(measurement.labels["step"]),
        "quantity": measurement.quantity,
        "status": measurement.status,
        "reason": measurement.reason,
        "value": measurement.value if ok else told.get("estimate"),
        "low": measurement.uncertainty.low if ok else None,
        "high": measurement.uncertainty.high if ok else None,
        **{name: told[name] for name in ("null_mean", "null_95_percent", "r_hat", "effective_samples") if name in told},
    }


def run(recipes: list[dict[str, Any]], folder: Path, *, workers: int, chains: int, observations: int) -> list[Any]:
    """Every recipe's run, from ``folder`` where it is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"chains": chains, "observations": observations, **LAMBDA}
    names = [hash_json({"recipe": recipe, "settings": settings})[:16] for recipe in recipes]
    paths = [folder / f"{name}.json" for name in names]
    missing = [i for i, path in enumerate(paths) if not path.is_file()]
    jobs = [(recipes[i], chains, observations) for i in missing]
    for i, found in zip(missing, _grown(jobs, workers), strict=True):
        paths[i].write_text(json.dumps(found), encoding="utf-8")
        print(f"{recipes[i]}: {found['seconds']:.0f} s", file=sys.stderr)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _grown(jobs: list[tuple[dict[str, Any], int, int]], workers: int) -> Iterator[dict[str, Any]]:
    """The runs, in the order of ``jobs``; one after the other in this process, or in ``workers`` others."""
    if workers == 1 or not jobs:
        yield from (grow(*job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_one_thread) as pool:
        yield from pool.map(grow, *zip(*jobs, strict=True))


def _one_thread() -> None:
    torch.set_num_threads(1)  # small networks: the work is spread over processes


def main(arguments: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("reports/grokking"))
    parser.add_argument("--seeds", type=int, default=6, help="networks with weight decay")
    parser.add_argument("--controls", type=int, default=2, help="networks without")
    parser.add_argument("--observations", type=int, default=16, help="observed steps")
    parser.add_argument("--chains", type=int, default=6, help="of the learning coefficient")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--p", type=int, default=53, help="modulus")
    parser.add_argument("--steps", type=int, default=2500, help="training steps")
    given = parser.parse_args(arguments)

    common = {"p": given.p, "steps": given.steps}
    recipes = [{**common, "seed": seed} for seed in range(given.seeds)]
    recipes += [{**common, "seed": seed, "weight_decay": 0.0} for seed in range(given.controls)]
    runs = run(recipes, given.out / "runs", workers=given.workers, chains=given.chains, observations=given.observations)
    summary = summarise(runs)
    (given.out / "readings.csv").write_text(readings_table(runs), encoding="utf-8")
    (given.out / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    draw_figure(runs, summary, given.out / "grokking.svg")
    print(json.dumps(summary["order"], indent=1))


if __name__ == "__main__":
    main()
