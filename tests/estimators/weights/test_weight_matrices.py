"""Which matrices are read, in what order, and within what memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnomon.estimators import Budget
from gnomon.estimators.weights import (
    EffectiveRank,
    FrobeniusNorm,
    MarchenkoPasturBulk,
    SpectralNorm,
    TailExponent,
    known,
)
from gnomon.estimators.weights.marchenko_pastur_bulk import level_of_each
from gnomon.randomness import Rng
from gnomon.subjects import Site, Subject

KINDS = (FrobeniusNorm, SpectralNorm, EffectiveRank, MarchenkoPasturBulk, TailExponent)


def _blocks(n: int) -> Subject:
    """``n`` blocks of two layers each, and a head."""
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Module()
    for i in range(n):
        block = torch.nn.Module()
        for part in ("attention", "mlp"):
            layer = torch.nn.Linear(20, 24)
            layer.weight.data = torch.randn(24, 20, generator=generator)
            block.add_module(part, layer)
        network.add_module(f"b{i}", block)
    network.head = torch.nn.Linear(20, 30)
    sites = [Site(f"blocks.{i}", f"b{i}") for i in range(n)]
    sites += [Site(f"blocks.{i}.{part}", f"b{i}.{part}") for i in range(n) for part in ("attention", "mlp")]
    return Subject(network, sites=[*sites, Site("logits", "head")])


def _sites(subject: Subject, *sites: str) -> list[str]:
    return [m.site for m in FrobeniusNorm().measure(subject, None, sites=sites, budget=Budget(), rng=Rng(0))]


def test_sites_choose_matrices() -> None:
    subject = _blocks(12)
    everything = [m.site for m in subject.matrices()]
    assert list(FrobeniusNorm().sites(subject)) == everything == _sites(subject)
    assert _sites(subject, "blocks.1.attention") == ["blocks.1.attention:weight"]
    assert _sites(subject, "blocks.1.attention:weight") == ["blocks.1.attention:weight"]
    # what lies below, and neither block 10 nor block 11
    assert _sites(subject, "blocks.1") == ["blocks.1.attention:weight", "blocks.1.mlp:weight"]
    assert _sites(subject, "logits", "blocks.2.mlp") == ["blocks.2.mlp:weight", "logits:weight"]
    assert _sites(subject, "embed") == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_reading_does_not_depend_on_which_others_are_read(kind: type) -> None:
    subject = _blocks(2)
    together = kind().measure(subject, None, sites=(), budget=Budget(), rng=Rng(0))
    alone = kind().measure(subject, None, sites=("blocks.1.mlp",), budget=Budget(), rng=Rng(0))
    assert alone == [m for m in together if m.site == "blocks.1.mlp:weight"]


def test_the_randomness_of_a_matrix_is_its_own() -> None:
    """An interval from replicates is the same whether another matrix was read before it or not."""
    network = torch.nn.Sequential(
        known.pareto(Rng(0), 2.5, 150, 150)[0].module, known.pareto(Rng(2), 3.0, 150, 150)[0].module
    )
    subject = Subject(network)
    together = TailExponent().measure(subject, None, sites=(), budget=Budget(), rng=Rng(0))
    assert [m.status for m in together] == ["ok", "ok"]
    assert TailExponent().measure(subject, None, sites=(together[1].site or "",), budget=Budget(), rng=Rng(0)) == [
        together[1]
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_into_memory_is_insufficient_and_says_what_would_do(kind: type) -> None:
    layer = torch.nn.Linear(80, 90, bias=False)
    found = kind().measure(Subject(layer), None, sites=(), budget=Budget(bytes=1000), rng=Rng(0))
    assert {m.status for m in found} == {"insufficient"}
    assert {m.quantity for m in found} == {q.name for q in kind.quantities}
    enough = int(found[0].suffices["bytes"])
    again = kind().measure(Subject(layer), None, sites=(), budget=Budget(bytes=enough), rng=Rng(0))
    assert all("MiB" not in m.reason for m in again)
    assert kind().cost(Subject(layer), None, (), Budget()).peak_bytes == enough


def test_the_price_counts_the_named_matrices_only() -> None:
    subject = _blocks(2)
    one = SpectralNorm().cost(subject, None, ("logits",), Budget())
    all_of_them = SpectralNorm().cost(subject, None, (), Budget())
    assert 0 < one.flops < all_of_them.flops
    assert one.forward_passes == all_of_them.forward_passes == 0


def test_integers_are_not_weights() -> None:
    layer = torch.nn.Linear(4, 4)
    layer.packed = torch.nn.Parameter(torch.ones(4, 4, dtype=torch.uint8), requires_grad=False)
    assert len(FrobeniusNorm().measure(Subject(layer), None, sites=(), budget=Budget(), rng=Rng(0))) == 1


def test_a_network_without_matrices_gives_no_rows() -> None:
    assert FrobeniusNorm().measure(Subject(torch.nn.LayerNorm(4)), None, sites=(), budget=Budget(), rng=Rng(0)) == []


def test_levels_add_up_over_the_matrices_of_a_network() -> None:
    for m in (1, 7, 400):
        assert 1 - (1 - level_of_each(0.01, m)) ** m == pytest.approx(0.01)
    alone, among = (
        MarchenkoPasturBulk().measure(_blocks(n), None, sites=("blocks.0.mlp",), budget=Budget(), rng=Rng(0))[1]
        for n in (1, 9)
    )
    assert alone.diagnostics["matrices"] == 3
    assert among.diagnostics["matrices"] == 19
    assert among.diagnostics["edge"] > alone.diagnostics["edge"]
    assert np.isclose(among.diagnostics["level_of_matrix"], level_of_each(0.01, 19))
