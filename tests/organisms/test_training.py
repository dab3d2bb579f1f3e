"""The organism groks, for the right reason, reproducibly, and only with weight decay."""

import numpy as np
import pytest
import torch

from gnomon.errors import GnomonError
from gnomon.organisms import ModularAddition, Organism, train
from gnomon.subjects import Subject

SEEDS = range(10)


@pytest.fixture(scope="module")
def grown() -> list[Organism]:
    return [train(ModularAddition(seed=seed)) for seed in SEEDS]


def test_it_groks_within_the_stated_steps(grown: list[Organism]) -> None:
    shown = 0
    for organism in grown:
        fits, generalises = organism.history.first_step("train"), organism.history.first_step("test")
        assert fits is not None
        shown += fits <= 30 and generalises is not None and 200 <= generalises <= 500
        # when the training pairs are fitted, the test pairs are not even at twice chance
        assert organism.history.test_accuracy[fits] < 2 / 23
    assert shown >= 9


def test_it_stays_grokked(grown: list[Organism]) -> None:
    assert sum(o.history.test_accuracy[-50:].min() >= 0.98 for o in grown) >= 9


def test_without_weight_decay_it_does_not_grok() -> None:
    for seed in range(4):
        history = train(ModularAddition(seed=seed, weight_decay=0.0)).history
        assert history.first_step("train") <= 30
        assert history.test_accuracy.max() < 0.2


def test_with_too_few_pairs_it_does_not_grok() -> None:
    history = train(ModularAddition(train_share=0.25)).history
    assert history.train_accuracy[-1] == 1.0
    assert history.test_accuracy.max() < 0.2


def _wave_share(weight: torch.Tensor, p: int) -> float:
    """Share of the power of each hidden unit that lies in its strongest frequency, averaged by power."""
    blocks = weight.detach().numpy().reshape(len(weight), 2, p)
    frequency, position = np.arange(1, (p - 1) // 2 + 1), np.arange(p)
    waves = np.exp(-2j * np.pi * np.outer(position, frequency) / p)
    power = (np.abs(blocks @ waves) ** 2).sum(axis=1)
    return float(power.max(axis=1).sum() / power.sum())


def test_every_hidden_unit_becomes_one_wave(grown: list[Organism]) -> None:
    for organism in grown:
        before = _wave_share(organism.spec.network().embed.weight, organism.spec.p)
        after = _wave_share(organism.module.embed.weight, organism.spec.p)
        assert before < 0.3
        assert after > 0.75
    memorised = train(ModularAddition(weight_decay=0.0))
    assert _wave_share(memorised.module.embed.weight, 23) < 0.5


def test_the_measure_of_waves_is_right() -> None:
    angle = 2 * np.pi * np.arange(23) / 23
    wave = np.concatenate([np.cos(3 * angle + 0.4), np.sin(3 * angle)])
    other = np.concatenate([np.cos(7 * angle), np.zeros(23)])
    assert _wave_share(torch.from_numpy(np.stack([wave, other])), 23) == pytest.approx(1.0)
    # powers 2 and 1 in two frequencies of one unit
    assert _wave_share(torch.from_numpy((wave + other)[None]), 23) == pytest.approx(2 / 3)


def test_the_same_recipe_gives_the_same_weights_to_the_bit() -> None:
    spec = ModularAddition(p=11, steps=60)
    torch.manual_seed(1)
    one = train(spec)
    torch.manual_seed(2)
    again = train(spec)
    assert one.subject().weights_hash() == again.subject().weights_hash()
    assert np.array_equal(one.history.train_loss, again.history.train_loss)
    other = train(ModularAddition(p=11, steps=60, seed=1))
    assert one.subject().weights_hash() != other.subject().weights_hash()


def test_the_global_random_state_is_untouched_and_no_gradient_stays() -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the global state
    organism = train(ModularAddition(p=5, steps=5))
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    assert all(parameter.grad is None for parameter in organism.module.parameters())


def test_the_history_is_that_of_a_loop_written_apart() -> None:
    spec = ModularAddition(p=7, width=32, steps=20)
    first, second = (w.weight.detach().clone().requires_grad_() for w in (spec.network()[0], spec.network()[2]))
    moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in (first, second)]
    data = spec.data()[0]
    target = torch.eye(7)[data.targets]
    losses = []
    for step in range(21):
        loss = (((data.inputs @ first.T) ** 2) @ second.T - target).pow(2).mean()
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, [first, second])
        with torch.no_grad():
            # decoupled weight decay, Loshchilov & Hutter, arXiv:1711.05101, algorithm 2
            for w, g, (m, v) in zip((first, second), gradients, moments, strict=True):
                m.mul_(0.9).add_(0.1 * g)
                v.mul_(0.98).add_(0.02 * g * g)
                update = (m / (1 - 0.9 ** (step + 1))) / ((v / (1 - 0.98 ** (step + 1))).sqrt() + 1e-8)
                w.sub_(5e-3 * (update + 1.0 * w))
    np.testing.assert_allclose(train(spec).history.train_loss, losses, rtol=2e-4)


def test_observe_sees_every_step_and_progress_ends_at_the_last() -> None:
    seen, ticks = [], []

    def observe(step: int, subject: Subject, /, *, loss: float) -> None:
        seen.append((step, subject.weights_hash(), loss))

    organism = train(ModularAddition(p=5, steps=4), observe=observe, progress=lambda *tick: ticks.append(tick))
    assert [step for step, _, _ in seen] == [0, 1, 2, 3, 4]
    assert len({weights for _, weights, _ in seen}) == 5
    assert seen[-1][1] == organism.subject().weights_hash()
    assert [loss for _, _, loss in seen] == organism.history.train_loss.tolist()
    assert ticks == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_divergence_is_one_line() -> None:
    with pytest.raises(GnomonError, match="training diverged at step"):
        train(ModularAddition(p=5, init_scale=1e15, steps=3))
