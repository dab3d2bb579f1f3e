"""Replicas that are trained together, against torch's own optimisers on each of them alone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from gnomon.errors import GnomonError
from gnomon.organisms.ensemble import Each, Ensemble
from gnomon.organisms.ensemble_optimizers import AdamW, Sgd

R, N, STEPS = 5, 24, 200


def _drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _network(seed: int, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    network = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 3)).to(dtype)
    generator = _drawn(seed)
    with torch.no_grad():
        for p in network.parameters():
            p.normal_(0, 0.5, generator=generator)
    return network


def _data(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    x = torch.randn(N, 4, generator=_drawn(100), dtype=dtype)
    return x, torch.randint(0, 3, (N,), generator=_drawn(101))


OPTIMIZERS: dict[str, tuple[Callable[[], object], Callable[[nn.Module, int], torch.optim.Optimizer]]] = {}
RATES, MOMENTA, DECAYS = [0.01, 0.05, 0.1, 0.2, 0.4], [0.0, 0.3, 0.6, 0.8, 0.9], [0.0, 0.001, 0.01, 0.03, 0.1]
ADAM_RATES, FIRST, SECOND = [1e-4, 1e-3, 2e-3, 4e-3, 8e-3], [0.9, 0.0, 0.5, 0.8, 0.95], [0.999, 0.98, 0.99, 0.995, 0.9]
ADAM_DECAYS = [0.0, 0.01, 0.1, 1.0, 3.0]
OPTIMIZERS["sgd"] = (
    lambda: Sgd(RATES),
    lambda m, i: torch.optim.SGD(m.parameters(), lr=RATES[i]),
)
OPTIMIZERS["momentum"] = (
    lambda: Sgd(RATES, momentum=MOMENTA, weight_decay=DECAYS),
    lambda m, i: torch.optim.SGD(m.parameters(), lr=RATES[i], momentum=MOMENTA[i], weight_decay=DECAYS[i]),
)
OPTIMIZERS["common momentum"] = (
    lambda: Sgd(0.05, momentum=0.9, weight_decay=0.01),
    lambda m, i: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01),
)
OPTIMIZERS["adamw"] = (
    lambda: AdamW(ADAM_RATES, betas=(FIRST, SECOND), weight_decay=ADAM_DECAYS),
    lambda m, i: torch.optim.AdamW(
        m.parameters(), lr=ADAM_RATES[i], betas=(FIRST[i], SECOND[i]), weight_decay=ADAM_DECAYS[i]
    ),
)
OPTIMIZERS["common adamw"] = (
    lambda: AdamW(3e-3, betas=(0.9, 0.98), weight_decay=1.0, eps=1e-3),
    lambda m, i: torch.optim.AdamW(m.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=1.0, eps=1e-3),
)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("memory", [1, 2**30], ids=["one at a time", "all at once"])
def test_each_replica_is_what_torch_makes_of_it_alone(name: str, memory: int) -> None:
    x, y = _data()
    make, alone = OPTIMIZERS[name]
    networks = [_network(seed) for seed in range(R)]
    ensemble, optimizer = Ensemble(networks, memory=memory), make()
    losses = torch.stack([ensemble.step(optimizer, cross_entropy, x, y)[0] for _ in range(STEPS)])
    for i, network in enumerate(networks):
        theirs = alone(network, i)
        expected = []
        for _ in range(STEPS):
            theirs.zero_grad()
            loss = cross_entropy(network(x), y)
            loss.backward()
            theirs.step()
            expected.append(loss.detach())
        torch.testing.assert_close(losses[:, i], torch.stack(expected), rtol=1e-9, atol=1e-11)
        for name_, weight in ensemble.module(i).named_parameters():
            torch.testing.assert_close(weight, network.get_parameter(name_), rtol=1e-8, atol=1e-10)
        assert float(losses[-1, i]) < 0.98 * float(losses[0, i])


def test_data_of_its_own_in_an_order_of_its_own_and_labels_with_noise() -> None:
    x, y = _data()
    networks, steps, size = [_network(seed) for seed in range(R)], 100, 6
    orders = torch.stack(
        [torch.stack([torch.randperm(N, generator=_drawn(i * steps + t)) for t in range(steps)]) for i in range(R)]
    )
    labels = torch.stack([torch.randint(0, 3, (N,), generator=_drawn(500 + i)) if i % 2 else y for i in range(R)])
    ensemble, optimizer = Ensemble(networks), AdamW([1e-3 * (i + 1) for i in range(R)])
    for t in range(steps):
        rows = orders[:, t, :size]
        ensemble.step(optimizer, cross_entropy, Each(x[rows]), Each(labels.gather(1, rows)))
    for i, network in enumerate(networks):
        alone = torch.optim.AdamW(network.parameters(), lr=1e-3 * (i + 1))
        for t in range(steps):
            rows = orders[i, t, :size]
            alone.zero_grad()
            cross_entropy(network(x[rows]), labels[i, rows]).backward()
            alone.step()
        for name, weight in ensemble.module(i).named_parameters():
            torch.testing.assert_close(weight, network.get_parameter(name), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("memory", [1, 2**30])
def test_a_replica_that_diverges_shows_in_its_own_loss_and_nowhere_else(memory: int) -> None:
    x = _data()[0]
    y = torch.zeros(N, 3, dtype=x.dtype)
    networks = [_network(seed) for seed in range(3)]
    ensemble, pair = Ensemble(networks, memory=memory), Ensemble([networks[0], networks[2]])
    optimizer, other = Sgd([0.1, 1e300, 0.1], momentum=0.9), Sgd(0.1, momentum=0.9)
    for _ in range(20):
        losses, _ = ensemble.step(optimizer, mse_loss, x, y)
        others, _ = pair.step(other, mse_loss, x, y)
    assert losses.isfinite().tolist() == [True, False, True]
    torch.testing.assert_close(losses[[0, 2]], others)


def test_gradients_and_outputs_are_those_of_each_module() -> None:
    x, y = _data()
    networks = [_network(seed) for seed in range(R)]
    losses, outputs, gradients = Ensemble(networks).gradients(cross_entropy, x, y)
    torch.testing.assert_close(Ensemble(networks, memory=1).outputs(x), outputs)
    for i, network in enumerate(networks):
        loss = cross_entropy(network(x), y)
        loss.backward()
        torch.testing.assert_close(losses[i], loss.detach())
        torch.testing.assert_close(outputs[i], network(x).detach())
        for name, weight in network.named_parameters():
            torch.testing.assert_close(gradients[name][i], weight.grad)


def test_memory_bounds_how_many_replicas_go_through_at_once() -> None:
    alive: list[int] = []

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            alive.append(0)
            return super().forward(x)

    networks = [Watched(4, 1, dtype=torch.float64) for _ in range(10)]
    x = torch.ones(100, 4, dtype=torch.float64)
    # a pass keeps its input, 3.2 kB, and weights
    for memory, chunks in ((1, 10), (8_000, 5), (2**30, 1)):
        ensemble = Ensemble(networks, memory=memory)
        ensemble.outputs(x)
        alive.clear()
        assert ensemble.outputs(x).shape == (10, 100, 1)
        assert len(alive) == chunks


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    x, y = _data()
    networks = [_network(seed) for seed in range(3)]
    with pytest.raises(GnomonError, match="needs networks"):
        Ensemble([])
    with pytest.raises(GnomonError, match=r"replica 1 is unlike the first: 0\.weight"):
        Ensemble([nn.Sequential(nn.Linear(4, 2)), nn.Sequential(nn.Linear(5, 2))])
    ensemble = Ensemble(networks)
    with pytest.raises(GnomonError, match="2 values of learning_rate for 3 replicas"):
        ensemble.step(Sgd([0.1, 0.2]), cross_entropy, x, y)
    with pytest.raises(GnomonError, match="2 rows of data for 3 replicas"):
        ensemble.step(Sgd(0.1), cross_entropy, Each(x[:2]), y)
    with pytest.raises(GnomonError, match="loss of a replica has shape"):
        ensemble.step(Sgd(0.1), lambda output: output.square(), x)
    optimizer = Sgd(0.1)
    ensemble.step(optimizer, cross_entropy, x, y)
    with pytest.raises(GnomonError, match="another ensemble"):
        Ensemble(networks).step(optimizer, cross_entropy, x, y)
    for bad in (-1.0, float("nan"), [0.1, float("inf")]):
        with pytest.raises(GnomonError, match="bad learning_rate"):
            Sgd(bad)
    with pytest.raises(GnomonError, match="bad betas"):
        AdamW(0.1, betas=(0.9, 1.0))
