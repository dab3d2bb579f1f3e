"""Activation irreps: what the activations of a network depend on, over all inputs made of elements of a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, register
from gnomon.estimators.groups import known
from gnomon.estimators.groups.readings import (
    ACTIVATION_IRREP_POWER,
    ACTIVATION_LEADING_IRREP_SHARE,
    ACTIVATION_UNIT_IRREP_SHARE,
    read_shares,
)
from gnomon.estimators.groups.shares import default_leading, permutation_flops, shares_of
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import Batch, Data, Reads, Subject, capture
from gnomon.subjects.accumulate import positions_within
from gnomon.subjects.symmetry import Group, Symmetry

ACTIVATION_ELEMENT_SHARE = Quantity(
    name="activation_element_share",
    symbol=r"\eta^2",
    definition=r"\eta^2 = \frac{\mathrm{E}_g \|\bar f(g) - \bar f\|^2}{\mathrm{E}_x \|f(x) - \bar f\|^2},\quad "
    r"\bar f(g) = \mathrm{E}[f(x) \mid g]",
    convention="f(x) is the activation at the last position, x uniform over all inputs whose operands are elements of "
    "the group, g one operand or the composition of all of them. Share of the variance that g alone accounts for; over "
    "the operands and the composition the shares add up to at most 1.",
    source="Fisher, Statistical Methods for Research Workers (1925), ch. VII; Nanda et al., arXiv:2301.05217",
    dims=("site", "elements"),
    lowest=0.0,
    highest=1.0,
)

_COMPOSITION = "composition"
_LOOKED_AT = 64  # examples that are compared beyond their operands
_FEWEST = 2
_MOST_AT_ONCE = 1024
_ROUNDING = 64.0  # in units of the activations' machine precision
_SIZEABLE = 1e-2  # amplitude of rounding, over that of the function, above which nothing is read
_SOURCE_OF_ROUNDING = "rounding of the forward pass"


@register
class ActivationIrreps(Estimator):
    r"""What activations depend on, and how that is spread over the irreducible representations of a group.

    A network that reads elements a, b, … of a group G is run on all :math:`|G|^k` inputs. At each site, for each
    operand and for the composition ab…, the mean activation :math:`\bar f(g) = \mathrm{E}[f \mid g]` is a function on
    the group. Measured are the share of the activations' variance that it accounts for,
    :math:`\eta^2 = \mathrm{E}\|\bar f(g) - \bar f\|^2 / \mathrm{E}\|f - \bar f\|^2`; the shares of the irreducible
    representations in its power, :math:`\|P_\rho \bar f\|^2`, without the constant; the share of the leading ones
    together; and the share in each unit's own leading one. See `IrrepSpectrum` for their meaning, and for the null of
    random orders, whose mean, quantile and p-value are in the diagnostics.

    Inputs are made from the data's first example by writing elements over its operands, so the data only says what
    stands around them: examples that differ beyond their operands are ``insufficient``, and so is a single one, which
    cannot tell. Nothing is sampled: values are exact functions of the weights, up to the rounding of the forward pass,
    for which 64 units in the last place are allowed as the systematic part. A function that does not stand out of that
    rounding is ``insufficient``. Read is the last position of each site.

    Parameters
    ----------
    symmetry : in place of the subject's own.
    leading : how many representations lead; default: a quarter of those that are not trivial, at most 5.
    permutations : number of random orders.
    inputs : the largest number of inputs that is run.

    Cost: :math:`|G|^k` forward passes, and ``permutations`` transforms for each site, operand and composition.

    Source: Nanda et al., arXiv:2301.05217; Chughtai, Chan & Nanda, arXiv:2302.03025.

    >>> from gnomon.estimators.groups.known import pairs_of
    >>> from gnomon.subjects.symmetry import Symmetric
    >>> subject = known.composition_subject(Symmetric(3), {"(2, 1)": 1.0})
    >>> data = pairs_of(Symmetric(3), 20, Rng(0))
    >>> found = ActivationIrreps().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> [(m.labels["elements"], round(m.value, 6)) for m in found if m.quantity == "activation_element_share"]
    [('operand 1', 0.0), ('operand 2', 0.0), ('composition', 1.0)]
    """

    name = "activation_irreps"
    quantities = (
        ACTIVATION_ELEMENT_SHARE,
        ACTIVATION_IRREP_POWER,
        ACTIVATION_LEADING_IRREP_SHARE,
        ACTIVATION_UNIT_IRREP_SHARE,
    )
    needs = frozenset({"activations"})

    def __init__(
        self,
        *,
        symmetry: Symmetry | None = None,
        leading: int | None = None,
        permutations: int = 199,
        inputs: int = 65536,
    ) -> None:
        if permutations < 1 or (leading is not None and leading < 1):
            raise GnomonError("leading and permutations are counts", mend="give at least 1")
        self.symmetry = symmetry
        self.leading = leading
        self.permutations = permutations
        self.inputs = inputs

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`."""
        symmetry = self._declared(subject)
        if symmetry is None:
            return f"{subject.name} declares no symmetry"
        if not symmetry.operands:
            return f"{subject.name} declares no operands that are elements of {symmetry.group.name}"
        if symmetry.group.order < 2:
            return f"{symmetry.group.name} has one element, and functions on it are constant"
        number = symmetry.group.order ** len(symmetry.operands)
        if number > self.inputs:
            return f"there are {number:,} inputs, more than the {self.inputs:,} that are run at most"
        return super().inapplicable(subject, data)

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """See `Estimator.sites`: all of them."""
        return tuple(subject.sites)

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        del budget
        symmetry = self._declared(subject)
        if data is None or symmetry is None:
            return Cost()
        functions, order = len(_labels(symmetry)), symmetry.group.order
        widths = [subject.widths.get(site, 0) or _widest(subject) for site in sites]
        return Cost(
            forward_passes=float(order ** len(symmetry.operands)) if len(data) >= _FEWEST else 0.0,
            flops=functions * sum(permutation_flops(symmetry.group, width, self.permutations) for width in widths),
            peak_bytes=128 * 2**20 + functions * 8 * order * sum(widths),
        )

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`. Raises GnomonError when no operands are declared, or the data does not hold them."""
        symmetry = self._declared(subject)
        if symmetry is None or data is None or self.inapplicable(subject, data):
            raise GnomonError(self.inapplicable(subject, data), mend="declare operands, and give data")
        reason = _surroundings_differ(symmetry, data)
        if reason:
            return [
                self._refused(q, reason, site, elements)
                for site in sites
                for elements in _labels(symmetry)
                for q in self.quantities
            ]
        means = _means(subject, symmetry, data, sites, budget.bytes)
        return [
            m
            for site in sites
            for elements in _labels(symmetry)
            for m in self._read(symmetry.group, means[site], site, elements, rng.child(site, elements))
        ]

    def _declared(self, subject: Subject) -> Symmetry | None:
        return subject.symmetry if self.symmetry is None else self.symmetry

    def _read(self, group: Group, means: _Means, site: str, elements: str, rng: Rng) -> list[Measurement]:
        """All quantities of one function at one site."""
        rounding = _ROUNDING * means.precision
        total = means.variance
        if total <= rounding**2 * means.size:
            reason = "the activation is the same for all inputs"
            return [self._refused(q, reason, site, elements) for q in self.quantities]
        values = means.of[elements]
        shares = shares_of(group, values)
        part = 0.0 if shares is None else shares.power / group.order
        blur = rounding * float(np.sqrt(means.size / total))
        share = Measurement.ok(
            ACTIVATION_ELEMENT_SHARE,
            min(1.0, part / total),
            Uncertainty.exact(systematic=min(1.0, 8 * blur), systematic_source=_SOURCE_OF_ROUNDING),
            site=site,
            labels={"elements": elements},
            estimator=self.name,
            diagnostics={"variance": total, "inputs": means.inputs},
        )
        amplitude = rounding * float(np.sqrt(means.size / part)) if part > 0 else float("inf")
        if shares is None or amplitude > _SIZEABLE:
            reason = f"the activation does not depend on {_spoken(elements)} alone, beyond rounding"
            return [share, *(self._refused(q, reason, site, elements) for q in self.quantities[1:])]
        readings = read_shares(
            group,
            values,
            replace(shares, rounding=min(1.0, shares.rounding + 8 * amplitude)),
            leading=default_leading(group) if self.leading is None else self.leading,
            permutations=self.permutations,
            generator=rng.child("permutations").numpy(),
            rounding=_SOURCE_OF_ROUNDING,
        )
        rest = readings.measurements(self.quantities[1:], site=site, elements=elements, estimator=self.name)
        return [share, *rest]

    def _refused(self, quantity: Quantity, reason: str, site: str, elements: str) -> Measurement:
        labels = {"elements": elements}
        return Measurement.insufficient(quantity, reason, site=site, labels=labels, estimator=self.name)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Networks whose scores are planted functions of each operand and of the composition."""
        made: tuple[tuple[str, str, Callable[[Rng], known.Known]], ...] = (
            ("planted in S₃", "activation_element_share", known.mixed_share),
            ("planted in S₃", "activation_irrep_power", known.mixed_power),
            ("planted in C₁₁", "activation_leading_irrep_share", known.mixed_led),
            ("planted in C₁₁", "activation_unit_irrep_share", known.mixed_units),
        )
        return tuple(
            KnownAnswer(name=name, quantity=quantity, make=make, site="logits", labels={"elements": _COMPOSITION})
            for name, quantity, make in made
        )


@dataclass(frozen=True, eq=False)
class _Means:
    """What a site showed over all inputs.

    ``of`` has the mean activation for each element, ``(order, width)``, by label; ``variance`` is that over all inputs,
    ``size`` their mean squared norm, ``precision`` the machine precision of the activations.
    """

    of: Mapping[str, NDArray[np.float64]]
    variance: float
    size: float
    precision: float
    inputs: int


def _labels(symmetry: Symmetry) -> tuple[str, ...]:
    operands = tuple(f"operand {i + 1}" for i in range(len(symmetry.operands)))
    return (*operands, _COMPOSITION) if len(operands) > 1 else operands


def _spoken(elements: str) -> str:
    return "the composition" if elements == _COMPOSITION else elements


def _surroundings_differ(symmetry: Symmetry, data: Data) -> str:
    """Why it is not known what stands around the operands, or ``""``."""
    if len(data) < _FEWEST:
        return "a single example does not tell what stands around its operands in others"
    batch = data.batch(np.arange(min(len(data), _LOOKED_AT)))
    for operand in symmetry.operands:
        operand.read(batch)
        batch = operand.write(batch, torch.zeros(len(batch), dtype=torch.int64))
    tensors = (*batch.args, *batch.kwargs.values())
    if all(bool((t == t[:1]).all()) for t in tensors):
        return ""
    return "the examples differ beyond their operands, so there is no one input for each choice of elements"


def _inputs(symmetry: Symmetry, data: Data, at_once: int) -> Iterator[tuple[Batch, dict[str, NDArray[np.int64]]]]:
    """All choices of operands written over the first example, and the elements that each input has, by label."""
    order, k = symmetry.group.order, len(symmetry.operands)
    for start in range(0, order**k, at_once):
        index = np.arange(start, min(start + at_once, order**k))
        digits = [index // order ** (k - 1 - i) % order for i in range(k)]
        batch = data.batch(np.zeros(len(index), dtype=np.int64))
        composed = digits[0]
        for i, operand in enumerate(symmetry.operands):
            batch = operand.write(batch, torch.from_numpy(digits[i]))
            composed = digits[0] if i == 0 else symmetry.group.product(composed, digits[i])
        yield batch, dict(zip((*_labels(symmetry)[:k], _COMPOSITION), (*digits, composed), strict=True))


def _means(subject: Subject, symmetry: Symmetry, data: Data, sites: Sequence[str], max_bytes: int) -> dict[str, _Means]:
    reads, order = Reads(sites=frozenset(sites)), symmetry.group.order
    first = data.take(np.zeros(1, dtype=np.int64))
    with subject.evaluating():
        positions = positions_within(subject, first, reads, max_bytes)
        at_once = max(1, min(_MOST_AT_ONCE, positions // int(first.lengths[0])))
        sums: dict[str, dict[str, Tensor]] = {site: {} for site in sites}
        squares, precision = dict.fromkeys(sites, 0.0), dict.fromkeys(sites, 0.0)
        number = order ** len(symmetry.operands)
        for batch, elements in _inputs(symmetry, data, at_once):
            captured = capture(subject, batch, reads)
            for site in sites:
                activation = captured.activations[site]
                precision[site] = float(torch.finfo(activation.dtype).eps)
                values = activation[:, -1].cpu().double()
                squares[site] += float(values.square().sum())
                for label in _labels(symmetry):
                    total = sums[site].setdefault(label, values.new_zeros(order, values.shape[1]))
                    total.index_add_(0, torch.from_numpy(elements[label]), values)
    found = {}
    for site in sites:
        means = {label: total.numpy() * order / number for label, total in sums[site].items()}
        centre = next(iter(means.values())).mean(axis=0)
        size = squares[site] / number
        if not np.isfinite(size):
            raise GnomonError(f"site {site!r} is NaN or infinite", mend="check the weights, the data or the precision")
        variance = max(0.0, size - float(np.square(centre).sum()))
        found[site] = _Means(means, variance, size, precision[site], number)
    return found


def _widest(subject: Subject) -> int:
    return max((p.shape[0] for p in subject.module.parameters()), default=1)
