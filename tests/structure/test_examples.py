"""Examples: what is accepted, and how they are taken."""

import numpy as np
import pytest
import torch

from gnomon.errors import GnomonError
from gnomon.structure.examples import Examples

_X = torch.arange(12.0).reshape(4, 3)
_Y = torch.tensor([1.0, -1.0, 1.0, -1.0])


def test_they_are_kept_in_float64_and_each_is_its_own_cluster():
    examples = Examples(inputs=_X, labels=_Y)
    assert examples.inputs.dtype == examples.labels.dtype == torch.float64
    assert examples.groups.tolist() == [0, 1, 2, 3]
    assert examples.positive.tolist() == [True, False, True, False]


def test_graded_ones_are_positive_above_their_median():
    graded = Examples(inputs=_X, labels=torch.tensor([0.5, 2.0, 3.0, 0.1]), kind="graded")
    assert graded.positive.tolist() == [False, True, True, False]
    mostly_highest = Examples(inputs=torch.eye(4), labels=torch.tensor([1.0, 5.0, 5.0, 5.0]), kind="graded")
    assert mostly_highest.positive.tolist() == [False, True, True, True]


def test_taking_keeps_rows_labels_clusters_and_gradients_together():
    examples = Examples(inputs=_X, labels=_Y, clusters=np.array([7, 7, 8, 8]), gradients=-_X)
    taken = examples.take(np.array([3, 0]))
    assert torch.equal(taken.inputs, _X[[3, 0]].double())
    assert torch.equal(taken.labels, _Y[[3, 0]].double())
    assert taken.gradients is not None
    assert torch.equal(taken.gradients, -_X[[3, 0]].double())
    assert taken.groups.tolist() == [8, 7]


def test_pairs_stay_pairs_unless_they_are_drawn_twice():
    pairs = Examples(inputs=_X, labels=_Y, kind="paired", clusters=np.array([0, 0, 1, 1]))
    assert pairs.take(np.array([2, 3])).kind == "paired"
    assert pairs.take(np.array([2, 3, 2, 3])).kind == "binary"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"inputs": _X[0]}, "do not belong together"),
        ({"inputs": _X[:3]}, "do not belong together"),
        ({"inputs": _X[:1], "labels": _Y[:1]}, "do not belong together"),
        ({"inputs": _X[:, :0]}, "do not belong together"),
        ({"inputs": _X / 0}, "inputs hold NaN"),
        ({"labels": torch.tensor([1.0, -1.0, 1.0, torch.nan])}, "labels hold NaN"),
        ({"labels": torch.ones(4)}, "one label"),
        ({"labels": torch.tensor([1.0, 0.0, 1.0, 0.0])}, "not \\+1 and -1"),
        ({"clusters": np.arange(3)}, "clusters"),
        ({"gradients": _X[:, :2]}, "gradients"),
        ({"kind": "paired"}, "pair 0 is not one example with and one without"),
        ({"kind": "paired", "clusters": np.array([0, 1, 0, 1])}, "pair 0 is not"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_bad_input_is_one_line(change, cause):
    with pytest.raises(GnomonError, match=cause):
        Examples(**{"inputs": _X, "labels": _Y} | change)
