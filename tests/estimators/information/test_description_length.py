"""Code lengths of real architectures, the rows they are taken from, and how far readings scatter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.information import DescriptionLength, known_codes
from gnomon.estimators.information.labelled_rows import LabelledAccumulator, LabelledRows
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import (
    ArrayData,
    CrossEntropy,
    Data,
    MaskedToken,
    Masking,
    NextToken,
    Subject,
    TokenData,
    accumulate,
    capture,
)
from subjects import tiny_networks


def read(subject: Subject, data: Data, *sites: str, seed: int = 0, **options: Any) -> list[Measurement]:
    instrument = DescriptionLength(**options)
    places = sites or instrument.sites(subject)
    return instrument.measure(subject, data, sites=places, budget=Budget(), rng=Rng(seed))


def _tokens(count: int, seed: int = 0) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [
        list(generator.integers(3, tiny_networks.VOCABULARY, size=n)) for n in generator.integers(5, 20, size=count)
    ]


def _language_model(name: str = "llama") -> Subject:
    return Subject(tiny_networks.network(name), loss=NextToken())


def rows_of(subject: Subject, data: Data, site: str, rows: int = 10**6, **more: Any) -> LabelledAccumulator:
    statistic = LabelledRows(site, rows)
    found = accumulate(subject, data, [statistic], Rng(0), **more)[0][statistic]
    assert isinstance(found, LabelledAccumulator)
    return found


def test_rows_are_the_activations_that_predictions_are_read_from() -> None:
    subject, data = _language_model(), TokenData(_tokens(6))
    found = rows_of(subject, data, "blocks.1")
    assert len(found.labels) == sum(len(s) - 1 for s in data.sequences)
    for example, text in enumerate(data.sequences):
        statistic = LabelledRows("blocks.1", 1)
        activations = capture(subject, data.batch([example]), statistic.reads).activations["blocks.1"][0]
        rows = np.flatnonzero(found.clusters == example)
        off = torch.cdist(torch.from_numpy(found.values[rows]), activations)
        places = off.argmin(dim=1).numpy()
        assert off.amin(dim=1).max() < 1e-4
        assert sorted(places) == list(range(len(text) - 1))
        np.testing.assert_array_equal(found.labels[rows], text[places + 1])


def test_whole_examples_are_read_at_the_mean_of_their_real_positions() -> None:
    module = tiny_networks.network("bert_classifier")
    data = TokenData(_tokens(5), targets=np.array([0, 1, 2, 1, 0]))
    subject = Subject(module, loss=CrossEntropy())
    found = rows_of(subject, data, "blocks.0")
    assert sorted(zip(found.clusters.tolist(), found.labels.tolist(), strict=True)) == list(enumerate([0, 1, 2, 1, 0]))
    for row, example in enumerate(found.clusters):
        alone = capture(subject, data.batch([int(example)]), LabelledRows("blocks.0", 1).reads)
        np.testing.assert_allclose(found.values[row], alone.activations["blocks.0"][0].mean(0), atol=1e-5)


def test_the_sample_is_one_for_all_sites_batchings_and_shards() -> None:
    subject, data = _language_model(), TokenData(_tokens(40))
    first, last = (rows_of(subject, data, site, 100) for site in ("blocks.0", "blocks.1"))
    np.testing.assert_array_equal(first.labels, last.labels)
    small = rows_of(subject, data, "blocks.1", 100, max_positions=40)
    np.testing.assert_array_equal(small.labels, last.labels)
    np.testing.assert_allclose(small.values, last.values, atol=1e-5)
    statistic = LabelledRows("blocks.1", 100)
    parts = [statistic.empty(subject, data, Rng(0)) for _ in range(2)]
    for part, examples in zip(parts, (np.arange(0, 40, 2), np.arange(1, 40, 2)), strict=True):
        part.update(capture(subject, data.batch(examples), statistic.reads))
    parts[0].merge(parts[1])
    np.testing.assert_array_equal(parts[0].labels, last.labels)
    np.testing.assert_allclose(parts[0].values, last.values, atol=1e-5)


def test_every_prediction_is_as_likely_as_any_other() -> None:
    subject = Subject(nn.Identity(), loss=CrossEntropy())
    data = ArrayData(np.eye(50), np.arange(50))
    counts = np.zeros(50)
    for seed in range(600):
        statistic = LabelledRows("logits", 10)
        found = accumulate(subject, data, [statistic], Rng(seed))[0][statistic]
        assert isinstance(found, LabelledAccumulator)
        counts[found.labels] += 1
    assert np.abs(counts - 120).max() < 5 * np.sqrt(120)


def _masked() -> tuple[Subject, Data]:
    data = TokenData(_tokens(60), masking=Masking(2, rate=0.3), special=frozenset({2}))
    return Subject(tiny_networks.network("bert"), loss=MaskedToken()), data


def _images() -> tuple[Subject, Data]:
    generator = np.random.default_rng(0)
    data = ArrayData(generator.normal(size=(80, 3, 8, 8)).astype(np.float32), generator.integers(3, size=80))
    return Subject(tiny_networks.network("vit"), loss=CrossEntropy(), data=data), data


def _convolutions() -> tuple[Subject, Data]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3))
    data = _images()[1]
    return Subject(network, loss=CrossEntropy(), data=data), data


def _causal() -> tuple[Subject, Data]:
    return _language_model("gpt2"), TokenData(_tokens(30))


@pytest.mark.parametrize("make", [_causal, _masked, _images, _convolutions])
def test_works_on_every_kind_of_network(make: Callable[[], tuple[Subject, Data]]) -> None:
    subject, data = make()
    found = read(subject, data)
    assert {m.site for m in found} == set(DescriptionLength().sites(subject))
    for m in found:
        assert m.status == "ok", m.reason
        if m.quantity == "prequential_code_length":
            assert m.value is not None
            assert 0 < float(m.value) < 2 * m.diagnostics["uniform"]


def test_at_most_four_sites_from_first_to_last() -> None:
    subject = _language_model("gpt2")
    assert DescriptionLength().sites(subject) == ("blocks.0", "blocks.1")
    deep = Subject(nn.Sequential(*(nn.Linear(4, 4) for _ in range(12))), loss=CrossEntropy())
    assert DescriptionLength().sites(deep) == ("blocks.0", "blocks.3", "blocks.7", "blocks.10")


def test_labels_that_the_network_works_out_are_easier_to_read_deeper() -> None:
    """Parity of two signs: unreadable at the input, read off after the hidden layer."""
    first = nn.Linear(2, 4)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]))
        first.bias.zero_()
    network = nn.Sequential(nn.Linear(2, 2), nn.Identity(), first, nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(2))
        network[0].bias.zero_()
        network[4].weight.copy_(torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]))
        network[4].bias.zero_()
    generator = np.random.default_rng(0)
    points = generator.choice([-1.0, 1.0], size=(600, 2)) * generator.uniform(0.5, 1.5, size=(600, 2))
    data = ArrayData(points, (points.prod(axis=1) > 0).astype(np.int64))
    subject = Subject(network, loss=CrossEntropy(), data=data)
    saved = {m.site: m for m in read(subject, data, *subject.sites) if m.quantity == "code_length_saved"}
    values = [float(m.value or 0.0) for m in saved.values()]
    assert values[0] < 0.01
    assert values[-1] > 0.4


def test_rows_of_one_cluster_count_once() -> None:
    subject, data, _ = known_codes.readable(Rng(0))
    assert isinstance(data, ArrayData)
    copied = ArrayData(
        data.inputs.repeat_interleave(4, 0),
        torch.as_tensor(data.targets).repeat_interleave(4, 0),
        clusters=np.repeat(np.arange(200), 4),
    )
    together, _ = read(subject, copied, "logits")
    alone, _ = read(subject, ArrayData(copied.inputs, copied.targets), "logits")
    assert together.value == pytest.approx(float(alone.value or 0.0), abs=1e-6)
    assert float(np.asarray(together.uncertainty.error)) > 1.3 * float(np.asarray(alone.uncertainty.error))


def test_too_little_is_refused_and_says_what_would_do() -> None:
    subject, data, _ = known_codes.readable(Rng(0))
    for m in read(subject, data.take(np.arange(40)), "logits"):
        assert m.status == "insufficient"
        assert "40 predictions" in m.reason
        assert m.suffices == {"examples": 64.0}


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(GnomonError, match="at least 64"):
        DescriptionLength(rows=32)


@pytest.mark.slow
def test_readings_scatter_as_their_errors_say(shared_data: Path) -> None:
    """Twelve disjoint sets of texts through a real model: the spread of the readings against the stated errors."""
    from gnomon.subjects import load, load_data

    subject = load(shared_data / "stories260K")
    data = load_data(shared_data / "stories_sampled.txt", subject, limit=1200)
    readings = [read(subject, data.take(np.arange(i, 1200, 12)), "blocks.3", seed=i, rows=512) for i in range(12)]
    for column in zip(*readings, strict=True):
        spread = np.std([float(m.value or 0.0) for m in column], ddof=1)
        stated = np.mean([float(np.asarray(m.uncertainty.error)) for m in column])
        assert 0.6 < spread / stated < 1.6
