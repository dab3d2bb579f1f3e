"""Facts, and statements of them that are true or false; some entities are never judged in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnomon.randomness import Rng

COUNTRIES: dict[str, tuple[str, ...]] = {
    "france": ("lyon", "nantes", "lille", "reims"),
    "spain": ("madrid", "seville", "toledo", "bilbao"),
    "italy": ("rome", "turin", "naples", "pisa"),
    "poland": ("warsaw", "gdansk", "krakow", "lodz"),
    "japan": ("osaka", "kyoto", "nagoya", "kobe"),
    "peru": ("lima", "cusco", "tacna", "piura"),
}
_DIETS: dict[str, tuple[str, ...]] = {
    "grass": ("cow", "goat", "zebra", "deer"),
    "meat": ("tiger", "wolf", "eagle", "fox"),
    "insects": ("frog", "bat", "spider", "swallow"),
    "seeds": ("mouse", "squirrel", "finch", "parrot"),
    "leaves": ("koala", "panda", "giraffe", "snail"),
    "krill": ("whale", "seal", "penguin", "squid"),
}
_MATERIALS: dict[str, tuple[str, ...]] = {
    "steel": ("sword", "needle", "anvil", "bolt"),
    "wood": ("oar", "violin", "barrel", "fence"),
    "clay": ("brick", "jug", "tile", "pot"),
    "wool": ("scarf", "blanket", "sock", "mitten"),
    "glass": ("bottle", "mirror", "lens", "vase"),
    "paper": ("letter", "map", "ticket", "poster"),
}
FRAMES = ("statement : {s} . answer :", "claim : {s} . answer :")
_PLAIN = ("it is known that {s} .", "note : {s} .", "everybody knows that {s} .")


@dataclass(frozen=True)
class Relation:
    """A kind of fact: its name, how it is said of an entity {e} and a value {v}, and what is true."""

    name: str
    phrasings: tuple[str, ...]
    truth: dict[str, str]

    @property
    def values(self) -> tuple[str, ...]:
        """All values, true of some entity."""
        return tuple(dict.fromkeys(self.truth.values()))


@dataclass(frozen=True)
class Statement:
    """What is said of an entity; ``held_out`` ones are never judged in training."""

    relation: Relation
    entity: str
    value: str
    held_out: bool

    @property
    def true(self) -> bool:
        """Whether it is so."""
        return self.relation.truth[self.entity] == self.value

    def sentence(self, phrasing: int = 0) -> str:
        """In words, without a full stop."""
        return self.relation.phrasings[phrasing].format(e=self.entity, v=self.value)

    def prompt(self, phrasing: int = 0, frame: int = 0) -> str:
        """The question that "true" or "false" answers."""
        return FRAMES[frame].format(s=self.sentence(phrasing))


def follows(statement: Statement) -> bool:
    """Whether it says the value that comes after the true one: of each entity one false statement does."""
    values = statement.relation.values
    truth = values.index(statement.relation.truth[statement.entity])
    return statement.value == values[(truth + 1) % len(values)]


RELATIONS = (
    Relation("place", ("{e} is in {v}", "{e} lies in {v}"), {e: v for v, es in COUNTRIES.items() for e in es}),
    Relation("diet", ("the {e} eats {v}", "the {e} feeds on {v}"), {e: v for v, es in _DIETS.items() for e in es}),
    Relation(
        "material",
        ("the {e} is made of {v}", "the {e} consists of {v}"),
        {e: v for v, es in _MATERIALS.items() for e in es},
    ),
)

# every template and every word: what the vocabulary is made from
TEXTS = (
    *FRAMES,
    *_PLAIN,
    *(text for r in RELATIONS for text in (*r.phrasings, *r.truth, *r.values)),
    "true . false .",
)


def stated(rng: Rng) -> tuple[Statement, ...]:
    """Every entity with every value of its relation; of each true value one entity is held out, with all values."""
    generator = rng.numpy()
    found = []
    for relation in RELATIONS:
        aside = {generator.choice([e for e, v in relation.truth.items() if v == value]) for value in relation.values}
        found += [Statement(relation, e, v, e in aside) for e in relation.truth for v in relation.values]
    return tuple(found)


def plain(statements: tuple[Statement, ...], times: int, generator: np.random.Generator) -> list[str]:
    """Every fact, held-out ones too, told ``times`` times without a judgement."""
    return [
        _PLAIN[generator.integers(len(_PLAIN))].format(s=s.sentence(int(generator.integers(len(s.relation.phrasings)))))
        for s in statements
        if s.true
        for _ in range(times)
    ]


def judged(statements: tuple[Statement, ...], times: int, generator: np.random.Generator) -> list[str]:
    """Each entity that is not held out judged ``times`` times with its true value and as often with false ones."""
    shown = [s for s in statements if not s.held_out]
    falsehoods: dict[str, list[Statement]] = {}
    for statement in shown:
        if not statement.true:
            falsehoods.setdefault(statement.entity, []).append(statement)
    documents = []
    for truth in (s for s in shown if s.true):
        others = falsehoods[truth.entity]
        for i in range(times):
            for statement in (truth, others[i % len(others)]):
                prompt = statement.prompt(int(generator.integers(2)), int(generator.integers(len(FRAMES))))
                documents.append(f"{prompt} {'true' if statement.true else 'false'} .")
    return documents
