"""A program that trains a dictionary and is killed when it has done so many steps, for the tests of checkpoints."""

from __future__ import annotations

import os
import signal
import sys

import torch

from gnomon.randomness import Rng
from gnomon.structure.dictionaries import (
    Architecture,
    ArrayRows,
    Progress,
    Rows,
    Trained,
    Training,
    architecture,
    train,
)

TRAINING = Training(rows=1200, batch=50, pool=130, dead_after=200, checkpoint_every=5, report_every=1)


def rows() -> Rows:
    """Vectors of which 310 make an epoch, so that windows and epochs end within a run."""
    generator = Rng(3).torch()
    features = torch.randn(24, 8, generator=generator)
    return ArrayRows((torch.rand(310, 24, generator=generator) < 0.1).float() @ features)


def spec(kind: str) -> Architecture:
    """A small architecture of that kind."""
    return architecture(kind, latents=40, **({"k": 3} if "k" in kind and kind != "jump_relu" else {}))


def run(kind: str, directory: str | None, killed: int | None = None) -> Trained:
    """Train; at step ``killed`` the process is killed."""

    def progress(done: Progress) -> None:
        if done.step == killed:
            os.kill(os.getpid(), signal.SIGKILL)

    return train(rows(), spec(kind), TRAINING, rng=Rng(5), directory=directory, progress=progress)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
