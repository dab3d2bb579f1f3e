"""Organisms grown together, against `train` on each recipe alone."""

import numpy as np
import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.organisms import (
    ModularAddition,
    ModularMultiplication,
    ModularTransformer,
    Organism,
    Recipe,
    train,
    train_together,
)

CURVES = ("train_loss", "train_accuracy", "test_accuracy")
TRANSFORMER = ModularTransformer(p=7, d_model=12, heads=3, d_mlp=20, train_share=0.5, steps=120)


# In float64: under Adam, differences of rounding in a run alone grow 10^8-fold within 250 steps
class DoubleAddition(ModularAddition):
    def network(self) -> nn.Sequential:
        return _double(super().network())


class DoubleMultiplication(ModularMultiplication):
    def network(self) -> nn.Sequential:
        return _double(super().network())


class DoubleTransformer(ModularTransformer):
    def network(self) -> nn.Sequential:
        return super().network().double()


def _double(network: nn.Sequential) -> nn.Sequential:
    network.register_forward_pre_hook(lambda _module, inputs: (inputs[0].double(),))
    return network.double()


@pytest.mark.parametrize(
    "one",
    [
        DoubleAddition(p=11, width=32, steps=150),
        DoubleMultiplication(p=11, width=32, steps=150),
        DoubleTransformer(**TRANSFORMER.model_dump()),
    ],
    ids=lambda one: one.kind,
)
def test_each_is_the_organism_that_its_recipe_gives_alone(one: Recipe) -> None:
    specs = [
        one.model_copy(
            update={
                "seed": i,
                "learning_rate": one.learning_rate * (i + 1) / 3,
                "weight_decay": i / 2,
                "betas": (0.9 - 0.1 * i, 0.98 + 0.005 * i),
            }
        )
        for i in range(4)
    ]
    for spec, together in zip(specs, train_together(specs), strict=True):
        alone = train(spec)
        assert isinstance(together, Organism)
        assert together.spec == spec
        for curve in CURVES:
            expected = getattr(alone.history, curve)
            np.testing.assert_allclose(getattr(together.history, curve), expected, rtol=1e-8, atol=1e-12, err_msg=curve)
        for name, weight in alone.module.named_parameters():
            torch.testing.assert_close(together.module.get_parameter(name), weight, rtol=1e-7, atol=1e-9)
        assert (together.train.digest, together.test.digest) == (alone.train.digest, alone.test.digest)
        assert together.subject().name == alone.subject().name


def test_in_float32_it_agrees_to_rounding_where_training_is_not_chaotic() -> None:
    specs = [TRANSFORMER.model_copy(update={"seed": i, "weight_decay": float(i), "steps": 60}) for i in range(3)]
    for spec, together in zip(specs, train_together(specs), strict=True):
        np.testing.assert_allclose(together.history.train_loss, train(spec).history.train_loss, rtol=1e-4)


@pytest.mark.parametrize("one", [ModularAddition(p=7, width=12, steps=20), TRANSFORMER], ids=lambda one: one.kind)
def test_one_that_diverges_is_reported_and_disturbs_no_other(one: Recipe) -> None:
    specs = [one, one.model_copy(update={"learning_rate": 1e20}), one.model_copy(update={"seed": 1})]
    first, broken, second = train_together(specs)
    with pytest.raises(GnomonError) as caught:
        train(specs[1])
    assert isinstance(broken, GnomonError)
    assert str(broken) == str(caught.value)
    for found, alone in zip((first, second), train_together([specs[0], specs[2]]), strict=True):
        for name, weight in alone.module.named_parameters():
            torch.testing.assert_close(found.module.get_parameter(name), weight, rtol=1e-5, atol=1e-6)


def test_the_world_is_untouched_and_progress_is_told() -> None:
    torch.manual_seed(3)
    before, told = torch.get_rng_state(), []
    train_together([ModularAddition(p=5, steps=4)], progress=lambda step, steps: told.append((step, steps)))
    assert torch.equal(before, torch.get_rng_state())
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("change", [{"p": 11}, {"train_share": 0.5}, {"width": 9}, {"steps": 7}, {"init_scale": 1.0}])
def test_recipes_that_differ_in_more_are_refused(change: dict) -> None:
    one = ModularAddition(p=7, width=8, steps=3)
    with pytest.raises(GnomonError, match="agree in all but betas, learning_rate, seed, weight_decay"):
        train_together([one, one.model_copy(update=change)])


def test_no_recipes_are_refused() -> None:
    with pytest.raises(GnomonError):
        train_together([])


def test_observe_sees_every_step_before_its_update() -> None:
    specs, seen = [ModularAddition(p=5, steps=3, seed=seed) for seed in (0, 1)], []
    found = train_together(specs, observe=lambda step, e: seen.append((step, e.parameters["embed.weight"].clone())))
    assert [step for step, _ in seen] == [0, 1, 2, 3]
    for i, organism in enumerate(found):
        assert torch.equal(seen[0][1][i], specs[i].network().embed.weight)
        assert torch.equal(seen[-1][1][i], organism.module.embed.weight)
