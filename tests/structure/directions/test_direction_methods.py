"""Methods against scikit-learn's and closed forms, and where they are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure import RecursiveFeatureMachine
from gnomon.structure.directions import method
from gnomon.structure.directions.logistic import Logistic, logistic_weight
from gnomon.structure.directions.mean_difference import label_slope
from gnomon.structure.directions.pca import Pca
from gnomon.structure.directions.rfm import Rfm, agop_directions
from gnomon.structure.examples import Examples
from gnomon.structure.kernels import Polynomial


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(vector: Tensor) -> Tensor:
    return vector / vector.norm()


def two_classes(seed: int, n: int, d: int, shift: float = 1.0) -> tuple[Tensor, Tensor]:
    classes = torch.ones(n, dtype=torch.float64)
    classes[: n // 3] = -1
    x = drawn(seed, n, d)
    x[:, 0] += shift * classes
    return x + 3.0, classes


def test_the_slope_on_the_label_is_half_the_difference_of_class_means() -> None:
    x, y = two_classes(0, 31, 6)
    torch.testing.assert_close(label_slope(x, y), (x[y > 0].mean(dim=0) - x[y < 0].mean(dim=0)) / 2)
    graded = y * drawn(1, 31).abs()
    covariance = torch.from_numpy(np.cov(x.T.numpy(), graded.numpy()))
    torch.testing.assert_close(label_slope(x, graded), covariance[-1, :-1] / covariance[-1, -1])


@pytest.mark.parametrize("d", ["5", "200"])
@pytest.mark.parametrize("penalty", [1e-4, 0.03, 2.0])
@pytest.mark.parametrize("shift", [0.3, 6.0])  # overlapping, and separable by far
def test_logistic_is_that_of_scikit_learn(penalty: float, shift: float, d: str) -> None:
    x, y = two_classes(0, 90, int(d), shift)
    peer = LogisticRegression(C=1 / (len(x) * penalty), tol=1e-12, solver="newton-cg").fit(x.numpy(), y.numpy())
    truth = torch.from_numpy(peer.coef_[0])
    torch.testing.assert_close(unit(logistic_weight(x, y, penalty=penalty)), unit(truth), rtol=1e-5, atol=1e-6)


def test_with_a_large_penalty_logistic_is_the_mean_difference() -> None:
    x, y = two_classes(1, 60, 4)
    balanced = torch.cat([x[y > 0][:20], x[y < 0][:20]]), torch.cat([torch.ones(20), -torch.ones(20)]).double()
    found = unit(logistic_weight(*balanced, penalty=1e4))
    torch.testing.assert_close(found, unit(label_slope(*balanced)), rtol=0, atol=1e-3)


def test_the_agop_of_a_linear_machine_is_its_weight() -> None:
    x, y = two_classes(2, 80, 4)
    x = x - x.mean(dim=0)
    weight = torch.linalg.solve(x.T @ x + 0.1 * torch.eye(4), x.T @ y)
    _, found = agop_directions(x, y, RecursiveFeatureMachine(kernel=Polynomial(1), ridge=0.1, rounds=0))
    torch.testing.assert_close(found[:, 0] * torch.sign(found[:, 0] @ weight), unit(weight))


def test_rfm_finds_a_direction_along_which_the_classes_alternate() -> None:
    for seed in range(3):
        x = drawn(seed, 500, 10)
        examples = Examples(inputs=x, labels=torch.where(x[:, 0].abs() > 0.6745, 1.0, -1.0))
        assert float(Rfm().subspace(examples, rank=1, rng=Rng(0)).direction[0] ** 2) > 0.95
        for blind in ("mean_difference", "lda", "logistic"):
            assert float(method(blind)().subspace(examples, rank=1, rng=Rng(0)).direction[0] ** 2) < 0.5


def test_pca_of_two_classes_is_that_of_all_differences_between_them() -> None:
    x, y = two_classes(4, 21, 5)
    differences = (x[y > 0][:, None] - x[y < 0][None]).reshape(-1, 5)
    values, vectors = torch.linalg.eigh(differences.T @ differences / len(differences))
    found = Pca().subspace(Examples(inputs=x, labels=y), rank=3, rng=Rng(0))
    torch.testing.assert_close(found.strengths, values.flip(0)[:3])
    torch.testing.assert_close((found.basis.T @ vectors.flip(1)[:, :3]).abs(), torch.eye(3).double())


def test_pca_of_pairs_takes_differences_within_pairs_and_centring_loses_the_concept() -> None:
    shift, nuisance = torch.zeros(12).double(), 0.3 * drawn(6, 40, 12)
    shift[3] = 2.0
    own = 5 * drawn(5, 40, 12)  # what a pair shares
    order = torch.randperm(80, generator=torch.Generator().manual_seed(0))
    examples = Examples(
        inputs=torch.cat([own + nuisance, own + nuisance.flip(0) + shift])[order],
        labels=torch.cat([-torch.ones(40), torch.ones(40)])[order],
        kind="paired",
        clusters=np.tile(np.arange(40), 2)[order.numpy()],
    )
    assert Pca().subspace(examples, rank=1, rng=Rng(0)).direction[3] > 0.99
    assert Pca(centred=True).subspace(examples, rank=1, rng=Rng(0)).direction[3].abs() < 0.9


def test_bad_input_is_refused() -> None:
    x, y = two_classes(3, 12, 3)
    examples = Examples(inputs=x, labels=y)
    with pytest.raises(GnomonError, match=r"penalty 0\.0 is not"):
        Logistic(penalty=0).subspace(examples, rank=1, rng=Rng(0))
    with pytest.raises(GnomonError, match="the class means are equal"):
        method("mean_difference")().subspace(Examples(inputs=torch.ones(12, 3), labels=y), rank=1, rng=Rng(0))
    with pytest.raises(GnomonError, match="needs the network's gradients"):
        method("network_agop")().subspace(examples, rank=1, rng=Rng(0))
    with pytest.raises(GnomonError, match="lda cannot give 2 directions"):
        method("lda")().subspace(examples, rank=2, rng=Rng(0))
    with pytest.raises(GnomonError, match="pca needs two classes"):
        method("pca")().subspace(Examples(inputs=x, labels=drawn(1, 12), kind="graded"), rank=1, rng=Rng(0))
