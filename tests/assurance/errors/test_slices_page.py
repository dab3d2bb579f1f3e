"""The page of slices: its figures say what the table says."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.assurance.errors.graded import Graded
from gnomon.assurance.errors.slices import find_slices
from gnomon.randomness import Rng
from gnomon.report.slices import figures
from gnomon.report.slices_table import COLUMNS, lead, rows


@pytest.fixture
def found():
    """A weak topic that is confirmed, and one of which nothing is held out."""
    topics = np.where(np.arange(400) < 8, 9, np.arange(400) // 2 % 4)
    columns = {"topic": tuple(f"t{t}" for t in topics)}
    errors = ((topics == 0) & (np.arange(400) % 8 < 2) | (topics == 9)).astype(float)
    graded = Graded(texts=("x",) * 400, errors=errors, clusters=np.arange(400), columns=columns)
    return find_slices(graded, Rng(0), known=(np.arange(400) % 2 == 0) | (np.arange(400) < 8))


def test_a_bar_for_each_slice_and_the_rest(found):
    (figure,) = figures(found)
    told = figure.spec["data"]["values"]
    expected = [(s.rate, s.rate_interval.low, s.rate_interval.high) for s in found.slices]
    expected.append((found.rest[0], found.rest[1].low, found.rest[1].high))
    assert [(row["value"], row["low"], row["high"]) for row in told] == expected
    assert [len(row) for row in rows(found)] == [len(COLUMNS)] * len(told)


def test_what_could_not_be_held_out_is_said(found):
    assert [s.description for s in found.confirmed] == ["topic = t0"]
    assert found.unseen == ("topic = t9",)
    assert "Of 2 slices" in lead(found)
    assert "the worst slice may be wrong throughout: topic = t9." in lead(found)
