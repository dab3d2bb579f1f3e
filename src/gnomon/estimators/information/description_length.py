"""Prequential description length of the labels given a site's representation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, StreamingEstimator, register
from gnomon.estimators.information import known_codes as known
from gnomon.estimators.information.clustered import FEWEST_CLUSTERS
from gnomon.estimators.information.labelled_rows import LabelledAccumulator, LabelledRows
from gnomon.estimators.information.online_code import FIRST_BLOCK, SCALES, blocks, code_lengths
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit, cluster_mean
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, Statistic, Subject

_CONVENTION = (
    "Labels are what the network's loss predicts: the next token, the hidden token, or the class. They are sent one "
    "after another in random order, by a softmax probe of the site refitted at each doubling from 16 rows on (the "
    "first 16 uniformly). n = 1,024 rows, or what there are: it is in the diagnostics, and the length depends on it. "
    "Natural logarithm; the network's evaluation mode. The activation is that at the position of the prediction, or "
    "the mean over positions where the whole example is labelled."
)

LENGTH = Quantity(
    name="prequential_code_length",
    symbol=r"L_\mathrm{preq}",
    unit=Unit.parse("nat/prediction"),
    definition=(
        r"L_\mathrm{preq} = \mathbb{E}\,\frac{1}{n} \sum_{i=1}^n -\log p(y_i \mid x_i, \hat\theta(y_1, \dots, y_{i-1}))"
    ),
    convention=_CONVENTION,
    source="Voita & Titov, arXiv:2003.12298; Blier & Ollivier, arXiv:1802.07044; Rissanen (1984)",
    dims=("site",),
    invariances=("example_permutation", "translation", "feature_permutation"),
    lowest=0.0,
)
SAVED = Quantity(
    name="code_length_saved",
    symbol=r"\Delta L_\mathrm{preq}",
    unit=Unit.parse("nat/prediction"),
    definition=r"\Delta L_\mathrm{preq} = L_\mathrm{preq}(y) - L_\mathrm{preq}(y \mid x)",
    convention=(
        "How much longer the same labels are, in the same order, for somebody who has only the frequencies of those "
        "sent so far. A code that is still learning loses some of what the site tells, so it is below the mutual "
        "information, but for chance; for labels that have nothing to do with the site (a shuffled control) it lies "
        f"between chance and a loss of at most log 3 nats in all. {_CONVENTION}"
    ),
    source="Voita & Titov, arXiv:2003.12298; Xu et al., arXiv:2002.10689 (usable information)",
    dims=("site",),
    invariances=("example_permutation", "translation", "feature_permutation"),
)
_FEWEST_ROWS = 4 * FIRST_BLOCK
_MOST_SITES = 4


@register
class DescriptionLength(StreamingEstimator):
    r"""How many nats it takes to send the labels to somebody who has the site's activations.

    .. math:: \hat L = \frac1n \sum_{i=1}^n -\log p(y_i \mid x_i, \hat\theta_{k(i)})

    with a probe :math:`\hat\theta_k` fitted to all rows before the block that row i is in (see `online_code`). It
    counts what the probe gets wrong *and* what it takes to learn it, so a site from which labels can be read easily is
    told from one from which they can be read somehow. ``code_length_saved`` is against the frequencies of
    the labels alone, label by label.

    The error is that of the mean of what each label costs, robust to any dependence inside a cluster, and a bound on
    what other draws of the rows would have changed in the probes; it covers the data.

    Fewer than 64 predictions, or 10 clusters, are ``insufficient``. Cost: one forward pass, shared; then for each site
    at most 40 evaluations of two probes for each doubling of the rows.

    Parameters
    ----------
    rows : how many predictions are sampled. Anything but 1,024 is another quantity, for exploration.

    Raises
    ------
    GnomonError : when ``rows`` is below 64.

    Source: Voita & Titov (2020), arXiv:2003.12298; Blier & Ollivier (2018), arXiv:1802.07044.

    >>> subject, data, truth = known.readable(Rng(0))
    >>> length, saved = DescriptionLength().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> length.uncertainty.contains(length.value, truth), bool(saved.uncertainty.low > 0)
    (True, True)
    """

    name = "description_length"
    quantities = (LENGTH, SAVED)
    needs = frozenset({"activations", "predictions", "probabilities"})

    def __init__(self, *, rows: int = 1024) -> None:
        if rows < _FEWEST_ROWS:
            raise GnomonError(f"no code is learned from {rows} rows", mend=f"use at least {_FEWEST_ROWS}")
        self.rows = rows

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """At most four, from the first to the last, the blocks alone where there are some, and never the logits."""
        names = [n for n in subject.sites if n != "logits"]
        plain = [n for n in names if n.startswith("blocks.") and n.count(".") == 1] or names
        if not plain:
            return tuple(subject.sites)[:1]
        picked = np.unique(np.linspace(0, len(plain) - 1, _MOST_SITES).round().astype(int))
        return tuple(plain[i] for i in picked)

    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        """See `StreamingEstimator.statistics`."""
        del subject, data, budget
        return {site: LabelledRows(site, self.rows) for site in sites}

    def finishing_flops(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> float:
        """See `StreamingEstimator.finishing_flops`."""
        del budget
        n = min(self.rows, int(data.lengths.sum()))
        classes = min(subject.widths.get("logits", n), n / 8)  # in running text, about an eighth of tokens are new
        width = sum(subject.widths.get(site, 64) for site in sites)
        # forty evaluations of two probes, on n/2 + n/4 + … rows
        return 40 * 2 * n * classes * (4.0 * width + 60 * len(sites))

    def finish(
        self,
        subject: Subject,
        found: Mapping[str, Accumulator],
        *,
        sites: Sequence[str],
        budget: Budget,
        rng: Rng,
    ) -> list[Measurement]:
        """See `StreamingEstimator.finish`."""
        del subject, budget, rng
        out = []
        for site in sites:
            rows = found[site]
            assert isinstance(rows, LabelledAccumulator)
            out += self._at(site, rows)
        return out

    def _at(self, site: str, rows: LabelledAccumulator) -> list[Measurement]:
        n = len(rows.labels)
        groups = np.unique(rows.clusters, return_inverse=True)[1].reshape(-1)
        clusters = int(groups.max(initial=-1)) + 1
        if n < _FEWEST_ROWS or clusters < FEWEST_CLUSTERS:
            reason = (
                f"{n} predictions from {clusters} independent examples; it takes {_FEWEST_ROWS} from {FEWEST_CLUSTERS}"
            )
            wanted = max(_FEWEST_ROWS / max(n, 1), FEWEST_CLUSTERS / max(clusters, 1)) * clusters
            return [
                Measurement.insufficient(
                    q, reason, suffices={"examples": float(np.ceil(wanted))}, site=site, estimator=self.name
                )
                for q in self.quantities
            ]
        costs, alone, by_fit = code_lengths(rows.values, rows.labels, rows.classes)
        ends = blocks(n)
        diagnostics: dict[str, Any] = {
            "rows": n,
            "classes": rows.classes,
            "clusters": clusters,
            "uniform": float(np.log(rows.classes)),
            "frequencies": float(alone[0].mean()),
            "block_ends": ends,
            "block_costs": [float(part.mean()) for part in np.split(costs, ends[:-1])],
            "best_scale": SCALES[int(np.argmin(alone.sum(axis=1)))],
        }
        return [
            self._mean(LENGTH, costs, by_fit, groups, site, diagnostics),
            self._mean(SAVED, alone[0] - costs, by_fit, groups, site, diagnostics),
        ]

    def _mean(
        self,
        quantity: Quantity,
        values: NDArray[np.float64],
        by_fit: float,
        groups: NDArray[np.int64],
        site: str,
        diagnostics: Mapping[str, Any],
    ) -> Measurement:
        sums = np.bincount(groups, values).astype(np.float64)
        counts = np.bincount(groups).astype(np.float64)
        value, of_labels = cluster_mean(sums, counts)
        uncertainty = Uncertainty.stderr(
            value,
            float(np.sqrt(float(of_labels.error or 0.0) ** 2 + by_fit / len(values) ** 2)),
            covers={"data"},
            degrees_of_freedom=len(counts) - 1,
            effective_samples=of_labels.effective_samples,
        )
        return Measurement.ok(quantity, value, uncertainty, site=site, estimator=self.name, diagnostics=diagnostics)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Labels that depend on a number, and labels that do not: expectations by an implementation of its own."""
        return (
            KnownAnswer(name="readable labels", quantity=LENGTH.name, make=known.readable, site="logits"),
            KnownAnswer(name="unreadable labels", quantity=LENGTH.name, make=known.unreadable, site="logits"),
            KnownAnswer(name="readable labels, saved", quantity=SAVED.name, make=known.saved, site="logits"),
            KnownAnswer(name="unreadable labels, saved", quantity=SAVED.name, make=known.nothing_saved, site="logits"),
        )
