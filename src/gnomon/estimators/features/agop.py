"""The average gradient outer product: which directions a prediction depends on, on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, register
from gnomon.estimators.features import known
from gnomon.estimators.features.agop_dimension import AGOP_EFFECTIVE_DIMENSION, read_effective_dimension
from gnomon.estimators.features.agop_directions import AGOP_DIRECTIONS, read_directions
from gnomon.estimators.features.agop_spectrum import AGOP_SPECTRUM, read_spectrum
from gnomon.estimators.features.contexts import Contexts, sample
from gnomon.estimators.features.eigenvalues import spectrum
from gnomon.estimators.features.gradients import GradientAccumulator, GradientSample
from gnomon.estimators.features.nfa import NFA_CORRELATION, read_correlation, unreadable_layers
from gnomon.estimators.features.outer_products import OuterProducts
from gnomon.estimators.features.outputs import feature_outputs
from gnomon.estimators.features.sites import stream
from gnomon.measurement import Cost, Measurement, Quantity
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, accumulate

_FEWEST_CLUSTERS = 30
_FEWEST_EFFECTIVE = 25.0
_AT_A_SITE = (AGOP_SPECTRUM, AGOP_EFFECTIVE_DIMENSION, AGOP_DIRECTIONS)


@register
class AverageGradientOuterProduct(Estimator):
    r"""Spectrum, effective dimension and top directions of :math:`M = \mathbb E\, \nabla_h f\, \nabla_h f^\top`.

    :math:`h` is the activation at a site and :math:`f` a scalar of the network's output: the log-probability of the
    predicted class for categorical losses; for others the outer products of all outputs are added up (random sums of
    them where there are more than 8).

    - Spectrum: bracketed from below and above by sample splitting, because the eigenvalues of a sample are biased
      apart (`spectrum` in this family); the interval holds the bracket and its cluster-robust error.
    - Effective dimension: numerator and denominator are unbiased sums over pairs of different clusters; the ratio's
      remaining bias is removed, and its error found, by the jackknife over clusters.
    - Directions: those whose eigenvalue is told apart from the next by the band, with first-order errors.
    - Correlation with :math:`W^\top W`, at the input of each linear and convolution layer: likewise by pairs and
      jackknife.

    Fewer than 30 clusters, or than 25 once the sizes of their gradients are weighed in, are ``insufficient``. Cost:
    one forward and one backward pass a scalar output over ``examples`` examples, for all sites and layers; sequences
    of left-to-right language models are cut behind the prediction that is differentiated.

    Parameters
    ----------
    examples : how many examples are run at most.
    rows : how many gradients are kept at most at a site.
    components, directions : how many eigenvalues and eigenvectors are reported at most.

    Source: Radhakrishnan et al., Science 383 (2024) 1461, arXiv:2212.13881; jackknife: Efron & Stein (1981).

    >>> import torch
    >>> from gnomon.subjects import ArrayData, Site, SquaredError
    >>> linear = torch.nn.Linear(3, 1)
    >>> linear.weight.data = torch.tensor([[0.6, 0.0, 0.8]])
    >>> subject = Subject(linear, loss=SquaredError(), sites=[Site("input", "", "input")])
    >>> data = ArrayData(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(64, 1))
    >>> found = AverageGradientOuterProduct().measure(subject, data, sites=["input"], budget=Budget(), rng=Rng(0))
    >>> [m.quantity for m in found]
    ['agop_spectrum', 'agop_effective_dimension', 'agop_directions']
    >>> [(abs(np.asarray(m.value)).round(4) + 0.0).tolist() for m in found]
    [[1.0, 0.0, 0.0], 1.0, [[0.6, 0.0, 0.8]]]
    """

    name = "agop"
    quantities = (*_AT_A_SITE, NFA_CORRELATION)
    needs = frozenset({"predictions", "gradients"})

    def __init__(self, examples: int = 512, rows: int = 2048, components: int = 16, directions: int = 4) -> None:
        if min(examples, rows, components, directions) < 1:
            raise GnomonError("examples, rows, components and directions must be at least 1")
        self.examples = examples
        self.rows = rows
        self.components = components
        self.directions = directions

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """See `Estimator.sites`: the stream from layer to layer, and every layer that multiplies by a weight."""
        return (*stream(subject), *subject.layers)

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`. Where sequences are cut, the passes are counted as fractions of whole ones."""
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        contexts = self._contexts(subject, data, budget, Rng(0))
        outputs = len(feature_outputs(subject, data, contexts.place))
        passes = float(contexts.data.lengths.sum() / data.lengths.mean())
        rows = min(self.rows, int(contexts.data.lengths.sum()) * outputs)
        widths = [float(subject.widths.get(s, 256)) for s in sites if s in subject.sites]
        inputs = [float(m.values.shape[1]) for m in subject.matrices() if m.site in sites]
        decompositions = sum(60 * min(w, rows) ** 3 + 8 * rows * w * min(w, rows) for w in widths)
        return Cost(
            forward_passes=passes,
            backward_passes=outputs * passes,
            flops=decompositions + sum(4 * rows * w * min(w, rows) for w in inputs),
            peak_bytes=int(4 * rows * (sum(widths) + sum(inputs))),
        )

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`."""
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        contexts = self._contexts(subject, data, budget, rng)
        outputs = feature_outputs(subject, data, contexts.place)
        places = [s for s in sites if s in subject.sites]
        matrices = {m.site: m for m in subject.matrices() if m.site in sites and m.site in subject.layers}
        unreadable = unreadable_layers(subject, data, list(matrices)) if matrices else {}
        statistics = {s: GradientSample(s, outputs, self.rows) for s in places}
        statistics |= {s: GradientSample(s, outputs, self.rows, through=s) for s in matrices if s not in unreadable}
        found, _ = accumulate(subject, contexts.data, list(statistics.values()), rng, max_bytes=budget.bytes)
        measurements = []
        for site in (*places, *matrices):
            quantities = _AT_A_SITE if site in places else (NFA_CORRELATION,)
            if site in unreadable:
                reason = f"the gradient at this layer cannot be captured: {unreadable[site]}"
                measurements += [self._insufficient(q, reason, site, {}, {}) for q in quantities]
                continue
            sample = found[statistics[site]]
            assert isinstance(sample, GradientAccumulator)
            products = OuterProducts.of(sample)
            diagnostics = {
                "gradients": len(sample.values),
                "drawn_from": sample.seen,
                "clusters": len(products.counts),
                "effective_clusters": products.effective_clusters,
            }
            reason, suffices = _shortage(products)
            if reason:
                measurements += [self._insufficient(q, reason, site, suffices, diagnostics) for q in quantities]
            elif site in matrices:
                measurements.append(
                    read_correlation(products, matrices[site], estimator=self.name, diagnostics=diagnostics)
                )
            else:
                measurements += self._at_site(products, site, diagnostics, rng.child(site))
        return measurements

    def _contexts(self, subject: Subject, data: Data, budget: Budget, rng: Rng) -> Contexts:
        most = self.examples if budget.examples is None else min(self.examples, budget.examples)
        return Contexts.of(subject, data, sample(data, most, rng))

    def _at_site(
        self, products: OuterProducts, site: str, diagnostics: Mapping[str, object], rng: Rng
    ) -> list[Measurement]:
        eigenvalues = spectrum(products, self.components, rng)
        return [
            read_spectrum(products, eigenvalues, site=site, estimator=self.name, diagnostics=diagnostics),
            read_effective_dimension(products, site=site, estimator=self.name, diagnostics=diagnostics),
            read_directions(
                products, eigenvalues, self.directions, site=site, estimator=self.name, diagnostics=diagnostics
            ),
        ]

    def _insufficient(
        self,
        quantity: Quantity,
        reason: str,
        site: str,
        suffices: Mapping[str, float],
        diagnostics: Mapping[str, object],
    ) -> Measurement:
        return Measurement.insufficient(
            quantity, reason, suffices=suffices, site=site, estimator=self.name, diagnostics=diagnostics
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """A linear predictor, quadratic forms of Gaussians, a k-index teacher, and a softmax classifier."""
        one, two, three, four = (q.name for q in cls.quantities)
        return (
            KnownAnswer(name="linear: wwᵀ", quantity=one, site="input", make=known.linear_spectrum),
            KnownAnswer(name="xᵀAx: 4AΣA", quantity=one, site="input", make=known.quadratic_spectrum),
            KnownAnswer(name="xᵀx: all equal", quantity=one, site="input", make=known.isotropic_spectrum),
            KnownAnswer(name="two-class softmax", quantity=one, site="input", make=known.softmax_spectrum),
            KnownAnswer(name="linear: rank 1", quantity=two, site="input", make=known.linear_dimension),
            KnownAnswer(name="xᵀAx: 4AΣA", quantity=two, site="input", make=known.quadratic_dimension),
            KnownAnswer(name="3-index teacher", quantity=two, site="input", make=known.teacher_dimension),
            KnownAnswer(name="linear map to 12 outputs", quantity=two, site="input", make=known.wide_dimension),
            KnownAnswer(name="clusters of copies", quantity=two, site="input", make=known.copies_dimension),
            KnownAnswer(name="linear: w", quantity=three, site="input", make=known.linear_directions),
            KnownAnswer(name="2-index teacher", quantity=three, site="input", make=known.teacher_directions),
            KnownAnswer(name="quadratic network, first layer", quantity=four, site="0.weight", make=known.first_layer),
            KnownAnswer(name="quadratic network, last layer", quantity=four, site="2.weight", make=known.last_layer),
            KnownAnswer(name="deep linear network", quantity=four, site="0.weight", make=known.deep_linear),
        )


def _shortage(products: OuterProducts) -> tuple[str, dict[str, float]]:
    """Why the gradients are too few to say anything, and how many examples would do."""
    clusters, effective = len(products.counts), products.effective_clusters
    if clusters and not products.rows.any():
        return "every gradient is zero: the prediction does not depend on this place, or is saturated", {}
    if clusters >= _FEWEST_CLUSTERS and effective >= _FEWEST_EFFECTIVE:
        return "", {}
    reason = (
        f"gradients of {clusters} independent examples or clusters, worth {effective:.0f} because some are far larger "
        f"than others; {_FEWEST_CLUSTERS} worth {_FEWEST_EFFECTIVE:.0f} are needed"
    )
    more = 1.2 * clusters * _FEWEST_EFFECTIVE / max(effective, 1.0)
    return reason, {"examples": float(np.ceil(max(_FEWEST_CLUSTERS, more)))}
