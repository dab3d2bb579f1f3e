"""Slices: planted ones are found, others are not, and what is said of them after the search holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binom, fisher_exact
from slice_tables import PLANTED, is_false, searched, table, truths

from gnomon.assurance.errors.confirmation import confirm, exact_p_value
from gnomon.assurance.errors.discovery import nominate
from gnomon.assurance.errors.graded import Graded
from gnomon.assurance.errors.slices import find_slices
from gnomon.randomness import Rng


def test_the_first_rule_is_that_of_a_search_by_hand():
    one = table(1000, 5, effect=0.5, each=2, alike=0.5)
    known = one.graded.half(Rng(5))
    has, errors = one.features.members.toarray()[known] > 0, one.graded.errors[known]
    weights = 1 / np.array([np.sum(one.graded.clusters[known] == c) for c in one.graded.clusters[known]])

    def standardised(inside):
        n, m = weights[inside].sum(), weights[~inside].sum()
        if min(n, m) < 5:
            return -np.inf
        mean = np.average(errors, weights=weights)
        variance = np.average((errors - mean) ** 2, weights=weights)
        here, there = (np.average(errors[part], weights=weights[part]) for part in (inside, ~inside))
        return (here - there) / np.sqrt(variance * (1 / n + 1 / m))

    singles = {(i,): standardised(has[:, i]) for i in range(has.shape[1])}
    pairs = {(i, j): standardised(has[:, i] & has[:, j]) for i, j in itertools.combinations(range(has.shape[1]), 2)}
    count = sum(np.isfinite(z) for z in singles.values())
    corrected = {rule: z - np.sqrt(2 * np.log(count)) for rule, z in singles.items()}
    corrected |= {rule: z - np.sqrt(2 * np.log(count * (count - 1) / 2)) for rule, z in pairs.items()}
    best = max(corrected, key=corrected.__getitem__)
    (rule,) = nominate(one.graded, one.features, known, most=1, support=5)
    assert rule.features == best
    assert rule.z == pytest.approx({**singles, **pairs}[best])


def test_the_p_value_of_independent_answers_is_fishers():
    generator = np.random.default_rng(0)
    for _ in range(20):
        inside, wrong = generator.random(60) < 0.3, (generator.random(60) < 0.4).astype(float)
        counts = [[np.sum(wrong[part]), np.sum(1 - wrong[part])] for part in (inside, ~inside)]
        expected = fisher_exact(counts, alternative="greater").pvalue
        assert exact_p_value(wrong, inside, np.arange(60), Rng(0)) == pytest.approx(expected)


def test_the_p_value_of_twins_is_twice_that_of_one_each():
    inside, wrong = np.arange(60) < 20, (np.arange(60) % 20 < 6 + 5 * (np.arange(60) < 20)).astype(float)
    once = exact_p_value(wrong, inside, np.arange(60), Rng(0))
    twins = exact_p_value(np.repeat(wrong, 2), np.repeat(inside, 2), np.repeat(np.arange(60), 2), Rng(0))
    assert 0.01 < once < 0.3
    assert twins == pytest.approx(2 * once)


@pytest.mark.parametrize("kind", ["clusters", "graded"])
def test_other_p_values_are_no_smaller_than_they_may_be(kind):
    """Under equal rates they are below α no more often than α; two-sided binomial slack of 0.001."""
    steps, each, alike = (0, 4, 1.0) if kind == "clusters" else (3, 1, 0.0)
    found = []
    for seed in range(60):
        one = table(100, seed, effect=0.0, each=each, alike=alike, steps=steps)
        inside = one.features.member(seed % 20)
        found.append(exact_p_value(one.graded.errors, inside, one.graded.clusters, Rng(seed)))
    for alpha in (0.05, 0.2):
        assert np.sum(np.array(found) <= alpha) <= binom.ppf(0.999, len(found), alpha)


def test_planted_slices_are_found_and_told_once():
    one = table(6000, 1, effect=0.4)
    rules, slices = searched(one, 1)
    confirmed = [rule.features for rule, s in zip(rules, slices, strict=True) if s.confirmed]
    assert set(PLANTED) <= set(confirmed)
    assert len(confirmed) == len(PLANTED)
    for s in slices[:3]:
        assert s.rate_interval.low <= 0.5 <= s.rate_interval.high
        assert s.excess == pytest.approx(s.rate - s.rest)


def test_slices_that_mean_the_same_are_told_by_the_simplest():
    generator = np.random.default_rng(3)
    weak = generator.random(1200) < 0.2
    texts = tuple(f"{'please do tell' if w else 'say'} {' '.join(generator.choice(list('abcdefg'), 4))}" for w in weak)
    columns = {"source": tuple("forum" if w ^ (generator.random() < 0.02) else "book" for w in weak)}
    errors = (generator.random(1200) < np.where(weak, 0.6, 0.1)).astype(float)
    graded = Graded(texts=texts, errors=errors, clusters=np.arange(1200), columns=columns)
    (only,) = find_slices(graded, Rng(0)).confirmed
    assert only.description == "source = forum"
    bare = Graded(texts=texts, errors=errors, clusters=np.arange(1200))
    (only,) = find_slices(bare, Rng(0)).confirmed
    assert only.description in ("'please'", "'do'", "'tell'")


def test_a_number_is_cut_where_errors_begin():
    generator = np.random.default_rng(4)
    seen = generator.integers(1, 100, size=2000)
    errors = (generator.random(2000) < np.where(seen <= 20, 0.7, 0.1)).astype(float)
    columns = {"shown": tuple(str(v) if i % 10 else "" for i, v in enumerate(seen))}
    found = find_slices(Graded(texts=("x",) * 2000, errors=errors, clusters=np.arange(2000), columns=columns), Rng(0))
    assert found.confirmed[0].description.startswith("shown ≤ ")
    assert 15 <= float(found.confirmed[0].description.split()[-1]) <= 25


def test_the_worst_slice_is_the_largest_rate_with_the_largest_ends():
    one = table(3000, 2, effect=0.4)
    found = find_slices(Graded(texts=("x",) * 3000, errors=one.graded.errors, clusters=one.graded.clusters), Rng(0))
    assert found.slices == ()
    value, interval = found.worst
    assert value == pytest.approx(one.graded.errors[found.held_out].mean())
    assert interval.low < value < interval.high


def test_a_slice_without_held_out_examples_still_counts():
    """It enters the family with the p-value 1."""
    one = table(2000, 3, effect=0.4)
    half = one.graded.half(Rng(3))
    member = one.features.member(3)
    (alone,), _, none = confirm(one.graded, ~half, [("weak", member)], Rng(0))
    (weak,), _, unseen = confirm(one.graded, ~half, [("gone", half & ~member), ("weak", member)], Rng(0))
    assert weak.adjusted == pytest.approx(min(1.0, 2 * 1.5 * weak.p_value), abs=0)
    assert alone.adjusted == alone.p_value
    assert (none, unseen) == ((), ("gone",))


def test_a_slice_without_a_rest_is_told_as_the_rest():
    """Its errors are among those that the worst is sought of."""
    graded = Graded(texts=("x",) * 60, errors=np.repeat([0.0, 0.5, 1.0], 20), clusters=np.arange(60))
    held_out, first = np.arange(60) >= 20, np.arange(60) < 40
    slices, rest, unseen = confirm(graded, held_out, [("first", first), ("all", np.full(60, True))], Rng(0))
    assert [s.description for s in slices] == ["first"]
    assert rest[0] == 1.0
    assert unseen == ()
    _, everything, _ = confirm(graded, held_out, [("all", np.full(60, True))], Rng(0))
    assert everything[0] == 0.75


def test_what_errs_less_is_not_confirmed():
    """Of 200 clusters inside, half are of 20 examples and nearly always right: clusters err more, examples less."""
    sizes = np.where((np.arange(400) < 200) & (np.arange(400) % 2 == 0), 20, 1)
    chances = np.where(sizes == 20, 0.05, np.where(np.arange(400) < 200, 0.75, 0.3))
    clusters = np.repeat(np.arange(400), sizes)
    errors = (np.random.default_rng(0).random(len(clusters)) < chances[clusters]).astype(float)
    graded = Graded(texts=("x",) * len(errors), errors=errors, clusters=clusters)
    (one,), _, _ = confirm(graded, np.full(len(errors), True), [("inside", clusters < 200)], Rng(0))
    assert one.excess_interval.high < 0
    assert one.p_value == 1
    assert not one.confirmed


def test_a_slice_of_which_nothing_is_held_out_may_be_wrong_throughout():
    """40 topics of 8 questions; only those of one are answered wrongly, and none of it is held out."""
    topics = np.arange(320) // 8
    columns = {"topic": tuple(f"t{t}" for t in topics)}
    graded = Graded(texts=("x",) * 320, errors=(topics == 0).astype(float), clusters=np.arange(320), columns=columns)
    found = find_slices(graded, Rng(0), known=np.arange(320) < 160)
    assert found.unseen == ("topic = t0",)
    value, interval = found.worst
    assert value == 0.0
    assert interval.high == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("effect", "each", "alike", "steps"),
    [
        pytest.param(0.3, 1, 0.0, 0, id="planted"),
        pytest.param(0.0, 1, 0.0, 0, id="nothing planted"),
        pytest.param(0.3, 4, 0.7, 0, id="clusters"),
        pytest.param(0.0, 4, 0.7, 0, id="clusters, nothing planted"),
        pytest.param(0.3, 1, 0.0, 3, id="graded"),
    ],
)
def test_false_discoveries_are_within_the_level(effect, each, alike, steps):
    """Of 400 tables; and the intervals of all nominated slices hold at once, whence those of the confirmed."""
    tables, level = 400, 0.9
    pool = table(100_000, 10**6, effect=effect)
    false, at_once, missed = [], [], []
    for seed in range(tables):
        rules, slices = searched(
            table(1000, seed, effect=effect, each=each, alike=alike, steps=steps), seed, level=level
        )
        by_name = {s.description: s for s in slices}
        confirmed = [rule for rule in rules if str(rule.features) in by_name and by_name[str(rule.features)].confirmed]
        false.append(np.mean([is_false(rule, effect) for rule in confirmed]) if confirmed else 0.0)
        hits, of_confirmed = [], []
        for rule, (rate, excess) in zip(rules, truths(rules, pool), strict=True):
            told = by_name.get(str(rule.features))
            if told is not None:
                hits.append(told.rate_interval.low <= rate <= told.rate_interval.high)
                hits.append(told.excess_interval.low <= excess <= told.excess_interval.high)
                of_confirmed += hits[-2:] if told.confirmed else []
        at_once.append(all(hits))
        missed.append(1 - np.mean(of_confirmed) if of_confirmed else 0.0)
    print(f"FDR {np.mean(false):.4f}, at once {np.mean(at_once):.3f}, missed of the confirmed {np.mean(missed):.4f}")
    # the mean of numbers in [0, 1] with mean 1 - level has at most this spread
    assert np.mean(false) <= (1 - level) + 3 * np.sqrt(level * (1 - level) / tables)
    assert np.sum(at_once) >= binom.ppf(0.001, tables, level)
    assert np.mean(missed) <= (1 - level) + 3 * np.sqrt(level * (1 - level) / tables)


@pytest.mark.slow
def test_recall_rises_with_the_number_of_examples():
    recalls = []
    for n in (500, 1000, 2000, 4000):
        hits = []
        for seed in range(200):
            _, slices = searched(table(n, seed, effect=0.3), seed)
            found = {s.description for s in slices if s.confirmed}
            hits.append(np.mean([str(rule) in found for rule in PLANTED]))
        recalls.append(np.mean(hits))
    print("recall", np.round(recalls, 3))
    assert (np.diff(recalls) > 0.02).all()
    assert recalls[-1] > 0.95
