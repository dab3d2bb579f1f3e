"""A TopK dictionary trained on a CPU core, ours against SAELens and dictionary_learning: time and loss curve.

    python benchmarks/dictionary.py --peer-python PATH [--width 512] [--latents 4096] [--k 32] [--batch 4096]
        [--steps 24] [--rounds 2] [--json]

The peers run in their own environment (PATH is its python), which has both. All train with their own trainers on the
same batches in the same order, from the same directions, with Adam at the same constant learning rate, in float32, on
one core, in turn (A B C A B C), in processes of their own. Ours runs with its pool; the peers are handed batches that
are in memory. SAELens's option of sparse activations is off, as by default: with it on, 6.54.12 cannot train on a CPU
("Could not run 'aten::view' with arguments from the 'SparseCPU' backend").

Time is what the process used of a core, from the third step on. A loss is the mean squared error of a batch over its
mean squared length, before the step. The vectors are sums of planted directions (three times as many as there are
dimensions, each present in one of 64 vectors) with a little noise, centred, of mean squared length 1.
"""

from __future__ import annotations

import argparse
import importlib.util
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

WANTED = 2.0
SAME = 0.01
WARM = 2
SIDES = ("ours", "sae_lens", "dictionary_learning")


def main() -> int:
    """Run it; the exit code is 1 when ours is less than twice as fast as a peer, or its loss is not the same."""
    parser = argparse.ArgumentParser(description="a TopK dictionary, ours against SAELens and dictionary_learning")
    parser.add_argument("--peer-python", type=Path, help="python of an environment that has both peers")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--latents", type=int, default=4096)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        if arguments.worker != "ours":
            without_torchvision()
        print(json.dumps(WORKERS[arguments.worker](arguments)))
        return 0
    if arguments.peer_python is None or not arguments.peer_python.exists():
        parser.error("--peer-python: give the python of an environment that has sae-lens and dictionary_learning")
    with tempfile.TemporaryDirectory() as name:
        arguments.folder = Path(name)
        prepare(arguments)
        found = compare(arguments)
    passed = all(one["ratio"] >= WANTED and one["difference"] <= SAME for one in found["peers"].values())
    if arguments.json:
        print(json.dumps(found | {"passed": passed}))
    else:
        show(found, arguments)
    return 0 if passed else 1


def prepare(arguments: argparse.Namespace) -> None:
    """The batches, in the order in which our pool hands them out, and our initial directions, for all sides."""
    from gnomon.structure.dictionaries import ArrayRows
    from gnomon.structure.dictionaries.pool import Pool

    rows = vectors(arguments.steps * arguments.batch, arguments.width)
    np.save(arguments.folder / "rows.npy", rows)
    spec, training, rng = ours_options(arguments)
    pool = Pool(ArrayRows(rows), batch=training.batch, size=training.pool, rng=rng.child("rows"))
    np.save(arguments.folder / "batches.npy", np.stack([pool[n][0].numpy() for n in range(arguments.steps)]))
    from gnomon.structure.dictionaries import build

    decoder = build(spec, arguments.width, None, rng.child("initial")).decoder
    np.save(arguments.folder / "decoder.npy", decoder.detach().numpy())


def vectors(n: int, width: int) -> np.ndarray:
    """Centred sums of planted directions, with noise, of mean squared length 1."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((3 * width, width), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    rows = 0.05 * generator.standard_normal((n, width), dtype=np.float32)
    for part in np.array_split(np.arange(n), max(1, n // 8192)):
        present = generator.random((len(part), len(features)), dtype=np.float32) < 1 / 64
        rows[part] += (present * generator.exponential(size=present.shape).astype(np.float32)) @ features
    rows -= rows.mean(axis=0)
    return rows / np.sqrt(np.square(rows).sum(axis=1).mean())


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """All sides in turn."""
    found: dict[str, Any] = {side: {"seconds": []} for side in SIDES}
    for _ in range(arguments.rounds):
        for side in SIDES:
            report = worker(side, arguments)
            found[side]["seconds"].append(report["seconds"])
            found[side]["losses"] = report["losses"]
    timed = (arguments.steps - WARM) * arguments.batch
    for side in SIDES:
        found[side]["vectors_per_second"] = timed / statistics.median(found[side]["seconds"])
    ours = found.pop("ours")
    late = slice(3 * arguments.steps // 4, None)
    for peer in found.values():
        peer["ratio"] = ours["vectors_per_second"] / peer["vectors_per_second"]
        theirs, mine = (float(np.mean(side["losses"][late])) for side in (peer, ours))
        # what counts against ours is a loss above the peer's
        peer["difference"] = (mine - theirs) / theirs
    return {"ours": ours, "peers": found}


def worker(side: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What one process of one side reports."""
    python = sys.executable if side == "ours" else str(arguments.peer_python)
    # -P: a peer is called as this file is
    command = [python, "-P", __file__, "--worker", side, "--folder", str(arguments.folder)]
    for name in ("width", "latents", "k", "batch", "steps"):
        command += [f"--{name}", str(getattr(arguments, name))]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    quiet = {"WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=os.environ | threads | quiet, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side} cannot run in {python}: {done.stderr.strip().splitlines()[-1]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def learning_rate(arguments: argparse.Namespace) -> float:
    """The same for all sides."""
    return float(2e-4 * np.sqrt(2**14 / arguments.latents))


def ours_options(arguments: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Architecture, training and seed of ours."""
    from gnomon.randomness import Rng
    from gnomon.structure.dictionaries import Training, architecture

    training = Training(
        rows=arguments.steps * arguments.batch,
        batch=arguments.batch,
        learning_rate=learning_rate(arguments),
        warm_up=0.0,
        decay=0.0,
        dead_after=10_000_000,
        report_every=1,
    )
    return architecture("top_k", latents=arguments.latents, k=arguments.k), training, Rng(0)


def ours(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ours, as it is called by its users."""
    from gnomon.structure.dictionaries import ArrayRows, train

    spec, training, rng = ours_options(arguments)
    rows = ArrayRows(np.load(arguments.folder / "rows.npy"))
    marks: list[float] = []
    trained = train(rows, spec, training, rng=rng, progress=lambda _: marks.append(time.process_time()))
    return {"seconds": marks[-1] - marks[WARM - 1], "losses": [1 - one.explained for one in trained.history]}


def without_torchvision() -> None:
    """Hide torchvision, which nnsight installs and which may not load beside the peers' torch, from transformers."""
    found = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *rest: None if name.split(".")[0] == "torchvision" else found(name, *rest)


def stepped(arguments: argparse.Namespace, step: Callable[[Any], float]) -> dict[str, Any]:
    """A peer's steps on the batches; ``step`` gives the squared error."""
    import torch

    torch.set_num_threads(1)
    marks, losses = [], []
    for batch in np.load(arguments.folder / "batches.npy"):
        rows = torch.from_numpy(batch)
        losses.append(step(rows) / float(rows.square().sum(dim=1).mean()))
        marks.append(time.process_time())
    return {"seconds": marks[-1] - marks[WARM - 1], "losses": losses}


def sae_lens(arguments: argparse.Namespace) -> dict[str, Any]:
    """SAELens: its trainer's step."""
    import torch
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=arguments.width, d_sae=arguments.latents, k=arguments.k))
    decoder = torch.from_numpy(np.load(arguments.folder / "decoder.npy"))
    sae.W_dec.data.copy_(decoder)
    sae.W_enc.data.copy_(decoder.T)
    options = SAETrainerConfig(
        total_training_samples=arguments.steps * arguments.batch,
        train_batch_size_samples=arguments.batch,
        lr=learning_rate(arguments),
        lr_end=learning_rate(arguments),
    )
    trainer = SAETrainer(options, sae, iter(()))

    def step(rows: Any) -> float:
        loss = trainer.step(rows).losses["mse_loss"].item()
        trainer.n_training_steps += 1
        return float(loss)

    return stepped(arguments, step)


def dictionary_learning(arguments: argparse.Namespace) -> dict[str, Any]:
    """dictionary_learning: its trainer's update."""
    import torch
    from dictionary_learning.trainers.top_k import TopKTrainer

    trainer = TopKTrainer(
        steps=arguments.steps,
        activation_dim=arguments.width,
        dict_size=arguments.latents,
        k=arguments.k,
        layer=0,
        lm_name="",
        lr=learning_rate(arguments),
        warmup_steps=0,
        device="cpu",
    )
    decoder = torch.from_numpy(np.load(arguments.folder / "decoder.npy"))
    trainer.ae.decoder.weight.data.copy_(decoder.T)
    trainer.ae.encoder.weight.data.copy_(decoder)
    count = iter(range(arguments.steps))
    return stepped(arguments, lambda rows: float(trainer.update(next(count), rows)))


def show(found: dict[str, Any], arguments: argparse.Namespace) -> None:
    """All sides as text."""
    print(
        f"d = {arguments.width}, m = {arguments.latents}, k = {arguments.k}, batch {arguments.batch}, "
        f"{arguments.steps} steps, one core"
    )
    for side, one in {"ours": found["ours"], **found["peers"]}.items():
        times = " ".join(f"{s:.1f}" for s in one["seconds"])
        marks = sorted({0, 1, len(one["losses"]) // 4, len(one["losses"]) // 2, len(one["losses"]) - 1})
        losses = ", ".join(f"{one['losses'][n]:.5f}" for n in marks)
        print(f"{side}: {one['vectors_per_second']:,.0f} vectors a second ({times} s); loss {losses}")
    for side, one in found["peers"].items():
        print(
            f"ours over {side}: {one['ratio']:.2f} times as fast (wanted: {WANTED:g}); "
            f"loss of the last quarter {one['difference']:+.2%} (at most {SAME:+.0%})"
        )


WORKERS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "ours": ours,
    "sae_lens": sae_lens,
    "dictionary_learning": dictionary_learning,
}

if __name__ == "__main__":
    sys.exit(main())
