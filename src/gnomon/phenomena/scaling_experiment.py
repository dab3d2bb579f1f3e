"""One rung of the ladder: a language model of one size, trained once through so many tokens."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.language import MarkovLanguage, TextFile
from gnomon.organisms.sequences import CausalAttention, SequenceNetwork
from gnomon.randomness import Rng

Integers = NDArray[np.int64]
Count = Annotated[int, Field(ge=1)]
_HEAD_WIDTH = 8
_EVALUATED_TOGETHER = 512


class Rung(Spec):
    """A decoder of ``layers`` blocks of ``width``, trained by AdamW on ``tokens`` fresh tokens.

    Parameters
    ----------
    width, layers : of the transformer; its feed-forward layers have four times the width.
    tokens : how many tokens it learns from, each once.
    context, batch : length of a window, and windows a step.
    learning_rate : peak, times the inverse square root of the width; 10 % warm-up, then linearly to zero.
    test_windows : how many windows of unseen text it is tested on.
    string : length of the longest string that it has to continue exactly.
    text, digest : a file to learn from and its SHA-256; without one, ``language``.
    shuffled : tokens in random order: the same unigrams and nothing else to learn.
    seed : the text, the test and the initial weights.
    """

    width: Count
    tokens: Count
    layers: Count = 1
    context: Count = 16
    batch: Count = 32
    learning_rate: Annotated[float, Field(gt=0)] = 0.15
    test_windows: Count = 2048
    string: Count = 8
    language: MarkovLanguage = MarkovLanguage()
    text: str = ""
    digest: str = ""
    shuffled: bool = False
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def steps(self) -> int:
        """Updates."""
        return max(1, self.tokens // (self.batch * self.context))


@experiment("scaling")
def climb(rung: Rung) -> Outcome:
    r"""Train the model of ``rung`` and test it on unseen text.

    Returns
    -------
    ``parameters``, ``tokens`` and ``flop`` (6 N D); ``loss`` and ``loss_error`` (nats/token and its standard error over
    test windows, from the third token of a window on); ``entropy``, what the best predictor would lose, where it is
    known, and ``excess``: the mean of :math:`\mathrm{KL}(P(\cdot | x_{<t}) \| Q(\cdot | x_{<t}))`; ``accuracy``;
    ``matched``: the share of prompts that greedy decoding continues exactly for 1, 2, … ``string`` tokens;
    ``expected``: the mean probability that the model itself gives to what it said there.

    Raises
    ------
    GnomonError : when the context is too short for a prompt of two tokens and the string, or training diverges.
    """
    if rung.context < rung.string + 1:
        raise GnomonError(
            f"a context of {rung.context} has no room for a prompt and {rung.string} tokens",
            mend="raise context or lower string",
        )
    rng = Rng(rung.seed).child("scaling")
    train, test, vocabulary = _texts(rung, rng)
    network = model(rung, vocabulary, rng)
    _train(network, rung, torch.from_numpy(train))
    network.eval()
    best = None if rung.text else _best(rung, test)
    parameters = sum(p.numel() for p in network.parameters())
    return {
        "parameters": parameters,
        "tokens": rung.steps * rung.batch * rung.context,
        "flop": 6.0 * parameters * rung.steps * rung.batch * rung.context,
        **_losses(network, torch.from_numpy(test), best),
        **_strings(network, torch.from_numpy(test), rung.string),
    }


def model(rung: Rung, vocabulary: int, rng: Rng) -> SequenceNetwork:
    """The decoder of ``rung`` before training."""
    generator = rng.child("weights").torch()
    heads = max(1, rung.width // _HEAD_WIDTH)
    return SequenceNetwork(
        vocabulary,
        vocabulary,
        rung.context,
        width=rung.width,
        hidden=4 * rung.width,
        mixers=[lambda: CausalAttention(rung.width, heads, generator)] * rung.layers,
        generator=generator,
    )


def _texts(rung: Rung, rng: Rng) -> tuple[Integers, Integers, int]:
    """Windows to learn from, windows to be tested on, and the size of the vocabulary."""
    windows, length = rung.steps * rung.batch, rung.context + 1
    if rung.text:
        file = TextFile.read(rung.text, rung.digest)
        train = file.windows(file.train, windows, length, rng.child("train"))
        test = file.windows(file.test, rung.test_windows, length, rng.child("test"))
        vocabulary = file.tokens
    else:
        train = rung.language.sample(windows, length, rng.child("train"))
        test = rung.language.sample(rung.test_windows, length, rng.child("test"))
        vocabulary = rung.language.tokens
    if rung.shuffled:
        train, test = (
            rng.child("order", name).numpy().permuted(text.ravel()).reshape(text.shape)
            for name, text in (("train", train), ("test", test))
        )
    return train, test, vocabulary


def _train(network: SequenceNetwork, rung: Rung, text: Tensor) -> None:
    peak = rung.learning_rate / rung.width**0.5
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak, betas=(0.9, 0.95), weight_decay=0.0)
    warm = max(1, rung.steps // 10)
    for step, windows in enumerate(torch.split(text, rung.batch)):
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, (step + 1) / warm) * (1 - step / rung.steps)
        scores = network(windows[:, :-1])
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    if not torch.isfinite(loss):
        raise GnomonError(f"training diverged at width {rung.width}", mend="lower learning_rate")


def _best(rung: Rung, test: Integers) -> Tensor:
    """What the source itself predicts at each position of each window from the third on."""
    if rung.shuffled:
        return torch.from_numpy(rung.language.unigram).float().expand(*test[:, 2:].shape, -1)
    return torch.from_numpy(rung.language.transitions[test[:, :-2], test[:, 1:-1]]).float()


@torch.no_grad()
def _losses(network: SequenceNetwork, test: Tensor, best: Tensor | None) -> dict[str, float | None]:
    # from the third token on, where the two tokens that decide the next are both in the window
    predicted = torch.cat([network(part[:, :-1])[:, 1:] for part in torch.split(test, _EVALUATED_TOGETHER)])
    logs, truth = predicted.log_softmax(dim=-1), test[:, 2:]
    losses = -logs.gather(-1, truth[..., None]).squeeze(-1).double().mean(dim=1)
    excess = entropy = None
    if best is not None:
        certain = torch.special.xlogy(best, best).sum(-1).double()
        entropy = float(-certain.mean())
        excess = float((certain - (best * logs).sum(-1)).mean())
    return {
        "loss": float(losses.mean()),
        "loss_error": float(losses.std() / len(losses) ** 0.5),
        "entropy": entropy,
        "excess": excess,
        "accuracy": float((logs.argmax(-1) == truth).double().mean()),
    }


@torch.no_grad()
def _strings(network: SequenceNetwork, test: Tensor, longest: int) -> dict[str, list[float]]:
    """Greedy continuation of prompts, against how the text goes on."""
    said, truth = test[:, :-longest], test[:, -longest:]
    probability = torch.ones(len(test), dtype=torch.float64)
    exact = torch.ones(len(test), dtype=torch.bool)
    matched, expected = [], []
    for t in range(longest):
        scores = torch.cat([network(part)[:, -1] for part in torch.split(said, _EVALUATED_TOGETHER)])
        top, token = scores.double().softmax(dim=-1).max(dim=-1)
        said = torch.cat([said, token[:, None]], dim=1)
        probability, exact = probability * top, exact & (token == truth[:, t])
        matched.append(float(exact.double().mean()))
        expected.append(float(probability.mean()))
    return {"matched": matched, "expected": expected}
