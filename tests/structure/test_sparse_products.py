"""Sparse products against dense ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gnomon.randomness import Rng
from gnomon.structure.dictionaries import sparse_products
from gnomon.structure.dictionaries.selection import above, largest_of_all, largest_of_each, preactivations
from gnomon.structure.dictionaries.sparse_products import Pattern

N, M, D = 23, 17, 5


def _drawn(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = Rng(0).torch()
    mask = torch.rand(N, M, generator=generator) < 0.3
    mask[4], mask[:, 6] = False, False  # a vector and a latent without any
    values = torch.randn(N, M, generator=generator, dtype=dtype) * mask
    table = torch.randn(M, D, generator=generator, dtype=dtype)
    return mask, values, table


def _pattern(mask: Tensor) -> Pattern:
    rows, columns = torch.nonzero(mask, as_tuple=True)
    return Pattern.of_rows(rows, columns, *mask.shape)


def test_decoding_and_its_gradients_are_those_of_the_dense_product() -> None:
    mask, dense, table = _drawn()
    weight = torch.randn(N, D, generator=Rng(1).torch(), dtype=torch.float64)
    values = dense[mask].requires_grad_()
    table.requires_grad_()
    found = sparse_products.decode(_pattern(mask), values, table)
    of_values, of_table = torch.autograd.grad((found * weight).sum(), (values, table))
    assert torch.allclose(found, dense @ table, rtol=0, atol=1e-14)
    assert torch.allclose(of_table, dense.T @ weight, rtol=0, atol=1e-13)
    assert torch.allclose(of_values, (weight @ table.T)[mask], rtol=0, atol=1e-13)


def test_encoding_and_its_gradients_are_those_of_the_dense_product() -> None:
    mask, weight, encoder = _drawn()
    inputs = torch.randn(N, D, generator=Rng(2).torch(), dtype=torch.float64).requires_grad_()
    bias = torch.randn(M, generator=Rng(3).torch(), dtype=torch.float64).requires_grad_()
    encoder.requires_grad_()
    dense = inputs @ encoder.T + bias
    wanted = torch.autograd.grad((dense * weight).sum(), (inputs, encoder, bias))
    found = sparse_products.encode(_pattern(mask), dense.detach()[mask], inputs, encoder, bias)
    gradients = torch.autograd.grad((found * weight[mask]).sum(), (inputs, encoder, bias))
    assert torch.equal(found, dense[mask])
    for one, other in zip(gradients, wanted, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-13)


def test_a_part_of_the_latents_and_rows_of_codes() -> None:
    mask, dense, table = _drawn()
    pattern = _pattern(mask)
    part, kept = pattern.between(3, 9)
    assert torch.allclose(
        sparse_products.decode(part, dense[mask][kept], table), dense[:, 3:9] @ table[3:9], rtol=0, atol=1e-14
    )
    codes = pattern.codes(dense[mask])
    assert torch.equal(codes.dense(), dense)
    assert codes.indices.shape == (N, int(mask.sum(dim=1).max()))


@pytest.mark.parametrize("piece", [2**22, 40], ids=["one piece", "many pieces"])
def test_selection_is_that_of_the_full_matrix(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr("gnomon.structure.dictionaries.selection._PIECE", piece)
    generator = Rng(4).torch()
    inputs = torch.randn(N, D, generator=generator, dtype=torch.float64)
    encoder = torch.randn(M, D, generator=generator, dtype=torch.float64)
    bias = torch.randn(M, generator=generator, dtype=torch.float64)
    dense = inputs @ encoder.T + bias
    pieces = torch.cat([part.clone() for _, part in preactivations(inputs, encoder, bias)])
    assert torch.allclose(pieces, dense, rtol=0, atol=1e-13)

    pattern, values = largest_of_each(inputs, encoder, bias, 3)
    wanted = torch.where(dense >= dense.topk(3, dim=1).values[:, -1:], dense, 0.0)
    assert torch.allclose(pattern.codes(values).dense(), wanted, rtol=0, atol=1e-13)

    bound = torch.randn(M, generator=generator, dtype=torch.float64)
    chosen = above(inputs, encoder, bias, bound, most=1.0)
    assert chosen is not None
    wanted = torch.where(dense > bound, dense, 0.0)
    assert torch.allclose(chosen[0].codes(chosen[1]).dense(), wanted, rtol=0, atol=1e-13)
    assert above(inputs, encoder, bias, bound, most=0.01) is None

    positive = int((dense > 0).sum())
    for count in (1, 40, positive - 1, positive, positive + 30):
        pattern, values = largest_of_all(inputs, encoder, bias, count)
        least = dense.reshape(-1).sort(descending=True).values[min(count, positive) - 1]
        wanted = torch.where(dense >= least, dense, 0.0)
        assert torch.allclose(pattern.codes(values).dense(), wanted, rtol=0, atol=1e-13), count


def test_the_first_vectors_may_mislead_the_search_for_the_largest_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnomon.structure.dictionaries.selection._PIECE", 4 * M)
    inputs = torch.rand(N, D, generator=Rng(5).torch(), dtype=torch.float64)
    inputs[0] *= 1000.0
    encoder = torch.rand(M, D, generator=Rng(6).torch(), dtype=torch.float64)
    pattern, values = largest_of_all(inputs, encoder, torch.zeros(M, dtype=torch.float64), 2 * N)
    dense = inputs @ encoder.T
    assert len(values) == 2 * N
    assert torch.allclose(values.sort().values, dense.reshape(-1).topk(2 * N).values.sort().values)
    assert len(pattern.columns) == 2 * N
