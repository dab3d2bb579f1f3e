"""Each mixer against an independent form of itself; the skeleton against what causality demands."""

import pytest
import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.organisms.sequences import (
    CausalAttention,
    FeedForward,
    FlatNetwork,
    GatedRecurrence,
    SequenceNetwork,
    StateSpace,
)
from gnomon.randomness import Rng

WIDTH, POSITIONS, TOKENS = 8, 7, 5


def mixer(kind, seed=0):
    generator = Rng(seed).torch()
    return {
        "attention": lambda: CausalAttention(WIDTH, 2, generator),
        "recurrence": lambda: GatedRecurrence(WIDTH, generator),
        "state_space": lambda: StateSpace(WIDTH, 4, POSITIONS, generator),
    }[kind]


KINDS = ["attention", "recurrence", "state_space"]


def network(kind, **options):
    return SequenceNetwork(
        TOKENS,
        TOKENS,
        POSITIONS,
        width=WIDTH,
        hidden=16,
        mixers=[mixer(kind)] * 2,
        generator=Rng(1).torch(),
        **options,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_changes_nothing_before_it_and_something_from_it_on(kind):
    one = network(kind)
    tokens = torch.randint(TOKENS, (3, POSITIONS), generator=Rng(2).torch())
    for t in range(POSITIONS):
        changed = tokens.clone()
        changed[:, t] = (changed[:, t] + 1) % TOKENS
        difference = (one(changed) - one(tokens)).abs().amax(dim=(0, 2))
        assert (difference[:t] == 0).all()
        assert (difference[t:] > 1e-6).all()


def test_the_gated_recurrence_is_that_of_torch():
    ours = GatedRecurrence(WIDTH, Rng(0).torch())
    theirs = nn.GRU(WIDTH, WIDTH, batch_first=True)
    with torch.no_grad():
        ours.bias.normal_(generator=Rng(1).torch())
        theirs.weight_ih_l0.copy_(ours.inputs.weight)
        theirs.weight_hh_l0.copy_(ours.recurrent.weight)
        theirs.bias_ih_l0.copy_(ours.bias)
        theirs.bias_hh_l0.zero_()
    stream = torch.randn(4, POSITIONS, WIDTH, generator=Rng(2).torch())
    torch.testing.assert_close(ours(stream), theirs(stream)[0])


def test_the_attention_is_that_of_torch():
    ours = CausalAttention(WIDTH, 2, Rng(0).torch())
    theirs = nn.MultiheadAttention(WIDTH, 2, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.read.weight)
        theirs.out_proj.weight.copy_(ours.write.weight)
    stream = torch.randn(4, POSITIONS, WIDTH, generator=Rng(2).torch())
    mask = nn.Transformer.generate_square_subsequent_mask(POSITIONS)
    torch.testing.assert_close(ours(stream), theirs(stream, stream, stream, attn_mask=mask)[0])


def test_the_state_space_is_its_recurrence_step_by_step():
    layer = StateSpace(WIDTH, 4, POSITIONS, Rng(0).torch())
    stream = torch.randn(3, POSITIONS, WIDTH, generator=Rng(1).torch())
    decay = torch.exp(-layer.log_rate.exp())
    state = torch.zeros(3, WIDTH, 4)
    outputs = []
    for t in range(POSITIONS):
        signal = stream[:, t] @ layer.inputs.weight.T
        state = decay * state + layer.drive * signal[..., None]
        response = (layer.readout * state).sum(-1) + layer.direct * signal
        gate = stream[:, t] @ layer.gate.weight.T
        outputs.append((response * gate * torch.sigmoid(gate)) @ layer.write.weight.T)
    torch.testing.assert_close(layer(stream), torch.stack(outputs, dim=1))


def test_a_gate_costs_no_parameters():
    sizes = [
        sum(p.numel() for p in FeedForward(12, 48, Rng(0).torch(), gated=gated).parameters()) for gated in (False, True)
    ]
    assert sizes == [2 * 12 * 48] * 2


@pytest.mark.parametrize("gated", [False, True])
def test_pooled_and_flat_networks_give_one_output_a_sequence(gated):
    tokens = torch.randint(TOKENS, (3, POSITIONS), generator=Rng(2).torch())
    flat = FlatNetwork(TOKENS, 2, POSITIONS, width=WIDTH, hidden=16, blocks=2, generator=Rng(0).torch(), gated=gated)
    assert flat(tokens).shape == (3, 2)
    assert network("attention", gated=gated, pooled=True)(tokens).shape == (3, TOKENS)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_from_the_generator_alone(kind):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second = network(kind).state_dict(), network(kind).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first if "mixers" not in name)
    assert all(torch.equal(a, b) for a, b in zip(mixer(kind)().parameters(), mixer(kind)().parameters(), strict=True))


def test_heads_must_divide_the_width():
    with pytest.raises(GnomonError, match="3 heads do not divide the width 8"):
        CausalAttention(8, 3, Rng(0).torch())
