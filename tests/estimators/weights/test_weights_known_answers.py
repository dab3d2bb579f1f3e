"""Every known answer of the family over many seeds."""

from __future__ import annotations

import pytest

from gnomon.estimators.weights import (
    EffectiveRank,
    FrobeniusNorm,
    MarchenkoPasturBulk,
    SpectralNorm,
    StableRank,
    TailExponent,
)
from gnomon.lab.calibration import certify, read
from gnomon.randomness import Rng

KINDS = (FrobeniusNorm, SpectralNorm, StableRank, EffectiveRank, MarchenkoPasturBulk, TailExponent)
# the readings of power laws have tests of their own
CASES = [
    (kind, answer)
    for kind in KINDS
    for answer in kind.known_answers()
    if kind is not TailExponent or answer.insufficient_at_least
]


@pytest.mark.parametrize(("kind", "answer"), CASES, ids=lambda x: getattr(x, "name", None))
def test_known_answer(kind, answer) -> None:
    n = 100
    certificate = certify(kind.name, answer, [read(kind(), answer, Rng(3).child(answer.name, i)) for i in range(n)])
    assert certificate.passed, certificate.reason
    if answer.insufficient_at_least:
        assert certificate.insufficient >= 95
    else:
        assert certificate.read >= 95
        assert abs(certificate.bias) <= max(3.5 * certificate.spread / n**0.5, 1e-9 * certificate.truth)
