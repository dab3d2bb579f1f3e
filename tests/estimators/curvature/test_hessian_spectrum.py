"""The estimator of the spectrum: true values of real networks, honest refusals, and what it says about data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense_matrices import dense_hessian
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.curvature import HessianOperator, HessianSpectrum, known
from gnomon.estimators.curvature.quadrature import gaussian
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, NextToken, SquaredError, Subject, TokenData


def read(subject: Subject, data: ArrayData | TokenData, seed: int = 0, **options: float) -> dict[str, Measurement]:
    found = HessianSpectrum(**options).measure(subject, data, sites=(), budget=Budget(), rng=Rng(seed))  # type: ignore[arg-type]
    return {m.quantity: m for m in found}


def classifier(seed: int = 0) -> tuple[Subject, ArrayData]:
    torch.manual_seed(seed)
    x = torch.randn(120, 8)
    module = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    labels = (x[:, :3] + 0.5 * torch.randn(120, 3)).argmax(dim=1)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x), labels).backward()
        optimizer.step()
    optimizer.zero_grad()
    return Subject(module, loss=CrossEntropy()), ArrayData(x, labels)


def eigenvalues_in_float64(subject: Subject, data: ArrayData) -> np.ndarray:
    return np.linalg.eigvalsh(
        dense_hessian(subject, lambda m: nn.functional.cross_entropy(m(data.inputs.double()), data.targets))
    )


def test_a_trained_network_against_its_dense_hessian() -> None:
    held = []
    for seed in range(8):
        subject, data = classifier(seed)
        truth = eigenvalues_in_float64(subject, data)
        found = read(subject, data, seed)
        top, bottom, density = (
            found[f"hessian_{n}"] for n in ("top_eigenvalue", "bottom_eigenvalue", "spectral_density")
        )
        assert top.uncertainty.contains(top.value, truth[-1])
        assert top.value == pytest.approx(truth[-1], rel=1e-5)
        # the rounding of float32 is inside what is stated, and no more than it need be
        assert 0 < top.uncertainty.systematic < 1e-5 * truth[-1]
        if bottom.status == "ok":
            assert bottom.uncertainty.contains(bottom.value, truth[0])
            assert bottom.uncertainty.low <= truth[0] <= bottom.uncertainty.high + bottom.uncertainty.systematic
        grid = np.array(density.diagnostics["eigenvalue"])
        expected = gaussian(grid, truth, density.diagnostics["width"]).mean(axis=1)
        held.append(density.uncertainty.covered(density.value, expected))
        assert density.diagnostics["mass"] == pytest.approx(1.0, abs=1e-5)
    assert np.mean(held) >= 0.9


def test_the_ratio_of_the_sharpness_is_one_where_gradient_descent_turns_unstable() -> None:
    """Full-batch descent on a quadratic: with ratio 0.95 the loss falls, with 1.05 it grows without bound."""
    for ratio, stable in ((0.95, True), (1.05, False)):
        torch.manual_seed(0)
        module = nn.Linear(12, 1)
        x, y = torch.randn(60, 12), torch.randn(60, 1)
        subject, data = Subject(module, loss=SquaredError()), ArrayData(x, y)
        top = read(subject, data)["hessian_top_eigenvalue"].value
        rate = 2 * ratio / float(top)
        found = read(subject, data, learning_rate=rate)["sharpness_ratio"]
        assert found.value == pytest.approx(ratio, rel=1e-5)
        assert found.uncertainty.low <= found.value <= found.uncertainty.high
        optimizer = torch.optim.SGD(module.parameters(), lr=rate)
        first = nn.functional.mse_loss(module(x), y).item()
        for _ in range(200):
            optimizer.zero_grad()
            nn.functional.mse_loss(module(x), y).backward()
            optimizer.step()
        assert (nn.functional.mse_loss(module(x), y).item() < first) == stable


def test_without_a_learning_rate_the_ratio_is_not_read_and_the_rest_is() -> None:
    subject, data = classifier()
    found = read(subject, data)
    assert found["sharpness_ratio"].status == "insufficient"
    assert "learning_rate" in found["sharpness_ratio"].reason
    assert found["hessian_top_eigenvalue"].status == "ok"


def test_too_few_steps_are_not_read_and_the_stated_number_suffices() -> None:
    subject, data, truth = known.planted(np.linspace(0.0, 1.0, 150), Rng(0))
    few = read(subject, data, steps=3, probes=1)["hessian_top_eigenvalue"]
    assert few.status == "insufficient"
    assert few.diagnostics["estimate"] < truth[-1]
    steps = int(few.suffices["steps"])
    enough = read(subject, data, steps=steps, probes=1)["hessian_top_eigenvalue"]
    assert enough.status == "ok"
    assert enough.uncertainty.contains(enough.value, truth[-1])


def test_the_interval_of_an_unconverged_end_holds_the_truth() -> None:
    """Four steps: the Ritz value is off by percents, and the interval says so."""
    misses, off = 0, []
    for seed in range(60):
        subject, data, truth = known.planted(np.r_[np.linspace(0.0, 1.0, 99), 1.3], Rng(seed), wobble=0.02)
        found = read(subject, data, seed, steps=7)["hessian_top_eigenvalue"]
        assert found.status == "ok"
        misses += not found.uncertainty.contains(found.value, truth[-1])
        off.append(1 - found.value / truth[-1])
    assert misses <= 8  # probability 5 % each: more than 8 of 60 has probability 1e-3
    assert np.max(off) > 0.01


def test_the_error_over_data_is_the_spread_over_draws_of_examples() -> None:
    values, errors = [], []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        # one direction stands out, so that first order in the perturbation is all there is
        x = generator.normal(size=(300, 20)) * np.r_[3.0, np.ones(19)]
        subject = Subject(nn.Linear(20, 1, bias=False), loss=SquaredError())
        found = read(subject, ArrayData(x, np.zeros((300, 1))), seed)["hessian_top_eigenvalue"]
        values.append(found.value)
        errors.append(found.diagnostics["data_stderr"])
        assert found.uncertainty.covers == {"probe"}
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.35)


def test_no_more_examples_are_used_than_positions_allow() -> None:
    texts = [list(range(1, n)) for n in np.random.default_rng(0).integers(5, 30, size=100)]

    class Bigram(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(30, 30)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.table(input_ids)

    subject, data = Subject(Bigram(), loss=NextToken()), TokenData(texts)
    found = read(subject, data, positions=200)["hessian_top_eigenvalue"]
    assert 5 <= found.diagnostics["examples"] <= 20
    assert 100 < found.diagnostics["positions"] < 400
    assert read(subject, data, positions=10**6)["hessian_top_eigenvalue"].diagnostics["examples"] == 100
    few = HessianSpectrum().measure(subject, data, sites=(), budget=Budget(examples=7), rng=Rng(0))
    assert few[0].diagnostics["examples"] == 7


def test_what_cannot_be_measured_is_said_and_not_raised() -> None:
    module = nn.Linear(3, 1)
    subject = Subject(module, loss=SquaredError())
    one_cluster = ArrayData(np.ones((9, 3)), np.ones((9, 1)), clusters=np.zeros(9, dtype=np.int64))
    assert all("single example or cluster" in m.reason for m in read(subject, one_cluster).values())

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * self.weight).sum(dim=1, keepdim=True)

    zero = Subject(Flat(), loss=known.OutputLoss())
    assert all(m.reason == "the Hessian is zero" for m in read(zero, ArrayData(np.ones((9, 5)))).values())
    subject, data = classifier()
    tight = HessianSpectrum(steps=2000, probes=40).measure(
        subject, data, sites=(), budget=Budget(bytes=8 * 2**20), rng=Rng(0)
    )
    assert all(m.status == "insufficient" and m.suffices["bytes"] > 8 * 2**20 for m in tight)
    for parameter in subject.module.parameters():
        parameter.requires_grad_(False)
    assert "no trainable parameters" in HessianSpectrum().inapplicable(subject, data)
    with pytest.raises(GnomonError, match="not positive"):
        HessianSpectrum(learning_rate=0.0)
    with pytest.raises(GnomonError, match="steps ≥ 2"):
        HessianSpectrum(steps=1)


def test_the_float32_product_bounds_its_own_rounding_on_a_stiff_network() -> None:
    """Curvatures from 1e-3 to 1e3: the small end is below the rounding of the large, and the bound says so."""
    eigenvalues = np.r_[1e3, np.linspace(1e-3, 1.0, 80)]
    for seed in range(10):
        subject, data, _ = known.planted(eigenvalues, Rng(seed), wobble=0.0)
        rotation = subject.module.rotation.double().numpy()  # of float32, so not quite orthogonal
        truth = np.linalg.eigvalsh((rotation * subject.module.eigenvalues.double().numpy()) @ rotation.T)
        found = read(subject, data, seed)
        for name, expected in (("top", truth[-1]), ("bottom", truth[0])):
            m = found[f"hessian_{name}_eigenvalue"]
            assert m.uncertainty.contains(m.value, expected)
    assert HessianOperator(subject, data).precision == pytest.approx(1.2e-7, rel=0.01)
