"""What a network's loss becomes when a dictionary's reconstruction takes an activation's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators.loss.prediction_sums import PredictionAccumulator, PredictionSums
from gnomon.measurement import Measurement, cluster_mean
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.dictionaries.evaluation.groups import ratio
from gnomon.structure.dictionaries.evaluation.quantities import LOSS_INCREASE, LOSS_RECOVERED
from gnomon.structure.dictionaries.evaluation.source import BLOCK, SiteSource
from gnomon.subjects import Site, accumulate, visiting
from gnomon.subjects.accumulate import Progress
from gnomon.subjects.edit import Visitor

Array = NDArray[np.float64]
_ESTIMATOR = "dictionary_splicing"


@dataclass(frozen=True, eq=False)
class SplicedLosses:
    """Sums of the loss over the predictions of each cluster of texts, ``(clusters,)`` each.

    Parameters
    ----------
    counts : predictions of each cluster.
    clean, spliced : of the untouched network, and with the reconstruction in the activation's place.
    ablated : with something else in its place, by name: ``zero`` and ``mean``.
    """

    counts: Array
    clean: Array
    spliced: Array
    ablated: Mapping[str, Array]

    def measurements(self, *, site: str, level: float) -> list[Measurement]:
        r"""Increase of the loss, and the share recovered of what each ablation loses.

        :math:`\hat r = \sum_c (a_c - s_c) / \sum_c (a_c - l_c)` over clusters of texts, with a jackknife interval.
        It is ``insufficient`` where the ablation does not raise the loss for certain: nothing is there to recover.
        """
        if len(self.counts) < 2:
            reason = "all predictions come from one text: the error over data cannot be known"
            return [
                Measurement.insufficient(q, reason, suffices={"examples": 30}, site=site, estimator=_ESTIMATOR)
                for q in (LOSS_INCREASE, LOSS_RECOVERED)
            ]
        increase, uncertainty = cluster_mean(self.spliced - self.clean, self.counts, level=level)
        seen = {"predictions": int(self.counts.sum()), "clusters": len(self.counts)}
        found = [
            Measurement.ok(
                LOSS_INCREASE,
                increase,
                uncertainty,
                site=site,
                estimator=_ESTIMATOR,
                diagnostics={**seen, "loss": float(self.clean.sum() / self.counts.sum())},
            )
        ]
        return found + [self._recovered(name, site, level, seen) for name in self.ablated]

    def _recovered(self, name: str, site: str, level: float, seen: Mapping[str, int]) -> Measurement:
        lost = self.ablated[name] - self.clean
        mean, certain = cluster_mean(lost, self.counts, level=level)
        assert certain.low is not None  # there are two clusters
        labels = {"reference": name}
        if float(certain.low) <= 0:
            return Measurement.insufficient(
                LOSS_RECOVERED,
                f"replacing the activation by {name} changes the loss by {mean:.3g} nats, between {certain.low:.3g} "
                f"and {certain.high:.3g}: there may be nothing to recover",
                site=site,
                labels=labels,
                estimator=_ESTIMATOR,
            )
        value, uncertainty = ratio(self.ablated[name] - self.spliced, lost, level=level)
        diagnostics = {**seen, "loss_with_ablation": float(self.ablated[name].sum() / self.counts.sum())}
        return Measurement.ok(
            LOSS_RECOVERED,
            value,
            uncertainty,
            site=site,
            labels=labels,
            estimator=_ESTIMATOR,
            diagnostics=diagnostics,
        )


def spliced_losses(
    dictionary: Dictionary, source: SiteSource, mean: Tensor, rng: Rng, *, progress: Progress | None = None
) -> SplicedLosses:
    """The four losses. ``mean`` is the mean activation at the target site, ``(e,)``.

    For a transcoder the reconstruction is made of the activation at the input site in the same forward pass.

    Raises
    ------
    GnomonError : without a loss; when the width of the site is not the dictionary's; when the input site is reached
        after the target site.

    Cost: four forward passes, one of them with encoding and decoding of every position.
    """
    subject, data = source.subject, source.data
    if subject.loss is None:
        raise GnomonError(f"{subject.name} has no loss to recover", mend="give a subject with a loss")
    target = subject.site(source.target_site)

    def put(value: Tensor) -> Visitor:
        return lambda activation: _placed(
            target, activation, value.to(activation).expand(*target.rows(activation).shape)
        )

    def losses(visitors: Mapping[str, Visitor]) -> PredictionAccumulator:
        statistic = PredictionSums()
        with visiting(subject, visitors):
            found, _ = accumulate(subject, data, (statistic,), rng, progress=progress)
        sums = found[statistic]
        assert isinstance(sums, PredictionAccumulator)
        return sums

    zero = torch.zeros_like(mean)
    clean = losses({})
    edited = {
        "spliced": losses(_reconstructing(dictionary, source)),
        "zero": losses({source.target_site: put(zero)}),
        "mean": losses({source.target_site: put(mean)}),
    }
    by_cluster = {name: sums.by_cluster(sums.losses) for name, sums in edited.items()}
    return SplicedLosses(
        counts=clean.by_cluster(clean.counts),
        clean=clean.by_cluster(clean.losses),
        spliced=by_cluster.pop("spliced"),
        ablated=by_cluster,
    )


def _reconstructing(dictionary: Dictionary, source: SiteSource) -> dict[str, Visitor]:
    """Visitors that put the reconstruction at the target site."""
    read, target = source.subject.site(source.input_site), source.subject.site(source.target_site)
    held: list[Tensor] = []

    def hold(activation: Tensor) -> None:
        held[:] = [read.rows(activation).detach().clone()]

    def replace(activation: Tensor) -> Tensor:
        if not held:
            raise GnomonError(
                f"site {read.name!r} is reached after {target.name!r}", mend="let the input site come first"
            )
        inputs = held.pop()
        rows = inputs.reshape(-1, inputs.shape[-1]).to(dictionary.encoder)
        made = torch.cat([dictionary.decode(dictionary.encode(part)) for part in torch.split(rows, BLOCK)])
        return _placed(target, activation, made.reshape(*inputs.shape[:2], -1))

    def reconstruct(activation: Tensor) -> Tensor:
        hold(activation)
        return replace(activation)

    if read.name == target.name:
        return {target.name: reconstruct}
    return {read.name: hold, target.name: replace}


@torch.no_grad()
def _placed(site: Site, activation: Tensor, rows: Tensor) -> Tensor:
    """``rows``, ``(batch, positions, width)``, in the shape, precision and place of ``activation``."""
    there = site.rows(activation)
    if rows.shape != there.shape:
        raise GnomonError(
            f"the dictionary reconstructs {tuple(rows.shape[1:])}, site {site.name!r} has {tuple(there.shape[1:])}",
            mend="choose the site that it was trained on",
        )
    if activation.ndim == 1:
        return rows.reshape(activation.shape).to(activation)
    moved = activation.movedim(site.feature_axis, -1)
    return rows.reshape(moved.shape).movedim(-1, site.feature_axis).to(activation)
