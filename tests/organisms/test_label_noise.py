"""Wrong labels: how many, which, and what they become."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.organisms.digits import digits
from gnomon.organisms.label_noise import wrong_labels
from gnomon.randomness import Rng


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_the_share_of_wrong_labels_is_exact(share: float, seed: int) -> None:
    noisy = wrong_labels(digits().classes, share, Rng(seed))
    assert int((noisy != digits().classes).sum()) == round(share * 1797)
    assert set(noisy.tolist()) <= set(range(10))


def test_wrong_labels_are_spread_evenly_over_the_other_classes() -> None:
    classes = np.repeat(np.arange(10), 9_000)
    noisy = wrong_labels(classes, 1.0, Rng(0))
    counts = np.bincount(classes * 10 + noisy, minlength=100).reshape(10, 10)
    assert (np.diag(counts) == 0).all()
    others = counts[~np.eye(10, dtype=bool)]
    # chi-squared with 80 degrees of freedom: 99.9 % quantile 124.8
    assert ((others - 1_000) ** 2 / 1_000).sum() < 124.8


def test_more_noise_keeps_the_labels_that_less_noise_made_wrong() -> None:
    clean = digits().classes
    few, many = (wrong_labels(clean, share, Rng(3)) for share in (0.1, 0.3))
    wrong = few != clean
    assert np.array_equal(few[wrong], many[wrong])


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(GnomonError, match="not between 0 and 1"):
        wrong_labels(digits().classes, 1.2, Rng(0))
