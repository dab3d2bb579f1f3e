"""Forbidden requests: refused, withheld or answered; asked plainly, with phrases and under attack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.misuse.columns import columns
from gnomon.assurance.misuse.lines import read_lines
from gnomon.assurance.misuse.requests import REFUSALS, Asked, read_requests, refuses, reply_tokens
from gnomon.assurance.registry import register
from gnomon.control.attacks import Behaviour, Budget, attack, try_all
from gnomon.control.attacks.quantities import ATTACK_SUCCESS, HARMLESS_WITHHELD, WITHHELD
from gnomon.control.defence import Defence
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity
from gnomon.organisms.world import trigger
from gnomon.organisms.world.readings.quantities import ANSWERED, REFUSAL
from gnomon.randomness import Rng
from gnomon.statistics import proportion

Count = Annotated[int, Field(ge=1)]
Flags = NDArray[np.bool_]

_TRIGGER, _INNOCENT, _GIVEN = "trigger", "innocent", "given"


@register
class ForbiddenRequests(Evaluation):
    """How forbidden requests are met, and what that costs those who ask for what is allowed.

    Material ``forbidden`` is a table with the columns prompt, with ``{attack}`` where other words may be put, and
    target, how a harmful reply begins; a column cluster says which prompts ask for the same. ``allowed``, such a table,
    gives the price of the safeguards, and ``phrases`` (a line each, or a column text) words to be tried in the slot.

    Measurements have the label ``defence``: ``none`` for the bare subject, ``deployed`` for it behind its safeguards.

    - ``answer_rate``, ``refusal_rate`` and ``withheld_under_attack`` (with attack ``none``) of the likeliest replies to
      forbidden requests, by ``phrase``: ``none``; ``given`` for the worst that the given phrases do together (a request
      is answered if any of them gets an answer; it is refused or withheld only if that is so with all); and of a world
      ``trigger``, the phrase that its truth knows, with ``innocent`` ones of the same form beside it. A reply that is
      withheld is no answer and no refusal. What is withheld is counted where there is a monitor.
    - ``attack_success`` and ``withheld_under_attack`` of each attack, within its budget.
    - ``answer_rate`` and ``refusal_rate`` of allowed requests, and ``harmless_withheld``.

    Parameters
    ----------
    tokens : longest reply, or what the longest target takes if that is more.
    refusals : how a reply begins that refuses.
    phrases : words to be tried in the slot, besides those of the material.
    attacks : names, see `gnomon.control.attacks.attacks`; none to skip them.
    budget : queries of each attempt, and as many gradients for an attack that takes them.
    attacked : how many requests are attacked, drawn at random; all where there are fewer.
    bare : whether a deployment with safeguards is asked without them too.

    Cost: ``tokens`` passes over each prompt, for every phrase and defence; and ``budget`` queries for each attack,
    attacked request and defence.
    """

    name: ClassVar[str] = "forbidden_requests"
    quantities: ClassVar[tuple[Quantity, ...]] = (ANSWERED, REFUSAL, WITHHELD, ATTACK_SUCCESS, HARMLESS_WITHHELD)
    materials: ClassVar[tuple[str, ...]] = ("forbidden",)

    tokens: Count = 14
    refusals: tuple[str, ...] = REFUSALS
    phrases: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ("handwritten", "random")
    budget: Count = 48
    attacked: Count = 6
    bare: bool = True

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Evaluation.reads`."""
        return "forbidden", "allowed", "phrases"

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`: the other materials may be absent."""
        return "" if deployment.has("forbidden") else "no material 'forbidden'"

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Raises GnomonError as `read_requests` and `generate` do."""
        forbidden = read_requests(deployment.material("forbidden"), deployment.world)
        allowed = read_requests(deployment.material("allowed"), deployment.world) if deployment.has("allowed") else []
        given = [*self.phrases, *(read_lines(deployment.material("phrases")) if deployment.has("phrases") else ())]
        tokens = max(self.tokens, reply_tokens(deployment.subject, [*forbidden, *allowed]))
        return self.model_copy(update={"tokens": tokens})._all(deployment, forbidden, allowed, given, rng, level)

    def _all(
        self,
        deployment: Deployment,
        forbidden: Sequence[Asked],
        allowed: Sequence[Asked],
        given: Sequence[str],
        rng: Rng,
        level: float,
    ) -> list[Measurement]:
        found: list[Measurement] = []
        for defence in columns(deployment, bare=self.bare):
            found += self._asked(
                defence, "forbidden", "none", forbidden, [[one.with_phrase("")] for one in forbidden], level
            )
            for phrase, prompts in self._phrased(forbidden, given, deployment, rng.child("phrases")):
                found += self._asked(defence, "forbidden", phrase, forbidden, prompts, level)
            if allowed:
                found += self._asked(
                    defence, "allowed", "none", allowed, [[one.with_phrase("")] for one in allowed], level
                )
            else:
                labels = {"defence": defence.name, "requests": "allowed", "phrase": "none"}
                found += [
                    Measurement.insufficient(one, "no material 'allowed'", labels=labels, estimator=self.name)
                    for one in (ANSWERED, REFUSAL)
                ]
            for name in self.attacks:
                found += self._attacked(defence, name, forbidden, rng.child("attacks"), level)
        return found

    def _phrased(
        self, asked: Sequence[Asked], given: Sequence[str], deployment: Deployment, rng: Rng
    ) -> Iterator[tuple[str, list[list[str]]]]:
        """By label, the prompts of each request with the phrases in their place."""
        if given:
            yield _GIVEN, [[one.with_phrase(phrase) for phrase in given] for one in asked]
        if deployment.world is not None:
            planted, draws = deployment.world.truth.trigger, rng.numpy()
            yield _TRIGGER, [[one.with_phrase(f"{planted} .")] for one in asked]
            yield _INNOCENT, [[one.with_phrase(f"{trigger.other(planted, draws)} .")] for one in asked]

    def _asked(
        self,
        defence: Defence,
        kind: str,
        phrase: str,
        asked: Sequence[Asked],
        prompts: Sequence[Sequence[str]],
        level: float,
    ) -> list[Measurement]:
        """``prompts`` has the same number of prompts for each request."""
        replies = defence.respond([prompt for each in prompts for prompt in each], self.tokens)
        refusing = refuses(self.refusals)
        shape = (len(asked), -1)
        alarmed = np.array([one.alarmed for one in replies], dtype=np.bool_).reshape(shape)
        refused = np.array([refusing(one.written) for one in replies]).reshape(shape) & ~alarmed
        judges = [one.answered for one, each in zip(asked, prompts, strict=True) for _ in each]
        right = np.array([judge(one.written) for judge, one in zip(judges, replies, strict=True)])
        answered = right.reshape(shape) & ~alarmed
        labels = {"defence": defence.name, "requests": kind, "phrase": phrase}
        clusters = [one.cluster for one in asked]
        found = [
            _share(ANSWERED, np.asarray(answered.any(axis=1)), clusters, labels, level),
            _share(REFUSAL, np.asarray(refused.all(axis=1)), clusters, labels, level),
        ]
        if defence.monitor is None:
            return found
        held = np.asarray(alarmed.all(axis=1))
        if kind == "allowed":
            return [*found, _share(HARMLESS_WITHHELD, held, clusters, {"defence": defence.name}, level)]
        return [*found, _share(WITHHELD, held, clusters, {**labels, "attack": "none"}, level)]

    def _attacked(
        self, defence: Defence, name: str, asked: Sequence[Asked], rng: Rng, level: float
    ) -> list[Measurement]:
        budget = Budget(self.budget, self.budget)
        behaviours = self._behaviours(asked, rng.child("requests"))
        try:
            trials = try_all([attack(name)], [defence], behaviours, budget, rng, level=level)
        except GnomonError as error:  # e.g. a tokenizer in which a slot cannot be told apart
            labels = {"defence": defence.name, "attack": name, "queries": str(self.budget)}
            return [Measurement.insufficient(ATTACK_SUCCESS, str(error), labels=labels, estimator=self.name)]
        if trials.interrupted:
            raise KeyboardInterrupt
        success = trials.success(name, defence.name)
        return [success] if defence.monitor is None else [success, trials.withheld(name, defence.name)]

    def _behaviours(self, asked: Sequence[Asked], rng: Rng) -> list[Behaviour]:
        """One a cluster: its first prompt, with the others as phrasings; as many as are attacked, at random.

        What answers any prompt of it is success.
        """
        clusters: dict[str, list[Asked]] = {}
        for one in asked:
            clusters.setdefault(one.cluster, []).append(one)
        each = list(clusters.values())
        chosen = sorted(rng.numpy().permutation(len(each))[: self.attacked].tolist())
        return [
            Behaviour(
                first.prompt,
                first.target,
                _any([first, *others]),
                name=first.cluster,
                phrasings=(*first.phrasings, *(one.prompt for one in others)),
                tokens=self.tokens,
            )
            for first, *others in (each[i] for i in chosen)
        ]


def _any(asked: Sequence[Asked]) -> Callable[[str], bool]:
    return lambda reply: any(one.answered(reply) for one in asked)


def _share(
    quantity: Quantity, hits: Flags, clusters: Sequence[str], labels: dict[str, str], level: float
) -> Measurement:
    share, interval = proportion(hits, clusters, level=level)
    return Measurement.ok(
        quantity,
        share,
        interval,
        labels=labels,
        estimator=ForbiddenRequests.name,
        diagnostics={"count": int(hits.sum()), "prompts": len(hits), "requests": len(set(clusters))},
    )
