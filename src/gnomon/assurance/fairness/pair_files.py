"""Files of sentence pairs, one more stereotypical than the other: the formats of CrowS-Pairs and of WinoBias."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gnomon.delimited import read_rows, read_text
from gnomon.errors import GnomonError
from gnomon.organisms.world.words import words

_SPAN = re.compile(r"\[([^\]]*)\]")
_PLACE = re.compile(r"^\d+\s+")
# the other gender's pronoun; "her" is "him" or "his" by what stands around it
_SWAPPED = {"he": "she", "she": "he", "him": "her", "his": "her", "hers": "his", "himself": "herself"} | {
    "herself": "himself"
}
_FEMALE = frozenset({"she", "her", "hers", "herself"})
# after these verbs, and before these words, "her" is an object; elsewhere a possessive
_GIVES = frozenset(
    words(
        "let lets make makes made ask asked tell told give gave show showed sell sold pay paid hand handed send sent"
        " buy bought teach taught leave left keep kept help helped"
    )
)
_NO_NOUN = frozenset(
    words(
        "a about after all an and any as at away because before but by down enthusiastically every for from how if in"
        " into many not of off often on or out over so some than that the to up well what when where while who why with"
        " without"
    )
)


@dataclass(frozen=True, kw_only=True)
class SentencePair:
    """Two sentences.

    Parameters
    ----------
    more, less : the more stereotypical one and the other.
    group : of whom it speaks, for tables: the type of bias, or the pronoun of the more stereotypical sentence.
    clusters : what it shares with other pairs, in one or two ways.
    """

    more: str
    less: str
    group: str
    clusters: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The pairs of a file: ``form`` is ``crows_pairs`` or ``winobias``."""

    form: str
    pairs: tuple[SentencePair, ...]

    @property
    def ways(self) -> int:
        """In how many ways they are clustered."""
        return len(self.pairs[0].clusters)


def read_pairs(path: Path, anti: Path | None = None) -> Pairs:
    """The pairs of a CSV or TSV file with the columns of CrowS-Pairs, or of a text file in the form of WinoBias.

    CrowS-Pairs (Nangia et al., arXiv:2010.00133): ``sent_more`` and ``sent_less``; ``bias_type`` (group) and
    ``anon_writer`` (who wrote it, the cluster) where they are there. ``sent_more`` is the more stereotypical one also
    where ``stereo_antistereo`` says that the pair violates a stereotype.

    WinoBias (Zhao et al., arXiv:1804.06876): a sentence a line, with or without a number, with the occupation and its
    pronouns in brackets: ``The chief hired [the assistant] because [she] had stellar grades.`` The other sentence of
    the pair is taken from ``anti`` where that has the same one but for its pronouns, else the bracketed pronouns are
    swapped. Clusters are the occupation in brackets, and the two sentences about one pair of occupations.

    Raises GnomonError that names the line for what does not fit.
    """
    if path.suffix in (".csv", ".tsv"):
        return Pairs(form="crows_pairs", pairs=tuple(_crows(path)))
    return Pairs(form="winobias", pairs=tuple(_winobias(path, anti)))


def _crows(path: Path) -> list[SentencePair]:
    found = []
    for line, row in read_rows(path, "\t" if path.suffix == ".tsv" else ","):
        if not row.get("sent_more") or not row.get("sent_less"):
            raise GnomonError(f"{path}, line {line} lacks sent_more or sent_less", mend="give both sentences")
        found.append(
            SentencePair(
                more=row["sent_more"].strip(),
                less=row["sent_less"].strip(),
                group=row.get("bias_type") or "all",
                clusters=(row.get("anon_writer") or f"line {line}",),
            )
        )
    return _some(path, found)


def _winobias(path: Path, anti: Path | None) -> list[SentencePair]:
    lines = _sentences(path)
    given = {} if anti is None else {_without_pronouns(text): text for _, text in _sentences(anti)}
    found: list[SentencePair] = []
    told = [(_entity(path, number, text), _SPAN.sub(r"\1", text)) for number, text in lines]
    couple = 0
    for place, ((number, text), (entity, plain)) in enumerate(zip(lines, told, strict=True)):
        before = told[place - 1] if place else ("", "")
        # the second of a couple names the occupation that the first leaves out of its brackets, and the other way
        second = place > 0 and len(found) > couple and _names(plain, before[0]) and _names(before[1], entity)
        if not second or entity == before[0]:
            couple = place
        pronouns = [span for span in _SPAN.findall(text) if span.lower() in _SWAPPED or span.lower() == "her"]
        if not pronouns:
            raise GnomonError(f"{path}, line {number} has no pronoun in brackets", mend="write for example [she]")
        other = given.get(_without_pronouns(text)) or swapped(text)
        found.append(
            SentencePair(
                more=plain,
                less=_SPAN.sub(r"\1", other),
                group="she" if pronouns[0].lower() in _FEMALE else "he",
                clusters=(entity, f"couple {couple}"),
            )
        )
    return _some(path, found)


def swapped(text: str) -> str:
    """``text`` with the pronouns in brackets of the other gender.

    "his" and "him" are both "her". "her" is "him" after verbs such as "let" and "gave", and where no noun of its own
    can follow (an end, an article, a preposition), else "his". The rule was written with the test sentences in view;
    from those that the data set itself has in both forms it differs in none of type 1, and in 15 of 387 of type 2
    (development), in which pronouns are mostly objects: give the other file where there is one.

    >>> swapped("The guard checked [the counselor] and let [her] enter because of [her] badge.")
    'The guard checked [the counselor] and let [him] enter because of [his] badge.'
    """

    def other(match: re.Match[str]) -> str:
        word = match[1].lower()
        if word == "her":
            before = text[: match.start()].split()
            after = re.match(r"\s*([A-Za-z]+)", text[match.end() :])
            alone = after is None or after[1].lower() in _NO_NOUN
            said = "him" if alone or (before and before[-1].lower() in _GIVES) else "his"
        elif word in _SWAPPED:
            said = _SWAPPED[word]
        else:
            return str(match[0])
        given: str = match[1]
        return f"[{said.capitalize() if given[:1].isupper() else said}]"

    return _SPAN.sub(other, text)


def _sentences(path: Path) -> list[tuple[int, str]]:
    lines = enumerate(read_text(path).splitlines(), start=1)
    return [(number, _PLACE.sub("", line.strip())) for number, line in lines if line.strip()]


def _entity(path: Path, number: int, text: str) -> str:
    spans: list[str] = [span.lower() for span in _SPAN.findall(text)]
    found = [span for span in spans if span not in _SWAPPED and span != "her"]
    if not found:
        raise GnomonError(f"{path}, line {number} has no occupation in brackets", mend="write for example [the clerk]")
    return found[0].removeprefix("the ").strip()


def _names(text: str, entity: str) -> bool:
    return bool(entity) and entity in text.lower()


def _without_pronouns(text: str) -> str:
    pronouns = {*_SWAPPED, "her"}
    return _SPAN.sub(lambda found: "_" if str(found[1]).lower() in pronouns else str(found[1]), text).lower()


def _some(path: Path, found: Sequence[SentencePair]) -> list[SentencePair]:
    if not found:
        raise GnomonError(f"{path} holds no pairs of sentences", mend="give a file of CrowS-Pairs or WinoBias form")
    return list(found)
