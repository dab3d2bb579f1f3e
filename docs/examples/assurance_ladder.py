"""When larger networks of a ladder cross a threshold, forecast from the smaller ones.

Eight worlds alike but for their width are trained, and what each knows is measured. From the smallest four, five, six
and seven it is forecast at which compute each line of 0.05, 0.10, ..., 0.95 is crossed that none of them is shown to be
past, and this is held against where the larger ones cross it. No line is chosen by hand, and none is left out.

Cost: about three minutes of one core; worlds once trained are kept.

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
LEAST = 4
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
    questions = {name: Question.of(name, {}, bare=True) for name, *_ in ASKED.values()}
    answers = {name: ask(question, deployment, Rng(0), level=LEVEL) for name, question in questions.items()}
    found = {}
    for name, (evaluation, quantity, labels, _) in ASKED.items():
        (found[name],) = (
            m for m in answers[evaluation].measurements if m.quantity == quantity and labels.items() <= m.labels.items()
        )
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
    # of all, and of those where a larger network was the first past the line: forecasts, and those that hold
    counts = {"all": [0, 0], "crossed": [0, 0]}
    for name, (_, _, _, worse) in ASKED.items():
        rows = [(compute, found[name]) for compute, found in rungs]
        print(f"\n{name}: " + ", ".join(f"{m.value:.2f} at {compute:.1e}" for compute, m in rows))
        for small in range(LEAST, len(WIDTHS)):
            for line in [i / 20 for i in range(1, 20)]:
                if any(is_past(m, line, worse) for _, m in rows[:small]):
                    continue
                told = crossing(Ladder.of(rows[:small]), line, worse=worse, level=LEVEL).measurement
                before, after = bracket([(compute, float(m.value)) for compute, m in rows], line, worse)
                u = told.uncertainty
                hit = told.status != "ok" or (float(u.low) <= after and float(u.high) >= before)
                crossed = rows[small - 1][0] < after < float("inf")
                for kind in ["all", "crossed"] if crossed else ["all"]:
                    counts[kind][0] += 1
                    counts[kind][1] += hit
                if crossed or not hit:
                    place = f"[{before:.1e}, {after:.1e}]"
                    print(f"  {line:.2f} from {small}: {crossing_text(told)}; was {place}{'' if hit else '  MISSED'}")
    print(f"\n{counts['all'][1]} of {counts['all'][0]} forecasts hold: where the line was crossed, or that it was not;")
    print(
        f"{counts['crossed'][1]} of {counts['crossed'][0]} of those whose line a larger network was the first to cross"
    )


main()
