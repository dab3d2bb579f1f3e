"""The calibrator: it passes what is right, fails what is wrong, and does not depend on how the work is spread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from broken_estimators import Biased, Overconfident, Sound
from gnomon.errors import GnomonError
from gnomon.estimators import KnownAnswer
from gnomon.lab.calibration import Trial, calibrate, certify, read
from gnomon.randomness import Rng

(ANSWER,) = Sound.known_answers()


def trials(kind: type[Sound], n: int) -> list[Trial]:
    return [read(kind(), ANSWER, Rng(0).child(i)) for i in range(n)]


def test_a_sound_instrument_passes_with_the_numbers_it_should_have() -> None:
    certificate = certify("sound", ANSWER, trials(Sound, 100))
    assert certificate.passed, certificate.reason
    assert certificate.truth == 3.0
    assert certificate.bias is not None
    assert abs(certificate.bias) < 4 / np.sqrt(256 * 100)
    assert certificate.spread == pytest.approx(1 / 16, rel=0.3)
    assert certificate.coverage is not None
    assert 0.88 <= certificate.coverage <= 1.0


@pytest.mark.parametrize("kind", [Biased, Overconfident])
def test_a_wrong_instrument_fails(kind: type[Sound]) -> None:
    certificate = certify("wrong", ANSWER, trials(kind, 20))
    assert not certificate.passed
    assert "coverage" in certificate.reason


def test_chance_alone_rarely_fails_a_certificate() -> None:
    """At the nominal 95 %, 20 readings: fewer than one certificate in a thousand may be refused."""
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(4000):
        found = [Trial("ok", 0.0, 0.0, float(c)) for c in rng.random(20) < 0.95]
        refused += not certify("fair", ANSWER, found).passed
    assert refused <= 4


def test_a_coverage_that_is_too_high_fails_where_the_answer_forbids_it() -> None:
    strict = replace(ANSWER, coverage=(0.90, 0.99))
    always = [Trial("ok", 0.0, 0.0, 1.0)] * 2000
    assert not certify("lazy", strict, always).passed
    assert certify("lazy", ANSWER, always).passed


def test_declining_and_failing_count() -> None:
    declined = [Trial("insufficient", reason="too few examples")] * 20
    assert "too few examples" in certify("shy", ANSWER, declined).reason
    honest = replace(ANSWER, reads_ok=0.0, insufficient_at_least=0.95)
    assert certify("shy", honest, declined).passed
    assert "declined 0 of 20" in certify("bold", honest, [Trial("ok", 3.0, 3.0, 1.0)] * 20).reason
    assert "broke" in certify("sick", honest, [*declined, Trial("failed", reason="it broke")]).reason


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_number_of_workers() -> None:
    one, two = (calibrate(["accuracy"], quick=True, workers=n) for n in (1, 2))
    assert [replace(c, created="") for c in one] == [replace(c, created="") for c in two]
    assert all(c.passed for c in one), [c.reason for c in one]


def test_a_known_answer_must_name_one_measurement() -> None:
    elsewhere = KnownAnswer(name="elsewhere", quantity="no_such_quantity", make=ANSWER.make)
    with pytest.raises(GnomonError, match="0 measurements of 'no_such_quantity'"):
        read(Sound(), elsewhere, Rng(0))
