"""Tables of words to swap, and the texts that they are swapped in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gnomon.delimited import read_rows, read_text
from gnomon.errors import GnomonError
from gnomon.organisms.world import World
from gnomon.organisms.world.occupations import TEMPLATES, spoken
from gnomon.randomness import Rng

NEUTRAL = "neutral"
_TALK, _NAMES = 2, 12


@dataclass(frozen=True, kw_only=True)
class Swap:
    """Words that one of two stands for: forms of one place belong together (``he`` and ``she``, ``his`` and ``her``).

    ``kind`` is what the words tell apart; of kind ``neutral`` are swaps that matter to nobody.
    """

    kind: str
    first: tuple[str, ...]
    second: tuple[str, ...]

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.first[0]} / {self.second[0]}"

    def applied(self, text: str) -> tuple[str, str] | None:
        """``text`` with the first words and with the second ones, ``None`` where it has neither.

        Texts with second words are taken where it is plain which first one each stands for. Capitals are kept.
        """
        there = dict(zip(self.first, self.second, strict=True))
        back = dict(zip(self.second, self.first, strict=True))
        if (found := _replaced(text, there)) != text:
            return text, found
        if len(back) == len(there) and (found := _replaced(text, back)) != text:
            return found, text
        return None


@dataclass(frozen=True, kw_only=True)
class Swapped:
    """One text with one swap: both readings, and what they are of."""

    swap: Swap
    text: str
    cluster: str
    first: str
    second: str


def read_swaps(path: Path) -> list[Swap]:
    """The swaps of a CSV or TSV file with the columns ``kind``, ``first`` and ``second``; forms are parted by ``|``.

    Raises GnomonError that names the line for what does not fit.
    """
    found = []
    for line, row in read_rows(path, "\t" if path.suffix == ".tsv" else ","):
        if not {"kind", "first", "second"} <= set(row):
            raise GnomonError(f"{path} lacks a column", mend="columns are kind, first and second")
        first, second = (tuple(w.strip() for w in row[side].split("|")) for side in ("first", "second"))
        if not row["kind"] or len(first) != len(second) or not all((*first, *second)):
            raise GnomonError(
                f"{path}, line {line}: {row['first']!r} and {row['second']!r} do not match",
                mend="give a kind and as many forms on both sides, e.g. he|his and she|her",
            )
        found.append(Swap(kind=row["kind"], first=first, second=second))
    if not found:
        raise GnomonError(f"{path} holds no swaps", mend="give at least one row")
    return found


def read_swap_texts(path: Path) -> list[tuple[str, str]]:
    """Texts with their clusters: the columns ``text`` and ``cluster`` of a CSV or TSV file, or the lines of any other.

    Without clusters each text is its own.
    """
    if path.suffix in (".csv", ".tsv"):
        rows = list(read_rows(path, "\t" if path.suffix == ".tsv" else ","))
        if rows and "text" not in rows[0][1]:
            raise GnomonError(f"{path} has no column 'text'", mend="name it text")
        return [(row["text"], row.get("cluster") or f"line {line}") for line, row in rows if row["text"].strip()]
    lines = enumerate(read_text(path).splitlines(), start=1)
    return [(text, f"line {line}") for line, text in lines if text.strip()]


def of_world(world: World, rng: Rng) -> tuple[list[Swap], list[tuple[str, str]]]:
    """Swaps in fresh talk of a world, and the texts.

    ``gender``: she and he, after which states are as likely in truth. ``occupation``: occupations of mostly women and
    of mostly men, after which "she" is as likely as its talk says. ``neutral``: names of people of one gender, which
    change nothing of what follows. Texts of one occupation, or about one person, are a cluster.
    """
    posts = sorted(world.truth.occupations, key=lambda o: o.population)
    half = len(posts) // 2
    swaps = [Swap(kind="gender", first=("she",), second=("he",))]
    swaps += [
        Swap(kind="occupation", first=(more.name,), second=(fewer.name,))
        for fewer, more in zip(posts[:half], posts[::-1], strict=False)
    ]
    generator = rng.numpy()
    people = [p for p in world.truth.people if p.exposures > 1][: 4 * _NAMES]
    texts: list[tuple[str, str]] = []
    for gender, pronoun in (("female", "she"), ("male", "he")):
        names = [p.name for p in people if p.gender == gender][:_NAMES]
        for one, two in zip(names[::2], names[1::2], strict=False):
            swaps.append(Swap(kind=NEUTRAL, first=(one,), second=(two,)))
            texts += [(spoken(one, pronoun, t, generator), one) for t in range(len(TEMPLATES))]
    for post in posts:
        for t in range(len(TEMPLATES)):
            for _ in range(_TALK):
                pronoun = "she" if generator.random() < post.talk_share else "he"
                texts.append((spoken(f"the {post.name}", pronoun, t, generator), post.name))
    return swaps, texts


def swapped(swaps: Sequence[Swap], texts: Sequence[tuple[str, str]]) -> list[Swapped]:
    """Every text with every swap that it has words of."""
    found = []
    for text, cluster in texts:
        for swap in swaps:
            both = swap.applied(text)
            if both is not None:
                found.append(Swapped(swap=swap, text=text, cluster=cluster, first=both[0], second=both[1]))
    return found


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """``text`` with whole words replaced, whatever their case; a capital that the table has not is kept."""
    known = {word.lower(): (word, said) for word, said in words.items()}

    def other(match: re.Match[str]) -> str:
        word, said = known[match[0].lower()]
        begins = match[0][:1].isupper() and not word[:1].isupper()
        return said[:1].upper() + said[1:] if begins else said

    pattern = "|".join(re.escape(word) for word in sorted(known, key=len, reverse=True))
    return re.sub(rf"\b(?:{pattern})\b", other, text, flags=re.IGNORECASE)
