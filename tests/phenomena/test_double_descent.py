"""Double descent: its experiments against independent ones, its judgement, and a small run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Results
from gnomon.lab.sweep.work import Job, work
from gnomon.organisms.digits import digits
from gnomon.organisms.label_noise import wrong_labels
from gnomon.phenomena.claim import control_verdict, verdict_of
from gnomon.phenomena.double_descent import DoubleDescent, Settings
from gnomon.phenomena.double_descent_epochs import NoisyNetwork, noisy_network, train_together
from gnomon.phenomena.double_descent_features import FeatureLadder, feature_ladder
from gnomon.randomness import Rng
from gnomon.testing.phenomena import check_phenomenon

SEEDS = range(6)
SETTINGS = Settings(examples=100, widths=(20, 50, 90, 100, 110, 200, 400), width=100, samples=(30, 90, 100, 110, 200))
STEPS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]


def test_the_ladder_is_that_of_scikit_learn_and_numpy() -> None:
    """The same features by hand; least squares by scikit-learn, least norm by the pseudo-inverse."""
    spec = FeatureLadder(examples=(60,), widths=(30, 200), noise=0.2, seed=5)
    found = feature_ladder(spec)
    rng = Rng(5)
    train, rest = digits().split(60, rng.child("split"))
    labels = np.eye(10)[wrong_labels(train.classes, 0.2, rng.child("noise"))] - 0.1
    truth = np.eye(10)[rest.classes[300:]] - 0.1
    weights = rng.child("features").numpy().standard_normal((200, 64))
    centre = train.images.mean(axis=0)
    scale = np.sqrt(((train.images - centre) ** 2).sum(axis=1).mean())
    for i, width in enumerate(spec.widths):
        phi, test = (
            np.maximum((images - centre) @ weights[:width].T / scale, 0) for images in (train.images, rest.images[300:])
        )
        if width < 60:
            output = LinearRegression(fit_intercept=False).fit(phi, labels).predict(test)
        else:
            output = test @ np.linalg.pinv(phi) @ labels
        error = ((output - truth) ** 2).sum() / (truth**2).sum()
        assert found["test_error"][i] == pytest.approx(error, rel=1e-6)
        assert found["misclassified"][i] == pytest.approx((output.argmax(axis=1) != rest.classes[300:]).mean())
    assert found["train_error"][0] > 1e-3
    assert found["train_error"][1] < 1e-20


def test_labels_are_fitted_from_as_many_features_as_examples_on() -> None:
    found = feature_ladder(FeatureLadder(examples=(80,), widths=(78, 79, 80, 81), noise=0.2))
    assert [error < 1e-10 for error in found["train_error"]] == [False, False, True, True]


def test_tuning_picks_no_worse_than_least_norm_at_the_threshold() -> None:
    found = feature_ladder(FeatureLadder(examples=(80,), widths=(80,), noise=0.2))
    assert found["ridge"][0] < found["test_error"][0] / 10
    assert found["stopped"][0] < found["test_error"][0] / 10


def test_networks_trained_together_are_those_trained_alone() -> None:
    specs = [
        NoisyNetwork(width=16, examples=60, steps=60, batch=8, marks=12, seed=seed, noise=noise)
        for seed, noise in ((0, 0.3), (1, 0.0))
    ]
    for spec, together in zip(specs, train_together(specs), strict=True):
        alone = noisy_network(spec)
        assert alone["steps"] == together["steps"] == spec.read_at()
        for name in ("train_error", "test_error", "validation_error"):
            # float32 sums in another order may turn single images
            np.testing.assert_allclose(alone[name], together[name], atol=0.02)


def test_the_network_is_trained_as_torch_does() -> None:
    """A plain loop with torch.optim.SGD on the stated recipe."""
    spec = NoisyNetwork(width=16, examples=60, steps=40, batch=8, marks=12, seed=2, learning_rate=0.05)
    found = noisy_network(spec)
    rng = Rng(2)
    train, rest = digits().split(60, rng.child("split"))
    centre = train.images.mean(axis=0)
    inputs, held = (torch.tensor(2 * (images - centre)).float() for images in (train.images, rest.images[300:]))
    labels = torch.tensor(wrong_labels(train.classes, spec.noise, rng.child("noise")))
    network = spec.network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    batches = torch.randint(60, (40, 8), generator=rng.child("batches").torch())
    for rows in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs[rows]), labels[rows]).backward()
        optimizer.step()
    wrong = (network(held).argmax(dim=1).numpy() != rest.classes[300:]).mean()
    assert found["test_error"][-1] == pytest.approx(wrong, abs=0.005)
    fitted = (network(inputs).argmax(dim=1) != labels).double().mean()
    assert found["train_error"][-1] == pytest.approx(float(fitted), abs=0.02)


def test_a_network_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    NoisyNetwork(width=4).network()
    assert torch.equal(before, torch.get_rng_state())


def test_a_diverging_network_says_so() -> None:
    with pytest.raises(GnomonError, match="diverged"):
        noisy_network(NoisyNetwork(width=64, examples=60, steps=300, marks=40, learning_rate=1e6))


def _ladder(spec: FeatureLadder, *, peak: float, at: float = 1.0, fitted: bool = True) -> dict[str, Any]:
    along_width = len(spec.widths) > 1
    sizes = np.array(spec.widths if along_width else spec.examples, dtype=float)
    ratio = sizes / 100 if along_width else 100 / sizes
    peaked = 0.5 + (peak - 0.5) * np.exp(-50 * np.log(ratio / at) ** 2) + 0.01 * spec.seed
    flat = 0.5 + 0 * sizes
    train = np.where((ratio >= 1) & fitted, 1e-28, 0.1)
    return {
        "train_error": train.tolist(),
        "test_error": peaked.tolist(),
        "misclassified": flat.tolist(),
        "ridge": (flat / ratio**0.1).tolist(),
        "stopped": (flat / ratio**0.1).tolist(),
    }


def _network(rise: float, end: float) -> dict[str, Any]:
    train = [0.8, 0.6, 0.4, 0.3, 0.15, 0.05, 0.005, 0, 0, 0, 0, 0]
    test = [0.8, 0.5, 0.3, 0.2, *[0.2 * rise] * 3, *[0.2 * end] * 5]
    return {"steps": STEPS, "train_error": train, "validation_error": test, "test_error": test}


def _verdicts(
    *, peak: float = 10, at: float = 1.0, fitted: bool = True, rise: float = 1.5, end: float = 1.2, lost: int = 0
) -> tuple[str, str]:
    def outcome(spec: Any) -> dict[str, Any] | None:
        if spec.seed < lost:
            return None
        if isinstance(spec, FeatureLadder):
            return _ladder(spec, peak=peak, at=at, fitted=fitted)
        return _network(rise, end) if spec.noise else _network(0.7, 0.4)

    found = DoubleDescent().judge(SETTINGS, SEEDS, _results(outcome))
    return verdict_of(found.claims), control_verdict(found.controls.values())


def _results(outcome: Callable[[Any], dict[str, Any] | None]) -> Results:
    records = []
    for point in DoubleDescent().points(SETTINGS, SEEDS):
        found = outcome(point.spec)
        records.append(
            PointRecord(
                key=point.key,
                experiment=point.experiment,
                spec=point.spec.model_dump(mode="json"),
                status="done" if found else "failed",
                outcome=found or {},
            )
        )
    return Results(records)


def test_a_peak_at_the_threshold_and_a_second_descent_are_shown() -> None:
    assert _verdicts() == ("shown", "not shown")


@pytest.mark.parametrize(
    "changes",
    [{"peak": 0.7}, {"at": 2.0}, {"rise": 1.0}, {"rise": 1.5, "end": 1.6}],
    ids=["too low", "elsewhere", "no rise over epochs", "no second fall"],
)
def test_what_is_not_double_descent_is_not_shown(changes: dict[str, float]) -> None:
    assert _verdicts(**changes)[0] == "not shown"  # type: ignore[arg-type]


def test_a_ladder_without_a_threshold_or_too_few_seeds_show_nothing() -> None:
    assert _verdicts(fitted=False)[0] == "insufficient"
    assert _verdicts(lost=1)[0] == "insufficient"
    assert _verdicts(lost=3)[0] == "insufficient"
    assert _verdicts(lost=6) == ("insufficient", "insufficient")


def test_it_keeps_the_contract() -> None:
    small = {"examples": 60, "widths": [20, 60, 120], "width": 60, "samples": [30, 60, 120]}
    network = {"network.width": 16, "network.examples": 60, "network.steps": 60, "network.marks": 12}
    check_phenomenon(DoubleDescent, {**small, **network})


@pytest.mark.slow
def test_the_quick_preset_shows_it() -> None:
    one, settings = DoubleDescent(), DoubleDescent.presets["quick"]
    points = one.points(settings, SEEDS)
    results = Results(record for p in points for record in work(Job.of([p])))
    found = one.judge(settings, SEEDS, results)
    assert verdict_of(found.claims) == "shown"
    assert {arm: verdict_of(claims) for arm, claims in found.controls.items()} == dict.fromkeys(
        ("no label noise", "tuned ridge", "early stopping"), "not shown"
    )
