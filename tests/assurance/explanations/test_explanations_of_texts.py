"""Explanations of a language model, found in texts, kept, read again, and cited or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from control.worded_llama import worded_llama
from gnomon.assurance import Deployment, evaluation
from gnomon.assurance.asking import Question
from gnomon.assurance.case.citing import cite
from gnomon.assurance.explanations import Explanation, WordContrast, citable, evidence
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept
from gnomon.structure.concepts.activations import read_examples
from gnomon.structure.dictionaries.architectures import architecture, build, save_dictionary
from gnomon.structure.directions.method import method
from gnomon.structure.directions.readout import Readout
from gnomon.structure.directions.result import Directions, Found
from gnomon.structure.subspace import Subspace
from gnomon.subjects import Subject

GOOD, BAD = ("good", "fine", "kind"), ("bad", "poor", "mean")
FILLER = [f"word{i}" for i in range(12)]
SITE = "blocks.1"


@pytest.fixture(scope="module")
def subject() -> Subject:
    """The embeddings of good words have a vector in common, and those of bad ones its opposite."""
    found = worded_llama([*GOOD, *BAD, *FILLER])
    shared = 2 * torch.randn(32, generator=Rng(0).torch())
    ids = found.tokenizer.get_vocab()
    with torch.no_grad():
        for words, sign in ((GOOD, 1), (BAD, -1)):
            for word in words:
                found.module.get_input_embeddings().weight[ids[word]] += sign * shared
    return found


def _concept(n: int = 80, *, seed: int = 0, told: bool = True) -> Concept:
    """The last word of a text says whether it is good; without ``told`` labels are drawn."""
    draws = np.random.default_rng(seed)
    labels = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    texts = [f"{' '.join(draws.choice(FILLER, size=4))} {draws.choice(GOOD if label > 0 else BAD)}" for label in labels]
    if not told:
        labels = draws.permutation(labels)
    return Concept(name="good", texts=tuple(texts), labels=labels, kind="binary", clusters=np.arange(n))


def _explained(subject: Subject, concept: Concept) -> Explanation:
    how = method("mean_difference")()
    examples = read_examples(subject, concept, [SITE], "last", rng=Rng(0))[SITE]
    subspace = how.subspace(examples, rank=1, rng=Rng(0))
    return Explanation(name="good", concept="good", site=SITE, subspace=subspace, method=how)


def _written(concept: Concept, path: Path) -> None:
    lines = [f"{text},{int(label > 0)}" for text, label in zip(concept.texts, concept.labels, strict=True)]
    path.write_text("\n".join(["text,label", *lines]), encoding="utf-8")


def _repeated(question: Question, level: float) -> tuple[str, ...]:
    return ("gnomon", "evaluate", question.evaluation, repr(level))


def _one(found: list[Measurement], quantity: str, **labels: str) -> Measurement:
    (one,) = [m for m in found if m.quantity.endswith(quantity) and labels.items() <= m.labels.items()]
    return one


def test_a_direction_that_the_readout_sees_is_cited(subject: Subject) -> None:
    explained = _explained(subject, _concept())
    found = evidence(subject, explained, _concept(), Rng(0), judged=_concept(seed=1), draws=19)
    assert _one(found, "faithfulness", arm="explanation").value > 0.5
    assert _one(found, "faithfulness", arm="random").uncertainty.high < 0.3
    citable(found)


def test_a_concept_that_is_not_there_is_not_cited(subject: Subject) -> None:
    concept, other = (_concept(seed=seed, told=False) for seed in (2, 3))
    with pytest.raises(GnomonError, match="insufficient"):
        citable(evidence(subject, _explained(subject, concept), concept, Rng(0), judged=other, draws=2))


def test_answers_are_explained_by_what_tells_them(subject: Subject) -> None:
    concept = _concept()
    words = WordContrast(concept.texts, GOOD, BAD)
    said = words.read(subject)
    with pytest.raises(GnomonError, match="same token"):
        WordContrast(concept.texts, GOOD, GOOD).read(subject)
    everything = torch.eye(32, dtype=torch.float64)
    explained = Explanation(
        name="half", concept="good", site=SITE, subspace=Subspace(everything[:, :16], torch.ones(16))
    )
    with explained.without(torch.zeros(32, dtype=torch.float64), Subspace(everything, torch.ones(32))).on(subject):
        assert float(np.ptp(words.read(subject))) < 1e-5  # nothing of any text is left
    assert np.array_equal(words.read(subject), said)


def test_an_explanation_is_read_again_and_evaluated(subject: Subject, tmp_path: Path) -> None:
    explained = _explained(subject, _concept())
    zero, one = torch.zeros(32, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    found = Found(
        method="mean_difference",
        site=SITE,
        subspace=explained.subspace,
        centre=zero,
        contrast=one,
        length=torch.tensor(1.0),
        readout=Readout.fit(np.array([[-1.0], [0.5], [1.0], [-0.5]]), np.array([False, True, True, False])),
        p_values=(0.01,),
        curve=None,
    )
    about = {"concept": "good", "position": "last"}
    Directions(about=about, found=(found,), chosen=(), measurements=()).save(tmp_path / "directions")
    _written(_concept(), tmp_path / "good.csv")
    asked = evaluation("explanation")().changed({"directory": str(tmp_path / "directions"), "draws": 9})
    deployment = Deployment(subject=subject, folder=tmp_path)
    assert asked.reads == ("good", "good_test")
    assert asked.inapplicable(deployment) == ""
    with pytest.raises(GnomonError, match="very texts"):
        cite(tmp_path / "directions", deployment, Rng(0), command=_repeated)
    _written(_concept(seed=1), tmp_path / "good_test.csv")
    top, *leaves = cite(tmp_path / "directions", deployment, Rng(0), command=_repeated)
    assert [leaf.measurement["quantity"] for leaf in leaves] == [
        "explanation_faithfulness",
        *["explanation_stability"] * 2,
    ]
    assert top.by == tuple(leaf.id for leaf in leaves)
    assert "judged" in asked.changed({"judged": "judged"}).inapplicable(deployment)
    assert "good" in asked.inapplicable(Deployment(subject=subject))
    assert evaluation("explanation")().inapplicable(deployment)


def test_latents_are_stable_only_where_other_seeds_have_them(subject: Subject, tmp_path: Path) -> None:
    concept = _concept()
    direction = _explained(subject, concept).subspace.direction
    dictionaries = []
    for seed in range(4):
        one = build(architecture("top_k", latents=8, k=2), 32, None, Rng(seed))
        with torch.no_grad():
            if seed != 3:  # all but the last have the direction, as another latent each
                one.decoder[seed] = direction.float()
        dictionaries.append(one)
    explained = Explanation.of_latents(dictionaries[0], [0], site=SITE, concept="good")
    shared = evidence(subject, explained, concept, Rng(0), others=dictionaries[1:3], draws=5)
    assert _one(shared, "stability", over="seeds").value == pytest.approx(1, abs=1e-5)
    citable(shared)
    lost = evidence(subject, explained, concept, Rng(0), others=dictionaries[2:], draws=5)
    with pytest.raises(GnomonError, match="not stable over seeds"):
        citable(lost)
    with pytest.raises(GnomonError, match="0 dictionaries"):
        citable(evidence(subject, explained, concept, Rng(0), draws=5))
    save_dictionary(dictionaries[0], tmp_path / "dictionary", {})
    again = Explanation.load(tmp_path / "dictionary", latents=[0], site=SITE)
    assert torch.equal(again.subspace.basis, explained.subspace.basis)
