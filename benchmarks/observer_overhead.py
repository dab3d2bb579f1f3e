"""What an observer costs a training run, and whether it changes it.

The stories260K language model (260k parameters) is trained on its own stories with AdamW, alternately bare and beside
an observer that is asked for far more than its 5 % pay for, so that it has to thin its schedule. Printed are the
overhead that the observer states, the one that the wall clock shows (ratio of the medians of the process's own
training times, which includes what the observer does not count: its calls at steps that are not scheduled, and the
caches that it leaves cold), and whether the weights are the same to the bit.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from gnomon.estimators.curvature.hessian_spectrum import HessianSpectrum
from gnomon.lab.observer import Observer, log_spaced
from gnomon.subjects import Subject, TokenData, load, load_data

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
QUANTITIES = [
    "nll",
    "participation_ratio",
    "effective_rank",
    "stable_rank",
    partial(HessianSpectrum, steps=8, probes=1, positions=256),
]


_TOKENS = 64


def texts(subject: Subject) -> tuple[TokenData, TokenData]:
    found = load_data(DATA / "stories_sampled.txt", subject, overlong="truncate")
    assert isinstance(found, TokenData)
    short = TokenData([s[:_TOKENS] for s in found.sequences])
    return short, short.take(np.arange(32))


def train(steps: int, observer: Observer | None) -> tuple[float, str]:
    """Seconds of training, the observer's included, and the hash of the weights at its end."""
    subject = load(DATA / "stories260K")
    module = subject.module.train()
    data, _ = texts(subject)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)
    started = time.perf_counter()
    for step in range(steps + 1):
        if observer is not None:
            observer(step, subject, learning_rate=1e-4)
        if step == steps:
            break
        batch = data.batch(torch.randint(len(data), (8,), generator=generator).numpy())
        labels = batch.kwargs["input_ids"].masked_fill(batch.kwargs["attention_mask"] == 0, -100)
        loss = module(**batch.kwargs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - started, subject.weights_hash()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    _, held_out = texts(load(DATA / "stories260K"))
    bare, watched, stated = [], [], []
    for _ in range(arguments.repeats):
        seconds, before = train(arguments.steps, None)
        bare.append(seconds)
        schedule = log_spaced(arguments.steps, arguments.points)
        observer = Observer(QUANTITIES, schedule=schedule, data={"held out": held_out}, say=lambda _line: None)
        seconds, after = train(arguments.steps, observer)
        watched.append(seconds)
        stated.append(observer.seconds / observer.training_seconds)
        if before != after:
            print("the weights differ: observing changed the course of training")
            return 1
        print(f"bare {bare[-1]:.1f} s, observed {watched[-1]:.1f} s. {observer.statement()}", flush=True)
    overhead = statistics.median(watched) / statistics.median(bare) - 1
    print(f"stated overhead {100 * statistics.median(stated):.1f} % (median), by the clock {100 * overhead:.1f} %")
    print("weights with and without the observer: the same to the bit")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
