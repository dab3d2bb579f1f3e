"""The spectrum of the tangent kernel: what the network can learn, how fast, and whether the labels lie that way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, register
from gnomon.estimators.tangent import known
from gnomon.estimators.tangent.jackknife import Floats, jackknifed
from gnomon.estimators.tangent.kernel import kernel_of
from gnomon.estimators.tangent.predictions import Chosen
from gnomon.estimators.tangent.rounding import gradient_rounding
from gnomon.estimators.tangent.sampling import TangentEstimator
from gnomon.estimators.tangent.statistics import alignment, effective_rank, eigenvalues, label_kernel
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty, Unit
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, trainable

_CONVENTION = (
    "f are the scores (logits) of n predictions, in evaluation mode, θ all trainable parameters; K is averaged over "
    "the C scores of a prediction. The predictions are drawn from the data, an example and then one prediction in it; "
    "n is among the diagnostics."
)
_OF_N = "It speaks of n predictions: its value depends on n, and the interval is for another draw of as many."

SPECTRUM = Quantity(
    name="ntk_spectrum",
    symbol=r"\lambda_k(K)/n",
    unit=Unit.parse("output^2/weight^2"),
    definition=(
        r"\lambda_k\Bigl(\frac1n K\Bigr), \quad "
        r"K_{ij} = \frac1C \sum_{c=1}^C \langle \nabla_\theta f_c(x_i), \nabla_\theta f_c(x_j) \rangle"
    ),
    convention=f"{_CONVENTION} The largest eigenvalues, in descending order. {_OF_N}",
    source="Jacot, Gabriel & Hongler, arXiv:1806.07572",
    axes=("component",),
    invariances=("example_permutation",),
    lowest=0.0,
)
EFFECTIVE_RANK = Quantity(
    name="ntk_effective_rank",
    symbol=r"\mathrm{erank}(K)",
    unit=Unit.parse("dimension"),
    definition=r"\exp\Bigl(-\sum_k p_k \ln p_k\Bigr), \quad p_k = \lambda_k(K) \big/ \operatorname{tr} K",
    convention=f"{_CONVENTION} {_OF_N}",
    source="Roy & Vetterli, EUSIPCO (2007) 606; Jacot, Gabriel & Hongler, arXiv:1806.07572",
    invariances=("example_permutation",),
    lowest=1.0,
)
ALIGNMENT = Quantity(
    name="ntk_alignment",
    symbol=r"A(K, Y)",
    definition=(
        r"\frac{\langle \tilde K, \tilde Y \rangle}{\lVert \tilde K \rVert \lVert \tilde Y \rVert}, \quad "
        r"Y_{ij} = y_i \cdot y_j"
    ),
    convention=(
        f"{_CONVENTION} y are the targets, classes as one-hot vectors. The tilde centres a kernel over the data and "
        "leaves its diagonal out, so that the value does not depend on n but by chance; it may read a little below 0."
    ),
    source=(
        "Cortes, Mohri & Rostamizadeh, JMLR 13 (2012) 795; for tangent kernels Baratin et al., arXiv:2008.00938; "
        "centred as in Székely & Rizzo, Annals of Statistics 42 (2014) 2382"
    ),
    invariances=("example_permutation",),
    lowest=-1.0,
    highest=1.0,
)
SMALLEST = Quantity(
    name="ntk_smallest_eigenvalue",
    symbol=r"\mu",
    unit=Unit.parse("output^2/weight^2"),
    definition=(
        r"\mu = \frac1n \lambda_{\min}(K), \quad "
        r"K_{ic,jd} = \langle \nabla_\theta f_c(x_i), \nabla_\theta f_d(x_j) \rangle"
    ),
    convention=(
        "Of the full kernel, of all scores of n predictions, in evaluation mode. It is the constant of the PL* "
        "condition at these parameters: with the loss half the squared error, averaged over the n predictions, the "
        "squared norm of its gradient is at least 2μ times the loss. It is exact for the predictions used, drawn from "
        "the data; more predictions can only lower the smallest eigenvalue of K."
    ),
    source="Liu, Zhu & Belkin, arXiv:2003.00307",
    invariances=("example_permutation",),
    lowest=0.0,
)
# an eigenvalue is read where rounding could not have made it from zero
_CLEAR = 0.5


@register
class TangentKernel(TangentEstimator):
    r"""Spectrum, effective rank, label alignment and smallest eigenvalue of the empirical neural tangent kernel.

    The kernel :math:`K_{ic,jd} = \langle \nabla_\theta f_c(x_i), \nabla_\theta f_d(x_j) \rangle` of a sample of
    predictions is computed as by `tangent_kernel`. Where a prediction has more scores than ``outputs`` (a language
    model's vocabulary) their average :math:`\frac1C \sum_c K_{ic,jc}` is estimated by random signs v:
    :math:`\mathrm E\, v^\top K_{ij} v = \sum_c K_{ic,jc}`; the bias that this gives a statistic is taken off by the
    jackknife over probes. Intervals are jackknives over clusters and probes. The smallest eigenvalue needs the full
    kernel, so it is read with few scores only. Its systematic part is the rounding of the gradients, measured
    against another precision: if they are off by a share ε, singular values of the Jacobian are off by at most
    :math:`\varepsilon \sqrt{\operatorname{tr} K}`.

    Cost: two forward passes and ``min(C, outputs)`` (or ``probes``) backward passes a prediction.

    Parameters
    ----------
    predictions, outputs, probes : see `TangentEstimator`.
    components : how many eigenvalues are reported.

    Raises
    ------
    GnomonError : when a score or gradient is NaN or infinite.

    Source: Jacot, Gabriel & Hongler, arXiv:1806.07572; Novak, Sohl-Dickstein & Schoenholz, arXiv:2206.08720 (its
    computation); Hutchinson, Commun. Stat. Simul. Comput. 19 (1990) 433 (random signs).

    >>> subject, data, truth = known.linear_alignment(Rng(0))
    >>> found = TangentKernel().measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> [m.quantity for m in found]
    ['ntk_spectrum', 'ntk_effective_rank', 'ntk_alignment', 'ntk_smallest_eigenvalue']
    >>> found[2].uncertainty.contains(found[2].value, truth)
    True
    """

    name = "tangent_kernel"
    quantities = (SPECTRUM, EFFECTIVE_RANK, ALIGNMENT, SMALLEST)

    def __init__(self, *, predictions: int = 32, outputs: int = 16, probes: int = 4, components: int = 16) -> None:
        super().__init__(predictions=predictions, outputs=outputs, probes=probes)
        if components < 1:
            raise GnomonError(f"no spectrum of {components} components", mend="use components ≥ 1")
        self.components = components

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        del sites
        return self._cost_of_kernels(subject, data, budget, 1)

    def _measure(self, subject: Subject, chosen: Chosen, budget: Budget, rng: Rng) -> list[Measurement]:
        directions = self._directions(chosen, rng)
        n, classes = len(chosen), chosen.classes
        shared: dict[str, Any] = {"predictions": n, "outputs": classes, "examples": len(chosen.data)}
        full: Floats | None = None
        if directions is None:
            full = kernel_of(subject, chosen, reduce="full", precise=True, max_bytes=budget.bytes)
            kernels = np.einsum("icjc->ij", full.reshape(n, classes, n, classes))[None] / classes
        else:
            shared["probes"] = len(directions)
            kernels = kernel_of(
                subject, chosen, reduce="class", directions=directions, precise=True, max_bytes=budget.bytes
            )
            kernels = kernels / classes
        if not kernels.any():
            return self._refused("all gradients are zero", diagnostics=shared)
        return [
            self._spectrum(kernels, chosen, shared),
            self._effective_rank(kernels, chosen, shared),
            self._alignment(kernels, chosen, shared),
            self._smallest(subject, full, chosen, shared),
        ]

    def _spectrum(self, kernels: Floats, chosen: Chosen, shared: dict[str, Any]) -> Measurement:
        # one group fewer must still have as many eigenvalues
        count = min(self.components, int(len(chosen) * 0.9))
        found = jackknifed(lambda k, _: eigenvalues(k)[:count], kernels, chosen.clusters)
        # near each other, eigenvalues change places, and the jackknife cannot tell whose bias is whose
        value = np.maximum(found.value + found.bias, 0.0)
        uncertainty = found.uncertainty(value)
        if found.probes:
            bias = float(np.abs(found.bias).max())
            uncertainty = replace(uncertainty, systematic=bias, systematic_source="bias of few probes")
        mean = float(np.trace(kernels.mean(axis=0)) / len(chosen))
        more = {**shared, "mean_of_diagonal": mean}
        return Measurement.ok(SPECTRUM, value, uncertainty, estimator=self.name, diagnostics=more)

    def _effective_rank(self, kernels: Floats, chosen: Chosen, shared: dict[str, Any]) -> Measurement:
        found = jackknifed(lambda k, _: effective_rank(k), kernels, chosen.clusters)
        value = np.maximum(found.value, 1.0)
        more = {**shared, "bias_of_probes": found.bias}
        return Measurement.ok(
            EFFECTIVE_RANK, value, found.uncertainty(np.asarray(value)), estimator=self.name, diagnostics=more
        )

    def _alignment(self, kernels: Floats, chosen: Chosen, shared: dict[str, Any]) -> Measurement:
        assert chosen.targets is not None
        targets: NDArray[np.generic] = chosen.targets.numpy()
        labels = label_kernel(targets)
        found = jackknifed(lambda k, rows: alignment(k, labels[np.ix_(rows, rows)]), kernels, chosen.clusters)
        if not np.isfinite([found.value, found.error]).all():
            reason = "the targets, or the kernel, hardly vary among the predictions"
            return Measurement.insufficient(ALIGNMENT, reason, estimator=self.name, diagnostics=shared)
        value = np.clip(found.value, -1.0, 1.0)
        more = {**shared, "bias_of_probes": found.bias}
        return Measurement.ok(
            ALIGNMENT, value, found.uncertainty(np.asarray(value)), estimator=self.name, diagnostics=more
        )

    def _smallest(self, subject: Subject, full: Floats | None, chosen: Chosen, shared: dict[str, Any]) -> Measurement:
        if full is None:
            return Measurement.insufficient(
                SMALLEST,
                f"it needs the gradients of all {chosen.classes} scores of a prediction, of which {self.outputs} are "
                "allowed; give TangentKernel(outputs=…)",
                suffices={"outputs": chosen.classes},
                estimator=self.name,
                diagnostics=shared,
            )
        n, parameters = len(chosen), sum(p.numel() for p in trainable(subject).values())
        if len(full) > parameters:
            more = {**shared, "parameters": parameters}
            return Measurement.ok(SMALLEST, 0.0, Uncertainty.exact(), estimator=self.name, diagnostics=more)
        found = np.linalg.eigvalsh(full)
        trace = float(np.trace(full))
        off = gradient_rounding(subject, chosen) * np.sqrt(trace)  # of a singular value
        arithmetic = 8 * np.finfo(np.float64).eps * trace
        root = float(np.sqrt(max(found[0], 0.0)))
        systematic = (2 * root * off + off**2 + arithmetic) / n
        value = max(float(found[0]), 0.0) / n
        more = {**shared, "condition_number": float(found[-1] / found[0]) if found[0] > 0 else float("inf")}
        if systematic > _CLEAR * value:
            return Measurement.insufficient(
                SMALLEST,
                f"it is {value:.2g}, which rounding alone could make of zero (± {systematic:.2g})",
                estimator=self.name,
                diagnostics={**more, "estimate": value, "rounding": systematic},
            )
        uncertainty = Uncertainty.exact(
            systematic=systematic, systematic_source="rounding of the gradients, measured in another precision"
        )
        return Measurement.ok(SMALLEST, value, uncertainty, estimator=self.name, diagnostics=more)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Linear networks, K = XXᵀ, and networks of two layers, whose kernels are written down."""
        return (
            KnownAnswer(name="linear, spectrum", quantity=SPECTRUM.name, make=known.linear_spectrum),
            KnownAnswer(name="linear, rank", quantity=EFFECTIVE_RANK.name, make=known.linear_rank),
            KnownAnswer(name="many outputs, rank", quantity=EFFECTIVE_RANK.name, make=known.many_outputs_rank),
            KnownAnswer(name="linear, alignment", quantity=ALIGNMENT.name, make=known.linear_alignment),
            KnownAnswer(name="linear, smallest", quantity=SMALLEST.name, make=known.linear_smallest),
            KnownAnswer(name="two layers, smallest", quantity=SMALLEST.name, make=known.two_layers_smallest),
            KnownAnswer(
                name="an input twice",
                quantity=SMALLEST.name,
                make=known.twice_smallest,
                reads_ok=0.0,
                insufficient_at_least=1.0,
            ),
        )
