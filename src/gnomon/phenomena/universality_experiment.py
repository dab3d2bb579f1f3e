"""Every architecture on one task: what each learns from how many examples, and how alike they come to see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.estimators.geometry.hsic import moments
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.ensemble import Each, Ensemble
from gnomon.organisms.ensemble_optimizers import AdamW
from gnomon.organisms.neighbour_teacher import NeighbourTeacher
from gnomon.organisms.sequences import CausalAttention, FlatNetwork, GatedRecurrence, SequenceNetwork, StateSpace
from gnomon.randomness import Rng
from gnomon.structure.kernel_machine import fit
from gnomon.structure.kernels import Gaussian

Count = Annotated[int, Field(ge=1)]
Network = SequenceNetwork | FlatNetwork
NETWORKS = ("transformer", "gated transformer", "recurrent", "state space", "perceptron", "gated perceptron")
KERNEL = "kernel"
_HEADS, _STATES = 4, 4


class Contest(Spec):
    """All architectures, each trained on ladders of examples of one teacher.

    Parameters
    ----------
    examples : how many examples, ascending: one network for each number, and a second one for the last.
    parameters : of every network, within the 2 ``width`` of one hidden unit.
    width : of the stream of the sequence networks; a perceptron's is twice that.
    steps, batch, learning_rate, weight_decay : AdamW; 10 % warm-up, then linearly to zero.
    bandwidth, ridge : of the Gaussian kernel on one-hot tokens.
    test, probes : sequences for the error, and those on which representations are compared.
    teacher : the task.
    shuffled : targets are dealt to the training sequences at random.
    seed : sequences and initial weights.
    """

    examples: tuple[Count, ...]
    parameters: Count = 8000
    width: Count = 24
    steps: Count = 400
    batch: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    bandwidth: Annotated[float, Field(gt=0)] = 4.0
    ridge: Annotated[float, Field(gt=0)] = 1e-3
    test: Count = 1024
    probes: Annotated[int, Field(ge=16)] = 256
    teacher: NeighbourTeacher = NeighbourTeacher()
    shuffled: bool = False
    seed: Annotated[int, Field(ge=0)] = 0


@experiment("universality")
def compete(contest: Contest) -> Outcome:
    r"""Train all architectures of ``contest`` and compare them.

    Returns
    -------
    ``errors``: by architecture, the mean squared error on unseen sequences for each number of examples (the target has
    variance 1); ``parameters`` by architecture; ``trained`` and ``untrained``: by two names, the debiased linear CKA
    of what their outputs are read from, on the probes. Two networks of one architecture, from different initial
    weights, are compared under that name twice. The kernel is its own representation, trained or not.

    Raises GnomonError when an architecture diverges or does not fit into ``parameters``.
    """
    rng = Rng(contest.seed).child("universality")
    train = contest.teacher.sequences(contest.examples[-1], rng.child("train"))
    targets = contest.teacher.targets(train)
    if contest.shuffled:
        targets = targets[torch.randperm(len(targets), generator=rng.child("deal").torch())]
    test = contest.teacher.sequences(contest.test, rng.child("test"))
    truth = contest.teacher.targets(test)
    errors: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    before: dict[str, list[NDArray[np.float64]]] = {}
    after: dict[str, list[NDArray[np.float64]]] = {}
    for name in NETWORKS:
        modules = [network(name, contest, rng.child("weights", name, i)) for i in range(len(contest.examples) + 1)]
        sizes[name] = sum(p.numel() for p in modules[0].parameters())
        before[name] = [_features(m, test[: contest.probes]) for m in modules[-2:]]
        ensemble = _trained(name, modules, contest, train, targets, rng.child("order"))
        values = ensemble.outputs(test).squeeze(-1)
        errors[name] = (values - truth).square().mean(dim=1).tolist()[:-1]
        after[name] = [_features(ensemble.module(r), test[: contest.probes]) for r in (-2, -1)]
    errors[KERNEL] = [_kernel_error(contest, train[:n], targets[:n], test, truth) for n in contest.examples]
    before[KERNEL] = after[KERNEL] = [_kernel_features(contest, test[: contest.probes])]
    return {"errors": errors, "parameters": sizes, "trained": _alignments(after), "untrained": _alignments(before)}


def network(name: str, contest: Contest, rng: Rng) -> Network:
    """An architecture before training, with as many hidden units as ``contest.parameters`` leaves room for.

    Raises GnomonError when it leaves none.
    """
    width = contest.width if "perceptron" not in name else 2 * contest.width
    smallest = sum(p.numel() for p in _built(name, contest, width, 3, rng).parameters())
    hidden = 3 + (contest.parameters - smallest) // (2 * width)
    if hidden < 3:
        raise GnomonError(
            f"{name} of width {width} has at least {smallest} parameters, more than {contest.parameters}",
            mend="raise parameters or lower width",
        )
    return _built(name, contest, width, hidden, rng)


def _built(name: str, contest: Contest, width: int, hidden: int, rng: Rng) -> Network:
    generator = rng.torch()
    tokens, positions, gated = contest.teacher.tokens, contest.teacher.positions, name.startswith("gated")
    if "perceptron" in name:
        return FlatNetwork(tokens, 1, positions, width=width, hidden=hidden, blocks=1, generator=generator, gated=gated)
    mixers: dict[str, Callable[[], nn.Module]] = {
        "transformer": lambda: CausalAttention(width, _HEADS, generator),
        "recurrent": lambda: GatedRecurrence(width, generator),
        "state space": lambda: StateSpace(width, _STATES, positions, generator),
    }
    return SequenceNetwork(
        tokens,
        1,
        positions,
        width=width,
        hidden=hidden,
        mixers=[mixers[name.removeprefix("gated ")]],
        generator=generator,
        gated=gated,
        pooled=True,
    )


def _trained(
    name: str, modules: Sequence[Network], contest: Contest, train: Tensor, targets: Tensor, rng: Rng
) -> Ensemble:
    """All networks of one architecture, trained together, each on its own number of examples."""
    ensemble = Ensemble(modules)
    optimizer = AdamW(contest.learning_rate, betas=(0.9, 0.98), weight_decay=contest.weight_decay)
    counts = torch.tensor([*contest.examples, contest.examples[-1]])
    generator, warm = rng.torch(), max(1, contest.steps // 10)
    for step in range(contest.steps):
        optimizer.learning_rate = contest.learning_rate * min(1.0, (step + 1) / warm) * (1 - step / contest.steps)
        drawn = (torch.rand(len(counts), contest.batch, generator=generator) * counts[:, None]).long()
        losses, _ = ensemble.step(optimizer, _squared_error, Each(train[drawn]), Each(targets[drawn]))
    if not torch.isfinite(losses).all():
        raise GnomonError(f"{name} diverged", mend="lower learning_rate")
    return ensemble


def _squared_error(output: Tensor, targets: Tensor) -> Tensor:
    return (output.squeeze(-1) - targets).square().mean()


@torch.no_grad()
def _features(module: Any, sequences: Tensor) -> NDArray[np.float64]:
    return np.asarray(module.features(sequences).double().numpy())


def _one_hot(contest: Contest, sequences: Tensor) -> Tensor:
    return nn.functional.one_hot(sequences, contest.teacher.tokens).flatten(1).double()


def _kernel_error(contest: Contest, train: Tensor, targets: Tensor, test: Tensor, truth: Tensor) -> float:
    inputs = _one_hot(contest, train)
    metric = torch.eye(inputs.shape[1], dtype=torch.float64)
    machine = fit(Gaussian(contest.bandwidth), inputs, targets[:, None].double(), metric=metric, ridge=contest.ridge)
    return float((machine.predict(_one_hot(contest, test)).squeeze(-1) - truth).square().mean())


def _kernel_features(contest: Contest, probes: Tensor) -> NDArray[np.float64]:
    """Coordinates whose inner products are the kernel: its square root."""
    inputs = _one_hot(contest, probes)
    metric = torch.eye(inputs.shape[1], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(Gaussian(contest.bandwidth).matrix(inputs, inputs, metric))
    return np.asarray((vectors * values.clamp(min=0).sqrt()).numpy())


def _alignments(features: dict[str, list[NDArray[np.float64]]]) -> dict[str, dict[str, float]]:
    """CKA of the first network of one architecture with the last of another, in both ways, averaged."""
    names = list(features)
    flat = [one for name in names for one in (features[name][0], features[name][-1])]
    products = moments(flat, np.arange(len(flat[0]))).products
    norms = np.sqrt(np.diag(products))
    cka = products / np.outer(norms, norms)
    return {
        a: {b: float((cka[2 * i, 2 * j + 1] + cka[2 * i + 1, 2 * j]) / 2) for j, b in enumerate(names)}
        for i, a in enumerate(names)
    }
