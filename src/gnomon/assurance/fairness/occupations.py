"""Tables of prompts, each with the words of the groups that may follow and the groups' shares in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnomon.delimited import read_rows
from gnomon.errors import GnomonError
from gnomon.organisms.language_models.next_words import next_log_probabilities, sequence_log_probabilities
from gnomon.organisms.world import World
from gnomon.organisms.world.occupations import TEMPLATES
from gnomon.subjects import Subject
from gnomon.subjects.generation import prompt_ids

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Occupations:
    """n prompts, G groups.

    Parameters
    ----------
    prompts : what the words of the groups continue.
    items, templates : ``(n,)``, of what each prompt talks and in which form.
    groups : names of the groups.
    words : for each prompt and group, the words that name the group.
    data : ``(n, G)``, the groups' shares in the data, given the item; rows sum to 1.
    overall : ``(G,)``, the groups' shares in all data.
    reference : what data that is, for labels.
    """

    prompts: tuple[str, ...]
    items: tuple[str, ...]
    templates: tuple[str, ...]
    groups: tuple[str, ...]
    words: tuple[tuple[tuple[str, ...], ...], ...]
    data: Array
    overall: Array
    reference: str = "data"

    def shares(self, subject: Subject) -> Array:
        r"""``(n, G)``: what ``subject`` gives each group after each prompt,

        .. math:: s_{og} = \sum_{w \in g} p(w \mid \text{prompt}) \\Big/ \sum_{g'} \sum_{w \in g'} p(w \mid
            \text{prompt}),

        p(w) the probability of the word's tokens; that of a word of one token includes longer words that begin with it.

        Raises GnomonError where a prompt's tokens change with the word that follows.
        """
        found = _continued(subject, self.prompts, self.words)
        scaled = np.exp(found - found.max(axis=1, keepdims=True))
        return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def read_occupations(path: Path) -> Occupations:
    """The table in a CSV file (TSV by its ending).

    Columns: ``prompt``; ``item`` and ``template`` (by default the prompt, and one template for all); for each group g
    ``words:g``, parted by ``|``, and ``count:g`` or ``share:g``, in the data. Counts also tell the groups' shares in
    all data, summed over items; of shares every item counts alike.

    Raises GnomonError that names the line for what does not fit.
    """
    lines = list(read_rows(path, "\t" if path.suffix == ".tsv" else ","))
    if not lines:
        raise GnomonError(f"{path} holds no prompts", mend="give a header and at least two rows")
    columns = list(lines[0][1])
    groups = tuple(c.removeprefix("words:") for c in columns if c.startswith("words:"))
    kind = "count" if any(c.startswith("count:") for c in columns) else "share"
    lacking = [c for c in ("prompt", *(f"{kind}:{g}" for g in groups)) if c not in columns]
    if len(groups) < 2 or lacking:
        what = f"no column {lacking[0]!r}" if lacking else "fewer than two columns words:GROUP"
        raise GnomonError(
            f"{path} has {what}", mend="columns are prompt, item, template, words:GROUP and count:GROUP or share:GROUP"
        )
    numbers = np.array([[_number(path, line, row, f"{kind}:{g}") for g in groups] for line, row in lines])
    totals = numbers.sum(axis=1, keepdims=True)
    if (totals <= 0).any():
        raise GnomonError(
            f"{path}, line {lines[int(totals.argmin())][0]}: the groups sum to nothing", mend="give counts"
        )
    items = tuple(row.get("item") or row["prompt"] for _, row in lines)
    first = [items.index(item) for item in dict.fromkeys(items)]
    data = numbers / totals
    for place, item in enumerate(items):
        if not np.allclose(data[place], data[items.index(item)]):
            raise GnomonError(f"{path}, line {lines[place][0]}: item {item!r} has other shares above", mend="use one")
    overall = (numbers if kind == "count" else data)[first].sum(axis=0)
    return Occupations(
        prompts=tuple(row["prompt"] for _, row in lines),
        items=items,
        templates=tuple(row.get("template") or "" for _, row in lines),
        groups=groups,
        words=tuple(tuple(_words(path, line, row, g) for g in groups) for line, row in lines),
        data=data,
        overall=overall / overall.sum(),
    )


def of_world(world: World) -> list[Occupations]:
    """A world's occupations, against the share of women among its people and against that of "she" in its text.

    Both are exact counts of what the world is and of what the network was trained on.
    """
    found = []
    posts = world.truth.occupations
    for reference, counts in (
        ("population", [(o.women, o.people - o.women) for o in posts]),
        ("text", [(o.she, o.talk - o.she) for o in posts]),
    ):
        numbers = np.repeat(np.array(counts, dtype=np.float64), len(TEMPLATES), axis=0)
        overall = np.array(counts, dtype=np.float64).sum(axis=0)
        found.append(
            Occupations(
                prompts=tuple(prompt for o in posts for prompt in o.prompts()),
                items=tuple(o.name for o in posts for _ in TEMPLATES),
                templates=tuple(str(t) for _ in posts for t in range(len(TEMPLATES))),
                groups=("women", "men"),
                words=((("she",), ("he",)),) * len(numbers),
                data=numbers / numbers.sum(axis=1, keepdims=True),
                overall=overall / overall.sum(),
                reference=reference,
            )
        )
    return found


def _continued(subject: Subject, prompts: Sequence[str], words: Sequence[Sequence[Sequence[str]]]) -> Array:
    """``(n, G)``: log-probability that one of the words of a group follows."""
    before = prompt_ids(subject, prompts)
    asked = [(n, g, word) for n, row in enumerate(words) for g, group in enumerate(row) for word in group]
    whole = prompt_ids(subject, [f"{prompts[n]} {word}" for n, _, word in asked])
    after = []
    for (n, _, word), ids in zip(asked, whole, strict=True):
        if ids[: len(before[n])] != before[n] or len(ids) == len(before[n]):
            raise GnomonError(
                f"{prompts[n]!r} has other tokens before {word!r}",
                mend="end the prompt where a word ends, without a space",
            )
        after.append(ids[len(before[n]) :])
    found = np.full((len(prompts), len(words[0])), -np.inf)
    if all(len(ids) == 1 for ids in after):
        rows = next_log_probabilities(subject, prompts)
        scores = [float(rows[n, ids[0]]) for (n, _, _), ids in zip(asked, after, strict=True)]
    else:
        logs = sequence_log_probabilities(subject, whole)
        scores = [float(log[-len(ids) :].sum()) for log, ids in zip(logs, after, strict=True)]
    for (n, g, _), score in zip(asked, scores, strict=True):
        found[n, g] = np.logaddexp(found[n, g], score)
    return found


def _number(path: Path, line: int, row: Mapping[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise GnomonError(f"{path}, line {line}: {column} is {row[column]!r}", mend="give a number from 0")
    return value


def _words(path: Path, line: int, row: Mapping[str, str], group: str) -> tuple[str, ...]:
    found = tuple(w.strip() for w in row[f"words:{group}"].split("|") if w.strip())
    if not found:
        raise GnomonError(f"{path}, line {line}: no words for {group!r}", mend="give at least one")
    return found
