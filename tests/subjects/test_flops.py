"""Counted FLOPs against loops that count every multiplication and addition, other kernels, and closed forms."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
)

from gnomon.subjects.flops import FlopCounter, Flops


class Tally(float):
    """A number that counts the multiplications and additions made with it."""

    made = 0

    def __mul__(self, other: float) -> Tally:
        Tally.made += 1
        return Tally(float(self) * float(other))

    __rmul__ = __mul__

    def __add__(self, other: float) -> Tally:
        Tally.made += 1
        return Tally(float(self) + float(other))

    __radd__ = __add__


def tallied(x: Tensor) -> Any:
    return np.vectorize(Tally, otypes=[object])(x.detach().numpy().astype(float))


def product(a: Any, b: Any) -> Any:
    """The textbook's three loops; each sum starts from zero."""
    out = np.full((a.shape[0], b.shape[1]), Tally(0.0), dtype=object)
    for i, j, k in itertools.product(range(a.shape[0]), range(b.shape[1]), range(a.shape[1])):
        out[i, j] = out[i, j] + a[i, k] * b[k, j]
    return out


def counted(run: Callable[[], Any]) -> FlopCounter:
    with FlopCounter() as counter:
        run()
    return counter


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


a, b, v, w = drawn(3, 4), drawn(4, 5, seed=1), drawn(4, seed=2), drawn(4, seed=3)
A, B = drawn(2, 3, 4), drawn(2, 4, 5, seed=1)
PRODUCTS: dict[str, tuple[Callable[[], Tensor], Callable[[], Any]]] = {
    "mm": (lambda: a @ b, lambda: product(tallied(a), tallied(b))),
    "mv": (lambda: a @ v, lambda: product(tallied(a), tallied(v[:, None]))),
    "dot": (lambda: v @ w, lambda: product(tallied(v[None]), tallied(w[:, None]))),
    "bmm": (lambda: A @ B, lambda: [product(tallied(x), tallied(y)) for x, y in zip(A, B, strict=True)]),
    "addmm": (lambda: torch.addmm(torch.zeros(3, 5), a, b), lambda: product(tallied(a), tallied(b))),
    "addmv": (lambda: torch.addmv(torch.zeros(3), a, v), lambda: product(tallied(a), tallied(v[:, None]))),
    "addbmm": (
        lambda: torch.addbmm(torch.zeros(3, 5), A, B),
        lambda: [product(tallied(x), tallied(y)) for x, y in zip(A, B, strict=True)],
    ),
    "linear": (lambda: F.linear(A, b.T.contiguous()), lambda: product(tallied(A.reshape(6, 4)), tallied(b))),
    "einsum": (
        lambda: torch.einsum("bij,bjk->bik", A, B),
        lambda: [product(tallied(x), tallied(y)) for x, y in zip(A, B, strict=True)],
    ),
}


@pytest.mark.parametrize("inference", [False, True], ids=["plain", "inference"])
@pytest.mark.parametrize("name", sorted(PRODUCTS))
def test_a_product_has_as_many_flops_as_three_loops_make(name: str, inference: bool) -> None:
    run, brute = PRODUCTS[name]
    Tally.made = 0
    brute()
    with torch.inference_mode(inference):
        counter = counted(run)
    assert counter.flops == Flops(Tally.made)
    assert counter.complete


def test_a_complex_product_is_four_real_ones() -> None:
    x = torch.complex(a, a)
    # (p + iq)(r + is) is 4 multiplications and 2 additions, and the sum 2 more: 8 where the real one has 2
    assert counted(lambda: x @ torch.complex(b, b)).flops == Flops(4 * 2 * 3 * 4 * 5)


@pytest.mark.parametrize("gqa", [1, 2], ids=["heads", "grouped"])
@pytest.mark.parametrize("causal", [False, True], ids=["open", "causal"])
def test_fused_attention_has_as_many_flops_as_loops_make(gqa: int, causal: bool) -> None:
    heads, n, m, d, kept = 2, 3, 5, 4, 0
    q, k = drawn(1, heads, n, d), drawn(1, heads // gqa, m, d, seed=1)
    Tally.made = 0
    for head, i in itertools.product(range(heads), range(n)):
        row, keys = tallied(q[0, head, i : i + 1]), tallied(k[0, head // gqa])
        scores = product(row, keys.T)
        product(scores, keys)
        kept += min(m, i + 1) if causal else m
    counter = counted(lambda: F.scaled_dot_product_attention(q, k, k, is_causal=causal, enable_gqa=gqa > 1))
    assert "_scaled_dot_product_flash_attention_for_cpu" in counter.by_operation
    assert counter.flops.needed == Tally.made
    assert counter.flops.masked == Tally.made - Tally.made // (heads * n * m) * kept


def attend(q: Tensor, k: Tensor, causal: bool, gqa: bool) -> None:
    F.scaled_dot_product_attention(q, k, k * 2, is_causal=causal, enable_gqa=gqa).sum().backward()


@pytest.mark.parametrize("causal", [False, True], ids=["open", "causal"])
@pytest.mark.parametrize("shared", [1, 2, 4], ids=["1", "2", "4"])
def test_fused_attention_counts_as_the_plain_one_forward_and_backward(shared: int, causal: bool) -> None:
    q, k = drawn(2, 4, 6, 8).requires_grad_(), drawn(2, 4 // shared, 6, 8, seed=1).requires_grad_()
    fused = counted(lambda: attend(q, k, causal, shared > 1))
    with sdpa_kernel(SDPBackend.MATH):
        plain = counted(lambda: attend(q, k, causal, shared > 1))
    assert fused.flops.needed == plain.flops.needed == 3 * 4 * 2 * 4 * 6 * 6 * 8
    assert plain.flops.recomputed == 0
    assert fused.flops.recomputed == 2 * 2 * 4 * 6 * 6 * 8
    assert fused.complete
    assert plain.complete


def meta(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


def kernels_of_accelerators() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """Each kernel that torch may choose on CUDA, forward and backward, of b=2, h=4, n=m=6, d=8, called on ``meta``."""
    ops = torch.ops.aten
    q = k = v = out = meta(2, 4, 6, 8)
    lse, empty, seed = meta(2, 4, 6), None, meta(2)
    rows = meta(2, 6, 4, 8)
    return {
        "flash": (
            lambda: ops._scaled_dot_product_flash_attention(q, k, v, 0.0, True),
            lambda g: ops._scaled_dot_product_flash_attention_backward(
                g, q, k, v, out, lse, empty, empty, 6, 6, 0.0, True, seed, seed
            ),
        ),
        "efficient": (
            lambda: ops._scaled_dot_product_efficient_attention(q, k, v, None, True, 0.0, True),
            lambda g: ops._scaled_dot_product_efficient_attention_backward(
                g, q, k, v, meta(0), out, lse, seed, seed, 0.0, [True, True, True, False], True
            ),
        ),
        "cudnn": (
            lambda: ops._scaled_dot_product_cudnn_attention(q, k, v, None, True, 0.0, True),
            lambda g: ops._scaled_dot_product_cudnn_attention_backward(
                g, q, k, v, out, lse, seed, seed, meta(0), meta(0), meta(0), 6, 6, 0.0, True
            ),
        ),
        "raw flash": (
            lambda: ops._flash_attention_forward(rows, rows, rows, None, None, 6, 6, 0.0, True, False),
            lambda g: ops._flash_attention_backward(
                rows, rows, rows, rows, rows, lse, None, None, 6, 6, 0.0, True, seed, seed
            ),
        ),
        "raw efficient": (
            lambda: ops._efficient_attention_forward(rows, rows, rows, None, None, None, None, None, 0.0, 1, True),
            lambda g: ops._efficient_attention_backward(
                rows, rows, rows, rows, None, rows, None, None, 6, 6, lse, 0.0, seed, seed, 1, False
            ),
        ),
    }


@pytest.mark.parametrize("name", sorted(kernels_of_accelerators()))
def test_kernels_of_accelerators_count_as_the_one_of_the_processor(name: str) -> None:
    forward, backward = kernels_of_accelerators()[name]
    q = drawn(2, 4, 6, 8).requires_grad_()
    with FlopCounter() as ahead:
        made = F.scaled_dot_product_attention(q, q, q, is_causal=True)
    back = counted(lambda: made.sum().backward())
    assert counted(forward).flops == ahead.flops
    assert counted(lambda: backward(meta(2, 4, 6, 8))).flops == back.flops


CONVOLUTIONS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (lambda: nn.Conv2d(4, 6, 3), (2, 4, 7, 6)),
    "strided, padded, dilated": (lambda: nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, dilation=2), (2, 4, 9, 8)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2), (2, 4, 7, 6)),
    "depthwise": (lambda: nn.Conv1d(6, 6, 4, groups=6, padding=3), (2, 6, 9)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (2, 4, 3, 5)),
}


def looped_convolution(layer: Any, x: Tensor) -> None:
    """Every term of a convolution: an output, an input channel of its group and a place in the kernel."""
    out = layer(x)
    transposed = layer.transposed
    points = x if transposed else out  # where the kernel is laid
    # a kernel of one channel at a point: (other channels of the group) × places
    others = (layer.out_channels if transposed else layer.in_channels) // layer.groups
    total = Tally(0.0)
    one = Tally(1.0)
    for _ in range(points.numel()):
        for _ in itertools.product(range(others), *(range(size) for size in layer.kernel_size)):
            total = total + one * one


@pytest.mark.parametrize("name", sorted(CONVOLUTIONS))
def test_a_convolution_has_as_many_flops_as_its_loops_make_and_its_backward_pass_twice(name: str) -> None:
    make, shape = CONVOLUTIONS[name]
    layer, x = make(), drawn(*shape).requires_grad_()
    Tally.made = 0
    looped_convolution(layer, x)
    with FlopCounter() as forward:
        out = layer(x)
    backward = counted(lambda: out.sum().backward())
    assert forward.flops.needed == Tally.made
    assert backward.flops.needed == 2 * Tally.made
    weights_only = counted(lambda: layer(x.detach()).sum().backward())
    assert weights_only.flops.needed == 2 * Tally.made  # forward, and the gradient of the weights


def test_a_grouped_convolution_counts_as_the_products_of_its_patches() -> None:
    x, weight = drawn(2, 4, 7, 6).requires_grad_(), drawn(6, 2, 3, 3, seed=1).requires_grad_()

    def by_patches() -> None:
        patches = F.unfold(x, 3).reshape(2, 2, 18, -1)  # sequence, group, terms, places
        kernels = weight.reshape(1, 2, 3, 18).expand(2, 2, 3, 18)
        (kernels @ patches).sum().backward()

    fused = counted(lambda: F.conv2d(x, weight, groups=2).sum().backward())
    assert fused.flops == counted(by_patches).flops
    with FlopCounterMode(display=False) as torchs:
        F.conv2d(x, weight, groups=2).sum().backward()
    assert torchs.get_total_flops() > fused.flops.needed  # it takes the groups' weights for one dense kernel


def transformer_layer(norm_first: bool) -> tuple[nn.Module, Tensor]:
    layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True, norm_first=norm_first).eval()
    return layer, drawn(2, 5, 16)


@pytest.mark.parametrize("norm_first", [False, True], ids=["after", "before"])
def test_a_fused_transformer_layer_counts_as_its_parts(norm_first: bool) -> None:
    layer, x = transformer_layer(norm_first)
    with torch.no_grad():
        fused = counted(lambda: layer(x))
    assert list(fused.by_operation) == ["_transformer_encoder_layer_fwd"]
    assert fused.flops.needed == counted(lambda: layer(x)).flops.needed
    assert fused.flops.needed == 2 * 2 * 5 * (4 * 16 * 16 + 2 * 16 * 24) + 4 * 2 * 5 * 5 * 16


def test_fused_multi_head_attention_counts_as_its_parts() -> None:
    layer, x = nn.MultiheadAttention(16, 4, batch_first=True).eval(), drawn(2, 5, 16)
    with torch.no_grad():
        fused = counted(lambda: layer(x, x, x, need_weights=False))
    assert list(fused.by_operation) == ["_native_multi_head_attention"]
    assert fused.flops.needed == counted(lambda: layer(x, x, x, need_weights=False)).flops.needed


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_layer_counts_every_matrix_at_every_step(cell: str) -> None:
    layer = getattr(nn, cell)(4, 6, num_layers=2, bidirectional=True, batch_first=True)
    x = drawn(3, 5, 4).requires_grad_()
    weights = sum(p.numel() for p in layer.parameters() if p.ndim == 2)
    forward = counted(lambda: layer(x))
    assert forward.flops.needed == 2 * 3 * 5 * weights
    both = counted(lambda: layer(x)[0].sum().backward())
    # what starts from zeros has no gradient to send to before the first step, and a kernel may know that
    assert 2.5 * forward.flops.needed < both.flops.needed <= 3 * forward.flops.needed
    assert both.complete


def llama(**changes: Any) -> LlamaForCausalLM:
    sizes: dict[str, Any] = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    return LlamaForCausalLM(LlamaConfig(**(sizes | changes))).eval()


def llama_flops(c: Any, b: int, t: int) -> int:
    r""":math:`2bt(\sum |W| + dV) + 4 b h t^2 d_h L`, with W the matrices of the blocks."""
    width = c.hidden_size // c.num_attention_heads
    matrices = c.hidden_size * width * (2 * c.num_attention_heads + 2 * c.num_key_value_heads)
    matrices += 3 * c.hidden_size * c.intermediate_size
    attention = 4 * b * c.num_attention_heads * t * t * width
    return c.num_hidden_layers * (2 * b * t * matrices + attention) + 2 * b * t * c.hidden_size * c.vocab_size


def gpt2_flops(c: Any, b: int, t: int) -> int:
    """The same of GPT-2, whose blocks hold 12 d² weights."""
    return c.n_layer * (24 * b * t * c.n_embd**2 + 4 * b * t * t * c.n_embd) + 2 * b * t * c.n_embd * c.vocab_size


def ids(b: int, t: int) -> Tensor:
    return torch.randint(0, 50, (b, t), generator=generator())


@pytest.mark.parametrize("backend", ["fused", "math", "eager"])
@pytest.mark.parametrize(("b", "t"), [(1, 1), (1, 7), (3, 20)], ids=["1x1", "1x7", "3x20"])
def test_language_models_have_the_flops_of_the_closed_form(b: int, t: int, backend: str) -> None:
    attention = {"attn_implementation": "eager"} if backend == "eager" else {}
    gpt = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=64, **attention)).eval()
    for model, closed in ((llama(**attention), llama_flops), (gpt, gpt2_flops)):
        with sdpa_kernel(SDPBackend.MATH if backend == "math" else [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
            both = counted(lambda model=model: model(ids(b, t)).logits.sum().backward())
            forward = counted(lambda model=model: model(ids(b, t)))
        assert forward.flops.needed == closed(model.config, b, t)
        assert both.flops.needed == 3 * closed(model.config, b, t)
        assert forward.complete
        assert both.complete


def test_a_network_is_counted_without_being_held() -> None:
    with torch.device("meta"):
        large = llama(hidden_size=4096, intermediate_size=11008, num_hidden_layers=2, num_attention_heads=32)
    counter = counted(lambda: large(torch.zeros(1, 64, dtype=torch.long, device="meta")))
    assert counter.flops.needed == llama_flops(large.config, 1, 64)


def test_rows_of_a_mixture_meet_the_experts_that_they_are_sent_to() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = MixtralConfig(vocab_size=50, num_hidden_layers=2, num_local_experts=4, num_experts_per_tok=2, **sizes)
    model = MixtralForCausalLM(config).eval()
    b, t = 2, 9
    with torch.no_grad():
        counter = counted(lambda: model(ids(b, t)))
    dense = 2 * b * t * (32 * 8 * (2 * 4 + 2 * 2) + 2 * 3 * 32 * 48 + 32 * 4) + 4 * b * 4 * t * t * 8
    assert counter.flops.needed == 2 * dense + 2 * b * t * 32 * 50
    assert counter.complete


def test_a_scan_is_counted_where_it_multiplies_and_listed_nowhere() -> None:
    config = MambaConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, state_size=4, use_mambapy=False)
    model, b, t = MambaForCausalLM(config).eval(), 2, 6
    with torch.no_grad():
        counter = counted(lambda: model(ids(b, t)))
    inner, rank = config.intermediate_size, config.time_step_rank
    products = 16 * 2 * inner + inner * (rank + 2 * 4) + rank * inner + inner * 16 + 16 * 50
    # the convolution is also laid where it is padded, three places past the end
    convolution = inner * config.conv_kernel * 2 * b * (t + config.conv_kernel - 1)
    assert counter.flops.needed == 2 * b * t * (products + inner * 4) + convolution
    assert counter.complete
    assert counter.elements > b * t * inner * 4  # the states themselves are made number by number


def test_the_known_counter_misses_fused_attention_on_processors() -> None:
    model, b, t = llama(), 2, 32
    with torch.no_grad(), FlopCounterMode(display=False) as torchs:
        model(ids(b, t))
    if torch.ops.aten._scaled_dot_product_flash_attention_for_cpu in torchs.flop_registry:
        pytest.skip("this torch counts it")
    missed = llama_flops(model.config, b, t) - torchs.get_total_flops()
    assert missed == 2 * 4 * b * 4 * t * t * 8


@torch.library.custom_op("gnomon_test::scan", mutates_args=())
def scan(x: Tensor) -> Tensor:
    return x.cumsum(0).clone()


def test_what_may_compute_and_is_not_known_is_listed() -> None:
    counter = counted(lambda: (scan(drawn(4)), scan(drawn(4)), torch.fft.rfft(drawn(4)), torch.linalg.svd(drawn(3, 3))))
    assert not counter.complete
    assert counter.uncounted == {"gnomon_test::scan": 2, "_fft_r2c": 1, "_linalg_svd": 1}
    assert counter.flops == Flops()


def test_a_sparse_product_is_listed_and_not_taken_for_a_dense_one() -> None:
    sparse = torch.eye(4).to_sparse()
    counter = counted(lambda: torch.sparse.mm(sparse, torch.ones(4, 4)))
    assert counter.flops == Flops()
    assert not counter.complete


@pytest.mark.parametrize("how", ["gradients", "no_grad", "inference"])
def test_counting_changes_no_bit_and_leaves_nothing_behind(how: str) -> None:
    model = llama()
    modes = {"gradients": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}
    with modes[how]():
        expected = model(ids(2, 9)).logits
        with FlopCounter() as counter:
            found = model(ids(2, 9)).logits
        with pytest.raises(RuntimeError), FlopCounter():
            torch.ones(2, 3) @ torch.ones(2, 3)
    assert torch.equal(found, expected)
    assert counter.flops.needed == llama_flops(model.config, 2, 9)
    assert _get_current_dispatch_mode_stack() == []
    if how == "gradients":
        found.sum().backward()
        gradients = [p.grad.clone() for p in model.parameters()]
        model.zero_grad()
        expected.sum().backward()
        assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))


def test_counters_in_each_other_both_count() -> None:
    with FlopCounter() as outer:
        a @ b
        with FlopCounter() as inner:
            a @ b
    assert inner.flops == Flops(2 * 3 * 4 * 5)
    assert outer.flops == inner.flops + inner.flops
