"""What a step along a strand does to the predictions, beside steps of equal length in random directions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators.features.outputs import Chosen
from gnomon.measurement import Measurement, Quantity, Uncertainty, catalogue, cluster_mean
from gnomon.randomness import Rng
from gnomon.structure.subspace import Subspace
from gnomon.subjects import Batch, Data, Subject
from gnomon.subjects.edit import visiting

_MAX_POSITIONS = 8192
_FEWEST_CLUSTERS = 8
_LEAST = torch.finfo(torch.float32).eps ** 2  # a divergence that rounding of the scores makes by itself

STRAND_EFFECT = catalogue.add(
    Quantity(
        name="strand_effect",
        symbol=r"\rho_s",
        definition=(
            r"\ln \rho_s = \mathbb{E}_i \ln D_i(u_{is}) - \mathbb{E}_i \ln D_i(v_i),\quad "
            r"D_i(u) = \mathrm{KL}( p(h_i) \| p(h_i + \varepsilon \lVert h_i \rVert u) )"
        ),
        convention=(
            "h is the activation at the prediction's own position; u is uniform on the unit sphere of the strand's "
            "subspace, v on that of all directions; one of each a context. The label group says whether the contexts "
            "belong to the strand. Above 1: a step along the strand moves the prediction more."
        ),
        source="gnomon",
        dims=("site", "strand", "group"),
        lowest=0.0,
    )
)


def step_effects(subject: Subject, data: Data, site: str, steps: Tensor, *, length: float) -> Tensor:
    r"""``(n,)`` divergence KL(p‖p′) in nats of each example's last prediction, by a step at ``site``.

    Example i has ``length`` times the norm of its activation times ``steps[i]``, ``(n, d)``, added at the
    prediction's own position. Raises GnomonError unless the loss is categorical, the length positive and a prediction
    in every example.

    Cost: two forward passes an example.
    """
    if subject.loss is None or not subject.loss.categorical or not length > 0:
        raise GnomonError("steps need a loss over classes and a positive length")
    found = torch.full((len(data),), torch.nan, dtype=torch.float64)
    with subject.evaluating(), torch.no_grad():
        for batch in data.batches(max_positions=_MAX_POSITIONS):
            rows, places, before = _last(subject, batch)
            own = steps[batch.examples].to(subject.device)

            def step(activation: Tensor, rows: Tensor = rows, places: Tensor = places, own: Tensor = own) -> Tensor:
                moved = activation.clone()
                at = (rows, places) if activation.ndim == 3 else (rows,)  # without positions, a row is an example
                here = activation[at]
                moved[at] = here + length * here.norm(dim=1, keepdim=True) * own[rows].to(here)
                return moved

            with visiting(subject, {site: step}):
                _, _, after = _last(subject, batch)
            divergence = (before.exp() * (before - after)).sum(dim=1).clamp(min=0.0)
            found[batch.examples[rows.cpu()]] = divergence.cpu()
    if bool(found.isnan().any()):
        raise GnomonError(
            f"{int(found.isnan().sum())} examples have no prediction, or one that is not a number",
            mend="leave such examples out",
        )
    return found


def _last(subject: Subject, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, positions and log-probabilities of the last prediction of each example."""
    assert subject.loss is not None
    moved = batch.to(subject.device)
    predictions = subject.loss.predictions(subject.output(moved), moved)
    chosen = Chosen.of(predictions, moved, "last")
    return chosen.rows, predictions.positions[chosen.index], predictions.scores[chosen.index].double().log_softmax(1)


def strand_effects(
    subject: Subject,
    data: Data,
    site: str,
    strands: Mapping[str, Subspace],
    members: Mapping[str, Tensor],
    *,
    rng: Rng,
    length: float = 0.1,
) -> list[Measurement]:
    """`STRAND_EFFECT` of each strand, for its ``members``, ``(n,)`` bool, and for the other contexts.

    Intervals are of Student's t over clusters, of the difference of logarithms, which is paired: each context has its
    own random step. Divergences below 1.4e-14, which rounding makes, count as that. Fewer than 8 clusters are
    ``insufficient``.

    Cost: two forward passes an example for the random steps, and two for each strand.
    """
    if not strands:
        return []
    d = next(iter(strands.values())).basis.shape[0]
    anywhere = _directions(torch.eye(d, dtype=torch.float64), len(data), rng.child("anywhere"))
    random = step_effects(subject, data, site, anywhere, length=length).clamp(min=_LEAST).log()
    measured = []
    for name, subspace in strands.items():
        along = _directions(subspace.basis.cpu(), len(data), rng.child("along", name))
        moved = step_effects(subject, data, site, along, length=length).clamp(min=_LEAST).log()
        for group, of in (("in the strand", members[name]), ("outside", ~members[name])):
            difference, clusters = (moved - random)[of].numpy(), data.clusters[of.numpy()]
            labels = {"strand": name, "group": group}
            measured.append(_ratio(difference, clusters, site, labels))
    return measured


def _ratio(
    difference: NDArray[np.float64], clusters: NDArray[np.int64], site: str, labels: Mapping[str, str]
) -> Measurement:
    ids, places = np.unique(clusters, return_inverse=True)
    if len(ids) < _FEWEST_CLUSTERS:
        return Measurement.insufficient(
            STRAND_EFFECT,
            f"{len(ids)} independent contexts; at least {_FEWEST_CLUSTERS} are needed",
            suffices={"examples": _FEWEST_CLUSTERS},
            site=site,
            labels=labels,
        )
    mean, error = cluster_mean(
        np.bincount(places, weights=difference).astype(np.float64), np.bincount(places).astype(np.float64)
    )
    low, high = np.exp(np.asarray(error.low)), np.exp(np.asarray(error.high))
    uncertainty = Uncertainty.interval(
        float(low), float(high), covers={"data", "probe"}, effective_samples=error.effective_samples
    )
    diagnostics = {"contexts": len(difference)}
    return Measurement.ok(STRAND_EFFECT, math.exp(mean), uncertainty, site=site, labels=labels, diagnostics=diagnostics)


def _directions(basis: Tensor, n: int, rng: Rng) -> Tensor:
    """``(n, d)`` uniform on the unit sphere of the span of ``(d, r)`` orthonormal columns."""
    drawn = torch.randn(n, basis.shape[1], dtype=torch.float64, generator=rng.torch())
    directions: Tensor = (drawn / drawn.norm(dim=1, keepdim=True)) @ basis.T
    return directions
