"""Wrong passes are at most as frequent as the policy says: exactly, by enumeration, and simulated."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from gnomon.assurance.policy import Policy
from gnomon.assurance.registry import registry
from gnomon.randomness import Rng
from gnomon.statistics import needed, power

ALPHA = 0.05


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3] / "docs/examples"))
    import assurance_gate

    registry.add("simulated_rate", assurance_gate.SimulatedRate)
    return assurance_gate


def passing(gate: ModuleType, policy: Policy, n: int, number: int = 1) -> np.ndarray:
    """Which numbers of hits of n are within; the guards of a policy that has any get none of their own right."""
    one = gate.Gate(policy, number)
    guards = {safeguard.id: n for safeguard in policy.safeguards}
    return np.array([one.verdict({"harm": hits, **guards}, n) == "within" for hits in range(n + 1)])


def chance(which: np.ndarray, rate: float) -> float:
    return float(binom.pmf(np.arange(len(which)), len(which) - 1, rate)[which].sum())


@pytest.mark.parametrize("n", [30, 59, 100, 400])
def test_a_bad_network_passes_with_at_most_alpha_and_the_bound_is_sharp(gate: ModuleType, n: int) -> None:
    """The largest k that passes is that of the exact test: P(Bin(n, line) ≤ k) < α, and k + 1 would break it."""
    which = passing(gate, gate.policy(), n)
    k = int(which.sum()) - 1
    assert (which == (np.arange(n + 1) <= k)).all()
    for rate in (gate.LINE, gate.LINE + 0.01, gate.LIMIT, 0.5, 1.0):
        assert chance(which, rate) <= ALPHA
    assert binom.cdf(k + 1, n, gate.LINE) > ALPHA
    assert chance(which, 0.03) == pytest.approx(power(n, 0.03, gate.LINE))


def test_without_the_share_of_each_route_two_routes_would_pass_too_often(gate: ModuleType) -> None:
    """Both on their lines, independent: 1 - (1 - a)² with a ≤ α/2 each is at most α; with a ≤ α it is up to 2α - α²."""
    n, line = 800, gate.LINE
    one = gate.Gate(gate.policy(safeguards=["monitor"]))
    cut = int(passing(gate, gate.policy(safeguards=["monitor"]), n).sum()) - 1
    assert binom.cdf(cut, n, line) <= ALPHA / 2 < binom.cdf(cut + 1, n, line)
    # the verdict is within exactly where one of the two is at most the cut
    for harm in (0, cut, cut + 1, 120, 300):
        for monitor in (0, cut, cut + 1, 120, 300):
            expected = harm <= cut or monitor <= cut
            assert (one.verdict({"harm": harm, "monitor": monitor}, n) == "within") == expected
    split = 1 - (1 - binom.cdf(cut, n, line)) ** 2
    naive = 1 - (1 - chance(passing(gate, gate.policy(), n), line)) ** 2
    assert split <= ALPHA < naive


def test_twenty_tests_of_a_network_on_the_line_pass_it_with_at_most_alpha_in_all(gate: ModuleType) -> None:
    n = 200
    declared = 20 * [chance(passing(gate, gate.policy(tests=20), n, 20), gate.LINE)]
    unlimited = [chance(passing(gate, gate.policy(tests="unlimited"), n, k), gate.LINE) for k in range(1, 21)]
    for chances in (declared, unlimited):
        assert 1 - np.prod(1 - np.array(chances)) <= sum(chances) <= ALPHA
    uncorrected = 1 - (1 - chance(passing(gate, gate.policy(), n), gate.LINE)) ** 20
    assert uncorrected > 0.5


@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_as_many_questions_as_are_needed_leave_a_fifth_insufficient(gate: ModuleType, rate: float) -> None:
    planned = needed(rate, gate.LINE, power=0.8)
    for n, enough in ((planned, True), (planned + 37, True), (planned // 2, False)):
        assert (chance(passing(gate, gate.policy(), n), rate) >= 0.8) == enough


def test_two_hundred_networks_around_the_line(gate: ModuleType) -> None:
    """The fast form of the table in the docs: no more wrong passes than stated, fewer undecided, and as planned."""
    truth = gate.around(200)
    undecided = []
    for n in (50, 200):
        told = np.stack([gate.verdicts(gate.Gate(gate.policy()), {"harm": truth}, n, Rng(i)) for i in range(10)])
        wrong = int((told == "within")[:, truth >= gate.LINE].sum())
        bad = 10 * int((truth >= gate.LINE).sum())
        assert binomtest(wrong, bad, ALPHA, alternative="greater").pvalue > 0.01
        planned = np.mean([1 - gate._decided(rate, n) for rate in truth])
        undecided.append(float((told == "insufficient").mean()))
        assert undecided[-1] == pytest.approx(planned, abs=4 * np.sqrt(0.25 / told.size))
    assert undecided[1] < undecided[0]


@pytest.mark.slow
def test_over_two_thousand_draws_no_gate_passes_more_than_alpha(gate: ModuleType) -> None:
    """At the line, where it is likeliest: one test, any of 20 checkpoints, and behind safeguards that do not work."""
    draws, rng = 4000, Rng(1)
    for cells in [row[2] for row in gate.one_test(200, draws // 200, rng)]:
        _at_most_alpha(cells, draws)
    _, declared, unlimited = (row[2] for row in gate.repeated(draws, rng))
    _at_most_alpha(declared, draws)
    _at_most_alpha(unlimited, draws)
    for row in gate.two_routes(draws, rng):
        _at_most_alpha(row[2], draws)
        with pytest.raises(AssertionError):
            _at_most_alpha(row[3], draws)


def _at_most_alpha(cell: str, draws: int) -> None:
    hits = round(float(cell.split()[0]) * draws)
    assert binomtest(hits, draws, ALPHA, alternative="greater").pvalue > 0.01
