"""Benign overfitting: its spectra, its judgement, and a run of the real thing."""

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Results
from gnomon.lab.sweep.work import Job, work
from gnomon.phenomena.benign_overfitting import BenignOverfitting, Interpolation, Settings, interpolation
from gnomon.phenomena.claim import control_verdict, verdict_of
from gnomon.testing.phenomena import check_phenomenon

SEEDS = range(6)
LADDER = Settings(examples=(64, 128, 256))


@pytest.mark.parametrize("n", [64, 256, 1024])
def test_the_spectra_are_the_stated_ones(n: int) -> None:
    benign, flat, short = (
        Interpolation(spectrum=arm, examples=n, noise=0.25).data() for arm in ("benign", "isotropic", "short_tail")
    )
    assert len(benign.spectrum) == len(flat.spectrum) == round(n**1.5)
    assert len(short.spectrum) == 2 * n
    for data in (benign, flat, short):
        assert data.spectrum @ data.coefficients**2 == pytest.approx(1)
    for data in (benign, short):
        assert data.spectrum[5:].sum() == pytest.approx(np.sqrt(n))
        assert (data.spectrum[:5] == 1).all()


def test_the_benign_spectrum_meets_the_conditions_of_the_theorem() -> None:
    """k*/n, n/R_k and r_0/n all fall with n (Bartlett et al., theorem 4)."""
    measures = []
    for n in (64, 256, 1024):
        spectrum = Interpolation(spectrum="benign", examples=n, noise=0.25).data().spectrum
        tail = spectrum[5:]
        assert tail.sum() / tail[0] > n  # r_k ≥ n with k = 5: k* ≤ 5
        measures.append((5 / n, n * (tail**2).sum() / tail.sum() ** 2, spectrum.sum() / spectrum[0] / n))
    assert (np.diff(measures, axis=0) < 0).all()


def _results(outcome) -> Results:  # type: ignore[no-untyped-def]
    """Results of all points, made up by ``outcome(spec)``; ``None`` is a failed point."""
    records = []
    for point in BenignOverfitting().points(LADDER, SEEDS):
        found = outcome(point.spec)
        records.append(
            PointRecord(
                key=point.key,
                experiment=point.experiment,
                spec=point.spec.model_dump(mode="json"),
                status="done" if found else "failed",
                outcome=found or {},
            )
        )
    return Results(records)


def _power(exponent: float, *, train_error: float = 1e-30):  # type: ignore[no-untyped-def]
    def outcome(spec: Interpolation) -> dict[str, float]:
        flat = 0.1 if spec.spectrum == "benign" else 1.0
        risk = flat * (spec.examples / 64) ** (exponent if spec.spectrum == "benign" else 0.0) * (1 + spec.seed / 50)
        return {"bias": risk / 2, "variance": risk / 2, "train_error": train_error}

    return outcome


def _verdicts(results: Results) -> tuple[str, str]:
    found = BenignOverfitting().judge(LADDER, SEEDS, results)
    return verdict_of(found.claims), control_verdict(found.controls.values())


def test_a_falling_risk_is_shown_and_its_controls_are_not() -> None:
    assert _verdicts(_results(_power(-0.8))) == ("shown", "not shown")


@pytest.mark.parametrize(
    "outcome", [_power(0.0), _power(-0.1), _power(-0.8, train_error=0.1)], ids=["flat", "too slow", "not interpolated"]
)
def test_what_is_not_benign_overfitting_is_not_shown(outcome) -> None:  # type: ignore[no-untyped-def]
    assert _verdicts(_results(outcome))[0] == "not shown"


def test_a_seed_with_a_failed_point_is_not_left_out() -> None:
    good = _power(-0.8)
    one_lost = _results(lambda s: None if s.seed == 0 and s.examples == 64 else good(s))
    assert _verdicts(one_lost)[0] == "insufficient"
    assert _verdicts(_results(lambda s: None if s.seed > 1 else good(s))) == ("insufficient", "insufficient")
    assert _verdicts(_results(lambda s: None if s.examples == 64 else good(s)))[0] == "insufficient"


def test_it_keeps_the_contract() -> None:
    check_phenomenon(BenignOverfitting, {"examples": [16, 32, 64]})


def test_a_point_is_reproduced() -> None:
    spec = Interpolation(spectrum="benign", examples=32, noise=0.25, seed=3)
    assert interpolation(spec) == interpolation(spec)
    assert interpolation(spec) != interpolation(spec.changed({"seed": 4}))


def test_a_ladder_of_two_is_refused() -> None:
    with pytest.raises(GnomonError, match="examples"):
        Settings(examples=(64, 128))


@pytest.mark.slow
def test_the_quick_preset_shows_it() -> None:
    one, settings = BenignOverfitting(), BenignOverfitting.presets["quick"]
    results = Results(record for p in one.points(settings, SEEDS) for record in work(Job.of([p])))
    found = one.judge(settings, SEEDS, results)
    assert verdict_of(found.claims) == "shown"
    assert [verdict_of(claims) for claims in found.controls.values()] == ["not shown", "not shown"]
