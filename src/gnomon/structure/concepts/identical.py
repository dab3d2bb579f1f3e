"""Check: different texts with one and the same vector."""

from __future__ import annotations

import torch

from gnomon.randomness import Rng
from gnomon.structure.concepts.concern import Concern
from gnomon.structure.examples import Examples

_DISTINCT = 0.5
_ROUNDINGS = 1e-5  # of a vector's length: batches of other widths differ by less


def identical_vectors(examples: Examples, *, site: str | None = None) -> list[Concern]:
    """Warns when fewer than half of the vectors are distinct.

    Near the input, texts that end in one token have one vector at their last position, and no method can tell them
    apart there. Vectors are sorted along a fixed random direction, in which equal ones are neighbours.
    """
    inputs = examples.inputs
    along = torch.randn(inputs.shape[1], generator=Rng(0).child("identical").torch(), dtype=inputs.dtype)
    neighbours = inputs[torch.argsort(inputs @ along.to(inputs.device))]
    steps = (neighbours[1:] - neighbours[:-1]).norm(dim=1)
    distinct = 1 + int((steps > _ROUNDINGS * inputs.norm(dim=1).median()).sum())
    if distinct >= _DISTINCT * len(inputs):
        return []
    finding = f"only {distinct} of {len(inputs)} vectors are distinct"
    mend = "choose another position, or a later site"
    return [Concern(check="identical vectors", finding=finding, mend=mend, site=site, numbers={"distinct": distinct})]
