"""The curves of an arm over its strengths, with bands that hold at once, and the strength that is chosen by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnomon.control.strength.arms import Arm
from gnomon.control.strength.bands import Array, Band, Estimate, check_bands, simultaneous
from gnomon.control.strength.choice import Choice, Wanted, choose
from gnomon.control.strength.measuring import read_arms
from gnomon.control.strength.quantities import CHOSEN_STRENGTH, REMOVED_SHARE
from gnomon.control.strength.readers import Reader
from gnomon.errors import GnomonError, UnknownNameError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import Subject
from gnomon.subjects.accumulate import DEFAULT_BYTES, Progress

REMOVED = "removed"
_ALIKE = "all texts read the same, so that nothing tells the error"


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One reading over the strengths; the first is that of the untouched network.

    Parameters
    ----------
    name, quantity : what was read.
    estimate : values and influence.
    band : simultaneous with those of all other curves of its study.
    unread : why there is no value where the band has no ends.
    """

    name: str
    quantity: Quantity
    estimate: Estimate
    band: Band
    unread: str = _ALIKE

    @property
    def values(self) -> Array:
        """``(1 + strengths,)``."""
        return self.estimate.values

    def measurement(self, index: int, *, arm: str, strength: float, level: float) -> Measurement:
        """That at one strength; ``insufficient`` where the texts do not bound it."""
        labels = {"arm": arm, "strength": f"{strength:g}", "reading": self.name}
        low, high = float(self.band.low[index]), float(self.band.high[index])
        if not np.isfinite([low, high]).all():
            return Measurement.insufficient(self.quantity, self.unread, labels=labels)
        if self.estimate.known[index]:
            uncertainty = Uncertainty.exact()
        else:
            clusters = float(self.estimate.clusters)
            uncertainty = Uncertainty.interval(low, high, level=level, covers={"data"}, effective_samples=clusters)
        return Measurement.ok(
            self.quantity, float(self.values[index]), uncertainty, labels=labels, estimator="strength_study"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """What one arm does, and does beside, at each of its strengths.

    Parameters
    ----------
    arm : its name.
    strengths : rising from 0, the untouched network.
    curves : by name; the effect, what is removed of it where that was asked, and the side effects.
    effect : name of the effect's curve.
    budgets : by name of side effect, what it may be at most.
    level : at which all bands of the study hold together.
    choice : the strength within the budgets.
    """

    arm: str
    strengths: tuple[float, ...]
    curves: Mapping[str, Curve]
    effect: str
    budgets: Mapping[str, float]
    level: float
    choice: Choice

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Of every curve at every strength, and the strength that was chosen."""
        found = [
            curve.measurement(i, arm=self.arm, strength=s, level=self.level)
            for curve in self.curves.values()
            for i, s in enumerate(self.strengths)
        ]
        return (*found, self.chosen)

    @property
    def chosen(self) -> Measurement:
        """The strength that was chosen; ``insufficient`` where none could be shown to be within the budgets."""
        labels, details = {"arm": self.arm}, {"budgets": dict(self.budgets), "level": self.level}
        if self.choice.index is None:
            return Measurement.insufficient(
                CHOSEN_STRENGTH, self.choice.reason, suffices=self.choice.suffices, labels=labels, diagnostics=details
            )
        value = self.strengths[self.choice.index]
        return Measurement.ok(
            CHOSEN_STRENGTH, value, Uncertainty.exact(), labels=labels, diagnostics=details, estimator="strength_study"
        )

    def at_choice(self, name: str) -> Measurement | None:
        """The reading of one curve at the strength that was chosen; ``None`` where none was."""
        index = self.choice.index
        if index is None or name not in self.curves:
            return None
        return self.curves[name].measurement(index, arm=self.arm, strength=self.strengths[index], level=self.level)

    def to_json(self) -> dict[str, Any]:
        """Curves with their bands, budgets and the choice."""
        return {
            "arm": self.arm,
            "strengths": list(self.strengths),
            "effect": self.effect,
            "level": self.level,
            "budgets": dict(self.budgets),
            "chosen": self.chosen.to_json(),
            "curves": {
                name: {
                    "quantity": one.quantity.name,
                    "values": one.values.tolist(),
                    "low": [_finite(x) for x in one.band.low],
                    "high": [_finite(x) for x in one.band.high],
                    "texts": one.estimate.clusters,
                }
                for name, one in self.curves.items()
            },
        }


def study(
    subject: Subject,
    arms: Sequence[Arm],
    effect: Reader,
    side_effects: Sequence[Reader],
    *,
    budgets: Mapping[str, float],
    wanted: Wanted,
    rng: Rng,
    removed: bool = False,
    level: float = 0.95,
    max_bytes: int = DEFAULT_BYTES,
    progress: Progress | None = None,
) -> dict[str, Study]:
    """Read the effect and the side effects of each of ``arms`` over its strengths, and choose one within ``budgets``.

    The bands of one arm hold together, over all its strengths and curves, at ``level``; so what is said at the strength
    that was chosen is free of having chosen it.

    Parameters
    ----------
    effect, side_effects : see `gnomon.control.strength.readers`.
    budgets : by name of side effect, in its unit; one without a budget is reported only.
    wanted : ``more`` or ``less`` of the effect, or the value that it should come to.
    removed : whether the share that is gone of the untouched effect is a curve too.
    rng : of the bands.

    Returns a study an arm, by name.

    Raises
    ------
    GnomonError : as `read_arms` and `simultaneous` do; UnknownNameError for a budget of something that is not read.

    Cost: see `gnomon.control.strength.measuring.read_arms`.
    """
    for name in budgets:
        if name not in {one.name for one in side_effects}:
            raise UnknownNameError("side effect", name, [one.name for one in side_effects])
    if removed and REMOVED in {effect.name, *(one.name for one in side_effects)}:
        raise GnomonError(f"a reading is called {REMOVED!r}", mend="give it another name")
    readers = [effect, *side_effects]
    check_bands({one.name: len(np.unique(one.clusters)) for one in readers}, level)  # before hours of reading
    values = read_arms(subject, arms, readers, max_bytes=max_bytes, progress=progress)
    found = {}
    for arm in arms:
        estimates = {one.name: one.estimate(values[arm.name][one.name]) for one in readers}
        quantities = {one.name: one.quantity for one in readers}
        texts = {one.name: one.texts for one in readers}
        if removed:
            estimates[REMOVED] = gone(values[arm.name][effect.name], effect)
            quantities[REMOVED], texts[REMOVED] = REMOVED_SHARE, effect.texts
        counted = removed and estimates[effect.name].shares
        paired = {name: one for name, one in estimates.items() if not (counted and name == REMOVED)}
        bands = simultaneous(paired, texts=texts, level=level, rng=rng.child(arm.name))
        if counted:
            bands[REMOVED] = gone_of_shares(bands[effect.name])
        unread = dict.fromkeys(estimates, _ALIKE)
        untouched, band = estimates[effect.name], bands[effect.name]
        if removed and nearly_nothing(float(untouched.values[0]), band.low[0], band.high[0], shares=untouched.shares):
            bands[REMOVED] = _endless(band)
            unread[REMOVED] = nothing_to_remove(effect.name)
        curves = {
            name: Curve(
                name=name, quantity=quantities[name], estimate=estimates[name], band=bands[name], unread=unread[name]
            )
            for name in estimates
        }
        limited = {name: (curves[name].values, curves[name].band, curves[name].estimate.clusters) for name in budgets}
        found[arm.name] = Study(
            arm=arm.name,
            strengths=(0.0, *arm.strengths),
            curves=curves,
            effect=effect.name,
            budgets=dict(budgets),
            level=level,
            choice=choose(curves[effect.name].values, limited, budgets, wanted),
        )
    return found


def gone(values: Array, effect: Reader) -> Estimate:
    """The share of the untouched effect that is gone, 1 − E(s)/E(0), paired over the texts; 0 at strength 0.

    Raises GnomonError when the untouched network shows nothing of it.
    """
    whole = effect.estimate(values)
    if whole.values[0] == 0:
        raise GnomonError(
            f"{effect.name} is 0 in the untouched network: there is nothing to remove", mend="give texts that show it"
        )
    left = whole.values / whole.values[0]
    influence = (left * whole.influence[:, :1] - whole.influence) / whole.values[0]
    return Estimate(values=1 - left, influence=influence, known=np.arange(len(left)) == 0)


def gone_of_shares(band: Band) -> Band:
    """Ends of 1 − E(s)/E(0) wherever both are within ``band``: also where all texts, or none, show the behaviour."""
    low, high = float(band.low[0]), float(band.high[0])
    if not low > 0:
        return _endless(band)
    return Band(1 - band.high / low, 1 - band.low / high)


def nearly_nothing(untouched: float, low: float, high: float, *, shares: bool) -> bool:
    """Whether the untouched effect, between ``low`` and ``high``, is too near 0 for a share of it to be told.

    It is where 0 is within the ends. Those of a share exclude 0 as soon as one text is counted, so there also where
    they reach as far above it as 0 is below.

    >>> nearly_nothing(0.02, 0.0002, 0.15, shares=True), nearly_nothing(0.4, 0.2, 0.6, shares=True)
    (True, False)
    """
    return bool(low <= 0 <= high or (shares and high >= 2 * untouched))


def nothing_to_remove(effect: str) -> str:
    """Why no share of ``effect`` is told."""
    return f"{effect} is not told from 0 in the untouched network, so there is nothing to take a share of"


def _endless(band: Band) -> Band:
    return Band(np.full_like(band.low, -np.inf), np.full_like(band.high, np.inf))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
