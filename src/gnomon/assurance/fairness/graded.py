"""Rows graded by group: who was selected, and who should have been."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnomon.delimited import read_rows
from gnomon.errors import GnomonError
from gnomon.organisms.language_models.next_words import sequence_log_probabilities
from gnomon.organisms.world import World
from gnomon.organisms.world.occupations import TEMPLATES
from gnomon.subjects import Subject
from gnomon.subjects.generation import prompt_ids

_YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class Graded:
    """n rows.

    Parameters
    ----------
    groups : ``(n,)``, the group of each.
    labels : ``(n,)``, whether it should be selected.
    clusters : ``(n,)``, what it belongs to; rows of one cluster may depend on each other.
    predictions : ``(n,)``, whether it was; ``None`` where the subject is to be asked.
    asked : else ``(n,)`` of a prompt, the word that selects, and the word that does not.
    """

    groups: tuple[str, ...]
    labels: NDArray[np.bool_]
    clusters: tuple[str, ...]
    predictions: NDArray[np.bool_] | None = None
    asked: tuple[tuple[str, str, str], ...] = ()

    def predicted(self, subject: Subject) -> NDArray[np.bool_]:
        """``(n,)``: as graded before, or whether ``subject`` finds the word that selects likelier than the other."""
        if self.predictions is not None:
            return self.predictions
        texts = [f"{prompt} {word}" for prompt, *words in self.asked for word in words]
        sums = [float(one.sum()) for one in sequence_log_probabilities(subject, prompt_ids(subject, texts))]
        scores = np.array(sums, dtype=np.float64).reshape(-1, 2)
        return np.asarray(scores[:, 0] > scores[:, 1], dtype=np.bool_)


def read_graded(path: Path) -> Graded:
    """The rows of a CSV or TSV file: ``group``, ``label`` (0 or 1), and ``prediction`` (0 or 1), or what to ask:
    ``prompt``, ``positive`` and ``negative``, the words that select and do not. ``cluster`` where rows depend.

    Raises GnomonError that names the line for what does not fit.
    """
    lines = list(read_rows(path, "\t" if path.suffix == ".tsv" else ","))
    columns = set(lines[0][1]) if lines else set()
    known = "prediction" in columns
    needed = {"group", "label"} | (set() if known else {"prompt", "positive", "negative"})
    if not needed <= columns:
        raise GnomonError(
            f"{path} has no column {sorted(needed - columns)[0]!r}",
            mend="columns are group, label, and prediction or prompt, positive and negative",
        )
    return Graded(
        groups=tuple(row["group"] for _, row in lines),
        labels=np.array([_truth(path, line, row, "label") for line, row in lines], dtype=np.bool_),
        clusters=tuple(row.get("cluster") or f"line {line}" for line, row in lines),
        predictions=np.array([_truth(path, line, row, "prediction") for line, row in lines]) if known else None,
        asked=() if known else tuple((row["prompt"], row["positive"], row["negative"]) for _, row in lines),
    )


def of_world(world: World, people: int) -> Graded:
    """Talk about named people of a world: is "she" chosen for women, and alike whatever their occupation?

    Groups are people whose occupation is mostly of women, and mostly of men; people are clusters: ``people`` of them,
    evenly from the most to the least often shown, each in every template of talk.
    """
    leaning = {o.name: "mostly women" if o.population > 0.5 else "mostly men" for o in world.truth.occupations}
    everybody = world.truth.people
    chosen = [everybody[n * len(everybody) // min(people, len(everybody))] for n in range(min(people, len(everybody)))]
    asked = [(p, before.format(s=p.name)) for p in chosen for before, _ in TEMPLATES]
    return Graded(
        groups=tuple(leaning[p.occupation] for p, _ in asked),
        labels=np.array([p.gender == "female" for p, _ in asked], dtype=np.bool_),
        clusters=tuple(p.name for p, _ in asked),
        asked=tuple((prompt, "she", "he") for _, prompt in asked),
    )


def _truth(path: Path, line: int, row: Mapping[str, str], column: str) -> bool:
    found = _YES.get(row[column].strip().lower())
    if found is None:
        raise GnomonError(f"{path}, line {line}: {column} is {row[column]!r}", mend="give 0 or 1")
    return found
