"""Linear centred kernel alignment, without the bias of finite samples."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.hsic import FEWEST_CLUSTERS, Moments, moments
from gnomon.estimators.geometry.jackknife import jackknife_half_width
from gnomon.estimators.geometry.row_estimator import (
    DEFAULT_ROWS,
    RowSampling,
    sample,
    stream_sites,
    suffices,
    width_at,
)
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, RowAccumulator, RowSample, Statistic, Subject, accumulate

CKA = Quantity(
    name="cka",
    symbol=r"\mathrm{CKA}",
    definition=(
        r"\mathrm{CKA}(X, Y) = \frac{\operatorname{tr} C_{XY} C_{YX}}"
        r"{\sqrt{\operatorname{tr} C_{XX}^2\,\operatorname{tr} C_{YY}^2}}"
    ),
    convention=(
        "Linear kernel: C are covariances of the activation rows of two sites at the same positions. Unchanged by a "
        "rotation, shift or rescaling of either site."
    ),
    source="Kornblith, Norouzi, Lee & Hinton, ICML (2019), arXiv:1905.00414",
    dims=("site", "other_site"),
    invariances=("example_permutation",),
    lowest=-1.0,
    highest=1.0,
)


@register
class LinearCKA(RowSampling):
    r"""How alike two sites represent the same rows, from 0 (unrelated) to 1 (equal up to rotation and scale).

    :math:`\mathrm{CKA} = \operatorname{tr} C_{XY}C_{YX} / \sqrt{\operatorname{tr} C_{XX}^2 \operatorname{tr} C_{YY}^2}`
    with each trace an average over rows of distinct sequences (`moments`): the plug-in formula reads far above 0 for
    unrelated sites when there are fewer rows than features, this one does not. It may read a little below 0. The
    interval is the jackknife over clusters. Every pair of sites is compared; a site named alone is compared with the
    residual stream. `compare_subjects` does the same between two networks.

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared; :math:`2 n^2 d` operations a site and :math:`6 n^2` a pair.

    Source: Kornblith et al. (2019); unbiased as in Song et al., JMLR 13 (2012) 1393, and Nguyen, Raghu & Kornblith,
    ICLR (2021), arXiv:2010.15327.

    >>> import numpy as np, torch
    >>> from gnomon.subjects import ArrayData
    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <torch._C.Generator object at ...>
    >>> rotation = torch.nn.Linear(20, 20)
    >>> _ = torch.nn.init.orthogonal_(rotation.weight)
    >>> subject = Subject(torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.ReLU(), rotation))
    >>> data = ArrayData(np.random.default_rng(0).normal(size=(100, 30)))
    >>> (m,) = LinearCKA().measure(subject, data, sites=("blocks.0", "logits"), budget=Budget(), rng=Rng(0))
    >>> m.site, m.labels["other_site"], round(m.value, 4)
    ('blocks.0', 'logits', 1.0)
    """

    name = "linear_cka"
    quantities = (CKA,)
    rate = -0.5

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`."""
        return super().inapplicable(subject, data) or ("" if len(subject.sites) > 1 else "compares two sites, has one")

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """See `Estimator.sites`: the residual stream; all sites where it has only one."""
        stream = stream_sites(subject)
        return stream if len(stream) > 1 else tuple(subject.sites)

    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        """See `StreamingEstimator.statistics`: one row sample a site."""
        return super().statistics(subject, data, self._compared(subject, sites), budget)

    def finish(
        self,
        subject: Subject,
        found: Mapping[str, Accumulator],
        *,
        sites: Sequence[str],
        budget: Budget,
        rng: Rng,
    ) -> list[Measurement]:
        """See `StreamingEstimator.finish`: one measurement a pair, in the order of the sites."""
        del budget, rng
        names = self._compared(subject, sites)
        rows = [sample(found[name]) for name in names]
        pairs = [p for p in itertools.combinations(range(len(names)), 2) if len(sites) > 1 or 0 in p]
        labels = [(names[i], {"other_site": names[j]}) for i, j in pairs]
        return _compare(rows, pairs, labels)

    def _compared(self, subject: Subject, sites: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(sites if len(sites) > 1 else (*sites, *self.sites(subject))))

    def finishing_flops(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> float:
        """See `StreamingEstimator.finishing_flops`."""
        names = self._compared(subject, sites)
        rows = self.expected_rows(data, budget)
        return super().finishing_flops(subject, data, names, budget) + 6.0 * (rows * len(names)) ** 2

    def finishing_bytes(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> int:
        """See `RowSampling.finishing_bytes`: all sites are held at once."""
        names, rows = self._compared(subject, sites), self.expected_rows(data, budget)
        pairs = 8 * 6 * rows * (len(names) + 1) ** 2
        return pairs + sum(self.bytes_at(rows, width_at(subject, data, name)) for name in names)

    def flops_at(self, rows: int, width: int) -> float:
        """See `RowSampling.flops_at`."""
        return 2.0 * rows**2 * width

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Linear layers on Gaussian inputs, alone and in sequences."""
        return (
            KnownAnswer(name="two linear layers", quantity="cka", make=known.linear_layers),
            KnownAnswer(name="two linear layers, n = d", quantity="cka", make=known.few_rows_of_linear_layers),
            KnownAnswer(name="sequences of dependent rows", quantity="cka", make=known.linear_layers_on_sequences),
        )


def compare_subjects(
    first: Subject,
    second: Subject,
    data: Data,
    *,
    sites: Sequence[str] = (),
    other_sites: Sequence[str] = (),
    rows: int = DEFAULT_ROWS,
    rng: Rng,
) -> list[Measurement]:
    """CKA between the sites of two networks on the same data.

    Parameters
    ----------
    sites, other_sites : of the first and of the second network; default: their residual streams.

    Returns
    -------
    One measurement a pair, at the site of the first, with the labels ``other_site`` and ``other_subject``.

    Raises
    ------
    GnomonError : when a pair of sites does not have the same positions, as with different tokenizers.
    """
    mine, theirs = tuple(sites) or stream_sites(first), tuple(other_sites) or stream_sites(second)
    samples = []
    for subject, names in ((first, mine), (second, theirs)):
        wanted = [RowSample(name, rows) for name in names]
        found, _ = accumulate(subject, data, wanted, rng)
        samples += [sample(found[s]) for s in wanted]
    for name, one in zip((*mine, *theirs), samples, strict=True):
        if not np.array_equal(one.keys, samples[0].keys):
            raise GnomonError(
                f"site {name!r} does not have the positions of {mine[0]!r}", mend="compare sites with equal positions"
            )
    pairs = [(i, len(mine) + j) for i in range(len(mine)) for j in range(len(theirs))]
    labels = [(a, {"other_site": b, "other_subject": second.name}) for a in mine for b in theirs]
    return _compare(samples, pairs, labels)


def _compare(
    rows: Sequence[RowAccumulator],
    pairs: Sequence[tuple[int, int]],
    labels: Sequence[tuple[str, dict[str, str]]],
) -> list[Measurement]:
    """CKA of each pair of samples. Only sites that have the same positions can be compared."""
    groups: dict[bytes, list[int]] = {}
    for i, one in enumerate(rows):
        groups.setdefault(one.keys.tobytes(), []).append(i)
    places: dict[int, tuple[_Comparison, int]] = {}
    for members in groups.values():
        comparison = _Comparison([rows[i] for i in members])
        places |= {i: (comparison, place) for place, i in enumerate(members)}
    measurements = []
    for (i, j), (site, label) in zip(pairs, labels, strict=True):
        (mine, a), (theirs, b) = places[i], places[j]
        if mine is theirs:
            measurements.append(mine.measurement(a, b, site, label))
        else:
            measurements.append(_refusal("the sites do not have the same positions", site, label))
    return measurements


class _Comparison:
    """All pairs of some samples of the same rows."""

    def __init__(self, rows: Sequence[RowAccumulator]) -> None:
        self.rows = rows[0]
        self.clusters = len(np.unique(self.rows.clusters))
        self.found: Moments | None = None
        if self.clusters >= FEWEST_CLUSTERS and len(rows) > 1:
            self.found = moments([one.values for one in rows], self.rows.clusters)

    def measurement(self, a: int, b: int, site: str, label: dict[str, str]) -> Measurement:
        """CKA of one pair, or the reason why there is none."""
        if self.found is None:
            reason = f"{self.clusters} independent rows; at least {FEWEST_CLUSTERS} are needed"
            return _refusal(reason, site, label, suffices(self.rows, FEWEST_CLUSTERS / self.clusters))
        for place, name in ((a, site), (b, label["other_site"])):
            if min(self.found.products[place, place], self.found.products_without[:, place, place].min()) <= 0:
                return _refusal(f"the variance of {name} cannot be told from zero", site, label)
        value = float(_alignment(self.found.products, a, b))
        half_width = jackknife_half_width(_alignment(self.found.products_without, a, b))
        value, low, high = np.clip([value, value - half_width, value + half_width], CKA.lowest, CKA.highest)
        return Measurement.ok(
            CKA,
            value,
            Uncertainty.interval(low, high, covers={"data"}, effective_samples=float(self.clusters), systematic=0.0),
            site=site,
            labels=label,
            estimator=LinearCKA.name,
            diagnostics={"rows": len(self.rows.values), "clusters": self.clusters},
        )


def _alignment(products: NDArray[np.float64], a: int, b: int) -> NDArray[np.float64]:
    return np.asarray(products[..., a, b] / np.sqrt(products[..., a, a] * products[..., b, b]))


def _refusal(
    reason: str, site: str, label: Mapping[str, str], budget: Mapping[str, float] | None = None
) -> Measurement:
    return Measurement.insufficient(CKA, reason, suffices=budget, site=site, labels=label, estimator=LinearCKA.name)
