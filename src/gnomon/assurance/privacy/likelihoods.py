"""What a subject gave each token of a text, and what it expected to give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.subjects import Batch, Subject
from gnomon.subjects.tokens import check_known

Array = NDArray[np.float64]

_TOKENS = 4096  # that are read at once


@dataclass(frozen=True, eq=False)
class Likelihood:
    r"""Of each token of a text after its first, ``(t - 1,)`` each.

    Parameters
    ----------
    given : :math:`\log p(x_t \mid x_{<t})`, nats.
    expected, spread : mean and standard deviation of :math:`\log p(v \mid x_{<t})` for v drawn from the subject.
    greedy : whether the token is the likeliest of all.
    """

    given: Array
    expected: Array
    spread: Array
    greedy: NDArray[np.bool_]


def likelihoods(subject: Subject, ids: Sequence[Sequence[int]], *, temperature: float = 1.0) -> list[Likelihood]:
    """The likelihood of each sequence of at least two tokens, its logits divided by ``temperature``.

    Sequences of one length run together, without padding, through the module itself, so that a controller on it acts.

    Raises GnomonError for a sequence of one token, one that is longer than the context, or a temperature that is not
    positive. Cost: one forward pass.
    """
    if temperature <= 0:
        raise GnomonError(f"temperature {temperature:g}", mend="give a positive one")
    places = [f"text {n}" for n in range(1, len(ids) + 1)]
    check_known(subject, ids, places)
    for one, place in zip(ids, places, strict=True):
        if not 2 <= len(one) <= (subject.context or len(one)):
            raise GnomonError(
                f"{place} has {len(one)} tokens", mend=f"give from 2 to {subject.context or 'any number'}"
            )
    found: list[Likelihood | None] = [None] * len(ids)
    groups: dict[int, list[int]] = {}
    for number, one in enumerate(ids):
        groups.setdefault(len(one), []).append(number)
    with subject.evaluating(), torch.no_grad():
        for length, members in groups.items():
            most = max(1, _TOKENS // length)
            for start in range(0, len(members), most):
                here = members[start : start + most]
                tokens = torch.tensor([list(ids[i]) for i in here])
                output = subject.output(Batch(args=(tokens,), examples=torch.tensor(here)))[:, :-1]
                logs = torch.log_softmax(output.double() / temperature, dim=-1)
                given = logs.gather(-1, tokens[:, 1:, None].to(logs.device))[..., 0]
                chances = logs.exp()
                mean = (chances * logs).nansum(dim=-1)  # 0 · log 0 is 0
                spread = ((chances * logs.square()).nansum(dim=-1) - mean.square()).clamp(min=0).sqrt()
                greedy = logs.argmax(dim=-1) == tokens[:, 1:].to(logs.device)
                parts = [part.cpu().numpy() for part in (given, mean, spread, greedy)]
                for number, row in zip(here, zip(*parts, strict=True), strict=True):
                    found[number] = Likelihood(*row)
    return [one for one in found if one is not None]
