"""The kernel equals that of written-out Jacobians, on every kind of network, in double precision."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tangent_jacobians import Double, full, jacobian, per_class
from torch import Tensor, nn
from torch.nn import functional as F

from gnomon.estimators.tangent import tangent_kernel
from gnomon.estimators.tangent.gradients import Gradients
from gnomon.estimators.tangent.predictions import choose, running
from gnomon.subjects import ArrayData, CrossEntropy, Data, MaskedToken, Masking, NextToken, Subject, TokenData
from subjects import tiny_networks

_TOLERANCE = 1e-6


def _check(subject: Subject, data: Data, tolerance: float = _TOLERANCE) -> None:
    jacobians = jacobian(subject, data)
    truth, classes = full(jacobians), per_class(jacobians)
    scale = np.abs(truth).max()
    assert scale > 0
    assert np.abs(tangent_kernel(subject, data) - truth).max() <= tolerance * scale
    assert np.abs(tangent_kernel(subject, data, reduce="class") - classes).max() <= tolerance * scale
    assert np.abs(tangent_kernel(subject, data, reduce="trace") - classes.mean(axis=0)).max() <= tolerance * scale


def _others(subject: Subject, data: Data) -> list[str]:
    """Parameters whose gradients are taken one example at a time."""
    with running(subject), torch.enable_grad():
        return Gradients(subject, choose(subject, data), None, 2**29).others


def _arrays(*shape: int) -> ArrayData:
    return ArrayData(torch.randn(*shape, generator=torch.Generator().manual_seed(0)))


def _tokens(n: int = 3, vocabulary: int = 11, length: int = 6) -> ArrayData:
    return ArrayData(torch.randint(0, vocabulary, (n, length), generator=torch.Generator().manual_seed(0)))


def _texts() -> TokenData:
    generator = np.random.default_rng(0)
    return TokenData([generator.integers(3, 64, size=k) for k in (4, 6, 5)])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class Convolutions(nn.Module):
    """Grouped, dilated, strided and padded ones, in one and three dimensions, with every normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 4, 3, padding="same", dilation=2)
        self.grouped = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, bias=False)
        self.batch_norm, self.group_norm = nn.BatchNorm2d(4), nn.GroupNorm(3, 6)
        self.line, self.layer_norm = nn.Conv1d(6, 5, 2), nn.LayerNorm(5)
        self.solid, self.rms_norm = nn.Conv3d(1, 2, 2, padding=1, padding_mode="circular"), nn.RMSNorm(5)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.batch_norm(self.plain(x)))
        x = F.gelu(self.group_norm(self.grouped(x)))
        x = self.line(x.flatten(2)).transpose(1, 2)
        x = self.rms_norm(self.layer_norm(x))
        x = self.solid(x[:, None, :3, :, None]).mean(dim=(2, 4))
        return self.head(x.flatten(1)[:, :10])


class Tied(nn.Module):
    """An embedding that is also the read-out, through a module or a plain product."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.embedding, self.mixing = nn.Embedding(11, 6, padding_idx=0), nn.Linear(6, 6)
        self.read_out = nn.Linear(6, 11, bias=False)
        self.read_out.weight = self.embedding.weight
        nn.init.normal_(self.embedding.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        x = torch.tanh(self.mixing(torch.tanh(self.mixing(x)))).mean(dim=1)  # a layer used twice
        if self.how == "module":
            return self.read_out(x)
        return F.linear(x, self.embedding.weight) if self.how == "function" else x @ self.embedding.weight.T


class Unusual(nn.Module):
    """Parameters that enter in ways of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.matrix = nn.Linear(5, 6), nn.Parameter(torch.randn(6, 6))
        self.gain, self.shift = nn.Parameter(torch.randn(6)), nn.Parameter(torch.randn(1, 1, 6))
        self.start, self.power = nn.Parameter(torch.randn(1, 1, 6)), nn.Parameter(torch.tensor(1.5))
        self.bilinear, self.normed = nn.Bilinear(6, 6, 3), nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
        self.unused = nn.Linear(4, 4)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.first(x))
        x = torch.cat([self.start.expand(len(x), -1, -1), x], dim=1)
        x = x @ self.matrix * self.gain
        x += self.shift
        x = (1.0 + self.gain) * x.abs() ** self.power
        y = torch.addmm(self.gain, x[:, 0], self.matrix)
        return self.bilinear(y, self.normed(x.mean(dim=1)))


class NativeTransformer(nn.Module):
    """PyTorch's own layers, which keep positions before examples inside."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.embedding, self.positions = nn.Embedding(11, 8), nn.Embedding(16, 8)
        self.read_out, self.batch_first = nn.Linear(8, 11), batch_first

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1])[None])
        x = self.encoder(x) if self.batch_first else self.encoder(x.transpose(0, 1)).transpose(0, 1)
        return self.read_out(x[:, -1])


def test_mlp() -> None:
    subject, data = Subject(Double(tiny_networks.MLP())), _arrays(7, 5)
    _check(subject, data)
    assert _others(subject, data) == []


def test_convolution_with_batch_norm() -> None:
    network = tiny_networks.CNN()
    network(torch.randn(64, 3, 9, 9))  # statistics of its own
    subject, data = Subject(Double(network)), _arrays(5, 3, 9, 9)
    _check(subject, data)
    assert _others(subject, data) == []


def test_every_convolution_and_normalisation() -> None:
    subject, data = Subject(Double(Convolutions())), _arrays(4, 3, 8, 7)
    _check(subject, data)
    assert _others(subject, data) == []


@pytest.mark.parametrize("how", ["module", "function", "transpose"])
def test_tied_weights_count_once_with_their_cross_terms(how: str) -> None:
    subject, data = Subject(Double(Tied(how))), _tokens(5)
    _check(subject, data)
    apart = sum(np.abs(full(jacobian(_frozen_but(subject, name), data))) for name in ("embedding", "mixing"))
    assert np.abs(tangent_kernel(subject, data)).max() <= apart.max() * (1 + 1e-9)


def _frozen_but(subject: Subject, name: str) -> Subject:
    module = copy.deepcopy(subject.module)
    for path, parameter in module.named_parameters():
        parameter.requires_grad_(name in path)
    return Subject(module)


def test_parameters_that_enter_in_ways_of_their_own() -> None:
    subject, data = Subject(Double(Unusual())), _arrays(5, 4, 5)
    _check(subject, data)


@pytest.mark.parametrize("batch_first", [True, False])
def test_transformer_of_pytorch(batch_first: bool) -> None:
    subject, data = Subject(Double(NativeTransformer(batch_first=batch_first))), _tokens(5)
    _check(subject, data)
    assert _others(subject, data) == []


def test_recurrent_network_takes_the_way_of_jacobians() -> None:
    subject, data = Subject(Double(tiny_networks.GRU())), _tokens(3, length=4)
    _check(subject, data)
    assert _others(subject, data) == [f"network.gru.{w}_l0" for w in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


@pytest.mark.parametrize("examples", [1, 2, 3, 6])
def test_as_many_positions_as_examples(examples: int) -> None:
    """Where both axes have the same length, they must not be taken for one another."""
    subject, data = Subject(Double(NativeTransformer(batch_first=True))), _tokens(examples, length=3)
    _check(subject, data)
    assert _others(subject, data) == []


def test_frozen_parameters_do_not_count() -> None:
    network = tiny_networks.MLP()
    network.first.weight.requires_grad_(False)
    _check(Subject(Double(network)), _arrays(5, 5))


@pytest.mark.parametrize(
    "name", ["gpt2", "llama", "neox", "opt", *(pytest.param(n, marks=pytest.mark.slow) for n in ("gemma2", "qwen3"))]
)
def test_language_models(name: str) -> None:
    subject = Subject(copy.deepcopy(tiny_networks.network(name)).double(), loss=NextToken())
    data = _texts()
    jacobians = jacobian(subject, data)
    assert len(jacobians) == 12  # predictions of texts of 4, 6 and 5 tokens
    truth = full(jacobians)
    assert np.abs(tangent_kernel(subject, data) - truth).max() <= _TOLERANCE * np.abs(truth).max()


def test_masked_language_model_of_uneven_predictions() -> None:
    subject = Subject(copy.deepcopy(tiny_networks.network("bert")).double(), loss=MaskedToken())
    generator = np.random.default_rng(1)
    texts = [generator.integers(3, 64, size=k) for k in (4, 9, 6)]
    _check(subject, TokenData(texts, masking=Masking(token=3, rate=0.4)))


def test_classifier_of_images_and_of_texts() -> None:
    _check(Subject(Double(tiny_networks.network("vit"))), _arrays(3, 3, 8, 8))
    texts = TokenData(_texts().sequences, targets=np.array([0, 2, 1]))
    _check(Subject(copy.deepcopy(tiny_networks.network("bert_classifier")).double(), loss=CrossEntropy()), texts)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in tiny_networks.NAMES if n not in tiny_networks.IMAGES])
def test_every_tiny_network_in_its_own_precision(name: str) -> None:
    encoder = name == "bert_encoder"
    loss = None if encoder else {"bert": MaskedToken(), "bert_classifier": CrossEntropy()}.get(name, NextToken())
    subject = Subject(copy.deepcopy(tiny_networks.network(name)), loss=loss)
    masking = Masking(token=3, rate=0.4) if name == "bert" else None
    texts = [t[:4] for t in _texts().sequences] if encoder else _texts().sequences
    data = TokenData(texts, targets=np.array([0, 2, 1]), masking=masking)
    truth = full(jacobian(subject, data))
    assert np.abs(tangent_kernel(subject, data) - truth).max() <= 1e-4 * np.abs(truth).max()
