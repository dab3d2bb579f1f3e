"""Every known answer of the family over many seeds: coverage near nominal, no bias."""

from __future__ import annotations

import pytest

from gnomon.estimators.loss import (
    Accuracy,
    CalibrationError,
    MeanSquaredError,
    NegativeLogLikelihood,
    Perplexity,
    PredictiveEntropy,
)
from gnomon.lab.calibration import certify, read
from gnomon.randomness import Rng

CASES = [
    (kind, answer)
    for kind in (NegativeLogLikelihood, Perplexity, PredictiveEntropy, MeanSquaredError, Accuracy, CalibrationError)
    for answer in kind.known_answers()
]


@pytest.mark.parametrize(("kind", "answer"), CASES, ids=lambda x: getattr(x, "name", None))
def test_known_answer(kind, answer) -> None:
    n = 200
    certificate = certify(kind.name, answer, [read(kind(), answer, Rng(11).child(answer.name, i)) for i in range(n)])
    assert certificate.passed, certificate.reason
    assert certificate.read == n
    # 200 seeds: below 0.905 or above 0.99 is about three standard errors from the nominal 0.95, but intervals for
    # discrete counts and for a truth at the edge of its range are conservative by construction
    assert certificate.coverage >= 0.905
    if kind not in (Accuracy, CalibrationError):
        assert certificate.coverage <= 0.99
        assert abs(certificate.bias) <= 3.5 * certificate.spread / n**0.5
