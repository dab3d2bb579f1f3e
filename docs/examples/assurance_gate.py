"""How often the gate of `gnomon assure` errs: simulated networks around a threshold, whose true rates are known.

Every network has a true rate of harm. It is bad when that is on the line, limit minus buffer, or beyond it, and passing
it is wrong. Each is asked n questions, and the policy's own decision is taken on the counts.

    python docs/examples/assurance_gate.py [--models 200] [--draws 20] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.assurance import Deployment, Evaluation, register
from gnomon.assurance.asking import Answer
from gnomon.assurance.policy import Occasion, Policy, Verdict, decide, next_test, policy_of, questions
from gnomon.measurement import ACCURACY, Measurement, Quantity, clopper_pearson
from gnomon.randomness import Rng
from gnomon.statistics import needed, power, proportion
from gnomon.subjects import Subject

Flags = NDArray[np.bool_]
Rates = NDArray[np.float64]

LIMIT, BUFFER = 0.2, 0.05
LINE = 0.15  # limit minus buffer
SIZES = (50, 100, 200, 400, 800, 1600)
CHECKPOINTS = 20
DAY = date(2000, 1, 1)  # of the simulated tests; nothing depends on it


@register
class SimulatedRate(Evaluation):
    """The rate of a network that is not there: ``hits`` of ``asked`` questions, as the simulation drew them."""

    name: ClassVar[str] = "simulated_rate"
    quantities: ClassVar[tuple[Quantity, ...]] = (ACCURACY,)

    of: str
    hits: int = 0
    asked: int = 1

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """The share, with its exact interval."""
        del deployment, rng
        return [Measurement.ok(ACCURACY, self.hits / self.asked, clopper_pearson(self.hits, self.asked, level=level))]


def policy(*, tests: int | str = 1, safeguards: Sequence[str] = ()) -> Policy:
    """One threshold on the rate ``harm``, with ``safeguards`` that each have to fail less often than the line."""
    line = {"evaluation": "simulated_rate", "limit": LIMIT, "buffer": BUFFER}
    return policy_of(
        {
            "policy": {"name": "simulated", "title": "Simulated", "source": "here", "version": "1", "tests": tests},
            "level": [{"number": 1}, {"number": 2}],
            "threshold": [
                {"id": "harm", "kind": "harm", "options": {"of": "harm"}, "level": 2, "safeguards": safeguards, **line}
            ],
            "safeguard": [{"id": name, "options": {"of": name}, **line} for name in safeguards],
        }
    )


class Gate:
    """The decision of a policy on counts; what it says of the same counts is worked out once."""

    def __init__(self, policy: Policy, number: int = 1) -> None:
        subject = Subject(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)))
        self._deployment = Deployment(subject=subject)
        self._policy = policy
        self._questions = questions(policy, self._deployment, number)
        self._occasion = Occasion(number=number, day=DAY, compute=None, weights="", safeguards="", policy="")
        self._known: dict[tuple[int, ...], Verdict] = {}

    def verdict(self, hits: Mapping[str, int], n: int) -> Verdict:
        """On ``hits`` in n questions for the threshold ``harm``, and for each safeguard."""
        key = (n, *hits.values())
        if key not in self._known:
            self._known[key] = self._decide(hits, n)
        return self._known[key]

    def _decide(self, hits: Mapping[str, int], n: int) -> Verdict:
        answers = {}
        for question, level in self._questions.items():
            simulated = SimulatedRate(of="", hits=hits[json.loads(question.options)["of"]], asked=n)
            found = simulated.run(self._deployment, Rng(0), level=level)
            answers[question] = Answer(question=question, level=level, measurements=tuple(found))
        due = next_test(self._policy.cadence, self._occasion)
        return decide(self._policy, answers, self._deployment, occasion=self._occasion, next_test=due).verdict


def verdicts(gate: Gate, rates: Mapping[str, Rates], n: int, rng: Rng) -> NDArray[np.str_]:
    """The verdict on each network, of which ``rates`` has the true rates, from n questions for each of them."""
    drawn = {name: rng.child(name).numpy().binomial(n, rate).tolist() for name, rate in rates.items()}
    networks = zip(*drawn.values(), strict=True)
    return np.array([gate.verdict(dict(zip(drawn, hits, strict=True)), n) for hits in networks])


def around(models: int) -> Rates:
    """True rates on both sides of the line, and on it."""
    return np.linspace(LINE - 0.1, LINE + 0.1, models).round(6)


def one_test(models: int, draws: int, rng: Rng) -> list[tuple[str, ...]]:
    """For each n: wrong passes of bad networks, of those on the line, and what is insufficient, found and planned."""
    gate, truth = Gate(policy()), around(models)
    rows = []
    for n in SIZES:
        told = np.stack([verdicts(gate, {"harm": truth}, n, rng.child("one", n, draw)) for draw in range(draws)])
        wrong = (told == "within")[:, truth >= LINE]
        on = verdicts(gate, {"harm": np.full(models * draws, LINE)}, n, rng.child("line", n))
        open_ = float((told == "insufficient").mean())
        planned = float(np.mean([1 - _decided(rate, n) for rate in truth]))
        rows.append((str(n), _share(wrong), _share(on == "within"), f"{open_:.3f}", f"{planned:.3f}"))
    return rows


def _decided(rate: float, n: int) -> float:
    """Probability that one bound or the other clears the line, by the exact power of the bound on either side."""
    if rate != LINE:
        return power(n, rate, LINE)
    return power(n, LINE - 1e-12, LINE) + power(n, LINE + 1e-12, LINE)


def repeated(models: int, rng: Rng, n: int = 200) -> list[tuple[str, ...]]:
    """At 20 checkpoints of a network that stays on the line: is it passed at any of them?"""
    rows = []
    for name, tests in (("α at each test", None), ("α/20 of 20 declared", CHECKPOINTS), ("unlimited", "unlimited")):
        passed = np.zeros(models, dtype=np.bool_)
        for k in range(CHECKPOINTS):
            gate = Gate(policy(), 1) if tests is None else Gate(policy(tests=tests), k + 1)
            told = verdicts(gate, {"harm": np.full(models, LINE)}, n, rng.child("repeated", k))
            passed |= told == "within"
        rows.append((name, str(n), _share(passed)))
    return rows


def two_routes(models: int, rng: Rng, n: int = 800) -> list[tuple[str, ...]]:
    """A network on the line behind safeguards, one of them on its line: is it passed, by either route?"""
    rows = []
    for names in (("monitor",), ("monitor", "refusal")):
        rates = {"harm": np.full(models, LINE), "monitor": np.full(models, LINE), "refusal": np.full(models, LINE / 3)}
        kept = {name: rate for name, rate in rates.items() if name == "harm" or name in names}
        split = Gate(policy(safeguards=names))
        passed = verdicts(split, kept, n, rng.child("routes", *names)) == "within"
        alone = Gate(policy())
        streams = {name: rng.child("α", *names, name) for name in kept}
        clears = [verdicts(alone, {"harm": kept[name]}, n, streams[name]) == "within" for name in kept]
        naive = clears[0] | np.logical_and.reduce(clears[1:])
        rows.append((" and ".join(names), str(n), _share(passed), _share(naive)))
    return rows


def _share(hits: Flags) -> str:
    share, interval = proportion(hits.ravel())
    return f"{share:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    rng = Rng(given.seed).child("assurance gate")
    _print(
        f"{given.models} networks with rates from {LINE - 0.1:.2f} to {LINE + 0.1:.2f}, line {LINE:.2f}, α = 0.05,"
        f" {given.draws} draws",
        ("n", "wrong passes of bad ones", "of those on the line", "insufficient", "planned"),
        one_test(given.models, given.draws, rng),
    )
    for rate in (0.05, 0.10):
        print(f"needed(rate = {rate:g}, line = {LINE:g}) for power 0.8: {needed(rate, LINE)}")
    many = given.models * given.draws
    _print(f"{CHECKPOINTS} tests of networks on the line", ("spent", "n", "ever passed"), repeated(many, rng))
    _print(
        "networks on the line behind safeguards, the first of which is on its line",
        ("safeguards", "n", "passed, α/2 for each route", "passed, α for each route"),
        two_routes(many, rng),
    )


def _print(title: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    widths = [max(len(str(cell)) for cell in column) for column in zip(columns, *rows, strict=True)]
    print(f"\n{title}")
    for row in (columns, *rows):
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
