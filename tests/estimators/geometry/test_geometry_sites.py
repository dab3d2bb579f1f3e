"""The family as a whole: which sites, one pass and one sample for all, what it costs."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator
from gnomon.estimators import geometry as family
from gnomon.estimators.estimator import measure_together
from gnomon.estimators.geometry.row_estimator import stream_sites
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Site, Subject

KINDS = [k for k in vars(family).values() if isinstance(k, type) and issubclass(k, Estimator)]


def layered(*names):
    module = nn.ModuleDict({n.replace(".", "_"): nn.Identity() for n in names if n != "logits"})
    sites = [Site(n, "" if n == "logits" else n.replace(".", "_")) for n in names]
    return Subject(module, sites=sites)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("embed", "blocks.0.attention", "blocks.0", "blocks.1", "logits"), ("embed", "blocks.0", "blocks.1")),
        (("encoder", "decoder", "logits"), ("encoder", "decoder")),
        (("logits",), ("logits",)),
    ],
)
def test_sites_are_those_of_the_residual_stream(names, chosen):
    assert stream_sites(layered(*names)) == chosen


def network(width=24, depth=4):
    torch.manual_seed(0)
    layers = [nn.Linear(10, width)]
    for _ in range(depth - 1):
        layers += [nn.ReLU(), nn.Linear(width, width)]
    return Subject(nn.Sequential(*layers, nn.ReLU(), nn.Linear(width, 5)))


def test_all_share_one_sample_a_site_in_one_pass():
    subject, data = network(), ArrayData(np.random.default_rng(0).normal(size=(600, 10)))
    instruments = [kind() for kind in KINDS]
    sites = {e.name: e.sites(subject) for e in instruments}
    statistics = {s for e in instruments for s in e.statistics(subject, data, sites[e.name], Budget()).values()}
    assert len(statistics) == len(subject.sites) - 1
    runs = []
    handle = subject.module.register_forward_hook(lambda m, args, out: runs.append(len(out)))
    found = measure_together(instruments, subject, data, sites, budget=Budget(), rng=Rng(0))
    handle.remove()
    assert sum(runs) <= 600 + 16
    quantities = {m.quantity for measurements in found.values() for m in measurements}
    assert len(quantities) >= 11
    for instrument in instruments:
        alone = instrument.measure(subject, data, sites=sites[instrument.name], budget=Budget(), rng=Rng(0))
        assert [m.to_json() for m in alone] == [m.to_json() for m in found[instrument.name]]


def test_no_loss_and_no_labels_are_needed():
    subject, data = Subject(nn.Linear(6, 6)), ArrayData(np.random.default_rng(0).normal(size=(50, 6)))
    for kind in KINDS:
        if kind is not family.LinearCKA:
            assert kind().inapplicable(subject, data) == ""
        assert "needs data" in kind().inapplicable(subject, None)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_must_be_a_positive_number(kind):
    with pytest.raises(GnomonError, match="rows = 0"):
        kind(rows=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_price_grows_with_rows_and_sites(kind):
    subject, data = network(), ArrayData(np.random.default_rng(0).normal(size=(600, 10)))
    price = {
        (rows, sites): kind(rows=rows).cost(subject, data, sites, Budget())
        for rows in (100, 400)
        for sites in (("blocks.0", "blocks.1"), ("blocks.0", "blocks.1", "blocks.2", "blocks.3"))
    }
    costs = list(price.values())
    assert costs[0].flops < costs[1].flops < costs[3].flops
    assert costs[0].flops < costs[2].flops
    assert all(c.forward_passes == 600 and c.peak_bytes > 0 for c in costs)


def test_finishing_takes_little():
    """Six sites of a small language model; ample room for a busy machine, none for a mistake in the order."""
    subject = network(width=64, depth=6)
    data = ArrayData(np.random.default_rng(0).normal(size=(2048, 10)))
    instruments = [kind() for kind in KINDS]
    sites = {e.name: e.sites(subject) for e in instruments}
    started = time.process_time()
    measure_together(instruments, subject, data, sites, budget=Budget(), rng=Rng(0))
    assert time.process_time() - started < 15


@pytest.mark.shared
def test_a_real_language_model_is_read_with_uncertainty_at_every_site(shared_data):
    from gnomon.subjects import load, load_data

    subject = load(shared_data / "stories260K")
    data = load_data(shared_data / "stories_sampled.txt", subject, overlong="truncate", limit=300)
    instruments = [kind(rows=800) for kind in KINDS]
    sites = {e.name: e.sites(subject) for e in instruments}
    found = measure_together(instruments, subject, data, sites, budget=Budget(), rng=Rng(0))
    by_quantity = {}
    for m in (m for measurements in found.values() for m in measurements):
        assert m.status == "ok" or (m.status == "insufficient" and m.reason)
        by_quantity.setdefault(m.quantity, []).append(m)
    for quantity in ("participation_ratio", "cka", "activation_norm", "anisotropy", "activation_kurtosis"):
        assert all(m.status == "ok" for m in by_quantity[quantity]), quantity
    norms = [m.value for m in by_quantity["activation_norm"]]
    assert norms == sorted(norms)  # the residual stream of this model grows from block to block
    assert all(1 <= m.value <= 64 for m in by_quantity["participation_ratio"])
