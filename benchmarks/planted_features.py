"""Planted features found again by a TopK dictionary, ours against SAELens: mean matched cosine and time.

    python benchmarks/planted_features.py --peer-python PATH [--seeds 0 1 2] [--rows 800000] [--features 128]
        [--width 64] [--rate 0.04] [--json]

128 random unit directions in 64 dimensions fire independently with probability 0.04 and half-normal magnitudes, the
other settings by default. The peer runs in its own environment (PATH is its python). Both get the same rows, k = 5 (the
mean number of features that fire), as many latents as features, batches of 1,024 (the default of SAELens's
`train_toy_sae`), one core, one pass, in processes of their own, in turn.

Both sides are run twice: at their default learning rate (ours 2.3e-3 for 128 latents, with warm-up and decay; SAELens
3e-4, constant, as in its `train_toy_sae`), and at their best, 1e-2 for both, chosen on seeds 100 to 102, which are not
among those reported: SAELens's of 3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, constant, and 1e-2 and 2e-2 with decay; ours of
2.3e-3, 4e-3, 5e-3, 1e-2, 2e-2, with and without warm-up, and decay over 0.2, 0.5, 0.8 and all of the steps. All else is
at its default on both sides.

A matched cosine is the mean over features of the cosine with the latent that the Hungarian method assigns to it; the
intervals are over seeds, 95 %. Seconds are those that the process used of a core while it trained, after ten steps on
other rows that load what is loaded late; reading the rows from memory counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

WANTED = 0.87
BATCH = 1024
WARM = 10
# ours: settings of `Training`; the peer's: its learning rate
SIDES: dict[str, dict[str, float]] = {
    "ours, default rate": {},
    "ours, best rate": {"learning_rate": 1e-2, "warm_up": 0.0},
    "peer, default rate": {"lr": 3e-4},
    "peer, best rate": {"lr": 1e-2},
}


def main() -> int:
    """Run it; the exit code is 1 when ours, at its default rate, falls short in one of the three `verdicts`."""
    parser = argparse.ArgumentParser(description="planted features, ours against SAELens")
    parser.add_argument("--peer-python", type=Path, help="python of an environment that has sae-lens")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=800_000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.04, help="probability that a feature fires")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=tuple(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(WORKERS[arguments.worker](arguments)))
        return 0
    if arguments.peer_python is None or not arguments.peer_python.exists():
        parser.error("--peer-python: give the python of an environment that has sae-lens")
    with tempfile.TemporaryDirectory() as name:
        arguments.folder = Path(name)
        found = compare(arguments)
    reached = verdicts(found)
    passed = all(reached.values())
    if arguments.json:
        print(json.dumps(found | {"reached": reached, "passed": passed}))
    else:
        show(found, arguments)
        for what, so in reached.items():
            print(f"{'yes' if so else 'NO'}: {what}")
    return 0 if passed else 1


def verdicts(found: dict[str, Any]) -> dict[str, bool]:
    """What was asked of ours, and between them the stricter question that the benchmark was first written with."""
    ours, theirs, best = (found[side] for side in ("ours, default rate", "peer, default rate", "peer, best rate"))
    return {
        f"ours at its default rate finds {WANTED} or more, and no less than the peer at its default": ours["mean"]
        >= max(WANTED, theirs["mean"]),
        "ours at its default rate finds no less than the peer at its best": ours["mean"] >= best["mean"],
        "ours takes no longer than the peer": ours["total"] <= theirs["total"],
    }


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """All sides on the rows of every seed, in turn."""
    from gnomon.randomness import Rng
    from gnomon.structure.dictionaries.evaluation.recovery import expected_best_cosine, null_matched_cosines

    found: dict[str, Any] = {side: {"cosines": [], "found": [], "seconds": []} for side in SIDES}
    null: list[float] = []
    for seed in arguments.seeds:
        features = prepare(arguments, seed)
        for side in SIDES:
            report = worker(side, arguments, seed)
            score(report, features, arguments.folder / "decoder.npy", found[side])
        null += null_matched_cosines(features, arguments.features, Rng(seed), draws=5).tolist()
    for side in SIDES:
        values = np.array(found[side]["cosines"])
        found[side] |= {"mean": float(values.mean()), "half": half_width(values), "total": sum(found[side]["seconds"])}
    found["null"] = {"mean": float(np.mean(null)), "most": expected_best_cosine(arguments.features, arguments.width)}
    return found


def prepare(arguments: argparse.Namespace, seed: int) -> Any:
    """Draw the features and write the rows for all sides."""
    import torch

    from gnomon.randomness import Rng
    from gnomon.structure.dictionaries.planted import Planted, random_directions
    from gnomon.structure.dictionaries.planted_firing import Independent

    rng = Rng(seed).child("planted features")
    rates = torch.full((arguments.features,), arguments.rate)
    directions = random_directions(arguments.features, arguments.width, rng)
    planted = Planted(features=directions, firing=Independent(rates))
    rows = np.lib.format.open_memmap(
        arguments.folder / "rows.npy", mode="w+", dtype=np.float32, shape=(arguments.rows, arguments.width)
    )
    start = 0
    for _, vectors in planted.blocks(arguments.rows, rng):
        rows[start : start + len(vectors)] = vectors.numpy()
        start += len(vectors)
    rows.flush()
    return planted.features


def score(report: dict[str, Any], features: Any, decoder: Path, into: dict[str, list[float]]) -> None:
    """Match the directions that a side left in ``decoder``."""
    import torch

    from gnomon.structure.dictionaries.evaluation.recovery import FOUND, match

    cosines = match(torch.from_numpy(np.load(decoder)), features).cosines
    into["cosines"].append(float(cosines.mean()))
    into["found"].append(float((cosines > FOUND).mean()))
    into["seconds"].append(report["seconds"])


def half_width(values: np.ndarray) -> float | None:
    """Half of Student's 95 % interval of the mean, over seeds."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return None
    return float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)))


def worker(side: str, arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """What one process of one side reports."""
    mine = side.startswith("ours")
    # -P: the peer is called as this file is
    command = [sys.executable if mine else str(arguments.peer_python), "-P", __file__]
    command += ["--worker", "ours" if mine else "peer", "--folder", str(arguments.folder), "--seed", str(seed)]
    command += ["--features", str(arguments.features), "--width", str(arguments.width), "--rate", str(arguments.rate)]
    command += ["--side", side]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    quiet = {"WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=os.environ | threads | quiet, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side} cannot run in {command[0]}: {done.stderr.strip().splitlines()[-1]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def active(arguments: argparse.Namespace) -> int:
    """How many features fire on average: k."""
    return max(1, round(arguments.features * arguments.rate))


def ours(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ours, as it is called by its users."""
    from gnomon.randomness import Rng
    from gnomon.structure.dictionaries import ArrayRows, Training, architecture, train

    rows = np.load(arguments.folder / "rows.npy")
    spec = architecture("top_k", latents=arguments.features, k=active(arguments))

    def trained(part: np.ndarray) -> Any:
        training = Training(rows=len(part), batch=BATCH, report_every=10**6, **SIDES[arguments.side])
        return train(ArrayRows(part), spec, training, rng=Rng(arguments.seed)).dictionary

    trained(rows[: WARM * BATCH])
    started = time.process_time()
    dictionary = trained(rows)
    seconds = time.process_time() - started
    np.save(arguments.folder / "decoder.npy", dictionary.decoder.detach().numpy())
    return {"seconds": seconds}


def peer(arguments: argparse.Namespace) -> dict[str, Any]:
    """SAELens: its trainer with the settings of its `train_toy_sae`, on the given rows."""
    real = importlib.util.find_spec  # a torchvision that does not load beside the torch that is there is none
    importlib.util.find_spec = lambda name, *rest: None if name.split(".")[0] == "torchvision" else real(name, *rest)
    import torch
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.set_num_threads(1)
    rows = torch.from_numpy(np.load(arguments.folder / "rows.npy"))
    rate = SIDES[arguments.side]["lr"]

    def trained(part: torch.Tensor) -> Any:
        torch.manual_seed(arguments.seed)
        options = TopKTrainingSAEConfig(d_in=arguments.width, d_sae=arguments.features, k=active(arguments))
        sae = TopKTrainingSAE(options)
        batches = len(part) // BATCH
        config = SAETrainerConfig(
            total_training_samples=batches * BATCH,
            train_batch_size_samples=BATCH,
            lr=rate,
            lr_end=rate,
            dead_feature_window=1000,
            feature_sampling_window=2000,
            logger=LoggingConfig(log_to_wandb=False, eval_every_n_wandb_logs=2**31 - 1),
        )
        provider = iter(part[: batches * BATCH].split(BATCH))
        SAETrainer(cfg=config, sae=sae, data_provider=provider, save_checkpoint_fn=lambda **_: None).fit()
        return sae

    trained(rows[: WARM * BATCH])
    started = time.process_time()
    sae = trained(rows)
    seconds = time.process_time() - started
    np.save(arguments.folder / "decoder.npy", sae.W_dec.detach().numpy())
    return {"seconds": seconds}


def show(found: dict[str, Any], arguments: argparse.Namespace) -> None:
    """All sides as text."""
    print(
        f"{arguments.features} features in {arguments.width} dimensions, firing with probability {arguments.rate:g}; "
        f"{arguments.rows} rows; seeds {', '.join(map(str, arguments.seeds))}"
    )
    for side in SIDES:
        one = found[side]
        spread = "" if one["half"] is None else f" ± {one['half']:.3f}"
        each = " ".join(f"{value:.3f}" for value in one["cosines"])
        above = " ".join(f"{value:.3f}" for value in one["found"])
        seconds = " ".join(f"{value:.2f}" for value in one["seconds"])
        print(
            f"{side}: mean matched cosine {one['mean']:.3f}{spread} ({each}); above 0.9: {above}; CPU seconds {seconds}"
        )
    null = found["null"]
    print(f"random directions: {null['mean']:.3f}, at most {null['most']:.3f} on average")


WORKERS = {"ours": ours, "peer": peer}

if __name__ == "__main__":
    sys.exit(main())
