"""Training a dictionary, from rows to a directory, so that a run that was stopped goes on to the bit."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.measurement import hash_json
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.architectures import build
from gnomon.structure.dictionaries.checkpoint import Checkpoints
from gnomon.structure.dictionaries.dictionary import Architecture, Dictionary, Loss
from gnomon.structure.dictionaries.optimiser import Optimiser, schedule
from gnomon.structure.dictionaries.pool import Pool
from gnomon.structure.dictionaries.rows import Rows

_LASTING = 10_000  # steps
_HIGHEST = 1e-2


class Training(Spec):
    r"""How a dictionary is trained.

    Parameters
    ----------
    rows : training rows, rounded down to whole batches; more than there are begin another epoch.
    batch : rows of a batch.
    learning_rate : at its highest; by default that of `default_learning_rate`.
    momentum : Adam's :math:`\beta_1`.
    warm_up : share of the steps in which the learning rate and the sparsity penalty rise from 0, at most 1,000 steps.
    decay : share of the steps, the last, in which the learning rate falls to 0.
    dead_after : rows without firing after which a latent is dead; by default a tenth of all, at most 10⁷ (Gao et al.).
    pool : rows of the window in which they are shuffled.
    checkpoint_every : steps from one checkpoint to the next.
    report_every : steps from one entry of the history to the next.
    """

    rows: int = Field(default=10_000_000, ge=1)
    batch: int = Field(default=4096, ge=2)
    learning_rate: float | None = Field(default=None, gt=0.0)
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    warm_up: float = Field(default=0.05, ge=0.0, le=1.0)
    decay: float = Field(default=0.2, ge=0.0, le=1.0)
    dead_after: int | None = Field(default=None, ge=1)
    pool: int = Field(default=2**18, ge=1)
    checkpoint_every: int = Field(default=1000, ge=1)
    report_every: int = Field(default=50, ge=1)

    @property
    def steps(self) -> int:
        """Whole batches in ``rows``."""
        return self.rows // self.batch


def default_learning_rate(latents: int, steps: int) -> float:
    r""":math:`2 \cdot 10^{-4} \sqrt{2^{14} / m} \cdot \sqrt{\max(1, 10^4 / T)}` for T steps.

    The last factor raises it to 0.01 at most. The first two are those of Gao et al., arXiv:2406.04093, figure 3, for
    runs of many steps. Adam moves an entry by about the learning rate a step, so that in few steps directions do not
    get to where they belong. The last is ours, from runs of 200 to 2,000 steps; the page on dictionaries has what they
    gave.

    >>> default_learning_rate(2**14, 100_000), default_learning_rate(2**14, 2500)
    (0.0002, 0.0004)
    """
    lasting = 2e-4 * math.sqrt(2**14 / latents)
    return max(lasting, min(_HIGHEST, lasting * math.sqrt(max(1.0, _LASTING / steps))))


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a training run is: what a callback is told and the history holds.

    Parameters
    ----------
    step, steps : steps done, and in all.
    rows : seen.
    loss : that was minimised, of the last batch, as are the next two.
    explained : share of the target's variance that was explained.
    active : mean number of active latents a vector.
    dead : share of the latents that are dead.
    """

    step: int
    steps: int
    rows: int
    loss: float
    explained: float
    active: float
    dead: float


@dataclass(frozen=True, eq=False)
class Trained:
    """A dictionary, in evaluation mode, and the history of its training.

    ``silent``, ``(m,)``, counts the rows since each latent fired; ``dead`` is how many of them are counted as dead.
    """

    dictionary: Dictionary
    history: tuple[Progress, ...]
    silent: Tensor
    dead: int


def train(
    rows: Rows,
    architecture: Architecture,
    training: Training | None = None,
    *,
    rng: Rng,
    directory: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """Train a dictionary on ``rows``; a transcoder where these have targets.

    The result depends on the rows, the specs and the seed only. Means and scales are measured on the first window of
    the pool.

    Parameters
    ----------
    directory : where checkpoints are kept; if it holds some of the same run, training goes on from the last whole one,
        and ends with the same bits as without a stop.
    progress : called every ``report_every`` steps and at the end.
    stop : asked after every step; when it says so, a checkpoint is written, if there is a directory, and training ends.

    Raises
    ------
    KeyboardInterrupt : when ``stop`` said so.
    GnomonError : when there are fewer rows than a batch has, rows are not finite or all equal, the loss is not finite,
        or the checkpoints are of another run or cannot be written.
    """
    run = _Run(rows, architecture, training or Training(), rng, torch.device(device))
    checkpoints = None
    if directory is not None:
        checkpoints = Checkpoints(Path(directory), run.identity)
        found = checkpoints.latest()
        if found is not None:
            run.restore(*found)
    if run.step == 0:
        run.calibrate()
    while run.step < run.training.steps:
        loss = run.advance()
        if run.reporting:
            run.report(loss)
            if progress is not None:
                progress(run.history[-1])
        stopped = stop is not None and stop()
        if checkpoints is not None and (stopped or run.step % run.training.checkpoint_every == 0):
            checkpoints.save(*run.state())
        if stopped:
            raise KeyboardInterrupt
    return Trained(run.dictionary.eval(), tuple(run.history), run.silent, int(run.dead.sum()))


class _Run:
    """The state of a training run."""

    def __init__(
        self, rows: Rows, architecture: Architecture, training: Training, rng: Rng, device: torch.device
    ) -> None:
        if not training.steps:
            raise GnomonError(
                f"{training.rows} rows do not fill a batch of {training.batch}", mend="train on more rows"
            )
        self.training = training
        self.dictionary = build(architecture, rows.inputs, rows.targets, rng.child("initial")).to(device).train()
        self.step = 0
        self.history: list[Progress] = []
        self.silent = torch.zeros(architecture.latents, dtype=torch.int64, device=device)
        self.identity = hash_json(
            [architecture.model_dump(mode="json"), training.model_dump(mode="json"), rows.digest, rng.key]
        )
        self._device = device
        self._pool = Pool(rows, batch=training.batch, size=training.pool, rng=rng.child("rows"))
        self._optimiser = Optimiser(self.dictionary, training.momentum)
        self._learning_rate = training.learning_rate or default_learning_rate(architecture.latents, training.steps)
        self._dead_after = training.dead_after or max(1, min(10_000_000, training.rows // 10))
        self._warm = min(1000, round(training.warm_up * training.steps))
        self._decay = round(training.decay * training.steps)

    @property
    def dead(self) -> Tensor:
        """``(m,)`` bool."""
        return self.silent >= self._dead_after

    @property
    def reporting(self) -> bool:
        """The step that was done belongs into the history."""
        return self.step % self.training.report_every == 0 or self.step == self.training.steps

    def calibrate(self) -> None:
        """Measure means and scales on the first window."""
        self.dictionary.calibrate(*self._pool.window(0, 0))

    def advance(self) -> Loss:
        """One step."""
        inputs, targets = self._pool[self.step]
        same = targets is inputs
        inputs = inputs.to(self._device)
        targets = inputs if same else targets.to(self._device)
        dead = self.dead
        strength = min(1.0, (self.step + 1) / self._warm) if self._warm else 1.0
        loss = self.dictionary.loss(inputs, targets, dead=dead, strength=strength)
        if not bool(torch.isfinite(loss.total)):
            raise GnomonError(f"the loss is not finite at step {self.step}", mend="lower the learning rate")
        factor = schedule(self.step, self.training.steps, warm=self._warm, decay=self._decay)
        self._optimiser.step(loss.total, factor * self._learning_rate)
        self.silent += len(inputs)
        self.silent[loss.fired] = 0
        self.step += 1
        return loss

    def report(self, loss: Loss) -> None:
        """Add to the history."""
        self.history.append(
            Progress(
                step=self.step,
                steps=self.training.steps,
                rows=self.step * self.training.batch,
                loss=float(loss.total.detach()),
                explained=loss.explained,
                active=loss.active,
                dead=float(self.dead.float().mean()),
            )
        )

    def state(self) -> tuple[dict[str, object], dict[str, Tensor]]:
        """Document and tensors of a checkpoint. The rest follows from the specs, the seed and the step."""
        tensors = {f"dictionary.{name}": value for name, value in self.dictionary.state_dict().items()}
        tensors |= {f"optimiser.{name}": value for name, value in self._optimiser.state().items()}
        history = [dataclasses.asdict(entry) for entry in self.history]
        return {"step": self.step, "history": history}, {**tensors, "silent": self.silent}

    def restore(self, document: dict[str, object], tensors: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        parts: dict[str, dict[str, Tensor]] = {"dictionary": {}, "optimiser": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = value
        self.dictionary.load_state_dict(parts["dictionary"])
        self._optimiser.restore(parts["optimiser"])
        self.silent = tensors["silent"].to(self._device)
        self.step = int(document["step"])  # type: ignore[call-overload]
        self.history = [Progress(**entry) for entry in document["history"]]  # type: ignore[attr-defined]
