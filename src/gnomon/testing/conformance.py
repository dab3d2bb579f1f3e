"""`check_estimator`: run every conformance check on an estimator, honouring the failures it declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gnomon.errors import UnknownNameError
from gnomon.estimators import Estimator
from gnomon.testing import contract, invariance, purity, truth

Check = Callable[[type[Estimator]], None]


class ConformanceError(AssertionError):
    """One or more checks failed; the message has a line for each."""


def checks() -> dict[str, Check]:
    """Every check by name, e.g. for ``pytest.mark.parametrize``."""
    found: list[Check] = [
        truth.check_known_answers,
        truth.check_coverage,
        truth.check_rate,
        truth.check_too_little_data,
        purity.check_same_rng_same_result,
        purity.check_batching,
        purity.check_subject_untouched,
        purity.check_spawn,
        invariance.check_invariances,
        contract.check_units_and_dims,
        contract.check_json_round_trip,
        contract.check_store_round_trip,
        contract.check_docstring,
        contract.check_cost,
    ]
    return {check.__name__: check for check in found}


def check_estimator(kind: type[Estimator], *, only: Sequence[str] | None = None) -> None:
    """Raise ConformanceError unless ``kind`` passes every check (or those named in ``only``).

    A check listed in ``kind.expected_failures`` must fail: a declared failure that no longer occurs is reported too.
    """
    known = checks()
    for name in (*(only or ()), *kind.expected_failures):
        if name not in known:
            raise UnknownNameError("conformance check", name, known)
    problems = [p for name in (only or known) if (p := _problem(kind, name, known[name]))]
    if problems:
        raise ConformanceError(f"{kind.__name__} does not conform:\n" + "\n".join(f"  {p}" for p in problems))


def _problem(kind: type[Estimator], name: str, check: Check) -> str:
    expected = name in kind.expected_failures
    try:
        check(kind)
    except Exception as error:  # noqa: BLE001 - whatever an estimator raises is a finding
        return "" if expected else f"{name}: {type(error).__name__}: {error}"
    return f"{name}: passes, although its failure is declared; remove the declaration" if expected else ""
