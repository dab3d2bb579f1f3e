"""A lower bound on how private training was, from the one run that there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.privacy.blind import BASELINES, blind
from gnomon.assurance.privacy.canary_exposure import Ranks, ranks
from gnomon.assurance.privacy.guessed_ranks import rank_epsilon_bound
from gnomon.assurance.privacy.guesses import epsilon_bound, ordered_hits
from gnomon.assurance.privacy.membership import scores
from gnomon.assurance.privacy.quantities import PRIVACY_LOSS
from gnomon.assurance.privacy.secrets import MATERIAL, Secret, has_secrets, secrets
from gnomon.assurance.privacy.texts import MEMBERS, NON_MEMBERS, Draw, draws, has_draws
from gnomon.assurance.registry import register
from gnomon.errors import UnknownNameError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.statistics import Family

Array = NDArray[np.float64]

_RANKS, _PAIRS = "canary ranks", "canary pairs"


@register
class PrivacyAudit(Evaluation):
    r"""Lower bounds on ε of training, from how well the network tells what was drawn to be shown.

    - *Canary ranks*: each secret is one of N, and stands among the first of them more often than ε allows
      (`rank_epsilon_bound`, δ = 0). With the canary as the unit all its showings are one change, with the document each
      showing is.
    - *Canary pairs*: each secret against one other candidate, drawn by the audit: a coin (`epsilon_bound`, with δ). The
      canaries that were shown most are guessed first.
    - *Text pairs*: each member with a non-member, matched at random: which of the two was trained on is a coin, and
      the pairs that the score tells apart most are guessed first. With ``inclusion`` at ``coin`` each text was trained
      on or not by a coin of its own: the highest scores are guessed in, as many of the lowest out.

    How many are guessed is stated before, and paid for. Each row holds at ``level`` by itself; its interval has no
    upper end, and the chance of a bound that is too high is half of what the level leaves. What one run shows is a
    lower bound for the whole procedure; a small one is no sign of privacy.

    Reads the materials ``canaries`` and ``members`` with ``non_members`` as the other evaluations of privacy do. Where
    the texts alone tell members from non-members no coin was tossed, and the reading is insufficient.

    Parameters
    ----------
    candidates, pattern : see `CanaryExposure`.
    delta : of the (ε, δ) that is bounded by pairs.
    guesses : shares of the secrets that are guessed.
    texts : of each side, at most.
    score, references : by which texts are guessed, see `Membership`.
    inclusion : how texts were drawn.
    randomised : see `Membership`.

    Cost: that of `CanaryExposure` and `Membership`.
    """

    name: ClassVar[str] = "privacy_audit"
    quantities: ClassVar[tuple[Quantity, ...]] = (PRIVACY_LOSS,)
    materials: ClassVar[tuple[str, ...]] = (MATERIAL, MEMBERS, NON_MEMBERS)

    candidates: Annotated[int, Field(ge=2, le=100_000)] = 10_000
    pattern: str = ""
    delta: Annotated[float, Field(ge=0, lt=1)] = 1e-5
    guesses: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (0.03, 0.2, 1.0)
    texts: Annotated[int, Field(ge=20)] = 300
    score: str = "loss"
    references: tuple[str, ...] = ()
    inclusion: Literal["pairs", "coin"] = "pairs"
    randomised: bool = False

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`."""
        if has_secrets(deployment) or has_draws(deployment):
            return ""
        return f"no material {MATERIAL!r} or {MEMBERS!r}"

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Raises GnomonError on a damaged material; UnknownNameError for an unknown score."""
        found: list[Measurement] = []
        if has_secrets(deployment):
            canaries = [one for one in secrets(deployment, self.pattern) if one.shown > 0]
            found += self._of_canaries(deployment, canaries, rng.child("canaries"), level)
        for draw in draws(deployment, self.texts, rng.child("draws"), randomised=self.randomised):
            found.append(self._of_texts(deployment, draw, rng.child("texts", draw.name), level))
        return found

    def _of_canaries(
        self, deployment: Deployment, canaries: Sequence[Secret], rng: Rng, level: float
    ) -> list[Measurement]:
        if not canaries:
            reason = "no canary was shown"
            return [_insufficient(reason, {"canaries": 8.0}, _labels(_RANKS, "canary", "replace", 0.0))]
        with deployment.defence.on() as subject:
            found = ranks(subject, canaries, self.candidates, rng.child("candidates"))
        shown = np.array([one.shown for one in canaries], dtype=np.float64)
        told = {"canaries": len(canaries), "candidates": int(found.candidates.min())}
        rows = []
        for unit, times in (("canary", np.ones(len(canaries))), ("document", shown)):
            bound = rank_epsilon_bound(found.last, found.candidates, times, confidence=(1 + level) / 2)
            rows.append(_bound(bound, _labels(_RANKS, unit, "replace", 0.0), told, level))
        right = _against_decoys(found, rng.child("decoys"))
        labels = _labels(_PAIRS, "canary", "replace", self.delta)
        return [*rows, self._guessed(shown, right, labels, level, rng.child("ties"))]

    def _of_texts(self, deployment: Deployment, draw: Draw, rng: Rng, level: float) -> Measurement:
        draw = draw.one_of_each_cluster()
        adjacency = "replace" if self.inclusion == "pairs" else "add or remove"
        labels = _labels(f"{draw.name} {self.inclusion}", draw.unit, adjacency, self.delta)
        baseline = blind(draw, rng.child("blind"), level=Family("blind", BASELINES).simultaneous(level))
        if baseline.unlike:
            return _insufficient(baseline.unlike, {}, labels)
        with deployment.defence.on() as subject:
            found = scores(subject, draw, self.references)
        if self.score not in found:
            raise UnknownNameError("score", self.score, found)
        values = found[self.score]
        if self.inclusion == "coin":
            return self._guessed(*_by_coin(values, draw.member), labels, level, rng.child("ties"))
        generator = rng.child("matched").numpy()
        inside, outside = (generator.permutation(np.flatnonzero(draw.member == side)) for side in (True, False))
        count = min(len(inside), len(outside))
        gaps = values[inside[:count]] - values[outside[:count]]
        return self._guessed(np.abs(gaps), gaps > 0, labels, level, rng.child("ties"))

    def _guessed(
        self, margins: Array, right: NDArray[np.bool_], labels: dict[str, str], level: float, rng: Rng
    ) -> Measurement:
        secret = len(margins)
        if 2 * secret * self.delta > 1:
            reason = f"delta {self.delta:g} is too large for {secret} secrets"
            return _insufficient(reason, {"delta": 0.5 / secret}, labels)
        counts = sorted({max(1, round(share * secret)) for share in self.guesses})
        hits = ordered_hits(margins, right, counts, rng)
        bound = epsilon_bound(hits, counts, secret, delta=self.delta, confidence=(1 + level) / 2)
        return _bound(bound, labels, {"secrets": secret, "guesses": counts, "right": hits}, level)


def _against_decoys(found: Ranks, rng: Rng) -> NDArray[np.bool_]:
    """Whether each secret is likelier than another candidate, which is drawn by its place among the others."""
    place = rng.numpy().integers(found.candidates - 1)
    return np.asarray(place >= found.better + found.equal)


def _by_coin(values: Array, member: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """Of each text how far it is from the middle, and whether it is guessed right: above in, below out.

    A median of all scores makes k+ and k- differ by what the scores say and not by which guesses are right.
    """
    centred = values - np.median(values)
    return np.abs(centred), np.where(centred > 0, member, ~member)


def _labels(evidence: str, unit: str, adjacency: str, delta: float) -> dict[str, str]:
    return {"evidence": evidence, "unit": unit, "adjacency": adjacency, "delta": f"{delta:g}"}


def _bound(bound: float, labels: dict[str, str], diagnostics: Mapping[str, object], level: float) -> Measurement:
    interval = Uncertainty.interval(bound, float("inf"), level=level, covers={"data"})
    return Measurement.ok(
        PRIVACY_LOSS, bound, interval, labels=labels, estimator="privacy_audit", diagnostics=diagnostics
    )


def _insufficient(reason: str, suffices: dict[str, float], labels: dict[str, str]) -> Measurement:
    return Measurement.insufficient(PRIVACY_LOSS, reason, suffices=suffices, labels=labels, estimator="privacy_audit")
