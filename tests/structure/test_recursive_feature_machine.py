"""Recursive feature machines: the steps by hand, the symmetry, and targets whose directions are known."""

from __future__ import annotations

import pytest
import torch
from test_kernels import drawn, metric
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure import RecursiveFeatureMachine
from gnomon.structure.kernel_machine import fit
from gnomon.structure.kernels import ExponentialPower, Gaussian, Laplace, Polynomial
from gnomon.structure.recursive_feature_machine import learned_metric, mean_squared_error
from gnomon.structure.tuning import Tuning


def rotation(seed: int, d: int) -> Tensor:
    return torch.linalg.qr(drawn(seed, d, d))[0]


def test_the_power_is_that_of_the_matrix_and_the_trace_that_of_the_identity() -> None:
    agop = metric(0, 5)
    square_root = learned_metric(agop, 0.5)
    assert torch.isclose(square_root.trace(), torch.tensor(5.0, dtype=torch.float64))
    squared = square_root @ square_root
    torch.testing.assert_close(squared / squared.trace(), agop / agop.trace())
    torch.testing.assert_close(learned_metric(agop, 1.0), 5 * agop / agop.trace())
    torch.testing.assert_close(learned_metric(agop, 2.0), 5 * (agop @ agop) / (agop @ agop).trace())
    torch.testing.assert_close(learned_metric(7 * agop, 0.3), learned_metric(agop, 0.3))


def test_a_round_is_ridge_regression_with_the_metric_of_the_round_before() -> None:
    x = drawn(0, 60, 3)
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2].sin()], dim=1)
    rounds = list(RecursiveFeatureMachine(kernel=Gaussian(1.5), power=0.5, ridge=1e-2, rounds=2).iterate(x, y))
    assert [r.number for r in rounds] == [0, 1, 2]
    m = torch.eye(3, dtype=torch.float64)
    for one in rounds:
        torch.testing.assert_close(one.machine.metric, m)
        by_hand = fit(Gaussian(1.5), x, y, metric=m, ridge=1e-2)
        torch.testing.assert_close(one.machine.coefficients, by_hand.coefficients)
        assert one.train_error == pytest.approx(float((by_hand.predict(x) - y).square().mean()))
        values, vectors = torch.linalg.eigh(by_hand.agop(x))
        root = vectors @ values.sqrt().diag() @ vectors.T
        m = 3 * root / root.trace()


@pytest.mark.parametrize(
    "kernel",
    [Gaussian(2.0), Laplace(3.0), Polynomial(2, offset=1.0)],
    ids=lambda kernel: type(kernel).__name__,
)
@pytest.mark.parametrize("centred", [False, True])
def test_rotated_inputs_give_the_same_machine_rotated(kernel: Gaussian, centred: bool) -> None:
    x, new, turn = drawn(0, 120, 6), drawn(1, 30, 6), rotation(2, 6)
    y = (x[:, 0] * x[:, 1].relu())[:, None]
    recipe = RecursiveFeatureMachine(kernel=kernel, power=0.7, rounds=3, ridge=1e-2, centred=centred)
    plain, turned = recipe.fit(x, y), recipe.fit(x @ turn.T, y)
    torch.testing.assert_close(turned.metric, turn @ plain.metric @ turn.T, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(turned.predict(new @ turn.T), plain.predict(new), rtol=1e-6, atol=1e-8)


def test_a_rotated_target_of_rank_two_is_found() -> None:
    n, d = 600, 12
    overlaps = []
    for seed in range(3):
        x, basis = drawn(3 * seed, n, d), rotation(3 * seed + 1, d)[:, :2]
        hidden = x @ basis
        y = (hidden[:, 0] * hidden[:, 1])[:, None]
        last = list(RecursiveFeatureMachine(kernel=Laplace(10.0), rounds=4).iterate(x, y))[-1]
        found = torch.linalg.eigh(last.agop).eigenvectors[:, -2:]
        overlaps.append(float(torch.linalg.svdvals(basis.T @ found).square().mean()))
    # two random planes in 12 dimensions overlap by 2 / 12
    assert min(overlaps) > 0.99


def test_an_input_that_does_not_matter_is_dropped_as_the_rounds_go() -> None:
    x = drawn(4, 400, 8)
    y = x[:, :1].square()
    shares = [
        float(r.machine.metric[0, 0] / 8)
        for r in RecursiveFeatureMachine(kernel=Gaussian(3.0), ridge=1e-3, rounds=3).iterate(x, y)
    ]
    assert shares[0] == 1 / 8
    assert shares[1] < shares[2] < shares[3]
    assert shares[3] > 0.99


def test_each_time_that_the_metric_is_learned_has_its_power() -> None:
    x = drawn(0, 80, 3)
    y = (x[:, 0] * x[:, 1])[:, None]
    recipe = RecursiveFeatureMachine(kernel=Gaussian(1.5), power=(0.5, 2.0), ridge=1e-2, rounds=2)
    first, second, third = recipe.iterate(x, y)
    torch.testing.assert_close(second.machine.metric, learned_metric(first.agop, 0.5))
    torch.testing.assert_close(third.machine.metric, learned_metric(second.agop, 2.0))


def test_the_order_of_examples_does_not_matter() -> None:
    x, new = drawn(0, 90, 4), drawn(1, 10, 4)
    y, order = x[:, :1].abs(), torch.randperm(90, generator=torch.Generator().manual_seed(2))
    recipe = RecursiveFeatureMachine(kernel=Laplace(3.0), rounds=2)
    torch.testing.assert_close(recipe.fit(x[order], y[order]).predict(new), recipe.fit(x, y).predict(new))


def test_a_sample_of_rows_is_drawn_at_random() -> None:
    # the first 50 rows differ from the others: what is learned from a sample must not be what they say alone
    x = drawn(0, 300, 3)
    x[:50, 0] *= 1e-3
    y = (x[:, :1] > 0).double() + x[:, 1:2]
    recipe = RecursiveFeatureMachine(kernel=Laplace(3.0), rounds=1, sample=50)
    shares = []
    for seed in range(8):
        first = next(recipe.iterate(x, y, rng=Rng(seed)))
        assert len(first.rows) == len(torch.unique(first.rows, dim=0)) == 50
        torch.testing.assert_close(first.agop, first.machine.agop(first.rows))
        shares.append(float((first.rows[:, 0].abs() < 0.01).double().mean()))
    # 50 of 300 rows are small: a sixth is expected, with deviation of 0.048 each
    assert abs(sum(shares) / 8 - 1 / 6) < 4 * 0.048 / 8**0.5
    assert torch.equal(next(recipe.iterate(x, y, rng=Rng(3))).rows, next(recipe.iterate(x, y, rng=Rng(3))).rows)


def test_validation_keeps_the_best_round() -> None:
    # noise that is fitted makes later rounds worse
    x, new = drawn(0, 60, 6), drawn(1, 400, 6)
    y, truth = x[:, :1] + drawn(2, 60, 1), new[:, :1]
    recipe = RecursiveFeatureMachine(kernel=Laplace(3.0), ridge=0.3, rounds=6)
    errors = [mean_squared_error(one.machine, new, truth) for one in recipe.iterate(x, y)]
    assert mean_squared_error(recipe.fit(x, y, validation=(new, truth)), new, truth) == min(errors)
    assert min(errors) < errors[-1]


def test_single_precision_learns_the_same_metric() -> None:
    x = drawn(0, 500, 8)
    y = (x[:, 0] * x[:, 1])[:, None]
    for kernel in (Laplace(8.0), ExponentialPower(6.0, 1.5), Polynomial(2, offset=1.0)):
        recipe = RecursiveFeatureMachine(kernel=kernel, rounds=3, ridge=1e-2)
        double, single = recipe.fit(x, y).metric, recipe.fit(x.float(), y.float()).metric
        assert single.dtype == torch.float32
        assert (single - double).norm() < 1e-3 * double.norm()


def test_tuning_finds_what_validates_and_fits_everything_again() -> None:
    x, new = drawn(0, 400, 6), drawn(1, 500, 6)
    y, truth = (x[:, 0] * x[:, 1])[:, None], (new[:, 0] * new[:, 1])[:, None]
    base = RecursiveFeatureMachine(kernel=Gaussian(0.1), ridge=10.0)
    found = Tuning(kernels=(Gaussian(0.1), Gaussian(3.0)), ridges=(1e-4, 10.0), rounds=4, rows=200).run(
        x, y, base, rng=Rng(0)
    )
    assert (found.recipe.kernel.bandwidth, found.recipe.ridge) == (Gaussian(3.0).bandwidth, 1e-4)
    assert isinstance(found.recipe.power, tuple)
    assert len(found.recipe.power) == found.recipe.rounds > 0
    torch.testing.assert_close(found.machine.predict(new), found.recipe.fit(x, y).predict(new))
    assert len(found.machine.centres) == 400
    assert mean_squared_error(found.machine, new, truth) < 0.02
    with pytest.raises(GnomonError, match="2 examples are too few"):
        Tuning(kernels=(Gaussian(1.0),), ridges=(1.0,)).run(x[:2], y[:2], base, rng=Rng(0))
    with pytest.raises(GnomonError, match="no candidate"):
        Tuning(kernels=(), ridges=(1.0,))


@pytest.mark.slow
def test_the_published_low_rank_target_is_learned_as_well_as_by_the_published_algorithm() -> None:
    # The notebook low_rank.ipynb of the authors prints 0.0123 for kernel ridge and 0.0020 after five rounds, on one
    # unseeded draw. From draw to draw that number varies by half, so that the two are compared on the same data: there
    # the metric is the AGOP itself, unscaled.
    def target(x: Tensor) -> Tensor:
        return (x[:, 0] * x[:, 1] * (x[:, 5] > 0))[:, None]

    def published(x: Tensor, new: Tensor) -> float:
        m = torch.eye(20, dtype=torch.float64)
        for _ in range(6):
            machine = fit(Laplace(10.0), x, target(x), metric=m, ridge=1e-3)
            m = machine.agop(x)
        return float((machine.predict(new) - target(new)).square().mean())

    for seed in (1, 2):
        x, new = 0.5 * drawn(2 * seed, 4000, 20), 0.5 * drawn(2 * seed + 1, 4000, 20)
        errors = [
            float((r.machine.predict(new) - target(new)).square().mean())
            for r in RecursiveFeatureMachine(kernel=Laplace(10.0), rounds=5).iterate(x, target(x))
        ]
        assert 0.011 < errors[0] < 0.014
        assert errors[-1] < 0.0035
        assert errors[-1] < published(x, new)


@pytest.mark.slow
def test_with_tuning_the_published_low_rank_target_has_the_published_error() -> None:
    # 0.0020 in the notebook, on one draw; candidates and powers were chosen on seeds 0 to 9, none of which is here
    kernels = [ExponentialPower(bandwidth, exponent) for exponent in (1.0, 1.8) for bandwidth in (4.0, 8.0)]
    tuning = Tuning(kernels=kernels, ridges=(1e-4, 1e-3, 1e-2))
    errors = []
    for seed in range(100, 110):
        generator = torch.Generator().manual_seed(seed)
        x, new = (0.5 * torch.randn(4000, 20, generator=generator) for _ in range(2))
        y, truth = ((z[:, 0] * z[:, 1] * (z[:, 5] > 0))[:, None] for z in (x, new))
        found = tuning.run(x, y, RecursiveFeatureMachine(kernel=kernels[0]), rng=Rng(seed))
        errors.append(mean_squared_error(found.machine, new, truth))
    assert sum(errors) / len(errors) <= 0.0021


@pytest.mark.slow
def test_the_iterative_solver_agrees_with_the_exact_one_on_many_examples() -> None:
    x = drawn(0, 6000, 10).float()
    y, new = x[:, :1] * x[:, 1:2], drawn(1, 500, 10).float()
    m = torch.eye(10)
    exact, iterative = (
        fit(Laplace(5.0), x, y, metric=m, ridge=1e-2, solver=solver).predict(new) for solver in ("exact", "iterative")
    )
    assert (exact - iterative).norm() < 1e-3 * exact.norm()


@pytest.mark.slow
def test_a_rotated_target_of_rank_three_is_found_in_100_dimensions() -> None:
    x, basis = drawn(0, 4000, 100), rotation(1, 100)[:, :3]
    hidden = x @ basis
    y = (hidden[:, 0] * hidden[:, 1] + hidden[:, 2].square())[:, None]
    last = list(RecursiveFeatureMachine(kernel=Gaussian(10.0), rounds=3).iterate(x, y))[-1]
    found = torch.linalg.eigh(last.agop).eigenvectors[:, -3:]
    assert float(torch.linalg.svdvals(basis.T @ found).square().mean()) > 0.99


def test_bad_input_is_refused() -> None:
    with pytest.raises(GnomonError, match="power 0 is not positive"):
        RecursiveFeatureMachine(kernel=Gaussian(1.0), power=0)
    with pytest.raises(GnomonError, match="2 powers are not one for each of 5 rounds"):
        RecursiveFeatureMachine(kernel=Gaussian(1.0), power=(1.0, 2.0))
    with pytest.raises(GnomonError, match="sample 0 is not positive"):
        RecursiveFeatureMachine(kernel=Gaussian(1.0), sample=0)
    with pytest.raises(GnomonError, match="rounds -1 is negative"):
        RecursiveFeatureMachine(kernel=Gaussian(1.0), rounds=-1)
    x = drawn(0, 20, 3)
    with pytest.raises(GnomonError, match="does not depend on its inputs"):
        RecursiveFeatureMachine(kernel=Gaussian(1.0)).fit(x, torch.zeros(20, 1, dtype=torch.float64))
