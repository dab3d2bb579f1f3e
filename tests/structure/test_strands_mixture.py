"""Mixtures of subspaces: planted strands are found, nulls are not, and probabilities mean what they say."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.mixtures import Gradients, Mixture, find_strands
from gnomon.structure.mixtures.expectation_maximisation import carriers, fit, two_levels
from gnomon.structure.mixtures.known import GatedTeacher, noisy
from gnomon.structure.mixtures.mixture import background_log_density, pooled_inverse
from gnomon.structure.mixtures.path import paths
from gnomon.structure.mixtures.reproduction import prediction_strength


def _teacher_gradients(
    strands: int, rank: int, dimension: int, n: int, *, noise: float = 0.2, seed: int = 0, outputs: int = 1
) -> tuple[torch.Tensor, np.ndarray, GatedTeacher]:
    teacher = GatedTeacher(strands=strands, rank=rank, dimension=dimension, outputs=outputs, seed=seed)
    inputs, gates = teacher.draw(n, Rng(seed).child("draw"))
    jacobians = teacher.jacobians(inputs, gates)
    return noisy(jacobians, noise, Rng(seed).child("noise")), gates.numpy(), teacher


def test_the_density_of_a_strand_is_that_of_a_normalised_gaussian() -> None:
    """Relative to uniform directions, against the closed form of the angular central Gaussian."""
    d, rank, leak = 5, 2, 0.1
    basis = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q
    identity = torch.eye(d, dtype=torch.float64)
    shares = torch.tensor([1.0, 0.0], dtype=torch.float64)
    mixture = Mixture(basis[None, :, :4], torch.tensor([rank]), torch.tensor([leak]).double(), shares, identity)
    gradients = Gradients.of(torch.randn(50, d, generator=torch.Generator().manual_seed(1)))
    inside = basis[:, :rank] @ basis[:, :rank].T
    covariance = inside + leak * (identity - inside)
    u = gradients.values[:, 0].double()
    quadratic = ((u @ torch.linalg.inv(covariance)) * u).sum(dim=1)
    expected = -0.5 * torch.logdet(covariance) - d / 2 * quadratic.log()
    torch.testing.assert_close(mixture.log_likelihood(gradients), expected, rtol=1e-5, atol=1e-4)


def test_the_density_integrates_to_one() -> None:
    gradients = Gradients.of(torch.randn(200_000, 2, 4, generator=torch.Generator().manual_seed(0)))
    basis = torch.eye(4, dtype=torch.float64)[None, :, :3]
    shares = torch.tensor([1.0, 0.0], dtype=torch.float64)
    mixture = Mixture(basis, torch.tensor([1]), torch.tensor([0.3]).double(), shares, torch.eye(4).double())
    ratio = mixture.log_likelihood(gradients).exp()
    assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / math.sqrt(len(ratio))


def test_expectation_maximisation_does_not_lose_likelihood() -> None:
    jacobians, _, _ = _teacher_gradients(3, 2, 16, 400)
    gradients = Gradients.of(jacobians).dithered(Rng(0))
    start = paths(gradients, most=3, most_rank=4, rng=Rng(0))[3].mixture
    # the same strands turned a little: the climb back is what is watched
    turned = torch.linalg.qr(start.bases + 0.1 * torch.randn(start.bases.shape, generator=Rng(1).torch())).Q
    moved = Mixture(turned, start.ranks, start.leaks, start.shares, start.background)
    background = background_log_density(gradients, moved.background)
    reached = [
        fit(gradients, moved, background, most_rank=4, rounds=r, tolerance=0.0).log_likelihood for r in range(2, 12)
    ]
    assert (np.diff(reached) > -1e-3 * len(gradients)).all()
    assert reached[-1] > reached[0]


def test_the_background_of_isotropic_gradients_is_uniform() -> None:
    gradients = Gradients.of(torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(pooled_inverse(gradients), torch.eye(4).double(), rtol=0, atol=0.06)


@pytest.mark.parametrize(
    ("strands", "rank", "dimension", "n", "outputs"),
    [
        (2, 1, 16, 400, 1),
        (4, 2, 16, 600, 1),
        pytest.param(4, 2, 16, 600, 3, marks=pytest.mark.slow),
        pytest.param(4, 2, 64, 800, 1, marks=pytest.mark.slow),
        pytest.param(16, 4, 256, 4000, 1, marks=pytest.mark.slow),
    ],
    ids=lambda v: str(v),
)
def test_planted_strands_are_found(strands: int, rank: int, dimension: int, n: int, outputs: int) -> None:
    jacobians, gates, teacher = _teacher_gradients(strands, rank, dimension, n, outputs=outputs)
    found = find_strands(jacobians, rng=Rng(0), most=strands + 4)
    assert found.number.value == strands
    assert found.measurements["strand_dimensions"].value.tolist() == [float(rank)] * strands
    assert found.number.uncertainty.kind == "unknown"
    assert found.number.diagnostics["number_of_each_split"].shape == (3,)
    lengths = jacobians.flatten(1).norm(dim=1)
    heard = (lengths > 0.4 * lengths.square().mean().sqrt()).numpy()  # twice the noise: others belong to no strand
    assert adjusted_rand_score(gates[heard], found.labels[heard]) > 0.95
    # of all contexts, not much worse than who knows the teacher's subspaces and takes the nearest
    rows = jacobians.reshape(len(jacobians), -1, dimension)
    nearest_one = torch.stack([(rows @ base.to(rows)).square().sum(dim=(1, 2)) for base in teacher.bases]).argmax(dim=0)
    knowing = adjusted_rand_score(gates, nearest_one.numpy())
    assert adjusted_rand_score(gates, found.labels) > knowing - 0.1
    stated = np.sin(found.measurements["strand_angles"].value)
    for subspace, angle in zip(found.subspaces, stated, strict=True):
        nearest = min(
            float(torch.linalg.matrix_norm(base - subspace.basis @ (subspace.basis.T @ base), 2))
            for base in teacher.bases
        )
        assert nearest < math.sin(0.15)
        assert angle / 2.5 < nearest < 2.5 * angle


@pytest.mark.slow
def test_exact_gradients_are_as_good_as_noisy_ones() -> None:
    jacobians, gates, _ = _teacher_gradients(4, 2, 16, 600, noise=0.0)
    found = find_strands(jacobians, rng=Rng(0), most=8)
    assert found.number.value == 4
    assert adjusted_rand_score(gates, found.labels) > 0.95


def test_a_context_that_lies_in_its_own_direction_is_no_dimension() -> None:
    """Directions carried by one context, and by all of them alike."""
    along = torch.ones(1, 50, 2)
    along[0, :, 1] = 1e-3
    along[0, 7, 1] = 1.0
    torch.testing.assert_close(
        carriers(along, torch.ones(1, 50).double(), 1), torch.tensor([[50.0, 1.0]]).double(), rtol=1e-3, atol=0
    )
    spectra, totals = along.square().sum(dim=1).double(), torch.tensor([51.0]).double()
    counts = torch.tensor([50.0]).double()
    assert int(two_levels(spectra, totals, counts, 40, 2)[0]) == 2
    assert int(two_levels(spectra, totals, counts, 40, 2, carriers(along, torch.ones(1, 50).double(), 1))[0]) == 1


def test_subspaces_of_unequal_noise_are_no_strands() -> None:
    """Small gradients are noisier than large ones: lines within the plane are likelier, and never found again."""
    jacobians, _, _ = _teacher_gradients(1, 2, 16, 300, seed=1002)
    found = find_strands(jacobians, rng=Rng(0), most=4)
    assert found.number.status == "insufficient" or found.number.value == 1
    assert found.strengths[:, 1:].max() < 0.8


def test_a_strand_that_contains_others_is_named() -> None:
    eye = torch.eye(6, dtype=torch.float64)
    bases = torch.stack([eye[:, [0, 4]], eye[:, [0, 1]], eye[:, [2, 3]], eye[:, [1, 5]]])
    shares = torch.tensor([0.2, 0.3, 0.2, 0.2, 0.1], dtype=torch.float64)
    mixture = Mixture(bases, torch.tensor([1, 2, 2, 1]), torch.full((4,), 0.1).double(), shares, eye)
    assert mixture.containing == [1]
    left = mixture.without([1])
    assert left.distinct
    assert left.ranks.tolist() == [1, 2, 1]
    torch.testing.assert_close(left.shares, torch.tensor([0.2, 0.2, 0.2, 0.1]).double() / 0.7)


def test_contexts_that_mix_two_strands_are_no_third() -> None:
    """As in networks, where between two strands the gradient goes over from one to the other."""
    generator = torch.Generator().manual_seed(0)
    lines = torch.linalg.qr(torch.randn(12, 2, generator=generator)).Q
    parts = torch.randn(400, 2, generator=generator)
    which = torch.arange(400) % 10  # one in ten has both
    parts[which < 4, 0] = 0.0
    parts[(which >= 4) & (which < 9), 1] = 0.0
    jacobians = parts @ lines.T + 0.02 * torch.randn(400, 12, generator=generator)
    found = find_strands(jacobians, rng=Rng(0), most=5)
    assert found.number.value == 2
    assert found.measurements["strand_dimensions"].value.tolist() == [1.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1"])
def test_strands_of_a_network_that_learned_a_teacher(seed: str) -> None:
    """They are found, or it is said that they cannot be told: never one strand."""
    teacher = GatedTeacher(strands=2, rank=1, dimension=16, seed=int(seed))
    pupil = teacher.trained(width=64, steps=1500, rng=Rng(int(seed)).child("training"))
    inputs, gates = teacher.draw(600, Rng(int(seed)).child("draw"))
    found = find_strands(pupil.jacobians(inputs, gates), rng=Rng(0), most=5)
    if found.number.status == "insufficient":
        assert "inside of one another" in found.number.reason
    else:
        assert found.number.value == 2
        assert adjusted_rand_score(gates.numpy(), found.labels) > 0.9


def test_as_many_strands_as_were_tried_are_no_answer() -> None:
    jacobians, _, _ = _teacher_gradients(4, 1, 16, 300)
    found = find_strands(jacobians, rng=Rng(0), most=2)
    assert found.number.status == "insufficient"
    assert "larger `most`" in found.number.reason
    assert found.mixture is None
    assert found.probabilities.isnan().all()
    assert {m.status for m in found.measurements.values()} == {"insufficient"}


def test_one_strand_is_one() -> None:
    jacobians, _, _ = _teacher_gradients(1, 2, 16, 300)
    found = find_strands(jacobians, rng=Rng(0), most=4)
    assert (found.number.value, found.preferred) == (1.0, 1)
    assert found.measurements["strand_dimensions"].value.tolist() == [2.0]


def test_uniform_directions_have_no_strand() -> None:
    noise = torch.randn(300, 16, generator=torch.Generator().manual_seed(0))
    found = find_strands(noise, rng=Rng(0), most=4)
    assert found.number.value == 0
    assert found.mixture is None
    assert found.measurements["strand_shares"].status == "insufficient"


def test_one_covariance_is_no_mixture() -> None:
    """A spectrum that falls smoothly has no strands in it."""
    spectrum = torch.arange(1, 17) ** -1.0
    noise = torch.randn(500, 16, generator=torch.Generator().manual_seed(0)) * spectrum.sqrt()
    assert find_strands(noise, rng=Rng(0), most=4).preferred <= 1


def test_probabilities_are_calibrated() -> None:
    """Two planes in five dimensions, noisy enough that many contexts are in doubt."""
    generator = torch.Generator().manual_seed(0)
    planes = torch.linalg.qr(torch.randn(2, 5, 2, dtype=torch.float64, generator=generator)).Q
    truth = torch.arange(8000) % 2
    inside = torch.einsum("nr,ndr->nd", torch.randn(8000, 2, dtype=torch.float64, generator=generator), planes[truth])
    gradients = Gradients.of(inside + 0.3 * torch.randn(8000, 5, dtype=torch.float64, generator=generator))
    mixture = paths(gradients, most=2, most_rank=3, rng=Rng(0))[2].mixture
    p = mixture.probabilities(gradients)
    overlap = [float((mixture.bases[s, :, :2].T @ planes[0]).square().sum()) for s in range(2)]
    first = truth == 0
    of_first = p[:, 0] if overlap[0] > overlap[1] else p[:, 1]
    for low in (0.1, 0.3, 0.5, 0.7, 0.9):
        bin_ = (of_first > low - 0.1) & (of_first <= low + 0.1)
        count, right = int(bin_.sum()), int((bin_ & first).sum())
        assert count > 100
        expected = float(of_first[bin_].mean())
        # three standard errors, and 0.03 for what was fitted
        assert abs(right / count - expected) < 3 * math.sqrt(expected * (1 - expected) / count) + 0.03, (low, count)


def test_prediction_strength_by_counting_pairs() -> None:
    generator = np.random.default_rng(0)
    own, other = generator.integers(0, 4, 60), generator.integers(0, 4, 60)
    k = 3  # 3 is the background
    least = 1.0
    for s in range(k):
        members = np.flatnonzero(own == s)
        pairs = [(i, j) for i in members for j in members if i < j]
        least = min(least, np.mean([other[i] == other[j] < k for i, j in pairs]))
    assert prediction_strength(torch.from_numpy(own), torch.from_numpy(other), k) == pytest.approx(least)


def test_the_scale_of_a_context_does_not_matter() -> None:
    jacobians, _, _ = _teacher_gradients(2, 1, 16, 300)
    scales = torch.from_numpy(stats.loguniform(1e-6, 1e6).rvs(300, random_state=0))
    first, second = (Gradients.of(j).values for j in (jacobians, jacobians * scales[:, None, None]))
    torch.testing.assert_close(first, second)


def test_contexts_without_a_gradient_are_left_out() -> None:
    jacobians, _, _ = _teacher_gradients(2, 1, 16, 200)
    jacobians[7] = 0
    found = find_strands(jacobians, rng=Rng(0), most=4)
    assert found.number.value == 2
    assert torch.isnan(found.probabilities[7]).all()
    assert found.labels[7] == 2


@pytest.mark.slow
@pytest.mark.parametrize(("strands", "rank", "dimension", "n"), [(3, 2, 16, 70), (2, 4, 32, 80), (4, 2, 64, 160)])
def test_what_would_suffice_does(strands: int, rank: int, dimension: int, n: int) -> None:
    """Too few contexts give the right number or none, and as many as are asked for show it."""
    wanted = []
    for seed in range(8000, 8003):
        few = find_strands(_teacher_gradients(strands, rank, dimension, n, seed=seed)[0], rng=Rng(0), most=strands + 3)
        if few.number.status == "ok":
            assert few.number.value == strands
        else:
            wanted.append(few.number.suffices["examples"])
            enough = _teacher_gradients(strands, rank, dimension, wanted[-1], seed=seed)[0]
            assert find_strands(enough, rng=Rng(0), most=strands + 3).number.value == strands
    assert wanted


def test_too_few_contexts_say_how_many_would_do() -> None:
    found = find_strands(torch.randn(20, 8), rng=Rng(0))
    assert found.number.status == "insufficient"
    assert found.number.suffices == {"examples": 32}


@pytest.mark.parametrize(
    "bad",
    [torch.full((40, 4), torch.nan), torch.zeros(40, 4), torch.randn(40), torch.randn(40, 1)],
    ids=["NaN", "zero", "one axis", "one dimension"],
)
def test_bad_gradients_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(GnomonError):
        find_strands(bad, rng=Rng(0))
