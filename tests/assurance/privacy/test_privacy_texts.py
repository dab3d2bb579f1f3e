"""Members and non-members of a world: the former are its training text, the latter could have been."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from gnomon.assurance.privacy.texts import of_world
from gnomon.organisms.world import corpus, sized
from gnomon.organisms.world.people import VALUES
from gnomon.randomness import Rng
from gnomon.structure.directions.detection import auroc


def test_members_are_the_training_text_and_the_others_are_not_in_it() -> None:
    world = sized("micro")
    told = set(corpus.documents(world))
    stories, lives = of_world(world, 50, Rng(0))
    for draw in (stories, lives):
        inside = [text in told for text in draw.texts]
        assert all(np.array(inside)[draw.member])
        assert draw.member.sum() * 2 == len(draw.texts)
    assert lives.shared == 0
    names = {person.name for person in world.truth.people}
    others = [text for text, member in zip(lives.texts, lives.member, strict=True) if not member]
    assert names.isdisjoint(" ".join(text.split()[:2]) for text in others)
    assert set(corpus.vocabulary(world)) >= {word for text in others for word in text.split()}
    assert all(any(word in VALUES["occupation"] for word in text.split()) for text in others)
    known = world.truth.grammar.log_probabilities(stories.texts[-1])
    assert stories.known is not None
    assert stories.known[-1] == pytest.approx(sum(known))


@pytest.mark.slow
def test_neither_length_nor_words_tell_them_apart_over_worlds() -> None:
    """Of forty worlds the area of the length, and of the word for each colour, is above ½ in half."""
    for place, score in enumerate((len, lambda text: text.count("red") - text.count("blue"))):
        above = 0.0
        for seed in range(40):
            for draw in of_world(sized("micro", seed=seed), 50, Rng(seed)):
                found = auroc([float(score(text)) for text in draw.texts], np.where(draw.member, 1, -1)).value
                above += 0.5 if found == 0.5 else float(found > 0.5)
        assert binomtest(int(above), 80).pvalue > 1e-3, place
