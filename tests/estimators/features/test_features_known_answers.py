"""Every known answer of the family over many seeds: coverage near nominal."""

from __future__ import annotations

import pytest

from gnomon.estimators.features import AverageGradientOuterProduct, LocalRelevantDimension
from gnomon.lab.calibration import certify, read
from gnomon.randomness import Rng

CASES = [
    (kind, answer) for kind in (AverageGradientOuterProduct, LocalRelevantDimension) for answer in kind.known_answers()
]


@pytest.mark.parametrize(("kind", "answer"), CASES, ids=lambda x: getattr(x, "name", None))
def test_known_answer(kind, answer) -> None:
    n = 100
    certificate = certify(kind.name, answer, [read(kind(), answer, Rng(12).child(answer.name, i)) for i in range(n)])
    assert certificate.passed, certificate.reason
    assert certificate.read == n
    assert certificate.coverage >= 0.9
    if answer.quantity in ("agop_effective_dimension", "nfa_correlation"):
        assert abs(certificate.bias) <= 4 * certificate.spread / n**0.5 + 1e-6
