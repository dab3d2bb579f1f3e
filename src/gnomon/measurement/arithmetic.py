r"""Sums, differences, multiples and averages of measurements, with the uncertainty that they then have.

For :math:`\theta = \sum_i c_i \theta_i` with intervals :math:`[l_i, u_i]` around the estimates
:math:`\hat\theta_i` and correlations :math:`\rho_{ij}` between the estimates, the ends are

.. math::
    L = \hat\theta - \sqrt{\sum_{ij} \rho_{ij} s_i s_j a_i a_j}, \qquad
    U = \hat\theta + \sqrt{\sum_{ij} \rho_{ij} s_i s_j b_i b_j},

where :math:`s_i` is the sign of :math:`c_i`, and :math:`a_i` and :math:`b_i` are how far :math:`c_i \theta_i` may
lie below and above its estimate: :math:`|c_i|(\hat\theta_i - l_i)` and :math:`|c_i|(u_i - \hat\theta_i)`, swapped
where :math:`c_i < 0`. For symmetric intervals this is the usual quadrature; for others, such as those of
proportions, it keeps each side's own width.

Source: Zou & Donner, Statistics in Medicine 27 (2008) 1693 (MOVER, the method of variance estimates recovery).

The rules
---------
- Two measurements that share a seed or a data set, or whose provenance is not known, are combined only when their
  correlation is stated. Otherwise `CorrelatedMeasurementsError` names what they share.
- What is exact is no random variable: it adds nothing to the interval and is correlated with nothing.
- One unknown uncertainty makes the result's unknown; it never counts as zero.
- Systematic bounds add, as they need not cancel; one that is not stated makes the sum's not stated.
- All intervals must have one level.
- The result covers the randomness that all intervals cover. A part that does not cover some kind was not varied in
  it, so the interval of the result says nothing about repetitions that would. Where no kind is common to all, there
  is no such statement, and combining raises.
- The parts are recorded as parents, and their seeds and data sets are inherited, so that a combination is known to
  share with whatever its parts share with.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import CorrelatedMeasurementsError, GnomonError, InsufficientEvidenceError
from gnomon.measurement.measurement import Measurement
from gnomon.measurement.provenance import Provenance, record
from gnomon.measurement.uncertainty import Randomness, Uncertainty
from gnomon.measurement.value import Value, unwrapped

T = TypeVar("T")


def add(a: Measurement, b: Measurement, *, correlation: float | None = None) -> Measurement:
    """``a + b`` in the unit of ``a``. See the module's rules for when it raises.

    >>> from gnomon.measurement import Measurement, Quantity, Uncertainty
    >>> q = Quantity(name="loss", symbol="L", definition="L", source="Shannon 1948")
    >>> a, b = (Measurement.ok(q, v, Uncertainty.stderr(v, e, covers={"data"})) for v, e in ((1.0, 0.3), (2.0, 0.4)))
    >>> add(a, b, correlation=0.0).uncertainty.error
    0.5
    """
    return _combine("add", (a, b), (1.0, 1.0), correlation)


def subtract(a: Measurement, b: Measurement, *, correlation: float | None = None) -> Measurement:
    """``a - b`` in the unit of ``a``. See the module's rules for when it raises.

    Paired measurements (two networks on one data set) are usually positively correlated, which makes their
    difference surer than either; ``correlation`` says how much.
    """
    return _combine("subtract", (a, b), (1.0, -1.0), correlation)


def scale(a: Measurement, factor: float) -> Measurement:
    """``factor * a``, in the unit of ``a``."""
    return _combine("scale", (a,), (float(factor),), None)


def average(measurements: Sequence[Measurement], *, correlation: ArrayLike | None = None) -> Measurement:
    """The plain mean, in the unit of the first.

    ``correlation`` is one number for all pairs, or the matrix of all of them. The interval speaks of the mean's
    error, not of how much the measurements differ among one another.
    """
    if not measurements:
        raise GnomonError("there is nothing to average", mend="give at least one measurement")
    return _combine("average", tuple(measurements), (1 / len(measurements),) * len(measurements), correlation)


def _combine(
    operation: str, parts: tuple[Measurement, ...], coefficients: tuple[float, ...], correlation: ArrayLike | None
) -> Measurement:
    estimates = [_estimate(operation, part) for part in parts]
    if not (np.isfinite(coefficients).all() and np.all(coefficients)):
        raise GnomonError(f"cannot {operation} by {coefficients[0]}", mend="give a finite factor other than 0")
    if len({estimate.shape for estimate in estimates}) > 1:
        raise GnomonError(f"cannot {operation} values of different shape", mend="combine like with like")
    correlations = _correlations(operation, parts, correlation)
    in_first_unit = [c * p.unit.factor_to(parts[0].unit) for c, p in zip(coefficients, parts, strict=True)]
    value = unwrapped(np.sum([c * e for c, e in zip(in_first_unit, estimates, strict=True)], axis=0))
    return Measurement(
        quantity=_joined(operation, [p.quantity for p in parts]),
        symbol=_symbol(operation, [p.symbol for p in parts]),
        unit=parts[0].unit,
        value=value,
        uncertainty=_uncertainty(operation, value, parts, in_first_unit, correlations),
        site=parts[0].site if len({p.site for p in parts}) == 1 else None,
        labels={k: v for k, v in parts[0].labels.items() if all(p.labels.get(k) == v for p in parts)},
        estimator=operation,
        diagnostics={"coefficients": in_first_unit, "correlation": correlation},
        provenance=_provenance(operation, parts, coefficients, correlations),
    )


def _estimate(operation: str, part: Measurement) -> NDArray[np.float64]:
    """The value of ``part`` as a finite array."""
    if part.value is None:
        raise InsufficientEvidenceError(
            f"cannot {operation} {_named(part)}, which is {part.status}: {part.reason}", mend="measure it first"
        )
    if not np.isfinite(part.value).all():
        raise GnomonError(f"cannot {operation} {_named(part)}, which is infinite", mend="leave it out")
    return np.asarray(part.value)


def _correlations(operation: str, parts: Sequence[Measurement], stated: ArrayLike | None) -> NDArray[np.float64]:
    """The matrix of correlations; with nothing stated, the identity, once no two parts share anything."""
    n = len(parts)
    if stated is None:
        for a, b in itertools.combinations(parts, 2):
            shared = _shared(a, b)
            if shared:
                raise CorrelatedMeasurementsError(
                    f"cannot {operation} {_named(a)} and {_named(b)}: {shared}",
                    mend="state correlation= (0 if you know them to be independent), or measure them on their own "
                    "seeds and data",
                )
        return np.eye(n)
    matrix = np.array(stated, dtype=np.float64)
    if matrix.ndim == 0:
        matrix = np.full((n, n), float(matrix))
        np.fill_diagonal(matrix, 1.0)
    if matrix.shape != (n, n) or not np.array_equal(matrix, matrix.T) or not (np.diag(matrix) == 1).all():
        raise GnomonError(
            f"correlation of {n} measurements has shape {matrix.shape}",
            mend=f"give one number, or a symmetric {n} × {n} matrix with ones on its diagonal",
        )
    if not np.isfinite(matrix).all() or np.linalg.eigvalsh(matrix)[0] < -1e-9:
        raise GnomonError(f"no {n} measurements can have the correlation {stated}", mend="give one that is possible")
    return matrix


def _shared(a: Measurement, b: Measurement) -> str:
    """What makes ``a`` and ``b`` dependent, in words; ``""`` when nothing does."""
    if "exact" in (a.uncertainty.kind, b.uncertainty.kind):
        return ""
    if a.provenance is None or b.provenance is None:
        return "it is not known where they come from, so they may share seed or data"
    found = []
    if a.provenance.shares_with(b.provenance):
        seeds = sorted(a.provenance.seeds & b.provenance.seeds)
        data = sorted(h[:12] for h in a.provenance.data_hashes & b.provenance.data_hashes)
        found = [f"seed {s}" for s in seeds] + [f"data {h}" for h in data]
    elif _lineage(a) & _lineage(b):
        found = ["a measurement that both are made from"]
    return f"they share {' and '.join(found)}" if found else ""


def _lineage(a: Measurement) -> set[str]:
    return {a.identity, *(a.provenance.parents if a.provenance is not None else ())}


def _uncertainty(
    operation: str,
    value: Value,
    parts: Sequence[Measurement],
    coefficients: Sequence[float],
    correlations: NDArray[np.float64],
) -> Uncertainty:
    known = [p.uncertainty for p in parts]
    if any(u.kind == "unknown" for u in known):
        return Uncertainty.unknown()
    systematic = None
    if all(u.systematic is not None for u in known):
        systematic = sum(abs(c) * (u.systematic or 0.0) for c, u in zip(coefficients, known, strict=True))
    source = "; ".join(dict.fromkeys(u.systematic_source for u in known if u.systematic_source))
    random = [i for i, u in enumerate(known) if u.kind != "exact"]
    if not random:
        return Uncertainty.exact(systematic=systematic, systematic_source=source)
    levels = sorted({known[i].level or 0.0 for i in random})
    if len(levels) > 1:
        raise GnomonError(
            f"cannot {operation} intervals of levels {' and '.join(str(level) for level in levels)}",
            mend="measure all at one level",
        )
    covers: frozenset[Randomness] = frozenset.intersection(*(known[i].covers for i in random))
    if not covers:
        each = " and ".join(sorted({"+".join(sorted(known[i].covers)) for i in random}))
        raise GnomonError(
            f"cannot {operation} intervals that cover different randomness ({each})", mend="vary the same in all parts"
        )
    signs = np.sign([coefficients[i] for i in random])
    signed = correlations[np.ix_(random, random)] * np.outer(signs, signs)
    sides = [_distances(operation, parts[i], coefficients[i]) for i in random]
    below, above = (_quadrature(signed, np.stack([side[end] for side in sides])) for end in (0, 1))
    error = None
    if all(known[i].kind == "stderr" for i in random):
        error = _quadrature(signed, np.stack([abs(coefficients[i]) * np.asarray(known[i].error) for i in random]))
    return Uncertainty(
        kind="interval" if error is None else "stderr",
        low=unwrapped(np.asarray(value) - below),
        high=unwrapped(np.asarray(value) + above),
        level=levels[0],
        error=None if error is None else unwrapped(error),
        covers=covers,
        systematic=systematic,
        systematic_source=source,
    )


def _distances(
    operation: str, part: Measurement, coefficient: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far the coefficient's multiple of ``part`` may lie below and above its estimate."""
    value, low, high = (np.asarray(v) for v in (part.value, part.uncertainty.low, part.uncertainty.high))
    if (value < low).any() or (value > high).any():
        raise GnomonError(
            f"cannot {operation} {_named(part)}: its value lies outside its interval",
            mend="use an estimator whose interval holds its value",
        )
    below, above = abs(coefficient) * (value - low), abs(coefficient) * (high - value)
    return (below, above) if coefficient >= 0 else (above, below)


def _quadrature(correlations: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root of the quadratic form, for each number of the value; infinite where a distance is."""
    finite = np.where(np.isinf(distances), 0.0, distances)
    squared = np.einsum("ij,i...,j...->...", correlations, finite, finite)
    rooted = np.sqrt(np.maximum(squared, 0.0))
    return np.asarray(np.where(np.isinf(distances).any(axis=0), np.inf, rooted))


def _provenance(
    operation: str,
    parts: Sequence[Measurement],
    coefficients: Sequence[float],
    correlations: NDArray[np.float64],
) -> Provenance | None:
    """Who the parents are; ``None`` when a part that is random does not say where it comes from."""
    if any(p.provenance is None and p.uncertainty.kind != "exact" for p in parts):
        return None
    origins = [p.provenance for p in parts if p.provenance is not None]
    parents = tuple(p.identity for p in parts)
    seeds = frozenset[int]().union(*(o.seeds for o in origins))
    data = frozenset[str]().union(*(o.data_hashes for o in origins))
    made = record(
        spec={"operation": operation, "coefficients": list(coefficients), "correlation": correlations.tolist()},
        subject=_common([o.subject for o in origins]) or "",
        weights_hash=_common([o.weights_hash for o in origins]) or "",
        data_hash=_common([o.data_hash for o in origins]),
        seed=_common([o.seed for o in origins]),
        wall_seconds=0.0,
        flops=0.0,
        parents=parents,
    )
    return replace(made, inherited_seeds=tuple(sorted(seeds)), inherited_data=tuple(sorted(data)))


def _common(values: Sequence[T]) -> T | None:
    return values[0] if values and len(set(values)) == 1 else None


def _named(part: Measurement) -> str:
    return f"{part.quantity} at {part.site}" if part.site else part.quantity


_WORDS = {"add": "_plus_", "subtract": "_minus_"}
_SIGNS = {"add": " + ", "subtract": " - "}


def _joined(operation: str, names: Sequence[str]) -> str:
    """Name of what comes out: that of the parts where it is the same kind of thing."""
    if operation in _WORDS:
        return _WORDS[operation].join(names)
    if operation == "scale":
        return f"scaled_{names[0]}"
    return names[0] if len(set(names)) == 1 else "average_of_" + "_and_".join(dict.fromkeys(names))


def _symbol(operation: str, symbols: Sequence[str]) -> str:
    if operation in _SIGNS:
        return _SIGNS[operation].join(symbols)
    if operation == "scale":
        return f"c \\, {symbols[0]}"
    return rf"\overline{{{', '.join(dict.fromkeys(symbols))}}}"
