"""Sparse probing: concepts that one latent carries, that many do, that none does; no leakage from the held-out fold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_made import hand_made

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.evaluation import ArraySource, evaluate
from gnomon.structure.dictionaries.evaluation.coded_concept import CodedConcept
from gnomon.structure.dictionaries.evaluation.probing import sparse_probing
from gnomon.structure.examples import Examples

_WIDTH = 30


def _identity():
    """One latent for each coordinate."""
    return hand_made(torch.eye(_WIDTH), torch.zeros(_WIDTH), torch.eye(_WIDTH), _WIDTH)


def _examples(rows: int, seed: int, shift: torch.Tensor):
    generator = Rng(seed).torch()
    labels = torch.where(torch.arange(rows) % 2 == 0, 1.0, -1.0)
    inputs = torch.randn(rows, _WIDTH, generator=generator) + labels[:, None] * shift
    return Examples(inputs=inputs, labels=labels)


def _areas(dictionary, examples, seed=0, latents=(1, 5)):
    found = sparse_probing(CodedConcept(dictionary, examples, Rng(seed)), "c", Rng(seed), latents=latents)
    return {(m.labels["probe"], m.labels["latents"]): m for m in found}


def test_one_latent_that_carries_the_concept_is_found():
    shift = torch.zeros(_WIDTH)
    shift[7] = 1.5
    concept = CodedConcept(_identity(), _examples(400, 0, shift), Rng(0))
    assert all(int(concept.ranked(concept.outside(fold))[0]) == 7 for fold in range(concept.folds))
    areas = _areas(_identity(), _examples(400, 0, shift))
    # Φ(3/√2) for the whole coordinate; the latent is its positive part, so that ties take a little
    assert areas["latents", "1"].value > 0.95
    assert areas["dense", "all"].uncertainty.contains(areas["dense", "all"].value, 0.983)
    assert abs(areas["random", "1"].value - 0.5) < 0.15


def test_more_latents_tell_more_of_a_concept_that_many_carry():
    areas = _areas(_identity(), _examples(600, 1, torch.full((_WIDTH,), 0.35)), latents=(1, 5, 20))
    values = [areas["latents", k].value for k in ("1", "5", "20")]
    assert values[0] < values[1] < values[2] < areas["dense", "all"].value + 0.02
    assert areas["latents", "5"].value > areas["random", "1"].value


@pytest.mark.parametrize(
    ("seeds", "fewest"), [(10, 24), pytest.param(60, 163, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_concept_that_is_not_there_is_not_found(seeds, fewest):
    """No leakage: were latents chosen on all examples, the best of 30 would be above 1/2 time after time."""
    hits, values = 0, []
    for seed in range(seeds):
        areas = _areas(_identity(), _examples(120, seed, torch.zeros(_WIDTH)), seed, latents=(1,))
        values.append(areas["latents", "1"].value)
        hits += sum(one.uncertainty.contains(one.value, 0.5) for one in areas.values())
    # three areas each, at 95 %; those of a seed share their examples
    assert fewest <= hits <= 3 * seeds
    assert abs(np.mean(values) - 0.5) < 4 * np.std(values) / seeds**0.5


def test_codes_in_several_blocks_give_the_columns_of_all():
    inputs = torch.randn(5000, _WIDTH, generator=Rng(0).torch())
    examples = Examples(inputs=inputs, labels=torch.where(torch.arange(5000) % 2 == 0, 1.0, -1.0))
    concept = CodedConcept(_identity(), examples, Rng(0))
    columns = concept.columns(torch.tensor([4, 2]))
    assert torch.allclose(columns, inputs[:, [4, 2]].relu().double())


def test_dead_latents_and_few_examples():
    silent = hand_made(torch.eye(_WIDTH), torch.full((_WIDTH,), -1e6), torch.eye(_WIDTH), _WIDTH)
    areas = _areas(silent, _examples(100, 0, torch.ones(_WIDTH)))
    assert areas["latents", "5"].value == areas["random", "1"].value == 0.5
    few = _examples(8, 0, torch.ones(_WIDTH))
    found = evaluate(_identity(), ArraySource(few.inputs), concepts={"c": few}, rng=Rng(0))
    assert [(m.quantity, m.status) for m in found if m.labels.get("concept") == "c"] == [
        ("dictionary_probe_auroc", "insufficient")
    ]
    with pytest.raises(GnomonError, match="are not for a dictionary of vectors of width 30"):
        CodedConcept(_identity(), Examples(inputs=torch.ones(4, 2), labels=torch.tensor([1.0, 1, -1, -1])), Rng(0))


def test_everything_at_once_is_labelled_and_survives_json():
    from gnomon.measurement import Measurement, catalogue

    shift = torch.zeros(_WIDTH)
    shift[7] = 1.0
    examples = _examples(200, 0, shift)
    found = evaluate(
        _identity(), ArraySource(examples.inputs), others=[_identity()], concepts={"c": examples}, rng=Rng(0)
    )
    assert {m.quantity for m in found} == {
        "dictionary_explained_variance",
        "dictionary_l0",
        "dictionary_dead_share",
        "dictionary_density",
        "dictionary_stability",
        "dictionary_probe_auroc",
        "dictionary_absorption",
    }
    keys = [(m.quantity, tuple(sorted(m.labels.items()))) for m in found]
    assert len(set(keys)) == len(keys)
    for one in found:
        assert Measurement.from_json(one.to_json()) == one
        assert set(one.labels) == set(catalogue[one.quantity].dims) - {"site"}
    again = evaluate(
        _identity(), ArraySource(examples.inputs), others=[_identity()], concepts={"c": examples}, rng=Rng(0)
    )
    assert found == again
