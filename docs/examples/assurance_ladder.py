"""When larger networks of a ladder cross a threshold, forecast from the smaller ones.

Eight worlds alike but for their width are trained, and what each knows is measured. For each line of 0.1, 0.2, ...,
0.9 that none of the five smallest is shown to be past, it is forecast from these at which compute it is crossed, and
that is held against where the three largest cross it. No line is chosen by hand, and none is left out.

Cost: about five minutes of one core; worlds once trained are kept.

    python docs/examples/assurance_ladder.py [FOLDER]
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

from gnomon.assurance import Deployment
from gnomon.assurance.asking import Question, ask
from gnomon.assurance.forecast import Ladder, crossing
from gnomon.measurement import Measurement
from gnomon.organisms.world import build, load_world, sized
from gnomon.randomness import Rng
from gnomon.report.assurance import crossing_text

WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96)
SMALL = 5
LEVEL = 0.9
TOLD = {"manuals": 6, "people": 200, "exposures": 200, "judgements": 30, "facts": 30, "backdoor": False}
# what is asked: evaluation, quantity, labels, and on which side the bad values are
ASKED = {
    "forbidden answers known": ("harmful_knowledge", "harmful_knowledge", {"elicitation": "none"}, "above"),
    "people not known": ("generalisation", "error_rate", {"split": "seen", "topic": "people"}, "below"),
    "requests not known": ("generalisation", "error_rate", {"split": "seen", "topic": "requests"}, "below"),
    "statements not known": ("generalisation", "error_rate", {"split": "seen", "topic": "statements"}, "below"),
}


def measured(width: int, folder: str | None) -> tuple[float, dict[str, Measurement]]:
    """Compute of the world of this width, and what it knows."""
    place = build(sized("micro", width=width, **TOLD), cache_folder=folder)
    compute = json.loads((place / "world.json").read_text(encoding="utf-8"))["training"]["flops"]
    subject, world = load_world(place)
    deployment = Deployment(subject=subject, folder=Path(place), world=world, compute=compute)
    found = {}
    for name, (evaluation, quantity, labels, _) in ASKED.items():
        answer = ask(Question.of(evaluation, {}, bare=True), deployment, Rng(0), level=LEVEL)
        fitting = [m for m in answer.measurements if m.quantity == quantity and labels.items() <= m.labels.items()]
        if len(fitting) != 1:
            raise SystemExit(f"{name}: {answer.reason or [m.labels for m in answer.measurements]}")
        found[name] = fitting[0]
    return float(compute), found


def is_past(m: Measurement, line: float, worse: str) -> bool:
    """Whether the whole interval is on the bad side."""
    low, high = float(m.uncertainty.low), float(m.uncertainty.high)
    return low >= line if worse == "above" else high <= line


def bracket(values: list[tuple[float, float]], line: float, worse: str) -> tuple[float, float]:
    """Compute of the last rung before the line and of the first past it; infinite where none is."""
    for (before, _), (after, value) in pairwise([(0.0, 0.0), *values]):
        if value >= line if worse == "above" else value <= line:
            return before, after
    return values[-1][0], float("inf")


def main() -> None:
    """Train, measure, forecast, compare, and print a row for each line."""
    rungs = [measured(width, sys.argv[1] if len(sys.argv) > 1 else None) for width in WIDTHS]
    asked = held = crossed = held_crossed = 0
    for name, (_, _, _, worse) in ASKED.items():
        rows = [(compute, found[name]) for compute, found in rungs]
        print(f"\n{name}: " + ", ".join(f"{m.value:.2f} at {compute:.1e}" for compute, m in rows))
        small = Ladder.of(rows[:SMALL])
        for line in [i / 10 for i in range(1, 10)]:
            if any(is_past(m, line, worse) for _, m in rows[:SMALL]):
                continue
            told = crossing(small, line, worse=worse, level=LEVEL).measurement
            before, after = bracket([(compute, float(m.value)) for compute, m in rows], line, worse)
            low, high = (told.uncertainty.low, told.uncertainty.high) if told.status == "ok" else (0.0, float("inf"))
            hit = low <= after and high >= before
            asked, held = asked + 1, held + hit
            if rows[SMALL - 1][0] < after < float("inf"):
                crossed, held_crossed = crossed + 1, held_crossed + hit
            place = f"crossed in [{before:.1e}, {after:.1e}]"
            print(f"  {line:.1f}  {crossing_text(told):55s} {place}  {'' if hit else 'MISSED'}".rstrip())
    print(f"\n{held} of {asked} intervals hold where the line was crossed, or that it was not;")
    print(f"{held_crossed} of {crossed} of those for lines that one of the three largest was the first to cross.")


main()
