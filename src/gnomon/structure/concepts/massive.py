"""Checks: a few coordinates, or a few examples, that are enormous beside all others."""

from __future__ import annotations

import torch

from gnomon.structure.concepts.concern import Concern, some
from gnomon.structure.examples import Examples

_TIMES = 20.0
_HALF = 0.5


def massive_coordinates(examples: Examples, *, site: str | None = None) -> list[Concern]:
    """Warns when a few coordinates are above 20 times the median one and hold half of all vectors' mean square.

    The size of a coordinate is its root mean square over the examples. Such coordinates are nearly constant biases of
    the network; they rule every distance, cosine and principal component.

    Source: Sun, Chen, Kolter & Liu, arXiv:2402.17762, who call an activation massive above 1,000 times the median of
    its hidden state; here it is enough that these coordinates drown the rest.
    """
    square = examples.inputs.square().mean(dim=0)
    typical = float(square.median())
    above = torch.nonzero(square > _TIMES**2 * typical)[:, 0]
    share = float(square[above].sum() / square.sum().clamp(min=torch.finfo(square.dtype).tiny))
    if not len(above) or typical == 0 or share < _HALF:
        return []
    order = above[square[above].argsort(descending=True)]
    times = float((square[order[0]] / typical).sqrt())
    finding = (
        f"{len(above)} of {len(square)} coordinates ({some([str(int(i)) for i in order])}) hold {share:.0%} of the "
        f"mean square; the largest is {times:.0f} times the median"
    )
    mend = "scale each coordinate by its spread, or choose another site"
    numbers = {"coordinates": len(above), "share": share, "times": times}
    return [Concern(check="massive activations", finding=finding, mend=mend, site=site, numbers=numbers)]


def outlying_examples(examples: Examples, *, site: str | None = None) -> list[Concern]:
    """Warns of examples more than 20 times as far from the middle as the median example.

    The middle is the median of each coordinate. One such example in n moves a class mean by its distance over n.
    """
    inputs = examples.inputs
    distance = (inputs - inputs.median(dim=0).values).norm(dim=1)
    typical = float(distance.median())
    far = torch.nonzero(distance > _TIMES * typical)[:, 0]
    if not len(far) or typical == 0:
        return []
    order = far[distance[far].argsort(descending=True)]
    times = float(distance[order[0]]) / typical
    finding = (
        f"{len(far)} of {len(inputs)} examples (numbers {some([str(int(i)) for i in order])}) are far from all others, "
        f"up to {times:.0f} times the median distance"
    )
    mend = "look at these texts, and remove them or choose another position"
    numbers = {"examples": len(far), "times": times}
    return [Concern(check="outlying examples", finding=finding, mend=mend, site=site, numbers=numbers)]
