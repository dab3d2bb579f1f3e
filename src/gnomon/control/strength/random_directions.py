"""The control of every controller: the same one with directions drawn at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit

from gnomon.control.controller import Controller
from gnomon.control.strength.arms import Steered
from gnomon.control.strength.bands import Array, Estimate, proportion
from gnomon.control.strength.measuring import read_arms
from gnomon.control.strength.quantities import REMOVED_SHARE
from gnomon.control.strength.readers import Reader
from gnomon.control.strength.study import REMOVED, gone, nearly_nothing, nothing_to_remove
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import Subject
from gnomon.subjects.accumulate import DEFAULT_BYTES


def random_arms(controller: Controller, grid: Sequence[float], *, draws: int, rng: Rng) -> list[Steered]:
    """``draws`` controllers as ``controller``, of the same norms and ranks at the same places, directions at random."""
    return [
        Steered(f"random {i + 1}", controller.redrawn(rng.child("random direction", i)), tuple(grid))
        for i in range(draws)
    ]


def random_control(
    subject: Subject,
    controller: Controller,
    strength: float,
    effect: Reader,
    side_effects: Sequence[Reader],
    *,
    draws: int,
    rng: Rng,
    removed: bool = False,
    level: float = 0.95,
    max_bytes: int = DEFAULT_BYTES,
) -> dict[str, Measurement]:
    """What random directions in the place of the controller's do at one strength, pooled over ``draws`` of them.

    Returns, by name, the effect, each side effect, and, if asked, as `REMOVED` the share of the untouched effect that
    is gone.

    Raises GnomonError for fewer than two draws, and as `read_arms` does. Cost: a pass over all texts a draw, and one.
    """
    arms = random_arms(controller, [strength], draws=draws, rng=rng)
    readers = [effect, *side_effects]
    values = read_arms(subject, arms, readers, max_bytes=max_bytes)
    made: dict[str, tuple[Quantity, Callable[[Array], Estimate], str]] = {
        one.name: (one.quantity, one.estimate, one.name) for one in readers
    }
    if removed:
        made[REMOVED] = (REMOVED_SHARE, lambda one: gone(one, effect), effect.name)
    whole = effect.estimate(values[arms[0].name][effect.name])
    found: dict[str, Measurement] = {}
    for name, (quantity, estimate, read) in made.items():
        each = [estimate(values[arm.name][read]) for arm in arms]
        labels = {"arm": "random directions", "strength": f"{strength:g}", "reading": name}
        if name == REMOVED and _nearly_nothing(whole, level):
            found[name] = Measurement.insufficient(quantity, nothing_to_remove(effect.name), labels=labels)
            continue
        value, uncertainty = pooled(np.stack([one.values[1] + one.influence[:, 1] for one in each]), level=level)
        if each[0].shares:
            uncertainty = _as_wide_as_exact(value, uncertainty, each[0].clusters, level)
        elif name == REMOVED and whole.shares:
            uncertainty = _gone(float(whole.values[0]), found[effect.name].uncertainty, whole.clusters, level)
        elif uncertainty.low == uncertainty.high:
            uncertainty = Uncertainty.unknown()  # all directions and texts gave the same: nothing tells the error
        found[name] = Measurement.ok(
            quantity, value, uncertainty, labels=labels, estimator="random_control", diagnostics={"draws": draws}
        )
    return found


def pooled(values: Array, *, level: float = 0.95) -> tuple[float, Uncertainty]:
    r"""The mean over random directions and texts, and its uncertainty over both.

    Parameters
    ----------
    values : ``(draws, n)``: of every direction on the same n independent texts (or clusters of texts).

    The variance is :math:`\hat\sigma^2_D / k + \hat\sigma^2_T / n`, of the k means over texts and of the n means over
    directions: each holds what is left besides once, so that the sum is not too small. The interval is Student's, with
    one degree of freedom less than the smaller of k and n.

    Raises GnomonError with fewer than two directions or texts. Source: Owen, Annals of Applied Statistics 1 (2007) 386
    (crossed random effects).
    """
    k, n = values.shape
    if min(k, n) < 2:
        raise GnomonError(f"{k} random directions on {n} texts have no spread", mend="draw at least two")
    directions, texts = values.mean(axis=1), values.mean(axis=0)
    error = float(np.sqrt(directions.var(ddof=1) / k + texts.var(ddof=1) / n))
    mean = float(values.mean())
    reach = float(stdtrit(min(k, n) - 1, (1 + level) / 2)) * error
    return mean, Uncertainty.interval(mean - reach, mean + reach, level=level, covers={"data", "seed"})


def _as_wide_as_exact(share: float, student: Uncertainty, texts: int, level: float) -> Uncertainty:
    """Student's interval of a proportion, where need be widened to the exact one of as many trials as texts."""
    low, high = proportion(share, texts, (1 - level) / 2)
    assert student.low is not None
    assert student.high is not None
    ends = max(min(low, float(student.low)), 0.0), min(max(high, float(student.high)), 1.0)
    return Uncertainty.interval(*ends, level=level, covers={"data", "seed"})


def _nearly_nothing(effect: Estimate, level: float) -> bool:
    """Whether the untouched effect, the first of its values, is too near 0 for a share of it."""
    tail, value, n = (1 - level) / 2, float(effect.values[0]), effect.clusters
    if effect.shares:
        return nearly_nothing(value, *proportion(value, n, tail), shares=True)
    reach = float(stdtrit(n - 1, 1 - tail)) * float(effect.influence[:, 0].std(ddof=1)) / math.sqrt(n)
    return nearly_nothing(value, value - reach, value + reach, shares=False)


def _gone(untouched: float, steered: Uncertainty, texts: int, level: float) -> Uncertainty:
    """Ends of 1 − E(s)/E(0) of proportions, from those of both."""
    assert steered.low is not None
    assert steered.high is not None
    low, high = proportion(untouched, texts, (1 - level) / 2)
    if not low > 0:
        return Uncertainty.unknown()
    ends = 1 - float(steered.high) / low, 1 - float(steered.low) / high
    return Uncertainty.interval(*ends, level=level, covers={"data", "seed"})
