"""Sites of networks from nobody's library."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_networks import CNN, GRU, MLP, HomeMade
from torch import nn
from torch.nn import functional as F

from gnomon.errors import GnomonError
from gnomon.subjects import ArrayData, Reads, ScalarOutput, Site, Subject, capture, visiting


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def tokens(n: int = 6, length: int = 7) -> torch.Tensor:
    return torch.randint(0, 11, (n, length), generator=torch.Generator().manual_seed(3))


PLAIN = {
    "mlp": (MLP, numbers(6, 5), ["first", "second", "logits"]),
    "cnn": (CNN, numbers(6, 3, 8, 8), ["conv1", "norm", "act", "conv2", "head", "logits"]),
    "gru": (GRU, tokens(), ["embedding", "gru", "head", "logits"]),
}
SHAPES = {"conv1": (6, 64, 4), "norm": (6, 64, 4), "act": (6, 64, 4), "conv2": (6, 9, 6), "gru": (6, 7, 8)}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("with_data", [True, False])
def test_leaf_modules_are_sites(name, with_data):
    make, inputs, sites = PLAIN[name]
    module, data = make().eval(), ArrayData(inputs)
    with torch.no_grad():
        plain = module(inputs)
    subject = Subject(module, data=data if with_data else None)
    assert list(subject.sites) == sites
    captured = capture(subject, data.batch(range(6)), Reads(sites=frozenset(sites)))
    assert torch.equal(captured.output, plain)
    assert torch.equal(captured.activations["logits"].reshape(plain.shape), plain)
    for site, activation in captured.activations.items():
        # without a run to look at, a stateless layer's feature axis is not known
        if site in SHAPES and (with_data or site != "act"):
            assert activation.shape == SHAPES[site], site


@pytest.mark.parametrize("name", PLAIN)
def test_an_edit_changes_what_lies_downstream(name):
    make, inputs, sites = PLAIN[name]
    data = ArrayData(inputs)
    subject = Subject(make(), data=data)
    reads = Reads(sites=frozenset(sites))
    with subject.evaluating():
        before = capture(subject, data.batch(range(6)), reads).activations
        for edited in sites:
            with visiting(subject, {edited: lambda x: x * 1.5 + 0.5}):
                after = capture(subject, data.batch(range(6)), reads).activations
            for site in sites:
                assert torch.equal(before[site], after[site]) == (sites.index(site) < sites.index(edited))


def test_convolutional_features_are_channels():
    data = ArrayData(numbers(6, 3, 8, 8))
    subject = Subject(CNN().eval(), data=data)
    captured = capture(subject, data.batch([0, 1]), Reads(sites=frozenset({"conv1"})))
    with torch.no_grad():
        plain = subject.module.conv1(data.inputs[:2])
    assert torch.equal(captured.activations["conv1"][1, 8 * 2 + 5], plain[1, :, 2, 5])


def test_a_transformer_of_ones_own_has_the_same_names_as_any_other():
    data = ArrayData(tokens())
    subject = Subject(HomeMade(), data=data)
    blocks = [s for i in range(2) for s in (f"blocks.{i}.attention", f"blocks.{i}.mlp", f"blocks.{i}")]
    assert list(subject.sites) == ["embed", *blocks, "logits"]
    at = capture(subject, data.batch([0, 3]), Reads(sites=frozenset(subject.sites))).activations
    added = at["blocks.0.attention"] + at["blocks.0.mlp"]
    torch.testing.assert_close(at["embed"] + added, at["blocks.0"])
    # the block is called by keyword, with its mask first
    assert torch.equal(at["embed"], subject.module.tokens(data.inputs[[0, 3]]).detach())
    with visiting(subject, {"embed": torch.zeros_like}):
        edited = capture(subject, data.batch([0, 3]), Reads(sites=frozenset({"embed", "blocks.0"}))).activations
    assert not edited["embed"].any()
    assert not torch.equal(edited["blocks.0"], at["blocks.0"])


def test_a_sequence_has_a_block_a_weighted_layer():
    module = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 3))
    data = ArrayData(numbers(6, 5))
    subject = Subject(module, data=data)
    assert {s.name: s.module for s in subject.sites.values()} == {"blocks.0": "1", "blocks.1": "3", "logits": ""}
    assert [m.site for m in subject.matrices()] == ["blocks.0:weight", "blocks.1:weight", "logits:weight"]


def test_a_sequence_of_convolutions_within_a_sequence():
    features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU())
    module = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)).eval()
    data = ArrayData(numbers(6, 3, 8, 8))
    subject = Subject(module, data=data)
    assert list(subject.sites) == ["blocks.0", "blocks.1", "logits"]
    at = capture(subject, data.batch([0, 1]), Reads(sites=frozenset(subject.sites))).activations
    assert at["blocks.0"].shape == (2, 36, 4)
    assert at["blocks.1"].shape == (2, 1, 6)


def test_one_activation_module_in_two_places_of_a_sequence():
    act = nn.Tanh()
    first, second, third = nn.Linear(5, 7), nn.Linear(7, 6), nn.Linear(6, 3)
    data = ArrayData(numbers(6, 5))
    subject = Subject(nn.Sequential(first, act, second, act, third), data=data)
    at = capture(subject, data.batch(range(6)), Reads(sites=frozenset(subject.sites))).activations
    with torch.no_grad():
        one = act(first(data.inputs))
        assert torch.equal(at["blocks.0"][:, 0], one)
        assert torch.equal(at["blocks.1"][:, 0], act(second(one)))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shared, self.unused, self.head = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.shared(self.shared(x)))


def test_a_module_that_runs_twice_or_never_is_no_site_and_says_why():
    data = ArrayData(numbers(6, 5))
    subject = Subject(Twice(), data=data)
    assert list(subject.sites) == ["head", "logits"]
    with pytest.raises(GnomonError, match="site 'shared' cannot be read: it runs 2 times in a forward pass"):
        subject.site("shared")


def test_a_site_named_by_hand_that_runs_twice():
    data = ArrayData(numbers(6, 5))
    with pytest.raises(GnomonError, match=r"site 'x' cannot be read: module 'shared' runs 2 times.*in order: y"):
        Subject(Twice(), data=data, sites=[Site("x", "shared"), Site("y", "head")])
    with pytest.raises(GnomonError, match="module 'unused' runs 0 times"):
        Subject(Twice(), data=data, sites=[Site("x", "unused")])
    # without data it shows when it is read
    subject = Subject(Twice(), sites=[Site("x", "shared"), Site("y", "unused")])
    with pytest.raises(GnomonError, match="reached twice"):
        capture(subject, data.batch([0]), Reads(sites=frozenset({"x"})))
    with pytest.raises(GnomonError, match="not reached"):
        capture(subject, data.batch([0]), Reads(sites=frozenset({"y"})))


def test_a_site_without_such_a_module_or_without_numbers():
    with pytest.raises(GnomonError, match="names module 'third', which MLP does not have"):
        Subject(MLP(), sites=[Site("x", "third")])
    with pytest.raises(GnomonError, match="MLP: two sites have the same name"):
        Subject(MLP(), sites=[Site("x", "first"), Site("x", "second")])

    class Argmax(MLP):
        def forward(self, x):
            return super().forward(x).argmax(1)

    with pytest.raises(GnomonError, match="it holds int64, not floating-point numbers"):
        Subject(Argmax(), data=ArrayData(numbers(6, 5)))


def test_positions_before_the_batch_are_refused():
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.head = nn.GRU(3, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.gru(x.transpose(0, 1))[0][-1])

    subject = Subject(TimeFirst(), data=ArrayData(numbers(6, 7, 3)))
    assert list(subject.sites) == ["head", "logits"]
    with pytest.raises(GnomonError, match="is not the batch"):
        subject.site("gru")


def test_data_that_does_not_fit_the_network():
    with pytest.raises(GnomonError, match=r"MLP cannot be run on argument 1 \(2, 4\) float32: mat1 and mat2 shapes"):
        Subject(MLP(), data=ArrayData(numbers(6, 4)))


def test_nan_weights_are_refused():
    module = MLP()
    with torch.no_grad():
        module.second.weight[0, 0] = float("nan")
    with pytest.raises(GnomonError, match=r"MLP: weight 'second.weight' holds NaN"):
        Subject(module)


def test_an_unknown_site_lists_the_nearest():
    with pytest.raises(GnomonError, match="unknown site 'frist'; did you mean 'first'"):
        Subject(MLP()).site("frist")


class Parallel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(5, 4), nn.Linear(5, 4)

    def forward(self, x):
        return torch.tanh(self.left(x)) * self.right(x).sin()


class Slope(ScalarOutput):
    """Sum of the squared outputs."""

    def __call__(self, output, predictions, batch):
        return output.square().sum(dim=1)

    def __eq__(self, other):
        return type(other) is type(self)

    def __hash__(self):
        return 1


def test_gradients_at_sites_in_parallel_branches_equal_those_by_hand():
    data = ArrayData(numbers(6, 5))
    subject = Subject(Parallel(), data=data)
    sites = frozenset({"left", "right", "logits"})
    captured = capture(subject, data.batch(range(6)), Reads(sites, gradients=(Slope(),), gradient_sites=sites))
    left, right = (captured.activations[n][:, 0] for n in ("left", "right"))
    output = left.tanh() * right.sin()
    by_hand = {
        "left": 2 * output * right.sin() * (1 - left.tanh() ** 2),
        "right": 2 * output * left.tanh() * right.cos(),
        "logits": 2 * output,
    }
    for site, gradient in captured.gradients[Slope()].items():
        torch.testing.assert_close(gradient[:, 0], by_hand[site])


def test_several_scalars_have_their_own_gradients_and_an_independent_site_has_zero():
    class Left(Slope):
        def __call__(self, output, predictions, batch):
            return output[:, 0]

    class Constant(Slope):
        def __call__(self, output, predictions, batch):
            return torch.zeros(len(batch))

    data = ArrayData(numbers(6, 5))
    subject = Subject(MLP(), data=data)
    sites = frozenset({"first", "logits"})
    reads = Reads(gradients=(Slope(), Left(), Constant()), gradient_sites=sites)
    gradients = capture(subject, data.batch(range(6)), reads).gradients
    assert torch.equal(gradients[Left()]["logits"][:, 0], torch.tensor([[1.0, 0.0, 0.0]]).expand(6, 3))
    assert not gradients[Constant()]["first"].any()
    assert gradients[Slope()]["first"].any()


class InPlace(nn.Module):
    """Works in place on what two of its layers returned."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(5, 7), nn.Linear(7, 6), nn.Linear(6, 3)
        self.act = nn.ReLU(inplace=inplace)
        self.inplace = inplace

    def forward(self, x):
        hidden = self.second(self.act(self.first(x)))
        hidden = F.relu_(hidden) if self.inplace else F.relu(hidden)
        return self.third(hidden)


@pytest.mark.parametrize("with_data", [True, False])
@pytest.mark.parametrize("gradients", [True, False])
def test_work_in_place_after_a_site_changes_nothing_that_was_read(with_data, gradients):
    torch.manual_seed(0)
    safe = InPlace(inplace=False)
    rash = InPlace(inplace=True)
    rash.load_state_dict(safe.state_dict())
    data = ArrayData(numbers(6, 5))
    sites = frozenset({"first", "second", "logits"})
    reads = Reads(sites, gradients=(Slope(),) if gradients else (), gradient_sites=sites if gradients else frozenset())
    found = []
    for module in (safe, rash):
        subject = Subject(module, data=data if with_data else None)
        found += [capture(subject, data.batch(range(6)), reads) for _ in range(2)]  # the second time it is known
    if with_data or not gradients:  # the first gradient site goes on as a copy anyway
        assert subject.overwritten == {"first", "second"}
    for other in found[1:]:
        assert torch.equal(other.output, found[0].output)
        for site in sites:
            assert torch.equal(other.activations[site], found[0].activations[site])
            if gradients:
                assert torch.equal(other.gradients[Slope()][site], found[0].gradients[Slope()][site])
    assert (found[0].activations["first"] < 0).any()


def test_visitors_keep_what_they_were_given_and_what_they_gave():
    data = ArrayData(numbers(6, 5))
    subject = Subject(InPlace(inplace=True), data=data)
    kept = []
    with visiting(subject, {"first": kept.append}):
        output = subject.output(data.batch(range(6)))
    assert torch.equal(kept[0], subject.module.first(data.inputs).detach())
    mine = -torch.ones(6, 7)
    with visiting(subject, {"first": lambda _x: mine}):
        assert not torch.equal(subject.output(data.batch(range(6))), output)
    assert torch.equal(mine, -torch.ones(6, 7))


def test_batching_changes_nothing_but_rounding():
    data = ArrayData(numbers(30, 3, 8, 8))
    subject = Subject(CNN().eval(), data=data)
    reads = Reads(sites=frozenset(subject.sites))
    whole = capture(subject, data.batch(range(30)), reads).activations
    for start in range(0, 30, 7):
        part = capture(subject, data.batch(range(start, min(start + 7, 30))), reads).activations
        for site in subject.sites:
            torch.testing.assert_close(part[site], whole[site][start : start + 7], rtol=1e-5, atol=1e-6)


def test_a_subject_never_changes_the_module_it_is_given():
    module = CNN()
    copied = copy.deepcopy(module)
    Subject(module, data=ArrayData(numbers(6, 3, 8, 8)))
    assert [n for n, _ in module.named_modules()] == [n for n, _ in copied.named_modules()]
    assert vars(module).keys() == vars(copied).keys()
