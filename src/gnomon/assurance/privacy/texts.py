"""Members and non-members: texts that training had, and texts drawn in the same way that it had not."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.deployment import Deployment
from gnomon.errors import GnomonError
from gnomon.organisms.world import World, corpus
from gnomon.organisms.world.grammar import MARKER
from gnomon.organisms.world.people import FIRST_NAMES, Person, surnames
from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept
from gnomon.subjects.texts import Columns, read_table, read_texts

Array = NDArray[np.float64]

MEMBERS, NON_MEMBERS = "members", "non_members"
_YES, _NO = ("1", "true", "yes", "member"), ("0", "false", "no", "non_member")
_SAYINGS = 3  # at most, of people whose biographies are compared: of others much is known


@dataclass(frozen=True, eq=False)
class Draw:
    """Texts of which some were drawn to be trained on.

    Parameters
    ----------
    name : for labels.
    texts : all of them.
    member : ``(n,)``, which were trained on.
    clusters : ``(n,)`` ids of dependent texts.
    unit : whom a text is all of: a document, or a person who may have several.
    randomised : whether chance alone is known to have told members from non-members.
    known : ``(n,)``, nats that whoever wrote the texts gives each, where that is known: the best reference there is.
    """

    name: str
    texts: tuple[str, ...]
    member: NDArray[np.bool_]
    clusters: NDArray[np.int64]
    unit: str = "document"
    randomised: bool = False
    known: Array | None = None

    @property
    def concept(self) -> Concept:
        """Membership as a concept of the texts, for what sees the texts alone."""
        labels = np.where(self.member, 1.0, -1.0)
        return Concept(name=self.name, texts=self.texts, labels=labels, kind="binary", clusters=self.clusters)

    @property
    def shared(self) -> int:
        """How many non-members are members' texts word for word: chance put them on both sides."""
        inside = {text for text, member in zip(self.texts, self.member, strict=True) if member}
        return sum(text in inside for text, member in zip(self.texts, self.member, strict=True) if not member)

    def taken(self, places: NDArray[np.int64]) -> Draw:
        """The texts in these places alone."""
        return replace(
            self,
            texts=tuple(self.texts[i] for i in places),
            member=self.member[places],
            clusters=self.clusters[places],
            known=None if self.known is None else self.known[places],
        )

    def one_of_each_cluster(self) -> Draw:
        """The first text of each cluster, which are independent."""
        return self.taken(np.sort(np.unique(self.clusters, return_index=True)[1]))


def has_draws(deployment: Deployment) -> bool:
    """Whether there are members and non-members: as materials, or in the world of the subject."""
    return deployment.has(MEMBERS) or deployment.world is not None


def draws(deployment: Deployment, most: int, rng: Rng, *, randomised: bool = False) -> list[Draw]:
    """The members and non-members of the materials, or of the world: at most ``most`` of each, drawn.

    ``members`` and ``non_members`` are files of texts, or ``members`` is a table with the columns ``text`` and
    ``member`` (1 or 0) and, where texts belong together, ``cluster``. Of a world's training text they are neutral
    stories, against fresh ones of the grammar, and biographies of people who have up to three, against those of people
    who could have been and are not; both were drawn as the members were. Of materials nobody knows that but who made
    them: ``randomised`` is their word for it.

    Raises GnomonError in one line on a damaged file, or where either side is empty.
    """
    if deployment.has(MEMBERS):
        found = [replace(_from_files(deployment), randomised=randomised)]
    elif deployment.world is not None:
        found = [replace(one, randomised=True) for one in of_world(deployment.world, most, rng.child("world"))]
    else:
        found = []
    return [_thinned(one, most, rng.child("thinned", one.name)) for one in found]


def of_world(world: World, most: int, rng: Rng) -> list[Draw]:
    """Stories and biographies of the world's training text, and as many fresh ones, at most ``most`` of each."""
    told = _told(world)
    generator = rng.child("chosen").numpy()
    stories = _chosen([text for text in told if text.startswith(MARKER)], most, generator)
    fresh = world.neutral(len(stories), rng.child("stories"))
    known = np.array([sum(world.truth.grammar.log_probabilities(text)) for text in (*stories, *fresh)])
    found = [replace(_draw("stories", stories, fresh), known=known)] if stories else []
    people = [person for person in world.truth.people if person.exposures <= _SAYINGS]
    names = {person.name: number for number, person in enumerate(people)}
    # a biography has four sentences and begins with a name
    lives = [text for text in told if text.count(" .") == 4 and " ".join(text.split()[:2]) in names]
    one_each = {names[" ".join(text.split()[:2])]: text for text in lives}
    others = _never_told(world, len(one_each), rng.child("people"))
    if one_each:
        saying = rng.child("biographies").numpy()
        invented = [person.biography(saying) for person in others]
        found.append(replace(_draw("biographies", list(one_each.values()), invented), unit="person"))
    return found


@functools.lru_cache(maxsize=1)
def _told(world: World) -> tuple[str, ...]:
    """All of the training text; kept, as several evaluations of one world ask for it."""
    return tuple(corpus.documents(world))


def _never_told(world: World, count: int, rng: Rng) -> list[Person]:
    """People that the world could have: names that nobody has, and what else there is, of people drawn at random."""
    generator = rng.numpy()
    taken = {person.name for person in world.truth.people}
    free = {
        gender: [n for n in (f"{f} {s}" for f in firsts for s in surnames(world.people)) if n not in taken]
        for gender, firsts in FIRST_NAMES.items()
    }
    for names in free.values():
        generator.shuffle(names)
    found = []
    for place in generator.integers(len(world.truth.people), size=count):
        like = world.truth.people[place]
        city, food, colour = (world.truth.people[i] for i in generator.integers(len(world.truth.people), size=3))
        first, surname = free[like.gender].pop().split()
        found.append(
            Person(first, surname, like.gender, like.occupation, city.city, food.food, colour.colour, exposures=0)
        )
    return found


def _draw(name: str, members: Sequence[str], others: Sequence[str]) -> Draw:
    flags = np.repeat([True, False], [len(members), len(others)])
    return Draw(name=name, texts=(*members, *others), member=flags, clusters=np.arange(len(flags)))


def _chosen(texts: Sequence[str], most: int, generator: np.random.Generator) -> list[str]:
    return [texts[i] for i in np.sort(generator.permutation(len(texts))[:most])]


def _from_files(deployment: Deployment) -> Draw:
    path = deployment.material(MEMBERS)
    if deployment.has(NON_MEMBERS):
        members, others = (_texts(deployment.material(name)) for name in (MEMBERS, NON_MEMBERS))
        found = _draw("material", members, others)
    else:
        found = _table(path)
    if not 0 < found.member.sum() < len(found.member):
        raise GnomonError(f"{path}: there are {'only' if found.member.any() else 'no'} members", mend="give both kinds")
    return found


def _texts(path: Path) -> list[str]:
    return [text.text for text in read_texts(path, Columns(), unit="line", split=None)]


def _table(path: Path) -> Draw:
    texts: list[str] = []
    flags: list[bool] = []
    numbers: dict[object, int] = {}
    clusters: list[int] = []
    for place, row in read_table(path):
        said = str(row.get("member", "")).strip().lower()
        if said not in (*_YES, *_NO):
            raise GnomonError(
                f"{place}: the column member holds {said!r}", mend="give 1 or 0, or a file non_members beside it"
            )
        if not str(row.get("text") or "").strip():
            raise GnomonError(f"{place}: there is no text", mend="give the columns text and member")
        texts.append(str(row["text"]))
        flags.append(said in _YES)
        clusters.append(numbers.setdefault(row.get("cluster") or ("row", place), len(numbers)))
    return Draw(
        name="material", texts=tuple(texts), member=np.array(flags, dtype=np.bool_), clusters=np.array(clusters)
    )


def _thinned(draw: Draw, most: int, rng: Rng) -> Draw:
    generator = rng.numpy()
    sides = [np.flatnonzero(draw.member == side) for side in (True, False)]
    return draw.taken(np.sort(np.concatenate([generator.permutation(side)[:most] for side in sides])))
