"""The causal effect of taking latents out, beside that of other latents that fire as often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit, catalogue
from gnomon.structure.dictionaries.ablation import Ablations, Outcome

Array = NDArray[np.float64]

_CONVENTION = (
    "The latents' contributions are taken out of the activations at the dictionary's target site at every position; "
    "what the dictionary does not explain stays. Chosen: the latents in question. Random: others that fire as often, "
    "the mean over draws. Difference: chosen less random."
)
_SOURCE = "Marks et al., arXiv:2403.19647 (ablation of latents with the error term kept)"
LOSS_CHANGE = catalogue.add(
    Quantity(
        name="latent_ablation_loss_change",
        symbol=r"\Delta \mathcal{L}",
        unit=Unit.parse("nat/prediction"),
        definition=r"\Delta \mathcal{L} = \mathbb{E}\,[\log p(y \mid x) - \log p_{\setminus S}(y \mid x)]",
        convention=_CONVENTION,
        source=_SOURCE,
        dims=("site", "latents", "concept"),
    )
)
DIVERGENCE = catalogue.add(
    Quantity(
        name="latent_ablation_divergence",
        symbol=r"D",
        unit=Unit.parse("nat/prediction"),
        definition=r"D = \mathbb{E}\, \mathrm{KL}(p(\cdot \mid x) \,\|\, p_{\setminus S}(\cdot \mid x))",
        convention=_CONVENTION,
        source=_SOURCE,
        dims=("site", "latents", "concept"),
    )
)
CONTRAST_REMOVED = catalogue.add(
    Quantity(
        name="latent_ablation_contrast_removed",
        symbol=r"\rho",
        definition=r"\rho = 1 - \frac{\mathbb{E}[w^\top x_{\setminus S} \mid +] - \mathbb{E}[w^\top x_{\setminus S} "
        r"\mid -]}{\mathbb{E}[w^\top x \mid +] - \mathbb{E}[w^\top x \mid -]}",
        convention="w is the concept's direction at a later site, x the activation there, + and − the examples with "
        "and without the concept: 1 where nothing of the contrast is left, negative where it grows. " + _CONVENTION,
        source=_SOURCE,
        dims=("site", "latents", "concept"),
    )
)

_CLEAR = 3.0  # standard errors: below, a share of the contrast means nothing
_Statistic = Callable[[Outcome, Outcome], tuple[float, Array]]


def effects(
    found: Ablations,
    chosen: str,
    random: Sequence[str],
    *,
    likelihood: bool,
    contrasts: Mapping[str, NDArray[np.float64]] | None = None,
    site: str | None = None,
    concept: str = "",
    level: float = 0.95,
) -> list[Measurement]:
    r"""What removing the latents ``chosen`` did, what removing the ``random`` ones did, and the difference.

    Intervals are over the data, by linearisation over clusters of examples; they hold the draws of random latents
    fixed. How the draws scatter is in the diagnostics, with the p-value :math:`(1 + \#\{\text{random} \ge
    \text{chosen}\}) / (1 + \mathrm{draws})`.

    Parameters
    ----------
    found : with the sets called ``chosen`` and ``random`` among its own.
    likelihood : whether the subject's loss is one, so that its change and the divergence are in nats.
    contrasts : labels ``(n,)`` of the examples, by the name of the watched projection whose contrast they are; the name
        is that of its site.
    site, concept : what the measurements say they are of.
    """
    statistics: list[tuple[Quantity, str | None, _Statistic]] = []
    if likelihood:
        groups = found.clusters
        statistics.append((LOSS_CHANGE, site, lambda a, b: _mean(a.loss - b.loss, b.predictions, groups)))
        statistics.append((DIVERGENCE, site, lambda a, b: _mean(a.divergence, b.predictions, groups)))
    measured = []
    named = {"concept": concept} if concept else {}
    for name, labels in (contrasts or {}).items():
        there, moved = _contrast(found.untouched.projections[name], labels, found.clusters)
        if abs(there) > _CLEAR * np.sqrt(np.square(moved).sum()):
            statistics.append((CONTRAST_REMOVED, name, _removed(name, labels, found.clusters)))
        else:
            reason = f"the contrast at {name} is not told from zero in the untouched network"
            told = {**named, "latents": "chosen"}
            measured.append(
                Measurement.insufficient(CONTRAST_REMOVED, reason, site=name, labels=told, estimator="latent_ablation")
            )
    for quantity, place, statistic in statistics:
        value, influence = statistic(found.ablated[chosen], found.untouched)
        measured += _beside(
            quantity,
            (value, influence),
            [statistic(found.ablated[name], found.untouched) for name in random],
            place,
            concept,
            level,
        )
    return measured


def _beside(
    quantity: Quantity,
    chosen: tuple[float, Array],
    random: Sequence[tuple[float, Array]],
    site: str | None,
    concept: str,
    level: float,
) -> list[Measurement]:
    readings = {"chosen": chosen}
    diagnostics: dict[str, dict[str, object]] = {"chosen": {}}
    if random:
        draws = np.array([value for value, _ in random])
        readings["random"] = (float(draws.mean()), np.mean([influence for _, influence in random], axis=0))
        readings["difference"] = (chosen[0] - readings["random"][0], chosen[1] - readings["random"][1])
        diagnostics["random"] = {"draws": len(draws), "spread": float(draws.std(ddof=1)) if len(draws) > 1 else None}
        p = (1 + int((draws >= chosen[0]).sum())) / (1 + len(draws))
        diagnostics["difference"] = {"p_value": p, "largest_random": float(draws.max())}
    labels = {"concept": concept} if concept else {}
    return [
        Measurement.ok(
            quantity,
            value,
            _interval(value, influence, level),
            site=site,
            labels={**labels, "latents": name},
            estimator="latent_ablation",
            diagnostics=diagnostics[name],
        )
        for name, (value, influence) in readings.items()
    ]


def _interval(value: float, influence: Array, level: float) -> Uncertainty:
    """From what each cluster moves the value by."""
    clusters = len(influence)
    if clusters < 2:
        return Uncertainty.unknown()
    error = float(np.sqrt(clusters / (clusters - 1) * np.square(influence).sum()))
    return Uncertainty.stderr(
        value,
        error,
        covers={"data"},
        level=level,
        degrees_of_freedom=clusters - 1,
        effective_samples=float(clusters),
        systematic=0.0,
    )


def _by_cluster(values: Array, clusters: NDArray[np.int64]) -> Array:
    number = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    return np.bincount(number, weights=values).astype(np.float64)


def _mean(sums: Array, counts: NDArray[np.int64], clusters: NDArray[np.int64]) -> tuple[float, Array]:
    """The mean over predictions, and its influence by cluster."""
    s, m = _by_cluster(sums, clusters), _by_cluster(counts.astype(np.float64), clusters)
    mean = float(s.sum() / m.sum())
    return mean, (s - mean * m) / m.sum()


def _contrast(values: Array, labels: NDArray[np.float64], clusters: NDArray[np.int64]) -> tuple[float, Array]:
    """The difference of the class means, and its influence by cluster."""
    total, influence = 0.0, np.zeros(len(np.unique(clusters)))
    for sign in (1.0, -1.0):
        mine = (labels * sign > 0).astype(np.int64)
        mean, moved = _mean(values * mine, mine, clusters)
        total, influence = total + sign * mean, influence + sign * moved
    return total, influence


def _removed(name: str, labels: NDArray[np.float64], clusters: NDArray[np.int64]) -> _Statistic:
    """The share of a contrast between the classes that is gone."""

    def statistic(ablated: Outcome, untouched: Outcome) -> tuple[float, Array]:
        before, moved_before = _contrast(untouched.projections[name], labels, clusters)
        after, moved_after = _contrast(ablated.projections[name], labels, clusters)
        share = after / before
        return 1 - share, -(moved_after - share * moved_before) / before

    return statistic
