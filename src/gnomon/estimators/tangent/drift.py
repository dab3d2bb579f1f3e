"""How far the tangent kernel has moved since initialisation: lazy or rich learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, KnownAnswer, register
from gnomon.estimators.tangent import known
from gnomon.estimators.tangent.jackknife import Floats, jackknifed
from gnomon.estimators.tangent.kernel import kernel_of
from gnomon.estimators.tangent.predictions import Chosen, running
from gnomon.estimators.tangent.sampling import TangentEstimator
from gnomon.estimators.tangent.statistics import kernel_distance, relative_change
from gnomon.measurement import Cost, Measurement, Quantity
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject

_CONVENTION = (
    "K and K₀ are the kernels, averaged over the scores of a prediction, of the same n predictions in evaluation mode, "
    "now and at initialisation. They are drawn from the data, an example and then one prediction in it; the interval "
    "is for another draw of as many."
)

CHANGE = Quantity(
    name="ntk_relative_change",
    symbol=r"\Delta_K",
    definition=r"\frac{\lVert K - K_0 \rVert_F}{\lVert K_0 \rVert_F}",
    convention=f"{_CONVENTION} Far below 1 learning is lazy: the network is nearly linear in its parameters.",
    source="Chizat, Oyallon & Bach, arXiv:1812.07956; Geiger et al., arXiv:1906.08034",
    invariances=("example_permutation",),
    lowest=0.0,
)
DISTANCE = Quantity(
    name="ntk_distance",
    symbol=r"S_K",
    definition=r"1 - \frac{\langle K, K_0 \rangle_F}{\lVert K \rVert_F \lVert K_0 \rVert_F}",
    convention=f"{_CONVENTION} It is not changed by a growth of the whole kernel; 0 is lazy, up to 1 is rich.",
    source="Fort et al., arXiv:2010.15110",
    invariances=("example_permutation",),
    lowest=0.0,
    highest=2.0,
)


@register
class TangentDrift(TangentEstimator):
    r"""Change of the tangent kernel since initialisation, with and without its growth.

    :math:`\lVert K - K_0 \rVert_F / \lVert K_0 \rVert_F` and :math:`1 - \cos(K, K_0)`, of kernels as in
    `TangentKernel`, with the same predictions and probes for both. Intervals are jackknives over clusters and probes.

    Cost: twice that of `TangentKernel`.

    Parameters
    ----------
    initial : the network at initialisation (or whatever it is compared with); default: the subject's own ``initial``.
    predictions, outputs, probes : see `TangentEstimator`.

    Raises
    ------
    GnomonError : when the two networks do not make the same predictions, or a score or gradient is NaN or infinite.

    Source: Chizat, Oyallon & Bach, arXiv:1812.07956; Fort et al., arXiv:2010.15110.

    >>> subject, data, truth = known.drift_change(Rng(0))
    >>> found = TangentDrift(initial=subject.initial).measure(subject, data, sites=(), budget=Budget(), rng=Rng(0))
    >>> [m.quantity for m in found], found[0].uncertainty.contains(found[0].value, truth)
    (['ntk_relative_change', 'ntk_distance'], True)
    """

    name = "tangent_drift"
    quantities = (CHANGE, DISTANCE)

    def __init__(
        self, *, initial: Subject | None = None, predictions: int = 32, outputs: int = 16, probes: int = 4
    ) -> None:
        super().__init__(predictions=predictions, outputs=outputs, probes=probes)
        self._initial = initial
        self.initial = None if initial is None else initial.weights_hash()

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`."""
        if reason := super().inapplicable(subject, data):
            return reason
        if self._before(subject) is None:
            return "the network at initialisation is not known; give Subject(initial=…) or TangentDrift(initial=…)"
        return ""

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        del sites
        return self._cost_of_kernels(subject, data, budget, 2)

    def _before(self, subject: Subject) -> Subject | None:
        return subject.initial if self._initial is None else self._initial

    def _measure(self, subject: Subject, chosen: Chosen, budget: Budget, rng: Rng) -> list[Measurement]:
        before = self._before(subject)
        if before is None:
            return self._refused(self.inapplicable(subject, chosen.data))
        directions = self._directions(chosen, rng)
        outputs = chosen.classes if directions is None else len(directions)

        def kernels_of(one: Subject) -> Floats:
            with running(one):
                found = kernel_of(
                    one, chosen, reduce="class", directions=directions, precise=True, max_bytes=budget.bytes
                )
            return found.mean(axis=0, keepdims=True) if directions is None else found

        now, then = kernels_of(subject), kernels_of(before)
        if now.shape != then.shape:
            raise GnomonError(f"{before.name} makes other predictions than {subject.name}", mend="give one of its kind")
        shared = {"predictions": len(chosen), "outputs": chosen.classes, "examples": len(chosen.data)}
        if directions is not None:
            shared["probes"] = outputs
        if not (now.any() and then.any()):
            return self._refused("all gradients are zero", diagnostics=shared)
        both = np.stack([now, then], axis=1)  # (probes, 2, n, n)
        return [
            self._reading(CHANGE, relative_change, both, chosen, shared),
            self._reading(DISTANCE, kernel_distance, both, chosen, shared),
        ]

    def _reading(
        self,
        quantity: Quantity,
        compare: Callable[[Floats, Floats], Floats],
        both: Floats,
        chosen: Chosen,
        shared: dict[str, Any],
    ) -> Measurement:
        found = jackknifed(lambda pair, _: compare(pair[0], pair[1]), both, chosen.clusters)
        value = np.clip(found.value, quantity.lowest, quantity.highest)
        more = {**shared, "bias_of_probes": found.bias}
        return Measurement.ok(
            quantity, value, found.uncertainty(np.asarray(value)), estimator=self.name, diagnostics=more
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """A linear network of two layers at two points, whose kernels are quadratic forms; and one that never moves."""
        return (
            KnownAnswer(name="two linear layers, change", quantity=CHANGE.name, make=known.drift_change),
            KnownAnswer(name="two linear layers, distance", quantity=DISTANCE.name, make=known.drift_distance),
            KnownAnswer(name="linear, change", quantity=CHANGE.name, make=known.lazy_change),
        )
