"""A network in which one latent is used and another only goes along with it: what ablation says of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_made import hand_made
from torch import nn

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.ablation import Place, Projection, ablate, matched
from gnomon.structure.dictionaries.effects import effects
from gnomon.structure.dictionaries.linking import alignment, carriers, detectors, null_directions, recovered
from gnomon.structure.dictionaries.top_k import TopK
from gnomon.structure.examples import Examples
from gnomon.subjects import ArrayData, CrossEntropy, Site, Subject

_USED, _ALONG = 0, 1
_WIDTH = 12


class _Network(nn.Module):
    """Passes its input through, and reads the class off feature 0 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.stream = nn.Identity()
        self.later = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.head = nn.Linear(_WIDTH, 2, bias=False)
        with torch.no_grad():
            self.later.weight.zero_()
            self.later.weight[_USED, _USED] = 1.0  # only this feature goes on
            self.head.weight.zero_()
            self.head.weight[1, _USED], self.head.weight[0, _USED] = 2.0, -2.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        later = self.later(self.stream(x)) - 0.5 * torch.eye(_WIDTH)[_USED]
        return self.head(later)


@pytest.fixture(scope="module")
def subject() -> Subject:
    sites = [Site("stream", "stream"), Site("later", "later"), Site("logits", "")]
    return Subject(_Network(), loss=CrossEntropy(), sites=sites)


@pytest.fixture(scope="module")
def dictionary() -> TopK:
    """A latent for each axis, exact on what is not negative."""
    return hand_made(torch.eye(_WIDTH), torch.zeros(_WIDTH), torch.eye(_WIDTH), _WIDTH)


@pytest.fixture(scope="module")
def data() -> ArrayData:
    """Class 1 has features 0 and 1 of strength 1; ten others come and go, about half of the time each."""
    generator = Rng(0).torch()
    labels = (torch.arange(400) % 2).long()
    inputs = torch.rand(400, _WIDTH, generator=generator) * (torch.rand(400, _WIDTH, generator=generator) < 0.5)
    inputs[:, [_USED, _ALONG]] = labels[:, None].float()
    inputs[:, 5] = -1.0  # what no latent explains
    return ArrayData(inputs, labels)


def _examples(data: ArrayData) -> Examples:
    assert data.targets is not None
    return Examples(inputs=data.inputs, labels=2.0 * data.targets - 1)


def _closed_form(score: float) -> float:
    """Loss of the true class where its logit leads by ``score``."""
    return float(np.log1p(np.exp(-score)))


def test_only_the_used_latent_matters(subject: Subject, dictionary: TopK, data: ArrayData) -> None:
    place = Place(dictionary, "stream", "stream")
    direction = torch.eye(_WIDTH)[_USED]
    watched = {"later": Projection("later", direction, np.tile([0, 1], (len(data), 1)))}
    sets = {"used": [_USED], "along": [_ALONG], "none": [], "random 0": [6], "random 1": [7]}
    found = ablate(subject, data, place, sets, watched=watched)
    labels = 2.0 * data.targets.numpy() - 1
    for name in ("along", "none", "random 0", "random 1"):
        assert (found.ablated[name].loss == found.untouched.loss).all()
        assert (found.ablated[name].divergence == 0).all()
        assert (found.ablated[name].projections["later"] == found.untouched.projections["later"]).all()

    measured = {
        (m.quantity, m.labels["latents"]): m
        for m in effects(
            found,
            "used",
            ["random 0", "random 1"],
            likelihood=True,
            contrasts={"later": labels},
            site="stream",
        )
    }
    # logits ±2 (x − ½): the lead of class 1 is 2 before, and −2 without the latent
    wanted = (_closed_form(-2.0) - _closed_form(2.0)) / 2
    assert measured["latent_ablation_loss_change", "chosen"].value == pytest.approx(wanted, rel=1e-6)
    p, q = 1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(2.0))
    divergence = (p * np.log(p / q) + q * np.log(q / p)) / 2  # in half of the examples
    assert measured["latent_ablation_divergence", "chosen"].value == pytest.approx(divergence, rel=1e-6)
    assert measured["latent_ablation_contrast_removed", "chosen"].value == pytest.approx(1.0)
    assert measured["latent_ablation_contrast_removed", "random"].value == 0.0
    difference = measured["latent_ablation_loss_change", "difference"]
    assert difference.diagnostics["p_value"] == pytest.approx(1 / 3)
    assert difference.uncertainty.low > 0.5 * wanted


def test_geometry_and_detection_do_not_tell_them_apart(dictionary: TopK, data: ArrayData) -> None:
    examples = _examples(data)

    def mean_difference(part: Examples) -> torch.Tensor:
        return part.inputs[part.positive].mean(dim=0) - part.inputs[~part.positive].mean(dim=0)

    direction = mean_difference(examples)
    null = null_directions(examples, 99, Rng(0))
    found = carriers(direction, dictionary, null=null, most=6)
    assert set(found.latents[:2].tolist()) == {_USED, _ALONG}
    assert found.shares[1] > 0.95
    assert found.p_values[1] == 0.01
    aligned = alignment(recovered(examples, mean_difference, rng=Rng(0)), dictionary)
    assert set(np.argsort(-aligned.value)[:2].tolist()) == {_USED, _ALONG}
    assert (aligned.low[[_USED, _ALONG]] < np.sqrt(0.5)).all()
    assert (aligned.high[[_USED, _ALONG]] > np.sqrt(0.5) - 0.02).all()
    best = detectors(dictionary, examples, rng=Rng(0), most=2)
    assert {one.latent for one in best} == {_USED, _ALONG}
    assert [one.auroc.value for one in best] == pytest.approx([1.0, 1.0])


def test_what_no_latent_explains_stays(subject: Subject, dictionary: TopK, data: ArrayData) -> None:
    place = Place(dictionary, "stream", "stream")
    watched = {f"{j}": Projection("stream", torch.eye(_WIDTH)[j], np.tile([0, 1], (len(data), 1))) for j in (5, 8)}
    found = ablate(subject, data, place, {"all": range(_WIDTH)}, watched=watched)
    seen = found.ablated["all"].projections
    assert (seen["5"] == -1.0).all()
    assert seen["8"] == pytest.approx(np.zeros(len(data)), abs=1e-6)


def test_a_transcoder_reads_before_it_writes(data: ArrayData) -> None:
    network = nn.Sequential(nn.Identity(), nn.Linear(_WIDTH, 5, bias=False), nn.Linear(5, 2, bias=False))
    torch.manual_seed(0)
    sites = [Site("in", "0"), Site("out", "1")]
    subject = Subject(network, loss=CrossEntropy(), sites=sites)
    decoder = network[1].weight.detach().T
    dictionary = hand_made(torch.eye(_WIDTH), torch.zeros(_WIDTH), decoder, _WIDTH, scale=2.0)
    found = ablate(subject, data, Place(dictionary, "in", "out"), {"third": [3]})
    without = data.inputs.clone()
    without[:, 3] = 0.0
    wanted = nn.functional.cross_entropy(network(without), data.targets, reduction="none").detach().numpy()
    assert found.ablated["third"].loss == pytest.approx(wanted, rel=1e-5)
    with pytest.raises(GnomonError, match="is reached before"):
        ablate(subject, data, Place(dictionary, "out", "in"), {"third": [3]})


def test_axes_are_put_back() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 2))
    data = ArrayData(torch.randn(20, 2, 4, 4, generator=Rng(0).torch()), (torch.arange(20) % 2).long())
    subject = Subject(network, loss=CrossEntropy(), sites=[Site("maps", "1", feature_axis=1)])
    dictionary = hand_made(torch.eye(3), torch.zeros(3), torch.eye(3), 3)
    found = ablate(subject, data, Place(dictionary, "maps", "maps"), {"second": [1]})
    maps = network[1](network[0](data.inputs)).detach()
    maps[:, 1] = 0.0
    wanted = nn.functional.cross_entropy(network[3](network[2](maps)), data.targets, reduction="none").detach().numpy()
    assert found.ablated["second"].loss == pytest.approx(wanted, rel=1e-5)


def test_intervals_cover_the_effect(subject: Subject, dictionary: TopK) -> None:
    """The strength of the used feature varies by example; texts of one cluster share it."""
    truth_generator = np.random.default_rng(1)
    place = Place(dictionary, "stream", "stream")

    def draw(count: int, generator: np.random.Generator) -> ArrayData:
        labels = generator.integers(0, 2, size=count)
        strength = np.repeat(generator.gamma(2.0, 0.5, size=count), 3)
        inputs = np.zeros((3 * count, _WIDTH), dtype=np.float32)
        inputs[:, _USED] = strength * np.repeat(labels, 3)
        return ArrayData(inputs, np.repeat(labels, 3), clusters=np.repeat(np.arange(count), 3))

    def loss(data: ArrayData) -> float:
        found = ablate(subject, data, place, {"used": [_USED]})
        return float((found.ablated["used"].loss - found.untouched.loss).mean())

    truth = loss(draw(40_000, truth_generator))
    covered = []
    for seed in range(120):
        data = draw(60, np.random.default_rng(seed))
        found = ablate(subject, data, place, {"used": [_USED]})
        measured = effects(found, "used", [], likelihood=True)[0]
        covered.append(measured.uncertainty.contains(measured.value, truth))
    assert 0.90 <= np.mean(covered) <= 0.99


def test_no_share_is_stated_of_a_contrast_that_is_not_there(
    subject: Subject, dictionary: TopK, data: ArrayData
) -> None:
    along = {"later": Projection("later", torch.eye(_WIDTH)[8], np.tile([0, 1], (len(data), 1)))}
    found = ablate(subject, data, Place(dictionary, "stream", "stream"), {"used": [_USED]}, watched=along)
    labels = 2.0 * data.targets.numpy() - 1
    (measured,) = effects(found, "used", [], likelihood=False, contrasts={"later": labels})
    assert (measured.status, measured.value) == ("insufficient", None)
    assert "not told from zero" in measured.reason


def test_matched_latents_fire_as_often() -> None:
    rates = np.geomspace(1e-4, 0.5, 200)
    rates[17] = 0.0
    chosen = [3, 100, 199]
    drawn = matched(rates, chosen, 20, Rng(0))
    assert len(drawn) == 20
    for latents in drawn:
        assert len({*latents} - {*chosen}) == 3
        assert 17 not in latents
        assert np.abs(np.log(rates[latents] / rates[chosen])).max() < 0.5
    assert len({tuple(one) for one in drawn}) > 15
    with pytest.raises(GnomonError, match="choose fewer"):
        matched(np.array([0.1, 0.2, 0.0]), [0, 1], 3, Rng(0))


def test_bad_input(subject: Subject, dictionary: TopK, data: ArrayData) -> None:
    place = Place(dictionary, "stream", "stream")
    with pytest.raises(GnomonError, match="there is no latent 12"):
        ablate(subject, data, place, {"a": [12]})
    plain = Subject(_Network(), sites=[Site("stream", "stream")])
    with pytest.raises(GnomonError, match="nothing is watched"):
        ablate(plain, data, place, {"a": [1]})
