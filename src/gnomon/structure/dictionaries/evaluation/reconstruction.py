"""How well a dictionary reconstructs, and how often its latents are active: one pass over the rows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Uncertainty, cluster_mean
from gnomon.structure.dictionaries.codes import Codes
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.dictionaries.evaluation.groups import GROUPS, add_by_group, jackknifed
from gnomon.structure.dictionaries.evaluation.quantities import DEAD_SHARE, DENSITY, EXPLAINED_VARIANCE, L0
from gnomon.structure.dictionaries.evaluation.source import Rows
from gnomon.structure.dictionaries.firing import firing_rates

_DENSITY_GROUPS = 32  # of clusters, for each of the latents
_ESTIMATOR = "dictionary_reconstruction"
FEWEST_CLUSTERS = 2


@torch.no_grad()
def encoded(dictionary: Dictionary, inputs: Tensor) -> Codes:
    """Codes of ``inputs``, moved to the dictionary's device and precision."""
    return dictionary.encode(inputs.to(dictionary.encoder))


class Reconstruction:
    r"""Sums over rows, from which explained variance, L0, densities and the share of dead latents follow.

    :math:`1 - R/T` with :math:`R = \sum_i \|y_i - \hat y_i\|^2` and
    :math:`T = \sum_i \|y_i - \mu\|^2 - n \|\bar y - \mu\|^2`, summed from the dictionary's own mean μ, in float64. Its
    interval is a jackknife over groups of clusters, that of L0 the linearised one of a ratio, and those of
    densities Korn and Graubard's for shares.

    Memory: 8 bytes for each of 1,024 target vectors and 32 vectors of latents, whatever the number of rows.

    Attributes
    ----------
    rows, clusters : how many were seen.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        device, width = dictionary.decoder.device, dictionary.decoder.shape[1]

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float64, device=device)

        self.rows = self.clusters = 0
        self._counts, self._squares, self._residuals, self._active = (zeros(GROUPS) for _ in range(4))
        self._sums = zeros(GROUPS, width)
        self._firing = zeros(_DENSITY_GROUPS, dictionary.latents)
        self._pivot = dictionary.target_mean.to(device, torch.float64)

    @torch.no_grad()
    def update(self, rows: Rows) -> Codes:
        """Take in some rows; returns their codes, for others to read. Raises GnomonError when widths differ."""
        width = self._sums.shape[1]
        if rows.targets.shape[1] != width:
            raise GnomonError(
                f"the dictionary reconstructs vectors of width {width}, the targets have width {rows.targets.shape[1]}",
                mend="give the site or the arrays that it was trained on",
            )
        codes = encoded(self._dictionary, rows.inputs)
        targets = rows.targets.to(self._sums)
        residuals = (targets - self._dictionary.decode(codes)).square().sum(dim=1)
        centred = targets - self._pivot
        active = codes.values > 0
        self.rows += len(rows.clusters)
        self.clusters = max(self.clusters, int(rows.clusters.max()) + 1)
        for sums, values in (
            (self._counts, torch.ones_like(residuals)),
            (self._squares, centred.square().sum(dim=1)),
            (self._residuals, residuals),
            (self._active, active.sum(dim=1)),
            (self._sums, centred),
        ):
            add_by_group(sums, values, rows.clusters)
        group = torch.from_numpy(rows.clusters % _DENSITY_GROUPS).to(active.device)
        cell = (group[:, None] * self._dictionary.latents + codes.indices)[active]
        self._firing += torch.bincount(cell, minlength=self._firing.numel()).reshape(self._firing.shape)
        return codes

    @property
    def mean(self) -> Tensor:
        """``(e,)`` float64: the mean target."""
        return self._pivot + self._sums.sum(dim=0) / self._counts.sum()

    @property
    def firing(self) -> NDArray[np.float64]:
        """``(m,)``: on how many rows each latent was active."""
        return _numpy(self._firing.sum(dim=0))

    def measurements(self, *, site: str | None, level: float) -> list[Measurement]:
        """Explained variance, L0, the share of dead latents and the density of each.

        From one cluster, the first two are insufficient; densities are those of its rows, their error unknown.
        """
        present = self._counts > 0
        told = [self._dead(site, level), self._densities(site, level)]
        if int(present.sum()) < FEWEST_CLUSTERS:
            reason = f"{self.rows} rows come from one example or cluster: the error over data cannot be known"
            return [
                Measurement.insufficient(quantity, reason, suffices={"clusters": 30}, site=site, estimator=_ESTIMATOR)
                for quantity in (EXPLAINED_VARIANCE, L0)
            ] + told
        counts, active = (_numpy(sums[present]) for sums in (self._counts, self._active))
        seen = {"rows": self.rows, "clusters": self.clusters}
        mean, uncertainty = cluster_mean(active, counts, level=level)
        l0 = Measurement.ok(L0, mean, uncertainty, site=site, estimator=_ESTIMATOR, diagnostics=seen)
        return [self._explained(present, site, level), l0, *told]

    def _explained(self, present: Tensor, site: str | None, level: float) -> Measurement:
        counts, squares, residuals, sums = (
            s[present] for s in (self._counts, self._squares, self._residuals, self._sums)
        )

        def unexplained(n: Tensor, q: Tensor, r: Tensor, total: Tensor) -> Tensor:
            return r / (q - total.square().sum(dim=-1) / n)

        share = float(unexplained(counts.sum(), squares.sum(), residuals.sum(), sums.sum(dim=0)))
        without = unexplained(*(s.sum(dim=0) - s for s in (counts, squares, residuals, sums)))
        if not (np.isfinite(share) and bool(torch.isfinite(without).all())):
            reason = "the targets do not vary: there is no variance to explain"
            return Measurement.insufficient(EXPLAINED_VARIANCE, reason, site=site, estimator=_ESTIMATOR)
        return Measurement.ok(
            EXPLAINED_VARIANCE,
            1 - share,
            jackknifed(1 - share, _numpy(1 - without), level=level, highest=1.0),
            site=site,
            estimator=_ESTIMATOR,
            diagnostics={"rows": self.rows, "clusters": self.clusters, "groups": len(counts)},
        )

    def _dead(self, site: str | None, level: float) -> Measurement:
        dead = int((self.firing == 0).sum())
        # a density above this would have shown in one of the clusters, at the level
        rarest = 1 - (1 - level) ** (1 / min(self.clusters, self.rows))
        return Measurement.ok(
            DEAD_SHARE,
            dead / self._dictionary.latents,
            Uncertainty.exact(),
            site=site,
            estimator=_ESTIMATOR,
            diagnostics={"dead": dead, "rows": self.rows, "density_of_a_dead_latent_is_below": rarest},
        )

    def _densities(self, site: str | None, level: float) -> Measurement:
        counts = _numpy(self._counts.reshape(-1, _DENSITY_GROUPS).sum(dim=0))
        values, uncertainty = self.firing / self.rows, Uncertainty.unknown()
        if (counts > 0).sum() >= FEWEST_CLUSTERS:
            found = firing_rates(_numpy(self._firing), counts, clusters=self.clusters, level=level)
            uncertainty = Uncertainty.interval(found.low, found.high, level=level, covers={"data"}, systematic=0.0)
        return Measurement.ok(
            DENSITY,
            values,
            uncertainty,
            site=site,
            estimator=_ESTIMATOR,
            diagnostics={"rows": self.rows, "clusters": self.clusters},
        )


def _numpy(values: Tensor) -> NDArray[np.float64]:
    return values.double().cpu().numpy()
