"""Irrep spectrum: the Fourier transform of a weight matrix over the group that its inputs or outputs are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, register
from gnomon.estimators.groups import known
from gnomon.estimators.groups.readings import (
    IRREP_POWER,
    IRREPS_FOR_70_PERCENT,
    LEADING_IRREP_P_VALUE,
    LEADING_IRREP_SHARE,
    UNIT_IRREP_P_VALUE,
    UNIT_IRREP_SHARE,
    read_shares,
)
from gnomon.estimators.groups.shares import default_leading, permutation_flops, shares_of
from gnomon.measurement import Cost, Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, WeightMatrix
from gnomon.subjects.symmetry import ElementWeights, Group, Symmetry


@register
class IrrepSpectrum(Estimator):
    r"""Power of weights over the irreducible representations of a group.

    A matrix whose inputs (an embedding) or outputs (an unembedding) are the elements of a group G is a function
    :math:`f: G \to \mathbb{R}^m`. The projector
    :math:`P_\rho = \frac{d_\rho}{|G|}\sum_g \overline{\chi_\rho(g)}\,R(g)`, with R the regular representation, cuts out
    the part that belongs to the representation :math:`\rho` of dimension :math:`d_\rho` and character
    :math:`\chi_\rho`; conjugate ones are taken together (for cyclic groups, the frequencies k and −k), and the constant
    part is left out. Measured are the share of each in the power, :math:`\|P_\rho f\|^2 / \sum_\sigma\|P_\sigma f\|^2`;
    the share of the m leading ones together; how many hold 70 %; and the share that lies in each unit's own leading
    representation, which is near 1 where every unit keeps to one, whichever that is.

    Leading shares pick the largest of many, and are far from 0 for weights that know nothing of the group: read them
    beside their p-values, how often elements in random order would show as much by the same choice, and the null's
    mean and quantile in the diagnostics. The shares are exact functions of the weights, up to the float64 rounding that
    is the systematic part. The p-value of k among B random orders is :math:`(k+1)/(B+1)`; its interval
    (Clopper–Pearson) is for the p-value over all orders.

    The group and the matrices are those that the subject declares (`Subject.symmetry`).

    Parameters
    ----------
    symmetry : in place of the subject's own.
    leading : how many representations lead; default: a quarter of those that are not trivial, at most 5.
    permutations : number of random orders.

    Cost: ``permutations`` transforms of each matrix; no pass over data.

    Source: Nanda et al., arXiv:2301.05217 (Fourier power of embeddings); Chughtai, Chan & Nanda, arXiv:2302.03025
    (irreducible representations); Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39 (p-value).

    >>> import torch
    >>> from gnomon.subjects.symmetry import Cyclic
    >>> embed = torch.nn.Linear(7, 2, bias=False)
    >>> angle = 2 * torch.pi * 3 * torch.arange(7) / 7
    >>> embed.weight.data = torch.stack([angle.cos(), angle.sin()])
    >>> declared = Symmetry(group=Cyclic(7), weights=(ElementWeights("weight", "inputs", tuple(range(7)), "a"),))
    >>> subject = Subject(embed, symmetry=declared)
    >>> found = IrrepSpectrum().measure(subject, None, sites=(), budget=Budget(), rng=Rng(0))
    >>> {m.quantity: m.value.round(6).tolist() for m in found if m.quantity == "irrep_power"}
    {'irrep_power': [0.0, 0.0, 1.0]}
    """

    name = "irrep_spectrum"
    quantities = (
        IRREP_POWER,
        LEADING_IRREP_SHARE,
        IRREPS_FOR_70_PERCENT,
        LEADING_IRREP_P_VALUE,
        UNIT_IRREP_SHARE,
        UNIT_IRREP_P_VALUE,
    )
    needs = frozenset({"weights"})

    def __init__(
        self, *, symmetry: Symmetry | None = None, leading: int | None = None, permutations: int = 499
    ) -> None:
        if permutations < 1 or (leading is not None and leading < 1):
            raise GnomonError("leading and permutations are counts", mend="give at least 1")
        self.symmetry = symmetry
        self.leading = leading
        self.permutations = permutations

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`."""
        symmetry = self._declared(subject)
        if symmetry is None:
            return f"{subject.name} declares no symmetry"
        if not symmetry.weights:
            return f"{subject.name} declares no weights whose inputs or outputs are elements of {symmetry.group.name}"
        if symmetry.group.order < 2:
            return f"{symmetry.group.name} has one element, and functions on it are constant"
        return _wrongly_declared(symmetry, subject) or super().inapplicable(subject, data)

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """See `Estimator.sites`: the matrices that the symmetry names."""
        return tuple(dict.fromkeys(matrix.site for _, matrix in self._matrices(subject)))

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        del data, budget
        symmetry = self._declared(subject)
        if symmetry is None:
            return Cost()
        sizes = [
            matrix.values.numel() // matrix.values.shape[one.side == "inputs"]
            for one, matrix in self._matrices(subject)
            if _named(matrix.site, sites)
        ]
        return Cost(
            flops=sum(permutation_flops(symmetry.group, size, self.permutations) for size in sizes),
            peak_bytes=128 * 2**20 + max((48 * size * symmetry.group.order for size in sizes), default=0),
        )

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`. Raises GnomonError where it is inapplicable, or a weight is NaN or infinite."""
        del budget
        symmetry = self._declared(subject)
        if symmetry is None or self.inapplicable(subject, data):
            raise GnomonError(self.inapplicable(subject, data), mend="declare it otherwise")
        found: list[Measurement] = []
        for one, matrix in self._matrices(subject):
            if _named(matrix.site, sites):
                found += self._read(symmetry.group, one, matrix, rng.child(matrix.site, one.name))
        return found

    def _read(self, group: Group, one: ElementWeights, matrix: WeightMatrix, rng: Rng) -> list[Measurement]:
        values = _rows(one, matrix)
        if not np.isfinite(values).all():
            raise GnomonError(f"{one.parameter!r} is NaN or infinite", mend="check the weights")
        shares = shares_of(group, values)
        elements = one.name or group.name
        if shares is None:
            reason, labels = f"it is the same for all elements of {group.name}", {"elements": elements}
            return [
                Measurement.insufficient(q, reason, site=matrix.site, labels=labels, estimator=self.name)
                for q in self.quantities
            ]
        readings = read_shares(
            group,
            values,
            shares,
            leading=default_leading(group) if self.leading is None else self.leading,
            permutations=self.permutations,
            generator=rng.child("permutations").numpy(),
            rounding="float64 rounding",
        )
        return readings.measurements(self.quantities, site=matrix.site, elements=elements, estimator=self.name)

    def _declared(self, subject: Subject) -> Symmetry | None:
        return subject.symmetry if self.symmetry is None else self.symmetry

    def _matrices(self, subject: Subject) -> list[tuple[ElementWeights, WeightMatrix]]:
        symmetry = self._declared(subject)
        if symmetry is None or not symmetry.weights:
            return []
        by_name = {matrix.parameter: matrix for matrix in subject.matrices()}
        return [(one, by_name[one.parameter]) for one in symmetry.weights if one.parameter in by_name]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Embeddings with planted frequencies and irreps, and null p-values by enumeration of all orders."""
        return (
            KnownAnswer(name="planted frequencies", quantity="irrep_power", make=known.planted_frequencies),
            KnownAnswer(name="S₄ composition", quantity="irrep_power", make=known.composition_s4, site="first:weight"),
            KnownAnswer(name="D₅ composition", quantity="irrep_power", make=known.composition_d5, site="first:weight"),
            KnownAnswer(
                name="S₃ composition",
                quantity="leading_irrep_share",
                make=known.composition_s3_leading,
                site="first:weight",
            ),
            KnownAnswer(name="six planted frequencies", quantity="irreps_for_70_percent", make=known.planted_number),
            KnownAnswer(name="all orders of C₇", quantity="leading_irrep_p_value", make=known.enumerated_c7),
            KnownAnswer(name="all orders of S₃", quantity="leading_irrep_p_value", make=known.enumerated_s3),
            KnownAnswer(name="one frequency a unit", quantity="unit_irrep_share", make=known.planted_units),
            KnownAnswer(name="all orders of S₃, by unit", quantity="unit_irrep_p_value", make=known.enumerated_units),
        )


def _wrongly_declared(symmetry: Symmetry, subject: Subject) -> str:
    """Which declared weights are not there, or ``""``."""
    by_name = {matrix.parameter: matrix for matrix in subject.matrices()}
    for one in symmetry.weights:
        if one.parameter not in by_name:
            has = ", ".join(by_name) or "none"
            return f"the symmetry names weights {one.parameter!r}, {subject.name} has the matrices {has}"
        outputs, inputs = by_name[one.parameter].values.shape
        size = inputs if one.side == "inputs" else outputs
        outside = next((i for i in one.indices if not 0 <= i < size), None)
        if outside is not None:
            return f"{one.parameter!r} has {size} {one.side}, the symmetry names number {outside}"
    return ""


def _rows(one: ElementWeights, matrix: WeightMatrix) -> NDArray[np.float64]:
    """``(order, m)``: what the matrix has for each element."""
    values = matrix.values.T if one.side == "inputs" else matrix.values
    return np.asarray(values[list(one.indices)].cpu().double().numpy())


def _named(label: str, sites: Sequence[str]) -> bool:
    owner = label.partition(":")[0]
    return not sites or any(label == s or owner == s or owner.startswith(s + ".") for s in sites)
