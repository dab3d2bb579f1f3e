"""Windows show exactly so many tokens, and every target is as likely as any other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gnomon.estimators.information.spans import centres, span_of, spans
from gnomon.estimators.information.windows import Texts, draw_windows, longest_context, tiers
from gnomon.randomness import Rng
from gnomon.subjects import TokenData

BEGIN = 999


def numbered(lengths: list[int], *, begin: bool) -> TokenData:
    """Texts in which every token says where it stands: 100 · text + place."""
    return TokenData([[BEGIN] * begin + [100 * i + u for u in range(n)] for i, n in enumerate(lengths)])


def test_spans_hold_every_length_once() -> None:
    for first in range(4):
        for last in range(max(first, 1), 200):
            found = spans(first, last)
            assert [m for low, high in found for m in range(low, high + 1)] == list(range(first, last + 1))
            lengths = np.arange(-2, 210)
            index = span_of(lengths, found)
            for length, i in zip(lengths, index, strict=True):
                inside = [k for k, (low, high) in enumerate(found) if low <= length <= high]
                assert i == (inside[0] if inside else -1)
            assert (np.diff(centres(found)) > 0).all()


def test_tiers_end_where_spans_end() -> None:
    for longest in (2, 4, 8, 64):
        ends = {high for _, high in spans(0, longest)}
        assert all(high in ends for _, high in tiers(0, longest))
        assert [m for low, high in tiers(1, longest) for m in range(low, high + 1)] == list(range(1, longest + 1))


def test_a_begin_token_is_known_by_its_use() -> None:
    with_begin, without = Texts.of(numbered([5, 3], begin=True)), Texts.of(numbered([5, 3], begin=False))
    assert with_begin.begin == BEGIN
    assert without.begin is None
    np.testing.assert_array_equal(with_begin.tokens, without.tokens)
    np.testing.assert_array_equal(with_begin.lengths, [5, 3])
    np.testing.assert_array_equal(with_begin.positions, [0, 1, 2, 3, 4, 0, 1, 2])
    assert Texts.of(TokenData([[7, 1, 7], [7, 2]])).begin is None  # it comes again
    assert Texts.of(TokenData([[7, 1, 2]])).begin is None  # one text shows no rule


@pytest.mark.parametrize("begin", [False, True])
def test_each_target_has_each_tier_once(begin: bool) -> None:
    lengths, longest = [40, 17, 16, 55, 23], 16
    data = numbered(lengths, begin=begin)
    texts = Texts.of(data)
    windows = draw_windows(texts, longest, 10**6, Rng(0))
    rows = windows.data(texts)
    targets: dict[tuple[int, int], list[int]] = {}
    for row, text, start, (low, high) in zip(
        rows.sequences, windows.text, windows.start, windows.contexts, strict=True
    ):
        shown = row[1:] if begin else row
        np.testing.assert_array_equal(shown, 100 * text + start + np.arange(len(shown)))  # a stretch of one text
        assert not begin or row[0] == BEGIN
        assert low <= len(shown) - 1 <= high or start + len(shown) == lengths[text]
        for context in range(low, len(shown)):
            if start + context >= longest:
                targets.setdefault((int(text), int(start + context)), []).append(context)
    expected = {(i, u) for i, n in enumerate(lengths) for u in range(longest, n)}
    assert set(targets) == expected
    found = tiers(0 if begin else 1, longest)
    for contexts in targets.values():
        assert [sum(low <= m <= high for m in contexts) for low, high in found] == [1] * len(found)


def test_contexts_and_targets_are_uniform() -> None:
    """Over many draws of few windows, each target comes equally often, and with each context of its tier."""
    texts = Texts.of(numbered([20, 31, 12], begin=False))
    longest, counts = 8, np.zeros((3, 31, 9))
    for seed in range(4000):
        windows = draw_windows(texts, longest, 60, Rng(seed))
        for text, start, (low, high) in zip(windows.text, windows.start, windows.contexts, strict=True):
            for context in range(low, high + 1):
                if longest <= start + context < texts.lengths[text]:
                    counts[text, start + context, context] += 1
    for low, high in tiers(1, longest):
        per_cell = np.concatenate([counts[i, longest:n, low : high + 1].ravel() for i, n in enumerate(texts.lengths)])
        expected = per_cell.mean()
        assert np.abs(per_cell - expected).max() < 5 * np.sqrt(expected)


def test_the_draw_does_not_depend_on_the_order_of_texts() -> None:
    data = numbered([30, 41, 25, 33], begin=True)
    order = np.array([2, 0, 3, 1])

    def cut(d: TokenData) -> set[tuple[int, ...]]:
        texts = Texts.of(d)
        return {tuple(row) for row in draw_windows(texts, 8, 150, Rng(3)).data(texts).sequences}

    assert cut(data) == cut(data.take(order))


def test_windows_stay_in_their_clusters() -> None:
    data = TokenData([list(range(i, i + 30)) for i in range(6)], clusters=np.array([5, 5, 9, 9, 2, 2]))
    texts = Texts.of(data)
    windows = draw_windows(texts, 4, 400, Rng(0))
    np.testing.assert_array_equal(windows.data(texts).clusters, np.array([1, 1, 2, 2, 0, 0])[windows.text])


def test_no_more_positions_than_asked_for() -> None:
    texts = Texts.of(numbered([80] * 30, begin=True))
    for positions in (300, 3000):
        windows = draw_windows(texts, 32, positions, Rng(1))
        assert windows.data(texts).lengths.sum() <= positions


@pytest.mark.parametrize(
    ("lengths", "limit", "longest"),
    [([100] * 20, 128, 64), ([100] * 20, 20, 16), ([3] * 20, 128, 2), ([2] * 20, 128, 0), ([8] * 8 + [1000], 128, 4)],
)
def test_the_longest_context_is_one_that_most_have(lengths: list[int], limit: int, longest: int) -> None:
    clusters: NDArray[np.int64] = np.arange(len(lengths))
    assert longest_context(lengths, clusters, limit) == longest
