"""Every check fires on what it is for, and is silent where that is not so."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept
from gnomon.structure.concepts.checks import check_texts, check_vectors, class_counts
from gnomon.structure.concepts.contrast import centred_contrast
from gnomon.structure.concepts.duplicates import copies, duplicates, leaks
from gnomon.structure.concepts.identical import identical_vectors
from gnomon.structure.concepts.imbalance import imbalance
from gnomon.structure.concepts.length import length_auroc, length_leak
from gnomon.structure.concepts.massive import massive_coordinates, outlying_examples
from gnomon.structure.examples import Examples


def concept(texts, labels=None, clusters=None, kind="binary") -> Concept:
    n = len(texts)
    return Concept(
        name="made",
        texts=tuple(texts),
        labels=np.resize([1.0, -1.0], n) if labels is None else np.asarray(labels, dtype=float),
        kind=kind,
        clusters=np.arange(n) if clusters is None else np.asarray(clusters),
    )


def texts(n: int, seed: int = 0, length: int = 12) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join("".join(rng.choice(list("abcdefghij"), 4)) for _ in range(length)) for _ in range(n)]


# --- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("positive", "fires"), [(19, True), (20, False), (50, False), (81, True)], ids=str)
def test_imbalance_is_a_smaller_class_below_a_fifth(positive, fires) -> None:
    found = imbalance(concept(texts(100), np.where(np.arange(100) < positive, 1, -1)))
    assert bool(found) == fires
    if fires:
        assert found[0].numbers["share"] == pytest.approx(min(positive, 100 - positive) / 100)
        assert ("with the concept" in found[0].finding) == (positive < 50)


def test_imbalance_of_grades_is_most_of_them_equal() -> None:
    assert imbalance(concept(texts(10), [0.0] * 9 + [1.0], kind="graded"))[0].finding == "9 of 10 grades are 0"
    assert not imbalance(concept(texts(10), np.arange(10), kind="graded"))


def test_length_fires_where_one_class_is_longer() -> None:
    leaky = concept([t + " more" * int(y > 0) for t, y in zip(texts(60), np.resize([1, -1], 60), strict=True)])
    found = length_auroc(leaky, [len(t) for t in leaky.texts])
    assert found.value == 1.0
    (concern,) = length_leak(found, "characters")
    assert "longer: their number of characters alone has AUROC 1.00" in concern.finding
    shorter = length_auroc(leaky, [-len(t) for t in leaky.texts])
    assert "shorter" in length_leak(shorter, "tokens")[0].finding


def test_length_is_silent_where_it_says_nothing_or_too_little_is_known() -> None:
    rng = np.random.default_rng(0)
    same = concept(texts(200))
    assert not length_leak(length_auroc(same, rng.integers(10, 50, 200)), "characters")
    few = concept(texts(6))
    assert not length_leak(length_auroc(few, [3, 1, 3, 2, 2, 2]), "characters")


def test_copies_are_equal_but_for_case_and_spaces_and_only_across_groups() -> None:
    found = copies(["A b", "a  B", "c", "a b"], np.array([0, 1, 2, 0]))
    assert found.exact.tolist() == [[0, 1], [1, 3]]
    assert copies(["a b", "a b"], np.array([3, 3])).exact.tolist() == []


def test_near_copies_are_those_of_brute_force() -> None:
    """150 texts at every distance, against the definition: no pair that is none, and one of every text that has one."""
    rng = np.random.default_rng(0)
    made = texts(30)
    for base in list(made):
        for edits in (1, 2, 3, 6):
            letters = list(base)
            for place in rng.integers(0, len(letters), edits):
                letters[place] = "z"
            made.append("".join(letters))
    runs = [{t[i : i + 5] for i in range(len(t) - 4)} for t in made]
    groups = rng.integers(0, 40, len(made))
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(made)), 2)
        if len(runs[i] & runs[j]) >= 0.8 * len(runs[i] | runs[j]) and groups[i] != groups[j]
    }
    assert 20 < len(expected) < 500
    found = {tuple(pair) for pair in copies(made, groups).near.tolist()}
    assert found <= expected
    assert {i for pair in found for i in pair} == {i for pair in expected for i in pair}


def test_short_texts_and_hundreds_of_one_template_are_compared_too() -> None:
    assert copies(["ab", "ab!", "c"], np.arange(3)).near.tolist() == []
    many = [f"the number of the house in the long street of the old town is {i}" for i in range(300)]
    found = copies(many, np.arange(300)).near
    assert len(np.unique(found)) == 300
    more = copies([f"{text} and more" for text in many] * 2 + many, np.arange(900) // 300).near
    assert len(np.unique(more)) == 600  # of the equal ones the first


def test_duplicates_name_the_places_and_leave_clusters_alone() -> None:
    made = texts(8)
    twice = concept([*made, made[0].upper(), made[1][:-1] + "z"])
    first, second = duplicates(twice)
    assert first.finding == "2 of 10 texts are copies of others (text 1 and text 9)"
    assert second.finding == "2 of 10 texts are near copies of others (text 2 and text 10)"
    assert "--cluster" in first.mend
    clustered = concept(twice.texts, np.resize([1, -1], 10), clusters=[0, 1, 2, 3, 4, 5, 6, 7, 0, 1])
    assert not duplicates(clustered)
    assert not duplicates(concept(made))


def test_one_text_with_two_labels_is_a_contradiction_even_within_a_cluster() -> None:
    made = texts(4)
    (concern,) = duplicates(concept([made[0], made[0], made[2], made[3]], clusters=[0, 0, 1, 2]))
    assert concern.check == "contradiction"
    assert concern.finding == "the same text has different labels 1 times (text 1 and text 2)"
    assert not duplicates(concept([made[0], made[0], made[2], made[3]], [1, 1, -1, 1], clusters=[0, 0, 1, 2]))


def test_leaks_are_copies_across_the_split_only() -> None:
    train, made = concept(texts(20)), texts(20, seed=1)
    assert not leaks(train, concept([*made, made[0]]))
    copied, near = leaks(train, concept([*made, train.texts[3], train.texts[4], train.texts[5][:-1] + "z"]))
    assert copied.finding.startswith("2 of 23 test texts are copies of training texts (made, text 4 and made, text 21")
    assert near.numbers == {"near copies": 1}


def test_check_texts_reports_the_baselines_whether_or_not_they_alarm() -> None:
    found = check_texts(concept(texts(40)), rng=Rng(0), tokens=[12] * 40)
    assert [(m.quantity, m.labels, m.status) for m in found.measurements] == [
        ("length_auroc", {"unit": "characters"}, "ok"),
        ("length_auroc", {"unit": "tokens"}, "ok"),
        ("surface_auroc", {}, "ok"),
    ]
    assert found.concerns == ()
    few = check_texts(concept(texts(6)), rng=Rng(0))
    assert few.measurements[-1].status == "insufficient"
    assert "too few to cross-validate" in few.measurements[-1].reason


def test_classes_are_counted() -> None:
    assert class_counts(concept(texts(5))) == {"with": 3, "without": 2}
    assert class_counts(concept(texts(4), [1, 2, 3, 9], kind="graded")) == {"with": 2, "without": 2}


# --- vectors ---------------------------------------------------------------------------------------------------------


def pairs(n: int, *, contrast: float, distractor: float, seed: int = 0, d: int = 256) -> Examples:
    """Pairs that differ by ``2 contrast`` along the first coordinate and vary along the second and by noise."""
    rng = np.random.default_rng(seed)
    labels = np.tile([1.0, -1.0], n)
    inputs = 0.1 * rng.normal(size=(2 * n, d))
    inputs[:, 0] += contrast * labels
    inputs[:, 1] += distractor * rng.normal(size=2 * n)
    return Examples(
        inputs=torch.from_numpy(inputs),
        labels=torch.from_numpy(labels),
        kind="paired",
        clusters=np.repeat(np.arange(n), 2),
    )


def test_a_contrast_that_centring_takes_away_is_found() -> None:
    """The known case: the mean difference is near the truth, the first component of centred differences is not."""
    examples = pairs(64, contrast=0.5, distractor=0.8)
    (concern,) = centred_contrast(examples, site="here")
    differences = (examples.inputs[::2] - examples.inputs[1::2]).numpy()
    mean = differences.mean(axis=0)
    assert mean[0] / np.linalg.norm(mean) > 0.9
    leading = np.linalg.svd(differences - mean)[2][0]
    assert abs(leading[0]) < 0.1
    assert concern.numbers["centred"] == pytest.approx(abs(leading @ mean) / np.linalg.norm(mean))
    assert concern.site == "here"
    assert "take the mean difference" in concern.mend


def test_the_order_of_the_pairs_and_of_the_two_in_each_is_of_no_matter() -> None:
    examples = pairs(20, contrast=0.5, distractor=0.8)
    shuffled = examples.take(np.random.default_rng(1).permutation(40))
    assert centred_contrast(shuffled)[0].numbers == pytest.approx(centred_contrast(examples)[0].numbers)


def test_more_pairs_than_dimensions_are_no_other_case() -> None:
    """Coordinates that are zero change nothing, and make the dimension the larger number."""
    few = pairs(64, contrast=0.5, distractor=0.8, d=8)
    padded = torch.cat([few.inputs, few.inputs.new_zeros(len(few), 100)], dim=1)
    many = Examples(inputs=padded, labels=few.labels, kind="paired", clusters=few.clusters)
    assert centred_contrast(few)[0].numbers == pytest.approx(centred_contrast(many)[0].numbers)
    for seed in range(8):  # on both sides of the limit
        weak = pairs(64, contrast=0.13, distractor=0.8, d=8, seed=seed)
        padded = torch.cat([weak.inputs, weak.inputs.new_zeros(len(weak), 100)], dim=1)
        many = Examples(inputs=padded, labels=weak.labels, kind="paired", clusters=weak.clusters)
        assert bool(centred_contrast(weak)) == bool(centred_contrast(many))


def test_uncentred_components_are_recommended_only_where_they_find_it() -> None:
    assert centred_contrast(pairs(64, contrast=2.0, distractor=0.8))[0].mend.endswith("do not centre")
    assert not centred_contrast(pairs(64, contrast=0.3, distractor=0.8))[0].mend.endswith("do not centre")


def test_contrasts_that_are_noise_or_survive_centring_are_left_alone() -> None:
    fired = sum(bool(centred_contrast(pairs(32, contrast=0.0, distractor=0.8, seed=s))) for s in range(50))
    assert fired <= 2
    rng = np.random.default_rng(0)  # pairs that differ by more or less, along one and the same direction
    grown = pairs(40, contrast=0.0, distractor=0.0)
    along = torch.from_numpy(np.repeat(rng.uniform(0.2, 3.0, 40), 2)) * grown.labels
    grown.inputs[:, 0] += along
    assert not centred_contrast(grown)
    free = Examples(inputs=grown.inputs, labels=grown.labels)
    assert not centred_contrast(free)


def plain(n: int = 50, d: int = 100, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def examples_of(inputs: torch.Tensor) -> Examples:
    return Examples(inputs=inputs, labels=torch.from_numpy(np.resize([1.0, -1.0], len(inputs))))


@pytest.mark.parametrize(("size", "fires"), [(100.0, True), (30.0, True), (15.0, False), (1.0, False)], ids=str)
def test_massive_coordinates_are_few_and_drown_the_rest(size, fires) -> None:
    inputs = plain()
    inputs[:, 7] += size
    found = massive_coordinates(examples_of(inputs), site="blocks.1")
    assert bool(found) == fires
    if fires:
        assert found[0].numbers["coordinates"] == 1
        assert found[0].numbers["times"] == pytest.approx(size, rel=0.15)
        assert "(7)" in found[0].finding


def test_coordinates_of_unequal_scale_are_not_massive() -> None:
    scales = torch.from_numpy(np.random.default_rng(1).lognormal(0, 0.8, 100))
    assert not massive_coordinates(examples_of(plain() * scales))


def test_an_example_far_from_all_others_is_named() -> None:
    inputs = plain()
    assert not outlying_examples(examples_of(inputs + 1000))
    inputs[13] *= 50
    (concern,) = outlying_examples(examples_of(inputs + 1000))
    assert concern.finding.startswith("1 of 50 examples (numbers 13)")
    heavy = torch.from_numpy(np.random.default_rng(0).standard_t(3, size=(200, 100)))
    assert not outlying_examples(examples_of(heavy))


def test_vectors_that_are_the_same_for_most_texts_are_found() -> None:
    inputs = plain()
    assert not identical_vectors(examples_of(inputs))
    repeated = inputs[torch.arange(50) % 3] * (1 + 1e-7 * plain(seed=2))
    (concern,) = identical_vectors(examples_of(repeated))
    assert concern.numbers == {"distinct": 3}
    assert not identical_vectors(examples_of(inputs[torch.arange(50) % 30]))
    assert identical_vectors(examples_of(torch.zeros(4, 2)))[0].numbers == {"distinct": 1}


def test_check_vectors_makes_all_checks() -> None:
    found = check_vectors(pairs(64, contrast=0.5, distractor=0.8), site="blocks.0")
    assert [concern.check for concern in found] == ["contrast"]
    assert str(found[0]).startswith("contrast at blocks.0: centred differences")
    assert found[0].to_json()["site"] == "blocks.0"
    assert not check_vectors(examples_of(plain()))
