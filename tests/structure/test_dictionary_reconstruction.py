"""Explained variance, L0, densities and dead latents: against brute force, in any blocks, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_made import drawn, hand_made

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.evaluation import ArraySource, Rows, evaluate
from gnomon.structure.dictionaries.evaluation.reconstruction import Reconstruction


def _measured(dictionary, source):
    return {m.quantity: m for m in evaluate(dictionary, source, rng=Rng(0))}


def _clustered(generator, clusters, size, width):
    """Rows with a part that all of a cluster share; coordinate j has variance (1 + j) of each part."""
    scale = np.sqrt(1 + np.arange(width))
    shared = np.repeat(generator.standard_normal((clusters, width)), size, axis=0)
    return (scale * (shared + generator.standard_normal((clusters * size, width)))).astype(np.float32)


def _keeps_first(width: int):
    """A dictionary that keeps the first coordinate and loses the others: two latents, one for each sign."""
    rows = torch.zeros(2, width)
    rows[0, 0], rows[1, 0] = 1.0, -1.0
    return hand_made(rows, torch.zeros(2), rows, active=2)


def test_against_brute_force_in_any_blocks():
    generator = np.random.default_rng(0)
    rows = torch.from_numpy(generator.standard_normal((5000, 8)).astype(np.float32)) + 100
    clusters = generator.integers(0, 40, size=5000) * 7
    dictionary = drawn(24, 8, active=4)
    dictionary.input_mean.fill_(100.0)
    dictionary.target_mean.fill_(101.0)  # not the mean of the rows
    dictionary.encoder_bias.data[3] = -1e3
    found = _measured(dictionary, ArraySource(rows, clusters=clusters))
    dense = dictionary.encode(rows).dense()
    with torch.no_grad():
        left = (rows - dictionary.decode(dictionary.encode(rows))).double().square().sum()
    total = (rows.double() - rows.double().mean(dim=0)).square().sum()
    assert found["dictionary_explained_variance"].value == pytest.approx(float(1 - left / total), abs=1e-6)
    assert found["dictionary_l0"].value == pytest.approx(float((dense > 0).sum(dim=1).double().mean()))
    assert np.allclose(found["dictionary_density"].value, (dense > 0).double().mean(dim=0).numpy())
    dead = found["dictionary_dead_share"]
    assert dead.value == pytest.approx(float((dense.sum(dim=0) == 0).double().mean()))
    assert dead.diagnostics["dead"] >= 1
    assert dead.uncertainty.kind == "exact"

    other = Reconstruction(dictionary)
    ids = np.unique(clusters, return_inverse=True)[1]
    for part in np.array_split(generator.permutation(5000), 9):
        other.update(Rows(rows[part], rows[part], ids[part]))
    again = {m.quantity: m for m in other.measurements(site=None, level=0.95)}
    for name, one in found.items():
        assert np.allclose(again[name].value, one.value, rtol=1e-10), name
        if one.uncertainty.kind != "exact":
            assert np.allclose(again[name].uncertainty.low, one.uncertainty.low, rtol=1e-6), name
    assert torch.allclose(other.mean, rows.double().mean(dim=0))


def test_explained_variance_of_a_linear_dictionary_is_covered():
    """Coordinate 1 of variance 2 of 2 + 4 + 6: a sixth is explained, whatever the clusters."""
    dictionary, hits, values = _keeps_first(3), 0, []
    for seed in range(200):
        rows = _clustered(np.random.default_rng(seed), clusters=50, size=8, width=3)
        one = _measured(dictionary, ArraySource(rows, clusters=np.repeat(np.arange(50), 8)))
        one = one["dictionary_explained_variance"]
        values.append(one.value)
        hits += one.uncertainty.contains(one.value, 1 / 6)
    error = np.std(values) / len(values) ** 0.5
    assert abs(np.mean(values) - 1 / 6) < 4 * error + 0.005  # the ratio's bias is of order 1 / clusters
    # 200 intervals at 95 %: fewer than 180 or all of them cover once in a thousand
    assert 180 <= hits < 200


def test_rows_taken_as_independent_would_not_cover():
    dictionary, hits = _keeps_first(3), 0
    for seed in range(60):
        rows = _clustered(np.random.default_rng(seed), clusters=50, size=8, width=3)
        one = _measured(dictionary, ArraySource(rows))["dictionary_explained_variance"]
        hits += one.uncertainty.contains(one.value, 1 / 6)
    assert hits < 50


def test_many_clusters_are_dealt_into_groups_and_still_cover():
    dictionary, hits, counts = _keeps_first(3), 0, set()
    for seed in range(60):
        rows = _clustered(np.random.default_rng(seed), clusters=2000, size=3, width=3)
        one = _measured(dictionary, ArraySource(rows, clusters=np.repeat(np.arange(2000), 3)))
        one = one["dictionary_explained_variance"]
        counts.add((one.diagnostics["clusters"], one.diagnostics["groups"]))
        hits += one.uncertainty.contains(one.value, 1 / 6)
    assert counts == {(2000, 1024)}
    assert 50 <= hits <= 60


def test_densities_of_clustered_rows_are_covered():
    """Latent 1 fires in whole clusters, latent 2 by row, latent 3 never: the truth is 0.2, 0.1 and 0."""
    encoder = torch.eye(3)
    dictionary = hand_made(encoder, torch.zeros(3), encoder, active=3)
    truth, covered = np.array([0.2, 0.1, 0.0]), []
    for seed in range(150):
        generator = np.random.default_rng(seed)
        rows = np.full((60 * 20, 3), -1.0, dtype=np.float32)
        rows[np.repeat(generator.random(60) < 0.2, 20), 0] = 1.0
        rows[generator.random(len(rows)) < 0.1, 1] = 1.0
        density = _measured(dictionary, ArraySource(rows, clusters=np.repeat(np.arange(60), 20)))["dictionary_density"]
        low, high = np.asarray(density.uncertainty.low), np.asarray(density.uncertainty.high)
        covered.append((low <= truth) & (truth <= high))
        # 60 clusters without an event: Clopper and Pearson's upper end
        assert high[2] == pytest.approx(1 - 0.025 ** (1 / 60))
    shares = np.mean(covered, axis=0)
    # Clopper and Pearson's interval covers more often than asked for, and 150 draws are off by 0.05 at most
    assert shares[:2].min() > 0.9
    assert shares[2] == 1


def test_a_transcoder_is_measured_on_its_targets():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(500, 4, generator=generator)
    weight = torch.randn(6, 4, generator=generator)
    targets = (inputs @ weight.T).relu() + 0.3
    dictionary = hand_made(weight, torch.zeros(6), torch.eye(6), active=6)
    dictionary.decoder_bias.data.fill_(0.3)
    found = _measured(dictionary, ArraySource(inputs, targets))
    assert found["dictionary_explained_variance"].value == pytest.approx(1, abs=1e-6)


def test_too_little_and_bad_input():
    dictionary = _keeps_first(3)
    rows = np.random.default_rng(0).standard_normal((50, 3))
    one_text = ArraySource(rows, clusters=np.zeros(50, dtype=np.int64))
    alone = _measured(dictionary, one_text)
    assert alone["dictionary_explained_variance"].status == alone["dictionary_l0"].status == "insufficient"
    # what the rows at hand show needs no others
    positive = np.count_nonzero(rows[:, 0] > 0) / 50
    assert np.asarray(alone["dictionary_density"].value) == pytest.approx([positive, 1 - positive])
    assert alone["dictionary_density"].uncertainty.kind == "unknown"
    assert alone["dictionary_dead_share"].value == 0
    constant = _measured(dictionary, ArraySource(np.ones((50, 3), dtype=np.float32)))
    assert constant["dictionary_explained_variance"].status == "insufficient"
    assert "do not vary" in constant["dictionary_explained_variance"].reason
    assert constant["dictionary_l0"].value == 1
    with pytest.raises(GnomonError, match="are not rows"):
        ArraySource(np.ones((5, 3)), np.ones((4, 3)))
    with pytest.raises(GnomonError, match="NaN"):
        list(ArraySource(np.full((5, 3), np.nan)).blocks())
    with pytest.raises(GnomonError, match="width 3, the targets have width 4"):
        evaluate(dictionary, ArraySource(np.ones((5, 4))), rng=Rng(0))


def test_files_are_read_block_by_block(tmp_path):
    rows = np.random.default_rng(0).standard_normal((9000, 3)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    mapped = ArraySource(np.load(tmp_path / "rows.npy", mmap_mode="r"))
    assert [len(block.inputs) for block in mapped.blocks()] == [4096, 4096, 808]
    dictionary = _keeps_first(3)
    in_memory, in_file = (_measured(dictionary, source) for source in (ArraySource(rows), mapped))
    assert all(in_file[name] == one for name, one in in_memory.items())
