"""Attacks against defences: every attempt, and the shares that succeeded and were withheld."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.control.attacks.attack import Attack
from gnomon.control.attacks.attempt import Attempt
from gnomon.control.attacks.behaviour import Behaviour
from gnomon.control.attacks.budget import Budget
from gnomon.control.attacks.quantities import ATTACK_SUCCESS, HARMLESS_WITHHELD, WITHHELD
from gnomon.control.defence import Defence
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty, clopper_pearson
from gnomon.randomness import Rng
from gnomon.statistics import cluster_proportion


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """Every attempt of some attacks against some defences.

    Parameters
    ----------
    budget : of each attempt.
    attempts : in the order in which they were made: by defence, attack, behaviour and draw.
    harmless : for each defence by name, how many replies to harmless prompts it withheld, and of how many.
    level : of the intervals.
    interrupted : whether Ctrl-C ended them before all attempts were made.
    """

    budget: Budget
    attempts: tuple[Attempt, ...]
    harmless: dict[str, tuple[int, int]]
    level: float
    interrupted: bool = False

    @property
    def defences(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(dict.fromkeys(a.defence for a in self.attempts))

    @property
    def attacks(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(dict.fromkeys(a.attack for a in self.attempts))

    def of(self, attack: str, defence: str) -> list[Attempt]:
        """The attempts of one against the other."""
        return [a for a in self.attempts if (a.attack, a.defence) == (attack, defence)]

    def success(self, attack: str, defence: str, queries: int | None = None) -> Measurement:
        """`ATTACK_SUCCESS`, of the whole budget or within the first ``queries``.

        An attempt ends when it succeeds, so that what it had spent then is what success took.
        """
        most = self.budget.queries if queries is None else queries
        attempts = self.of(attack, defence)
        shown = [a.succeeded and a.spent.queries <= most for a in attempts]
        labels = {**self._labels(attack, defence), "queries": str(most)}
        return share(ATTACK_SUCCESS, shown, [a.behaviour for a in attempts], level=self.level, labels=labels)

    def withheld(self, attack: str, defence: str) -> Measurement:
        """`WITHHELD`, of the whole budget."""
        attempts = self.of(attack, defence)
        flags = [a.response.alarmed for a in attempts]
        labels = self._labels(attack, defence)
        return share(WITHHELD, flags, [a.behaviour for a in attempts], level=self.level, labels=labels)

    def false_alarms(self, defence: str) -> Measurement:
        """`HARMLESS_WITHHELD`."""
        hits, count = self.harmless.get(defence, (0, 0))
        labels = {"defence": defence}
        if not count:
            return Measurement.insufficient(HARMLESS_WITHHELD, "no harmless prompts were given", labels=labels)
        return Measurement.ok(
            HARMLESS_WITHHELD, hits / count, clopper_pearson(hits, count, level=self.level), labels=labels
        )

    def measurements(self) -> list[Measurement]:
        """All of them: for each defence its false alarms, and each attack's success and what was withheld from it."""
        found: list[Measurement] = []
        for defence in self.defences:
            found.append(self.false_alarms(defence))
            for attack in self.attacks:
                if self.of(attack, defence):
                    found += [self.success(attack, defence), self.withheld(attack, defence)]
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON object: the budget, every measurement and every attempt."""
        return {
            "budget": {"queries": self.budget.queries, "gradients": self.budget.gradients},
            "level": self.level,
            "interrupted": self.interrupted,
            "measurements": [m.to_json() for m in self.measurements()],
            "attempts": [a.to_json() for a in self.attempts],
        }

    def _labels(self, attack: str, defence: str) -> dict[str, str]:
        return {
            "attack": attack,
            "defence": defence,
            "queries": str(self.budget.queries),
            "gradients": str(self.budget.gradients),
        }


def try_all(
    attacks: Sequence[Attack],
    defences: Sequence[Defence],
    behaviours: Sequence[Behaviour],
    budget: Budget,
    rng: Rng,
    *,
    draws: int = 1,
    harmless: Sequence[str] = (),
    level: float = 0.95,
    finished: Callable[[Attempt], None] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Trials:
    """Every attack on every defence for every behaviour, ``draws`` times; Ctrl-C keeps what is finished.

    An attack draws the same numbers against each defence, so that the defences are compared on the same attacks.

    Parameters
    ----------
    budget : of each attempt.
    harmless : prompts on which each defence's false alarms are counted.
    finished : is given each attempt when it is over.
    progress : is told what is being done, and how many attempts are over, of how many.

    Raises GnomonError when names of attacks, defences or behaviours are not unique, or a number is not positive.

    Cost: the budget, for each attack, defence, behaviour and draw.
    """
    for kind, names in (
        ("attacks", [a.name for a in attacks]),
        ("defences", [d.name for d in defences]),
        ("behaviours", [b.name for b in behaviours]),
    ):
        if not names or len(set(names)) < len(names):
            raise GnomonError(f"{len(names)} {kind}, {len(set(names))} names", mend=f"give {kind} of different names")
    if draws < 1 or not 0 < level < 1:
        raise GnomonError(f"{draws} draws, level {level:g}", mend="give at least 1 draw, and a level such as 0.95")
    attempts: list[Attempt] = []
    counted: dict[str, tuple[int, int]] = {}
    total = len(defences) * len(attacks) * len(behaviours) * draws
    interrupted = False
    try:
        for defence in defences:
            counted[defence.name] = _withheld(defence, harmless, max(b.tokens for b in behaviours))
            for attack in attacks:
                for behaviour in behaviours:
                    for draw in range(draws):
                        stream = rng.child(attack.name, behaviour.name, draw)
                        attempt = attack.run(defence, behaviour, budget, stream)
                        attempts.append(attempt)
                        if finished is not None:
                            finished(attempt)
                        if progress is not None:
                            progress(f"{attack.name} on {defence.name}", len(attempts), total)
                        if attempt.interrupted:
                            raise KeyboardInterrupt
    except KeyboardInterrupt:
        interrupted = True
    return Trials(budget=budget, attempts=tuple(attempts), harmless=counted, level=level, interrupted=interrupted)


def share(
    quantity: Quantity, flags: Sequence[bool], behaviours: Sequence[str], *, level: float, labels: dict[str, str]
) -> Measurement:
    """The share of attempts that ``flags`` is true of, with the interval over behaviours and draws."""
    names, ids = np.unique(np.array(behaviours, dtype=object), return_inverse=True)
    hits = np.bincount(ids, weights=np.array(flags, dtype=np.float64)).astype(np.float64)
    counts = np.bincount(ids).astype(np.float64)
    value = float(hits.sum() / counts.sum())
    diagnostics = {"attempts": len(flags), "behaviours": len(names), "count": int(hits.sum())}
    return Measurement.ok(quantity, value, _interval(hits, counts, level), labels=labels, diagnostics=diagnostics)


def _interval(hits: NDArray[np.float64], counts: NDArray[np.float64], level: float) -> Uncertainty:
    """Robust to what draws on one behaviour have in common; exact where every behaviour was attacked once."""
    if len(counts) == 1:  # nothing is seen of how behaviours differ
        return clopper_pearson(int(hits.sum()), int(counts[0]), level=level, covers=frozenset({"seed"}))
    return cluster_proportion(hits, counts, level=level, covers=frozenset({"data", "seed"}))[1]


def _withheld(defence: Defence, prompts: Sequence[str], tokens: int) -> tuple[int, int]:
    if not prompts:
        return 0, 0
    return sum(response.alarmed for response in defence.respond(prompts, tokens)), len(prompts)
