"""32 replicas of the grokking MLP trained together, against one after the other, at equal threads.

    python benchmarks/ensemble.py [--threads 1] [--rounds 3] [--replicas 32] [--steps 600] [--json]

The network is `ModularAddition` with its defaults (p = 23, width 256, AdamW, full batch). Sides:

- together: `train_together`, of all replicas;
- loop: `train`, of each;
- plain: a loop over replicas in plain torch that does what `train` records (loss, both accuracies, every step) and
  nothing else;
- no test: the plain loop without its forward pass over the held-out pairs, which is less than the others do;
- stacked: together, but through the general engine (`Ensemble`, under vmap) in place of the closed form.

Sides run in turn, and medians of the processor time of this process are compared, which does not count waiting for a
busy machine (but caches and cores that others use slow it all the same). The organisms are compared with those of the
loop after 50 steps: later on, Adam has multiplied differences of rounding.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn

from gnomon.organisms import Each, Ensemble, ModularAddition, Organism, train, train_together
from gnomon.organisms.ensemble_optimizers import AdamW

COMPARED_AFTER = 50


def loop(specs: Sequence[ModularAddition]) -> None:
    """`train`, of each."""
    for spec in specs:
        train(spec)


def plain(specs: Sequence[ModularAddition], *, test: bool = True) -> None:
    """The same in plain torch: the loop that a notebook would have."""
    for spec in specs:
        network = spec.network()
        (x, y), (test_x, test_y) = ((d.inputs, d.targets) for d in spec.data())
        targets = nn.functional.one_hot(y, spec.p).float()
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=spec.learning_rate, betas=spec.betas, weight_decay=spec.weight_decay
        )
        curves = []
        for _ in range(spec.steps):
            output = network(x)
            loss = nn.functional.mse_loss(output, targets)
            curves.append((loss.item(), (output.argmax(1) == y).float().mean().item()))
            if test:
                with torch.no_grad():
                    curves.append(((network(test_x).argmax(1) == test_y).float().mean().item(),))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def stacked(specs: Sequence[ModularAddition]) -> None:
    """The general engine, which knows nothing of the network."""
    one, data = specs[0], [spec.data() for spec in specs]
    ensemble, optimizer = (
        Ensemble([spec.network() for spec in specs]),
        AdamW(one.learning_rate, betas=one.betas, weight_decay=one.weight_decay),
    )
    x, y, test_x, test_y = (
        Each(torch.stack([getattr(split[i], name) for split in data])) for i in (0, 1) for name in ("inputs", "targets")
    )
    curves = []
    for _ in range(one.steps):
        test = (ensemble.outputs(test_x).argmax(-1) == test_y.values).float().mean(1)
        losses, outputs = ensemble.step(optimizer, one.objective, x, y)
        curves.append((losses, (outputs.argmax(-1) == y.values).float().mean(1), test))


SIDES: dict[str, Callable[[Sequence[ModularAddition]], object]] = {
    "together": train_together,
    "loop": loop,
    "plain": plain,
    "no test": lambda specs: plain(specs, test=False),
    "stacked": stacked,
}


def difference(specs: Sequence[ModularAddition]) -> dict[str, float]:
    """How far weights and accuracies are from those of `train`."""
    short = [spec.model_copy(update={"steps": COMPARED_AFTER}) for spec in specs]
    weights = accuracy = 0.0
    for spec, grown in zip(short, train_together(short), strict=True):
        alone = train(spec)
        assert isinstance(grown, Organism)
        for mine, theirs in zip(grown.module.parameters(), alone.module.parameters(), strict=True):
            weights = max(weights, float(((mine - theirs).abs().max() / theirs.abs().max()).detach()))
        accuracy = max(accuracy, float(abs(grown.history.test_accuracy - alone.history.test_accuracy).max()))
    return {"weights": weights, "accuracy": accuracy}


def main() -> int:
    """Run it; the exit code is 1 when the organisms differ."""
    parser = argparse.ArgumentParser(description="32 grokking networks together, against one after the other")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    specs = [ModularAddition(seed=seed, steps=arguments.steps) for seed in range(arguments.replicas)]
    for run in SIDES.values():  # what only a first call pays
        run([spec.model_copy(update={"steps": 2}) for spec in specs[:2]])
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(arguments.rounds):
        for side, run in SIDES.items():
            started = time.process_time()
            run(specs)
            seconds[side].append(time.process_time() - started)
    medians = {side: statistics.median(s) for side, s in seconds.items()}
    ratios = {side: medians[side] / medians["together"] for side in SIDES if side != "together"}
    differences = difference(specs[:4])
    passed = differences["weights"] <= 1e-4 and differences["accuracy"] <= 0.01
    if arguments.json:
        found = {"seconds": seconds, "ratios": ratios, "differences": differences, "passed": passed}
        print(json.dumps(found))
        return 0 if passed else 1
    print(f"{len(specs)} replicas, {arguments.steps} steps, {arguments.threads} thread(s); processor seconds")
    for side, median in medians.items():
        times = ", ".join(f"{s:.1f}" for s in seconds[side])
        ratio = f"; {ratios[side]:.2f} times together" if side in ratios else ""
        each = 1e3 * median / len(specs) / arguments.steps
        print(f"  {side}: median {median:.1f} s of {times} ({each:.2f} ms a replica and step){ratio}")
    print(f"  largest difference from the loop after {COMPARED_AFTER} steps: {differences}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
