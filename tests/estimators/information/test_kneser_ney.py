"""n-grams against a plain implementation with dictionaries, against sums to one, and against chains' entropies."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from gnomon.estimators.information.kneser_ney import discounts, held_out_losses
from gnomon.estimators.information.known import MarkovChain
from gnomon.randomness import Rng


class Reference:
    """Modified Kneser–Ney straight from Chen & Goodman's formulas, one token at a time."""

    def __init__(self, texts: list[list[int]], longest: int, classes: int) -> None:
        self.classes = classes
        self.occurrences: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(longest + 1)]
        for text in texts:
            for end in range(len(text)):
                for context in range(min(end, longest) + 1):
                    self.occurrences[context][tuple(text[end - context : end + 1])] += 1
        self.kinds: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(longest + 1)]
        for context in range(longest):
            for gram in self.occurrences[context + 1]:
                self.kinds[context][gram[1:]] += 1
        self._followers: dict[int, dict[tuple[int, ...], list[int]]] = {}
        self._discounts: dict[int, list[float]] = {}

    def probability(self, context: tuple[int, ...], token: int, *, top: bool = True) -> float:
        counts = self.occurrences[len(context)] if top else self.kinds[len(context)]
        lower = self.probability(context[1:], token, top=False) if context else 1 / self.classes
        followers = self._after(counts, context)
        if not followers:
            return lower
        d = self._discount(counts)
        total = sum(followers)
        own = counts[(*context, token)]
        back = sum(d[min(a, 3)] for a in followers) / total
        return max(own - d[min(own, 3)], 0) / total + back * lower

    def _after(self, counts: Counter[tuple[int, ...]], context: tuple[int, ...]) -> list[int]:
        if id(counts) not in self._followers:
            after: dict[tuple[int, ...], list[int]] = defaultdict(list)
            for gram, count in counts.items():
                after[gram[:-1]].append(count)
            self._followers[id(counts)] = after
        return self._followers[id(counts)].get(context, [])

    def _discount(self, counts: Counter[tuple[int, ...]]) -> list[float]:
        n = Counter(counts.values())
        if not (n[1] and n[2] and n[3] and n[4]):
            return [0, 0.5, 1, 1.5]
        y = n[1] / (n[1] + 2 * n[2])
        estimated = [j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3)]
        return [0, *estimated] if min(estimated) > 0 else [0, 0.5, 1, 1.5]


def _flat(texts: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Tokens, positions and number of the text of each."""
    lengths = [len(t) for t in texts]
    return np.concatenate(texts), np.concatenate([np.arange(n) for n in lengths]), np.repeat(range(len(texts)), lengths)


def _random_texts(seed: int, tokens: int, texts: int = 24) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.full(tokens, 0.3), size=tokens)
    found = []
    for length in generator.integers(1, 40, size=texts):
        text = [int(generator.integers(tokens))]
        while len(text) < length:
            text.append(int(generator.choice(tokens, p=weights[text[-1]])))
        found.append(text)
    return found


@pytest.mark.parametrize(("seed", "tokens"), [(0, 3), (1, 12), (2, 40)])
def test_equals_the_plain_implementation(seed: int, tokens: int) -> None:
    texts, longest, classes = _random_texts(seed, tokens), 4, tokens + 2
    flat, positions, text = _flat(texts)
    folds = text % 3
    losses = held_out_losses(flat, positions, folds, classes, longest)
    for fold in range(3):
        reference = Reference([t for i, t in enumerate(texts) if i % 3 != fold], longest, classes)
        for at in np.flatnonzero(folds == fold):
            for context in range(longest + 1):
                known = tuple(texts[text[at]][max(0, positions[at] - context) : positions[at]])
                if len(known) < context:
                    continue  # at the beginning of a text: tested below
                expected = -np.log(reference.probability(known, int(flat[at])))
                assert losses[context, at] == pytest.approx(expected, rel=1e-12)


def test_the_plain_implementation_sums_to_one() -> None:
    reference = Reference(_random_texts(3, 6), 3, 8)
    for context in ((), (1,), (2, 1), (5, 0, 3), (7, 7, 7)):
        assert sum(reference.probability(context, x) for x in range(8)) == pytest.approx(1, abs=1e-12)


def test_probabilities_of_every_continuation_sum_to_one() -> None:
    """One held-out text for every possible last token: the probabilities of those tokens add up."""
    tokens, longest = 7, 3
    counted = _random_texts(4, tokens)
    for prefix in ([], [1], [1, 2, 3], [6, 6, 6, 6]):
        endings = [[*prefix, x] for x in range(tokens)]
        total = np.zeros(longest + 1)
        for ending in endings:
            flat, positions, text = _flat([*counted, ending])
            folds = (text == len(counted)).astype(np.int64)
            total += np.exp(-held_out_losses(flat, positions, folds, tokens, longest)[:, -1])
        np.testing.assert_allclose(total, 1, atol=1e-12)


def test_nothing_is_known_of_the_own_fold() -> None:
    """Changing a held-out text in a way that keeps the tokens before the last leaves the last one's rivals alone."""
    counted = [[0, 1, 2, 3]] * 4
    flat, positions, text = _flat([*counted, [0, 1, 2, 2]])
    folds = (text == 4).astype(np.int64)
    seen = held_out_losses(flat, positions, folds, 4, 2)[:, -1]
    flat, positions, text = _flat([*counted, [0, 1, 2, 2], [0, 1, 2, 2], [0, 1, 2, 2]])
    folds = (text >= 4).astype(np.int64)
    np.testing.assert_array_equal(held_out_losses(flat, positions, folds, 4, 2)[:, -1], seen)


def test_converges_to_the_entropies_of_a_chain_from_above() -> None:
    """The n-gram with m tokens of context costs H_m and, by its finite counts, more; less so with more text."""
    chain = MarkovChain.drawn(Rng(5), order=2, tokens=4)
    excess = []
    for texts in (40, 400, 4000):
        sampled = chain.sample(Rng(texts), texts, 50)
        text = np.repeat(np.arange(texts), 50)
        losses = held_out_losses(sampled.reshape(-1), np.tile(np.arange(50), texts), text % 5, 4, 3)
        # against the chain's own loss of the same tokens, which takes out the chance of the sample
        exact = [_chain_loss(chain, sampled, m) for m in range(3)]
        inside = np.tile(np.arange(50), texts) >= 3
        excess.append([float((losses[m] - exact[min(m, 2)])[inside].mean()) for m in range(4)])
    found = np.array(excess)
    assert (found[:, 1:] > 0).all()
    assert (np.abs(found[:, 0]) < 2e-3).all()  # three numbers to learn: chance is larger than the cost
    assert (found[1:, 2:] < found[:-1, 2:] / 4).all()  # about a tenth, for ten times the text
    assert found[-1, 2] < 1e-3
    assert (found[:, 3] > found[:, 2]).all()  # counts spread over contexts that tell nothing more


def _chain_loss(chain: MarkovChain, sampled: NDArray[np.int64], context: int) -> NDArray[np.float64]:
    table = chain.conditionals[context]
    padded = np.pad(sampled, ((0, 0), (context, 0)))
    past = [padded[:, i : i + sampled.shape[1]] for i in range(context + 1)]
    return np.asarray(-np.log(table[tuple(past)]).reshape(-1))


def test_discounts() -> None:
    counts = np.repeat([1.0, 2.0, 3.0, 4.0, 9.0], [100, 40, 20, 12, 5])
    y = 100 / 180
    np.testing.assert_allclose(discounts(counts), [0, 1 - 2 * y * 0.4, 2 - 3 * y * 0.5, 3 - 4 * y * 0.6])
    np.testing.assert_array_equal(discounts(np.ones(5)), [0, 0.5, 1, 1.5])
