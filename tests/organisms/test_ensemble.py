"""Replicas that are trained together, against torch's own optimisers on each of them alone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gnomon.organisms.ensemble import Ensemble
from gnomon.organisms.ensemble_optimizers import AdamW, Sgd

R, N, STEPS = 5, 24, 300


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
