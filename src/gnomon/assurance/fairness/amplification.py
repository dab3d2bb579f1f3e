"""Bias amplification: how much stronger a network ties items to groups than the data do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.fairness.comparable import Comparable, no_language_model
from gnomon.assurance.fairness.occupations import Occupations, of_world, read_occupations
from gnomon.assurance.fairness.quantities import DIRECTIONAL_AMPLIFICATION
from gnomon.assurance.fairness.rows import Rows
from gnomon.assurance.registry import register
from gnomon.measurement import Quantity
from gnomon.organisms.world.readings.quantities import AMPLIFICATION
from gnomon.randomness import Rng

Array = NDArray[np.float64]


@register
class BiasAmplification(Comparable):
    r"""Model minus data, over a table of occupations (material ``occupations``) or those of the world.

    With :math:`s_{og}` the model's share of group g after talk of item o, averaged over templates, and
    :math:`\pi_{og}` that in the data,

    .. math:: A = \frac{1}{|O|} \sum_o \sum_{g : \pi_{og} > 1 / |G|} (s_{og} - \pi_{og})

    (Zhao et al., arXiv:1707.09457; for two groups it is the mean of
    :math:`\operatorname{sign}(\pi_o - \frac12)(s_o - \pi_o)`), and directional amplification from task to attribute
    (Wang & Russakovsky, arXiv:2102.12594), in which an item leans to a group when :math:`\pi_{og}` is above the
    group's share in all data. Where all items lean one way the first says mostly how often the group is named at all;
    the second does not.

    What is random: items and templates, both taken as drawn from many like them; the interval is Student's with the
    variance of `crossed_spread`, over items alone where there is one template. Shares in the data are taken as
    exact, as those of the training text are. Where they are counted in a sample, an item near the middle may change
    its side by chance, and A comes out too small.

    For a world there are two references: ``population``, the people, whom its text may exaggerate by a factor that
    is known, and ``text``, which the network was trained on. Diagnostics give what the text amplifies in truth.

    Cost: one short prompt a row, twice where a group's word has several tokens.
    """

    name = "bias_amplification"
    quantities = (AMPLIFICATION, DIRECTIONAL_AMPLIFICATION)
    materials = ("occupations",)

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`: a world brings its own occupations."""
        lacking = "" if deployment.world is not None else super().inapplicable(deployment)
        return lacking or no_language_model(deployment)

    def rows(self, deployment: Deployment, rng: Rng) -> list[Rows]:
        """See `Comparable.rows`."""
        del rng  # nothing is drawn
        world = deployment.world
        if deployment.has("occupations") or world is None:
            tables = [read_occupations(deployment.material("occupations"))]
        else:
            tables = of_world(world)
        with deployment.defence.on() as subject:
            shares = tables[0].shares(subject)  # tables differ in the data alone
        truth = {} if world is None else {"population": {"text": world.truth.amplification}}
        return [row for table in tables for row in _readings(table, shares, truth.get(table.reference, {}))]


def _readings(table: Occupations, shares: Array, truth: Mapping[str, float]) -> list[Rows]:
    gaps = shares - table.data
    groups = len(table.groups)
    zhao = ((_leans(table.data, 1 / groups) > 0) * gaps).sum(axis=1)
    directional = (_leans(table.data, table.overall) * gaps).sum(axis=1) / groups
    by_item = {item: float(zhao[[i == item for i in table.items]].mean()) for item in dict.fromkeys(table.items)}
    most = sorted(by_item, key=by_item.__getitem__, reverse=True)[:5]
    diagnostics = {"items": len(by_item), "templates": len(set(table.templates)), "most": {i: by_item[i] for i in most}}
    return [
        _reading(AMPLIFICATION, table, zhao, {**diagnostics, **truth}),
        _reading(DIRECTIONAL_AMPLIFICATION, table, directional, diagnostics),
    ]


def _leans(shares: Array, middle: Array | float) -> Array:
    """The sign of what shares are above the ``middle``; rounding must not tip one that is level with it."""
    return np.asarray(np.sign(np.where(np.isclose(shares, middle), 0.0, shares - middle)))


def _reading(quantity: Quantity, table: Occupations, values: Array, diagnostics: Mapping[str, Any]) -> Rows:
    each = {item: table.items.count(item) for item in dict.fromkeys(table.items)}
    ways = [one for one in (table.items, table.templates) if len(set(one)) > 1] or [table.items]
    return Rows(
        quantity=quantity,
        labels={"reference": table.reference},
        keys=tuple(f"{t}\x1f{p}" for t, p in zip(table.templates, table.prompts, strict=True)),
        values=values,
        weights=np.array([1.0 / each[item] for item in table.items]),
        clusterings=tuple(ways),
        within=(-1.0, 1.0),
        estimator="bias_amplification",
        diagnostics=diagnostics,
    )
