"""Products with curvature matrices against closed forms, dense derivatives in float64, and an independent library."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from dense_matrices import dense_hessian, in_float64, of_flat
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gnomon.errors import GnomonError
from gnomon.estimators.curvature import (
    CurvatureOperator,
    EmpiricalFisherOperator,
    GaussNewtonOperator,
    HessianOperator,
    known,
)
from gnomon.estimators.curvature import curvature_operator as module_under_test
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, NextToken, SquaredError, Subject, TokenData

KINDS: list[type[CurvatureOperator]] = [HessianOperator, GaussNewtonOperator, EmpiricalFisherOperator]
Array = NDArray[np.float64]


def dense(operator: CurvatureOperator) -> Array:
    return operator.matmat(torch.eye(operator.dimension, dtype=torch.float64)).numpy()


def close(a: Array, b: Array, relative: float = 2e-6) -> bool:
    return bool(np.abs(a - b).max() <= relative * np.abs(b).max())


class TinyTransformer(nn.Module):
    """One block with attention, normalisation, a tied unembedding and a convolution, of very few parameters."""

    def __init__(self, tokens: int = 7, width: int = 4) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        del attention_mask
        x = self.embed(input_ids)
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        x = x + F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None], is_causal=True)[:, 0]
        x = x + F.gelu(self.mix(x.transpose(1, 2)).transpose(1, 2))
        return F.linear(x, self.embed.weight)


def network(kind: str) -> tuple[Subject, Data, Callable[[nn.Module], Tensor]]:
    """A subject, its data, and its mean loss written out without gnomon, for any copy of the module in float64."""
    torch.manual_seed(0)
    if kind == "transformer":
        module: nn.Module = TinyTransformer()
        texts = [[1, 2, 3, 4, 5], [6, 5, 4], [0, 1, 0, 2], [3, 3]]

        def tokens_loss(m: nn.Module) -> Tensor:
            losses = [
                F.cross_entropy(m(torch.tensor([t]))[0, :-1], torch.tensor(t[1:]), reduction="none") for t in texts
            ]
            return torch.cat(losses).mean()

        return Subject(module, loss=NextToken()), TokenData(texts), tokens_loss
    x = torch.randn(9, 6)
    if kind == "image":
        module = nn.Sequential(
            nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)
        )
        labels = torch.arange(9) % 3
        module(x)  # moves the running averages away from their start
        subject = Subject(module, loss=CrossEntropy())
        return subject, ArrayData(x, labels), lambda m: F.cross_entropy(m(x.double()), labels)
    module = nn.Sequential(nn.Linear(6, 4), nn.SiLU(), nn.Linear(4, 2))
    y = torch.randn(9, 2)
    return Subject(module, loss=SquaredError()), ArrayData(x, y), lambda m: F.mse_loss(m(x.double()), y.double())


@pytest.mark.parametrize("kind", ["transformer", "image", "regression"])
def test_the_hessian_is_the_dense_one(kind: str) -> None:
    subject, data, loss = network(kind)
    assert close(dense(HessianOperator(subject, data)), dense_hessian(subject, loss), 5e-6)


@pytest.mark.parametrize("outputs", [1, 3])
def test_linear_regression(outputs: int) -> None:
    """(2/N) XᵀX for one output; the mean over outputs divides by their number."""
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    subject = Subject(nn.Linear(5, outputs), loss=SquaredError())
    data = ArrayData(x, np.random.default_rng(1).normal(size=(40, outputs)))
    wide = x.astype(np.float64)
    by_weight = 2 * wide.T @ wide / 40 / outputs
    to_bias = 2 * wide.mean(axis=0) / outputs
    expected = np.zeros((6 * outputs, 6 * outputs))
    for k in range(outputs):
        block, bias = slice(5 * k, 5 * k + 5), 5 * outputs + k
        expected[block, block] = by_weight
        expected[block, bias] = expected[bias, block] = to_bias
        expected[bias, bias] = 2 / outputs
    assert close(dense(HessianOperator(subject, data)), expected)
    assert close(dense(GaussNewtonOperator(subject, data)), expected)


def test_logistic_regression() -> None:
    """Two classes: XᵀDX / N with D = p(1 − p), with the signs of the classes."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(50, 4)).astype(np.float32)
    subject = Subject(nn.Linear(4, 2, bias=False), loss=CrossEntropy())
    weights = subject.module.weight.detach().double().numpy()
    p = 1 / (1 + np.exp(-(x @ (weights[1] - weights[0]))))
    block = (x.T * (p * (1 - p))) @ x / 50
    expected = np.block([[block, -block], [-block, block]])
    data = ArrayData(x, generator.integers(2, size=50))
    assert close(dense(HessianOperator(subject, data)), expected)
    assert close(dense(GaussNewtonOperator(subject, data)), expected)


def test_planted_spectra_are_what_they_say() -> None:
    for eigenvalues in (np.linspace(-1.0, 2.0, 40), np.r_[np.ones(20), np.full(20, -0.5)], np.r_[9.0, np.zeros(39)]):
        subject, data, found = known.planted(eigenvalues, Rng(0), z=np.linspace(0, 1, 40))
        assert np.linalg.eigvalsh(dense(HessianOperator(subject, data))) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("kind", ["transformer", "image", "regression"])
def test_gauss_newton_and_fisher_are_sums_over_predictions(kind: str) -> None:
    """Jᵀ Λ J, and gradient times gradient, of every prediction apart, with dense Jacobians in float64."""
    subject, data, _ = network(kind)
    twin, parameters = in_float64(subject)
    start = torch.cat([p.reshape(-1) for p in parameters.values()])
    loss = subject.loss
    assert loss is not None
    gauss_newton = np.zeros((len(start), len(start)))
    fisher, count = np.zeros_like(gauss_newton), 0
    for i in range(len(data)):
        batch = data.batch([i])
        args = tuple(a.double() if a.is_floating_point() else a for a in batch.args)

        def scores(flat: Tensor, batch=batch, args=args) -> Tensor:
            output = torch.func.functional_call(twin, of_flat(parameters, flat), args, dict(batch.kwargs))
            return loss.predictions(output, batch).scores

        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            jacobian = torch.autograd.functional.jacobian(scores, start)
            found = loss.predictions(
                torch.func.functional_call(twin, of_flat(parameters, start), args, dict(batch.kwargs)), batch
            )
        for j, z, target in zip(jacobian.numpy(), found.scores.detach().numpy(), found.targets.numpy(), strict=True):
            if loss.categorical:
                p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
                bend, slope = np.diag(p) - np.outer(p, p), p - np.eye(len(p))[target]
            else:
                bend, slope = 2 * np.eye(len(z)) / len(z), 2 * (z - target) / len(z)
            gauss_newton += j.T @ bend @ j
            fisher += np.outer(j.T @ slope, j.T @ slope)
            count += 1
    assert close(dense(GaussNewtonOperator(subject, data)), gauss_newton / count, 1e-5)
    assert close(dense(EmpiricalFisherOperator(subject, data)), fisher / count, 1e-5)


def test_gauss_newton_is_the_true_fisher_of_a_softmax() -> None:
    """The mean of gradient times gradient over labels drawn from the network's own probabilities, enumerated."""
    subject, data, _ = network("image")
    assert isinstance(data, ArrayData)
    with torch.no_grad(), subject.evaluating():
        p = torch.softmax(subject.module(data.inputs), dim=1).numpy()
    total = np.zeros((0, 0))
    for i in range(len(data)):
        for label in range(3):
            one = ArrayData(data.inputs[i : i + 1], torch.tensor([label]))
            part = p[i, label] * dense(EmpiricalFisherOperator(subject, one)) / len(data)
            total = part if not total.size else total + part
    assert close(dense(GaussNewtonOperator(subject, data)), total, 1e-5)


def test_an_independent_library_agrees() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # what it uses, and so torch, still says torch.jit.script
    curvlinops = pytest.importorskip("curvlinops", reason="curvlinops is not installed")
    theirs = {
        HessianOperator: curvlinops.HessianLinearOperator,
        GaussNewtonOperator: curvlinops.GGNLinearOperator,
        EmpiricalFisherOperator: curvlinops.EFLinearOperator,
    }
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 6, generator=generator)
    cases = [
        (CrossEntropy(), nn.CrossEntropyLoss(), torch.randint(3, (30,), generator=generator)),
        (SquaredError(), nn.MSELoss(), torch.randn(30, 3, generator=generator)),
    ]
    module = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    parameters = list(module.parameters())
    for loss, their_loss, targets in cases:
        batches = [(x[:11], targets[:11]), (x[11:], targets[11:])]
        for kind, other in theirs.items():
            if kind is EmpiricalFisherOperator and not loss.categorical:
                continue  # for squared errors theirs is scaled otherwise
            ours = kind(Subject(module, loss=loss), ArrayData(x, targets))
            matrix = other(module, their_loss, parameters, batches) @ torch.eye(ours.dimension)
            assert close(dense(ours), matrix.detach().double().numpy(), 1e-5), kind.__name__


@pytest.mark.parametrize("kind", KINDS)
def test_products_do_not_depend_on_the_batching(kind: type[CurvatureOperator], monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    texts = [torch.randint(7, (n,), generator=generator).tolist() for n in (9, 2, 5, 1, 12, 7)]
    subject = Subject(TinyTransformer(), loss=NextToken())
    vectors = torch.randn(116, 4, dtype=torch.float64, generator=generator)
    found = []
    for positions in (1, 12, 512, 512):  # one text at a time, a few, all at once
        monkeypatch.setitem(module_under_test._MAX_POSITIONS, "cpu", positions)
        found.append(kind(subject, TokenData(texts)).matmat(vectors).numpy())
    assert close(found[0], found[2], 1e-6)
    assert close(found[1], found[2], 1e-6)
    assert np.array_equal(found[2], found[3])


@pytest.mark.parametrize("kind", KINDS)
def test_many_vectors_at_once_are_the_same_as_one_by_one(kind: type[CurvatureOperator]) -> None:
    subject, data, _ = network("transformer")
    operator = kind(subject, data)
    vectors = torch.randn(operator.dimension, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = operator.matmat(vectors)
    assert together.dtype == torch.float64
    for i in range(3):
        assert torch.equal(together[:, i], operator.matvec(vectors[:, i]))
    ((total, count),) = operator.group_sums(vectors)
    assert count == sum(len(t) - 1 for t in data.sequences)  # type: ignore[attr-defined]
    assert torch.equal(total / count, together)


def test_the_batches_add_up_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand batches of one example: in float32 the sum would be off by more."""
    monkeypatch.setitem(module_under_test._MAX_POSITIONS, "cpu", 1)
    subject = Subject(nn.Linear(1, 1, bias=False), loss=SquaredError())
    values = np.full((2000, 1), 1.1, dtype=np.float32)
    operator = HessianOperator(subject, ArrayData(values, np.zeros((2000, 1))))
    expected = 2 * float(np.float32(1.1)) ** 2
    assert float(operator.matvec(torch.ones(1))) == pytest.approx(expected, rel=1e-7)


def test_only_trainable_parameters_count_and_shared_ones_once() -> None:
    subject, data, _ = network("transformer")
    module = subject.module
    full = dense(HessianOperator(subject, data))
    assert len(full) == sum(p.numel() for p in module.parameters())
    module.embed.weight.requires_grad_(False)
    part = dense(HessianOperator(subject, data))
    assert len(part) == len(full) - module.embed.weight.numel()
    names = [n for n, p in module.named_parameters() for _ in range(p.numel())]
    keep = np.array([n != "embed.weight" for n in names])
    assert close(part, full[np.ix_(keep, keep)])


def test_dropout_is_off_and_noise_is_the_same_in_every_product() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            return ((x + torch.randn_like(x)) * self.weight).sum(1, keepdim=True)

    for module in (Noisy(), nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.Linear(3, 1))):
        subject = Subject(module.train(), loss=SquaredError())
        operator = HessianOperator(subject, ArrayData(torch.randn(20, 4), torch.zeros(20, 1)))
        before = torch.get_rng_state()
        vector = torch.ones(operator.dimension)
        assert torch.equal(operator.matvec(vector), operator.matvec(vector))
        assert torch.equal(before, torch.get_rng_state())
        assert module.training


def test_bad_input_is_one_line() -> None:
    data = ArrayData(torch.randn(5, 2), torch.zeros(5, 1))
    with pytest.raises(GnomonError, match="has no loss"):
        HessianOperator(Subject(nn.Linear(2, 1)), data)
    subject = Subject(nn.Linear(2, 1), loss=SquaredError())
    operator = HessianOperator(subject, data)
    with pytest.raises(GnomonError, match=r"shape \(2, 1\), expected \(3, k\)"):
        operator.matmat(torch.zeros(2, 1))
    for parameter in subject.module.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(GnomonError, match="no trainable parameters"):
        HessianOperator(subject, data)
    single_tokens = TokenData([[1], [2], [3]])
    with pytest.raises(GnomonError, match="no example holds a prediction"):
        HessianOperator(Subject(TinyTransformer(), loss=NextToken()), single_tokens).matvec(torch.zeros(116))
    diverged = Subject(nn.Linear(2, 1), loss=SquaredError())
    torch.nn.init.constant_(diverged.module.weight, 3e38)
    ones = ArrayData(torch.ones(5, 2), torch.zeros(5, 1))
    with pytest.raises(GnomonError, match="the gradient of the loss is NaN or infinite"):
        list(HessianOperator(diverged, ones).group_gradients(torch.zeros(3)))
    with pytest.raises(GnomonError, match="a product with the curvature is NaN or infinite"):
        EmpiricalFisherOperator(diverged, ones).matvec(torch.ones(3))
