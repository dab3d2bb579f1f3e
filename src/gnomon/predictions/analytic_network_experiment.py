"""Networks whose weights are written down, not trained: how many of the sums they have right."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms import ModularAddition
from gnomon.randomness import Rng
from gnomon.theory.modular_addition import solution


class AnalyticNetwork(Spec):
    """The quadratic network of `ModularAddition` with the weights of the analytic solution.

    Parameters
    ----------
    p, width : modulus and hidden units.
    seed : of the phases.
    """

    p: Annotated[int, Field(ge=3, le=211)]
    width: Annotated[int, Field(ge=1)]
    seed: int = 0


@experiment("analytic_modular_addition")
def add(spec: AnalyticNetwork) -> Outcome:
    """``accuracy``: the share of all p² pairs whose sum modulo p the network gets right.

    Cost: 6 p³ N operations.
    """
    recipe = ModularAddition(p=spec.p, width=spec.width)
    network = recipe.network()
    embed, unembed = solution(spec.p, spec.width, Rng(spec.seed).child("solution"))
    network.load_state_dict({"embed.weight": torch.from_numpy(embed), "unembed.weight": torch.from_numpy(unembed)})
    with torch.no_grad():
        a, b = torch.meshgrid(torch.arange(spec.p), torch.arange(spec.p), indexing="ij")
        said = network(recipe.encode(a.ravel(), b.ravel())).argmax(dim=1)
    return {"accuracy": float((said == (a + b).ravel() % spec.p).double().mean())}
