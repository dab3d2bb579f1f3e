"""The network's own scalar output whose gradient a concept's examples can carry; it is always chosen by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.subjects.batch import Batch
from gnomon.subjects.losses import CrossEntropy, MaskedToken, NextToken, Predictions
from gnomon.subjects.statistic import ScalarOutput
from gnomon.subjects.subject import Subject
from gnomon.subjects.tokens import encode, frame

_KINDS = ("log_odds", "next", "text_loss", "value")


@dataclass(frozen=True)
class ClassLogOdds(ScalarOutput):
    r"""Log-odds of one class against all others, :math:`z_c - \log \sum_{j \ne c} e^{z_j}`, in nats.

    >>> ClassLogOdds(0)(torch.tensor([[3.0, 1.0]]), None, None)
    tensor([2.], dtype=torch.float64)
    """

    reads_predictions: ClassVar[bool] = False
    index: int

    def __call__(self, output: Tensor, predictions: Predictions | None, batch: Batch) -> Tensor:
        """See `ScalarOutput`."""
        del predictions, batch
        others = torch.arange(output.shape[1], device=output.device) != self.index
        scores = output.double()
        log_odds: Tensor = scores[:, self.index] - scores[:, others].logsumexp(dim=1)
        return log_odds


@dataclass(frozen=True)
class Value(ScalarOutput):
    """One of the numbers that a network gives for an example."""

    reads_predictions: ClassVar[bool] = False
    index: int

    def __call__(self, output: Tensor, predictions: Predictions | None, batch: Batch) -> Tensor:
        """See `ScalarOutput`. Raises GnomonError when the output is not ``(batch, numbers)``."""
        del predictions, batch
        output = output[:, None] if output.ndim == 1 else output
        if output.ndim != 2 or self.index >= output.shape[1]:
            raise GnomonError(
                f"the network's output {tuple(output.shape)} has no number {self.index} for each example",
                mend="choose another output",
            )
        return output[:, self.index].double()


@dataclass(frozen=True)
class NextLogOdds(ScalarOutput):
    r"""Log-odds of one token against another after the text, :math:`z_a - z_b`, in nats.

    Parameters
    ----------
    with_concept, without : ids of the tokens a and b.
    trailing : how many tokens the tokenizer puts behind every text; the prediction is that before them.
    """

    reads_predictions: ClassVar[bool] = False
    with_concept: int
    without: int
    trailing: int = 0

    def __call__(self, output: Tensor, predictions: Predictions | None, batch: Batch) -> Tensor:
        """See `ScalarOutput`."""
        del predictions
        assert batch.mask is not None  # texts have one
        last = batch.mask.sum(dim=1) - 1 - self.trailing
        scores = output[torch.arange(len(batch), device=output.device), last].double()
        return scores[:, self.with_concept] - scores[:, self.without]


@dataclass(frozen=True)
class TextLoss(ScalarOutput):
    """Mean negative log-likelihood of a text's tokens, each given those before it, in nats a token."""

    def __call__(self, output: Tensor, predictions: Predictions | None, batch: Batch) -> Tensor:
        """See `ScalarOutput`; 0 for a text of one token."""
        del output
        assert predictions is not None  # a causal language model has them
        values = NextToken().values(predictions).double()
        sums = values.new_zeros(len(batch)).index_add(0, predictions.rows, values)
        return sums / torch.bincount(predictions.rows, minlength=len(batch)).clamp(min=1)


def network_output(subject: Subject, name: str) -> ScalarOutput:
    """The scalar output of ``subject`` that is called ``name``.

    - ``log_odds:CLASS``: of a classifier, of the class of that name or number against the others;
    - ``next:WITH/WITHOUT``: of a causal language model, log-odds of two tokens after the text;
    - ``text_loss``: of a causal language model. Nothing of it depends on a text's last position;
    - ``value:NUMBER``: of a network that gives numbers for an example (regression).

    Raises
    ------
    GnomonError : when the network has no such output: an encoder has no task of its own, and a masked language model
        predicts hidden tokens, of which a concept's texts have none; UnknownNameError for another name.
    """
    kind, _, argument = name.partition(":")
    if kind not in _KINDS:
        raise UnknownNameError("output", kind, _KINDS)
    if kind in ("next", "text_loss") and isinstance(subject.loss, NextToken):
        return TextLoss() if kind == "text_loss" else _next(subject, argument)
    if kind == "log_odds" and isinstance(subject.loss, CrossEntropy):
        return ClassLogOdds(_class(subject, argument))
    if kind == "value" and (subject.loss is None or not subject.loss.categorical):
        if not argument.isdecimal():
            raise GnomonError(f"{argument!r} is no number of an output", mend="write for example value:0")
        return Value(int(argument))
    raise GnomonError(f"{subject.name} has no output {name!r}: {_reason(subject)}", mend=_mend(subject))


def _reason(subject: Subject) -> str:
    if subject.loss is None:
        return "it has no task of its own"
    if isinstance(subject.loss, MaskedToken):
        return "it predicts hidden tokens, and none is hidden"
    return f"its loss is {subject.loss.name}"


def _mend(subject: Subject) -> str:
    if isinstance(subject.loss, NextToken):
        return "choose next:WITH/WITHOUT or text_loss"
    if isinstance(subject.loss, CrossEntropy):
        return "choose log_odds:CLASS"
    if subject.loss is None or isinstance(subject.loss, MaskedToken):
        return "leave out methods that need the network's gradients"
    return "choose value:0"


def _class(subject: Subject, name: str) -> int:
    names: dict[Any, int] = getattr(getattr(subject.module, "config", None), "label2id", None) or {}
    number = subject.widths.get("logits", 0)
    index = names.get(name, int(name) if name.isdecimal() else -1)
    if not 0 <= index < number:
        raise UnknownNameError(f"class of {subject.name}", name, [*map(str, names)] or [*map(str, range(number))])
    return index


def _next(subject: Subject, pair: str) -> NextLogOdds:
    words = pair.split("/")
    if len(words) != 2:
        raise GnomonError(f"{pair!r} is no pair of tokens", mend="write for example 'next: True/ False'")
    ids = []
    for word in words:
        (tokens,) = encode(subject, [word])
        before, after = frame(subject, tokens)
        own = tokens[len(before) : len(tokens) - len(after)]
        if len(own) != 1:
            raise GnomonError(f"{word!r} is {len(own)} tokens of {subject.name}", mend="name tokens that are one each")
        ids.append(own[0])
    if ids[0] == ids[1]:
        raise GnomonError(f"{words[0]!r} and {words[1]!r} are one token", mend="name two")
    return NextLogOdds(ids[0], ids[1], trailing=len(after))
