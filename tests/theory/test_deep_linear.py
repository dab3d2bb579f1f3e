"""Deep linear networks: the closed forms against gradient descent of whole networks, by matrices."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad, solve_ivp
from scipy.stats import kstest

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.theory import OutOfDomainError
from gnomon.theory.deep_linear import (
    LearningTime,
    aligned_starts,
    flow_time,
    learning_steps,
    next_term,
    steepness,
    strength,
)
from gnomon.theory.deep_linear_random import RandomLearningTime, effective_starts, interference

Array = NDArray[np.float64]


def orthogonal(rng: np.random.Generator, *shape: int) -> Array:
    return np.linalg.qr(rng.normal(size=shape)).Q


def crossings(
    weights: Sequence[Array],
    target: Array,
    learning_rate: float,
    share: float,
    covariance: Array | None = None,
    at_most: int = 20_000,
) -> Array:
    """Steps until each mode of ``target`` reaches ``share``, ``(..., modes)``, by gradient descent on all matrices."""
    left, s, right = np.linalg.svd(target)
    modes = int((s > 1e-12).sum())
    left, s, right = left[:, :modes], s[:modes], right.T[:, :modes]
    layers, times, before = [w.copy() for w in weights], None, None
    for step in range(at_most):
        after = [layers[0]]  # after[l]: the product of the layers up to l
        for w in layers[1:]:
            after.append(w @ after[-1])
        u = np.einsum("oa,...oi,ia->...a", left, after[-1], right)
        times = np.full(u.shape, np.nan) if times is None else times
        if before is not None:
            new = np.isnan(times) & (u >= share * s)
            times[new] = (step - 1 + (share * s - before) / np.where(new, u - before, 1.0))[new]
        if not np.isnan(times).any():
            return times
        before = u
        above = target - after[-1]
        if covariance is not None:
            above = above @ covariance
        steps = []
        for i in reversed(range(len(layers))):
            steps.append(above @ np.swapaxes(after[i - 1], -1, -2) if i else above)
            above = np.swapaxes(layers[i], -1, -2) @ above
        layers = [w + learning_rate * d for w, d in zip(layers, reversed(steps), strict=True)]
    raise AssertionError(f"not learned within {at_most} steps")


def aligned(
    rng: np.random.Generator, starts: Sequence[float], layers: int, hidden: int, d: int
) -> tuple[list[Array], Array, Array]:
    """Weights, and the singular vectors that they are aligned with."""
    ends = orthogonal(rng, d, d), orthogonal(rng, d, d)
    inner = [orthogonal(rng, hidden, hidden)[:, : len(starts)] for _ in range(layers - 1)]
    bases = [ends[0][:, : len(starts)], *inner, ends[1][:, : len(starts)]]
    amplitude = np.asarray(starts) ** (1 / layers)
    weights = [(out * amplitude) @ into.T for into, out in itertools.pairwise(bases)]
    return weights, bases[-1], bases[0]


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 7])
def test_the_time_of_the_flow_is_its_integral(layers: int) -> None:
    for start, end, s in ((1e-4, 0.5, 1.0), (1e-2, 2.99, 3.0), (0.1, 0.2, 0.4)):
        rate = lambda log_u, s=s: math.exp(log_u * (2 / layers - 1)) / (s - math.exp(log_u)) / layers  # noqa: E731
        integral, _ = quad(rate, math.log(start), math.log(end), epsabs=0, epsrel=1e-11, limit=200)
        assert flow_time(start, end, s, layers) == pytest.approx(integral, rel=1e-8)


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_the_strength_is_the_solution_of_the_flow(layers: int) -> None:
    s, start = 1.5, 0.02
    times = np.linspace(0, 2.0 if layers < 3 else 12.0, 9)
    found = solve_ivp(
        lambda _, u: layers * u ** (2 - 2 / layers) * (s - u),
        (0, times[-1]),
        [start],
        t_eval=times,
        rtol=1e-11,
        atol=1e-12,
    )
    assert [strength(t, start, s, layers) for t in times] == pytest.approx(found.y[0], rel=1e-7)
    assert strength(1e6, start, s, layers) == pytest.approx(s)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_networks_from_aligned_weights_learn_each_mode_when_the_theory_says(layers: int) -> None:
    rng, singular_values = Rng(0).child("aligned", layers).numpy(), (3.0, 2.0, 0.7)
    for steep in (0.05, 0.2, 0.5):
        learning_rate = steep / steepness(singular_values[0], layers, 1.0)
        for share in (0.5, 0.9):
            starts = [0.01 * s for s in singular_values]
            weights, left, right = aligned(rng, starts, layers, hidden=7, d=5)
            found = crossings(weights, (left * singular_values) @ right.T, learning_rate, share)
            for s, start, steps in zip(singular_values, starts, found, strict=True):
                theory = LearningTime(
                    singular_value=s, start=start, learning_rate=learning_rate, layers=layers, share=share
                )
                assert theory.outside() == ()
                assert abs(theory.value() - steps) <= theory.systematic() < 1.0


def test_the_error_falls_with_the_step_size_and_without_its_term_does_not() -> None:
    s, start, end, layers = 1.0, 1e-3, 0.5, 2
    errors, plain = [], []
    for steep in (0.4, 0.2, 0.1, 0.05):
        rate = steep / steepness(s, layers, 1.0)
        # an aligned mode of gradient descent is one number
        a, k = start**0.5, 0
        while a**2 < end:
            before, a, k = a, a + rate * a * (s - a**2), k + 1
        # on the curve through the last steps rather than the chord, which is off by more than what is tested
        partial = learning_steps(before**2, end, s, layers, rate)
        exact = k - 1 + partial
        errors.append(learning_steps(start, end, s, layers, rate) - exact)
        plain.append(flow_time(start, end, s, layers) / rate - exact)
        # what is left is the next term of the expansion, from the start to the last step
        assert errors[-1] == pytest.approx(-next_term(start, before**2, s, layers, rate), rel=0.15 * steep / 0.05)
    assert np.polyfit(np.log([0.4, 0.2, 0.1, 0.05]), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.1)
    # the flow alone is off by a logarithm that no step size takes away
    assert plain == pytest.approx([-0.5 * math.log((0.5**0.5 * 0.5) / (1e-3**0.5 * 0.999))] * 4, abs=0.05)


def test_inputs_that_are_nearly_white_are_within_the_bound() -> None:
    rng, singular_values, inside = Rng(1).child("sampled").numpy(), (2.0, 1.0), 0
    for examples in (5_000, 20_000):
        for _ in range(10):
            starts = [1e-3 * s for s in singular_values]
            weights, left, right = aligned(rng, starts, 2, hidden=6, d=4)
            x = rng.normal(size=(examples, 4))
            covariance = x.T @ x / examples
            off = float(np.abs(np.linalg.eigvalsh(covariance) - 1).max())
            found = crossings(weights, (left * singular_values) @ right.T, 0.02, 0.5, covariance)
            for s, start, steps in zip(singular_values, starts, found, strict=True):
                theory = LearningTime(singular_value=s, start=start, learning_rate=0.02, whiteness_error=off)
                assert theory.outside() == ()
                assert abs(theory.value() - steps) <= theory.systematic()
                inside += (
                    abs(theory.value() - steps)
                    <= LearningTime(singular_value=s, start=start, learning_rate=0.02).systematic()
                )
    # the share for the inputs is needed
    assert inside < 20


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_weights_that_are_nearly_aligned_are_within_the_bound_and_others_are_refused(layers: int) -> None:
    rng, singular_values, rate = Rng(6).child("nearly", layers).numpy(), (2.0, 1.0), 0.01
    seen = []
    for noise in (0.0, 0.01, 0.03):
        for _ in range(5):
            weights, left, right = aligned(rng, [0.05, 0.05], layers, hidden=5, d=4)
            size = 0.05 ** (1 / layers)
            weights = [w + noise * size * rng.normal(size=w.shape) for w in weights]
            starts, errors = aligned_starts(weights, left, right)
            found = crossings(weights, (left * singular_values) @ right.T, rate, 0.5)
            for s, start, error, steps in zip(singular_values, starts, errors, found, strict=True):
                theory = LearningTime(
                    singular_value=s, start=start, learning_rate=rate, layers=layers, start_error=error
                )
                miss = abs(theory.value() - steps)
                if theory.outside() == ():
                    assert miss <= theory.systematic()
                    seen.append((noise, miss))
    # the term is needed, and most of these weights are inside
    assert len(seen) >= 24
    assert max(miss for noise, miss in seen if noise == 0) < 0.1 < max(miss for _, miss in seen)
    weights = [size * rng.normal(size=w.shape) for w in weights]
    starts, errors = aligned_starts(weights, left, right)
    refused = LearningTime(
        singular_value=2.0, start=abs(starts[0]), learning_rate=rate, layers=layers, start_error=errors[0]
    )
    with pytest.raises(OutOfDomainError, match="not aligned and balanced"):
        refused.predict()


def small_random(
    rng: np.random.Generator, runs: int, hidden: int, d: int, scales: tuple[float, float]
) -> tuple[Array, Array]:
    return scales[0] * rng.normal(size=(runs, hidden, d)), scales[1] * rng.normal(size=(runs, d, hidden))


RANDOM = {
    "one mode": ((2.0,), 32, (1e-2, 1e-2)),
    "two modes": ((3.0, 1.0), 32, (1e-2, 1e-2)),
    "three modes": ((3.0, 2.0, 1.0), 32, (1e-3, 1e-3)),
    "close modes": ((3.0, 2.5), 32, (1e-4, 1e-4)),
    "few units": ((3.0, 2.0, 1.0), 5, (1e-3, 1e-3)),
    "unequal scales": ((3.0, 1.0), 48, (1e-3, 5e-3)),
}


@pytest.mark.parametrize("case", RANDOM)
def test_networks_from_small_random_weights_learn_each_mode_when_the_theory_says(case: str) -> None:
    singular_values, hidden, scales = RANDOM[case]
    rng, d, runs, rate = Rng(2).child(case).numpy(), 4, 200, 0.02
    left, right = (orthogonal(rng, d, d)[:, : len(singular_values)] for _ in range(2))
    first, second = small_random(rng, runs, hidden, d, scales)
    found = crossings([first, second], (left * singular_values) @ right.T, rate, 0.5)
    starts = effective_starts(first, second, left, right)
    for mode, s in enumerate(singular_values):
        theory = RandomLearningTime(
            singular_values=singular_values, mode=mode, hidden=hidden, scales=scales, learning_rate=rate
        )
        assert theory.outside() == ()
        # the law over starts: the probability at which the theory has each run is uniform
        grid = np.linspace(0.0005, 0.9995, 400)
        at = np.interp(found[:, mode], [theory.quantile(p) for p in grid], grid)
        assert kstest(at, "uniform").pvalue > 1e-3
        # the median, with the distribution-free interval between order statistics (99.7 % at n = 200)
        ordered = np.sort(found[:, mode])
        slack = theory.systematic()
        assert ordered[78] - slack <= theory.value() <= ordered[121] + slack
        # and each run, from its own weights
        own = [LearningTime(singular_value=s, start=u, learning_rate=rate).value() for u in starts[:, mode]]
        assert np.mean(np.abs(own - found[:, mode]) <= slack) >= (0.97 if hidden >= 32 else 0.75)
        assert np.median(np.abs(own - found[:, mode])) <= 0.1


def test_the_error_falls_with_the_scale_of_the_weights() -> None:
    singular_values, hidden, rate = (3.0, 2.0), 32, 0.02
    rng = Rng(3).child("scales").numpy()
    left, right = (orthogonal(rng, 4, 4)[:, :2] for _ in range(2))
    errors, bounds = [], []
    for scale in (0.1, 0.03, 0.01):
        first, second = small_random(rng, 100, hidden, 4, (scale, scale))
        found = crossings([first, second], (left * singular_values) @ right.T, rate, 0.5)
        starts = effective_starts(first, second, left, right)
        own = np.array(
            [LearningTime(singular_value=2.0, start=min(u, 0.9), learning_rate=rate).value() for u in starts[:, 1]]
        )
        errors.append(np.sqrt(np.mean((own - found[:, 1]) ** 2)))
        bounds.append(interference(np.median(starts, axis=0), singular_values)[1] / (2 * 2.0 * rate))
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 0
    assert (np.array(errors) < bounds).all()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"learning_rate": 0.15}, "learning rate × curvature at the target is 0.6"),
        ({"start": 1.2}, "starts at 1.2"),
        ({"whiteness_error": 0.3}, "0.3 off the identity"),
    ],
    ids=["steps", "start", "inputs"],
)
def test_outside_the_domain_of_aligned_starts_it_refuses(fields: dict[str, float], reason: str) -> None:
    with pytest.raises(OutOfDomainError, match=reason):
        LearningTime(**{"singular_value": 2.0, "start": 1e-3, "learning_rate": 0.01} | fields).predict()


def test_steps_beyond_the_edge_are_refused_and_never_settle() -> None:
    s, settled = 2.0, {}
    for steep in (0.5, 2.5):
        a, rate = 0.1, steep / steepness(s, 2, 1.0)
        for _ in range(500):
            a += rate * a * (s - a**2)
        settled[steep] = abs(a**2 - s)
        assert bool(LearningTime(singular_value=s, start=1e-2, learning_rate=rate).outside()) == (steep > 0.5)
    assert settled[0.5] < 1e-9 < 0.1 < settled[2.5]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"singular_values": (3.0, 2.95)}, "the start may be"),
        ({"scales": (0.2, 0.2)}, "the start may be"),
        ({"learning_rate": 0.15}, "curvature of the strongest mode"),
    ],
    ids=["gap", "scale", "steps"],
)
def test_outside_the_domain_of_random_starts_it_refuses(
    fields: dict[str, float | tuple[float, ...]], reason: str
) -> None:
    inputs = {"singular_values": (3.0, 1.0), "mode": 1, "hidden": 32, "scales": (1e-3, 1e-3), "learning_rate": 0.02}
    with pytest.raises(OutOfDomainError, match=reason):
        RandomLearningTime(**inputs | fields).predict()


def test_where_modes_interfere_the_refusal_is_earned() -> None:
    # weights of 0.05 and singular values that are close: the effective starts miss the times by steps
    singular_values, rate = (3.0, 2.9), 0.02
    rng = Rng(5).child("close").numpy()
    left, right = (orthogonal(rng, 4, 4)[:, :2] for _ in range(2))
    first, second = small_random(rng, 200, 8, 4, (0.05, 0.05))
    found = crossings([first, second], (left * singular_values) @ right.T, rate, 0.5)
    theory = RandomLearningTime(
        singular_values=singular_values, mode=1, hidden=8, scales=(0.05, 0.05), learning_rate=rate
    )
    assert theory.outside()
    own = [
        LearningTime(singular_value=2.9, start=u, learning_rate=rate).value()
        for u in effective_starts(first, second, left, right)[:, 1]
    ]
    assert np.sqrt(np.mean((own - found[:, 1]) ** 2)) > 1.0


@pytest.mark.parametrize(
    "fields",
    [{"singular_value": 0.0}, {"start": -1.0}, {"layers": 0}, {"share": 1.0}, {"whiteness_error": -0.1}],
    ids=str,
)
def test_inputs_without_meaning_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(GnomonError):
        LearningTime(**{"singular_value": 2.0, "start": 1e-3, "learning_rate": 0.01} | fields)


@pytest.mark.parametrize(
    "fields",
    [{"singular_values": (1.0, 2.0)}, {"mode": 2}, {"hidden": 1}, {"scales": (0.1, 0.0)}, {"learning_rate": 0.0}],
    ids=str,
)
def test_random_starts_without_meaning_are_refused(fields: dict[str, float | tuple[float, ...]]) -> None:
    inputs = {"singular_values": (3.0, 1.0), "mode": 1, "hidden": 32, "scales": (1e-3, 1e-3), "learning_rate": 0.02}
    with pytest.raises(GnomonError):
        RandomLearningTime(**inputs | fields)
