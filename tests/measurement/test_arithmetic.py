from __future__ import annotations

import math

import numpy as np
import pytest

from gnomon.errors import CorrelatedMeasurementsError, GnomonError, InsufficientEvidenceError
from gnomon.measurement import Cost, Measurement, Provenance, Quantity, Uncertainty, Unit, clopper_pearson
from gnomon.measurement.arithmetic import add, average, scale, subtract
from gnomon.measurement.uncertainty import Randomness

LOSS = Quantity(name="loss", symbol="L", definition="L", source="Shannon 1948", unit=Unit.parse("nat/token"))
BITS = Quantity(name="bits", symbol="B", definition="B", source="Shannon 1948", unit=Unit.parse("bit/token"))
SPECTRUM = Quantity(name="spectrum", symbol="s", definition="s", source="Gauss 1809", axes=("component",))


def at(
    value: float,
    uncertainty: Uncertainty,
    *,
    seed: int | None = None,
    data: str | None = None,
    quantity: Quantity = LOSS,
    site: str | None = None,
    known: bool = True,
) -> Measurement:
    m = Measurement.ok(quantity, value, uncertainty, site=site)
    origin = Provenance(spec_hash="s", weights_hash="w", data_hash=data, seed=seed, subject="net")
    return m.recorded(Cost(), origin) if known else m


def normal(
    value: float, error: float, *, covers: Randomness = "data", level: float = 0.95, **where: object
) -> Measurement:
    return at(value, Uncertainty.stderr(value, error, covers={covers}, level=level), **where)  # type: ignore[arg-type]


A, B = normal(1.0, 0.3, seed=0, data="d" * 64), normal(2.0, 0.4, seed=1, data="e" * 64)


def test_symmetric_intervals_combine_in_quadrature() -> None:
    for combined, value in ((add(A, B), 3.0), (subtract(A, B), -1.0)):
        assert combined.value == value
        assert combined.uncertainty.kind == "stderr"
        assert combined.uncertainty.error == pytest.approx(0.5)
        assert combined.uncertainty.half_width == pytest.approx(0.5 * 1.959964, rel=1e-6)


@pytest.mark.parametrize("rho", [-1.0, -0.3, 0.0, 0.6, 1.0])
def test_a_stated_correlation_enters_as_a_covariance(rho: float) -> None:
    covariance = 2 * rho * 0.3 * 0.4
    assert add(A, B, correlation=rho).uncertainty.error == pytest.approx(math.sqrt(0.25 + covariance), abs=1e-9)
    assert subtract(A, B, correlation=rho).uncertainty.error == pytest.approx(math.sqrt(0.25 - covariance), abs=1e-9)


def test_asymmetric_intervals_keep_their_sides() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 873, square-and-add of single-sample limits, by hand
    p, q = clopper_pearson(0, 20), clopper_pearson(9, 30)
    difference = subtract(at(0.0, p, seed=0), at(0.3, q, seed=1))
    assert difference.uncertainty.low == pytest.approx(-0.3 - (float(q.high) - 0.3))  # type: ignore[arg-type]
    assert difference.uncertainty.high == pytest.approx(-0.3 + math.hypot(float(p.high), 0.3 - float(q.low)))  # type: ignore[arg-type]
    assert difference.uncertainty.kind == "interval"


def test_a_difference_is_a_sum_with_the_negative() -> None:
    p, q = at(0.1, clopper_pearson(2, 20), seed=0), at(0.3, clopper_pearson(9, 30), seed=1)
    one, other = subtract(p, q, correlation=0.4), add(p, scale(q, -1.0), correlation=-0.4)
    for end in ("low", "high"):
        assert getattr(one.uncertainty, end) == pytest.approx(getattr(other.uncertainty, end))


def test_a_negative_multiple_swaps_the_ends() -> None:
    p = scale(at(0.0, clopper_pearson(0, 20)), -3.0)
    assert (p.value, p.uncertainty.high) == (0.0, 0.0)
    assert p.uncertainty.low == pytest.approx(-3 * (1 - 0.025 ** (1 / 20)))


def test_units_convert() -> None:
    total = add(A, normal(1.0, 0.1, seed=5, quantity=BITS))
    assert total.unit == A.unit
    assert total.value == pytest.approx(1 + math.log(2))
    assert total.uncertainty.error == pytest.approx(math.hypot(0.3, 0.1 * math.log(2)))
    with pytest.raises(GnomonError, match="cannot be converted"):
        add(A, at(1.0, Uncertainty.exact(), quantity=Quantity(name="n", symbol="n", definition="n", source="Gauss")))


class TestSharing:
    def test_a_shared_seed_or_data_set_is_named(self) -> None:
        with pytest.raises(CorrelatedMeasurementsError, match=r"loss at embed and loss: they share seed 0; state corr"):
            add(normal(1.0, 0.1, seed=0, data="x", site="embed"), normal(1.0, 0.1, seed=0, data="y"))
        with pytest.raises(CorrelatedMeasurementsError, match=f"they share data {'d' * 12};"):
            subtract(A, normal(1.0, 0.1, seed=7, data="d" * 64))
        with pytest.raises(CorrelatedMeasurementsError, match="share seed 0"):
            average([A, B, normal(1.0, 0.1, seed=0)])

    def test_stating_the_correlation_is_enough(self) -> None:
        other = normal(1.0, 0.1, seed=0, data="d" * 64)
        assert add(A, other, correlation=0.0).uncertainty.error == pytest.approx(math.hypot(0.3, 0.1))
        assert average([A, other], correlation=0.5).value == 1.0

    def test_without_provenance_nothing_is_assumed(self) -> None:
        nameless = normal(1.0, 0.1, known=False)
        with pytest.raises(CorrelatedMeasurementsError, match="not known where they come from"):
            add(A, nameless)
        combined = add(A, nameless, correlation=0.0)
        assert combined.provenance is None
        with pytest.raises(CorrelatedMeasurementsError):
            add(combined, B)

    def test_a_combination_shares_with_what_its_parts_share_with(self) -> None:
        combined = add(A, B)
        assert combined.provenance is not None
        assert combined.provenance.parents == (A.identity, B.identity)
        for part in (A, B, normal(9.0, 0.1, seed=0), normal(9.0, 0.1, data="e" * 64)):
            with pytest.raises(CorrelatedMeasurementsError):
                subtract(combined, part)
        again = scale(add(combined, normal(0.0, 0.1, seed=8)), 2.0)
        with pytest.raises(CorrelatedMeasurementsError, match="seed 1"):
            add(again, normal(9.0, 0.1, seed=1))

    def test_a_measurement_is_correlated_with_itself_even_without_seed_or_data(self) -> None:
        bare = normal(1.0, 0.1)
        with pytest.raises(CorrelatedMeasurementsError, match="measurement that both are made from"):
            subtract(bare, bare)
        with pytest.raises(CorrelatedMeasurementsError, match="measurement that both are made from"):
            subtract(scale(bare, 2.0), bare)
        zero = subtract(bare, bare, correlation=1.0)
        assert (zero.value, zero.uncertainty.half_width) == (0.0, 0.0)

    def test_what_is_exact_is_correlated_with_nothing(self) -> None:
        chance = at(3.0, Uncertainty.exact(), seed=0, known=False)
        gap = subtract(chance, A)
        assert gap.uncertainty.error == pytest.approx(0.3)
        assert gap.provenance is not None


class TestRules:
    def test_unknown_stays_unknown(self) -> None:
        combined = add(A, at(1.0, Uncertainty.unknown(), seed=3))
        assert combined.value == 2.0
        assert combined.uncertainty == Uncertainty.unknown()
        assert combined.uncertainty.systematic is None

    def test_exact_adds_nothing(self) -> None:
        constant = at(5.0, Uncertainty.exact(systematic=0.25), seed=0)
        assert add(A, constant).uncertainty.error == pytest.approx(0.3)
        both = add(constant, constant)
        assert (both.value, both.uncertainty.kind, both.uncertainty.systematic) == (10.0, "exact", 0.5)

    def test_systematic_bounds_add_and_a_missing_one_is_missing(self) -> None:
        def bounded(bound: float | None, seed: int, source: str = "") -> Measurement:
            u = Uncertainty.stderr(1.0, 0.1, covers={"data"}, systematic=bound, systematic_source=source)
            return at(1.0, u, seed=seed)

        difference = subtract(bounded(0.2, 0, "step size"), bounded(0.3, 1, "truncation"))
        assert difference.uncertainty.systematic == pytest.approx(0.5)
        assert difference.uncertainty.systematic_source == "step size; truncation"
        assert scale(bounded(0.2, 0), -2.0).uncertainty.systematic == pytest.approx(0.4)
        assert add(bounded(0.2, 0), bounded(None, 1)).uncertainty.systematic is None

    def test_levels_must_agree(self) -> None:
        with pytest.raises(GnomonError, match=r"levels 0.9 and 0.95; measure all at one level"):
            add(A, normal(1.0, 0.1, seed=4, level=0.9))

    def test_it_covers_what_all_parts_cover(self) -> None:
        wide = at(1.0, Uncertainty.stderr(1.0, 0.1, covers={"data", "probe"}), seed=4)
        assert add(A, wide).uncertainty.covers == {"data"}
        with pytest.raises(GnomonError, match=r"different randomness \(data and seed\)"):
            add(A, normal(1.0, 0.1, seed=4, covers="seed"))

    def test_what_was_not_measured_is_not_zero(self) -> None:
        missing = Measurement.insufficient(LOSS, "too few rows", site="embed")
        with pytest.raises(InsufficientEvidenceError, match="loss at embed, which is insufficient: too few rows"):
            average([A, missing])

    @pytest.mark.parametrize("rho", [1.5, float("nan"), [[1.0, 0.2], [0.3, 1.0]], [[1.0]], [[2.0, 0.0], [0.0, 2.0]]])
    def test_an_impossible_correlation_is_refused(self, rho: object) -> None:
        with pytest.raises(GnomonError, match="correlation"):
            add(A, B, correlation=rho)  # type: ignore[arg-type]

    def test_three_cannot_all_be_opposed(self) -> None:
        three = [A, B, normal(1.0, 0.1)]
        with pytest.raises(GnomonError, match="no 3 measurements"):
            average(three, correlation=-0.6)
        average(three, correlation=-0.5)

    def test_a_value_outside_its_interval_is_refused(self) -> None:
        with pytest.raises(GnomonError, match="outside its interval"):
            scale(at(5.0, Uncertainty.interval(1.0, 2.0, covers={"data"})), 2.0)

    @pytest.mark.parametrize("factor", [0.0, float("inf"), float("nan")])
    def test_a_factor_is_finite_and_not_zero(self, factor: float) -> None:
        with pytest.raises(GnomonError, match="factor"):
            scale(A, factor)

    def test_infinite_values_are_refused_and_infinite_ends_stay(self) -> None:
        with pytest.raises(GnomonError, match="infinite"):
            scale(at(math.inf, Uncertainty.exact()), 2.0)
        open_above = at(1.0, Uncertainty.interval(0.5, math.inf, covers={"data"}), seed=4)
        for rho in (0.0, 0.5):
            total = add(A, open_above, correlation=rho)
            assert total.uncertainty.high == math.inf
            assert math.isfinite(float(total.uncertainty.low))  # type: ignore[arg-type]
        assert subtract(A, open_above).uncertainty.low == -math.inf

    def test_nothing_cannot_be_averaged(self) -> None:
        with pytest.raises(GnomonError, match="nothing to average"):
            average([])


def test_arrays_combine_number_by_number() -> None:
    def spectrum(values: list[float], errors: list[float], seed: int) -> Measurement:
        return at(
            values,
            Uncertainty.stderr(np.array(values), np.array(errors), covers={"data"}),
            quantity=SPECTRUM,
            seed=seed,
        )  # type: ignore[arg-type]

    total = average([spectrum([1.0, 2.0], [0.3, 0.0], 0), spectrum([3.0, 2.0], [0.4, 0.2], 1)])
    assert np.allclose(np.asarray(total.value), [2.0, 2.0])
    assert np.allclose(np.asarray(total.uncertainty.error), [0.25, 0.1])
    with pytest.raises(GnomonError, match="different shape"):
        add(total, spectrum([1.0], [0.1], 2))


def test_the_mean_of_n_is_surer_by_the_root_of_n() -> None:
    mean = average([normal(1.0, 0.2, seed=s) for s in range(16)])
    assert mean.quantity == "loss"
    assert mean.uncertainty.error == pytest.approx(0.05)
    fully = average([normal(1.0, 0.2, seed=s) for s in range(16)], correlation=1.0)
    assert fully.uncertainty.error == pytest.approx(0.2)
    matrix = np.kron(np.eye(4), np.ones((4, 4)))  # four groups, each one measurement four times
    assert average(
        [normal(1.0, 0.2, seed=s) for s in range(16)], correlation=matrix
    ).uncertainty.error == pytest.approx(0.1)


def test_names_labels_and_sites_of_what_comes_out() -> None:
    p, q = normal(1.0, 0.1, seed=0, site="embed"), normal(1.0, 0.1, seed=1, site="logits")
    assert add(p, q).site is None
    assert average([p, normal(1.0, 0.1, seed=1, site="embed")]).site == "embed"
    assert subtract(p, q).quantity == "loss_minus_loss"
    assert Measurement.from_json(subtract(p, q).to_json()) == subtract(p, q)
