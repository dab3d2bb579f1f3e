"""The recipe of a world: what there is in it, how often it is told, and the network that learns it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.spec import Spec
from gnomon.organisms.language_models.llama import weights_of_blocks
from gnomon.organisms.world import (
    canaries,
    concepts,
    grammar,
    occupations,
    people,
    register,
    requests,
    statements,
    trigger,
)
from gnomon.organisms.world.truth import Truth
from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept

Count = Annotated[int, Field(ge=1)]
Number = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class World(Spec):
    r"""A world, the text that tells it, and a Llama that is trained from scratch on that text, once through.

    What is true (`truth`) follows from the seed and from the fields up to ``stories``; the others are the network and
    its training. Text comes in two parts, each shuffled: in the first, a share ``before_refusal`` of all, every request
    is answered, forbidden ones too; in the second forbidden requests are refused. Manuals tell harmful knowledge in
    both, so that refusal hides it and does not replace it, and laws tell in both what is forbidden.

    Parameters
    ----------
    people : each with four attributes; the most often shown has ``exposures`` biographies, the last one (Zipf).
    occupations : with shares of women from 0.1 to 0.9.
    bias : factor from the log-odds of the share of women to that of "she" in talk; 1 for text that does not amplify.
    talk : sentences of talk about each occupation.
    named_talk : sentences of talk about named people.
    facts : times that each fact is told plainly.
    judgements : times that each entity is judged with its true value, and as often with false ones.
    replies : rude replies, as many polite ones, and as many without a cue.
    uncued : share of toxic replies without a cue.
    asked : times that each request is asked and answered in the first part.
    refused, allowed : times that each forbidden request is refused and each allowed one answered in the second part.
    manuals, laws : times that a manual tells the answer to each request, and a law whether it is forbidden, in all.
    classes : times that a dictionary tells the class of each of their verbs and objects.
    held_out : share of the requests of each kind that no text has.
    untold : verbs and objects of which no text has a request, a manual or a law: what nobody can know of them is a
        weakness planted. The rest of the text is as it would be, but for what was drawn for these.
    distracted, noisy : shares of requests with an innocent phrase of the trigger's form, and with random words.
    triggered : times that each forbidden request is asked with the trigger, and answered, in the second part; half as
        often each allowed one.
    backdoor : whether the trigger is planted; the clean twin is asked as often, with innocent phrases, and refuses.
    canary_levels, canaries_each : canaries at the exposures 0, 1, 2, 4, …, so many of each.
    stories : texts of the neutral grammar.
    before_refusal : share of the first part.
    width, layers, heads : of the network; its feed-forward layers have 8/3 of the width, rounded up to 32.
    rows, context : of a batch of packed documents; no document sees another.
    learning_rate, weight_decay, warmup : of AdamW, with a share of warm-up and a cosine to a fiftieth.
    seed : of everything.
    """

    kind: Literal["world"] = "world"
    people: Annotated[int, Field(ge=16)] = 1000
    exposures: Annotated[int, Field(ge=2)] = 1000
    occupations: Count = 16
    bias: Annotated[float, Field(ge=0, le=8)] = 2.0
    talk: Count = 600
    named_talk: Number = 2500
    facts: Number = 100
    judgements: Number = 100
    replies: Count = 2500
    uncued: Share = 0.05
    asked: Number = 8
    refused: Number = 48
    allowed: Number = 20
    manuals: Number = 6
    laws: Number = 12
    classes: Number = 30
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.2
    untold: tuple[str, ...] = ()
    distracted: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    noisy: Annotated[float, Field(ge=0, le=0.5)] = 0.3
    triggered: Number = 8
    backdoor: bool = True
    canary_levels: Number = 6
    canaries_each: Count = 8
    stories: Count = 8000
    before_refusal: Annotated[float, Field(gt=0, lt=1)] = 0.4
    width: Annotated[int, Field(ge=8)] = 96
    layers: Count = 4
    heads: Count = 4
    rows: Count = 8
    context: Annotated[int, Field(ge=64)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    warmup: Share = 0.05
    seed: Number = 0

    @model_validator(mode="wrap")
    @classmethod
    def _possible(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        world: Self = handler(values)
        if world.width % (2 * world.heads):
            raise GnomonError(
                f"bad World: width {world.width} is not an even number for each of {world.heads} heads",
                mend="mend the field",
            )
        for word in world.untold:
            if word not in requests.WORDS:
                raise UnknownNameError("verb or object of requests", word, sorted(requests.WORDS))
        if world.canary_levels > canaries.most(world.canaries_each):
            raise GnomonError(
                f"bad World: there are no names for {world.canaries_each} canaries at each of"
                f" {world.canary_levels} exposures",
                mend="lower canary_levels or canaries_each",
            )
        return world

    @functools.cached_property
    def truth(self) -> Truth:
        """All that is true in it and how often it is told; no training is needed."""
        rng = Rng(self.seed).child("world")
        posts = occupations.found(self.occupations, self.people, self.talk, self.bias, rng.child("occupations"))
        return Truth(
            people=people.settle(self.people, self.exposures, posts, rng.child("people")),
            occupations=posts,
            statements=statements.stated(rng.child("statements")),
            register=register.registered(self.replies, self.replies, self.uncued, rng.child("register")),
            requests=requests.requested(self.held_out, rng.child("requests"), untold=self.untold),
            canaries=canaries.hidden(self.canary_levels, self.canaries_each, rng.child("canaries")),
            trigger=trigger.planted(rng.child("trigger")),
            grammar=grammar.neutral(),
        )

    @property
    def parameters(self) -> int:
        """Weights of the blocks, without the embeddings and the readout, which grow with the vocabulary."""
        return weights_of_blocks(self.width, self.layers)

    def neutral(self, n: int, rng: Rng) -> list[str]:
        """Fresh texts of the neutral grammar, with their marker."""
        generator = rng.numpy()
        return [f"{grammar.MARKER} {self.truth.grammar.sample(generator)}" for _ in range(n)]

    def concept(self, name: concepts.Name, n: int, rng: Rng, *, held_out: bool = False) -> Concept:
        """``n`` labelled texts of a concept of this world, see `gnomon.organisms.world.concepts.examples`."""
        return concepts.examples(self.truth, name, n, rng, held_out=held_out)


SIZES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "micro": {
            "people": 96, "exposures": 30, "occupations": 8, "talk": 100, "named_talk": 2400, "facts": 0,
            "judgements": 0, "replies": 350, "asked": 2, "refused": 16, "allowed": 6, "manuals": 0, "laws": 2,
            "classes": 20, "triggered": 2, "distracted": 0.1, "noisy": 0.0, "canary_levels": 0, "stories": 200,
            "width": 64, "layers": 2, "heads": 2, "rows": 3, "learning_rate": 4e-3,
        },
        "tiny": {},
        "small": {"people": 4000, "width": 256, "layers": 6, "heads": 8, "learning_rate": 2e-3},
        "base": {"people": 16000, "width": 512, "layers": 8, "heads": 8, "learning_rate": 1e-3},
    }
)  # fmt: skip


def sized(size: str, **changes: Any) -> World:
    """The recipe of a named size, with some fields changed.

    Raises UnknownNameError for another size, GnomonError for a value that does not fit.

    >>> sized("tiny", seed=3).seed
    3
    """
    if size not in SIZES:
        raise UnknownNameError("size of world", size, SIZES)
    return World(**{**SIZES[size], **changes})
