"""The losses of dictionaries: against their formulas written out densely, and sparse against dense gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries import KINDS, Dictionary, architecture, build
from gnomon.structure.dictionaries.jump_relu import jump, step

N, M, D, E = 96, 160, 12, 9
OPTIONS: dict[str, dict[str, Any]] = {
    "relu": {"penalty": 0.3},
    "top_k": {"k": 3},
    "batch_top_k": {"k": 3},
    "jump_relu": {"threshold": 0.4, "bandwidth": 0.2, "penalty": 0.05},
    "matryoshka": {"k": 3, "prefixes": (7, 40, M)},
}


def _made(kind: str, *, transcodes: bool = False, dtype: torch.dtype = torch.float64) -> Dictionary:
    made = build(architecture(kind, latents=M, **OPTIONS[kind]), D, E if transcodes else None, Rng(0)).to(dtype)
    generator = Rng(1).torch()
    with torch.no_grad():
        # few are active, and a fifth never are
        made.encoder_bias.copy_(0.1 * torch.randn(M, generator=generator, dtype=dtype) - 0.5)
        made.encoder_bias[-M // 5 :] -= 9.0
        made.decoder_bias.copy_(0.1 * torch.randn(len(made.decoder_bias), generator=generator, dtype=dtype))
    return made


def _rows(dtype: torch.dtype = torch.float64, width: int = D, seed: int = 2) -> Tensor:
    rows = torch.randn(N, width, generator=Rng(seed).torch(), dtype=torch.float64)
    return (3.0 + 2.0 * rows).to(dtype)


def _case(kind: str, transcodes: bool, dtype: torch.dtype) -> tuple[Dictionary, Tensor, Tensor]:
    made, inputs = _made(kind, transcodes=transcodes, dtype=dtype), _rows(dtype)
    targets = _rows(dtype, E, 3) if transcodes else inputs
    made.calibrate(inputs, targets)
    return made, inputs, targets


@pytest.mark.parametrize("transcodes", [False, True], ids=["autoencoder", "transcoder"])
@pytest.mark.parametrize("kind", KINDS)
def test_sparse_and_dense_paths_agree(kind: str, transcodes: bool) -> None:
    # float64 to rounding; float32 to its own: 4e-7 of the largest entry of each gradient
    dead = torch.arange(M) >= M - M // 5
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 4e-7)):
        made, inputs, targets = _case(kind, transcodes, dtype)
        found = []
        for dense in (False, True):
            loss = made.loss(inputs, targets, dead=dead, strength=0.7, dense=dense)
            parameters = list(made.parameters())
            found.append((loss, torch.autograd.grad(loss.total, parameters)))
        (sparse, of_sparse), (dense_loss, of_dense) = found
        assert math.isclose(float(sparse.total.detach()), float(dense_loss.total.detach()), rel_tol=tolerance)
        assert sparse.active == dense_loss.active
        assert torch.equal(sparse.fired, dense_loss.fired)
        assert 0 < int(sparse.fired.sum()) < M
        for one, other in zip(of_sparse, of_dense, strict=True):
            assert float((one - other).abs().max()) <= tolerance * float(other.abs().max())
            assert float(other.abs().max()) > 0


def test_the_sparse_path_is_taken_where_few_latents_are_active() -> None:
    for kind in KINDS:
        made, inputs, _ = _case(kind, False, torch.float64)
        assert made.select(made.scaled(inputs)) is not None, kind
    with torch.no_grad():
        made = _made("relu")
        made.encoder_bias.fill_(1.0)
    assert made.select(made.scaled(inputs)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_its_formula(kind: str) -> None:
    made, inputs, targets = _case(kind, True, torch.float64)
    dead = torch.arange(M) >= M - M // 5
    loss = made.loss(inputs, targets, dead=dead, strength=0.5)

    with torch.no_grad():
        x = (inputs - inputs.mean(0)) / (inputs - inputs.mean(0)).square().sum(1).mean().sqrt()
        y = (targets - targets.mean(0)) / (targets - targets.mean(0)).square().sum(1).mean().sqrt()
        before = x @ made.encoder.T + made.encoder_bias
        code, penalty, prefixes = before.clamp(min=0), 0.0, [M]
        if kind == "relu":
            penalty = 0.3 * 0.5 * float(code.sum()) / N
        elif kind == "top_k":
            code = torch.where(before >= before.topk(3, dim=1).values[:, -1:], code, 0.0)
        elif kind == "jump_relu":
            code = torch.where(before > 0.4, before, 0.0)
            penalty = 0.05 * 0.5 * float((before > 0.4).sum()) / N
        else:
            code = torch.where(before >= before.reshape(-1).sort(descending=True).values[3 * N - 1], code, 0.0)
            prefixes = [7, 40, M] if kind == "matryoshka" else [M]
        lefts = [y - code[:, :p] @ made.decoder[:p] - made.decoder_bias for p in prefixes]
        reconstruction = sum(float(left.square().sum()) / N for left in lefts) / len(prefixes)
        # dead latents: the e/2 of largest pre-activation, not rectified, on what is left
        values = before.masked_fill(~dead, -torch.inf)
        least = values.topk(E // 2, dim=1).values[:, -1:]
        revived = torch.where(values >= least, before, 0.0) @ made.decoder
        auxiliary = float((lefts[-1] - revived).square().sum()) / N / 32
    assert math.isclose(float(loss.penalty), penalty, rel_tol=1e-10)
    assert math.isclose(float(loss.auxiliary), auxiliary, rel_tol=1e-10)
    assert math.isclose(float(loss.total.detach()), reconstruction + penalty + auxiliary, rel_tol=1e-10)
    assert math.isclose(loss.explained, 1 - float(lefts[-1].square().sum() / y.square().sum()), rel_tol=1e-10)
    assert loss.active == int((code > 0).sum()) / N
    assert torch.equal(loss.fired, (code > 0).any(0))


def test_dead_latents_learn_from_what_is_left_and_the_live_do_not() -> None:
    made, inputs, _ = _case("top_k", False, torch.float64)
    dead = torch.arange(M) >= M - M // 5
    alone = torch.autograd.grad(made.loss(inputs, inputs).total, made.encoder)[0]
    with_dead = torch.autograd.grad(made.loss(inputs, inputs, dead=dead).total, made.encoder)[0]
    assert bool((alone[dead] == 0).all())
    assert int((with_dead[dead].abs().sum(1) > 0).sum()) > 6
    assert torch.equal(alone[~dead], with_dead[~dead])


@pytest.mark.parametrize("kind", KINDS)
def test_codes_and_reconstructions_at_evaluation(kind: str) -> None:
    made, inputs, targets = _case(kind, True, torch.float64)
    made.train()
    made.loss(inputs, targets)
    made.eval()
    codes = made.encode(inputs)
    x = (inputs - inputs.mean(0)) / (inputs - inputs.mean(0)).square().sum(1).mean().sqrt()
    before = (x @ made.encoder.T + made.encoder_bias).detach()
    if kind == "top_k":
        wanted = torch.where(before >= before.topk(3, dim=1).values[:, -1:], before.clamp(min=0), 0.0)
    else:
        bound = {"relu": torch.zeros(()), "jump_relu": torch.tensor(0.4)}
        threshold = bound[kind] if kind in bound else made.get_buffer("threshold")
        wanted = torch.where(before > threshold, before, 0.0)
    assert torch.allclose(codes.dense(), wanted, rtol=0, atol=1e-12)
    assert bool((codes.values >= 0).all())
    scale, mean = (targets - targets.mean(0)).square().sum(1).mean().sqrt(), targets.mean(0)
    assert torch.allclose(made.decode(codes), scale * (wanted @ made.decoder + made.decoder_bias) + mean)
    # a vector's code does not depend on its batch
    assert torch.allclose(made.encode(inputs[5:6]).dense(), wanted[5:6], rtol=0, atol=1e-12)


def test_the_threshold_of_batch_top_k_is_the_running_mean_of_the_least_active() -> None:
    made, inputs, _ = _case("batch_top_k", False, torch.float64)
    made.train()
    leasts = []
    for seed in range(4):
        rows = _rows(seed=10 + seed)
        before = made.scaled(rows) @ made.encoder.T + made.encoder_bias
        leasts.append(float(before.detach().reshape(-1).topk(3 * N).values[-1]))
        made.loss(rows, rows)
    wanted = leasts[0]
    for least in leasts[1:]:
        wanted = 0.9 * wanted + 0.1 * least
    assert math.isclose(float(made.get_buffer("threshold")), wanted, rel_tol=1e-6)
    before_evaluation = float(made.get_buffer("threshold"))
    made.eval().loss(inputs, inputs)
    assert float(made.get_buffer("threshold")) == before_evaluation


def test_the_threshold_gradient_of_jump_relu_is_that_of_the_expected_loss() -> None:
    """For a ~ N(0, 1), target a + c: d/dθ E(y − z)² = (θ² + 2cθ) φ(θ) and d/dθ E H(a − θ) = −φ(θ)."""
    n, bandwidth, c = 1_000_000, 0.1, 0.3
    a = torch.randn(n, generator=Rng(7).torch(), dtype=torch.float64)
    for theta in (0.5, 1.0):
        density = math.exp(-(theta**2) / 2) / math.sqrt(2 * math.pi)
        threshold = torch.full((1,), theta, dtype=torch.float64, requires_grad=True)
        share = density * bandwidth
        # of the mean of n draws that are 1/bandwidth with probability `share`, times what they are multiplied with
        error = math.sqrt(share / n) / bandwidth
        (of_count,) = torch.autograd.grad(step(a, threshold, bandwidth).mean(), threshold)
        assert abs(float(of_count) + density) < 4 * error + bandwidth**2 / 24
        loss = (a + c - jump(a, threshold, bandwidth)).square().mean()
        (of_loss,) = torch.autograd.grad(loss, threshold)
        wanted = (theta**2 + 2 * c * theta) * density
        assert abs(float(of_loss) - wanted) < 4 * error * 2 * theta * (theta + c) + bandwidth**2


@pytest.mark.parametrize(("width", "penalty"), [(64, 0.15), (4096, 5 / 64)], ids=str)
def test_the_default_penalty_of_relu_is_bounded(width: int, penalty: float) -> None:
    made = build(architecture("relu", latents=3), width, None, Rng(0))
    rows = torch.randn(20, width, generator=Rng(1).torch())
    made.calibrate(rows, rows)
    codes = made.encode(rows).values.sum() / 20
    assert math.isclose(float(made.loss(rows, rows).penalty), penalty * float(codes), rel_tol=1e-5)


def test_jump_relu_passes_gradients_to_active_preactivations_only() -> None:
    a = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
    theta = torch.tensor([0.4, 0.4, 0.4], dtype=torch.float64, requires_grad=True)
    of_a, of_theta = torch.autograd.grad(jump(a, theta, 0.5).sum(), (a, theta))
    assert of_a.tolist() == [0.0, 1.0, 1.0]
    assert of_theta.tolist() == [-0.8, -0.8, 0.0]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("top_k", {"k": 9, "latents": 8}, "k = 9 of 8 latents"),
        ("top_k", {"k": 0, "latents": 8}, "greater than or equal to 1"),
        ("batch_top_k", {"k": 9, "latents": 8}, "k = 9 of 8 latents"),
        ("matryoshka", {"k": 2, "latents": 8, "prefixes": (4, 2, 8)}, "do not rise"),
        ("matryoshka", {"k": 2, "latents": 8, "prefixes": (2, 4)}, "do not rise"),
        ("jump_relu", {"latents": 8, "bandwidth": 0.0}, "greater than 0"),
        ("relu", {"latents": 0}, "greater than or equal to 1"),
        ("relu", {"latents": 4, "k": 2}, "Extra inputs"),
        ("topk", {"latents": 4}, "did you mean 'top_k'"),
    ],
    ids=str,
)
def test_bad_options_are_told_in_one_line(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(GnomonError, match=message) as error:
        build(architecture(kind, **options), 4, None, Rng(0))
    assert "\n" not in str(error.value)


def test_rows_of_another_width_and_rows_that_are_equal() -> None:
    made = _made("top_k")
    with pytest.raises(GnomonError, match="takes rows of 12"):
        made.encode(torch.zeros(3, D + 1))
    with pytest.raises(GnomonError, match="input rows are equal"):
        made.calibrate(torch.ones(5, D), torch.ones(5, D))
