"""On a world whose weak slices are planted they are found, and what is known is not."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.assurance import Deployment, evaluation
from gnomon.assurance.errors.error_slices import ErrorSlices
from gnomon.assurance.errors.material import graded_material
from gnomon.organisms.world import build, load_world, sized
from gnomon.randomness import Rng

UNTOLD = ("avoid", "draw", "kite")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    """The micro world with two verbs and an object in no request: about 10 s of one core."""
    folder = build(sized("micro", untold=UNTOLD), cache_folder=tmp_path_factory.mktemp("organisms"))
    subject, world = load_world(folder)
    return Deployment(subject=subject, folder=folder, world=world)


@pytest.mark.slow
def test_untold_words_are_found_from_the_text_alone(deployment):
    """Among requests as they are asked in training; columns, which would tell, are not looked at."""
    graded = graded_material(deployment, columns=["topic", "split"])
    plain = np.isin(graded.columns["split"], ("seen", "combination", "untold"))
    asked = graded.take(plain & (np.array(graded.columns["topic"]) == "requests"))
    untold = np.array(asked.columns["split"]) == "untold"
    print(f"errors: untold {asked.errors[untold].mean():.2f}, others {asked.errors[~untold].mean():.2f}")
    found, false, confirmed = [], 0, 0
    for seed in range(20):
        bare = type(asked)(texts=asked.texts, errors=asked.errors, clusters=asked.clusters)
        sought = ErrorSlices(activations=False).search(None, bare, Rng(seed), level=0.95)
        told = {one.description.strip("'") for one in sought.confirmed}
        found.append(len(told & set(UNTOLD)))
        for one in sought.confirmed:
            confirmed += 1
            false += asked.errors[one.inside].mean() <= asked.errors[~one.inside].mean()
    print(f"recall {np.mean(found) / len(UNTOLD):.2f}, false {false} of {confirmed} in 20 halvings")
    assert np.mean(found) / len(UNTOLD) >= 0.6
    assert false <= 0.05 * confirmed


@pytest.mark.slow
def test_evaluations_of_a_world_say_what_is_weak(deployment):
    for name in ("error_slices", "hallucination", "generalisation"):
        measured = evaluation(name)().run(deployment, Rng(0))
        assert {m.quantity for m in measured} <= {q.name for q in evaluation(name).quantities}
    gaps = {m.labels["split"]: m for m in measured if m.quantity == "generalisation_gap"}
    assert gaps["untold"].uncertainty.low > 0
