"""The packaged digits against scikit-learn's copy, and splits of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from gnomon.errors import GnomonError
from gnomon.organisms.digits import digits
from gnomon.randomness import Rng


def test_they_are_those_of_scikit_learn() -> None:
    theirs = load_digits()
    assert np.array_equal(digits().images * 16, theirs.data)
    assert np.array_equal(digits().classes, theirs.target)


def test_nobody_can_change_them_for_others() -> None:
    with pytest.raises(ValueError, match="read-only"):
        digits().images[0, 0] = 1.0


@settings(max_examples=20, deadline=None)
@given(train=st.integers(1, 1796), seed=st.integers(0, 1000))
def test_a_split_has_every_image_once(train: int, seed: int) -> None:
    fit, rest = digits().split(train, Rng(seed))
    assert len(fit) == train
    rows = np.concatenate([np.column_stack([part.images, part.classes]) for part in (fit, rest)])
    whole = np.column_stack([digits().images, digits().classes])
    assert np.array_equal(rows[np.lexsort(rows.T)], whole[np.lexsort(whole.T)])


@pytest.mark.parametrize("train", [0, 1797])
def test_an_empty_split_is_refused(train: int) -> None:
    with pytest.raises(GnomonError, match="leave a split empty"):
        digits().split(train, Rng(0))
