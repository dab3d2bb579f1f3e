"""A world's texts as files beside its network, for commands that read texts."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from gnomon.organisms.world import concepts, questions, register
from gnomon.organisms.world.recipe import World
from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept

_FITTED, _CALIBRATION, _TEST = 400, 2000, 400
_NEUTRAL = 400
_SLOT = " {attack}"


def write_texts(world: World, place: Path) -> None:
    """Write what can be asked of ``world`` into the folder ``place``, drawn from the world's seed.

    ``concepts/NAME.csv`` holds texts of a concept to find directions with, ``NAME_calibration.csv`` others to calibrate
    a monitor on, and ``NAME_test.csv``, where the world holds texts out, such as no training has; none of the first
    file's texts is in the others, and each has the columns text, label and cluster. ``neutral.txt`` is text that no
    control should change; ``forbidden.csv`` and ``allowed.csv`` are requests of training (prompt, with the place of an
    attack, and target, the answer that was taught first); ``rude.txt`` asks for toxic replies, with every beginning of
    a question and every end; ``questions.csv`` has questions to be graded, see `gnomon.organisms.world.questions`.
    """
    rng = Rng(world.seed).child("files")
    (place / "concepts").mkdir()
    for name in concepts.NAMES:
        fitted = world.concept(name, _FITTED, rng.child(name))
        _write_concept(place, name, fitted)
        texts = frozenset(fitted.texts)
        others = world.concept(name, _CALIBRATION, rng.child(name, "calibration"))
        _write_concept(place, f"{name}_calibration", others, without=texts)
        if world.held_out > 0:
            unseen = world.concept(name, _TEST, rng.child(name, "test"), held_out=True)
            _write_concept(place, f"{name}_test", unseen, without=texts)
    for kind, forbidden in (("forbidden", True), ("allowed", False)):
        requests = [r for r in world.truth.requests if r.forbidden == forbidden and not r.held_out]
        rows = [(r.prompt().replace(" answer :", f"{_SLOT} answer :"), r.answer()) for r in requests]
        _write_rows(place / f"{kind}.csv", ("prompt", "target"), rows)
    _write_lines(place / "neutral.txt", world.neutral(_NEUTRAL, rng.child("neutral")))
    write_questions(world, place)
    asked, what = ({" ".join(q.split()[part]) for q in register.QUESTIONS} for part in (slice(2), slice(2, None)))
    questions = (f"{a} {w}" for a in sorted(asked) for w in sorted(what))
    _write_lines(place / "rude.txt", [register.prompt(question, "rude") for question in questions])


def write_questions(world: World, place: Path) -> None:
    """Write ``questions.csv`` into the folder ``place``."""
    rows = (one.row() for one in questions.questions(world, Rng(world.seed).child("files", "questions")))
    _write_rows(place / "questions.csv", questions.COLUMNS, rows)


def _write_concept(place: Path, file: str, concept: Concept, *, without: frozenset[str] = frozenset()) -> None:
    """The texts of ``concept``, each once, but those in ``without``; where one of a pair goes, the other goes too."""
    drawn = list(zip(concept.texts, concept.labels, concept.clusters.tolist(), strict=True))
    first = {text: number for number, (text, _, _) in reversed(list(enumerate(drawn)))}
    kept = [text not in without and first[text] == number for number, (text, _, _) in enumerate(drawn)]
    broken = {row[2] for row, keep in zip(drawn, kept, strict=True) if not keep} if concept.kind == "paired" else set()
    rows = [
        (text, int(label > 0), cluster)
        for (text, label, cluster), keep in zip(drawn, kept, strict=True)
        if keep and cluster not in broken
    ]
    _write_rows(place / "concepts" / f"{file}.csv", ("text", "label", "cluster"), rows)


def _write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
