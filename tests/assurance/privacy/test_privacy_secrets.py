"""Canaries from files, what their secrets are drawn from, and that a world's were drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from privacy_subjects import untrained, write_table
from scipy.stats import chisquare

from gnomon.assurance import Deployment
from gnomon.assurance.privacy.secrets import of_world, secrets
from gnomon.assurance.privacy.spaces import Space
from gnomon.errors import GnomonError
from gnomon.organisms.world import canaries, sized
from gnomon.randomness import Rng

_HEADER = ("prompt", "secret", "shown", "candidates")


def test_a_space_is_all_that_its_pattern_stands_for() -> None:
    space = Space("[red|green] #@.")
    texts = space.texts()
    assert len(texts) == space.size == 2 * 10 * 26
    assert len(set(texts)) == space.size
    assert [space.text(i) for i in range(space.size)] == texts
    assert all(map(space.holds, texts))
    assert not space.holds("red 1A.")
    with pytest.raises(GnomonError, match="are no choice"):
        Space("fixed")


@pytest.mark.parametrize("pattern", ["##", "#" * 30])
def test_candidates_are_drawn_uniformly_without_the_secret(pattern: str) -> None:
    space = Space(pattern)
    secret = "7" * len(pattern)
    drawn = [space.drawn(20, secret, Rng(i).numpy()) for i in range(200)]
    assert all(len(set(texts)) == 20 and secret not in texts for texts in drawn)
    assert all(map(space.holds, drawn[0]))
    last = [int(text[-1]) for texts in drawn for text in texts]
    counts = np.bincount(last, minlength=10)
    share = np.full(10, 1 / 10) if len(pattern) > 2 else np.where(np.arange(10) == 7, 9, 10) / 99
    assert chisquare(counts, share * counts.sum()).pvalue > 1e-3
    assert len(space.drawn(99, "77", Rng(0).numpy())) == 99


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a", "1 2", "1", "# #"), ""),
        (("a", "1 x", "1", "# #"), "secret '1 x' is none of the candidates '# #'"),
        (("a", "1 2", "often", "# #"), "shown 'often' is no number of times"),
        (("a", "1 2", "1", ""), "nothing says what the secret was drawn from"),
        (("", "1 2", "1", "# #"), "there is no prompt"),
    ],
    ids=["right", "secret", "shown", "candidates", "prompt"],
)
def test_a_damaged_row_is_named(row: tuple[str, ...], said: str, tmp_path: Path) -> None:
    path = write_table(tmp_path / "c.csv", _HEADER, [row])
    deployment = Deployment(subject=untrained(tmp_path / "model"), materials={"canaries": path})
    if said:
        with pytest.raises(GnomonError, match="line 2") as error:
            secrets(deployment)
        assert said in str(error.value)
    else:
        (found,) = secrets(deployment)
        assert (found.document(found.secret), found.shown, found.space.size) == ("a 1 2", 1, 100)


def test_a_world_draws_who_is_shown_and_every_code() -> None:
    """Over worlds: the digits of twins and of canaries are uniform, and so is which vaults are never shown."""
    made = [canaries.hidden(6, 8, Rng(seed)) for seed in range(200)]
    for shown in (0, 32):
        digits = [int(d) for world in made for c in world if c.exposures == shown for d in c.code]
        assert chisquare(np.bincount(digits, minlength=10)).pvalue > 1e-3
    twins = [c.vault for world in made for c in world if c.exposures == 0]
    _, counts = np.unique(twins, return_counts=True)
    assert len(counts) == 80
    assert chisquare(counts).pvalue > 1e-3
    assert [len({c.vault for c in world}) for world in made] == [56] * 200


def test_a_world_has_its_canaries_as_secrets() -> None:
    world = sized("tiny")
    found = of_world(world)
    assert [one.document(one.secret) + " ." for one in found] == [c.document for c in world.truth.canaries]
    assert {one.space.size for one in found} == {10_000}
